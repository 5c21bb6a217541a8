// The contract of the session machine (RFC 4271 §8): configuration, facts in, orders out, what was
// negotiated, why a session ended. Plain data only; the machine itself is in step-peer.ts and never
// sees a socket, a clock or a route.

import type { Family, IpAddress } from '@rookery/net';
import type { Notification, WireFault } from '../wire/fault.ts';
import type { CapabilitySet } from '../wire/capability-set.ts';
import type { MessageName } from '../wire/constants.ts';

/** Off: not spoken; aware: helper only (BIRD's default); on: we too keep forwarding state. */
export type GracefulMode = 'off' | 'aware' | 'on';
export type RoleName = 'provider' | 'rs_server' | 'rs_client' | 'customer' | 'peer';
/** Names of `require ...` options. */
export type RequiredCapability =
  | 'graceful restart'
  | 'long lived graceful restart'
  | 'route refresh'
  | 'enhanced route refresh'
  | 'as4'
  | 'extended messages'
  | 'hostname';

export interface SessionChannelConfig {
  /** 'ipv4' or 'ipv6'; other net types are no BGP channel and are skipped. */
  readonly netType: string;
  readonly mandatory: boolean;
  readonly extendedNextHop: boolean;
  readonly requireExtendedNextHop: boolean;
  readonly addPaths: 'off' | 'rx' | 'tx' | 'on';
  readonly requireAddPaths: boolean;
  readonly gracefulRestart: boolean;
  readonly longLivedGracefulRestart: boolean;
  /** Instead of the session's. */
  readonly longLivedStaleTimeSec?: number;
  /** Bounds for the stale time that the peer asks for. */
  readonly minLongLivedStaleTimeSec?: number;
  readonly maxLongLivedStaleTimeSec?: number;
}

/** What the operator set, as far as the session cares. `BgpConfig` of the router satisfies it. */
export interface SessionConfig {
  readonly localAs: number;
  /** 0: any AS that fits `peerType`. */
  readonly neighborAs: number;
  readonly peerType: 'internal' | 'external';
  readonly confederation?: number;
  readonly confederationMember: boolean;
  readonly passive: boolean;
  readonly vrf?: string;
  readonly holdTimeSec: number;
  readonly startupHoldTimeSec: number;
  readonly keepaliveTimeSec?: number;
  readonly minHoldTimeSec: number;
  /** A hold time that leads to more frequent keepalives is refused. */
  readonly minKeepaliveTimeSec: number;
  readonly sendHoldTimeSec?: number;
  readonly connectDelayTimeSec: number;
  readonly connectRetryTimeSec: number;
  readonly errorWaitTimeMinSec: number;
  readonly errorWaitTimeMaxSec: number;
  readonly errorForgetTimeSec: number;
  readonly disableAfterError: boolean;
  readonly disableAfterCease: readonly number[];
  readonly capabilities: boolean;
  readonly enableRouteRefresh: boolean;
  readonly enableEnhancedRouteRefresh: boolean;
  readonly enableAs4: boolean;
  readonly enableExtendedMessages: boolean;
  readonly advertiseHostname: boolean;
  readonly advertiseSoftwareVersion: boolean;
  readonly gracefulRestart: GracefulMode;
  readonly gracefulRestartTimeSec: number;
  /** RFC 8538: the N bit, so that a NOTIFICATION keeps routes unless it is a Hard Reset. */
  readonly gracefulNotification: boolean;
  readonly longLivedGracefulRestart: GracefulMode;
  readonly longLivedStaleTimeSec: number;
  readonly minGracefulRestartTimeSec?: number;
  readonly maxGracefulRestartTimeSec?: number;
  readonly requireCapabilities: readonly RequiredCapability[];
  readonly localRole?: RoleName;
  readonly requireRoles: boolean;
  /** `graceful`: a BFD failure keeps routes like any other silent loss. */
  readonly bfd?: { readonly graceful: boolean };
  readonly channels: readonly SessionChannelConfig[];
}

/** What the engine adds to the configuration. */
export interface SessionIdentity {
  /** BGP Identifier, dotted quad. */
  readonly routerId: IpAddress;
  readonly hostname?: string;
  /** Program and version, e.g. "Rookery/0.1.0". */
  readonly softwareVersion?: string;
  /** For log lines and errors; the configured or dynamic neighbor. */
  readonly neighborAddress: IpAddress;
  readonly interface?: string;
  /** The address we connect from, when known before the connection is. */
  readonly localAddress?: IpAddress;
  /** RFC 4724 §4.1: our own restart is in progress, and the kernel went on forwarding. */
  readonly restarting: boolean;
}

/** The transport in which direction the TCP connection was opened. */
export type ConnectionRole = 'outgoing' | 'incoming';

/** States of RFC 4271 §8.2.2 as printed. */
export type SessionState =
  | 'Idle'
  | 'Connect'
  | 'Active'
  | 'OpenSent'
  | 'OpenConfirm'
  | 'Established';

export interface TransportError {
  readonly operation: string;
  /** errno name, or "EOF" for an orderly close. */
  readonly code: string;
  readonly message: string;
}

export interface Endpoints {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly interface?: string;
}

/** What is missing on our side: the neighbor's network, the carrier, the VRF of the session. */
export type Absence = 'neighbor' | 'link' | 'vrf';

/** Why the engine stops a session; each kind has its NOTIFICATION (bird.md §3.5). */
export type StopReason =
  /** 6/2, RFC 9003 text. */
  | { readonly kind: 'adminShutdown'; readonly text?: string }
  /** 6/4, RFC 9003 text. */
  | { readonly kind: 'adminReset'; readonly text?: string }
  /** 6/3: removed from the configuration or disabled there. */
  | { readonly kind: 'deconfigured' }
  /** 6/6: the new configuration needs a new session. */
  | { readonly kind: 'configChanged' }
  /** Limits: receive and import 6/1, export 6/4 or, when disabling, 6/2. */
  | {
      readonly kind: 'limitReached';
      readonly limit: 'receive' | 'import' | 'export';
      readonly action: 'restart' | 'disable';
    }
  /** No NOTIFICATION: the peer shall keep our routes (RFC 4724 §4.1). */
  | { readonly kind: 'gracefulRestart' };

export type SessionEvent =
  | { readonly kind: 'start' }
  /** Stays down until `start`; except `limitReached` with action restart, which waits and retries. */
  | { readonly kind: 'stop'; readonly reason: StopReason }
  /** The neighbor's address is (no longer) on a link of ours, or the link is (no longer) up. */
  | { readonly kind: 'neighborLost'; readonly because: Absence }
  | { readonly kind: 'neighborFound' }
  | { readonly kind: 'bfdDown' }
  | { readonly kind: 'bfdUp' }
  /** Answers of the `connect` action. */
  | ({ readonly kind: 'tcpConnected' } & Endpoints)
  | {
      readonly kind: 'tcpConnectFailed';
      readonly error: TransportError;
      /** Our own kernel refused an option of the socket: nothing was sent. */
      readonly refusedHere?: boolean;
    }
  /** The source address belongs to this peer; answered by acceptTransport or rejectTransport. */
  | ({ readonly kind: 'tcpAccepted' } & Endpoints)
  | {
      readonly kind: 'tcpClosed';
      readonly connection: ConnectionRole;
      /** Absent for an orderly close. */
      readonly error?: TransportError;
    }
  /** One whole message with header, [start, end) of bytes; not kept after the step. */
  | {
      readonly kind: 'messageReceived';
      readonly connection: ConnectionRole;
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly end: number;
    }
  /** The frame reader refused the stream. */
  | {
      readonly kind: 'framingFailed';
      readonly connection: ConnectionRole;
      readonly notification: Notification;
    }
  /** The engine decoded an UPDATE and found a fault with reaction `sessionReset`. */
  | {
      readonly kind: 'updateRejected';
      readonly fault: WireFault;
      /** A copy of the message, kept for FRR's "message received that caused". */
      readonly message?: Uint8Array;
    }
  /** RFC 9687: bytes wait in our queue for the peer to read (true), or all are with the kernel. */
  | {
      readonly kind: 'sendQueueChanged';
      readonly connection: ConnectionRole;
      readonly waiting: boolean;
    }
  /** The deadline of the last step has passed; which timer it was is the machine's business. */
  | { readonly kind: 'timerExpired' };

export type SessionAction =
  /** Open a TCP connection to the neighbor; answered by tcpConnected or tcpConnectFailed. */
  | { readonly kind: 'connect' }
  | {
      readonly kind: 'sendMessage';
      readonly connection: ConnectionRole;
      readonly bytes: Uint8Array;
    }
  /** Close after flushing (`reset`: at once). No further facts of this connection are expected. */
  | {
      readonly kind: 'closeTransport';
      readonly connection: ConnectionRole;
      readonly reset: boolean;
    }
  /** The connection of this step's tcpAccepted is `incoming` from now on. */
  | { readonly kind: 'acceptTransport' }
  /** The connection of this step's tcpAccepted is refused: close it. */
  | { readonly kind: 'rejectTransport' }
  /** RFC 8654: messages of this connection may now be up to 65535 octets: `reader.allowExtended()`. */
  | { readonly kind: 'extendedMessagesAgreed'; readonly connection: ConnectionRole }
  | {
      readonly kind: 'sessionUp';
      readonly connection: ConnectionRole;
      readonly negotiated: Negotiated;
    }
  /** Only after sessionUp. `retention` says which routes of the peer may be kept as stale. */
  | { readonly kind: 'sessionDown'; readonly reason: DownReason; readonly retention: Retention }
  /** BIRD: the instance goes from start or up to stop; print "State changed to stop". */
  | { readonly kind: 'instanceStopping'; readonly reason: DownReason }
  /**
   * Everything is closed. `restart`: the machine goes on by itself (flush, down, start are printed
   * now); `disable`: it stays down until `start` (disable after error/cease); `stay`: stopped as asked.
   */
  | {
      readonly kind: 'instanceStopped';
      readonly reason: DownReason;
      readonly after: 'restart' | 'disable' | 'stay';
    }
  /** An UPDATE in Established, the whole message; decode before returning to the reader. */
  | {
      readonly kind: 'updateReceived';
      readonly bytes: Uint8Array;
      readonly start: number;
      readonly end: number;
    }
  /** RFC 2918, RFC 7313: `family` undefined when it is not one we route or not negotiated. */
  | {
      readonly kind: 'refreshReceived';
      readonly subtype: 'request' | 'begin' | 'end';
      readonly family: Family;
    }
  /** Log class in BIRD's words; the engine adds the protocol's name. */
  | { readonly kind: 'log'; readonly level: SessionLogLevel; readonly text: string };

/** BIRD's classes; `packets` and `events` are TRACE lines behind the debug flag of that name. */
export type SessionLogLevel =
  | 'events'
  | 'packets'
  | 'states'
  | 'remote'
  | 'warning'
  | 'error'
  | 'info';

/** Why a session or an attempt ended: one value for log, console, metric, event and doctor. */
export type DownReason =
  /** The peer sent a NOTIFICATION. `text` is RFC 9003's, escaped; `hard` RFC 8538. */
  | {
      readonly kind: 'notificationReceived';
      readonly side: 'remote';
      readonly category: DownCategory;
      readonly code: number;
      readonly subcode: number;
      readonly data: Uint8Array;
      readonly text?: string;
      readonly hard: boolean;
    }
  /** We found fault with the peer and said so; includes hold timer (4/0) and send hold (8/0). */
  | {
      readonly kind: 'notificationSent';
      readonly side: 'local';
      readonly category: DownCategory;
      readonly code: number;
      readonly subcode: number;
      readonly data: Uint8Array;
      /** What exactly, e.g. "RFC 7606 §5.3: prefix length 33". */
      readonly detail?: string;
    }
  | {
      readonly kind: 'transportFailed';
      readonly side: 'remote';
      readonly category: 'transport';
      readonly error: TransportError;
    }
  | {
      readonly kind: 'stopped';
      readonly side: 'local';
      readonly category: 'admin' | 'config' | 'limit';
      readonly reason: StopReason;
    }
  | {
      readonly kind: 'neighborLost';
      readonly side: 'local';
      readonly category: 'transport';
      readonly because: Absence;
    }
  | { readonly kind: 'bfdDown'; readonly side: 'local'; readonly category: 'bfd' }
  /** RFC 4724 §4.2: the peer opened a new connection while the old one was Established. */
  | { readonly kind: 'peerRestarted'; readonly side: 'remote'; readonly category: 'transport' };

export type DownCategory = 'admin' | 'config' | 'protocol' | 'transport' | 'limit' | 'bfd';

/** What may be kept of the peer's routes; see `retentionFor`. */
export interface Retention {
  readonly families: readonly FamilyRetention[];
}

export interface FamilyRetention {
  readonly family: Family;
  /** Seconds for which the routes stay as they are; 0 when only long-lived. */
  readonly restartTimeSec: number;
  /** Seconds after that for which they stay as LLGR stale; 0: none. */
  readonly llgrStaleTimeSec: number;
}

/** The outcome of both OPENs. */
export interface Negotiated {
  readonly peerAs: number;
  /** BGP Identifier of the peer. */
  readonly peerId: IpAddress;
  readonly peerType: 'internal' | 'external';
  readonly as4: boolean;
  readonly extendedMessages: boolean;
  readonly routeRefresh: boolean;
  readonly enhancedRouteRefresh: boolean;
  readonly families: readonly NegotiatedFamily[];
  /** 0: no hold timer and no keepalives. */
  readonly holdTimeSec: number;
  readonly keepaliveTimeSec: number;
  /** 0: off. */
  readonly sendHoldTimeSec: number;
  /** Both sides sent the graceful restart capability. */
  readonly gracefulRestart: boolean;
  /** RFC 8538: both sides set the N bit. */
  readonly gracefulNotification: boolean;
  readonly longLived: boolean;
  readonly local: CapabilitySet;
  readonly remote: CapabilitySet;
  readonly endpoints: Endpoints;
}

export interface NegotiatedFamily {
  readonly family: Family;
  /** RFC 7911: we send path identifiers. */
  readonly addPathTx: boolean;
  /** The peer sends path identifiers. */
  readonly addPathRx: boolean;
  /** RFC 8950: an IPv6 next hop is legal. Always false for ipv6. */
  readonly extendedNextHop: boolean;
}

/** Messages by type, one direction. */
export type MessageCounters = Record<MessageName, number>;

/** What the consoles print as the last error, with its class word (BIRD: "Received: ", "Socket: "). */
export interface LastError {
  readonly reason: DownReason;
  readonly atMs: number;
}
