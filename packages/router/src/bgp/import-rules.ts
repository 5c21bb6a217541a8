// What a BGP route is to us once its attributes are decoded: the checks of RFC 4271 §9.1.2 and its
// successors, our defaults, and the next hop. Runs once per distinct attribute block, never per
// prefix. A refusal is a value with its reason; the texts are BIRD's.

import { SEGMENT, countAsInPath, firstAs } from '@rookery/bgp';
import type { PathAttributes } from '@rookery/bgp';
import { familyOf, isLinkLocal } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { RouteAttributes } from '@rookery/rib';
import type { BgpChannelConfig, BgpConfig } from '../config.ts';
import type { InterfaceTable } from '../interfaces.ts';
import type { RouteTable } from '../route-table.ts';

export interface ImportSituation {
  readonly config: BgpConfig;
  readonly channel: BgpChannelConfig;
  readonly family: Family;
  readonly peerAs: number;
  readonly peerAddress: IpAddress;
  readonly routerId: IpAddress;
  readonly interfaces: InterfaceTable;
  readonly igp: RouteTable;
  /** Link of a single-hop session. */
  readonly interface: string | undefined;
}

export type ImportOutcome =
  | { readonly kind: 'route'; readonly attributes: RouteAttributes; readonly recursive?: IpAddress }
  | { readonly kind: 'refused'; readonly reason: ImportRefusal; readonly text?: string };

export type ImportRefusal =
  | 'as loop'
  | 'first as'
  | 'first segment'
  | 'originator loop'
  | 'cluster loop'
  | 'route leak'
  | 'next hop';

const LLGR_STALE = 0xffff0006;

export function importRoute(bgp: PathAttributes, situation: ImportSituation): ImportOutcome {
  const { config, channel, routerId, peerAs, peerAddress } = situation;
  const external = config.peerType === 'external';
  // RFC 4271 §9.1.2: our own AS in the path is a loop; RFC 5065 §4: so is our confederation's.
  const own =
    countAsInPath(bgp.asPath, config.localAs) +
    (config.confederation !== undefined && config.confederation !== config.localAs
      ? countAsInPath(bgp.asPath, config.confederation)
      : 0);
  if (own > config.allowLocalAs) return refused('as loop');
  if (external && config.enforceFirstAs && firstAs(bgp.asPath) !== peerAs) {
    if (!config.confederationMember) return refused('first as');
  }
  // RFC 5065 §5: whoever does not put itself in front as a member is none.
  if (external && config.confederationMember) {
    if (bgp.asPath[0]?.type !== SEGMENT.confedSequence) return refused('first segment');
  }
  if (!external) {
    // RFC 4456 §8.
    if (bgp.originatorId === routerId) return refused('originator loop');
    if (bgp.clusterList?.includes(config.rrClusterId ?? routerId)) return refused('cluster loop');
  }
  let attributes: PathAttributes = bgp;
  if (external && !config.confederationMember) {
    // RFC 4271 §5.1.5: LOCAL_PREF of an external peer says nothing to us.
    const localPref =
      config.allowBgpLocalPref && bgp.localPref !== undefined
        ? bgp.localPref
        : config.defaultLocalPref;
    attributes = { ...attributes, localPref };
  } else if (bgp.localPref === undefined) {
    attributes = { ...attributes, localPref: config.defaultLocalPref };
  }
  const role = applyRole(attributes, situation);
  if (!role) return refused('route leak');
  attributes = role;
  const hop = nextHopFor(attributes, situation);
  if ('refusal' in hop) return { kind: 'refused', reason: 'next hop', text: hop.refusal };
  const stale = config.interpretCommunities && attributes.communities?.includes(LLGR_STALE);
  return {
    kind: 'route',
    attributes: {
      source: 'bgp',
      scope: 'universe',
      preference: channel.preference,
      from: peerAddress,
      bgp: attributes,
      ...hop.route,
      ...(stale ? { llgrStale: true as const } : {}),
    },
    ...(hop.recursive === undefined ? {} : { recursive: hop.recursive }),
  };
}

/** How a BGP next hop resolves through the IGP table now. */
export function recursiveRoute(
  nextHop: IpAddress,
  igp: RouteTable,
): Pick<RouteAttributes, 'dest' | 'nexthops' | 'igpMetric' | 'unresolved'> {
  const found = igp.resolveNexthop(nextHop);
  if (!found || found.dest !== 'unicast') {
    return { dest: 'unreachable', nexthops: [], unresolved: true };
  }
  // Without a metric of its own the route still counts as resolved, at no cost.
  return { dest: 'unicast', nexthops: found.nexthops, igpMetric: found.igpMetric ?? 0 };
}

type HopOutcome =
  | {
      readonly route: Pick<RouteAttributes, 'dest' | 'nexthops' | 'igpMetric' | 'unresolved'>;
      readonly recursive?: IpAddress;
    }
  | { readonly refusal: string };

function nextHopFor(bgp: PathAttributes, situation: ImportSituation): HopOutcome {
  const { channel, family, interfaces } = situation;
  const { nextHop, linkLocalNextHop } = bgp;
  if (nextHop === undefined || nextHop === '0.0.0.0' || nextHop === '::') {
    return { refusal: 'zero address' };
  }
  if (familyOf(nextHop) !== family && !(family === 'ipv4' && channel.extendedNextHop)) {
    return { refusal: `mismatched address family (${nextHop} for ${family})` };
  }
  if (interfaces.isLocal(nextHop)) return { refusal: `address ${nextHop} is local` };
  if (channel.gateway === 'recursive') {
    return { route: recursiveRoute(nextHop, situation.igp), recursive: nextHop };
  }
  // RFC 2545 §3: the link-local next hop is the one for the kernel, when the link is shared.
  const gateway = linkLocalNextHop ?? nextHop;
  const link = isLinkLocal(gateway) && gateway.includes(':') ? situation.interface : undefined;
  const { vrf } = situation.config;
  let found = interfaces.neighbor(gateway, link, vrf);
  if (!found && linkLocalNextHop !== undefined) {
    found =
      interfaces.neighbor(nextHop, situation.interface, vrf) ??
      interfaces.neighbor(nextHop, undefined, vrf);
  }
  if (found === 'local') return { refusal: `address ${gateway} is local` };
  if (!found) return { refusal: `address ${nextHop} not directly reachable` };
  const { name, ifindex } = found.interface;
  return {
    route: { dest: 'unicast', nexthops: [{ gateway, interface: name, ifindex }] },
  };
}

/** RFC 9234 §5: what "only to customer" allows; `undefined` for a leak. */
function applyRole(
  attributes: PathAttributes,
  { config, peerAs }: ImportSituation,
): PathAttributes | undefined {
  const { otc } = attributes;
  switch (config.localRole) {
    case 'provider':
    case 'rs_server':
      return otc === undefined ? attributes : undefined;
    case 'peer':
      if (otc !== undefined && otc !== peerAs) return undefined;
      return { ...attributes, otc: peerAs };
    case 'customer':
    case 'rs_client':
      return otc === undefined ? { ...attributes, otc: peerAs } : attributes;
    case undefined:
      return attributes;
  }
}

function refused(reason: ImportRefusal): ImportOutcome {
  return { kind: 'refused', reason };
}
