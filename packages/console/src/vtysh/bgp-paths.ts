// The BGP table as FRR sees it, read from our tables: every path learned from a BGP neighbor, and
// on a speaker the networks it originates. Shared by the table, the single prefix and the
// per-neighbor listings.

import { compareWords, parsePrefix } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { PathReason, RouteQuery, RouteView } from '@rookery/router';
import { tableOf } from './context.ts';
import type { VtyContext } from './context.ts';

export interface BgpEntry {
  readonly net: Prefix;
  readonly paths: readonly BgpPath[];
}

export interface BgpPath {
  readonly net: Prefix;
  readonly route: RouteView;
  /** Originated here (`network`), not learned. */
  readonly local: boolean;
  readonly best: boolean;
  readonly nexthop: IpAddress;
  readonly metric: number | undefined;
  readonly localPref: number | undefined;
  readonly weight: number;
  /** AS path as text, without the origin. */
  readonly path: string;
  readonly origin: 'IGP' | 'EGP' | 'incomplete';
  readonly internal: boolean;
  readonly valid: boolean;
  readonly peer: IpAddress | undefined;
}

/** FRR's names for the steps of the decision. */
export const SELECTION_REASONS: Readonly<Record<PathReason, string>> = {
  'only path': 'First path received',
  preference: 'Weight',
  'not resolvable': 'Nothing left to compare',
  stale: 'Path Staleness',
  'suppressed by deterministic MED': 'MED',
  'local preference': 'Local Pref',
  aigp: 'AIGP',
  'as path length': 'AS Path',
  origin: 'Origin',
  med: 'MED',
  'external over internal': 'Peer Type',
  'igp metric': 'IGP Metric',
  older: 'Older Path',
  'router id': 'Router ID',
  'cluster list length': 'Cluster length',
  'neighbor address': 'Neighbor IP',
  filtered: 'Nothing left to compare',
  'arrival order': 'Nothing left to compare',
};

/** Which part of the table is wanted; empty: all of it. */
export type PathQuery = Partial<Pick<RouteQuery, 'net' | 'protocol' | 'export'>>;

/** Entries in order of the prefix. An export of a channel that is not up is empty. */
export function bgpEntries(
  context: VtyContext,
  family: Family,
  query: PathQuery = {},
): readonly BgpEntry[] {
  const table = tableOf(context.view, family);
  if (!table) return [];
  const started = context.view.walkRoutes({
    tables: [table.name],
    primary: false,
    filtered: false,
    countOnly: false,
    ...query,
  });
  if (!started.ok) return [];
  const internals = internalProtocols(context);
  const speaker = context.view.runningConfig() !== undefined;
  const entries: BgpEntry[] = [];
  for (let items = started.walk.next(500); items.length > 0; items = started.walk.next(500)) {
    for (const item of items) {
      if (item.kind !== 'network') continue;
      const paths = item.routes
        .filter((route) => isBgp(route) || (speaker && isOriginated(route)))
        .map((route) => pathOf(item.net, route, internals));
      if (paths.length > 0) entries.push({ net: item.net, paths });
    }
  }
  return entries.toSorted((a, b) => comparePrefixes(a.net, b.net));
}

export function comparePrefixes(a: Prefix, b: Prefix): number {
  const left = parsePrefix(a)!;
  const right = parsePrefix(b)!;
  return compareWords(left.words, right.words) || left.length - right.length;
}

function isBgp(route: RouteView): boolean {
  return route.attributes.source === 'bgp';
}

function isOriginated(route: RouteView): boolean {
  const { source } = route.attributes;
  return source === 'static' || source === 'kubernetes';
}

function internalProtocols(context: VtyContext): ReadonlySet<string> {
  const internal = context.view.protocols().filter((p) => p.bgp?.internal);
  return new Set(internal.map((p) => p.name));
}

const ORIGINS = ['IGP', 'EGP', 'incomplete'] as const;

function pathOf(net: Prefix, route: RouteView, internals: ReadonlySet<string>): BgpPath {
  const { attributes } = route;
  const { bgp } = attributes;
  const local = !isBgp(route);
  const internal = internals.has(route.protocol);
  const unspecified = net.includes(':') ? '::' : '0.0.0.0';
  return {
    net,
    route,
    local,
    best: route.best,
    nexthop: local ? unspecified : (bgp?.nextHop ?? unspecified),
    metric: local ? 0 : bgp?.med,
    // LOCAL_PREF is only an attribute inside an AS (RFC 4271 §5.1.5).
    localPref: internal ? bgp?.localPref : undefined,
    weight: local ? 32_768 : 0,
    path: local ? '' : asPathText(bgp?.asPath ?? []),
    origin: local ? 'IGP' : ORIGINS[bgp?.origin ?? 2],
    internal,
    valid: attributes.unresolved !== true,
    peer: local ? undefined : attributes.from,
  };
}

type Segments = NonNullable<RouteView['attributes']['bgp']>['asPath'];

/** "64496 64497 {1,2}": FRR separates the members of a set by commas. */
function asPathText(segments: Segments): string {
  return segments
    .map(({ type, asns }) => {
      if (type === 1) return `{${asns.join(',')}}`;
      if (type === 3) return `(${asns.join(' ')})`;
      return type === 4 ? `[${asns.join(',')}]` : asns.join(' ');
    })
    .join(' ');
}
