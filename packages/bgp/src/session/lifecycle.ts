// The instance around the connections: start, error wait, ends of all kinds. Order and wording of the
// log lines are BIRD's, because operators read and grep them.

import { CEASE, ERROR } from '../wire/constants.ts';
import { NO_DATA } from '../wire/fault.ts';
import type { Notification } from '../wire/fault.ts';
import { birdNotificationText, ceaseNotification, hardReset } from '../wire/notification.ts';
import { retentionFor, sentReason, stoppedReason } from './down-reason.ts';
import { IDLE, negotiatedOf } from './peer-state.ts';
import {
  ROLES,
  closeConnection,
  hasTransport,
  jittered,
  log,
  sendNotification,
  setConnection,
} from './step.ts';
import type { Step } from './step.ts';
import type { ConnectionRole, DownReason, StopReason } from './types.ts';

/** Begins to look for the peer: waits for the neighbor, listens, and connects after a delay. */
export function beginRunning(step: Step): void {
  const { state } = step;
  delete state.delayUntilMs;
  delete state.delayTotalSec;
  state.changedMs = step.nowMs;
  if (state.absent !== undefined) {
    state.phase = 'waiting';
    if (state.absent === 'vrf') reportMissingVrf(step, state.config.vrf ?? '');
    log(step, 'events', `Waiting for ${state.identity.neighborAddress} to become my neighbor`);
    return;
  }
  state.phase = 'running';
  log(step, 'events', 'Started');
  scheduleConnect(step);
}

/** Active: the next attempt after the connect delay; a passive peer only listens. */
export function scheduleConnect(step: Step): void {
  const { config } = step.state;
  if (config.passive) {
    setConnection(step, 'outgoing', { state: 'Active' });
    return;
  }
  const delaySec = Math.max(1, config.connectDelayTimeSec);
  log(step, 'events', `Connect delayed by ${delaySec} seconds`);
  setConnection(step, 'outgoing', {
    state: 'Active',
    connectAtMs: step.nowMs + jittered(step, delaySec),
  });
}

function reportMissingVrf(step: Step, vrf: string): void {
  remember(step, {
    kind: 'neighborLost',
    side: 'local',
    category: 'transport',
    because: 'vrf',
  });
  const cure = `ip link add ${vrf} type vrf table NUMBER`;
  log(step, 'error', `VRF ${vrf} does not exist: create it (${cure}) or correct "vrf"`);
}

/** How an instance ends and what comes after. */
export interface Ending {
  readonly reason: DownReason;
  /** Sent on every connection that has said OPEN. */
  readonly notification?: Notification;
  /** Sent on this connection only; the others get Cease. */
  readonly on?: ConnectionRole;
  readonly after: 'restart' | 'disable' | 'stay';
  /** Counts as an error: the restart waits, longer each time. */
  readonly error: boolean;
  readonly reset?: boolean;
}

/** Ends session and attempts, then restarts, disables or stays down. */
export function endInstance(step: Step, ending: Ending): void {
  const { state } = step;
  const { reason } = ending;
  const session = state.established;
  // RFC 8538 §4, §5: its routes go, so ours must not be kept either.
  const hard = negotiatedOf(state)?.gracefulNotification === true;
  endSession(step, reason);
  step.actions.push({ kind: 'instanceStopping', reason });
  for (const role of ROLES) {
    if (hasTransport(state[role])) {
      const notification =
        ending.on === undefined || ending.on === role
          ? ending.notification
          : ceaseNotification(CEASE.unspecific);
      if (notification && !(ending.reset && ending.on === role)) {
        const wrapped = hard && role === session ? hardReset(notification) : notification;
        sendNotification(step, role, wrapped);
      }
    }
    closeConnection(step, role, ending.reset === true && ending.on === role);
  }
  state.withoutCapabilities = false;
  remember(step, reason);
  log(step, 'events', 'Down');
  if (ending.error) growErrorDelay(step);
  const after = ending.error && state.config.disableAfterError ? 'disable' : ending.after;
  step.actions.push({ kind: 'instanceStopped', reason, after });
  if (after !== 'restart') {
    state.phase = 'down';
    state.changedMs = step.nowMs;
    return;
  }
  if (ending.error) waitAfterError(step);
  else beginRunning(step);
}

/**
 * The session is lost but the instance lives on (RFC 4724 §4.2): the peer may come back for routes
 * that are kept. A connection in progress beside it stays.
 */
export function endSessionGracefully(step: Step, role: ConnectionRole, reason: DownReason): void {
  const negotiated = negotiatedOf(step.state);
  if (!negotiated) return;
  if (retentionFor(negotiated, reason, step.state.config).families.length > 0) {
    log(step, 'events', 'Neighbor graceful restart detected');
  }
  endSession(step, reason);
  remember(step, reason);
  closeConnection(step, role);
}

/** Marks the session as over; nothing without one. */
export function endSession(step: Step, reason: DownReason): void {
  const { state } = step;
  const negotiated = negotiatedOf(state);
  if (!negotiated) return;
  log(step, 'events', 'BGP session closed');
  const retention = retentionFor(negotiated, reason, state.config);
  step.actions.push({ kind: 'sessionDown', reason, retention });
  delete state.established;
  delete state.upSinceMs;
  state.connectionsDropped++;
  state.changedMs = step.nowMs;
}

/** A fault of ours to report: NOTIFICATION on the connection, restart after the error wait. */
export function failConnection(
  step: Step,
  role: ConnectionRole,
  notification: Notification,
  detail?: string,
): void {
  const { state } = step;
  const reason = sentReason(notification, detail);
  const text = birdNotificationText(notification);
  log(step, 'remote', `Error: ${text}${detail === undefined ? '' : ` (${detail})`}`);
  if (state.established !== undefined && state.established !== role) {
    // The attempt beside an Established session fails alone.
    sendNotification(step, role, notification);
    closeConnection(step, role);
    state.lastError = { reason, atMs: step.nowMs };
    return;
  }
  if (keepsRoutes(step, reason)) {
    // The error wait is due all the same: a peer that errs again would flap.
    sendNotification(step, role, notification);
    endSessionGracefully(step, role, reason);
    delayAfterError(step);
    return;
  }
  endInstance(step, { reason, notification, on: role, after: 'restart', error: true });
}

/** An error cost the session, not the instance: the next attempt waits as after any error. */
export function delayAfterError(step: Step): void {
  growErrorDelay(step);
  waitAfterError(step);
}

/** The end of the session for this reason leaves the peer's routes in place. */
export function keepsRoutes(step: Step, reason: DownReason): boolean {
  const negotiated = negotiatedOf(step.state);
  if (!negotiated || step.state.config.disableAfterError) return false;
  return retentionFor(negotiated, reason, step.state.config).families.length > 0;
}

/** The engine's wish. */
export function stopInstance(step: Step, stop: StopReason): void {
  const { state } = step;
  const reason = stoppedReason(stop);
  if (state.phase === 'down') return;
  if (stop.kind === 'limitReached') {
    // Only a session has routes; the fact is stale otherwise.
    if (state.established === undefined) return;
    log(step, 'warning', 'Route limit exceeded, shutting down');
    const restart = stop.action === 'restart';
    endInstance(step, {
      reason,
      notification: notificationOf(stop),
      after: restart ? 'restart' : 'disable',
      error: restart,
    });
    return;
  }
  log(step, 'events', 'Shutdown requested');
  state.errorDelaySec = 0;
  delete state.delayUntilMs;
  delete state.delayTotalSec;
  const silent = stop.kind === 'gracefulRestart';
  endInstance(step, {
    reason,
    ...(!silent && { notification: notificationOf(stop) }),
    after: 'stay',
    error: false,
  });
}

export const HOLD_EXPIRED: Notification = {
  code: ERROR.holdTimerExpired,
  subcode: 0,
  data: NO_DATA,
};

export function remember(step: Step, reason: DownReason): void {
  const { state, nowMs } = step;
  const entry = { reason, atMs: nowMs };
  state.lastReset = entry;
  if (reason.kind !== 'stopped' || reason.category === 'limit') state.lastError = entry;
}

function notificationOf(stop: StopReason): Notification {
  switch (stop.kind) {
    case 'adminShutdown':
      return ceaseNotification(CEASE.administrativeShutdown, stop.text);
    case 'adminReset':
      return ceaseNotification(CEASE.administrativeReset, stop.text);
    case 'deconfigured':
      return ceaseNotification(CEASE.peerDeconfigured);
    case 'configChanged':
      return ceaseNotification(CEASE.configurationChange);
    case 'limitReached':
      if (stop.limit !== 'export') return ceaseNotification(CEASE.maximumPrefixes);
      return ceaseNotification(
        stop.action === 'disable' ? CEASE.administrativeShutdown : CEASE.administrativeReset,
      );
    case 'gracefulRestart':
      return ceaseNotification(CEASE.unspecific);
  }
}

// BIRD 2.x `error wait time A, B`: doubles from A to B, forgotten after `error forget time`.
function growErrorDelay(step: Step): void {
  const { state, nowMs } = step;
  const { errorWaitTimeMinSec, errorWaitTimeMaxSec, errorForgetTimeSec } = state.config;
  const forgotten =
    state.lastErrorMs === undefined || nowMs - state.lastErrorMs >= errorForgetTimeSec * 1000;
  const previous = forgotten ? 0 : state.errorDelaySec;
  state.errorDelaySec =
    previous === 0 ? errorWaitTimeMinSec : Math.min(previous * 2, errorWaitTimeMaxSec);
  state.lastErrorMs = nowMs;
}

function waitAfterError(step: Step): void {
  const { state, nowMs } = step;
  const delaySec = Math.max(1, state.errorDelaySec);
  log(step, 'events', `Startup delayed by ${delaySec} seconds due to errors`);
  state.phase = 'delayed';
  state.delayUntilMs = nowMs + jittered(step, delaySec);
  state.delayTotalSec = delaySec;
  state.outgoing = IDLE;
  state.incoming = IDLE;
  state.changedMs = nowMs;
}
