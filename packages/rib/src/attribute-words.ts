// The numbers in the lists of canonical octets, told without making an object: enough to know that
// most routes are none that a policy means.

import { PART, endOfHead } from './attribute-codec.ts';

/** Canonical octets of attributes: bytes[from, to). One mutable instance per caller. */
export interface AttributeOctets {
  bytes: Uint8Array;
  from: number;
  to: number;
}

export interface WordTaker {
  take(word: number): void;
}

/** Who is told the members of which list; a wide community is told by its first word. */
export type ListTakers = {
  readonly [K in 'asPath' | 'communities' | 'extendedCommunities' | 'largeCommunities']?:
    | WordTaker
    | undefined;
};

export function tellWords({ bytes, from, to }: AttributeOctets, takers: ListTakers): void {
  for (let part = endOfHead(bytes, from); part < to;) {
    const value = part + 3;
    const next = value + ((bytes[part + 1]! << 8) | bytes[part + 2]!);
    const type = bytes[part]!;
    if (type === PART.asPath) {
      if (takers.asPath) tellPath(bytes, value, next, takers.asPath);
    } else if (type === PART.communities) {
      if (takers.communities) tellList(bytes, value, next, 4, takers.communities);
    } else if (type === PART.extendedCommunities) {
      if (takers.extendedCommunities) tellList(bytes, value, next, 8, takers.extendedCommunities);
    } else if (type === PART.largeCommunities) {
      if (takers.largeCommunities) tellList(bytes, value, next, 12, takers.largeCommunities);
    }
    part = next;
  }
}

function tellPath(bytes: Uint8Array, from: number, to: number, taker: WordTaker): void {
  for (let segment = from; segment < to;) {
    const next = segment + 3 + ((bytes[segment + 1]! << 8) | bytes[segment + 2]!) * 4;
    tellList(bytes, segment + 3, next, 4, taker);
    segment = next;
  }
}

function tellList(
  bytes: Uint8Array,
  from: number,
  to: number,
  step: number,
  taker: WordTaker,
): void {
  for (let at = from; at < to; at += step) {
    const word =
      (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    taker.take(word >>> 0);
  }
}
