// The engine's whole contact with the world: facts in (past tense), orders out (imperatives).
// Everything is plain data; bytes are Uint8Array in memory and base64 in a recording. The platform
// (packages/linux, or the simulator) executes orders and answers with facts; an order that fails
// comes back as a fact, never as an exception.

import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { Dest, Nexthop } from '@rookery/rib';
import type { BfdInterfaceConfig, LogClass } from './config.ts';

/** Chosen by the engine for connects, by the platform (negative numbers) for accepted connections. */
export type ConnectionId = number;
export type ListenerId = number;

export type Fact =
  | {
      readonly kind: 'tcpConnected';
      readonly connection: ConnectionId;
      readonly local: IpAddress;
      readonly localPort: number;
      readonly remote: IpAddress;
      readonly remotePort: number;
      readonly interface?: string;
      readonly mss?: number;
    }
  | {
      readonly kind: 'tcpConnectFailed';
      readonly connection: ConnectionId;
      readonly error: PlatformError;
      /** The kernel refused an option of the socket: nothing was sent. */
      readonly refusedHere?: boolean;
    }
  | {
      readonly kind: 'tcpAccepted';
      readonly connection: ConnectionId;
      readonly listener: ListenerId;
      readonly local: IpAddress;
      readonly localPort: number;
      readonly remote: IpAddress;
      readonly remotePort: number;
      readonly interface?: string;
      readonly mss?: number;
    }
  /** `bytes` are the engine's until `handle` returns; what it keeps, it copies. */
  | { readonly kind: 'tcpReceived'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** The socket buffer took everything that was queued; sending may go on. */
  | { readonly kind: 'tcpDrained'; readonly connection: ConnectionId }
  | {
      readonly kind: 'tcpClosed';
      readonly connection: ConnectionId;
      readonly error?: PlatformError;
    }
  | { readonly kind: 'tcpListening'; readonly listener: ListenerId }
  | {
      readonly kind: 'tcpListenFailed';
      readonly listener: ListenerId;
      readonly error: PlatformError;
    }
  /** Complete picture; interfaces that are missing are gone. Sent at start, on `scanInterfaces` and on every netlink change. */
  | {
      readonly kind: 'interfacesScanned';
      readonly interfaces: readonly InterfaceFact[];
      readonly because: 'scan' | 'event';
    }
  | {
      readonly kind: 'kernelScanned';
      readonly table: number;
      readonly family: Family;
      readonly routes: readonly KernelRoute[];
    }
  /** The answer to `scanKernel` when the dump could not be had; the engine keeps what it knows. */
  | {
      readonly kind: 'kernelScanFailed';
      readonly table: number;
      readonly family: Family;
      readonly error: PlatformError;
    }
  /** An asynchronous change made by somebody else. */
  | {
      readonly kind: 'kernelRouteChanged';
      readonly change: 'new' | 'removed';
      readonly route: KernelRoute;
    }
  /** The answer to `scanNexthops`; no objects: the kernel knows none, or would not say. */
  | {
      readonly kind: 'nexthopsScanned';
      readonly seq: number;
      readonly objects?: readonly KernelNexthopObject[];
    }
  /** The netlink socket overflowed; the engine asks for a scan. */
  | { readonly kind: 'kernelOverrun' }
  /** An order of changes was executed; what failed is named by its index, in order. */
  | {
      readonly kind: 'kernelDone';
      readonly seq: number;
      readonly failures: readonly { readonly index: number; readonly error: PlatformError }[];
    }
  | { readonly kind: 'fileFailed'; readonly path: string; readonly error: PlatformError }
  /** A Router Solicitation or Advertisement (RFC 4861) with a good checksum. */
  | {
      readonly kind: 'discoveryReceived';
      readonly interface: string;
      readonly source: IpAddress;
      readonly hopLimit: number;
      readonly bytes: Uint8Array;
    }
  /** The socket of an interface could not be opened, or not be written; it is closed. */
  | {
      readonly kind: 'discoveryFailed';
      readonly interface: string;
      readonly error: PlatformError;
    }
  | {
      readonly kind: 'bfdChanged';
      readonly remote: IpAddress;
      readonly interface?: string;
      readonly multihop?: boolean;
      readonly state: BfdState;
      /** For consoles; a fact without change of state may be sent to refresh them. */
      readonly session?: BfdSessionDetails;
    };

export interface BfdSessionDetails {
  readonly remoteState: BfdState;
  readonly localDiscriminator: number;
  readonly remoteDiscriminator: number;
  /** RFC 5880 §4.1, 0-8. */
  readonly localDiagnostic: number;
  readonly remoteDiagnostic: number;
  readonly txIntervalUs: number;
  readonly detectTimeUs: number;
  readonly remoteMultiplier: number;
  readonly remoteMinTxUs: number;
  readonly remoteMinRxUs: number;
  /** What we announce; 0: the neighbor's echo packets are not returned. */
  readonly minEchoRxUs: number;
  /** 0 while we send none. */
  readonly echoTxIntervalUs: number;
  readonly remoteMinEchoRxUs: number;
  readonly echoesReceived: number;
  readonly echoesSent: number;
  /** Round trips of echo packets; absent before the first. */
  readonly echoRtt?: EchoRoundTrips;
  readonly packetsReceived: number;
  readonly packetsSent: number;
}

export interface EchoRoundTrips {
  readonly minUs: number;
  readonly averageUs: number;
  readonly maxUs: number;
}

export type BfdState = 'AdminDown' | 'Down' | 'Init' | 'Up';

export interface PlatformError {
  /** The system call or operation, e.g. "connect". */
  readonly operation: string;
  /** errno name, e.g. "ECONNREFUSED"; "EOF" for an orderly close. */
  readonly code: string;
  /** Text as strerror gives it, e.g. "Connection refused". */
  readonly message: string;
}

export interface InterfaceFact {
  readonly name: string;
  readonly ifindex: number;
  readonly masterIfindex?: number;
  readonly mtu: number;
  readonly adminUp: boolean;
  readonly linkUp: boolean;
  readonly flags: {
    readonly broadcast: boolean;
    readonly multicast: boolean;
    readonly loopback: boolean;
    readonly pointToPoint: boolean;
  };
  readonly macAddress?: string;
  readonly addresses: readonly InterfaceAddress[];
  /** net.ipv4.conf.NAME.send_redirects or …all…, when readable: an IPv4 client on this link may be redirected. */
  readonly sendRedirects?: boolean;
}

export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly length: number;
  readonly opposite?: IpAddress;
  readonly scope: 'universe' | 'site' | 'link' | 'host';
  readonly secondary: boolean;
  readonly tentative?: boolean;
}

/** A route as the kernel has it or should have it. */
export interface KernelRoute {
  readonly family: Family;
  readonly table: number;
  readonly net: Prefix;
  /** rtm_protocol: 12 bird, 2 kernel, 3 boot, 4 static, … */
  readonly protocol: number;
  readonly metric: number;
  readonly dest: Dest;
  /** rtm_scope: 0 universe, 253 link. */
  readonly scope?: number;
  readonly nexthops: readonly KernelNexthop[];
  readonly prefsrc?: IpAddress;
  readonly realm?: number;
  readonly metrics?: Readonly<Record<string, number>>;
  /** Next hop object that the route refers to; `nexthops` are then what it stands for. */
  readonly nexthopId?: number;
  readonly type?: number;
  readonly tos?: number;
}

/** What a kernel route looks like apart from its prefix. */
export type KernelRouteShape = Omit<KernelRoute, 'net'>;

/** Changes of routes of one family, in their order, in columns with an element per change. */
export interface KernelRouteBatch {
  readonly family: Family;
  readonly count: number;
  readonly shapes: readonly KernelRouteShape[];
  /** Index into `shapes`. */
  readonly shapeOf: Uint16Array;
  /** KERNEL_CHANGE. */
  readonly changes: Uint8Array;
  /** The prefix: one word for IPv4, four for IPv6, and its length. */
  readonly words: Int32Array;
  readonly lengths: Uint8Array;
}

/** A next hop object: one next hop, a group of others, or something that we never make. */
export interface KernelNexthopObject {
  readonly id: number;
  /** As of routes. */
  readonly protocol: number;
  readonly hop?: KernelNexthop;
  readonly members?: readonly { readonly id: number; readonly weight: number }[];
  readonly blackhole?: true;
}

/** A next hop with the interface by index; the name may be unknown (BIRD's "unknown ifindex"). */
export type KernelNexthop = Omit<Nexthop, 'interface'> & { readonly interface?: string };

export type Order =
  | {
      readonly kind: 'tcpConnect';
      readonly connection: ConnectionId;
      readonly remote: IpAddress;
      readonly remotePort: number;
      readonly options: TcpOptions;
    }
  | { readonly kind: 'tcpSend'; readonly connection: ConnectionId; readonly bytes: Uint8Array }
  /** `reset`: RST instead of FIN. Bytes sent before are flushed first unless `reset`. */
  | { readonly kind: 'tcpClose'; readonly connection: ConnectionId; readonly reset?: boolean }
  | {
      readonly kind: 'tcpListen';
      readonly listener: ListenerId;
      readonly family: Family;
      readonly address?: IpAddress;
      readonly port: number;
      readonly options: ListenOptions;
    }
  | { readonly kind: 'tcpCloseListener'; readonly listener: ListenerId }
  /** Socket options of one accepted connection, which came in with those of its shared listener. */
  | {
      readonly kind: 'tcpConfigure';
      readonly connection: ConnectionId;
      readonly options: Pick<TcpOptions, 'ttl' | 'minTtl' | 'tos'>;
    }
  /** Key for connections from this peer or prefix; `undefined` removes it. */
  | {
      readonly kind: 'setListenerKey';
      readonly listener: ListenerId;
      readonly peer: Prefix;
      readonly key?: TcpKey;
    }
  | { readonly kind: 'scanInterfaces' }
  | { readonly kind: 'scanKernel'; readonly table: number; readonly family: Family }
  | { readonly kind: 'scanNexthops'; readonly seq: number }
  /** Executed in order; answered by `kernelDone` with the same `seq`, as is `kernelNexthop`. */
  | { readonly kind: 'kernelRoutes'; readonly seq: number; readonly batch: KernelRouteBatch }
  | {
      readonly kind: 'kernelNexthop';
      readonly seq: number;
      readonly change: 'add' | 'remove';
      readonly object: KernelNexthopObject;
    }
  /**
   * Octets to a file; `create` begins it anew. Answered only by `fileFailed`. With `nameTimeMs` (Unix
   * milliseconds) the path is a strftime pattern for that moment, in local time.
   */
  | {
      readonly kind: 'writeFile';
      readonly path: string;
      readonly bytes: Uint8Array;
      readonly mode: 'create' | 'append';
      readonly nameTimeMs?: number;
    }
  | { readonly kind: 'log'; readonly class: LogClass; readonly text: string }
  /** Router Discovery on an interface, from now on; what comes in is a fact. */
  | { readonly kind: 'discoveryOpen'; readonly interface: string }
  /** Hop limit 255, from the link-local address of the interface. */
  | {
      readonly kind: 'discoverySend';
      readonly interface: string;
      readonly destination: IpAddress;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'discoveryClose'; readonly interface: string }
  | {
      readonly kind: 'bfdRequest';
      readonly remote: IpAddress;
      readonly local?: IpAddress;
      readonly interface?: string;
      readonly multihop: boolean;
      readonly options: BfdInterfaceConfig;
    }
  | {
      readonly kind: 'bfdRelease';
      readonly remote: IpAddress;
      readonly interface?: string;
      readonly multihop: boolean;
    };

/** What signs the segments of a connection. */
export type TcpKey =
  /** RFC 2385. */
  | { readonly kind: 'md5'; readonly secret: string }
  /** RFC 5925; the first one signs until the peer asks for another. */
  | { readonly kind: 'ao'; readonly keys: readonly TcpAoKey[] };

export interface TcpAoKey {
  readonly sendId: number;
  readonly recvId: number;
  /** As the kernel names it, e.g. "hmac(sha1)". */
  readonly algorithm: string;
  /** Octets. */
  readonly secret: readonly number[];
}

export interface TcpOptions {
  readonly local?: IpAddress;
  readonly localPort?: number;
  /** IP_TTL / hop limit of what we send. */
  readonly ttl?: number;
  /** GTSM (RFC 5082): IP_MINTTL of what we accept. */
  readonly minTtl?: number;
  readonly interface?: string;
  readonly vrf?: string;
  readonly key?: TcpKey;
  /** DSCP octet; BIRD and FRR use 0xc0 (CS6). */
  readonly tos?: number;
  readonly mss?: number;
}

export interface ListenOptions {
  /** The address need not be there yet. */
  readonly freeBind?: boolean;
  readonly ttl?: number;
  readonly minTtl?: number;
  readonly vrf?: string;
  readonly tos?: number;
}
