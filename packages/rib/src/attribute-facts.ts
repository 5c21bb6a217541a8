// What the decision process asks about attributes, as rows of numbers by attributes number, so that
// comparing two paths touches no object. Filled once, when attributes are interned.

import { SEGMENT } from '@rookery/bgp';
import type { AsPathSegment } from '@rookery/bgp';
import { parseWords } from '@rookery/net';
import { SOURCES } from './attribute-codec.ts';
import type { ExportRewrite } from './block-export.ts';
import type { BlockTranscoder } from './block-transcode.ts';
import { growUint32 } from './columns.ts';
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

/**
 * One row of eight words per attributes number, so that a comparison touches one cache line of each
 * side: flags, source, origin and cluster list length (an octet each, from the lowest); preference
 * and path length (16 bits each); then one word each.
 */
export const ROW = {
  bits: 0,
  lengths: 1,
  localPref: 2,
  med: 3,
  igpMetric: 4,
  neighborAs: 5,
  originatorId: 6,
  /** 1: known to be plain, see `isPlainBlock`. */
  plain: 7,
} as const;
export const ROW_SHIFT = 3;

export class AttributeFacts {
  /** Rows; row n begins at n << ROW_SHIFT. */
  rows: Uint32Array = new Uint32Array(64 << ROW_SHIFT);
  /** Rare, therefore no word. */
  readonly aigp = new Map<number, bigint>();

  ensure(capacity: number): void {
    if (capacity << ROW_SHIFT > this.rows.length) {
      this.rows = growUint32(this.rows, capacity << ROW_SHIFT);
    }
  }

  /** FACT bits. */
  flagsOf(n: number): number {
    return this.rows[n << ROW_SHIFT]! & 255;
  }

  /** Index into `SOURCES`. */
  sourceOf(n: number): number {
    return (this.rows[n << ROW_SHIFT]! >>> 8) & 255;
  }

  /** True when the attributes are known to be plain; see `isPlainBlock`. */
  isPlain(n: number): boolean {
    return this.rows[(n << ROW_SHIFT) + ROW.plain] === 1;
  }

  /** Leftmost AS outside confederation segments; 0 when the path is empty or starts with a set. */
  neighborAsOf(n: number): number {
    return this.rows[(n << ROW_SHIFT) + ROW.neighborAs]!;
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
    const { rows } = this;
    const row = n << ROW_SHIFT;
    // RFC 4271 §5.1.1 makes ORIGIN mandatory; a local route without it ranks as incomplete.
    const origin = bgp?.origin ?? 2;
    const clusters = Math.min(bgp?.clusterList?.length ?? 0, 255);
    const source = SOURCES.indexOf(attributes.source);
    rows[row] = flags | (source << 8) | (origin << 16) | (clusters << 24);
    rows[row + ROW.lengths] = attributes.preference | ((bgp ? pathLengthOf(bgp.asPath) : 0) << 16);
    rows[row + ROW.localPref] = bgp?.localPref ?? 0;
    rows[row + ROW.med] = bgp?.med ?? 0;
    rows[row + ROW.igpMetric] = Math.min(igpMetric ?? UNKNOWN_METRIC, 0xffffffff);
    rows[row + ROW.neighborAs] = bgp ? neighborAsOf(bgp.asPath) : 0;
    rows[row + ROW.plain] = 0;
    rows[row + ROW.originatorId] =
      bgp?.originatorId === undefined ? 0 : (parseWords(bgp.originatorId)?.[0] ?? 0);
  }

  /**
   * The facts of `shell`, which has no BGP attributes, with those of a transcoded block. The
   * transcoder takes nothing that forbids telling a route.
   */
  setTranscoded(n: number, shell: number, block: BlockTranscoder): void {
    this.copy(n, shell);
    const { rows } = this;
    const row = n << ROW_SHIFT;
    const flags = FACT.bgp | FACT.localPref | (block.hasMed ? FACT.med : 0);
    rows[row] = (rows[row]! & 0xffff) | flags | (block.origin << 16);
    rows[row + ROW.lengths] = (rows[row + ROW.lengths]! & 0xffff) | (block.pathLength << 16);
    rows[row + ROW.localPref] = block.localPref;
    rows[row + ROW.med] = block.med;
    rows[row + ROW.neighborAs] = block.neighborAs;
    rows[row + ROW.plain] = 1;
  }

  /** The facts of `from` after an export rewrite. */
  setRewritten(n: number, from: number, rewrite: ExportRewrite): void {
    this.copy(n, from);
    const { rows } = this;
    const row = n << ROW_SHIFT;
    if (rewrite.prependAs !== 0) {
      rows[row + ROW.lengths] = rows[row + ROW.lengths]! + 0x10000;
      rows[row + ROW.neighborAs] = rewrite.prependAs;
    }
    if (!rewrite.keepMed) {
      rows[row] = rows[row]! & ~FACT.med;
      rows[row + ROW.med] = 0;
    }
    if (!rewrite.keepLocalPref) {
      rows[row] = rows[row]! & ~FACT.localPref;
      rows[row + ROW.localPref] = 0;
    }
  }

  copy(n: number, from: number): void {
    const { rows } = this;
    const row = n << ROW_SHIFT;
    const start = from << ROW_SHIFT;
    // A loop: so few words are not worth a call into the runtime.
    for (let i = 0; i < 1 << ROW_SHIFT; i++) rows[row + i] = rows[start + i]!;
  }

  clear(n: number): void {
    if (this.flagsOf(n) & FACT.aigp) this.aigp.delete(n);
    this.rows[n << ROW_SHIFT] = 0;
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
