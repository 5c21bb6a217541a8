// The RouterConfig of a node: device, one static protocol per family that originates the announced
// prefixes, and one BGP protocol per BGPPeer, named after it. Node-side facts are those of MetalLB's
// FRR: active only (it listens nowhere), accepts nothing, MED 0 and origin IGP on what it sends,
// next hop self. What is announced to whom travels with the originated routes; the export policy of
// a peer never changes, so a service that comes or goes touches one route and no session.

import { familyOf, parseAddress } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { PathAttributes } from '@rookery/bgp';
import type { Policy, RouteAttributes } from '@rookery/rib';
import type {
  BfdConfig,
  BfdInterfaceConfig,
  BgpChannelConfig,
  BgpConfig,
  ChannelConfig,
  DeviceConfig,
  RouterConfig,
  StaticConfig,
  StaticRoute,
} from '@rookery/router';
import { peersOfNode } from './announcements.ts';
import { renderCommunity } from './community.ts';
import type { Config, Peer } from './config.ts';
import type { Node } from './kubernetes.ts';
import type { PlannedAttributes, PlannedPrefix } from './node-plan.ts';
import type { BfdProfile } from './resources.ts';
import { DEFAULT_CONNECT_TIME_SEC, timersFor } from './timers.ts';

/** Makes the route that announces one prefix to peers of the node; none when there is no peer. */
export type Originator = (
  prefix: Prefix,
  peers: ReadonlyMap<string, PlannedAttributes>,
) => StaticRoute | undefined;

/** Name of the attribute that lists peers, where not all of them get the same. */
const PEERS_ATTRIBUTE = 'metallb_peers';

/** Derives the engine's configuration of this node. */
export function speakerRouterConfigFor(
  node: Node,
  config: Config,
  plan: readonly Pick<PlannedPrefix, 'prefix' | 'peers'>[],
): RouterConfig {
  const peers = peersOfNode(config, node);
  const sessions = peers.map((peer) => bgpFor(peer, config));
  const originate = originatorFor(node, config);
  const routes: Record<Family, StaticRoute[]> = { ipv4: [], ipv6: [] };
  for (const planned of plan) {
    const route = originate(planned.prefix, planned.peers);
    if (route) routes[familyOf(planned.prefix)].push(route);
  }
  return routerFor(node, peers, sessions, routes);
}

/** Name of the static protocol that originates a prefix. */
export function announcingProtocol(prefix: Prefix): string {
  return ANNOUNCING[familyOf(prefix)];
}

/** The peers' routerID (one per node by validation), else the node's address, else made of its name. */
export function routerIdFor(node: Node, peers: readonly Peer[]): IpAddress {
  const configured = peers.find((peer) => peer.routerId !== undefined)?.routerId;
  return configured ?? nodeAddress(node, 'ipv4') ?? hashedRouterId(node.metadata.name);
}

/** The node's InternalIP of that family, else any address of it. */
export function nodeAddress(node: Node, family: Family): IpAddress | undefined {
  const addresses = node.addresses
    .toSorted((a, b) => Number(b.type === 'InternalIP') - Number(a.type === 'InternalIP'))
    .map((entry) => parseAddress(entry.address));
  return addresses.find((address) => address !== undefined && familyOf(address) === family);
}

function routerFor(
  node: Node,
  peers: readonly Peer[],
  sessions: readonly BgpConfig[],
  routes: Readonly<Record<Family, readonly StaticRoute[]>>,
): RouterConfig {
  const usesBfd = sessions.some((session) => session.bfd !== undefined);
  const time = { format: '%T.%3f', limitSec: 72_000, oldFormat: '%F' };
  return {
    routerId: routerIdFor(node, peers),
    routerIdFrom: [],
    hostname: node.metadata.name,
    tables: [
      { name: 'master4', netType: 'ipv4', sorted: false },
      { name: 'master6', netType: 'ipv6', sorted: false },
    ],
    protocols: [
      DEVICE,
      ...(usesBfd ? [BFD] : []),
      staticFor('ipv4', routes.ipv4),
      staticFor('ipv6', routes.ipv6),
      ...sessions,
    ],
    logs: [
      {
        sink: { kind: 'stderr' },
        classes: ['info', 'remote', 'warning', 'error', 'auth', 'fatal', 'bug'],
      },
    ],
    timeFormats: { route: time, protocol: time, base: time, log: time },
    debugCommands: 0,
    debugTables: [],
    gracefulRestartWaitSec: 240,
    symbols: [],
    sockets: [],
  };
}

function bgpFor(peer: Peer, config: Config): BgpConfig {
  const { address } = peer;
  const timers = timersFor(peer);
  const localAs = peer.localAsn ?? peer.myAsn;
  const internal =
    typeof peer.remoteAs === 'number' ? peer.remoteAs === localAs : peer.remoteAs === 'internal';
  const connectTimeSec = peer.connectTimeSec ?? DEFAULT_CONNECT_TIME_SEC;
  const profile =
    peer.bfdProfile === undefined ? undefined : config.bfdProfiles.get(peer.bfdProfile);
  return {
    kind: 'bgp',
    name: peer.name,
    disabled: false,
    // Up, down and why are an operator's concern; the speaker's log picks them.
    debug: ['states', 'events'],
    ...(peer.vrf === undefined ? {} : { vrf: peer.vrf }),
    localAs,
    ...(peer.sourceAddress === undefined ? {} : { localAddress: peer.sourceAddress }),
    // Port 0: no listening socket, as MetalLB's `bgpd -p 0`; a CNI may own 179 on this node.
    localPort: 0,
    ...(address === undefined
      ? { interface: peer.interface!, unnumbered: true }
      : { neighborAddress: address, unnumbered: false }),
    neighborAs: typeof peer.remoteAs === 'number' ? peer.remoteAs : 0,
    peerType: internal ? 'internal' : 'external',
    neighborPort: peer.port,
    // FRR: TTL 1 and a connected neighbor for eBGP, TTL 255 for iBGP and ebgp-multihop.
    ...(address !== undefined && (internal || peer.ebgpMultihop) ? { multihop: 255 } : {}),
    strictBind: false,
    freeBind: false,
    passive: false,
    dynamicName: '',
    dynamicNameDigits: 0,
    checkLink: true,
    ...(peer.password === undefined ? {} : { password: peer.password }),
    ttlSecurity: false,
    holdTimeSec: timers.holdTimeSec,
    startupHoldTimeSec: timers.holdTimeSec === 0 ? 240 : Math.max(timers.holdTimeSec, 30),
    keepaliveTimeSec: timers.keepaliveTimeSec,
    minKeepaliveTimeSec: 0,
    minHoldTimeSec: 0,
    // Nobody dials us, so there is no collision to wait for; but a router that does not know this
    // node yet is not to be flooded.
    connectDelayTimeSec: 2,
    connectRetryTimeSec: connectTimeSec,
    // A node must be back in service within seconds of its return, whatever ended the session.
    errorWaitTimeMinSec: 1,
    errorWaitTimeMaxSec: Math.max(1, Math.min(connectTimeSec, 10)),
    errorForgetTimeSec: 300,
    disableAfterError: false,
    disableAfterCease: [],
    pathMetric: true,
    medMetric: false,
    deterministicMed: false,
    igpMetric: true,
    preferOlder: false,
    defaultMed: 0,
    defaultLocalPref: 100,
    enforceFirstAs: true,
    allowLocalAs: 0,
    allowBgpLocalPref: false,
    allowBgpMed: true,
    allowAsSets: true,
    interpretCommunities: true,
    requireRoles: false,
    rsClient: false,
    rrClient: false,
    confederationMember: false,
    capabilities: true,
    enableRouteRefresh: true,
    enableEnhancedRouteRefresh: true,
    enableAs4: true,
    enableExtendedMessages: true,
    advertiseHostname: true,
    advertiseSoftwareVersion: false,
    // "aware" without families: the router must not keep the routes of a node that died.
    gracefulRestart: peer.gracefulRestart ? 'on' : 'aware',
    gracefulRestartTimeSec: 120,
    // FRR has set the N bit since 8.3, whatever the mode.
    gracefulNotification: true,
    longLivedGracefulRestart: 'aware',
    longLivedStaleTimeSec: 0,
    requireCapabilities: [],
    ...(peer.bfdProfile === undefined ? {} : { bfd: { ...bfdOptions(profile), graceful: false } }),
    // Both families on every session, as MetalLB up to 0.14.9 and the post's output have it.
    channels: CHANNEL_FAMILIES.filter(
      (family) => !peer.disableMp || address === undefined || family === familyOf(address),
    ).map((family) => bgpChannel(family, peer)),
  };
}

function bgpChannel(family: Family, peer: Peer): BgpChannelConfig {
  return {
    ...channel(family, NOTHING, exportPolicy(peer.name)),
    mandatory: false,
    nextHopSelf: 'all',
    nextHopKeep: 'off',
    gateway: 'direct',
    // Without addresses there is no other next hop than a link-local one.
    extendedNextHop: peer.dualStack || peer.address === undefined,
    requireExtendedNextHop: false,
    addPaths: 'off',
    requireAddPaths: false,
    importTable: false,
    exportTable: false,
    secondary: false,
    gracefulRestart: peer.gracefulRestart,
    longLivedGracefulRestart: false,
  };
}

/**
 * Accepts what this node originates for the peer, with the attributes meant for it. The text names
 * only the peer: everything that changes is in the routes.
 */
function exportPolicy(peer: string): Policy {
  return {
    kind: 'filter',
    name: `${peer}-out`,
    text: `announcements for ${peer}`,
    filter: {
      reads: { net: false, protocol: false },
      run: (_net, attributes) => {
        if (attributes.source !== 'static') return undefined;
        const byPeer = attributes.custom?.[PEERS_ATTRIBUTE] as PeerAttributes | undefined;
        if (byPeer === undefined) return attributes;
        const own = byPeer[peer];
        if (own === undefined) return undefined;
        const { custom: _, ...rest } = attributes;
        return { ...rest, bgp: { ...attributes.bgp, asPath: [], ...own } };
      },
    },
  };
}

type OwnAttributes = Pick<PathAttributes, 'localPref' | 'communities' | 'largeCommunities'>;
type PeerAttributes = Readonly<Record<string, OwnAttributes>>;

/**
 * Makes routes; peers that get something else than the others are listed in the route. What many
 * prefixes have in common, the attributes, is made once.
 */
export function originatorFor(node: Node, config: Config): Originator {
  const peerCount = peersOfNode(config, node).length;
  const made = new Map<string, NonNullable<StaticRoute['set']>>();
  return (prefix, planned) => {
    if (planned.size === 0) return undefined;
    const peers = [...planned];
    const texts = peers.map(([, attributes]) => textOf(attributes));
    const alike = peers.length === peerCount && texts.every((text) => text === texts[0]);
    const text = alike
      ? texts[0]!
      : peers.map(([name], index) => `${name}: ${texts[index]}`).join(' | ');
    const set = made.get(text) ?? { text, apply: announcing(peers, alike) };
    made.set(text, set);
    return { net: prefix, dest: 'blackhole', via: NO_VIA, set };
  };
}

function announcing(
  peers: readonly (readonly [name: string, planned: PlannedAttributes])[],
  alike: boolean,
): (route: RouteAttributes) => RouteAttributes {
  const each = peers.map(([name, planned]) => [name, attributesFor(planned)] as const);
  return alike
    ? (route) => withAnnouncement(route, each[0]![1], undefined)
    : (route) => withAnnouncement(route, {}, Object.fromEntries(each));
}

function withAnnouncement(
  route: RouteAttributes,
  own: OwnAttributes,
  byPeer: PeerAttributes | undefined,
): RouteAttributes {
  return {
    ...route,
    // What FRR's `network` statement originates: IGP, metric 0.
    bgp: { origin: 0, asPath: [], med: 0, ...own },
    ...(byPeer === undefined ? {} : { custom: { [PEERS_ATTRIBUTE]: byPeer } }),
  };
}

function attributesFor(planned: PlannedAttributes): OwnAttributes {
  const standard = planned.communities.flatMap((c) => (c.kind === 'standard' ? [c.value] : []));
  const large = planned.communities.flatMap((c) => (c.kind === 'large' ? c.value : []));
  return {
    ...(planned.localPref === 0 ? {} : { localPref: planned.localPref }),
    ...(standard.length === 0 ? {} : { communities: standard }),
    ...(large.length === 0 ? {} : { largeCommunities: large }),
  };
}

function textOf(planned: PlannedAttributes): string {
  const communities = planned.communities.map((c) => `${c.kind} ${renderCommunity(c)}`);
  return [`local-preference ${planned.localPref}`, ...communities].join(', ');
}

function staticFor(family: Family, routes: readonly StaticRoute[]): StaticConfig {
  return {
    kind: 'static',
    name: ANNOUNCING[family],
    disabled: false,
    debug: [],
    channel: { ...channel(family, { kind: 'all' }, NOTHING), preference: 200 },
    checkLink: false,
    routes,
  };
}

function channel(family: Family, importPolicy: Policy, exportPolicy: Policy): ChannelConfig {
  return {
    netType: family,
    table: family === 'ipv4' ? 'master4' : 'master6',
    importPolicy,
    exportPolicy,
    preference: 100,
    importKeepFiltered: false,
    rpkiReload: true,
    debug: [],
  };
}

/** FRR's defaults where the profile is silent. */
function bfdOptions(profile: BfdProfile | undefined): BfdInterfaceConfig {
  const echoIntervalUs = (profile?.echoIntervalMs ?? 50) * 1000;
  return {
    minRxIntervalUs: (profile?.receiveIntervalMs ?? 300) * 1000,
    minTxIntervalUs: (profile?.transmitIntervalMs ?? 300) * 1000,
    idleTxIntervalUs: 1_000_000,
    multiplier: profile?.detectMultiplier ?? 3,
    passive: profile?.passiveMode ?? false,
    minTtl: profile?.minimumTtl ?? 254,
    echo: { txIntervalUs: profile?.echoMode ? echoIntervalUs : 0, rxIntervalUs: echoIntervalUs },
  };
}

/** RFC 6286 wants four octets, not zero, unique: FNV-1a of the name in a private range's stead. */
function hashedRouterId(name: string): IpAddress {
  let hash = 0x811c9dc5;
  for (const char of name) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193) >>> 0;
  }
  return [24, 16, 8, 0].map((shift) => Math.max(1, (hash >>> shift) & 255)).join('.');
}

const NOTHING: Policy = { kind: 'none' };
const ANNOUNCING: Readonly<Record<Family, string>> = { ipv4: 'services4', ipv6: 'services6' };
const NO_VIA: StaticRoute['via'] = [];
const CHANNEL_FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

const DEVICE: DeviceConfig = {
  kind: 'device',
  name: 'device1',
  disabled: false,
  debug: [],
  scanTimeSec: 10,
  interfaces: [],
};

const BFD: BfdConfig = {
  kind: 'bfd',
  name: 'bfd1',
  disabled: false,
  debug: [],
  interfaces: [],
  neighbors: [],
};
