// Cuts a TCP byte stream into BGP messages (RFC 4271 §4.1, §6.1; RFC 8654). A message that lies
// within one chunk is handed out in place; only a message that straddles chunks is copied, once.
// The reader checks the header and the length for the type, never the body.

import { copyBytes } from '@rookery/net';
import {
  ERROR,
  HEADER_ERROR,
  HEADER_LENGTH,
  MAX_EXTENDED_MESSAGE_LENGTH,
  MAX_MESSAGE_LENGTH,
  MESSAGE,
} from './constants.ts';
import { NO_DATA } from './fault.ts';
import type { Notification } from './fault.ts';

/** Smallest legal length by type; RFC 4271 §4, RFC 2918 §3. */
const MIN_LENGTH: Readonly<Record<number, number>> = {
  [MESSAGE.open]: 29,
  [MESSAGE.update]: 23,
  [MESSAGE.notification]: 21,
  [MESSAGE.keepalive]: 19,
  [MESSAGE.routeRefresh]: 23,
};

/**
 * Usage: `push(chunk)`, then `while (reader.next() === 'message')` use `bytes[start, end)`; a message
 * is valid until the next call. `fault` ends the stream: send `notification` and close.
 */
export class FrameReader {
  bytes: Uint8Array = NO_DATA;
  start = 0;
  end = 0;
  notification: Notification | undefined;

  #maxLength = MAX_MESSAGE_LENGTH;
  #chunk: Uint8Array = NO_DATA;
  #at = 0;
  #partial: Uint8Array = NO_DATA;
  #partialLength = 0;

  /** RFC 8654 §3: both sides sent the capability. */
  allowExtended(): void {
    this.#maxLength = MAX_EXTENDED_MESSAGE_LENGTH;
  }

  /** Takes the next chunk. It is free of copies when the previous one was read until `more`. */
  push(chunk: Uint8Array): void {
    // A Buffer seen as what it is: readers stay monomorphic and `slice` means a copy.
    const plain = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#chunk = this.#at < this.#chunk.length ? this.#joinUnread(plain) : plain;
    this.#at = 0;
  }

  /** Octets received that are not yet part of a whole message. */
  get pending(): number {
    return this.#partialLength + this.#chunk.length - this.#at;
  }

  next(): 'message' | 'more' | 'fault' {
    if (this.notification) return 'fault';
    return this.#partialLength > 0 ? this.#nextFromPartial() : this.#nextInPlace();
  }

  #nextInPlace(): 'message' | 'more' | 'fault' {
    const chunk = this.#chunk;
    const at = this.#at;
    if (chunk.length - at < HEADER_LENGTH) return this.#keepRest();
    const length = this.#check(chunk, at);
    if (length === 0) return 'fault';
    if (chunk.length - at < length) return this.#keepRest();
    return this.#deliver(chunk, at, (this.#at = at + length));
  }

  #nextFromPartial(): 'message' | 'more' | 'fault' {
    if (!this.#fill(HEADER_LENGTH)) return 'more';
    const length = this.#check(this.#partial, 0);
    if (length === 0) return 'fault';
    if (!this.#fill(length)) return 'more';
    this.#partialLength = 0;
    return this.#deliver(this.#partial, 0, length);
  }

  #deliver(bytes: Uint8Array, start: number, end: number): 'message' {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    return 'message';
  }

  /** Moves chunk octets until the partial message has `wanted`; false when the chunk is used up. */
  #fill(wanted: number): boolean {
    const take = Math.min(wanted - this.#partialLength, this.#chunk.length - this.#at);
    if (take > 0) this.#append(take);
    return this.#partialLength >= wanted;
  }

  #joinUnread(chunk: Uint8Array): Uint8Array {
    const rest = this.#chunk.subarray(this.#at);
    const joined = new Uint8Array(this.#partialLength + rest.length + chunk.length);
    joined.set(this.#partial.subarray(0, this.#partialLength));
    joined.set(rest, this.#partialLength);
    joined.set(chunk, this.#partialLength + rest.length);
    this.#partialLength = 0;
    return joined;
  }

  #keepRest(): 'more' {
    this.#append(this.#chunk.length - this.#at);
    return 'more';
  }

  #append(count: number): void {
    if (count === 0) return;
    const wanted = this.#partialLength + count;
    if (wanted > this.#partial.length) {
      const grown = new Uint8Array(Math.max(wanted, this.#partial.length * 2, MAX_MESSAGE_LENGTH));
      grown.set(this.#partial.subarray(0, this.#partialLength));
      this.#partial = grown;
    }
    this.#partial.set(this.#chunk.subarray(this.#at, this.#at + count), this.#partialLength);
    this.#partialLength = wanted;
    this.#at += count;
  }

  /** The length of the message whose header is at `at`, or 0 after setting `notification`. */
  #check(bytes: Uint8Array, at: number): number {
    for (let i = at; i < at + 16; i++) {
      if (bytes[i] !== 255) return this.#refuse(HEADER_ERROR.notSynchronized, NO_DATA);
    }
    const length = (bytes[at + 16]! << 8) | bytes[at + 17]!;
    const type = bytes[at + 18]!;
    const minimum = MIN_LENGTH[type];
    // RFC 4271 §6.1: the length is judged before the type, unless the type has no rule.
    if (length < HEADER_LENGTH || length > this.#limitOf(type)) {
      return this.#refuse(HEADER_ERROR.badLength, copyBytes(bytes, at + 16, at + 18));
    }
    if (minimum === undefined) {
      return this.#refuse(HEADER_ERROR.badType, copyBytes(bytes, at + 18, at + 19));
    }
    if (length < minimum || (type === MESSAGE.keepalive && length !== minimum)) {
      return this.#refuse(HEADER_ERROR.badLength, copyBytes(bytes, at + 16, at + 18));
    }
    return length;
  }

  // RFC 8654 §4: OPEN and KEEPALIVE stay within 4096 octets.
  #limitOf(type: number): number {
    return type === MESSAGE.open || type === MESSAGE.keepalive
      ? MAX_MESSAGE_LENGTH
      : this.#maxLength;
  }

  #refuse(subcode: number, data: Uint8Array): 0 {
    this.notification = { code: ERROR.header, subcode, data };
    return 0;
  }
}
