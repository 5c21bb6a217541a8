// SPDY/3.1 as far as kubectl before 1.30 needs it for exec: streams the client opens, data both
// ways, ping, reset and goaway. The server never opens streams. Flow control windows are neither
// sent nor kept, as in the library on the client's side; TCP does the pacing.

import type { Duplex } from 'node:stream';
import { constants, createDeflate, createInflate } from 'node:zlib';
import { spdyDictionary } from './spdy-dictionary.ts';

const frameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;
const finFlag = 1;
const version = 3;
const payloadLimitBytes = 1024 * 1024;

export interface SpdyHandler {
  /** The client opened a stream; answered with SYN_REPLY before this is called. */
  opened: (stream: number, headers: Record<string, string>) => void;
  data: (stream: number, bytes: Buffer, isLast: boolean) => void;
  /** The client reset a stream. */
  reset: (stream: number) => void;
  /** The connection is gone, for whatever reason. */
  closed: () => void;
}

export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #handler: SpdyHandler;
  readonly #inflate = createInflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH });
  readonly #deflate = createDeflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH });
  #pending: Buffer = Buffer.alloc(0);
  #queue: Promise<void> = Promise.resolve();
  #lastStream = 0;

  constructor(socket: Duplex, head: Buffer, handler: SpdyHandler) {
    this.#socket = socket;
    this.#handler = handler;
    const fail = () => socket.destroy();
    this.#inflate.on('error', fail);
    this.#deflate.on('error', fail);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', fail);
    socket.on('close', () => {
      this.#inflate.close();
      this.#deflate.close();
      handler.closed();
    });
    if (head.length > 0) this.#receive(head);
  }

  get backlogBytes(): number {
    return this.#socket.writableLength;
  }

  sendData(stream: number, bytes: Uint8Array, isLast = false): void {
    for (let at = 0; at < bytes.length || (at === 0 && isLast); at += 16_384) {
      const part = bytes.subarray(at, at + 16_384);
      const isEnd = isLast && at + 16_384 >= bytes.length;
      const header = Buffer.alloc(8);
      header.writeUInt32BE(stream, 0);
      header.writeUInt32BE(((isEnd ? finFlag : 0) << 24) | part.length, 4);
      this.#write(Buffer.concat([header, part]));
    }
  }

  /** Says goodbye and closes once everything was sent. */
  close(): void {
    const body = Buffer.alloc(8);
    body.writeUInt32BE(this.#lastStream, 0);
    this.#write(controlFrame(frameType.goAway, 0, body));
    this.#socket.end();
  }

  #write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Frames are handled in order even where decompression takes a turn of the event loop. */
  #receive(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      if (this.#pending.length < 8) return;
      const length = this.#pending.readUInt32BE(4) & 0xffffff;
      if (length > payloadLimitBytes) {
        this.#socket.destroy();
        return;
      }
      if (this.#pending.length < 8 + length) return;
      const frame = this.#pending.subarray(0, 8 + length);
      this.#pending = this.#pending.subarray(8 + length);
      this.#queue = this.#queue
        .then(() => this.#handle(frame))
        .catch(() => void this.#socket.destroy());
    }
  }

  async #handle(frame: Buffer): Promise<void> {
    const first = frame.readUInt32BE(0);
    const flags = frame.readUInt8(4);
    const body = frame.subarray(8);
    if (first < 0x80000000) {
      this.#handler.data(first, body, (flags & finFlag) !== 0);
      return;
    }
    switch (first & 0xffff) {
      case frameType.synStream:
        return this.#handleOpen(body);
      case frameType.rstStream:
        this.#handler.reset(body.readUInt32BE(0) & 0x7fffffff);
        return;
      case frameType.ping:
        // Odd identifiers are the client's own pings; they come back unchanged.
        if ((body.readUInt32BE(0) & 1) === 1)
          this.#write(controlFrame(frameType.ping, 0, body.subarray(0, 4)));
        return;
      case frameType.headers:
        // The header compression context is shared, so a block must be read even if it is not used.
        await this.#decompress(body.subarray(4));
        return;
      default:
        return;
    }
  }

  async #handleOpen(body: Buffer): Promise<void> {
    const stream = body.readUInt32BE(0) & 0x7fffffff;
    const headers = parseHeaders(await this.#decompress(body.subarray(10)));
    this.#lastStream = Math.max(this.#lastStream, stream);
    const id = Buffer.alloc(4);
    id.writeUInt32BE(stream);
    const noHeaders = await this.#compress(Buffer.alloc(4));
    this.#write(controlFrame(frameType.synReply, 0, Buffer.concat([id, noHeaders])));
    this.#handler.opened(stream, headers);
  }

  #decompress(block: Buffer): Promise<Buffer> {
    return transform(this.#inflate, block);
  }

  #compress(block: Buffer): Promise<Buffer> {
    return transform(this.#deflate, block);
  }
}

function transform(
  stream: ReturnType<typeof createInflate> | ReturnType<typeof createDeflate>,
  block: Buffer,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer) => void chunks.push(chunk);
    stream.on('data', collect);
    stream.write(block, (error) => {
      setImmediate(() => {
        stream.off('data', collect);
        if (error) reject(error);
        else resolve(Buffer.concat(chunks));
      });
    });
  });
}

function controlFrame(type: number, flags: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(0x8000 | version, 0);
  header.writeUInt16BE(type, 2);
  header.writeUInt32BE((flags << 24) | body.length, 4);
  return Buffer.concat([header, body]);
}

/** A name/value block: a count, then names and values with 4-octet lengths. Throws when cut short. */
export function parseHeaders(block: Buffer): Record<string, string> {
  const headers: Record<string, string> = {};
  let at = 4;
  const text = (): string => {
    const length = block.readUInt32BE(at);
    if (at + 4 + length > block.length) throw new RangeError('header block ends early');
    const value = block.toString('utf8', at + 4, at + 4 + length);
    at += 4 + length;
    return value;
  };
  for (let left = block.readUInt32BE(0); left > 0; left -= 1) {
    const name = text();
    headers[name.toLowerCase()] = text();
  }
  return headers;
}
