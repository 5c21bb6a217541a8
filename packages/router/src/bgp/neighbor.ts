// Where a neighbor is and how we speak to it: the link of a single-hop session, our address on it,
// socket options, and the next hop that we announce as ourselves. Pure functions of configuration
// and interfaces.

import type { Absence, Endpoints, Negotiated } from '@rookery/bgp';
import { familyOf, isLinkLocal } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { BgpChannelConfig, BgpConfig } from '../config.ts';
import type { InterfaceTable } from '../interfaces.ts';
import type { InterfaceFact, TcpKey } from '../io.ts';
import type { ExportRules } from './export-rules.ts';
import type { GroupNeeds } from './groups.ts';

const BGP_TOS = 0xc0;

/** The link to a single-hop neighbor; `undefined` while it is on none of ours. */
export function linkOf(config: BgpConfig, interfaces: InterfaceTable): InterfaceFact | undefined {
  const { neighborAddress, interface: link, multihop, vrf } = config;
  if (neighborAddress === undefined || multihop !== undefined) return undefined;
  const found = interfaces.neighbor(neighborAddress, link, vrf);
  return found && found !== 'local' ? found.interface : undefined;
}

/** The address that we speak from: configured, or ours on the link. */
export function localAddressOf(
  config: BgpConfig,
  interfaces: InterfaceTable,
): IpAddress | undefined {
  const { neighborAddress, interface: link, multihop, localAddress, vrf } = config;
  if (localAddress !== undefined) return localAddress;
  if (neighborAddress === undefined || multihop !== undefined) return undefined;
  const found = interfaces.neighbor(neighborAddress, link, vrf);
  return found && found !== 'local' ? found.local.address : undefined;
}

/** Whether the neighbor can be reached now, or what is missing. */
export function presenceOf(config: BgpConfig, interfaces: InterfaceTable): 'present' | Absence {
  if (config.vrf !== undefined && !interfaces.byName(config.vrf)) return 'vrf';
  if (config.multihop !== undefined) return 'present';
  const link = linkOf(config, interfaces);
  if (!link) return 'neighbor';
  return config.checkLink && !link.linkUp ? 'link' : 'present';
}

/** RFC 5082 with `ttl security`, else as far as the neighbor may be away. */
export function segmentOptionsFor({ ttlSecurity, multihop }: BgpConfig): {
  readonly ttl: number;
  readonly minTtl?: number;
  readonly tos: number;
} {
  if (ttlSecurity) return { ttl: 255, minTtl: 256 - (multihop ?? 1), tos: BGP_TOS };
  return { ttl: multihop ?? 1, tos: BGP_TOS };
}

/** What signs the segments of its connections. */
export function tcpKeyFor({ password, aoKeys }: BgpConfig): TcpKey | undefined {
  if (aoKeys) return { kind: 'ao', keys: aoKeys };
  return password === undefined ? undefined : { kind: 'md5', secret: password };
}

/** RFC 5065: the peer shares our confederation, if only as a member of our own AS. */
export function isInside({ peerType, confederationMember }: BgpConfig): boolean {
  return peerType === 'internal' || confederationMember;
}

/** Rules and encoding of an established session for a family: what its update group is about. */
export function groupNeedsFor(
  config: BgpConfig,
  channel: BgpChannelConfig,
  family: Family,
  session: {
    readonly negotiated: Negotiated;
    readonly localId: IpAddress;
    readonly interfaces: InterfaceTable;
  },
): GroupNeeds {
  const { negotiated, localId, interfaces } = session;
  const agreed = negotiated.families.find((f) => f.family === family);
  const rules: ExportRules = {
    family,
    localAs: config.localAs,
    peerType: negotiated.peerType,
    confederation: config.confederation,
    inside: isInside(config),
    rrClient: config.rrClient,
    rsClient: config.rsClient,
    clusterId: config.rrClusterId ?? localId,
    localRole: config.localRole,
    nextHopSelf: channel.nextHopSelf,
    nextHopKeep: keepScopeOf(config, channel),
    ...ownNextHop(config, channel, family, negotiated.endpoints, interfaces),
    interface: linkOf(config, interfaces)?.name,
    defaultLocalPref: config.defaultLocalPref,
    allowBgpMed: config.allowBgpMed,
    allowBgpLocalPref: config.allowBgpLocalPref,
    interpretCommunities: config.interpretCommunities,
    longLived: negotiated.longLived,
  };
  return {
    rules,
    config: channel,
    as4: negotiated.as4,
    maxMessageBytes: negotiated.extendedMessages ? 65_535 : 4096,
    addPath: agreed?.addPathTx ?? false,
    extendedNextHop:
      (agreed?.extendedNextHop ?? false) && familyOf(negotiated.endpoints.local) === 'ipv6',
  };
}

/** What `next hop self` says for a family: our address on the link or of the session. */
function ownNextHop(
  config: BgpConfig,
  channel: BgpChannelConfig,
  family: Family,
  endpoints: Endpoints,
  interfaces: InterfaceTable,
): Pick<ExportRules, 'ownNextHop' | 'ownLinkLocal'> {
  if (channel.nextHopAddress !== undefined) {
    return { ownNextHop: channel.nextHopAddress, ownLinkLocal: undefined };
  }
  const link = linkOf(config, interfaces);
  const linkLocal = link && interfaces.addressOn(link, 'ipv6', true);
  const session = endpoints.local;
  if (familyOf(session) === family) {
    if (family === 'ipv4') return { ownNextHop: session, ownLinkLocal: undefined };
    const global = isLinkLocal(session) ? link && interfaces.addressOn(link, 'ipv6') : session;
    // RFC 2545 §3: the link-local address is added when the peer is on the link.
    return { ownNextHop: global ?? session, ownLinkLocal: global ? linkLocal : undefined };
  }
  if (family === 'ipv4' && channel.extendedNextHop) {
    return { ownNextHop: session, ownLinkLocal: linkLocal };
  }
  const other =
    link ??
    interfaces.all().find((fact) => fact.addresses.some(({ address }) => address === session));
  const address = other && interfaces.addressOn(other, family);
  return { ownNextHop: address, ownLinkLocal: family === 'ipv6' ? linkLocal : undefined };
}

/** BIRD: a reflector keeps next hops of internal routes, a route server keeps all. */
function keepScopeOf(config: BgpConfig, channel: BgpChannelConfig): ExportRules['nextHopKeep'] {
  if (channel.nextHopKeep !== 'off') return channel.nextHopKeep;
  if (config.rsClient) return 'all';
  return config.rrClient ? 'ibgp' : 'off';
}
