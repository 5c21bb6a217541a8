// Octets that a generator sends, encoded before the clock starts: one UPDATE per attribute set, as
// full as messages may be, End-of-RIB, withdrawals, churn. Also the messages of a session's opening.

import { attributesOf } from './table.ts';
import type { RouteSet } from './table.ts';

const MAX_MESSAGE = 4096;

/** Grows by doubling; `take` hands out what was written. */
export class Writer {
  #bytes = new Uint8Array(2 * MAX_MESSAGE);
  at = 0;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  room(count: number): void {
    if (this.at + count <= this.#bytes.length) return;
    const next = new Uint8Array(Math.max(this.#bytes.length * 2, this.at + count));
    next.set(this.#bytes.subarray(0, this.at));
    this.#bytes = next;
  }

  u8(...values: number[]): void {
    for (const value of values) this.#bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.u8(value >>> 8, value & 255);
  }

  u32(value: number): void {
    this.u8(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  }

  copy(bytes: ArrayLike<number>): void {
    this.#bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** Header with a length that `end` fills in. */
  begin(type: number): number {
    this.room(MAX_MESSAGE + 64);
    const start = this.at;
    this.#bytes.fill(255, start, start + 16);
    this.at = start + 18;
    this.u8(type);
    return start;
  }

  end(start: number): void {
    this.put16(start + 16, this.at - start);
  }

  put16(at: number, value: number): void {
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value & 255;
  }

  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.at);
    this.at = 0;
    return taken;
  }
}

/** The whole table as generator `peer` announces it: groups [from, to), then End-of-RIB. */
export function encodeTable(
  routes: RouteSet,
  peer: number,
  nextHop: Uint8Array,
  from = 0,
  to = routes.starts.length - 1,
): Uint8Array {
  const w = new Writer();
  for (let group = from; group < to; group++) {
    const first = routes.starts[group]!;
    for (let at = first; at < routes.starts[group + 1]!;) {
      const end = Math.min(routes.starts[group + 1]!, at + (routes.family === 'ipv4' ? 600 : 300));
      writeUpdate(w, routes, peer, nextHop, group, range(at, end));
      at = end;
    }
  }
  const start = w.begin(2);
  w.u16(0);
  if (routes.family === 'ipv4') w.u16(0);
  else {
    w.u16(6);
    w.u8(0x80, 15, 3, 0, 2, 1);
  }
  w.end(start);
  return w.take();
}

/** Announcements of single prefixes, one UPDATE each. */
export function encodeAnnouncements(
  routes: RouteSet,
  peer: number,
  nextHop: Uint8Array,
  prefixes: readonly number[],
): Uint8Array {
  const w = new Writer();
  for (const i of prefixes) writeUpdate(w, routes, peer, nextHop, routes.group[i]!, [i]);
  return w.take();
}

/** Withdrawals, packed. */
export function encodeWithdrawals(routes: RouteSet, prefixes: Iterable<number>): Uint8Array {
  const w = new Writer();
  const list = [...prefixes];
  for (let i = 0; i < list.length;) {
    const start = w.begin(2);
    const v4 = routes.family === 'ipv4';
    const lengthAt = v4 ? w.at : w.at + 6;
    w.u16(0);
    if (!v4) {
      w.u16(0);
      w.u8(0x90, 15, 0, 0, 0, 2, 1);
    }
    while (i < list.length && w.at - start < MAX_MESSAGE - 24) writePrefix(w, routes, list[i++]!);
    if (v4) {
      w.put16(lengthAt, w.at - lengthAt - 2);
      w.u16(0);
    } else {
      w.put16(lengthAt, w.at - lengthAt - 2);
      w.put16(lengthAt - 4, w.at - lengthAt + 2);
    }
    w.end(start);
  }
  return w.take();
}

/** OPEN with 4-octet AS and the one family under test. */
export function encodeOpen(as: number, routerId: Uint8Array, family: 'ipv4' | 'ipv6'): Uint8Array {
  const w = new Writer();
  const start = w.begin(1);
  w.u8(4);
  w.u16(as > 65535 ? 23456 : as);
  w.u16(240);
  w.copy(routerId);
  w.u8(16, 2, 14, 1, 4, 0, family === 'ipv4' ? 1 : 2, 0, 1, 65, 4);
  w.u32(as);
  // The route refresh capability.
  w.u8(2, 0);
  w.end(start);
  return w.take();
}

export const KEEPALIVE: Uint8Array = (() => {
  const w = new Writer();
  w.end(w.begin(4));
  return w.take();
})();

/** "10.0.0.1" or a "fd99::1:2" as octets. */
export function addressBytes(address: string): Uint8Array {
  if (!address.includes(':')) return Uint8Array.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const words = [
    ...left,
    ...Array.from({ length: 8 - left.length - right.length }, () => '0'),
    ...right,
  ];
  return Uint8Array.from(words.flatMap((w) => [parseInt(w, 16) >>> 8, parseInt(w, 16) & 255]));
}

function writeUpdate(
  w: Writer,
  routes: RouteSet,
  peer: number,
  nextHop: Uint8Array,
  group: number,
  prefixes: readonly number[],
): void {
  const a = attributesOf(routes, peer, group);
  const start = w.begin(2);
  w.u16(0);
  const attributesAt = w.at;
  w.u16(0);
  if (routes.family === 'ipv6') {
    w.u8(0x90, 14, 0, 0, 0, 2, 1, 16);
    const lengthAt = w.at - 6;
    w.copy(nextHop);
    w.u8(0);
    for (const i of prefixes) writePrefix(w, routes, i);
    w.put16(lengthAt, w.at - lengthAt - 2);
  }
  w.u8(0x40, 1, 1, a.origin);
  w.u8(0x40, 2, 2 + 4 * a.asPath.length, 2, a.asPath.length);
  for (const as of a.asPath) w.u32(as);
  if (routes.family === 'ipv4') {
    w.u8(0x40, 3, 4);
    w.copy(nextHop);
  }
  if (a.med !== undefined) {
    w.u8(0x80, 4, 4);
    w.u32(a.med);
  }
  if (a.aggregated) {
    w.u8(0x40, 6, 0, 0xc0, 7, 8);
    w.u32(a.asPath.at(-1)!);
    w.u32((0xc6000000 | group) >>> 0);
  }
  if (a.communities.length > 0) {
    w.u8(0xc0, 8, a.communities.length * 4);
    for (const word of a.communities) w.u32(word);
  }
  if (a.largeCommunities.length > 0) {
    w.u8(0xc0, 32, a.largeCommunities.length * 4);
    for (const word of a.largeCommunities) w.u32(word);
  }
  w.put16(attributesAt, w.at - attributesAt - 2);
  if (routes.family === 'ipv4') for (const i of prefixes) writePrefix(w, routes, i);
  w.end(start);
}

function writePrefix(w: Writer, routes: RouteSet, i: number): void {
  const length = routes.lengths[i]!;
  w.u8(length);
  for (let bit = 0; bit < length; bit += 8) {
    const word = bit < 32 ? routes.high[i]! : routes.low[i]!;
    w.u8((word >>> (24 - (bit & 31))) & 255);
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
