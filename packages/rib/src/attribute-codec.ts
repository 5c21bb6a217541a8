// The canonical octets of RouteAttributes: equal attributes give equal octets, and the object can be
// made again from them. This is our own form (type, 16-bit length, value, ascending by type, AS
// numbers always four octets), not the wire's. What does not fit (custom attributes, kernel metrics,
// odd numbers) is refused here and kept as an object by the store.

import { addressFromBytes, parseWords } from '@rookery/net';
import type { AsPathSegment, Origin, PathAttributes, UnknownAttribute } from '@rookery/bgp';
import type { IpAddress } from '@rookery/net';
import type {
  Dest,
  KernelAttributes,
  Nexthop,
  RouteAttributes,
  RouteSource,
  Scope,
} from './route.ts';

/** Returned by `encodeRoute` for attributes that have no octets. */
export const NOT_ENCODABLE = -1;

export const SOURCES: readonly RouteSource[] = [
  'static',
  'inherit',
  'device',
  'static-device',
  'redirect',
  'bgp',
  'pipe',
  'rpki',
  'kubernetes',
];
const SCOPES: readonly Scope[] = ['host', 'link', 'site', 'organization', 'universe'];
const DESTS: readonly Dest[] = ['unicast', 'blackhole', 'unreachable', 'prohibit'];

/** Bits of the third octet: which optional parts of the head follow. */
export const HAS = {
  from: 1,
  igpMetric: 2,
  unresolved: 4,
  llgrStale: 8,
  bgp: 16,
  kernel: 32,
  statedMed: 64,
  statedNextHop: 128,
} as const;
/** Types of the parts behind the head; the values of BGP where it has them. */
export const PART = {
  unknown: 0,
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  extendedCommunities: 16,
  aigp: 26,
  largeCommunities: 32,
  otc: 35,
  linkLocalNextHop: 200,
} as const;

/** What an `ensure` leaves for the fields of fixed size that follow, a text of 255 included. */
const ROOM = 512;

/** Writes octets; throws away everything when one value has no form (`failed`). */
class Writer {
  bytes = new Uint8Array(4096);
  at = 0;
  failed = false;

  /** Makes room; everything below writes without looking. */
  ensure(octets: number): void {
    if (this.at + octets > this.bytes.length) this.#grow(this.at + octets);
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    if (!(value >= 0 && value <= 0xffff)) this.failed = true;
    const { bytes } = this;
    bytes[this.at++] = value >>> 8;
    bytes[this.at++] = value;
  }

  u32(value: number): void {
    // A fraction, a negative or an infinite number has no form here.
    if (value >>> 0 !== value) this.failed = true;
    const { bytes } = this;
    const { at } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
    this.at = at + 4;
  }

  /** One octet of length (4 or 16) and the address. */
  address(text: IpAddress): void {
    const start = this.at;
    this.u8(4);
    if (this.#v4(text)) return;
    this.at = start;
    const words = parseWords(text);
    if (!words) {
      this.failed = true;
      return;
    }
    this.u8(words.length * 4);
    for (let i = 0; i < words.length; i++) this.u32(words[i]!);
  }

  text(value: string): void {
    if (value.length > 255) {
      this.failed = true;
      return;
    }
    this.u8(value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 255) this.failed = true;
      this.u8(code);
    }
  }

  /** Starts a type-length-value; returns what `close` needs. */
  open(type: number): number {
    this.u8(type);
    this.u16(0);
    return this.at;
  }

  close(start: number): void {
    const length = this.at - start;
    if (length > 0xffff) this.failed = true;
    this.bytes[start - 2] = length >>> 8;
    this.bytes[start - 1] = length & 255;
  }

  #v4(text: string): boolean {
    if (text.length > 15) return false;
    let octet = 0;
    let dots = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 46) {
        this.u8(octet);
        octet = 0;
        dots++;
      } else if (code >= 48 && code <= 57) {
        octet = octet * 10 + code - 48;
      } else {
        return false;
      }
    }
    this.u8(octet);
    return dots === 3;
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes);
    this.bytes = bytes;
  }
}

/**
 * Offset behind the head (everything but `bgp`) of the octets that begin at `from`: where the first
 * part of `bgp` is, when there is one.
 */
export function endOfHead(bytes: Uint8Array, from: number): number {
  const has = bytes[from + 2]!;
  let at = from + 5;
  if (has & HAS.igpMetric) at += 4;
  if (has & HAS.from) at += 1 + bytes[at]!;
  for (let count = bytes[at++]!; count > 0; count--) {
    const fields = bytes[at++]!;
    if (fields & 1) at += 1 + bytes[at]!;
    if (fields & 2) at += 2;
    at += 4;
    at += 1 + bytes[at]!;
  }
  if (has & HAS.kernel) {
    const fields = bytes[at++]!;
    if (fields & 1) at += 4;
    if (fields & 2) at += 4;
    if (fields & 4) at += 1 + bytes[at]!;
    if (fields & 8) at += 4;
    if (fields & 16) at += 4;
  }
  return at;
}

/** Encodes and decodes; the octets of the last `encodeRoute` stay in `bytes` until the next. */
export class AttributeCodec {
  readonly #writer = new Writer();
  readonly #reader = new Reader();

  get bytes(): Uint8Array {
    return this.#writer.bytes;
  }

  /** Length of the octets now in `bytes`, or `NOT_ENCODABLE`. */
  encodeRoute(attributes: RouteAttributes): number {
    if (attributes.custom !== undefined || attributes.kernel?.metrics !== undefined) {
      return NOT_ENCODABLE;
    }
    const w = this.#writer;
    w.at = 0;
    w.failed = false;
    const { from, igpMetric, bgp, kernel, nexthops, stated } = attributes;
    w.u8(SOURCES.indexOf(attributes.source));
    w.u8(SCOPES.indexOf(attributes.scope) | (DESTS.indexOf(attributes.dest) << 4));
    w.u8(
      (from === undefined ? 0 : HAS.from) |
        (igpMetric === undefined ? 0 : HAS.igpMetric) |
        (attributes.unresolved ? HAS.unresolved : 0) |
        (attributes.llgrStale ? HAS.llgrStale : 0) |
        (bgp === undefined ? 0 : HAS.bgp) |
        (kernel === undefined ? 0 : HAS.kernel) |
        (stated?.med ? HAS.statedMed : 0) |
        (stated?.nextHop ? HAS.statedNextHop : 0),
    );
    w.u16(attributes.preference);
    if (igpMetric !== undefined) w.u32(igpMetric);
    if (from !== undefined) w.address(from);
    if (nexthops.length > 255) return NOT_ENCODABLE;
    w.u8(nexthops.length);
    for (let i = 0; i < nexthops.length; i++) encodeNexthop(w, nexthops[i]!);
    w.ensure(ROOM);
    if (kernel !== undefined) encodeKernel(w, kernel);
    if (bgp !== undefined) encodeBgp(w, bgp);
    return w.failed ? NOT_ENCODABLE : w.at;
  }

  /** The attributes whose octets are `bytes[from, to)`; they must come from `encodeRoute`. */
  decodeRoute(bytes: Uint8Array, from: number, to: number): RouteAttributes {
    const r = this.#reader;
    r.bytes = bytes;
    r.at = from;
    const source = SOURCES[r.u8()]!;
    const kind = r.u8();
    const has = r.u8();
    const preference = r.u16();
    const igpMetric = has & HAS.igpMetric ? r.u32() : undefined;
    const neighbor = has & HAS.from ? r.address() : undefined;
    const count = r.u8();
    const nexthops: Nexthop[] = [];
    for (let i = 0; i < count; i++) nexthops.push(decodeNexthop(r));
    const kernel = has & HAS.kernel ? decodeKernel(r) : undefined;
    const bgp = has & HAS.bgp ? decodeBgp(r, to) : undefined;
    const stated = has & (HAS.statedMed | HAS.statedNextHop) && {
      ...(has & HAS.statedMed && { med: true as const }),
      ...(has & HAS.statedNextHop && { nextHop: true as const }),
    };
    return {
      source,
      scope: SCOPES[kind & 15]!,
      dest: DESTS[kind >> 4]!,
      nexthops,
      preference,
      ...(neighbor !== undefined && { from: neighbor }),
      ...(igpMetric !== undefined && { igpMetric }),
      ...(has & HAS.unresolved && { unresolved: true as const }),
      ...(has & HAS.llgrStale && { llgrStale: true as const }),
      ...(stated && { stated }),
      ...(bgp !== undefined && { bgp }),
      ...(kernel !== undefined && { kernel }),
    };
  }
}

class Reader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;

  u8(): number {
    return this.bytes[this.at++]!;
  }

  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  u32(): number {
    return ((this.u16() << 16) | this.u16()) >>> 0;
  }

  address(): IpAddress {
    const length = this.u8() === 4 ? 4 : 16;
    const address = addressFromBytes(this.bytes, this.at, length);
    this.at += length;
    return address;
  }

  text(): string {
    const length = this.u8();
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.u8());
    return text;
  }

  words(octets: number): number[] {
    const words: number[] = [];
    for (let i = 0; i < octets; i += 4) words.push(this.u32());
    return words;
  }
}

function encodeNexthop(w: Writer, nexthop: Nexthop): void {
  const { gateway, weight } = nexthop;
  const onlink = nexthop.onlink === undefined ? 0 : nexthop.onlink ? 4 : 8;
  w.ensure(ROOM);
  w.u8((gateway === undefined ? 0 : 1) | (weight === undefined ? 0 : 2) | onlink);
  if (gateway !== undefined) w.address(gateway);
  if (weight !== undefined) w.u16(weight);
  w.u32(nexthop.ifindex);
  w.text(nexthop.interface);
}

function decodeNexthop(r: Reader): Nexthop {
  const has = r.u8();
  const gateway = has & 1 ? r.address() : undefined;
  const weight = has & 2 ? r.u16() : undefined;
  const ifindex = r.u32();
  return {
    interface: r.text(),
    ifindex,
    ...(gateway !== undefined && { gateway }),
    ...(weight !== undefined && { weight }),
    ...(has & 12 && { onlink: (has & 4) !== 0 }),
  };
}

function encodeKernel(w: Writer, kernel: KernelAttributes): void {
  const { source, metric, prefsrc, realm, scope } = kernel;
  w.u8(
    (source === undefined ? 0 : 1) |
      (metric === undefined ? 0 : 2) |
      (prefsrc === undefined ? 0 : 4) |
      (realm === undefined ? 0 : 8) |
      (scope === undefined ? 0 : 16),
  );
  if (source !== undefined) w.u32(source);
  if (metric !== undefined) w.u32(metric);
  if (prefsrc !== undefined) w.address(prefsrc);
  if (realm !== undefined) w.u32(realm);
  if (scope !== undefined) w.u32(scope);
}

function decodeKernel(r: Reader): KernelAttributes {
  const has = r.u8();
  return {
    ...(has & 1 && { source: r.u32() }),
    ...(has & 2 && { metric: r.u32() }),
    ...(has & 4 && { prefsrc: r.address() }),
    ...(has & 8 && { realm: r.u32() }),
    ...(has & 16 && { scope: r.u32() }),
  };
}

function encodeBgp(w: Writer, bgp: PathAttributes): void {
  if (bgp.origin !== undefined) {
    const start = w.open(PART.origin);
    w.u8(bgp.origin);
    w.close(start);
  }
  const path = w.open(PART.asPath);
  for (let s = 0; s < bgp.asPath.length; s++) {
    const segment = bgp.asPath[s]!;
    w.ensure(segment.asns.length * 4 + ROOM);
    w.u8(segment.type);
    w.u16(segment.asns.length);
    for (let i = 0; i < segment.asns.length; i++) w.u32(segment.asns[i]!);
  }
  w.close(path);
  if (bgp.nextHop !== undefined) encodeAddress(w, PART.nextHop, bgp.nextHop);
  if (bgp.med !== undefined) encodeWord(w, PART.med, bgp.med);
  if (bgp.localPref !== undefined) encodeWord(w, PART.localPref, bgp.localPref);
  if (bgp.atomicAggregate) w.close(w.open(PART.atomicAggregate));
  if (bgp.aggregator !== undefined) {
    const start = w.open(PART.aggregator);
    w.u32(bgp.aggregator.asn);
    w.address(bgp.aggregator.address);
    w.close(start);
  }
  if (bgp.communities !== undefined) encodeWords(w, PART.communities, bgp.communities);
  if (bgp.originatorId !== undefined) encodeAddress(w, PART.originatorId, bgp.originatorId);
  if (bgp.clusterList !== undefined) {
    w.ensure(bgp.clusterList.length * 17 + ROOM);
    const start = w.open(PART.clusterList);
    for (const cluster of bgp.clusterList) w.address(cluster);
    w.close(start);
  }
  if (bgp.extendedCommunities !== undefined) {
    encodeWords(w, PART.extendedCommunities, bgp.extendedCommunities);
  }
  if (bgp.aigp !== undefined) {
    const start = w.open(PART.aigp);
    w.u32(Number((bgp.aigp >> 32n) & 0xffffffffn));
    w.u32(Number(bgp.aigp & 0xffffffffn));
    w.close(start);
    if (bgp.aigp < 0n || bgp.aigp >> 64n !== 0n) w.failed = true;
  }
  if (bgp.largeCommunities !== undefined) {
    encodeWords(w, PART.largeCommunities, bgp.largeCommunities);
  }
  if (bgp.otc !== undefined) encodeWord(w, PART.otc, bgp.otc);
  if (bgp.linkLocalNextHop !== undefined) {
    encodeAddress(w, PART.linkLocalNextHop, bgp.linkLocalNextHop);
  }
  if (bgp.unknown !== undefined) for (const attribute of bgp.unknown) encodeUnknown(w, attribute);
}

function encodeWord(w: Writer, type: number, value: number): void {
  const start = w.open(type);
  w.u32(value);
  w.close(start);
}

function encodeWords(w: Writer, type: number, words: readonly number[]): void {
  w.ensure(words.length * 4 + ROOM);
  const start = w.open(type);
  for (let i = 0; i < words.length; i++) w.u32(words[i]!);
  w.close(start);
}

function encodeAddress(w: Writer, type: number, address: IpAddress): void {
  const start = w.open(type);
  w.address(address);
  w.close(start);
}

function encodeUnknown(w: Writer, attribute: UnknownAttribute): void {
  w.ensure(attribute.value.length + ROOM);
  const start = w.open(PART.unknown);
  w.u8(attribute.type);
  w.u8(attribute.flags);
  for (const octet of attribute.value) w.u8(octet);
  w.close(start);
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function decodeBgp(r: Reader, to: number): PathAttributes {
  const bgp: Mutable<PathAttributes> = { asPath: [] };
  const unknown: UnknownAttribute[] = [];
  while (r.at < to) {
    const type = r.u8();
    const length = r.u16();
    const end = r.at + length;
    switch (type) {
      case PART.origin:
        bgp.origin = r.u8() as Origin;
        break;
      case PART.asPath:
        bgp.asPath = decodeAsPath(r, end);
        break;
      case PART.nextHop:
        bgp.nextHop = r.address();
        break;
      case PART.med:
        bgp.med = r.u32();
        break;
      case PART.localPref:
        bgp.localPref = r.u32();
        break;
      case PART.atomicAggregate:
        bgp.atomicAggregate = true;
        break;
      case PART.aggregator:
        bgp.aggregator = { asn: r.u32(), address: r.address() };
        break;
      case PART.communities:
        bgp.communities = r.words(length);
        break;
      case PART.originatorId:
        bgp.originatorId = r.address();
        break;
      case PART.clusterList: {
        const clusters: IpAddress[] = [];
        while (r.at < end) clusters.push(r.address());
        bgp.clusterList = clusters;
        break;
      }
      case PART.extendedCommunities:
        bgp.extendedCommunities = r.words(length);
        break;
      case PART.aigp:
        bgp.aigp = (BigInt(r.u32()) << 32n) | BigInt(r.u32());
        break;
      case PART.largeCommunities:
        bgp.largeCommunities = r.words(length);
        break;
      case PART.otc:
        bgp.otc = r.u32();
        break;
      case PART.linkLocalNextHop:
        bgp.linkLocalNextHop = r.address();
        break;
      default:
        unknown.push({ type: r.u8(), flags: r.u8(), value: r.bytes.slice(r.at, end) });
    }
    r.at = end;
  }
  if (unknown.length > 0) bgp.unknown = unknown;
  return bgp;
}

function decodeAsPath(r: Reader, end: number): AsPathSegment[] {
  const segments: AsPathSegment[] = [];
  while (r.at < end) {
    const type = r.u8() as AsPathSegment['type'];
    const count = r.u16();
    segments.push({ type, asns: r.words(count * 4) });
  }
  return segments;
}
