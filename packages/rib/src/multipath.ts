// What consumers ask about the paths of a net beyond the best one: why it won, and which others are
// as good down to the IGP metric, so that the kernel may share traffic among them (`merge paths`).

import { compareAddresses } from '@rookery/net';
import { FACT } from './attribute-facts.ts';
import { comparePaths, equalForMultipath, isOutrankedInGroup } from './best-path.ts';
import type { DecisionReason } from './best-path.ts';
import type { Nexthop } from './route.ts';
import type { Table } from './table.ts';

export interface BestExplanation {
  readonly path: number;
  /** The step in which it beat the runner-up; `only-path` when there is none. */
  readonly reason: DecisionReason;
  /** 0 when there is none. */
  readonly runnerUp: number;
}

/** Why the best path of a net is the best; `undefined` when the net has none. */
export function explainBest(table: Table, net: number): BestExplanation | undefined {
  const best = table.bestPath(net);
  if (best === 0) return undefined;
  let runnerUp = 0;
  for (let path = table.firstPath(net); path !== 0; path = table.nextPath(path)) {
    if (path === best || table.isFiltered(path)) continue;
    if (runnerUp === 0 || comparePaths(table, path, runnerUp).better === path) runnerUp = path;
  }
  if (runnerUp === 0) return { path: best, reason: 'only-path', runnerUp };
  return { path: best, reason: comparePaths(table, best, runnerUp).reason, runnerUp };
}

/** The paths of a net that import accepted, the best one first. */
export function rankedPaths(table: Table, net: number): number[] {
  const best = table.bestPath(net);
  const others = table.pathsOf(net).filter((path) => path !== best && !table.isFiltered(path));
  others.sort((a, b) => (comparePaths(table, a, b).better === a ? -1 : 1));
  return best === 0 ? others : [best, ...others];
}

/**
 * The best path and those equal to it up to and including the IGP metric, all unicast and resolved,
 * ordered by next hop; at most `limit`. Empty when the net has no best path.
 */
export function multipathSet(table: Table, net: number, limit: number): number[] {
  const best = table.bestPath(net);
  if (best === 0) return [];
  const chosen = [best];
  if (isShareable(table, best)) {
    const first = table.firstPath(net);
    for (let path = first; path !== 0; path = table.nextPath(path)) {
      if (path === best || table.isFiltered(path) || !isShareable(table, path)) continue;
      if (!equalForMultipath(table, best, path)) continue;
      if (!isOutrankedInGroup(table, first, path)) chosen.push(path);
    }
  }
  if (chosen.length === 1) return chosen;
  const nexthopOf = (path: number): Nexthop =>
    table.attributes.get(table.attributesOf(path)).nexthops[0]!;
  const ordered = chosen
    .map((path) => ({ path, nexthop: nexthopOf(path) }))
    .sort((a, b) => compareNexthops(a.nexthop, b.nexthop) || a.path - b.path)
    .map(({ path }) => path);
  if (ordered.length <= limit) return ordered;
  // The best path is always among them.
  const others = ordered.filter((path) => path !== best).slice(0, Math.max(0, limit - 1));
  return ordered.filter((path) => path === best || others.includes(path));
}

/** The distinct next hops of `multipathSet`, by gateway, then interface; at most `limit`. */
export function mergedNexthops(table: Table, net: number, limit: number): readonly Nexthop[] {
  const merged: Nexthop[] = [];
  for (const path of multipathSet(table, net, limit)) {
    for (const nexthop of table.attributes.get(table.attributesOf(path)).nexthops) {
      if (!merged.some((known) => compareNexthops(known, nexthop) === 0)) merged.push(nexthop);
    }
  }
  return merged.sort(compareNexthops).slice(0, limit);
}

/** By gateway (none first), then interface index, then interface name. */
export function compareNexthops(a: Nexthop, b: Nexthop): number {
  if (a.gateway !== b.gateway) {
    if (a.gateway === undefined) return -1;
    if (b.gateway === undefined) return 1;
    const order = compareAddresses(a.gateway, b.gateway);
    if (order !== 0) return order;
  }
  if (a.ifindex !== b.ifindex) return a.ifindex - b.ifindex;
  return a.interface === b.interface ? 0 : a.interface < b.interface ? -1 : 1;
}

function isShareable(table: Table, path: number): boolean {
  const n = table.attributesOf(path);
  if ((table.facts.flagsOf(n) & FACT.unresolved) !== 0) return false;
  const attributes = table.attributes.get(n);
  return attributes.dest === 'unicast' && attributes.nexthops.length > 0;
}
