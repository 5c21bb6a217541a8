// The state of one neighbor: an outgoing and an incoming connection (RFC 4271 §6.8, §8) under one
// instance that starts, waits after errors and stops.
//
//   instance:    down ──start──► delayed | waiting | running ──error──► delayed ──wait over──► running
//   connection:  Idle ► Active ► Connect ► OpenSent ► OpenConfirm ► Established   (outgoing)
//                Idle ─────accepted──────► OpenSent ► OpenConfirm ► Established   (incoming)
//
// States are immutable values, except `traffic`: counters and read/write times are updated in place,
// so that an UPDATE costs no copy of the state.

import { earliest } from '@rookery/net';
import type { Deadline } from '@rookery/net';
import type { MessageName } from '../wire/constants.ts';
import type { Open } from '../wire/open.ts';
import type {
  Absence,
  ConnectionRole,
  DownReason,
  Endpoints,
  LastError,
  MessageCounters,
  Negotiated,
  SessionConfig,
  SessionIdentity,
  SessionState,
} from './types.ts';

export type Phase =
  /** Not started, stopped or disabled. */
  | 'down'
  /** Error wait: neither connects nor accepts. */
  | 'delayed'
  /** The neighbor is not on a link of ours. */
  | 'waiting'
  | 'running';

export type Connection =
  | { readonly state: 'Idle' }
  /** `connectAtMs` absent: passive, or the other connection is on its way. */
  | { readonly state: 'Active'; readonly connectAtMs?: number }
  | { readonly state: 'Connect'; readonly retryAtMs: number }
  | {
      readonly state: 'OpenSent';
      readonly endpoints: Endpoints;
      readonly sent: Open;
      /** 0: wait for ever. */
      readonly holdTimeSec: number;
      readonly sendBlockedAtMs?: number;
    }
  | {
      readonly state: 'OpenConfirm' | 'Established';
      readonly endpoints: Endpoints;
      readonly negotiated: Negotiated;
      readonly keepaliveAtMs?: number;
      readonly sendBlockedAtMs?: number;
    };

/** Mutable; all times on the clock of the steps. */
export interface Traffic {
  readonly sent: MessageCounters;
  readonly received: MessageCounters;
  lastReadMs: number | undefined;
  lastWriteMs: number | undefined;
  lastUpdateMs: number | undefined;
  /** When the hold timer of each connection was last restarted. */
  readonly heardMs: Record<ConnectionRole, number>;
}

export interface PeerState {
  readonly config: SessionConfig;
  readonly identity: SessionIdentity;
  readonly phase: Phase;
  /** Why the neighbor cannot be reached at all; absent while it can. */
  readonly absent?: Absence;
  readonly outgoing: Connection;
  readonly incoming: Connection;
  /** Set while Established. */
  readonly established?: ConnectionRole;
  /** The peer refused optional parameters (2/4): the next OPEN goes without. */
  readonly withoutCapabilities: boolean;
  /** Error wait of the next restart after an error; doubles. 0: no recent error. */
  readonly errorDelaySec: number;
  readonly lastErrorMs?: number;
  /** End and full length of the running error wait. */
  readonly delayUntilMs?: number;
  readonly delayTotalSec?: number;
  readonly lastError?: LastError;
  /** Why the last session or instance ended, stops included: FRR's "Last reset". */
  readonly lastReset?: LastError;
  /** The message for which we sent the last NOTIFICATION. */
  readonly offendingMessage?: Uint8Array;
  /** Identifier from the last OPEN we saw; undefined before. */
  readonly remoteId?: string;
  readonly connectionsEstablished: number;
  readonly connectionsDropped: number;
  readonly upSinceMs?: number;
  /** Since when `phase` and `sessionState` are what they are. */
  readonly changedMs: number;
  readonly traffic: Traffic;
}

/** A neighbor that is configured but not started. */
export function createPeer(
  config: SessionConfig,
  identity: SessionIdentity,
  nowMs: number,
): PeerState {
  return {
    config,
    identity,
    phase: 'down',
    outgoing: IDLE,
    incoming: IDLE,
    withoutCapabilities: false,
    errorDelaySec: 0,
    connectionsEstablished: 0,
    connectionsDropped: 0,
    changedMs: nowMs,
    traffic: {
      sent: noMessages(),
      received: noMessages(),
      lastReadMs: undefined,
      lastWriteMs: undefined,
      lastUpdateMs: undefined,
      heardMs: { outgoing: nowMs, incoming: nowMs },
    },
  };
}

/**
 * The same neighbor under a configuration or identity that needs no new session: timers, limits of
 * waiting, restart flags. Takes effect from the next connection on.
 */
export function reconfigurePeer(
  state: PeerState,
  config: SessionConfig,
  identity: SessionIdentity,
): PeerState {
  return { ...state, config, identity };
}

/** The state as consoles print it: the further of both connections. */
export function sessionState(state: PeerState): SessionState {
  const { outgoing, incoming } = state;
  return RANK[outgoing.state] >= RANK[incoming.state] ? outgoing.state : incoming.state;
}

/** BIRD's word: "Passive" while only waiting to be called. */
export function birdSessionState(state: PeerState): SessionState | 'Passive' {
  const word = sessionState(state);
  return word === 'Active' && state.config.passive ? 'Passive' : word;
}

/** What was negotiated, while Established. */
export function negotiatedOf(state: PeerState): Negotiated | undefined {
  if (!state.established) return undefined;
  const connection = state[state.established];
  return connection.state === 'Established' ? connection.negotiated : undefined;
}

/** Counts messages that the engine encoded itself (UPDATE, ROUTE-REFRESH). */
export function countSent(
  state: PeerState,
  message: MessageName,
  count: number,
  nowMs: number,
): void {
  state.traffic.sent[message] += count;
  state.traffic.lastWriteMs = nowMs;
}

/** Remaining and full time of each running timer, for the consoles; milliseconds and seconds. */
export interface TimerView {
  readonly remainingMs: number;
  readonly totalSec: number;
}

export interface PeerTimers {
  readonly hold?: TimerView;
  readonly keepalive?: TimerView;
  readonly sendHold?: TimerView;
  readonly connectDelay?: TimerView;
  readonly connectRetry?: TimerView;
  readonly errorWait?: TimerView;
}

export function peerTimers(state: PeerState, nowMs: number): PeerTimers {
  const { config, outgoing } = state;
  const view = (atMs: number, totalSec: number): TimerView => ({
    remainingMs: Math.max(0, atMs - nowMs),
    totalSec,
  });
  const negotiated = negotiatedOf(state);
  const connection = state.established && state[state.established];
  const live = connection?.state === 'Established' ? connection : undefined;
  return {
    ...(state.delayUntilMs !== undefined && {
      errorWait: view(state.delayUntilMs, state.delayTotalSec ?? 0),
    }),
    ...(outgoing.state === 'Active' &&
      outgoing.connectAtMs !== undefined && {
        connectDelay: view(outgoing.connectAtMs, config.connectDelayTimeSec),
      }),
    ...(outgoing.state === 'Connect' && {
      connectRetry: view(outgoing.retryAtMs, config.connectRetryTimeSec),
    }),
    ...(negotiated &&
      live &&
      negotiated.holdTimeSec > 0 && {
        hold: view(holdDeadline(state, state.established!)!, negotiated.holdTimeSec),
        keepalive: view(live.keepaliveAtMs ?? nowMs, negotiated.keepaliveTimeSec),
      }),
    ...(negotiated &&
      live &&
      negotiated.sendHoldTimeSec > 0 && {
        sendHold: view(
          (live.sendBlockedAtMs ?? nowMs) + negotiated.sendHoldTimeSec * 1000,
          negotiated.sendHoldTimeSec,
        ),
      }),
  };
}

/** When the machine wants `timerExpired` next. */
export function peerDeadline(state: PeerState): Deadline {
  return earliest(
    state.phase === 'delayed' ? state.delayUntilMs : undefined,
    connectionDeadline(state, 'outgoing'),
    connectionDeadline(state, 'incoming'),
  );
}

/** When the hold timer of a connection runs out; OPEN wait included. */
export function holdDeadline(state: PeerState, role: ConnectionRole): Deadline {
  const connection = state[role];
  switch (connection.state) {
    case 'OpenSent':
      return connection.holdTimeSec > 0
        ? state.traffic.heardMs[role] + connection.holdTimeSec * 1000
        : undefined;
    case 'OpenConfirm':
    case 'Established': {
      const { holdTimeSec } = connection.negotiated;
      return holdTimeSec > 0 ? state.traffic.heardMs[role] + holdTimeSec * 1000 : undefined;
    }
    default:
      return undefined;
  }
}

/** RFC 9687: when a peer that does not read is given up. */
export function sendHoldDeadline(connection: Connection): Deadline {
  if (connection.state !== 'OpenConfirm' && connection.state !== 'Established') return undefined;
  const { sendHoldTimeSec } = connection.negotiated;
  return connection.sendBlockedAtMs !== undefined && sendHoldTimeSec > 0
    ? connection.sendBlockedAtMs + sendHoldTimeSec * 1000
    : undefined;
}

export const IDLE: Connection = { state: 'Idle' };

export function lastErrorOf(reason: DownReason, atMs: number): LastError {
  return { reason, atMs };
}

const RANK: Readonly<Record<SessionState, number>> = {
  Idle: 0,
  Active: 1,
  Connect: 2,
  OpenSent: 3,
  OpenConfirm: 4,
  Established: 5,
};

function connectionDeadline(state: PeerState, role: ConnectionRole): Deadline {
  const connection = state[role];
  switch (connection.state) {
    case 'Idle':
      return undefined;
    case 'Active':
      return connection.connectAtMs;
    case 'Connect':
      return connection.retryAtMs;
    case 'OpenSent':
      return holdDeadline(state, role);
    case 'OpenConfirm':
    case 'Established':
      return earliest(
        holdDeadline(state, role),
        connection.keepaliveAtMs,
        sendHoldDeadline(connection),
      );
  }
}

function noMessages(): MessageCounters {
  return { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 };
}
