// A peer that says exactly the octets it is told to: run in a host of the lab by `startRawPeer`,
// which is how tests send what no well-behaved daemon would. IPC both ways, octets as hex.

import type { ChildProcess } from 'node:child_process';
import { type Socket, connect } from 'node:net';
import { type Host, until, when } from '@rookery/lab';

type Order =
  | { readonly kind: 'connect'; readonly address: string; readonly port: number }
  | { readonly kind: 'send'; readonly hex: string }
  | { readonly kind: 'close' };
type Report =
  | { readonly kind: 'ready' | 'connected' | 'closed' }
  | { readonly kind: 'received'; readonly hex: string };

const MARKER = 'ff'.repeat(16);

/** A BGP message of a type with a body, both as hex. */
export function message(type: number, body = ''): string {
  const length = 19 + body.length / 2;
  return MARKER + length.toString(16).padStart(4, '0') + type.toString(16).padStart(2, '0') + body;
}

/** OPEN of AS 64497 with four-octet AS and IPv4 unicast. */
export function openMessage(holdTimeSec: number, routerId: string): string {
  const capabilities = '02060104000100010206410400' + '00fbf1';
  const hold = holdTimeSec.toString(16).padStart(4, '0');
  const length = (capabilities.length / 2).toString(16).padStart(2, '0');
  return message(1, `04fbf1${hold}${routerId}${length}${capabilities}`);
}

export const KEEPALIVE = message(4);

export class RawPeer {
  readonly #child: ChildProcess;
  connected = false;
  closed = false;
  received = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (report: Report) => {
      if (report.kind === 'connected') this.connected = true;
      if (report.kind === 'closed') this.closed = true;
      if (report.kind === 'received') this.received += report.hex;
    });
  }

  static async start(host: Host): Promise<RawPeer> {
    const child = host.spawn([process.execPath, import.meta.filename, 'serve'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await new Promise((resolve) => child.once('message', resolve));
    return new RawPeer(child);
  }

  /** Connects anew, forgetting what was received. */
  async connect(address: string, port = 179): Promise<void> {
    this.connected = false;
    this.closed = false;
    this.received = '';
    this.#child.send({ kind: 'connect', address, port } satisfies Order);
    await until(`a connection to ${address}`, 5000, () => when(this.connected || this.closed));
  }

  send(hex: string): void {
    this.#child.send({ kind: 'send', hex } satisfies Order);
  }

  /** Opens a session and waits until the router acknowledged it. */
  async establish(holdTimeSec = 90, routerId = '0a000001'): Promise<void> {
    this.send(openMessage(holdTimeSec, routerId));
    await until('the router to open', 5000, () => when(this.messages().includes(1)));
    this.send(KEEPALIVE);
    await until('the router to confirm', 5000, () => when(this.messages().includes(4)));
  }

  /** Types of the complete messages received so far. */
  messages(): readonly number[] {
    return this.frames().map((frame) => parseInt(frame.slice(36, 38), 16));
  }

  /** The complete messages received so far, as hex. */
  frames(): readonly string[] {
    const frames: string[] = [];
    for (let at = 0; this.received.length - at >= 38;) {
      const length = parseInt(this.received.slice(at + 32, at + 36), 16) * 2;
      if (length < 38 || this.received.length - at < length) break;
      frames.push(this.received.slice(at, at + length));
      at += length;
    }
    return frames;
  }

  close(): void {
    this.#child.send({ kind: 'close' } satisfies Order);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

function serve(): void {
  let socket: Socket | undefined;
  const report = (value: Report): void => void process.send?.(value);
  process.on('disconnect', () => process.exit(0));
  process.on('message', (order: Order) => {
    switch (order.kind) {
      case 'connect': {
        socket?.destroy();
        const opened = connect(order.port, order.address, () => report({ kind: 'connected' }));
        opened.on('data', (bytes: Buffer) =>
          report({ kind: 'received', hex: bytes.toString('hex') }),
        );
        opened.on('error', () => {});
        opened.on('close', () => opened === socket && report({ kind: 'closed' }));
        socket = opened;
        return;
      }
      case 'send':
        socket?.write(Buffer.from(order.hex, 'hex'));
        return;
      case 'close':
        socket?.end();
    }
  });
  report({ kind: 'ready' });
}

if (process.argv[2] === 'serve') serve();
