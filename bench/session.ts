// One BGP session of the load tool. Opens (or, in the self-test, accepts) a connection, does the
// handshake, keeps every received chunk with its time of arrival, and counts prefixes while it goes
// by. Nothing else happens before the run is over: what was received is decoded later.

import net from 'node:net';
import { writeBytes } from '../packages/linux/src/sys.ts';
import { descriptorOf, takeOver } from '../packages/linux/src/tcp.ts';
import { nowMs } from './clock.ts';
import { StampedReader } from './stamped-reader.ts';
import { encodeOpen, KEEPALIVE, addressBytes } from './stream.ts';

export interface SessionOptions {
  readonly family: 'ipv4' | 'ipv6';
  readonly local: string;
  readonly remote: string;
  readonly as: number;
  readonly routerId: string;
  /** Keep the octets; otherwise only count them. */
  readonly record: boolean;
}

const RETRY_MS = 20;
/** A read of less than this means that the daemon is slower than the tool. */
const BULK_READ = 64 * 1024;

export class Session {
  readonly options: SessionOptions;
  /** When the session was established, by `nowNs`. */
  upNs = 0n;
  readonly chunks: Uint8Array[] = [];
  /** Arrival of each chunk, in milliseconds of the shared clock. */
  readonly times: number[] = [];
  bytes = 0;
  announced = 0;
  withdrawn = 0;
  updates = 0;
  lastMs = 0;
  closed = false;
  /**
   * Many prefixes are coming: looks at the socket every millisecond instead of at each segment, so
   * that a daemon that writes message by message does not pay for the tool's wake-ups.
   */
  bulk = false;
  onUp: () => void = () => {};
  onPrefixes: () => void = () => {};
  #socket: net.Socket | undefined;
  #stamped: StampedReader | undefined;
  /** Octets of a message that was cut by the end of a chunk. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(options: SessionOptions) {
    this.options = options;
  }

  connect(): void {
    const { local, remote } = this.options;
    const socket = net.connect({
      host: remote,
      port: 179,
      localAddress: local,
      noDelay: true,
      onread: this.#reads(),
    });
    socket.on('error', () => undefined);
    socket.on('connect', () => this.#attach(socket));
    socket.on('close', () => {
      if (this.upNs === 0n && !this.closed) setTimeout(() => this.connect(), RETRY_MS);
      else this.closed = true;
    });
  }

  /** Serves the other side of the self-test; the socket is paused. */
  accept(accepted: net.Socket): void {
    const socket = takeOver(accepted, this.#reads());
    socket.on('error', () => undefined);
    this.#attach(socket);
    socket.resume();
  }

  /** Resolves when the kernel has taken everything. */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#socket!.write(bytes, () => resolve()));
  }

  /**
   * Sends octets that the kernel takes at once and returns when, in milliseconds of the shared clock.
   */
  sendNow(bytes: Uint8Array): number {
    const fd = descriptorOf(this.#socket!)!;
    // The way into the kernel is walked once before, so that it is not measured.
    writeBytes(fd, bytes.subarray(0, 0));
    const atMs = nowMs();
    const written = writeBytes(fd, bytes);
    if (!written.ok || written.value < bytes.length) throw new Error('a short write');
    return atMs;
  }

  /** From now on the kernel tells when octets arrived, and they are read by `look`. */
  readStamped(): void {
    this.#socket!.pause();
    this.#stamped = new StampedReader(descriptorOf(this.#socket!)!, (count, buffer, atMs) =>
      this.#read(count, buffer, atMs),
    );
  }

  /** From now on octets are read when they arrive, as at first. */
  readAtOnce(): void {
    this.#stamped?.stop();
    this.#stamped = undefined;
    this.#socket!.resume();
  }

  get isStamped(): boolean {
    return this.#stamped !== undefined;
  }

  look(): void {
    this.#stamped?.look();
  }

  close(): void {
    this.closed = true;
    this.#socket?.destroy();
  }

  #reads(): net.OnReadOpts {
    return { buffer: new Uint8Array(256 * 1024), callback: (n, b) => this.#read(n, b) };
  }

  #attach(socket: net.Socket): void {
    this.#socket = socket;
    this.#rest = new Uint8Array(0);
    this.chunks.length = this.times.length = 0;
    const { as, routerId, family } = this.options;
    socket.write(encodeOpen(as, addressBytes(routerId), family));
  }

  #read(count: number, buffer: Uint8Array, now = nowMs()): boolean {
    // Buffer's own slice would be a view of what the next read overwrites.
    const chunk = Uint8Array.prototype.slice.call(buffer, 0, count);
    this.lastMs = now;
    this.bytes += count;
    let data = chunk;
    if (this.#rest.length > 0) {
      data = new Uint8Array(this.#rest.length + count);
      data.set(this.#rest);
      data.set(chunk, this.#rest.length);
    }
    let at = 0;
    let updates = 0;
    while (at + 19 <= data.length) {
      const length = (data[at + 16]! << 8) | data[at + 17]!;
      if (at + length > data.length) break;
      const type = data[at + 18];
      if (type === 2) {
        this.#count(data, at, at + length);
        updates++;
      } else this.#handshake(type!);
      at += length;
    }
    this.#rest = data.slice(at);
    if (this.options.record) {
      this.chunks.push(chunk);
      this.times.push(now);
    }
    if (updates === 0) return true;
    this.updates += updates;
    this.onPrefixes();
    if (this.bulk && count < BULK_READ) {
      this.#socket?.pause();
      setTimeout(() => this.#socket?.resume(), 1);
    }
    return true;
  }

  #handshake(type: number): void {
    if (type === 1) this.#socket?.write(KEEPALIVE);
    if (type !== 4 || this.upNs !== 0n) return;
    this.upNs = process.hrtime.bigint();
    setInterval(() => this.#socket?.write(KEEPALIVE), 20_000).unref();
    this.onUp();
  }

  #count(b: Uint8Array, start: number, end: number): void {
    let at = start + 19;
    const withdrawnEnd = at + 2 + ((b[at]! << 8) | b[at + 1]!);
    this.withdrawn += countPrefixes(b, at + 2, withdrawnEnd);
    at = withdrawnEnd;
    const attributesEnd = at + 2 + ((b[at]! << 8) | b[at + 1]!);
    this.announced += countPrefixes(b, attributesEnd, end);
    if (this.options.family === 'ipv4') return;
    for (at += 2; at < attributesEnd;) {
      const long = (b[at]! & 16) !== 0;
      const length = long ? (b[at + 2]! << 8) | b[at + 3]! : b[at + 2]!;
      const value = at + (long ? 4 : 3);
      if (b[at + 1] === 14) {
        this.announced += countPrefixes(b, value + 5 + b[value + 3]!, value + length);
      } else if (b[at + 1] === 15) this.withdrawn += countPrefixes(b, value + 3, value + length);
      at = value + length;
    }
  }
}

function countPrefixes(b: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; count++) at += 1 + ((b[at]! + 7) >> 3);
  return count;
}
