// `rookery vtysh`: a thin client of vty sockets, ours or FRR's. `-c` commands run in order; what a
// command is about decides which of FRR's daemons is asked, as vtysh does; ours answer as a whole
// on one more socket. Exits 1 when a command was not understood.

import { existsSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const defaultDirectories = ['/var/run/frr', '/run/rookery'];
const usage = 'Usage: rookery vtysh [--vty_socket DIR] [-d DAEMON] [-c COMMAND]... \n';

/** The daemon that a command belongs to. Pure. */
export function daemonFor(command: string): string {
  const words = command.trim().split(/\s+/);
  const about = (word: string | undefined, full: string): boolean =>
    word !== undefined && word.length >= 3 && full.startsWith(word);
  if (!/^sho?w?$/.test(words[0] ?? '')) return 'bgpd';
  if (about(words[1], 'bfd')) return 'bfdd';
  const routes = words[1] === 'ip' || words[1] === 'ipv6' ? words[2] : words[1];
  if (about(routes, 'route') || about(routes, 'nexthop')) return 'zebra';
  if (about(words[1], 'interface') || about(words[1], 'vrf')) return 'zebra';
  return 'bgpd';
}

export async function run(args: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: {
        command: { type: 'string', short: 'c', multiple: true },
        daemon: { type: 'string', short: 'd' },
        vty_socket: { type: 'string' },
        'vty-socket': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    process.stderr.write(`vtysh: ${(error as Error).message}\n${usage}`);
    return 1;
  }
  const { values } = parsed;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const directory = values['vty-socket'] ?? values.vty_socket ?? findDirectory();
  if (directory === undefined) {
    process.stderr.write(
      `Exiting: failed to connect to any daemons.\n` +
        `No vty socket in ${defaultDirectories.join(' or ')}: is a router or speaker running with --vty-socket?\n`,
    );
    return 1;
  }
  const ask = (command: string): Promise<number> => {
    const shell = existsSync(join(directory, 'vtysh.vty')) ? 'vtysh' : daemonFor(command);
    return askDaemon(join(directory, `${values.daemon ?? shell}.vty`), command);
  };
  if (values.command) {
    let status = 0;
    for (const command of values.command.flatMap((text) => text.split('\n'))) {
      status = await ask(command);
      if (status !== 0) break;
    }
    return status === 0 ? 0 : 1;
  }
  return interact(ask);
}

async function interact(ask: (command: string) => Promise<number>): Promise<number> {
  const input = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY === true,
    prompt: process.stdin.isTTY ? 'rookery# ' : '',
  });
  let closed = false;
  input.once('close', () => (closed = true));
  const prompt = (): void => {
    // Piped input ends before its last lines were answered.
    if (!closed) input.prompt();
  };
  prompt();
  for await (const line of input) {
    const command = line.trim();
    if (command === 'exit' || command === 'quit' || command === 'end') break;
    if (command !== '') await ask(command);
    prompt();
  }
  input.close();
  return 0;
}

/** Prints the answer; the status octet, or 1 when the daemon cannot be reached. */
function askDaemon(path: string, command: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    let pending = Buffer.alloc(0);
    socket.on('connect', () => socket.write(`${command}\0`));
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      const end = pending.indexOf('\0\0\0');
      if (end < 0 || pending.length < end + 4) return;
      process.stdout.write(pending.subarray(0, end));
      resolve(pending[end + 3]!);
      socket.destroy();
    });
    socket.on('error', (error) => {
      process.stderr.write(`Exiting: failed to connect to ${path}: ${error.message}\n`);
      resolve(1);
    });
    socket.on('close', () => resolve(1));
  });
}

function findDirectory(): string | undefined {
  return defaultDirectories.find((directory) => existsSync(join(directory, 'bgpd.vty')));
}
