// The JSON control schema: one document that says what a router or speaker knows of itself, for
// the command line, the live page and the doctor. Plain data in Unix milliseconds, with nothing
// formatted; routes are capped, because a document is no way to read a full table.

import type { IpAddress, Prefix } from '@rookery/net';
import type {
  AnnouncementView,
  BgpView,
  PathReason,
  ProtocolView,
  RouterView,
  RouteView,
} from '@rookery/router';

export interface ControlState {
  readonly atMs: number;
  readonly hostname: string;
  readonly version: string;
  readonly routerId: IpAddress;
  readonly state: string;
  readonly startedMs: number;
  readonly protocols: readonly ProtocolState[];
  readonly sessions: readonly SessionState[];
  readonly interfaces: readonly InterfaceState[];
  readonly networks: readonly NetworkState[];
  /** True when there are more networks than the document holds. */
  readonly truncated: boolean;
  /** IPv4 and IPv6 routes of the kernel's main table that are ours. */
  readonly kernel: readonly KernelState[];
  readonly announcements: readonly AnnouncementView[];
}

export interface ProtocolState {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly disabled: boolean;
  readonly sinceMs: number;
  readonly description?: string;
  readonly message?: string;
}

export interface SessionState {
  readonly protocol: string;
  readonly neighbor?: IpAddress;
  readonly neighborAs: number;
  readonly localAs: number;
  readonly neighborId?: IpAddress;
  readonly state: string;
  readonly sinceMs: number;
  /** Negotiated; absent before the first OPEN. */
  readonly holdTimeSec?: number;
  readonly keepaliveTimeSec?: number;
  /** When the hold timer expires unless the neighbor speaks. */
  readonly holdDueMs?: number;
  readonly lastError?: string;
  readonly lastErrorClass?: string;
  readonly bfd?: string;
  readonly receivedPrefixes: number;
  readonly sentPrefixes: number;
  readonly messagesReceived: number;
  readonly messagesSent: number;
  readonly connectionsEstablished: number;
}

export interface InterfaceState {
  readonly name: string;
  readonly ifindex: number;
  readonly up: boolean;
  readonly addresses: readonly Prefix[];
  readonly sendRedirects?: boolean;
}

export interface NetworkState {
  readonly table: string;
  readonly net: Prefix;
  readonly routes: readonly RouteState[];
}

export interface RouteState {
  readonly protocol: string;
  readonly best: boolean;
  /** The step of the decision that settled it. */
  readonly reason: PathReason;
  readonly changedMs: number;
  readonly gateways: readonly IpAddress[];
  readonly unresolved: boolean;
  readonly stale: boolean;
  /** The kernel refused it. */
  readonly syncError: boolean;
}

export interface KernelState {
  readonly net: Prefix;
  readonly gateways: readonly IpAddress[];
  readonly metric: number;
}

/** More networks than this are counted, not listed. */
const MAX_NETWORKS = 1000;

/** The document as of now. */
export function controlState(view: RouterView): ControlState {
  const status = view.status();
  const toUnixMs = (engineMs: number): number => Math.round(engineMs + status.wallOffsetMs);
  const protocols = view.protocols();
  const { networks, truncated } = networksOf(view, toUnixMs);
  return {
    atMs: toUnixMs(status.nowMs),
    hostname: status.hostname,
    version: status.version,
    routerId: status.routerId,
    state: status.state,
    startedMs: toUnixMs(status.startedMs),
    protocols: protocols.map((protocol) => protocolState(protocol, toUnixMs)),
    sessions: protocols.flatMap((protocol) =>
      protocol.bgp && !protocol.bgp.neighborRange
        ? [sessionState(protocol, protocol.bgp, toUnixMs)]
        : [],
    ),
    interfaces: view.interfaces().map((link) => ({
      name: link.name,
      ifindex: link.ifindex,
      up: link.adminUp && link.linkUp,
      addresses: link.addresses.map(({ address, length }) => `${address}/${length}`),
      ...(link.sendRedirects === undefined ? {} : { sendRedirects: link.sendRedirects }),
    })),
    networks,
    truncated,
    kernel: (['ipv4', 'ipv6'] as const).flatMap((family) =>
      view
        .kernelRoutes(family)
        .filter((entry) => entry.ours !== undefined)
        .slice(0, MAX_NETWORKS)
        .map(({ route }) => ({
          net: route.net,
          gateways: route.nexthops.flatMap((hop) => hop.gateway ?? []),
          metric: route.metric,
        })),
    ),
    announcements: view.announcements(),
  };
}

function protocolState(
  protocol: ProtocolView,
  toUnixMs: (engineMs: number) => number,
): ProtocolState {
  const { name, kind, state, disabled, description, message } = protocol;
  return {
    name,
    kind,
    state,
    disabled,
    sinceMs: toUnixMs(protocol.sinceMs),
    ...(description === undefined ? {} : { description }),
    ...(message === undefined ? {} : { message }),
  };
}

function sessionState(
  protocol: ProtocolView,
  bgp: BgpView,
  toUnixMs: (engineMs: number) => number,
): SessionState {
  const sum = (counts: BgpView['sent']): number =>
    counts.open + counts.notification + counts.update + counts.keepalive + counts.routeRefresh;
  return {
    protocol: protocol.name,
    neighborAs: bgp.neighborAs,
    localAs: bgp.localAs,
    state: bgp.state,
    sinceMs: toUnixMs(protocol.sinceMs),
    receivedPrefixes: bgp.families.reduce((all, family) => all + family.acceptedPrefixes, 0),
    sentPrefixes: bgp.families.reduce((all, family) => all + family.sentPrefixes, 0),
    messagesReceived: sum(bgp.received),
    messagesSent: sum(bgp.sent),
    connectionsEstablished: bgp.connectionsEstablished,
    ...(bgp.neighborAddress === undefined ? {} : { neighbor: bgp.neighborAddress }),
    ...(bgp.neighborId === undefined ? {} : { neighborId: bgp.neighborId }),
    ...(bgp.negotiated ?? {}),
    ...(bgp.timers.hold === undefined ? {} : { holdDueMs: toUnixMs(bgp.timers.hold.dueMs) }),
    ...(bgp.lastError === undefined
      ? {}
      : { lastError: bgp.lastError.text, lastErrorClass: bgp.lastError.class }),
    ...(bgp.bfd?.state === undefined ? {} : { bfd: bgp.bfd.state }),
  };
}

function networksOf(
  view: RouterView,
  toUnixMs: (engineMs: number) => number,
): Pick<ControlState, 'networks' | 'truncated'> {
  const networks: NetworkState[] = [];
  const found = view.walkRoutes({
    tables: view.tables().map((table) => table.name),
    primary: false,
    filtered: false,
    countOnly: false,
  });
  if (!found.ok) return { networks, truncated: false };
  let table = '';
  for (let items = found.walk.next(MAX_NETWORKS); items.length > 0;) {
    for (const item of items) {
      if (item.kind === 'table') table = item.table;
      if (item.kind !== 'network') continue;
      if (networks.length === MAX_NETWORKS) return { networks, truncated: true };
      networks.push({
        table,
        net: item.net,
        routes: item.routes.map((route) => routeState(route, toUnixMs)),
      });
    }
    items = found.walk.next(MAX_NETWORKS);
  }
  return { networks, truncated: false };
}

function routeState(route: RouteView, toUnixMs: (engineMs: number) => number): RouteState {
  return {
    protocol: route.protocol,
    best: route.best,
    reason: route.reason,
    changedMs: toUnixMs(route.changedMs),
    gateways: route.attributes.nexthops.flatMap((hop) => hop.gateway ?? []),
    unresolved: route.attributes.unresolved === true || route.attributes.dest !== 'unicast',
    stale: route.stale,
    syncError: route.syncError,
  };
}
