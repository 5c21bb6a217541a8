// The session machine: (state, event, now) to (state, actions, deadline). RFC 4271 §8 with the
// extensions named in its parts: connections.ts (TCP), messages.ts (BGP), timers.ts, lifecycle.ts
// (instance). Total: every event is legal in every state, stale facts change nothing. It decodes no
// routes: an UPDATE passes through as a slice.

import { assertNever } from '@rookery/net';
import type { Deadline } from '@rookery/net';
import { CEASE } from '../wire/constants.ts';
import { ceaseNotification } from '../wire/notification.ts';
import { MESSAGE } from '../wire/constants.ts';
import { loseSession, onAccepted, onClosed, onConnectFailed, onConnected } from './connections.ts';
import { beginRunning, endInstance, failConnection, stopInstance } from './lifecycle.ts';
import { onMessage } from './messages.ts';
import { ABSENCE_TEXTS } from './down-reason.ts';
import { peerDeadline } from './peer-state.ts';
import type { PeerState } from './peer-state.ts';
import { hasTransport, log, setConnection } from './step.ts';
import type { Step } from './step.ts';
import { onTimer } from './timers.ts';
import type { Absence, ConnectionRole, DownReason, SessionAction, SessionEvent } from './types.ts';

export interface PeerStep {
  readonly state: PeerState;
  readonly actions: readonly SessionAction[];
  /** When to deliver `timerExpired`; earlier is harmless. */
  readonly deadline: Deadline;
}

/** One step. `random` is uniform in [0, 1) and is drawn only for jitter. */
export function stepPeer(
  state: PeerState,
  event: SessionEvent,
  nowMs: number,
  random: () => number,
): PeerStep {
  if (event.kind === 'messageReceived') {
    const { connection, bytes, start, end } = event;
    if (hearUpdate(state, connection, bytes[start + 18]!, nowMs)) {
      const actions: SessionAction[] = [{ kind: 'updateReceived', bytes, start, end }];
      return { state, actions, deadline: peerDeadline(state) };
    }
  }
  const step: Step = { state: { ...state }, actions: [], nowMs, random };
  dispatch(step, event);
  return { state: step.state, actions: step.actions, deadline: peerDeadline(step.state) };
}

/**
 * The hot path: an UPDATE in Established changes nothing but counters and the hold timer, in place. A
 * caller may take that step by itself, message by message, and ask for `peerDeadline` after the
 * last. False for any other message or state: it is for `stepPeer`.
 */
export function hearUpdate(
  state: PeerState,
  connection: ConnectionRole,
  messageType: number,
  nowMs: number,
): boolean {
  if (messageType !== MESSAGE.update || state.established !== connection) return false;
  const { traffic } = state;
  traffic.received.update++;
  traffic.lastReadMs = nowMs;
  traffic.lastUpdateMs = nowMs;
  traffic.heardMs[connection] = nowMs;
  return true;
}

function dispatch(step: Step, event: SessionEvent): void {
  switch (event.kind) {
    case 'start':
      onStart(step);
      return;
    case 'stop':
      stopInstance(step, event.reason);
      return;
    case 'neighborLost':
      onNeighborLost(step, event.because);
      return;
    case 'neighborFound':
      onNeighborFound(step);
      return;
    case 'bfdDown':
      onBfdDown(step);
      return;
    case 'bfdUp':
      // RFC 5882 §4: BFD takes sessions down; it never has to bring one up.
      return;
    case 'tcpConnected':
      onConnected(step, endpointsOf(event));
      return;
    case 'tcpConnectFailed':
      onConnectFailed(step, event.error, event.refusedHere);
      return;
    case 'tcpAccepted':
      onAccepted(step, endpointsOf(event));
      return;
    case 'tcpClosed':
      onClosed(step, event.connection, event.error);
      return;
    case 'messageReceived':
      onMessage(step, event);
      return;
    case 'framingFailed':
      if (hasTransport(step.state[event.connection])) {
        failConnection(step, event.connection, event.notification);
      }
      return;
    case 'updateRejected':
      onUpdateRejected(step, event);
      return;
    case 'sendQueueChanged':
      onSendQueueChanged(step, event.connection, event.waiting);
      return;
    case 'timerExpired':
      onTimer(step);
      return;
    default:
      assertNever(event);
  }
}

function onStart(step: Step): void {
  const { state } = step;
  if (state.phase !== 'down') return;
  // The operator asks: earlier errors do not count.
  state.errorDelaySec = 0;
  delete state.lastErrorMs;
  beginRunning(step);
}

function onNeighborLost(step: Step, because: Absence): void {
  const { state } = step;
  const before = state.absent;
  state.absent = because;
  if (before !== undefined || state.phase !== 'running') return;
  log(step, 'events', ABSENCE_TEXTS[because]);
  const reason: DownReason = {
    kind: 'neighborLost',
    side: 'local',
    category: 'transport',
    because,
  };
  const notification = ceaseNotification(CEASE.unspecific);
  endInstance(step, { reason, notification, after: 'restart', error: false });
}

function onNeighborFound(step: Step): void {
  const { state } = step;
  if (state.absent === undefined) return;
  delete state.absent;
  if (state.phase !== 'waiting') return;
  log(step, 'events', 'Neighbor ready');
  beginRunning(step);
}

function onBfdDown(step: Step): void {
  const { state } = step;
  if (state.established === undefined) return;
  log(step, 'events', 'BFD session down');
  const reason: DownReason = { kind: 'bfdDown', side: 'local', category: 'bfd' };
  if (state.config.bfd?.graceful === true) {
    loseSession(step, reason);
    return;
  }
  // RFC 9384. The path failed, the peer did nothing wrong: no error wait, so that it is back as soon
  // as it can be reached. (BIRD waits 60 s here, even for a peer that only re-created its session.)
  const notification = ceaseNotification(CEASE.bfdDown);
  endInstance(step, { reason, notification, after: 'restart', error: false });
}

function onUpdateRejected(
  step: Step,
  event: Extract<SessionEvent, { kind: 'updateRejected' }>,
): void {
  const { state } = step;
  if (state.established === undefined) return;
  if (event.message) state.offendingMessage = event.message;
  const { notification, section, detail } = event.fault;
  failConnection(step, state.established, notification, `${section}: ${detail}`);
}

function onSendQueueChanged(step: Step, role: ConnectionRole, waiting: boolean): void {
  const connection = step.state[role];
  if (
    connection.state !== 'OpenSent' &&
    connection.state !== 'OpenConfirm' &&
    connection.state !== 'Established'
  ) {
    return;
  }
  const { sendBlockedAtMs, ...rest } = connection;
  if (!waiting) setConnection(step, role, rest);
  else setConnection(step, role, { ...rest, sendBlockedAtMs: sendBlockedAtMs ?? step.nowMs });
}

function endpointsOf(
  event: Extract<SessionEvent, { kind: 'tcpConnected' | 'tcpAccepted' }>,
): Omit<typeof event, 'kind'> {
  const { kind: _kind, ...endpoints } = event;
  return endpoints;
}
