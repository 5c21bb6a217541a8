// One router of ours and a crowd around it that a test plays octet by octet. The test file runs again
// in a network namespace of its own, so that peers are plain sockets of the test process, at any
// address of 10.0.1.0/24 to 10.0.31.0/24; a veth pair leads to the router's namespace. No packet
// leaves the two.

import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { type Socket, connect } from 'node:net';
import { join } from 'node:path';
import { end, Host, launch, sandboxState, until, when } from '@rookery/lab';
import { insideSandbox, SELF } from './sandbox.ts';

const INNER = 'ROOKERY_TEST_NEIGHBOR';
export const ROUTER = '10.0.0.254';
/** The daemon's wall clock jumps by a year at SIGUSR2. */
const CLOCK = join(import.meta.dirname, 'jumping-clock.mjs');
const ROUTER_V6 = 'fd00::fe';

/** Enters the namespace of the crowd; returns the state directory there, outside it does not return. */
export async function insideNeighbor(): Promise<string> {
  if (process.env[INNER] !== undefined) return sandboxState()!;
  await insideSandbox();
  const host = await Host.create('neighbor', 'hostile-');
  const child = host.spawn([process.execPath, ...process.execArgv, process.argv[1]!], {
    stdio: 'inherit',
    env: { ...process.env, [INNER]: '1' },
  });
  process.exit(
    await new Promise<number>((resolve) => child.on('exit', (code) => resolve(code ?? 1))),
  );
}

export class HostileBench {
  readonly host: Host;
  readonly #directory: string;
  #daemon: ChildProcess | undefined;

  private constructor(host: Host, directory: string) {
    this.host = host;
    this.#directory = directory;
  }

  static async build(state: string): Promise<HostileBench> {
    const host = await Host.create('router', 'hostile-');
    const ip = (...args: readonly string[]): void => void execFileSync('ip', args);
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'lan', 'type', 'veth', 'peer', 'name', 'lan', 'netns', host.namespace);
    ip('link', 'set', 'lan', 'up');
    ip('address', 'add', '10.0.0.1/16', 'dev', 'lan');
    // Every address of these ranges is ours without being listed.
    for (let net = 0; net < 32; net++)
      ip('route', 'add', 'local', `10.0.${net + 1}.0/24`, 'dev', 'lo');
    await host.ip(
      'link set lo up',
      'link set lan up',
      `address add ${ROUTER}/16 dev lan`,
      `address add ${ROUTER_V6}/64 dev lan nodad`,
    );
    const directory = join(state, 'hostile');
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o777);
    return new HostileBench(host, directory);
  }

  async start(config: string): Promise<void> {
    const file = join(this.#directory, 'bird.conf');
    writeFileSync(file, `log stderr all;\nrouter id ${ROUTER};\nprotocol device {}\n${config}`);
    this.#daemon = launch({ host: this.host, directory: this.#directory }, 'router', [
      ...[process.execPath, '--import', CLOCK, ...SELF.slice(1)],
      ...['router', '-f', '-c', file, '-s', this.#socket],
    ]);
    await until('the router answers', 15_000, async () => {
      if (!this.alive) throw new Error(`the router ended: ${this.log()}`);
      return when(existsSync(this.#socket) && /up and running/.test(await this.ask('show status')));
    });
  }

  /** One console command over the control socket, without a birdc. */
  ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#socket);
      let text = '';
      socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer to "${command}"`)));
      socket.on('error', reject);
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (!/(^|\n)\d{4} [^\n]*\n$/.test(text)) return;
        if (!/^0001 [^\n]*\n./.test(text)) {
          if (/^0001 [^\n]*\n$/.test(text)) socket.write(`${command}\n`);
          return;
        }
        resolve(text.replace(/^0001 [^\n]*\n/, ''));
        socket.destroy();
      });
    });
  }

  get #socket(): string {
    return join(this.#directory, 'bird.ctl');
  }

  get pid(): number {
    return this.#daemon!.pid!;
  }

  get alive(): boolean {
    return this.#daemon?.exitCode === null && this.#daemon.signalCode === null;
  }

  log(): string {
    const file = join(this.#directory, 'router.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** Open descriptors of the daemon. */
  descriptors(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Resident memory of the daemon, MiB. */
  residentMib(): number {
    const pages = Number(readFileSync(`/proc/${this.pid}/statm`, 'utf8').split(' ')[1]);
    return (pages * 4096) / 2 ** 20;
  }

  async stop(): Promise<void> {
    await end(this.#daemon, 'SIGTERM');
    await this.host.destroy();
  }
}

/** One connection from an address of ours. */
export class WireSocket {
  readonly socket: Socket;
  connected = false;
  closed = false;
  #received: Buffer = Buffer.alloc(0);

  constructor(localAddress: string) {
    this.socket = connect({ host: ROUTER, port: 179, localAddress, noDelay: true });
    this.socket.on('connect', () => (this.connected = true));
    this.socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => (this.closed = true));
  }

  send(...messages: readonly Uint8Array[]): void {
    if (!this.closed) this.socket.write(Buffer.concat(messages));
  }

  /** Complete messages received so far. */
  frames(): readonly Buffer[] {
    const frames: Buffer[] = [];
    const bytes = this.#received;
    for (let at = 0; bytes.length - at >= 19;) {
      const length = bytes.readUInt16BE(at + 16);
      if (length < 19 || bytes.length - at < length) break;
      frames.push(bytes.subarray(at, at + length));
      at += length;
    }
    return frames;
  }

  types(): readonly number[] {
    return this.frames().map((frame) => frame[18]!);
  }

  /** "code/subcode" of the NOTIFICATION received. */
  notification(): string | undefined {
    const frame = this.frames().find((bytes) => bytes[18] === 3);
    return frame && `${frame[19]}/${frame[20]}`;
  }

  /** Opens a session: `open` is our OPEN. */
  async establish(open: Uint8Array): Promise<void> {
    this.send(open, KEEPALIVE);
    await until('the router to confirm', 8000, () => when(this.closed || this.types().includes(4)));
    if (this.closed) throw new Error(`no session: ${this.notification() ?? 'closed'}`);
  }

  end(): void {
    this.socket.destroy();
  }
}

export const KEEPALIVE = Uint8Array.from([...new Uint8Array(16).fill(255), 0, 19, 4]);

/** What a line of the log may consist of: text, never a control character of a peer's making. */
export function unprintableLines(log: string): readonly string[] {
  return log
    .split('\n')
    .filter((line) => /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\uFFFD]/u.test(line))
    .map((line) => JSON.stringify(line));
}
