// Router daemons on loopback addresses, each from a text of configuration: ours or the real BIRD,
// asked through Debian's birdc. The same text in both is the test that ours means what BIRD means.

import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Host, until, when } from '@rookery/lab';

export type RouterKind = 'rookery' | 'bird';

const BIRD = '/usr/sbin/bird';
const MAIN = join(import.meta.dirname, '../../apps/rookery/src/main.ts');
const run = promisify(execFile);

/** Why daemons cannot be compared here, or `false`: node:test's `skip` option. */
export const skipWithoutBird: string | false =
  process.getuid?.() !== 0
    ? 'needs root for netlink'
    : !existsSync(BIRD) && `this machine lacks the program ${BIRD}`;

export class Routers {
  readonly #directory = mkdtempSync(join(tmpdir(), 'rookery-routers-'));
  readonly #children = new Map<string, ChildProcess>();

  /**
   * Starts a daemon, on this machine or on a host of the lab, and waits until it answers. `replay`:
   * ours, with the routes of an MRT file.
   */
  async start(
    name: string,
    kind: RouterKind,
    conf: string,
    { host, replay }: { readonly host?: Host | undefined; readonly replay?: string } = {},
  ): Promise<void> {
    writeFileSync(this.#path(name, 'conf'), conf);
    const files = ['-c', this.#path(name, 'conf'), '-s', this.#path(name, 'ctl'), '-P'];
    const ours = replay === undefined ? ['router'] : ['mrt', 'replay', replay];
    const command = kind === 'bird' ? [BIRD] : [process.execPath, MAIN, ...ours];
    const argv = [...command, '-f', ...files, this.#path(name, 'pid')];
    const child = host
      ? host.spawn(argv, { stdio: 'inherit' })
      : spawn(argv[0]!, argv.slice(1), { stdio: 'inherit' });
    this.#children.set(name, child);
    await until(`${name} to answer`, 20_000, async () =>
      when((await this.ask(name, 'show status')).includes('Router ID')),
    );
  }

  async configure(name: string, conf: string): Promise<string> {
    writeFileSync(this.#path(name, 'conf'), conf);
    return this.ask(name, 'configure');
  }

  async ask(name: string, command: string): Promise<string> {
    const args = ['-s', this.#path(name, 'ctl'), command];
    // A refusal is a reply too, with another status.
    const { stdout } = await run('/usr/sbin/birdc', args).catch((e: { stdout: string }) => e);
    return stdout.split('\n').slice(1).join('\n');
  }

  /** Waits until a reply matches, and returns it. */
  async expect(name: string, command: string, wanted: RegExp): Promise<string> {
    return until(`${name}: ${command} to match ${wanted}`, 30_000, async () => {
      const reply = await this.ask(name, command);
      return wanted.test(reply) ? reply : undefined;
    });
  }

  /** Waits until a reply is the same three times in a row. */
  async settled(name: string, command: string): Promise<string> {
    let last = '';
    let same = 0;
    return until(`${name}: ${command} to settle`, 30_000, async () => {
      const reply = await this.ask(name, command);
      same = reply === last ? same + 1 : 0;
      last = reply;
      return same >= 3 ? reply : undefined;
    });
  }

  async stop(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#children.get(name);
    if (!child) return;
    this.#children.delete(name);
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async close(): Promise<void> {
    for (const name of [...this.#children.keys()]) await this.stop(name, 'SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #path(name: string, extension: string): string {
    return join(this.#directory, `${name}.${extension}`);
  }
}

/** A reply without its times, networks in order: what must not differ between daemons. */
export function comparable(reply: string): string {
  const blocks: string[] = [];
  for (const line of reply.replaceAll(/\d\d:\d\d:\d\d\.\d{3}/g, 'TIME').split('\n')) {
    if (line.startsWith('\t')) blocks.push(`${blocks.pop()}\n${line}`);
    else blocks.push(line);
  }
  return blocks.sort().join('\n');
}
