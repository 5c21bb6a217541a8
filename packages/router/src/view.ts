// The read model of a router: everything a console, the control API or the doctor may print, as
// plain data or as bounded walks. The engine implements `RouterView`; both dialects of
// `packages/console` and `controlState` read it and nothing else, so either works on either end.
// All times are the engine's own milliseconds (the `nowMs` of its steps); `wallOffsetMs` turns
// them into Unix time. Nothing here is formatted: a missing fact is an absent field.

import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { Policy, RouteAttributes } from '@rookery/rib';
import type {
  ChannelConfig,
  LimitAction,
  NetType,
  StaticRoute,
  SymbolConfig,
  TimeFormats,
} from './config.ts';
import type { EchoRoundTrips, InterfaceFact, KernelRoute, BfdState } from './io.ts';
import type { SpeakerRunningConfig } from './running-config.ts';

/** Engine milliseconds. */
export type EngineMs = number;

export interface RouterView {
  status(): RouterStatus;
  /** In order of the configuration. */
  protocols(): readonly ProtocolView[];
  /** In order of the configuration; always contains master4 and master6. */
  tables(): readonly TableView[];
  /** In order of the interface index. */
  interfaces(): readonly InterfaceView[];
  /** Starts a walk; the walk is invalidated by a reconfiguration, never by a route change. */
  walkRoutes(query: RouteQuery): RouteWalkResult;
  symbols(): readonly SymbolConfig[];
  bfdSessions(): readonly BfdSessionView[];
  /** Sizes in octets as the engine accounts for them. */
  memory(): MemoryView;
  /** The main table of the kernel as the last scan and later notifications left it. */
  kernelRoutes(family: Family): readonly KernelRouteView[];
  /** Present on a speaker: what an FRR in its place would have been configured with. */
  runningConfig(): SpeakerRunningConfig | undefined;
  /** Present on a speaker: what it announces and for which services. */
  announcements(): readonly AnnouncementView[];
}

export type DaemonState = 'running' | 'shutting down' | 'reconfiguring';

export interface RouterStatus {
  readonly state: DaemonState;
  readonly routerId: IpAddress;
  readonly hostname: string;
  /** Version of Rookery; what a dialect claims to be is the dialect's own setting. */
  readonly version: string;
  readonly nowMs: EngineMs;
  /** Unix milliseconds minus engine milliseconds. */
  readonly wallOffsetMs: number;
  readonly startedMs: EngineMs;
  readonly reconfiguredMs: EngineMs;
  readonly timeFormats: TimeFormats;
  /** Graceful restart recovery in progress. */
  readonly recovery?: { readonly waitingChannels: number; readonly wait: TimerView };
  /** Automatic undo of an unconfirmed configuration. */
  readonly undoDueMs?: EngineMs;
  /** Configuration file, as given on the command line. */
  readonly configFile?: string;
}

export interface TimerView {
  readonly dueMs: EngineMs;
  /** Full length; absent for a timer whose length the peer set (BIRD prints "-"). */
  readonly totalMs?: number;
}

export interface TableView {
  readonly name: string;
  readonly netType: NetType;
  /** Paths and prefixes with at least one path. */
  readonly routes: number;
  readonly networks: number;
  /** Grows with every change of a best path. */
  readonly version: number;
}

export type ProtocolState = 'down' | 'start' | 'up' | 'stop' | 'flush';
export type ProtocolKind =
  | 'device'
  | 'direct'
  | 'kernel'
  | 'static'
  | 'bgp'
  | 'pipe'
  | 'bfd'
  | 'rpki'
  | 'mrt'
  | 'radv'
  | 'bmp';

export interface ProtocolView {
  readonly name: string;
  readonly kind: ProtocolKind;
  readonly state: ProtocolState;
  readonly disabled: boolean;
  /** Last change of `state`, or of the BGP state. */
  readonly sinceMs: EngineMs;
  readonly description?: string;
  /** Text given with enable, disable or restart, or received with a shutdown. */
  readonly message?: string;
  /** Only when the protocol has one of its own. */
  readonly routerId?: IpAddress;
  readonly vrf?: string;
  readonly channels: readonly ChannelView[];
  readonly bgp?: BgpView;
  readonly pipe?: { readonly peerTable: string };
  readonly kernel?: KernelSyncView;
  readonly staticRoutes?: readonly StaticRouteView[];
  readonly rpki?: RpkiView;
}

/** A session with an RPKI cache. */
export interface RpkiView {
  readonly server: IpAddress;
  readonly port: number;
  /** BIRD's words: Established, Transport-Error, … */
  readonly status: string;
  readonly protectedByMd5: boolean;
  readonly version: number;
  readonly sessionId?: number;
  readonly serial?: number;
  readonly lastUpdateMs?: EngineMs;
  readonly refresh?: TimerView;
  readonly retry?: TimerView;
  readonly expire?: TimerView;
}

export interface ChannelView {
  /** BIRD's channel name: ipv4, ipv6, roa4, …; "main" for a pipe. */
  readonly name: string;
  readonly state: 'down' | 'start' | 'up' | 'flushing';
  readonly config: ChannelConfig;
  readonly counts: {
    readonly imported: number;
    /** Kept filtered routes. */
    readonly filtered: number;
    readonly exported: number;
    readonly preferred: number;
  };
  readonly updates: RouteChangeStats;
  readonly limits: {
    readonly receive?: LimitView;
    readonly import?: LimitView;
    readonly export?: LimitView;
  };
  /** What `next hop self` sends: global and link-local. */
  readonly nextHop?: readonly IpAddress[];
  readonly igpTable?: string;
  /** How the routes of a restarting neighbor are being kept. */
  readonly neighborGr?: 'regular' | 'long-lived';
  readonly staleTimer?: TimerView;
  readonly recoveryPending?: { readonly waiting: boolean };
}

export interface LimitView {
  readonly count: number;
  readonly action: LimitAction;
  readonly hit: boolean;
}

/** Counters since the channel came up; a column that does not apply is absent. */
export interface RouteChangeStats {
  readonly importUpdates: RouteChangeRow;
  readonly importWithdraws: RouteChangeRow;
  readonly exportUpdates: RouteChangeRow;
  readonly exportWithdraws: RouteChangeRow;
}

export interface RouteChangeRow {
  readonly received: number;
  readonly rejected?: number;
  readonly filtered?: number;
  readonly ignored?: number;
  readonly accepted: number;
}

export interface KernelSyncView {
  readonly kernelTable: number;
  readonly lastScanMs?: EngineMs;
  /** Routes we want in the kernel, and those that it refused last time. */
  readonly wanted: number;
  readonly failed: readonly { readonly net: Prefix; readonly message: string }[];
}

export interface StaticRouteView {
  readonly route: StaticRoute;
  /** False while no next hop of the route is usable. */
  readonly active: boolean;
  /** Per `via`: false while its neighbor is unknown or BFD is down. */
  readonly viaActive: readonly boolean[];
}

// BGP

/** BIRD's words; FRR's `Clearing` is `Close` here, and `Passive` is Active without connecting. */
export type BgpStateName =
  | 'Idle'
  | 'Connect'
  | 'Active'
  | 'OpenSent'
  | 'OpenConfirm'
  | 'Established'
  | 'Close'
  | 'Passive'
  | 'Down';

export interface BgpView {
  readonly state: BgpStateName;
  /** Absent for a dynamic (range) protocol itself. */
  readonly neighborAddress?: IpAddress;
  readonly neighborRange?: Prefix;
  readonly neighborPort: number;
  readonly interface?: string;
  /** Named by its interface; the address is where the neighbor was found, if it was. */
  readonly unnumbered: boolean;
  /** True when a range protocol created this one. */
  readonly dynamic: boolean;
  /** 0 when only the peer type is configured and no OPEN was seen. */
  readonly neighborAs: number;
  readonly localAs: number;
  readonly internal: boolean;
  readonly multihop?: number;
  readonly passive: boolean;
  readonly rrClient: boolean;
  readonly rsClient: boolean;
  readonly confederationMember: boolean;
  readonly hasPassword: boolean;
  readonly localRole?: string;
  readonly localId: IpAddress;
  /** From the OPEN of this or the last session. */
  readonly neighborId?: IpAddress;
  /** What our OPEN carries; absent while no session was tried. */
  readonly localCapabilities?: CapabilitiesView;
  readonly neighborCapabilities?: CapabilitiesView;
  /** RFC 6793 in use. */
  readonly as4Session: boolean;
  readonly timers: {
    readonly hold?: TimerView;
    readonly keepalive?: TimerView;
    readonly sendHold?: TimerView;
    readonly connectDelay?: TimerView;
    readonly connectRetry?: TimerView;
    readonly errorWait?: TimerView;
    /** Graceful restart of the neighbor. */
    readonly restart?: TimerView;
  };
  readonly configured: {
    readonly holdTimeSec: number;
    readonly keepaliveTimeSec: number;
    readonly connectRetryTimeSec: number;
  };
  /** Negotiated; absent before the first OPEN. */
  readonly negotiated?: { readonly holdTimeSec: number; readonly keepaliveTimeSec: number };
  readonly lastError?: BgpErrorView;
  readonly lastReset?: { readonly atMs: EngineMs; readonly reason: ResetReason };
  readonly restarting: boolean;
  readonly establishedMs?: EngineMs;
  readonly lastReadMs?: EngineMs;
  readonly lastWriteMs?: EngineMs;
  readonly lastUpdateMs?: EngineMs;
  /** When this protocol was configured: "Last read" counts from here before any message. */
  readonly createdMs: EngineMs;
  readonly sent: MessageCounts;
  readonly received: MessageCounts;
  readonly connectionsEstablished: number;
  readonly connectionsDropped: number;
  /** The connection of this session, or the last one. */
  readonly connection?: ConnectionView;
  /** In order of the channels. */
  readonly families: readonly BgpFamilyView[];
  readonly gracefulRestart: {
    readonly mode: 'off' | 'aware' | 'on';
    readonly restartTimeSec: number;
    readonly llgrStaleTimeSec: number;
  };
  /** BFD was asked for; `state` is absent while no session exists. */
  readonly bfd?: {
    readonly state?: BfdState;
    readonly sinceMs?: EngineMs;
    readonly multiplier: number;
    readonly minRxIntervalMs: number;
    readonly minTxIntervalMs: number;
  };
}

export interface ConnectionView {
  readonly open: boolean;
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly mss?: number;
  readonly rttMs?: number;
  /** Octets that the socket did not take yet. */
  readonly queuedBytes: number;
  /** Descriptor of the socket, when the platform tells. */
  readonly fd?: number;
}

export interface BgpErrorView {
  /** BIRD's classes; each is a prefix of the text on its console. */
  readonly class: 'misc' | 'socket' | 'received' | 'sent' | 'automatic shutdown';
  readonly text: string;
  /** For a NOTIFICATION, received or sent. */
  readonly notification?: { readonly code: number; readonly subcode: number };
}

/** Why the last session, or attempt, ended. */
export type ResetReason =
  | { readonly kind: 'none yet' }
  /** Nobody advertised itself on the interface of an unnumbered session. */
  | { readonly kind: 'neighbor not found' }
  | {
      readonly kind: 'notification received' | 'notification sent';
      readonly code: number;
      readonly subcode: number;
      /** RFC 9003 text. */
      readonly message?: string;
      readonly hardReset?: boolean;
    }
  | { readonly kind: 'peer closed' }
  | { readonly kind: 'bfd down' }
  | { readonly kind: 'interface down' }
  | { readonly kind: 'administrative shutdown' }
  | { readonly kind: 'user reset' }
  | { readonly kind: 'configuration changed' }
  | { readonly kind: 'hold timer expired' }
  | { readonly kind: 'prefix limit' }
  | { readonly kind: 'socket error'; readonly message: string };

export interface MessageCounts {
  readonly open: number;
  readonly notification: number;
  readonly update: number;
  readonly keepalive: number;
  readonly routeRefresh: number;
}

export interface BgpFamilyView {
  readonly family: Family;
  readonly channel: string;
  /** Both sides announced it; only meaningful while Established. */
  readonly negotiated: boolean;
  readonly acceptedPrefixes: number;
  readonly sentPrefixes: number;
  readonly endOfRibSent: boolean;
  readonly endOfRibReceived: boolean;
  readonly updateGroup?: number;
  /** Version of the table when the update group last caught up. */
  readonly tableVersion: number;
  /** Names for an operator: a route map, a filter; absent when there is none. */
  readonly importPolicyName?: string;
  readonly exportPolicyName?: string;
  readonly softReconfiguration: boolean;
}

/** Capabilities of one OPEN. Families by BIRD's names; RFC 4760, 2918, 7313, 6793, 4724, 9494, … */
export interface CapabilitiesView {
  readonly multiprotocol: readonly Family[];
  readonly routeRefresh: boolean;
  readonly enhancedRefresh: boolean;
  readonly extendedMessage: boolean;
  readonly as4: boolean;
  readonly extendedNextHop: readonly Family[];
  readonly addPathRx: readonly Family[];
  readonly addPathTx: readonly Family[];
  readonly gracefulRestart?: {
    readonly restarting: boolean;
    readonly notification: boolean;
    readonly restartTimeSec: number;
    readonly families: readonly { readonly family: Family; readonly preserved: boolean }[];
  };
  readonly longLivedGracefulRestart?: {
    readonly families: readonly {
      readonly family: Family;
      readonly preserved: boolean;
      readonly staleTimeSec: number;
    }[];
  };
  readonly hostname?: { readonly host: string; readonly domain: string };
  readonly softwareVersion?: string;
  readonly role?: string;
}

// Interfaces, BFD, kernel

export interface InterfaceView extends InterfaceFact {
  /** Chosen per family and scope (BIRD prints "Preferred"). */
  readonly preferred: readonly IpAddress[];
  /** No protocol uses it (loopback). */
  readonly ignored: boolean;
  /** First seen, or last change of the link. */
  readonly sinceMs: EngineMs;
}

export interface BfdSessionView {
  /** The protocol that serves it; "bfd" when it has no name of its own. */
  readonly protocol: string;
  readonly remote: IpAddress;
  readonly local?: IpAddress;
  readonly interface?: string;
  readonly multihop: boolean;
  readonly state: BfdState;
  readonly remoteState: BfdState;
  readonly sinceMs: EngineMs;
  readonly everUp: boolean;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  /** RFC 5880 §4.1, 0-8. */
  readonly localDiagnostic: number;
  readonly remoteDiagnostic: number;
  readonly passive: boolean;
  readonly minTtl?: number;
  /** What is in force now. */
  readonly txIntervalUs: number;
  readonly detectTimeUs: number;
  readonly localMultiplier: number;
  readonly localMinTxUs: number;
  readonly localMinRxUs: number;
  readonly remoteMultiplier: number;
  readonly remoteMinTxUs: number;
  readonly remoteMinRxUs: number;
  /** See `BfdSessionDetails`. */
  readonly minEchoRxUs: number;
  readonly echoTxIntervalUs: number;
  readonly remoteMinEchoRxUs: number;
  readonly echoesReceived: number;
  readonly echoesSent: number;
  readonly echoRtt?: EchoRoundTrips;
  readonly packetsReceived: number;
  readonly packetsSent: number;
  readonly upEvents: number;
  readonly downEvents: number;
  /** Configured by hand, or asked for by another protocol. */
  readonly configured: boolean;
}

export interface KernelRouteView {
  readonly route: KernelRoute;
  readonly sinceMs: EngineMs;
  /** One of ours, with the engine's source. */
  readonly ours?: 'bgp' | 'static' | 'other';
}

export interface MemoryView {
  readonly routingTables: number;
  readonly routeAttributes: number;
  readonly protocols: number;
  readonly config: number;
  readonly standby: number;
}

// Routes

export interface RouteQuery {
  /** Existing tables, walked in this order. */
  readonly tables: readonly string[];
  /** Walked before the others. */
  readonly adjTable?: AdjTable;
  /** `for`: the longest match of the prefix or address; `in`: equal or more specific. */
  readonly net?: { readonly kind: 'exact' | 'for' | 'in'; readonly prefix: Prefix };
  /** Applied to the route as it is in the table. */
  readonly policy?: Policy;
  /** Only routes that this protocol imported. */
  readonly protocol?: string;
  readonly primary: boolean;
  /** Kept filtered routes instead of valid ones. */
  readonly filtered: boolean;
  /** What a channel makes of the table instead of the table itself. */
  readonly export?: {
    /** `export`: after the filter; `preexport`: offered; `noexport`: refused; `exported`: in force. */
    readonly kind: 'export' | 'preexport' | 'noexport' | 'exported';
    readonly protocol: string;
    readonly channel: string;
  };
  /** `count`: no `network` items. */
  readonly countOnly: boolean;
}

/** What a neighbor sent, before the import policy; or was sent, after the export policy. */
export interface AdjTable {
  readonly direction: 'import' | 'export';
  readonly protocol: string;
  readonly channel: string;
}

export type RouteWalkResult =
  | { readonly ok: true; readonly walk: RouteWalk }
  | { readonly ok: false; readonly error: RouteQueryError };

export type RouteQueryError =
  | { readonly kind: 'no such table'; readonly table: string }
  | { readonly kind: 'no such protocol'; readonly protocol: string }
  /** `export` and its relatives need a channel that is up. */
  | { readonly kind: 'channel not up'; readonly protocol: string };

export interface RouteWalk {
  /**
   * Up to about `maxRoutes` further routes; an empty array ends the walk. A network is never split.
   */
  next(maxRoutes: number): readonly RouteItem[];
  /** True when a reconfiguration ended the walk early. */
  readonly stopped: boolean;
}

export type RouteItem =
  | { readonly kind: 'table'; readonly table: string; readonly netType: NetType }
  | { readonly kind: 'network'; readonly net: Prefix; readonly routes: readonly RouteView[] }
  | {
      readonly kind: 'table end';
      readonly table: string;
      /** Routes that matched, routes that were looked at, networks that were looked at. */
      readonly shown: number;
      readonly total: number;
      readonly networks: number;
    };

/** Why a path lost against the best one, or what made it the best; steps of RFC 4271 §9.1.2.2. */
export type PathReason =
  | 'only path'
  | 'preference'
  | 'not resolvable'
  | 'stale'
  | 'suppressed by deterministic MED'
  | 'local preference'
  | 'aigp'
  | 'as path length'
  | 'origin'
  | 'med'
  | 'external over internal'
  | 'igp metric'
  | 'older'
  | 'router id'
  | 'cluster list length'
  | 'neighbor address'
  | 'filtered'
  | 'arrival order';

export interface RouteView {
  /** The protocol that imported it. */
  readonly protocol: string;
  readonly best: boolean;
  /** The step that decided between this path and the best (or the runner-up, for the best). */
  readonly reason: PathReason;
  /** Last change of this path. */
  readonly changedMs: EngineMs;
  readonly attributes: RouteAttributes;
  /** The kernel refused it. */
  readonly syncError: boolean;
  readonly filtered: boolean;
  /** Kept while its neighbor restarts. */
  readonly stale: boolean;
  /** Out of the comparison because of `deterministic med`. */
  readonly suppressed: boolean;
  /** RFC 7911 path identifier as received. */
  readonly pathId?: number;
  /** ROA tables. */
  readonly roa?: { readonly maxLength: number; readonly asn: number };
}

/** One address that a speaker announces. */
export interface AnnouncementView {
  readonly prefix: Prefix;
  /** namespace/name. */
  readonly services: readonly string[];
  readonly pool?: string;
  /** Neighbor addresses that are sent this prefix. */
  readonly peers: readonly IpAddress[];
  readonly localPref?: number;
  /** As text: "64497:100", "large:1:2:3". */
  readonly communities: readonly string[];
}
