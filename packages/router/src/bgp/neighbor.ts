// Where a neighbor is and how we speak to it: the link of a single-hop session, our address on it,
// socket options, and the next hop that we announce as ourselves. Pure functions of configuration
// and interfaces.

import type { Absence, Endpoints, Negotiated } from '@rookery/bgp';
import { familyOf, isLinkLocal } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { BfdNeed } from '../bfd-broker.ts';
import type { BgpChannelConfig, BgpConfig } from '../config.ts';
import type { InterfaceTable } from '../interfaces.ts';
import type { InterfaceFact, Order, TcpKey } from '../io.ts';
import type { ListenNeed } from '../listeners.ts';
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

/** One neighbor out of a range: it calls us, we never call it. */
export function derivedConfig(
  range: BgpConfig,
  name: string,
  address: IpAddress,
  link = range.interface,
): BgpConfig {
  const { neighborRange: _range, ...rest } = range;
  const place = link === undefined ? {} : { interface: link };
  return { ...rest, ...place, name, neighborAddress: address, passive: true };
}

/** Whom to call and how. */
export function dialTargetFor(
  config: BgpConfig,
  interfaces: InterfaceTable,
): Omit<Extract<Order, { kind: 'tcpConnect' }>, 'kind' | 'connection'> {
  const remote = config.neighborAddress!;
  const local = localAddressOf(config, interfaces);
  const needsLink = config.interface !== undefined || isLinkLocal(remote);
  const link = needsLink ? (config.interface ?? linkOf(config, interfaces)?.name) : undefined;
  const key = tcpKeyFor(config);
  return {
    remote,
    remotePort: config.neighborPort,
    options: {
      ...segmentOptionsFor(config),
      ...(local === undefined ? {} : { local }),
      ...(link === undefined ? {} : { interface: link }),
      ...(config.vrf === undefined ? {} : { vrf: config.vrf }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

/** The socket on which it may call; `undefined` while there can be none. */
export function listenNeedFor(
  config: BgpConfig,
  interfaces: InterfaceTable,
): ListenNeed | undefined {
  const { localPort, localAddress, vrf, multihop, neighborAddress, neighborRange } = config;
  // Port 0: a speaker that only dials (MetalLB runs bgpd -p 0).
  if (localPort === 0) return undefined;
  if (interfaces.all().length === 0 && multihop === undefined) return undefined;
  if (vrf !== undefined && !interfaces.byName(vrf)) return undefined;
  return {
    family: familyOf(neighborAddress ?? neighborRange!),
    port: localPort,
    ...(config.strictBind && localAddress !== undefined ? { address: localAddress } : {}),
    ...(vrf === undefined ? {} : { vrf }),
    ...(config.freeBind ? { freeBind: true } : {}),
  };
}

/** The BFD session that it wants; `undefined` when none, or while its link is unknown. */
export function bfdNeedFor(config: BgpConfig, interfaces: InterfaceTable): BfdNeed | undefined {
  const { bfd, neighborAddress, multihop } = config;
  if (!bfd || neighborAddress === undefined) return undefined;
  const { graceful: _graceful, ...options } = bfd;
  const link = linkOf(config, interfaces)?.name;
  const local = localAddressOf(config, interfaces);
  if (multihop === undefined && link === undefined) return undefined;
  return {
    remote: neighborAddress,
    multihop: multihop !== undefined,
    options,
    ...(link === undefined ? {} : { interface: link }),
    ...(local === undefined ? {} : { local }),
  };
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
