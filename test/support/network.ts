// What the system tests look at from outside: the router's kernel and the wire.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Client, end, type Host, type Lab, until, when } from '@rookery/lab';

const execFileAsync = promisify(execFile);

/** Next hops of a host route in the router's kernel. */
export async function kernelNextHops(lab: Lab, address: string): Promise<ReadonlySet<string>> {
  const { stdout } = await lab.hosts.router.run(['ip', 'route', 'show', `${address}/32`]);
  return new Set([...stdout.matchAll(/via (\S+)/g)].map((match) => match[1]!));
}

/** Waits until the router's kernel has exactly these next hops for a host route. */
export async function expectNextHops(
  lab: Lab,
  address: string,
  wanted: readonly string[],
  timeoutMs: number,
): Promise<void> {
  await until(`next hops ${wanted.join(', ') || 'none'}`, timeoutMs, async () => {
    const found = await kernelNextHops(lab, address);
    return when(found.size === wanted.length && wanted.every((hop) => found.has(hop)));
  });
}

/** Waits until a client is answered; returns the node that did. */
export async function expectAnswer(client: Client, address: string): Promise<string> {
  return until('an answer', 5000, async () => (await client.ask(address)).answer);
}

/** Captures BGP on an interface until `stop`. */
export async function captureOn(
  host: Host,
  link: string,
  file: string,
): Promise<{ stop(): Promise<void> }> {
  const child = host.spawn(
    ['tcpdump', '-Z', 'root', '-U', '-i', link, '-w', file, 'tcp port 179'],
    {
      stdio: 'ignore',
    },
  );
  await until('tcpdump writes', 5000, () => when(existsSync(file)));
  return { stop: () => end(child, 'SIGINT') };
}

/** BGP messages in a capture and the frames that Wireshark calls malformed or in error. */
export async function malformedPackets(
  file: string,
): Promise<{ readonly messages: number; readonly malformed: readonly string[] }> {
  const read = async (filter: string): Promise<readonly string[]> => {
    const { stdout } = await execFileAsync('tshark', ['-r', file, '-Y', filter], {
      maxBuffer: 64 << 20,
    });
    return stdout.split('\n').filter((line) => line !== '');
  };
  const all = await read('bgp');
  return {
    messages: all.length,
    malformed: await read('_ws.malformed || bgp && _ws.expert.severity == error'),
  };
}
