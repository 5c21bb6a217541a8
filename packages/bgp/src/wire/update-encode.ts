// UPDATE messages from prefix columns and an encoded attribute block: classic IPv4, multiprotocol
// (RFC 4760) for IPv6 and for IPv4 with an IPv6 next hop (RFC 8950), withdrawals and End-of-RIB
// (RFC 4724). One call fills one message as far as the limit allows and says where it stopped, so a
// packer loops. Grouping prefixes by attributes is the RIB's work.

import type { Family } from '@rookery/net';
import {
  ATTRIBUTE,
  FLAG,
  HEADER_LENGTH,
  MAX_EXTENDED_MESSAGE_LENGTH,
  MESSAGE,
} from './constants.ts';
import { afiSafiOf } from './family.ts';
import { nlriLength, writeNlri } from './nlri.ts';
import type { NlriBatch } from './update-types.ts';

export interface ReachTemplate {
  readonly family: Family;
  readonly addPath: boolean;
  /** 4096, or 65535 after RFC 8654. */
  readonly maxLength: number;
  /** From `encodePathAttributes`: with NEXT_HOP for classic IPv4, without when `mpNextHop` is set. */
  readonly attributes: Uint8Array;
  /** Next hop octets (4, 16 or 32): the prefixes go into MP_REACH_NLRI. */
  readonly mpNextHop?: Uint8Array;
}

export interface UnreachTemplate {
  readonly family: Family;
  readonly addPath: boolean;
  readonly maxLength: number;
  /** Use MP_UNREACH_NLRI for IPv4 too (RFC 8950); IPv6 always does. */
  readonly multiprotocol: boolean;
}

export interface EncodedUpdate {
  readonly bytes: Uint8Array;
  /** Index of the first prefix that did not fit; `count` when all did. */
  readonly next: number;
}

/**
 * One UPDATE that announces prefixes [from, …) of the batch. `undefined` when the attributes leave
 * no room for even one prefix: such a route cannot be sent to this peer.
 */
export function encodeReach(
  template: ReachTemplate,
  batch: NlriBatch,
  from: number,
): EncodedUpdate | undefined {
  const { family, addPath, attributes, mpNextHop } = template;
  const limit = template.maxLength;
  let at = HEADER_LENGTH;
  scratch[at++] = 0;
  scratch[at++] = 0;
  const lengthAt = at;
  at += 2;
  let mpLengthAt = -1;
  if (mpNextHop) {
    // RFC 7606 §5.1: MP_REACH_NLRI goes first, so that a receiver finds the prefixes.
    scratch[at++] = FLAG.optional | FLAG.extended;
    scratch[at++] = ATTRIBUTE.mpReach;
    mpLengthAt = at;
    at = writePair(family, at + 2);
    scratch[at++] = mpNextHop.length;
    scratch.set(mpNextHop, at);
    at += mpNextHop.length;
    scratch[at++] = 0;
    const filled = fill(family, addPath, batch, from, at, limit - attributes.length);
    if (filled.next === from) return undefined;
    at = filled.at;
    patch16(mpLengthAt, at - mpLengthAt - 2);
    scratch.set(attributes, at);
    at += attributes.length;
    patch16(lengthAt, at - lengthAt - 2);
    return { bytes: finish(at), next: filled.next };
  }
  if (at + attributes.length > limit) return undefined;
  scratch.set(attributes, at);
  at += attributes.length;
  patch16(lengthAt, attributes.length);
  const filled = fill(family, addPath, batch, from, at, limit);
  if (filled.next === from) return undefined;
  return { bytes: finish(filled.at), next: filled.next };
}

/** One UPDATE that withdraws prefixes [from, …) of the batch. */
export function encodeUnreach(
  template: UnreachTemplate,
  batch: NlriBatch,
  from: number,
): EncodedUpdate {
  const { family, addPath, maxLength } = template;
  let at = HEADER_LENGTH;
  if (family === 'ipv4' && !template.multiprotocol) {
    const filled = fill(family, addPath, batch, from, at + 2, maxLength - 2);
    patch16(at, filled.at - at - 2);
    at = filled.at;
    patch16(at, 0);
    return { bytes: finish(at + 2), next: filled.next };
  }
  patch16(at, 0);
  const lengthAt = at + 2;
  at += 4;
  scratch[at++] = FLAG.optional | FLAG.extended;
  scratch[at++] = ATTRIBUTE.mpUnreach;
  const mpLengthAt = at;
  at = writePair(family, at + 2);
  const filled = fill(family, addPath, batch, from, at, maxLength);
  patch16(mpLengthAt, filled.at - mpLengthAt - 2);
  patch16(lengthAt, filled.at - lengthAt - 2);
  return { bytes: finish(filled.at), next: filled.next };
}

/** RFC 4724 §2: an empty UPDATE for IPv4, an empty MP_UNREACH_NLRI for the others. */
export function encodeEndOfRib(family: Family): Uint8Array {
  let at = HEADER_LENGTH;
  patch16(at, 0);
  if (family === 'ipv4') {
    patch16(at + 2, 0);
    return finish(at + 4);
  }
  patch16(at + 2, 6);
  at += 4;
  scratch[at++] = FLAG.optional;
  scratch[at++] = ATTRIBUTE.mpUnreach;
  scratch[at++] = 3;
  return finish(writePair(family, at));
}

// Encoding is synchronous and copies out before it returns, so one buffer serves every call.
const scratch = new Uint8Array(MAX_EXTENDED_MESSAGE_LENGTH + 64).fill(255, 0, 16);

function fill(
  family: Family,
  addPath: boolean,
  batch: NlriBatch,
  from: number,
  start: number,
  limit: number,
): { readonly at: number; readonly next: number } {
  let at = start;
  let next = from;
  while (next < batch.count) {
    if (at + nlriLength(batch.lengths[next]!, addPath) > limit) break;
    at = writeNlri(scratch, at, family, addPath, batch, next);
    next++;
  }
  return { at, next };
}

function writePair(family: Family, at: number): number {
  const { afi, safi } = afiSafiOf(family);
  scratch[at] = 0;
  scratch[at + 1] = afi;
  scratch[at + 2] = safi;
  return at + 3;
}

function patch16(at: number, value: number): void {
  scratch[at] = value >>> 8;
  scratch[at + 1] = value;
}

function finish(end: number): Uint8Array {
  patch16(16, end);
  scratch[18] = MESSAGE.update;
  return scratch.slice(0, end);
}
