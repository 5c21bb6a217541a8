// From the octets of an ordinary attribute block on the wire to the store's canonical octets without
// making an object: most of a full table goes this way. A block that is unusual in any respect
// (faults, sets, confederations, unknown or rare attributes, odd flags or order) is left to the
// decoder of the bgp package, which alone knows RFC 7606. Accepts only what that would accept.

import { LastView, readU32 } from '@rookery/net';
import { PART } from './attribute-codec.ts';

export interface TranscodeRules {
  /** Internal peer: LOCAL_PREF is taken from the block; otherwise the default replaces it. */
  readonly internal: boolean;
  readonly defaultLocalPref: number;
  /** Blocks with one of these in the path are left to the decoder: our own AS. */
  readonly ownAs: number;
  /** Leftmost AS that the path must have, 0 for any (BIRD `enforce first as`). */
  readonly firstAs: number;
}

const ATTRIBUTE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  mpReach: 14,
  extendedCommunities: 16,
  largeCommunities: 32,
} as const;

/** Flags octet of each attribute without the extended-length bit; anything else is unusual. */
const FLAGS: Readonly<Record<number, number>> = {
  [ATTRIBUTE.origin]: 0x40,
  [ATTRIBUTE.asPath]: 0x40,
  [ATTRIBUTE.nextHop]: 0x40,
  [ATTRIBUTE.med]: 0x80,
  [ATTRIBUTE.localPref]: 0x40,
  [ATTRIBUTE.atomicAggregate]: 0x40,
  [ATTRIBUTE.aggregator]: 0xc0,
  [ATTRIBUTE.communities]: 0xc0,
  [ATTRIBUTE.mpReach]: 0x80,
  [ATTRIBUTE.extendedCommunities]: 0xc0,
  [ATTRIBUTE.largeCommunities]: 0xc0,
};
const FLAGS_OF = Uint8Array.from({ length: 256 }, (_, type) => FLAGS[type] ?? 0);
const EXTENDED = 0x10;
const AS_SEQUENCE = 2;

/** Free octets in front of a block, for the part of a route's canonical form that is not `bgp`. */
export const HEAD_ROOM = 256;

/** One block at a time; the fields describe the last one that `transcode` accepted. */
export class BlockTranscoder {
  /** Canonical octets of `bgp`, [HEAD_ROOM, end). */
  bytes = new Uint8Array(4096);
  end = HEAD_ROOM;
  /** NEXT_HOP, or the next hop of MP_REACH_NLRI: octets [from, from + length) of the input. */
  nextHopFrom = 0;
  nextHopLength = 0;
  /** The prefixes of MP_REACH_NLRI, of IPv6: octets [from, to) of the input. */
  mpNlriFrom = 0;
  mpNlriTo = 0;
  origin = 0;
  pathLength = 0;
  neighborAs = 0;
  hasMed = false;
  med = 0;
  localPref = 0;
  readonly #input = new LastView();
  readonly #output = new LastView();

  /** Transcodes bytes[from, to); false when the block is for the decoder. */
  transcode(bytes: Uint8Array, from: number, to: number, rules: TranscodeRules): boolean {
    const room = HEAD_ROOM + (to - from) * 2 + 64;
    if (room > this.bytes.length) this.bytes = new Uint8Array(room);
    this.end = HEAD_ROOM;
    this.nextHopLength = 0;
    this.hasMed = false;
    this.med = 0;
    let localPref = -1;
    let last = 0;
    let mpReach = false;
    // MP_REACH_NLRI may stand anywhere, but its next hop belongs behind the path.
    if (!this.#findNextHop(bytes, from, to)) return false;
    for (let at = from; at < to;) {
      if (to - at < 3) return false;
      const flags = bytes[at]!;
      const type = bytes[at + 1]!;
      let value = at + 3;
      let length = bytes[at + 2]!;
      if ((flags & EXTENDED) !== 0) {
        if (to - at < 4) return false;
        length = (length << 8) | bytes[at + 3]!;
        value = at + 4;
      }
      const next = value + length;
      if (next > to || (flags & ~EXTENDED) !== FLAGS_OF[type]) return false;
      at = next;
      if (type === ATTRIBUTE.mpReach) {
        if (mpReach) return false;
        mpReach = true;
        continue;
      }
      if (type <= last) return false;
      // ORIGIN and AS_PATH are there and come first: what follows can be appended in order.
      if (last < ATTRIBUTE.asPath && type !== last + 1) return false;
      if (type > ATTRIBUTE.localPref && last <= ATTRIBUTE.localPref) {
        this.#putLocalPref(localPref, rules);
      }
      last = type;
      switch (type) {
        case ATTRIBUTE.origin:
          if (length !== 1 || bytes[value]! > 2) return false;
          this.origin = bytes[value]!;
          this.#copy(PART.origin, bytes, value, next);
          break;
        case ATTRIBUTE.asPath:
          if (!this.#putPath(bytes, value, next, rules)) return false;
          this.#putNextHop(bytes);
          break;
        case ATTRIBUTE.nextHop:
          break;
        case ATTRIBUTE.med:
          if (length !== 4) return false;
          this.hasMed = true;
          this.med = readU32(bytes, value);
          this.#copy(PART.med, bytes, value, next);
          break;
        case ATTRIBUTE.localPref:
          if (length !== 4 || !rules.internal) return false;
          localPref = readU32(bytes, value);
          break;
        case ATTRIBUTE.atomicAggregate:
          if (length !== 0) return false;
          this.#copy(PART.atomicAggregate, bytes, value, next);
          break;
        case ATTRIBUTE.aggregator:
          if (length !== 8 || readU32(bytes, value) === 0) return false;
          this.#putAggregator(bytes, value);
          break;
        case ATTRIBUTE.communities:
          if (length === 0 || length % 4 !== 0) return false;
          if (hasReserved(bytes, value, next)) return false;
          this.#copy(PART.communities, bytes, value, next);
          break;
        case ATTRIBUTE.extendedCommunities:
          if (length === 0 || length % 8 !== 0) return false;
          this.#copy(PART.extendedCommunities, bytes, value, next);
          break;
        default:
          // RFC 8092 §5: duplicates are removed, which is not done here.
          if (length === 0 || length % 12 !== 0 || repeats(bytes, value, next)) return false;
          this.#copy(PART.largeCommunities, bytes, value, next);
      }
    }
    if (last < ATTRIBUTE.asPath) return false;
    if (last <= ATTRIBUTE.localPref) this.#putLocalPref(localPref, rules);
    return true;
  }

  /** Finds the one next hop; false when there is none, more than one or an odd one. */
  #findNextHop(bytes: Uint8Array, from: number, to: number): boolean {
    for (let at = from; at + 3 < to;) {
      const extended = (bytes[at]! & EXTENDED) !== 0;
      const length = extended ? (bytes[at + 2]! << 8) | bytes[at + 3]! : bytes[at + 2]!;
      const value = at + (extended ? 4 : 3);
      const type = bytes[at + 1]!;
      at = value + length;
      if (at > to) return false;
      if (type === ATTRIBUTE.nextHop) {
        const first = bytes[value]!;
        // 0/8, loopback, multicast and the rest: the decoder and the import rules know.
        if (length !== 4 || this.nextHopLength !== 0) return false;
        if (first === 0 || first === 127 || first >= 224) return false;
        this.nextHopFrom = value;
        this.nextHopLength = 4;
      } else if (type === ATTRIBUTE.mpReach) {
        // IPv6 unicast with one global next hop.
        if (length < 21 || this.nextHopLength !== 0 || bytes[value + 3] !== 16) return false;
        if (bytes[value] !== 0 || bytes[value + 1] !== 2 || bytes[value + 2] !== 1) return false;
        const first = bytes[value + 4]!;
        // 2000::/3 and fc00::/7 only.
        if (first >>> 5 !== 1 && first >>> 1 !== 0x7e) return false;
        this.nextHopFrom = value + 4;
        this.nextHopLength = 16;
        this.mpNlriFrom = value + 21;
        this.mpNlriTo = at;
      }
    }
    return this.nextHopLength !== 0;
  }

  /** One AS_SEQUENCE, or nothing at all. */
  #putPath(bytes: Uint8Array, from: number, to: number, rules: TranscodeRules): boolean {
    this.pathLength = 0;
    this.neighborAs = 0;
    if (from === to) {
      if (rules.firstAs !== 0) return false;
      this.#copy(PART.asPath, bytes, from, to);
      return true;
    }
    const count = bytes[from + 1]!;
    if (bytes[from] !== AS_SEQUENCE || count === 0 || to - from !== 2 + count * 4) return false;
    const words = this.#input.of(bytes);
    this.pathLength = count;
    this.neighborAs = words.getUint32(from + 2);
    if (rules.firstAs !== 0 && this.neighborAs !== rules.firstAs) return false;
    const out = this.bytes;
    let end = this.#open(PART.asPath, 3 + count * 4);
    out[end++] = AS_SEQUENCE;
    out[end++] = 0;
    out[end++] = count;
    const outWords = this.#output.of(out);
    for (let at = from + 2; at < to; at += 4, end += 4) {
      const asn = words.getUint32(at);
      if (asn === 0 || asn === rules.ownAs) return false;
      outWords.setUint32(end, asn);
    }
    this.end = end;
    return true;
  }

  #putNextHop(bytes: Uint8Array): void {
    const length = this.nextHopLength;
    let end = this.#open(PART.nextHop, 1 + length);
    this.bytes[end++] = length;
    for (let i = 0; i < length; i++) this.bytes[end++] = bytes[this.nextHopFrom + i]!;
    this.end = end;
  }

  #putLocalPref(received: number, rules: TranscodeRules): void {
    const localPref = received >= 0 ? received : rules.defaultLocalPref;
    this.localPref = localPref;
    const at = this.#open(PART.localPref, 4);
    this.#output.of(this.bytes).setUint32(at, localPref);
    this.end = at + 4;
  }

  #putAggregator(bytes: Uint8Array, from: number): void {
    let end = this.#open(PART.aggregator, 9);
    for (let i = 0; i < 4; i++) this.bytes[end++] = bytes[from + i]!;
    this.bytes[end++] = 4;
    for (let i = 4; i < 8; i++) this.bytes[end++] = bytes[from + i]!;
    this.end = end;
  }

  #copy(part: number, bytes: Uint8Array, from: number, to: number): void {
    let end = this.#open(part, to - from);
    for (let i = from; i < to; i++) this.bytes[end++] = bytes[i]!;
    this.end = end;
  }

  #open(part: number, length: number): number {
    const at = this.end;
    this.bytes[at] = part;
    this.bytes[at + 1] = length >>> 8;
    this.bytes[at + 2] = length;
    return at + 3;
  }
}

/** Well-known communities (0xffff0000 and up) mean something to importers and exporters. */
export function hasReserved(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 4) {
    if (bytes[at] === 255 && bytes[at + 1] === 255) return true;
  }
  return false;
}

function repeats(bytes: Uint8Array, from: number, to: number): boolean {
  for (let a = from; a < to; a += 12) {
    for (let b = from; b < a; b += 12) {
      let same = 0;
      while (same < 12 && bytes[a + same] === bytes[b + same]) same++;
      if (same === 12) return true;
    }
  }
  return false;
}
