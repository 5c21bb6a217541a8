// One BGP session in the JSON control schema: who, how it stands, what protects it, what went over
// it, and why it last ended.

import type { IpAddress, Prefix } from '@rookery/net';
import type {
  BfdState,
  BgpStateName,
  BgpView,
  EngineMs,
  MessageCounts,
  ProtocolView,
  ResetReason,
} from '@rookery/router';

export interface SessionState {
  readonly protocol: string;
  readonly description?: string;
  /** Absent for the protocol that owns a range. */
  readonly neighbor?: IpAddress;
  readonly neighborRange?: Prefix;
  readonly neighborAs: number;
  readonly localAs: number;
  readonly neighborId?: IpAddress;
  readonly state: BgpStateName;
  readonly passive: boolean;
  /** Last change of the state. */
  readonly sinceMs: number;
  readonly establishedMs?: number;
  /** Negotiated; 0 switches detection off. Absent before the first OPEN. */
  readonly holdTimeSec?: number;
  /** When the session ends unless something is received. */
  readonly holdDueMs?: number;
  /** When the next attempt starts, while there is no session. */
  readonly retryDueMs?: number;
  readonly lastReadMs?: number;
  readonly lastError?: string;
  readonly lastReset?: { readonly atMs: number; readonly reason: ResetReason };
  readonly connectionsEstablished: number;
  readonly connectionsDropped: number;
  readonly sent: MessageCounts;
  readonly received: MessageCounts;
  /** Accepted from and sent to this neighbor, all families. */
  readonly receivedPrefixes: number;
  readonly sentPrefixes: number;
  readonly local?: IpAddress;
  readonly localPort?: number;
  readonly remotePort?: number;
  readonly rttMs?: number;
  readonly gracefulRestartActive: boolean;
  /** BFD was asked for; "none" while it has no session. */
  readonly bfd?: BfdState | 'none';
  readonly neighborHostname?: string;
  readonly families: readonly {
    readonly family: string;
    readonly negotiated: boolean;
    readonly received: number;
    readonly sent: number;
  }[];
}

export function sessionState(
  protocol: ProtocolView,
  bgp: BgpView,
  unix: (ms: EngineMs) => number,
): SessionState {
  const retry = bgp.timers.errorWait ?? bgp.timers.connectDelay ?? bgp.timers.connectRetry;
  const { connection, timers, neighborCapabilities } = bgp;
  return {
    protocol: protocol.name,
    ...(protocol.description !== undefined && { description: protocol.description }),
    ...(bgp.neighborAddress !== undefined && { neighbor: bgp.neighborAddress }),
    ...(bgp.neighborRange !== undefined && { neighborRange: bgp.neighborRange }),
    neighborAs: bgp.neighborAs,
    localAs: bgp.localAs,
    ...(bgp.neighborId !== undefined && { neighborId: bgp.neighborId }),
    state: bgp.state,
    passive: bgp.passive,
    sinceMs: unix(protocol.sinceMs),
    ...(bgp.establishedMs !== undefined && { establishedMs: unix(bgp.establishedMs) }),
    ...(bgp.negotiated && { holdTimeSec: bgp.negotiated.holdTimeSec }),
    ...(timers.hold && { holdDueMs: unix(timers.hold.dueMs) }),
    ...(bgp.state !== 'Established' && retry && { retryDueMs: unix(retry.dueMs) }),
    ...(bgp.lastReadMs !== undefined && { lastReadMs: unix(bgp.lastReadMs) }),
    ...(bgp.lastError && { lastError: bgp.lastError.text }),
    ...(bgp.lastReset && {
      lastReset: { atMs: unix(bgp.lastReset.atMs), reason: bgp.lastReset.reason },
    }),
    connectionsEstablished: bgp.connectionsEstablished,
    connectionsDropped: bgp.connectionsDropped,
    sent: bgp.sent,
    received: bgp.received,
    receivedPrefixes: protocol.channels.reduce((sum, c) => sum + c.counts.imported, 0),
    sentPrefixes: protocol.channels.reduce((sum, c) => sum + c.counts.exported, 0),
    ...(connection && {
      local: connection.local,
      localPort: connection.localPort,
      remotePort: connection.remotePort,
    }),
    ...(connection?.rttMs !== undefined && { rttMs: connection.rttMs }),
    gracefulRestartActive: bgp.restarting,
    ...(bgp.bfd && { bfd: bgp.bfd.state ?? 'none' }),
    ...(neighborCapabilities?.hostname && { neighborHostname: neighborCapabilities.hostname.host }),
    families: bgp.families.map((f) => ({
      family: f.family,
      negotiated: f.negotiated,
      received: f.acceptedPrefixes,
      sent: f.sentPrefixes,
    })),
  };
}
