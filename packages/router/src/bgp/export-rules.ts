// What a peer may be told, and in which words: RFC 4271 §5 and §9.2, RFC 1997, RFC 4456, RFC 5065,
// RFC 9234, RFC 9494, with BIRD's options. Pure functions over decoded attributes, called once per
// distinct attributes and class of source; peers with equal rules share one update group.

import { SEGMENT, prependAs } from '@rookery/bgp';
import type { AsPathSegment, PathAttributes } from '@rookery/bgp';
import { addressToBytes, familyOf, isLinkLocal } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { ExportRewrite, RouteAttributes } from '@rookery/rib';
import type { BgpConfig, NextHopScope } from '../config.ts';

/** What the rules look at; peers for whom all of this is equal form a group. */
export interface ExportRules {
  readonly family: Family;
  readonly localAs: number;
  readonly peerType: 'internal' | 'external';
  readonly confederation: number | undefined;
  /** An internal peer, or another member AS of our confederation (RFC 5065). */
  readonly inside: boolean;
  readonly rrClient: boolean;
  readonly rsClient: boolean;
  readonly clusterId: IpAddress;
  readonly localRole: BgpConfig['localRole'];
  readonly nextHopSelf: NextHopScope;
  readonly nextHopKeep: NextHopScope;
  /** Our address on the session for this family; `undefined` when there is none. */
  readonly ownNextHop: IpAddress | undefined;
  readonly ownLinkLocal: IpAddress | undefined;
  /** Link of a single-hop session: third-party next hops on it are passed on. */
  readonly interface: string | undefined;
  readonly defaultLocalPref: number;
  readonly allowBgpMed: boolean;
  readonly allowBgpLocalPref: boolean;
  readonly interpretCommunities: boolean;
  /** Both sides speak long-lived graceful restart. */
  readonly longLived: boolean;
}

/** Where a route comes from, as far as the rules care. */
export type SourceClass = (typeof SOURCE_CLASS)[keyof typeof SOURCE_CLASS];
export const SOURCE_CLASS = { local: 0, external: 1, internal: 2, client: 3 } as const;

const NO_EXPORT = 0xffffff01;
const NO_ADVERTISE = 0xffffff02;
const NO_EXPORT_SUBCONFED = 0xffffff03;
const LLGR_STALE = 0xffff0006;

/** True when the peer must not be told, whatever the policy says. */
export function refusesExport(
  route: RouteAttributes,
  from: SourceClass,
  rules: ExportRules,
): boolean {
  const external = rules.peerType === 'external';
  // RFC 4456 §6: between internal peers only a reflector passes routes on.
  if (!external && from === SOURCE_CLASS.internal && !rules.rrClient) return true;
  const bgp = route.bgp;
  if (bgp?.communities && rules.interpretCommunities) {
    const { communities } = bgp;
    if (communities.includes(NO_ADVERTISE)) return true;
    if (!rules.inside && communities.includes(NO_EXPORT)) return true;
    if (external && communities.includes(NO_EXPORT_SUBCONFED)) return true;
    // RFC 9494 §4.3: stale routes only to those who understand.
    if (communities.includes(LLGR_STALE) && !rules.longLived) return true;
  }
  if (route.llgrStale && !rules.longLived) return true;
  // RFC 9234 §5: what is only for customers does not go to providers, peers or route servers.
  if (bgp?.otc !== undefined) {
    const { localRole } = rules;
    if (localRole === 'customer' || localRole === 'peer' || localRole === 'rs_client') return true;
  }
  return false;
}

/**
 * The route as the peer gets it, `undefined` when it cannot be put into words (no next hop).
 * `before` is the route before the export policy: what the policy changed by hand is kept.
 * `originator` is the router id of the internal peer that it came from.
 */
export function exportedRoute(
  accepted: RouteAttributes,
  before: RouteAttributes,
  from: SourceClass,
  rules: ExportRules,
  originator?: IpAddress,
): RouteAttributes | undefined {
  const bgp: PathAttributes = accepted.bgp ?? { asPath: [] };
  const hop = nextHopOf(accepted, before, from, rules);
  if (!hop) return undefined;
  const {
    nextHop: _nextHop,
    linkLocalNextHop: _linkLocal,
    med,
    localPref,
    originatorId,
    clusterList,
    ...rest
  } = bgp;
  const medKept =
    med !== undefined &&
    (rules.inside ||
      rules.allowBgpMed ||
      from === SOURCE_CLASS.local ||
      accepted.stated?.med ||
      med !== before.bgp?.med ||
      rules.rsClient);
  const tellsLocalPref = rules.inside || rules.allowBgpLocalPref;
  const out: PathAttributes = {
    ...rest,
    origin: bgp.origin ?? 0,
    asPath: pathFor(bgp.asPath, rules),
    ...hop,
    ...(medKept ? { med } : {}),
    ...(tellsLocalPref ? { localPref: localPref ?? rules.defaultLocalPref } : {}),
    ...reflection(from, originatorId ?? originator, clusterList, rules),
    ...otcFor(bgp, rules),
  };
  const { stated: _stated, ...route } = accepted;
  return { ...route, bgp: out };
}

/**
 * `exportedRoute` for an ordinary route of an external peer, as an order to the attribute store, which carries it out on octets; `undefined` when these rules need
 * more than that.
 */
export function rewriteFor(rules: ExportRules): ExportRewrite | undefined {
  if (rules.confederation !== undefined) return undefined;
  if (rules.localRole !== undefined) return undefined;
  const external = rules.peerType === 'external';
  const self = applies(rules.nextHopSelf, SOURCE_CLASS.external);
  const keep = !self && (!external || applies(rules.nextHopKeep, SOURCE_CLASS.external));
  if (!keep && rules.ownNextHop === undefined) return undefined;
  const { ownNextHop, ownLinkLocal } = rules;
  return {
    prependAs: external && !rules.rsClient ? rules.localAs : 0,
    keepMed: !external || rules.allowBgpMed || rules.rsClient,
    keepLocalPref: !external || rules.allowBgpLocalPref,
    nextHop: keep ? undefined : addressToBytes(ownNextHop!),
    linkLocalNextHop: keep || ownLinkLocal === undefined ? undefined : addressToBytes(ownLinkLocal),
    keepInterface: self ? undefined : rules.interface,
  };
}

function pathFor(path: readonly AsPathSegment[], rules: ExportRules): readonly AsPathSegment[] {
  if (rules.peerType === 'internal') return path;
  if (rules.inside) return prependAs(path, rules.localAs, SEGMENT.confedSequence);
  // RFC 5065 §4: what happened inside the confederation stays inside.
  const outside = path.filter(
    ({ type }) => type !== SEGMENT.confedSequence && type !== SEGMENT.confedSet,
  );
  if (rules.rsClient) return outside;
  return prependAs(outside, publicAs(rules));
}

function nextHopOf(
  route: RouteAttributes,
  before: RouteAttributes,
  from: SourceClass,
  rules: ExportRules,
): { nextHop: IpAddress; linkLocalNextHop?: IpAddress } | undefined {
  const bgp = route.bgp;
  const learned = from !== SOURCE_CLASS.local;
  const self = (): { nextHop: IpAddress; linkLocalNextHop?: IpAddress } | undefined => {
    if (rules.ownNextHop === undefined) return undefined;
    return {
      nextHop: rules.ownNextHop,
      ...(rules.ownLinkLocal === undefined ? {} : { linkLocalNextHop: rules.ownLinkLocal }),
    };
  };
  // BIRD: `next hop self` outranks what a filter has set.
  if (applies(rules.nextHopSelf, from)) return self();
  const stated = route.stated?.nextHop || bgp?.nextHop !== before.bgp?.nextHop;
  if (bgp?.nextHop !== undefined && stated) {
    return { nextHop: bgp.nextHop };
  }
  const keep = applies(rules.nextHopKeep, from);
  if (bgp?.nextHop !== undefined && learned) {
    const kept = {
      nextHop: bgp.nextHop,
      ...(bgp.linkLocalNextHop === undefined ? {} : { linkLocalNextHop: bgp.linkLocalNextHop }),
    };
    // RFC 5065 §4: a confederation may share one IGP, so NEXT_HOP stays inside of it.
    if (keep || rules.inside) return kept;
    // RFC 4271 §5.1.3: a third party on the link that we share with the peer.
    const shared = route.nexthops.find((n) => n.gateway === bgp.nextHop);
    if (shared && rules.interface !== undefined && shared.interface === rules.interface) {
      return kept;
    }
    return self();
  }
  // A local route through a gateway on the link of the peer: the gateway is nearer than we are.
  const [only] = route.nexthops;
  if (
    route.nexthops.length === 1 &&
    only?.gateway !== undefined &&
    only.interface === rules.interface &&
    familyOf(only.gateway) === rules.family &&
    !isLinkLocal(only.gateway)
  ) {
    return { nextHop: only.gateway };
  }
  return self();
}

function applies(scope: NextHopScope, from: SourceClass): boolean {
  switch (scope) {
    case 'off':
      return false;
    case 'all':
      return true;
    case 'ibgp':
      return from === SOURCE_CLASS.internal || from === SOURCE_CLASS.client;
    case 'ebgp':
      return from === SOURCE_CLASS.external;
  }
}

/** RFC 4456 §8: the originator and the way through reflectors, towards internal peers only. */
function reflection(
  from: SourceClass,
  originatorId: IpAddress | undefined,
  clusterList: readonly IpAddress[] | undefined,
  rules: ExportRules,
): { originatorId?: IpAddress; clusterList?: readonly IpAddress[] } {
  if (rules.peerType === 'external') return {};
  const reflected = from === SOURCE_CLASS.internal || from === SOURCE_CLASS.client;
  if (!reflected) return {};
  return {
    ...(originatorId === undefined ? {} : { originatorId }),
    clusterList: [rules.clusterId, ...(clusterList ?? [])],
  };
}

/** RFC 9234 §5: towards customers, peers and clients a route without OTC gets our AS. */
function otcFor(bgp: PathAttributes, rules: ExportRules): { otc?: number } {
  if (bgp.otc !== undefined) return { otc: bgp.otc };
  const { localRole } = rules;
  return localRole === 'provider' || localRole === 'peer' || localRole === 'rs_server'
    ? { otc: publicAs(rules) }
    : {};
}

/** RFC 5065 §4: what a peer takes for our AS. */
function publicAs({ inside, confederation, localAs }: ExportRules): number {
  return inside ? localAs : (confederation ?? localAs);
}
