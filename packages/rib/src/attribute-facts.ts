// What the decision process asks about attributes, as columns indexed by attributes number, so that
// comparing two paths touches a few numbers and no object. Filled once, when attributes are interned.

import { SEGMENT } from '@rookery/bgp';
import type { AsPathSegment } from '@rookery/bgp';
import { parseWords } from '@rookery/net';
import { SOURCES } from './attribute-codec.ts';
import type { ExportRewrite } from './block-export.ts';
import type { BlockTranscoder } from './block-transcode.ts';
import { growUint16, growUint32, growUint8 } from './columns.ts';
import type { RouteAttributes } from './route.ts';

export const FACT = {
  unresolved: 1,
  llgrStale: 2,
  localPref: 4,
  med: 8,
  igpMetric: 16,
  aigp: 32,
  originatorId: 64,
  bgp: 128,
} as const;

/** Ranks after every metric that an IGP gives. */
const UNKNOWN_METRIC = 0x80000000;

export class AttributeFacts {
  /** FACT bits. */
  flags = new Uint8Array(64);
  preference = new Uint16Array(64);
  /** Index into `SOURCES`. */
  source = new Uint8Array(64);
  origin = new Uint8Array(64);
  /** RFC 4271 §9.1.2.2 a: a set counts one, RFC 5065 §5.3: confederation segments none. */
  pathLength = new Uint16Array(64);
  clusterLength = new Uint8Array(64);
  localPref = new Uint32Array(64);
  med = new Uint32Array(64);
  igpMetric = new Uint32Array(64);
  /** Leftmost AS outside confederation segments; 0 when the path is empty or starts with a set. */
  neighborAs = new Uint32Array(64);
  originatorId = new Uint32Array(64);
  /** Rare, therefore no column. */
  readonly aigp = new Map<number, bigint>();

  ensure(capacity: number): void {
    if (capacity <= this.flags.length) return;
    this.flags = growUint8(this.flags, capacity);
    this.preference = growUint16(this.preference, capacity);
    this.source = growUint8(this.source, capacity);
    this.origin = growUint8(this.origin, capacity);
    this.pathLength = growUint16(this.pathLength, capacity);
    this.clusterLength = growUint8(this.clusterLength, capacity);
    this.localPref = growUint32(this.localPref, capacity);
    this.med = growUint32(this.med, capacity);
    this.igpMetric = growUint32(this.igpMetric, capacity);
    this.neighborAs = growUint32(this.neighborAs, capacity);
    this.originatorId = growUint32(this.originatorId, capacity);
  }

  set(n: number, attributes: RouteAttributes): void {
    const { bgp, igpMetric } = attributes;
    let flags = (attributes.unresolved ? FACT.unresolved : 0) | (bgp ? FACT.bgp : 0);
    if (attributes.llgrStale) flags |= FACT.llgrStale;
    if (igpMetric !== undefined) flags |= FACT.igpMetric;
    if (bgp?.localPref !== undefined) flags |= FACT.localPref;
    if (bgp?.med !== undefined) flags |= FACT.med;
    if (bgp?.originatorId !== undefined) flags |= FACT.originatorId;
    if (bgp?.aigp !== undefined) {
      flags |= FACT.aigp;
      this.aigp.set(n, bgp.aigp);
    }
    this.flags[n] = flags;
    this.preference[n] = attributes.preference;
    this.source[n] = SOURCES.indexOf(attributes.source);
    this.igpMetric[n] = Math.min(igpMetric ?? UNKNOWN_METRIC, 0xffffffff);
    // RFC 4271 §5.1.1 makes ORIGIN mandatory; a local route without it ranks as incomplete.
    this.origin[n] = bgp?.origin ?? 2;
    this.pathLength[n] = bgp ? pathLengthOf(bgp.asPath) : 0;
    this.neighborAs[n] = bgp ? neighborAsOf(bgp.asPath) : 0;
    this.clusterLength[n] = Math.min(bgp?.clusterList?.length ?? 0, 255);
    this.localPref[n] = bgp?.localPref ?? 0;
    this.med[n] = bgp?.med ?? 0;
    this.originatorId[n] =
      bgp?.originatorId === undefined ? 0 : (parseWords(bgp.originatorId)?.[0] ?? 0);
  }

  /** The facts of `shell`, which has no BGP attributes, with those of a transcoded block. */
  setTranscoded(n: number, shell: number, block: BlockTranscoder): void {
    this.copy(n, shell);
    let flags = this.flags[shell]! | FACT.bgp | FACT.localPref;
    if (block.hasMed) flags |= FACT.med;
    this.flags[n] = flags;
    this.origin[n] = block.origin;
    this.pathLength[n] = block.pathLength;
    this.neighborAs[n] = block.neighborAs;
    this.med[n] = block.med;
    this.localPref[n] = block.localPref;
  }

  /** The facts of `from` after an export rewrite. */
  setRewritten(n: number, from: number, rewrite: ExportRewrite): void {
    this.copy(n, from);
    if (rewrite.prependAs !== 0) {
      this.pathLength[n] = this.pathLength[from]! + 1;
      this.neighborAs[n] = rewrite.prependAs;
    }
    if (!rewrite.keepMed) {
      this.flags[n] = this.flags[n]! & ~FACT.med;
      this.med[n] = 0;
    }
    if (!rewrite.keepLocalPref) {
      this.flags[n] = this.flags[n]! & ~FACT.localPref;
      this.localPref[n] = 0;
    }
  }

  copy(n: number, from: number): void {
    this.flags[n] = this.flags[from]!;
    this.preference[n] = this.preference[from]!;
    this.source[n] = this.source[from]!;
    this.origin[n] = this.origin[from]!;
    this.pathLength[n] = this.pathLength[from]!;
    this.clusterLength[n] = this.clusterLength[from]!;
    this.localPref[n] = this.localPref[from]!;
    this.med[n] = this.med[from]!;
    this.igpMetric[n] = this.igpMetric[from]!;
    this.neighborAs[n] = this.neighborAs[from]!;
    this.originatorId[n] = this.originatorId[from]!;
  }

  clear(n: number): void {
    if (this.flags[n]! & FACT.aigp) this.aigp.delete(n);
    this.flags[n] = 0;
  }
}

/** Length of an AS path as the decision process counts it. */
export function pathLengthOf(path: readonly AsPathSegment[]): number {
  let length = 0;
  for (const segment of path) {
    if (segment.type === SEGMENT.asSequence) length += segment.asns.length;
    else if (segment.type === SEGMENT.asSet) length += 1;
  }
  return Math.min(length, 65_535);
}

/** RFC 4271 §9.1.2.2 c: the neighbor AS for comparing MEDs; RFC 5065 §5.3 skips confederations. */
export function neighborAsOf(path: readonly AsPathSegment[]): number {
  for (const segment of path) {
    if (segment.type === SEGMENT.asSequence) return segment.asns[0] ?? 0;
    if (segment.type === SEGMENT.asSet) return 0;
  }
  return 0;
}
