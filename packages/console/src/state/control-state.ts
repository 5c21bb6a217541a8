// The JSON control schema: one document with everything that the command line, the live page and
// the doctor read (GET /v1/state). Times are Unix milliseconds, addresses and prefixes canonical
// text, absent means unknown. Fields are added, never renamed; `version` changes when one goes.

import type { Family, IpAddress, Prefix } from '@rookery/net';
import type {
  AnnouncementView,
  BfdState,
  ChannelView,
  DaemonState,
  EngineMs,
  PathReason,
  ProtocolKind,
  ProtocolState,
  ProtocolView,
  RouterStatus,
  RouterView,
  RouteView,
} from '@rookery/router';
import type { Dest, RouteSource } from '@rookery/rib';
import { asPathText, communityText } from '../birdc/attribute-lines.ts';
import { policyName } from '../birdc/show-protocols.ts';
import { sessionState } from './session-state.ts';
import type { SessionState } from './session-state.ts';

/** A full table does not fit a page; beyond this many networks the document says so. */
const MAX_NETWORKS = 5000;

export interface ControlState {
  readonly version: 1;
  /** A speaker has a running configuration made from Kubernetes objects. */
  readonly role: 'router' | 'speaker';
  /** When this picture was taken. */
  readonly atMs: number;
  readonly state: DaemonState;
  readonly routerId: IpAddress;
  readonly hostname: string;
  readonly softwareVersion: string;
  readonly startedMs: number;
  readonly reconfiguredMs: number;
  readonly configFile?: string;
  /** Automatic undo of an unconfirmed configuration. */
  readonly undoDueMs?: number;
  readonly protocols: readonly ProtocolSummary[];
  /** The BGP protocols again, with their sessions. */
  readonly sessions: readonly SessionState[];
  readonly tables: readonly {
    readonly name: string;
    readonly netType: string;
    readonly networks: number;
    readonly routes: number;
  }[];
  /** Best first, then the other paths with the reason why they lost. */
  readonly networks: readonly NetworkState[];
  /** Networks left out of `networks`. */
  readonly networksOmitted: number;
  /** The kernel's main table. */
  readonly kernel: readonly KernelRouteState[];
  readonly kernelSync: readonly KernelSyncState[];
  readonly interfaces: readonly InterfaceState[];
  readonly bfd: readonly BfdSessionState[];
  readonly announcements: readonly AnnouncementView[];
}

export interface ProtocolSummary {
  readonly name: string;
  readonly kind: ProtocolKind;
  readonly state: ProtocolState;
  readonly disabled: boolean;
  readonly sinceMs: number;
  readonly description?: string;
  readonly message?: string;
  readonly channels: readonly {
    readonly name: string;
    readonly table: string;
    readonly state: ChannelView['state'];
    readonly importFilter: string;
    readonly exportFilter: string;
    readonly imported: number;
    readonly filtered: number;
    readonly exported: number;
    readonly preferred: number;
    /** Limits that are hit now, by name. */
    readonly limitsHit: readonly string[];
  }[];
}

export interface NetworkState {
  readonly table: string;
  readonly net: Prefix;
  readonly routes: readonly RouteState[];
}

export interface RouteState {
  readonly protocol: string;
  readonly source: RouteSource;
  readonly dest: Dest;
  readonly best: boolean;
  readonly reason: PathReason;
  readonly changedMs: number;
  readonly preference: number;
  /** Addresses of the next hops; empty for a connected route. */
  readonly gateways: readonly IpAddress[];
  readonly interfaces: readonly string[];
  /** The next hop does not resolve: not usable. */
  readonly unresolved: boolean;
  readonly stale: boolean;
  /** The kernel refused it. */
  readonly syncError: boolean;
  readonly from?: IpAddress;
  readonly asPath?: string;
  readonly localPref?: number;
  readonly med?: number;
  readonly communities?: readonly string[];
}

export interface KernelRouteState {
  readonly net: Prefix;
  readonly family: Family;
  readonly gateways: readonly IpAddress[];
  readonly interfaces: readonly string[];
  readonly metric: number;
  /** rtm_protocol: 12 is bird. */
  readonly protocol: number;
  readonly ours: boolean;
}

export interface KernelSyncState {
  readonly protocol: string;
  readonly kernelTable: number;
  readonly lastScanMs?: number;
  readonly wanted: number;
  readonly failed: readonly { readonly net: Prefix; readonly message: string }[];
}

export interface InterfaceState {
  readonly name: string;
  readonly index: number;
  readonly adminUp: boolean;
  readonly linkUp: boolean;
  readonly mtu: number;
  /** With their length, "192.168.1.1/24". */
  readonly addresses: readonly string[];
  readonly sendRedirects?: boolean;
}

export interface BfdSessionState {
  readonly remote: IpAddress;
  readonly interface?: string;
  readonly state: BfdState;
  readonly sinceMs: number;
  readonly txIntervalMs: number;
  readonly detectTimeMs: number;
}

/** The whole document; plain data, ready for JSON.stringify. */
export function controlState(view: RouterView): ControlState {
  const status = view.status();
  const unix = (ms: EngineMs): number => Math.round(ms + status.wallOffsetMs);
  const { networks, omitted } = networksOf(view, status);
  const protocols = view.protocols();
  return {
    version: 1,
    role: view.runningConfig() ? 'speaker' : 'router',
    atMs: unix(status.nowMs),
    state: status.state,
    routerId: status.routerId,
    hostname: status.hostname,
    softwareVersion: status.version,
    startedMs: unix(status.startedMs),
    reconfiguredMs: unix(status.reconfiguredMs),
    ...(status.configFile !== undefined && { configFile: status.configFile }),
    ...(status.undoDueMs !== undefined && { undoDueMs: unix(status.undoDueMs) }),
    protocols: protocols.map((p) => protocolSummary(p, unix)),
    sessions: protocols.flatMap((p) => (p.bgp ? [sessionState(p, p.bgp, unix)] : [])),
    tables: view.tables().map(({ name, netType, networks: count, routes }) => ({
      name,
      netType,
      networks: count,
      routes,
    })),
    networks,
    networksOmitted: omitted,
    kernel: kernelRoutes(view),
    kernelSync: kernelSync(protocols, unix),
    interfaces: view.interfaces().map((iface) => ({
      name: iface.name,
      index: iface.ifindex,
      adminUp: iface.adminUp,
      linkUp: iface.linkUp,
      mtu: iface.mtu,
      addresses: iface.addresses.map((a) => `${a.address}/${a.length}`),
      ...(iface.sendRedirects !== undefined && { sendRedirects: iface.sendRedirects }),
    })),
    bfd: view.bfdSessions().map((s) => ({
      remote: s.remote,
      ...(s.interface !== undefined && { interface: s.interface }),
      state: s.state,
      sinceMs: unix(s.sinceMs),
      txIntervalMs: s.txIntervalUs / 1000,
      detectTimeMs: s.detectTimeUs / 1000,
    })),
    announcements: view.announcements(),
  };
}

function protocolSummary(protocol: ProtocolView, unix: (ms: EngineMs) => number): ProtocolSummary {
  return {
    name: protocol.name,
    kind: protocol.kind,
    state: protocol.state,
    disabled: protocol.disabled,
    sinceMs: unix(protocol.sinceMs),
    ...(protocol.description !== undefined && { description: protocol.description }),
    ...(protocol.message !== undefined && { message: protocol.message }),
    channels: protocol.channels.map(({ name, state, config, counts, limits }) => ({
      name,
      table: config.table,
      state,
      importFilter: policyName(config.importPolicy),
      exportFilter: policyName(config.exportPolicy),
      ...counts,
      limitsHit: Object.entries(limits)
        .filter(([, limit]) => limit?.hit)
        .map(([limit]) => limit),
    })),
  };
}

function networksOf(
  view: RouterView,
  status: RouterStatus,
): { readonly networks: readonly NetworkState[]; readonly omitted: number } {
  const tables = view.tables();
  const started = view.walkRoutes({
    tables: tables.map((t) => t.name),
    primary: false,
    filtered: false,
    countOnly: false,
  });
  const networks: NetworkState[] = [];
  if (!started.ok) return { networks, omitted: 0 };
  const total = tables.reduce((sum, table) => sum + table.networks, 0);
  let table = '';
  for (let items = started.walk.next(500); items.length > 0; items = started.walk.next(500)) {
    for (const item of items) {
      if (item.kind === 'table') table = item.table;
      if (item.kind !== 'network') continue;
      const routes = item.routes.map((route) => routeState(route, status));
      networks.push({ table, net: item.net, routes });
    }
    if (networks.length >= MAX_NETWORKS) break;
  }
  return { networks, omitted: Math.max(0, total - networks.length) };
}

function routeState(route: RouteView, status: RouterStatus): RouteState {
  const { attributes } = route;
  const { bgp } = attributes;
  return {
    protocol: route.protocol,
    source: attributes.source,
    dest: attributes.dest,
    best: route.best,
    reason: route.reason,
    changedMs: Math.round(route.changedMs + status.wallOffsetMs),
    preference: attributes.preference,
    gateways: attributes.nexthops.flatMap((hop) => hop.gateway ?? []),
    interfaces: attributes.nexthops.map((hop) => hop.interface),
    unresolved: attributes.unresolved === true,
    stale: route.stale,
    syncError: route.syncError,
    ...(attributes.from !== undefined && { from: attributes.from }),
    ...(bgp && { asPath: asPathText(bgp.asPath) }),
    ...(bgp?.localPref !== undefined && { localPref: bgp.localPref }),
    ...(bgp?.med !== undefined && { med: bgp.med }),
    ...(bgp?.communities && { communities: bgp.communities.map(communityText) }),
  };
}

function kernelRoutes(view: RouterView): readonly KernelRouteState[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) =>
    view.kernelRoutes(family).map(({ route, ours }) => ({
      net: route.net,
      family,
      gateways: route.nexthops.flatMap((hop) => hop.gateway ?? []),
      interfaces: route.nexthops.map((hop) => hop.interface ?? String(hop.ifindex)),
      metric: route.metric,
      protocol: route.protocol,
      ours: ours !== undefined,
    })),
  );
}

function kernelSync(
  protocols: readonly ProtocolView[],
  unix: (ms: EngineMs) => number,
): readonly KernelSyncState[] {
  return protocols.flatMap(({ name, kernel }) =>
    kernel
      ? [
          {
            protocol: name,
            kernelTable: kernel.kernelTable,
            ...(kernel.lastScanMs !== undefined && { lastScanMs: unix(kernel.lastScanMs) }),
            wanted: kernel.wanted,
            failed: kernel.failed,
          },
        ]
      : [],
  );
}
