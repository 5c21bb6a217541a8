// The decision process: RFC 4271 §9.1.2 in the order that BIRD documents, each outcome with its
// reason, so that consoles can say why a route lost (FRR's words come from `frrReasonText`). Works
// on columns of numbers. MED is compared only within a neighbor AS, which makes the order of
// comparisons matter; it is fixed (source, then path id), never the order of arrival.

import { compareWords } from '@rookery/net';
import { FACT, ROW, ROW_SHIFT } from './attribute-facts.ts';
import type { AttributeFacts } from './attribute-facts.ts';
import { PATH_FLAG } from './path-columns.ts';
import type { PathColumns } from './path-columns.ts';
import { OPTION } from './source-table.ts';
import type { SourceTable } from './source-table.ts';

/** Why one path is better than another, in order of decision. */
export const DECISION_REASONS = [
  'only-path',
  'preference',
  'protocol',
  'next-hop-unresolved',
  'llgr-stale',
  'local-pref',
  'aigp',
  'as-path-length',
  'origin',
  'med',
  'peer-type',
  'igp-metric',
  'older',
  'router-id',
  'cluster-list-length',
  'neighbor-address',
  'path-id',
  'source-order',
] as const;
export type DecisionReason = (typeof DECISION_REASONS)[number];

/** What the decision process reads. A `Table` is one. */
export interface DecisionContext {
  readonly paths: PathColumns;
  readonly facts: AttributeFacts;
  readonly sources: SourceTable;
}

export interface Decision {
  /** The better path. */
  readonly better: number;
  readonly reason: DecisionReason;
}

/** Compares two different paths of one net. */
export function comparePaths(context: DecisionContext, a: number, b: number): Decision {
  const code = decidePaths(context, a, b);
  return { better: code > 0 ? a : b, reason: DECISION_REASONS[Math.abs(code)]! };
}

/** FRR's text in `best (REASON)` and `selectionReason`. */
export function frrReasonText(reason: DecisionReason): string {
  return FRR_TEXTS[reason];
}

/** Index in `DECISION_REASONS` of the deciding step: positive when `a` is better, else negative. */
export function decidePaths(context: DecisionContext, a: number, b: number): number {
  const { paths, facts, sources } = context;
  const { rows } = facts;
  const rowA = paths.attributesOf(a) << ROW_SHIFT;
  const rowB = paths.attributesOf(b) << ROW_SHIFT;
  const preference = (rows[rowA + ROW.lengths]! & 0xffff) - (rows[rowB + ROW.lengths]! & 0xffff);
  if (preference !== 0) return preference > 0 ? STEP.preference : -STEP.preference;
  const sourceA = paths.sourceOf(a);
  const sourceB = paths.sourceOf(b);
  const kind = sources.kind[sourceB]! - sources.kind[sourceA]!;
  if (kind !== 0) return kind > 0 ? STEP.protocol : -STEP.protocol;
  const flagsA = rows[rowA]!;
  const flagsB = rows[rowB]!;
  if (((flagsA ^ flagsB) & FACT.unresolved) !== 0) {
    return flagsB & FACT.unresolved ? STEP.unresolved : -STEP.unresolved;
  }
  if (sources.isPeer[sourceA] === 1 && sources.isPeer[sourceB] === 1) {
    const code = decideBgp(context, a, b);
    if (code !== 0) return code;
  }
  const pathId = paths.pathIdOf(b) - paths.pathIdOf(a);
  if (sourceA === sourceB) return pathId > 0 ? STEP.pathId : -STEP.pathId;
  return sourceA < sourceB ? STEP.sourceOrder : -STEP.sourceOrder;
}

/** The best of the paths that start at `first`, 0 when none is eligible. */
export function selectBest(context: DecisionContext, first: number): number {
  const { paths, sources } = context;
  let best = 0;
  let deterministic = false;
  for (let path = first; path !== 0; path = paths.nextOf(path)) {
    if ((paths.flagsOf(path) & PATH_FLAG.filtered) !== 0) continue;
    if ((sources.options[paths.sourceOf(path)]! & OPTION.deterministicMed) !== 0) {
      deterministic = true;
    }
    if (best === 0 || decidePaths(context, path, best) > 0) best = path;
  }
  return deterministic ? selectWithinGroups(context, first) : best;
}

/** The steps that a pair can be equal in and still share traffic end with this one. */
export function equalForMultipath(context: DecisionContext, a: number, b: number): boolean {
  return Math.abs(decidePaths(context, a, b)) > STEP.igpMetric;
}

/**
 * `deterministic med`: true when a path through the same neighbor AS is better down to the IGP
 * metric. Such a path must not share traffic with the best one of another AS, whose MED it never met.
 */
export function isOutrankedInGroup(context: DecisionContext, first: number, path: number): boolean {
  const { paths, sources } = context;
  if ((sources.options[paths.sourceOf(path)]! & OPTION.deterministicMed) === 0) return false;
  return isSuppressed(context, first, path, STEP.igpMetric);
}

/**
 * `deterministic med`: a path that loses inside its neighbor-AS group is out before groups meet.
 * Inside a group the order is total, so the winner is the one that no other member beats.
 */
function selectWithinGroups(context: DecisionContext, first: number): number {
  const { paths } = context;
  let best = 0;
  for (let path = first; path !== 0; path = paths.nextOf(path)) {
    if ((paths.flagsOf(path) & PATH_FLAG.filtered) !== 0) continue;
    if (isSuppressed(context, first, path)) continue;
    if (best === 0 || decidePaths(context, path, best) > 0) best = path;
  }
  return best;
}

/** A member of its group beats it in one of the steps up to `lastStep`. */
function isSuppressed(
  context: DecisionContext,
  first: number,
  path: number,
  lastStep: number = STEP.sourceOrder,
): boolean {
  const { paths, facts, sources } = context;
  const group = facts.neighborAsOf(paths.attributesOf(path));
  for (let other = first; other !== 0; other = paths.nextOf(other)) {
    if (other === path || (paths.flagsOf(other) & PATH_FLAG.filtered) !== 0) continue;
    if (facts.neighborAsOf(paths.attributesOf(other)) !== group) continue;
    if (sources.kind[paths.sourceOf(other)] !== sources.kind[paths.sourceOf(path)]) continue;
    const step = decidePaths(context, other, path);
    if (step > 0 && step <= lastStep) return true;
  }
  return false;
}

/** The steps between two BGP paths of equal preference; 0 when they are equal to the end. */
function decideBgp(context: DecisionContext, a: number, b: number): number {
  const { paths, facts, sources } = context;
  const { rows } = facts;
  const rowA = paths.attributesOf(a) << ROW_SHIFT;
  const rowB = paths.attributesOf(b) << ROW_SHIFT;
  // FACT bits are the lowest octet.
  const bitsA = rows[rowA]!;
  const bitsB = rows[rowB]!;
  const sourceA = paths.sourceOf(a);
  const sourceB = paths.sourceOf(b);
  const options = sources.options[sourceA]! | sources.options[sourceB]!;

  // RFC 9494 §4.3: least preferred, before everything that BGP compares.
  if (((bitsA ^ bitsB) & FACT.llgrStale) !== 0) {
    return bitsB & FACT.llgrStale ? STEP.llgrStale : -STEP.llgrStale;
  }
  const localPref =
    (bitsA & FACT.localPref ? rows[rowA + ROW.localPref]! : sources.defaultLocalPref[sourceA]!) -
    (bitsB & FACT.localPref ? rows[rowB + ROW.localPref]! : sources.defaultLocalPref[sourceB]!);
  if (localPref !== 0) return localPref > 0 ? STEP.localPref : -STEP.localPref;
  if (((bitsA | bitsB) & FACT.aigp) !== 0) {
    const aigp = compareAigp(facts, paths.attributesOf(a), paths.attributesOf(b));
    if (aigp !== 0) return aigp < 0 ? STEP.aigp : -STEP.aigp;
  }
  if ((options & OPTION.pathMetric) !== 0) {
    const length = (rows[rowA + ROW.lengths]! >>> 16) - (rows[rowB + ROW.lengths]! >>> 16);
    if (length !== 0) return length < 0 ? STEP.asPathLength : -STEP.asPathLength;
  }
  const origin = ((bitsA >>> 16) & 255) - ((bitsB >>> 16) & 255);
  if (origin !== 0) return origin < 0 ? STEP.origin : -STEP.origin;
  if (
    (options & OPTION.medMetric) !== 0 ||
    rows[rowA + ROW.neighborAs] === rows[rowB + ROW.neighborAs]
  ) {
    const med =
      (bitsA & FACT.med ? rows[rowA + ROW.med]! : sources.defaultMed[sourceA]!) -
      (bitsB & FACT.med ? rows[rowB + ROW.med]! : sources.defaultMed[sourceB]!);
    if (med !== 0) return med < 0 ? STEP.med : -STEP.med;
  }
  const external = sources.external[sourceA]! - sources.external[sourceB]!;
  if (external !== 0) return external > 0 ? STEP.peerType : -STEP.peerType;
  if ((options & OPTION.igpMetric) !== 0) {
    const metric = rows[rowA + ROW.igpMetric]! - rows[rowB + ROW.igpMetric]!;
    if (metric !== 0) return metric < 0 ? STEP.igpMetric : -STEP.igpMetric;
  }
  // RFC 5004: among external paths the one that is there stays, whatever the router ids.
  if ((options & OPTION.preferOlder) !== 0 && sources.external[sourceA] === 1) {
    const age = paths.ticksOf(a) - paths.ticksOf(b);
    if (age !== 0) return age < 0 ? STEP.older : -STEP.older;
  }
  // RFC 4456 §9: ORIGINATOR_ID stands for the router id, then the shorter CLUSTER_LIST.
  const routerId =
    (bitsA & FACT.originatorId ? rows[rowA + ROW.originatorId]! : sources.routerId[sourceA]!) -
    (bitsB & FACT.originatorId ? rows[rowB + ROW.originatorId]! : sources.routerId[sourceB]!);
  if (routerId !== 0) return routerId < 0 ? STEP.routerId : -STEP.routerId;
  const clusters = (bitsA >>> 24) - (bitsB >>> 24);
  if (clusters !== 0) return clusters < 0 ? STEP.clusterLength : -STEP.clusterLength;
  const address = compareWords(sources.address[sourceA]!, sources.address[sourceB]!);
  if (address !== 0) return address < 0 ? STEP.neighborAddress : -STEP.neighborAddress;
  return 0;
}

/** RFC 7311 §4.1: a path with AIGP beats one without; the metric to the next hop is added. */
function compareAigp(facts: AttributeFacts, a: number, b: number): number {
  const left = facts.aigp.get(a);
  const right = facts.aigp.get(b);
  if (left === undefined || right === undefined) return left === undefined ? 1 : -1;
  const sumA = left + BigInt(igpMetricOf(facts, a));
  const sumB = right + BigInt(igpMetricOf(facts, b));
  return sumA === sumB ? 0 : sumA < sumB ? -1 : 1;
}

function igpMetricOf(facts: AttributeFacts, n: number): number {
  if ((facts.flagsOf(n) & FACT.igpMetric) === 0) return 0;
  return facts.rows[(n << ROW_SHIFT) + ROW.igpMetric]!;
}

const STEP = {
  preference: 1,
  protocol: 2,
  unresolved: 3,
  llgrStale: 4,
  localPref: 5,
  aigp: 6,
  asPathLength: 7,
  origin: 8,
  med: 9,
  peerType: 10,
  igpMetric: 11,
  older: 12,
  routerId: 13,
  clusterLength: 14,
  neighborAddress: 15,
  pathId: 16,
  sourceOrder: 17,
} as const;

const FRR_TEXTS: Readonly<Record<DecisionReason, string>> = {
  'only-path': 'First path received',
  // A locally originated route has weight 32768 there; here its preference is what wins.
  preference: 'Weight',
  protocol: 'Local Route',
  'next-hop-unresolved': 'IGP Metric',
  'llgr-stale': 'Path Staleness',
  'local-pref': 'Local Pref',
  aigp: 'AIGP',
  'as-path-length': 'AS Path',
  origin: 'Origin',
  med: 'MED',
  'peer-type': 'Peer Type',
  'igp-metric': 'IGP Metric',
  older: 'Older Path',
  'router-id': 'Router ID',
  'cluster-list-length': 'Cluster length',
  'neighbor-address': 'Neighbor IP',
  'path-id': 'Nothing left to compare',
  'source-order': 'Nothing left to compare',
};
