// RouterConfig: everything the engine needs to know, as plain readonly data. `packages/bird` builds
// it from bird.conf, `packages/metallb` from Kubernetes objects. Field names are BIRD's option names
// in camel case, defaults are applied by whoever builds it, so every field that has a default is
// present. The engine compares old and new configuration and performs the smallest set of changes.

import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { Dest, Policy, RouteAttributes } from '@rookery/rib';
import type { TcpAoKey } from './io.ts';

export interface RouterConfig {
  /** `undefined`: lowest non-loopback IPv4 address at start (BIRD's rule). */
  readonly routerId?: IpAddress;
  /** `router id from` patterns; empty when absent. */
  readonly routerIdFrom: readonly InterfacePattern[];
  readonly hostname?: string;
  /** Always contains master4 and master6. */
  readonly tables: readonly TableConfig[];
  /** In order of the file; names are unique. */
  readonly protocols: readonly ProtocolConfig[];
  readonly logs: readonly LogConfig[];
  readonly timeFormats: TimeFormats;
  /** `debug commands N`. */
  readonly debugCommands: number;
  readonly debugTables: DebugMask;
  readonly gracefulRestartWaitSec: number;
  /** Everything `show symbols` lists, in order of definition. */
  readonly symbols: readonly SymbolConfig[];
  /** `mrtdump "file"`: where BGP messages and states are recorded. */
  readonly mrtDumpFile?: string;
  /** Extra control sockets (`cli "path" { restrict; }`). */
  readonly sockets: readonly { readonly path: string; readonly restrict: boolean }[];
}

export type NetType = Family | 'roa4' | 'roa6';

export interface TableConfig {
  readonly name: string;
  readonly netType: NetType;
  readonly sorted: boolean;
}

export interface SymbolConfig {
  readonly name: string;
  readonly kind:
    | 'constant'
    | 'filter'
    | 'function'
    | 'protocol'
    | 'template'
    | 'routing table'
    | 'variable'
    | 'undefined'
    | 'custom attribute';
}

export type LogClass =
  | 'debug'
  | 'trace'
  | 'info'
  | 'remote'
  | 'warning'
  | 'error'
  | 'auth'
  | 'fatal'
  | 'bug';

export interface LogConfig {
  readonly sink:
    | {
        readonly kind: 'file';
        readonly path: string;
        readonly maxBytes?: number;
        readonly backup?: string;
      }
    | { readonly kind: 'syslog'; readonly name: string }
    | { readonly kind: 'stderr' }
    | { readonly kind: 'udp'; readonly host: string; readonly port: number };
  readonly classes: readonly LogClass[];
}

export interface TimeFormat {
  /** strftime letters plus %f, %3f, %6f for fractions. */
  readonly format: string;
  /** Older than this many seconds: use `oldFormat`. */
  readonly limitSec?: number;
  readonly oldFormat?: string;
}

export interface TimeFormats {
  readonly route: TimeFormat;
  readonly protocol: TimeFormat;
  readonly base: TimeFormat;
  readonly log: TimeFormat;
}

export type DebugFlag = 'states' | 'routes' | 'filters' | 'interfaces' | 'events' | 'packets';
export type DebugMask = readonly DebugFlag[];

/** First matching pattern decides. A pattern has a glob, a prefix or both. */
export interface InterfacePattern {
  readonly exclude: boolean;
  readonly glob?: string;
  readonly prefix?: Prefix;
}

export type ProtocolConfig =
  | DeviceConfig
  | DirectConfig
  | KernelConfig
  | StaticConfig
  | BgpConfig
  | PipeConfig
  | BfdConfig
  | RpkiConfig
  | MrtConfig
  | BmpConfig
  | RadvConfig;

export interface ProtocolCommon {
  readonly name: string;
  readonly disabled: boolean;
  readonly debug: DebugMask;
  /** What goes into the file of `mrtdump`; absent: nothing. */
  readonly mrtDump?: readonly MrtFlag[];
  readonly description?: string;
  readonly routerId?: IpAddress;
  readonly vrf?: string;
}

export type MrtFlag = 'states' | 'messages';

export type LimitAction = 'warn' | 'block' | 'restart' | 'disable';
export interface LimitConfig {
  readonly count: number;
  readonly action: LimitAction;
}

export interface ChannelConfig {
  readonly netType: NetType;
  readonly table: string;
  readonly importPolicy: Policy;
  readonly exportPolicy: Policy;
  readonly receiveLimit?: LimitConfig;
  readonly importLimit?: LimitConfig;
  readonly exportLimit?: LimitConfig;
  readonly preference: number;
  readonly importKeepFiltered: boolean;
  readonly rpkiReload: boolean;
  readonly debug: DebugMask;
}

export interface DeviceConfig extends ProtocolCommon {
  readonly kind: 'device';
  /** Seconds, 0: only at start. */
  readonly scanTimeSec: number;
  readonly interfaces: readonly {
    readonly patterns: readonly InterfacePattern[];
    readonly preferred: readonly IpAddress[];
  }[];
}

export interface DirectConfig extends ProtocolCommon {
  readonly kind: 'direct';
  readonly channels: readonly ChannelConfig[];
  /** Empty means every interface. */
  readonly interfaces: readonly InterfacePattern[];
  readonly checkLink: boolean;
}

export interface KernelConfig extends ProtocolCommon {
  readonly kind: 'kernel';
  readonly channel: ChannelConfig;
  readonly persist: boolean;
  readonly scanTimeSec: number;
  readonly learn: 'off' | 'on' | 'all';
  readonly kernelTable: number;
  /** 0: `krt_metric` attribute or the kernel's default. */
  readonly metric: number;
  /** Maximum number of next hops; `undefined` when `merge paths` is off. */
  readonly mergePaths?: number;
  /** Merged next hops share traffic by the link bandwidth of their routes. */
  readonly linkBandwidthWeights: boolean;
  readonly gracefulRestart: boolean;
}

export interface StaticConfig extends ProtocolCommon {
  readonly kind: 'static';
  readonly channel: ChannelConfig;
  readonly checkLink: boolean;
  readonly igpTable?: string;
  readonly routes: readonly StaticRoute[];
}

export interface StaticRoute {
  readonly net: Prefix;
  /** ROA tables: `route NET max LENGTH as ASN`. */
  readonly roa?: { readonly maxLength: number; readonly asn: number };
  /** Ignored when `via` or `recursive` is set. */
  readonly dest: Dest;
  readonly via: readonly StaticNexthop[];
  readonly recursive?: IpAddress;
  /** Applies the attribute statements in braces; canonical text for comparison. */
  readonly set?: {
    readonly text: string;
    readonly apply: (route: RouteAttributes) => RouteAttributes;
  };
}

export interface StaticNexthop {
  readonly gateway?: IpAddress;
  readonly interface?: string;
  readonly weight: number;
  readonly onlink: boolean;
  readonly bfd: boolean;
}

export interface PipeConfig extends ProtocolCommon {
  readonly kind: 'pipe';
  readonly channel: ChannelConfig;
  readonly peerTable: string;
}

/** A monitoring station that is told what BGP neighbors say (RFC 7854). */
export interface BmpConfig extends ProtocolCommon {
  readonly kind: 'bmp';
  readonly station: IpAddress;
  readonly stationPort: number;
  /** Adj-RIB-In before and after policy. */
  readonly prePolicy: boolean;
  readonly postPolicy: boolean;
  /** Octets that may wait for the station before it is disconnected. */
  readonly txBufferLimitBytes: number;
}

/** Periodic table dumps (RFC 6396). */
export interface MrtConfig extends ProtocolCommon {
  readonly kind: 'mrt';
  /** A name or a glob. */
  readonly table: string;
  readonly policy: Policy;
  /** strftime letters, and %N for the name of the table. */
  readonly filename: string;
  readonly periodSec: number;
  readonly alwaysAddPath: boolean;
}

/** A client of an RPKI cache (RFC 8210). */
export interface RpkiConfig extends ProtocolCommon {
  readonly kind: 'rpki';
  /** At most one per net type, roa4 and roa6; policies are `all` or `none`. */
  readonly channels: readonly ChannelConfig[];
  readonly remote: IpAddress;
  readonly port: number;
  readonly localAddress?: IpAddress;
  /** TCP MD5. */
  readonly password?: string;
  readonly refreshSec: number;
  readonly retrySec: number;
  readonly expireSec: number;
  /** Timers that stay as configured whatever the cache says. */
  readonly keep: {
    readonly refresh: boolean;
    readonly retry: boolean;
    readonly expire: boolean;
  };
  readonly minVersion: 0 | 1;
  readonly maxVersion: 0 | 1;
  /** Accept every length up to that of an address. */
  readonly ignoreMaxLength: boolean;
}

export interface BfdInterfaceConfig {
  readonly minRxIntervalUs: number;
  readonly minTxIntervalUs: number;
  readonly idleTxIntervalUs: number;
  readonly multiplier: number;
  readonly passive: boolean;
  /** Multihop: packets that arrive with less are dropped; single-hop ones always need 255. */
  readonly minTtl?: number;
  /** RFC 5880 §6.4, single hop and IPv4 only; absent: none. */
  readonly echo?: BfdEchoOptions;
  readonly authentication?: BfdAuthentication;
}

export interface BfdEchoOptions {
  /** Between our echo packets, unless the neighbor wants fewer; 0: we send none. */
  readonly txIntervalUs: number;
  /** Between echo packets that we return, where the kernel forwards; 0: we return none. */
  readonly rxIntervalUs: number;
}

/** RFC 5880 §6.7. */
export interface BfdAuthentication {
  readonly kind: 'simple' | 'keyedMd5' | 'meticulousKeyedMd5' | 'keyedSha1' | 'meticulousKeyedSha1';
  /** The first one signs what we send; each of them is accepted. */
  readonly keys: readonly { readonly id: number; readonly secret: string }[];
}

export interface BfdConfig extends ProtocolCommon {
  readonly kind: 'bfd';
  /** Serves only these sessions; absent fields: all. */
  readonly accept?: { readonly family?: Family; readonly hops?: 'direct' | 'multihop' };
  readonly interfaces: readonly {
    readonly patterns: readonly InterfacePattern[];
    readonly options: BfdInterfaceConfig;
  }[];
  readonly multihop?: BfdInterfaceConfig;
  readonly neighbors: readonly {
    readonly address: IpAddress;
    readonly interface?: string;
    readonly local?: IpAddress;
    readonly multihop: boolean;
  }[];
}

/** Router advertisements (RFC 4861 §6.2). */
export interface RadvConfig extends ProtocolCommon {
  readonly kind: 'radv';
  /** The first whose patterns fit an interface applies to it. */
  readonly interfaces: readonly {
    readonly patterns: readonly InterfacePattern[];
    readonly options: RadvInterfaceConfig;
  }[];
}

export interface RadvInterfaceConfig {
  readonly minIntervalSec: number;
  readonly maxIntervalSec: number;
  /** Between two advertisements to all. */
  readonly minDelaySec: number;
  readonly solicitedUnicast: boolean;
  readonly managed: boolean;
  readonly otherConfig: boolean;
  /** 0: not said, as with the two times and the hop limit. */
  readonly linkMtu: number;
  readonly reachableTimeMs: number;
  readonly retransTimerMs: number;
  readonly currentHopLimit: number;
  /** 0: not a default router. */
  readonly defaultLifetimeSec: number;
  readonly defaultPreference: 'low' | 'medium' | 'high';
  /** How long a prefix that is gone is advertised without any lifetime. */
  readonly prefixLingerTimeSec: number;
  /** The first that covers a prefix of the interface says how it is advertised; none: it is not. */
  readonly prefixes: readonly RadvPrefixConfig[];
}

export interface RadvPrefixConfig {
  readonly net: Prefix;
  readonly skip: boolean;
  readonly onLink: boolean;
  readonly autonomous: boolean;
  readonly validLifetimeSec: number;
  readonly preferredLifetimeSec: number;
}

export type GracefulRestartMode = 'off' | 'aware' | 'on';

export interface BgpConfig extends ProtocolCommon {
  readonly kind: 'bgp';
  readonly localAs: number;
  readonly localAddress?: IpAddress;
  readonly localPort: number;
  /** Exactly one of address, range and `unnumbered`. */
  readonly neighborAddress?: IpAddress;
  readonly neighborRange?: Prefix;
  /** The neighbor is the router that advertises itself on `interface` (RFC 4861). */
  readonly unnumbered: boolean;
  /** 0 when only the peer type is given. */
  readonly neighborAs: number;
  readonly peerType: 'internal' | 'external';
  readonly neighborPort: number;
  readonly interface?: string;
  /** `undefined` for a direct session. */
  readonly multihop?: number;
  readonly strictBind: boolean;
  readonly freeBind: boolean;
  readonly passive: boolean;
  readonly dynamicName: string;
  readonly dynamicNameDigits: number;
  readonly checkLink: boolean;
  /** TCP MD5 (RFC 2385). */
  readonly password?: string;
  /** TCP-AO (RFC 5925), the one to sign with first. */
  readonly aoKeys?: readonly TcpAoKey[];
  readonly ttlSecurity: boolean;
  /** Seconds; 0 switches both hold and keepalive off. */
  readonly holdTimeSec: number;
  readonly startupHoldTimeSec: number;
  /** `undefined`: a third of the negotiated hold time. */
  readonly keepaliveTimeSec?: number;
  readonly minHoldTimeSec: number;
  readonly minKeepaliveTimeSec: number;
  readonly sendHoldTimeSec?: number;
  readonly connectDelayTimeSec: number;
  readonly connectRetryTimeSec: number;
  readonly errorWaitTimeMinSec: number;
  readonly errorWaitTimeMaxSec: number;
  readonly errorForgetTimeSec: number;
  readonly disableAfterError: boolean;
  /** NOTIFICATION Cease subcodes after which the protocol stays down. */
  readonly disableAfterCease: readonly number[];
  readonly pathMetric: boolean;
  readonly medMetric: boolean;
  readonly deterministicMed: boolean;
  readonly igpMetric: boolean;
  readonly preferOlder: boolean;
  readonly defaultMed: number;
  readonly defaultLocalPref: number;
  readonly enforceFirstAs: boolean;
  /** How often the local AS may appear in a received AS_PATH; 0 refuses, Infinity allows all. */
  readonly allowLocalAs: number;
  readonly allowBgpLocalPref: boolean;
  readonly allowBgpMed: boolean;
  readonly allowAsSets: boolean;
  readonly interpretCommunities: boolean;
  readonly localRole?: 'provider' | 'rs_server' | 'rs_client' | 'customer' | 'peer';
  readonly requireRoles: boolean;
  readonly rsClient: boolean;
  readonly rrClient: boolean;
  readonly rrClusterId?: IpAddress;
  readonly confederation?: number;
  readonly confederationMember: boolean;
  readonly capabilities: boolean;
  readonly enableRouteRefresh: boolean;
  readonly enableEnhancedRouteRefresh: boolean;
  readonly enableAs4: boolean;
  readonly enableExtendedMessages: boolean;
  readonly advertiseHostname: boolean;
  readonly advertiseSoftwareVersion: boolean;
  readonly gracefulRestart: GracefulRestartMode;
  readonly gracefulRestartTimeSec: number;
  readonly gracefulNotification: boolean;
  readonly longLivedGracefulRestart: GracefulRestartMode;
  readonly longLivedStaleTimeSec: number;
  /** Bounds for how long stale routes of this neighbor are kept; `undefined`: what it announced. */
  readonly minGracefulRestartTimeSec?: number;
  readonly maxGracefulRestartTimeSec?: number;
  readonly requireCapabilities: readonly (
    | 'graceful restart'
    | 'long lived graceful restart'
    | 'route refresh'
    | 'enhanced route refresh'
    | 'as4'
    | 'extended messages'
    | 'hostname'
  )[];
  readonly bfd?: Partial<BfdInterfaceConfig> & { readonly graceful: boolean };
  readonly channels: readonly BgpChannelConfig[];
}

export type NextHopScope = 'off' | 'all' | 'ibgp' | 'ebgp';

export interface BgpChannelConfig extends ChannelConfig {
  readonly mandatory: boolean;
  readonly nextHopSelf: NextHopScope;
  readonly nextHopKeep: NextHopScope;
  readonly nextHopAddress?: IpAddress;
  readonly gateway: 'direct' | 'recursive';
  readonly igpTable?: string;
  readonly extendedNextHop: boolean;
  readonly requireExtendedNextHop: boolean;
  readonly addPaths: 'off' | 'rx' | 'tx' | 'on';
  readonly requireAddPaths: boolean;
  readonly importTable: boolean;
  readonly exportTable: boolean;
  readonly secondary: boolean;
  readonly gracefulRestart: boolean;
  readonly longLivedGracefulRestart: boolean;
  /** Instead of the protocol's. */
  readonly longLivedStaleTimeSec?: number;
  /** Bounds for what the neighbor announced. */
  readonly minLongLivedStaleTimeSec?: number;
  readonly maxLongLivedStaleTimeSec?: number;
}
