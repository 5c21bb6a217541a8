// What a peer is told, from canonical octets to canonical octets and on to the wire, without making
// an object: the ordinary changes of an export (RFC 4271 §5.1: our AS in front, next hop, MED,
// LOCAL_PREF). Attributes that are unusual in any respect are left to the caller's rules for objects.

import { HAS, PART, endOfHead } from './attribute-codec.ts';
import { hasReserved } from './block-transcode.ts';

/**
 * What becomes of a route that was learned from an external peer; what the policy has stated of MED
 * and next hop stands.
 */
export interface ExportRewrite {
  /** Prepended to the path; 0 leaves it. */
  readonly prependAs: number;
  readonly keepMed: boolean;
  /** LOCAL_PREF is for internal peers only. */
  readonly keepLocalPref: boolean;
  /**
   * `undefined` keeps the next hop. Otherwise these octets (4 or 16) replace it, unless the route
   * has one next hop, through `keepInterface`, and that is the BGP next hop: a third party on the
   * link that we share with the peer (RFC 4271 §5.1.3).
   */
  readonly nextHop: Uint8Array | undefined;
  /** Goes with `nextHop` when that is used (RFC 2545 §3). */
  readonly linkLocalNextHop: Uint8Array | undefined;
  readonly keepInterface: string | undefined;
}

const AS_SEQUENCE = 2;
/** RFC 4271 §4.3: a segment has at most 255 numbers on the wire. */
const MAX_SEGMENT = 255;

/**
 * Writes the rewritten octets of bytes[from, to) into `out`; returns their length, or -1 when the
 * attributes are for the caller's rules. `out` needs `to - from + 64` octets.
 */
export function rewriteBlock(
  bytes: Uint8Array,
  from: number,
  to: number,
  rewrite: ExportRewrite,
  out: Uint8Array,
): number {
  if ((bytes[from + 2]! & (HAS.statedMed | HAS.statedNextHop)) !== 0) return -1;
  const head = endOfHead(bytes, from);
  let end = copy(bytes, from, head, out, 0);
  let seen = 0;
  let own = false;
  for (let at = head; at < to;) {
    const type = bytes[at]!;
    const next = at + 3 + ((bytes[at + 1]! << 8) | bytes[at + 2]!);
    if (REWRITABLE[type] === 0) return -1;
    seen |= 1 << (type & 31);
    if (type === PART.asPath) {
      end = putPath(bytes, at, next, rewrite.prependAs, out, end);
      if (end < 0) return -1;
    } else if (type === PART.nextHop) {
      own = replacesNextHop(bytes, from, at, rewrite);
      end = own
        ? putAddress(PART.nextHop, rewrite.nextHop!, out, end)
        : copy(bytes, at, next, out, end);
    } else {
      if (type === PART.communities && hasReserved(bytes, at + 3, next)) return -1;
      const dropped =
        (type === PART.med && !rewrite.keepMed) ||
        (type === PART.localPref && !rewrite.keepLocalPref);
      if (!dropped) end = copy(bytes, at, next, out, end);
    }
    at = next;
  }
  if (!isRewritable(seen, rewrite)) return -1;
  if (own && rewrite.linkLocalNextHop) {
    end = putAddress(PART.linkLocalNextHop, rewrite.linkLocalNextHop, out, end);
  }
  return end;
}

/**
 * True when nothing in bytes[from, to) can forbid telling the route to an external or internal
 * peer: no well-known community, no ONLY_TO_CUSTOMER, not kept past a restart.
 */
export function isPlainBlock(bytes: Uint8Array, from: number, to: number): boolean {
  if ((bytes[from + 2]! & (HAS.llgrStale | HAS.bgp)) !== HAS.bgp) return false;
  for (let part = endOfHead(bytes, from); part < to;) {
    const next = part + 3 + ((bytes[part + 1]! << 8) | bytes[part + 2]!);
    if (bytes[part] === PART.otc) return false;
    if (bytes[part] === PART.communities && hasReserved(bytes, part + 3, next)) return false;
    part = next;
  }
  return true;
}

/**
 * Writes the path attributes of bytes[from, to), rewritten where `change` is given, as they go on the
 * wire between four-octet speakers, without MP_REACH_NLRI, from `at` on; returns the offset behind
 * them, or -1 when they are for the caller's rules or the encoder of the bgp package. `classic`
 * includes NEXT_HOP. The octets are those of `rewriteBlock` and then this without a change.
 */
export function encodeBlock(
  bytes: Uint8Array,
  from: number,
  to: number,
  change: ExportRewrite | undefined,
  classic: boolean,
  out: Uint8Array,
  at: number,
): number {
  const has = bytes[from + 2]!;
  if (change && (has & HAS.statedNextHop) !== 0) return -1;
  const keepsMed = !change || change.keepMed || (has & HAS.statedMed) !== 0;
  let end = at;
  let seen = 0;
  for (let part = endOfHead(bytes, from); part < to;) {
    const type = bytes[part]!;
    const value = part + 3;
    const next = value + ((bytes[part + 1]! << 8) | bytes[part + 2]!);
    const flags = FLAGS_OF[type]!;
    if (change) {
      if (REWRITABLE[type] === 0) return -1;
      if (type === PART.communities && hasReserved(bytes, value, next)) return -1;
    }
    seen |= 1 << (type & 31);
    if (type === PART.nextHop) {
      if (classic) end = encodeClassicNextHop(bytes, from, part, change, out, end);
    } else if (type === PART.asPath) {
      end =
        change && change.prependAs !== 0
          ? encodeLongerPath(bytes, value, next, change.prependAs, out, end)
          : encodePath(bytes, value, next, out, end);
    } else if (type === PART.aggregator) {
      // Before the address stands an octet of ours that tells its length.
      if (bytes[value + 4] !== 4) return -1;
      end = putHeader(out, end, flags, type, next - value - 1);
      end = copy(bytes, value, value + 4, out, end);
      end = copy(bytes, value + 5, next, out, end);
    } else if (flags === 0) {
      if (type !== PART.linkLocalNextHop) return -1;
    } else if (next > value || type === PART.atomicAggregate) {
      const dropped =
        (type === PART.med && !keepsMed) ||
        (type === PART.localPref && change?.keepLocalPref === false);
      if (!dropped)
        end = copy(bytes, value, next, out, putHeader(out, end, flags, type, next - value));
    }
    if (end < 0) return -1;
    part = next;
  }
  return change && !isRewritable(seen, change) ? -1 : end;
}

/** Writes the next hop of MP_REACH_NLRI (global, link-local when there is one); -1 when absent. */
export function encodeBlockNextHop(
  bytes: Uint8Array,
  from: number,
  to: number,
  change: ExportRewrite | undefined,
  out: Uint8Array,
  at: number,
): number {
  let end = -1;
  for (let part = endOfHead(bytes, from); part < to;) {
    const next = part + 3 + ((bytes[part + 1]! << 8) | bytes[part + 2]!);
    const wide = bytes[part + 3] === 16;
    if (bytes[part] === PART.nextHop) {
      if (replacesNextHop(bytes, from, part, change)) {
        end = copy(change!.nextHop!, 0, change!.nextHop!.length, out, at);
        const link = change!.linkLocalNextHop;
        return link ? copy(link, 0, link.length, out, end) : end;
      }
      end = copy(bytes, part + 4, next, out, at);
    } else if (bytes[part] === PART.linkLocalNextHop && end >= 0 && wide) {
      end = copy(bytes, part + 4, next, out, end);
    }
    part = next;
  }
  return end;
}

/** The parts that `rewriteBlock` takes. */
const REWRITABLE = new Uint8Array(256);
for (const type of [
  PART.origin,
  PART.asPath,
  PART.nextHop,
  PART.med,
  PART.localPref,
  PART.atomicAggregate,
  PART.aggregator,
  PART.communities,
  PART.extendedCommunities,
  PART.largeCommunities,
]) {
  REWRITABLE[type] = 1;
}

/** `seen` has the bits of the types that were there. */
function isRewritable(seen: number, rewrite: ExportRewrite): boolean {
  const mandatory = (1 << PART.origin) | (1 << PART.nextHop);
  if ((seen & mandatory) !== mandatory) return false;
  // RFC 4271 §5.1.5: an internal peer is always told one; which, is the caller's rule.
  return !rewrite.keepLocalPref || (seen & (1 << PART.localPref)) !== 0;
}

function replacesNextHop(
  bytes: Uint8Array,
  from: number,
  part: number,
  rewrite: ExportRewrite | undefined,
): boolean {
  return rewrite?.nextHop !== undefined && !isThirdParty(bytes, from, part, rewrite.keepInterface);
}

/** Flags octets of the parts that go to the wire as they are, RFC 4271 §5 and successors. */
const FLAGS: readonly (readonly [number, number])[] = [
  [PART.origin, 0x40],
  [PART.asPath, 0x40],
  [PART.nextHop, 0x40],
  [PART.med, 0x80],
  [PART.localPref, 0x40],
  [PART.atomicAggregate, 0x40],
  [PART.aggregator, 0xc0],
  [PART.communities, 0xc0],
  [PART.extendedCommunities, 0xc0],
  [PART.largeCommunities, 0xc0],
  [PART.otc, 0xc0],
];
const FLAGS_OF = new Uint8Array(256);
for (const [type, flags] of FLAGS) FLAGS_OF[type] = flags;

function putPath(
  bytes: Uint8Array,
  part: number,
  next: number,
  prependAs: number,
  out: Uint8Array,
  at: number,
): number {
  if (prependAs === 0) return copy(bytes, part, next, out, at);
  const value = part + 3;
  const count = sequenceLength(bytes, value, next);
  if (count < 0) return -1;
  let end = at;
  const length = 3 + (count + 1) * 4;
  out[end++] = PART.asPath;
  out[end++] = length >>> 8;
  out[end++] = length;
  out[end++] = AS_SEQUENCE;
  out[end++] = (count + 1) >>> 8;
  out[end++] = count + 1;
  end = putAsn(prependAs, out, end);
  return copy(bytes, value + 3, next, out, end);
}

function putAddress(part: number, address: Uint8Array, out: Uint8Array, at: number): number {
  out[at] = part;
  out[at + 1] = 0;
  out[at + 2] = address.length + 1;
  out[at + 3] = address.length;
  for (let i = 0; i < address.length; i++) out[at + 4 + i] = address[i]!;
  return at + 4 + address.length;
}

/** The only next hop of the head is the BGP next hop at `part`, through the interface. */
function isThirdParty(
  bytes: Uint8Array,
  from: number,
  part: number,
  name: string | undefined,
): boolean {
  if (name === undefined) return false;
  const has = bytes[from + 2]!;
  let at = from + 5;
  if (has & 2) at += 4;
  if (has & 1) at += 1 + bytes[at]!;
  if (bytes[at] !== 1) return false;
  const fields = bytes[at + 1]!;
  if ((fields & 1) === 0) return false;
  at += 2;
  const length = bytes[at]!;
  for (let i = 0; i <= length; i++) if (bytes[at + i] !== bytes[part + 3 + i]) return false;
  at += 1 + length + (fields & 2 ? 2 : 0) + 4;
  if (bytes[at] !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[at + 1 + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

function encodeClassicNextHop(
  bytes: Uint8Array,
  from: number,
  part: number,
  change: ExportRewrite | undefined,
  out: Uint8Array,
  at: number,
): number {
  const own = replacesNextHop(bytes, from, part, change);
  const length = own ? change!.nextHop!.length : bytes[part + 3]!;
  if (length !== 4) return -1;
  const end = putHeader(out, at, 0x40, PART.nextHop, 4);
  return own ? copy(change!.nextHop!, 0, 4, out, end) : copy(bytes, part + 4, part + 8, out, end);
}

/** The numbers of a path that is one sequence or empty; -1: anything else needs care. */
function sequenceLength(bytes: Uint8Array, value: number, next: number): number {
  if (value === next) return 0;
  const count = (bytes[value + 1]! << 8) | bytes[value + 2]!;
  const isSequence = bytes[value] === AS_SEQUENCE && next - value === 3 + count * 4;
  // RFC 4271 §5.1.2, RFC 5065 §4. One more must fit.
  return isSequence && count < MAX_SEGMENT ? count : -1;
}

function encodeLongerPath(
  bytes: Uint8Array,
  value: number,
  next: number,
  asn: number,
  out: Uint8Array,
  at: number,
): number {
  const count = sequenceLength(bytes, value, next);
  if (count < 0) return -1;
  let end = putHeader(out, at, 0x40, PART.asPath, 2 + (count + 1) * 4);
  out[end++] = AS_SEQUENCE;
  out[end++] = count + 1;
  end = putAsn(asn, out, end);
  return copy(bytes, value + 3, next, out, end);
}

function putAsn(asn: number, out: Uint8Array, at: number): number {
  out[at] = asn >>> 24;
  out[at + 1] = asn >>> 16;
  out[at + 2] = asn >>> 8;
  out[at + 3] = asn;
  return at + 4;
}

function encodePath(
  bytes: Uint8Array,
  value: number,
  next: number,
  out: Uint8Array,
  at: number,
): number {
  let octets = 0;
  for (let segment = value; segment < next;) {
    const count = (bytes[segment + 1]! << 8) | bytes[segment + 2]!;
    if (count === 0 || count > MAX_SEGMENT) return -1;
    octets += 2 + count * 4;
    segment += 3 + count * 4;
  }
  let end = putHeader(out, at, 0x40, PART.asPath, octets);
  for (let segment = value; segment < next;) {
    const count = bytes[segment + 2]!;
    out[end++] = bytes[segment]!;
    out[end++] = count;
    segment += 3;
    for (const stop = segment + count * 4; segment < stop; segment++) out[end++] = bytes[segment]!;
  }
  return end;
}

function putHeader(
  out: Uint8Array,
  at: number,
  flags: number,
  type: number,
  length: number,
): number {
  let end = at;
  out[end++] = length > 255 ? flags | 0x10 : flags;
  out[end++] = type;
  if (length > 255) out[end++] = length >>> 8;
  out[end++] = length;
  return end;
}

function copy(bytes: Uint8Array, from: number, to: number, out: Uint8Array, at: number): number {
  let end = at;
  for (let i = from; i < to; i++) out[end++] = bytes[i]!;
  return end;
}
