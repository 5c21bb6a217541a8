// What happens when a deadline has passed: error wait, connect delay and retry, OPEN wait and hold
// timer, keepalive, send hold (RFC 9687). Several may be due at once after a late wake-up.

import { isDue } from '@rookery/net';
import { ERROR } from '../wire/constants.ts';
import { NO_DATA } from '../wire/fault.ts';
import { sentReason } from './down-reason.ts';
import { connectOut, loseSession } from './connections.ts';
import { HOLD_EXPIRED, beginRunning, endInstance, failConnection } from './lifecycle.ts';
import { holdDeadline, negotiatedOf, sendHoldDeadline } from './peer-state.ts';
import {
  ROLES,
  closeConnection,
  jittered,
  log,
  sendKeepalive,
  sendNotification,
  setConnection,
} from './step.ts';
import type { Step } from './step.ts';
import type { ConnectionRole } from './types.ts';

export function onTimer(step: Step): void {
  const { state, nowMs } = step;
  if (state.phase === 'delayed') {
    if (isDue(state.delayUntilMs, nowMs)) beginRunning(step);
    return;
  }
  for (const role of ROLES) {
    // An expiry may end the instance; what the other connection was waiting for is void then.
    if (state.phase === 'running') onConnectionTimer(step, role);
  }
}

function onConnectionTimer(step: Step, role: ConnectionRole): void {
  const { state, nowMs } = step;
  const connection = state[role];
  switch (connection.state) {
    case 'Idle':
      return;
    case 'Active':
      if (isDue(connection.connectAtMs, nowMs)) connectOut(step);
      return;
    case 'Connect':
      // RFC 4271 §8.2.2, event 9: drop the attempt and start another.
      if (connection.retryAtMs <= nowMs) {
        closeConnection(step, role);
        connectOut(step);
      }
      return;
    case 'OpenSent':
      if (isDue(holdDeadline(state, role), nowMs)) expireHold(step, role);
      return;
    case 'OpenConfirm':
    case 'Established':
      if (isDue(sendHoldDeadline(connection), nowMs)) {
        expireSendHold(step, role);
      } else if (isDue(holdDeadline(state, role), nowMs)) {
        expireHold(step, role);
      } else if (isDue(connection.keepaliveAtMs, nowMs)) {
        const next = nowMs + jittered(step, connection.negotiated.keepaliveTimeSec);
        setConnection(step, role, { ...connection, keepaliveAtMs: next });
        sendKeepalive(step, role);
      }
      return;
  }
}

function expireHold(step: Step, role: ConnectionRole): void {
  const { state } = step;
  log(step, 'events', 'Hold timer expired');
  if (state.established === role && negotiatedOf(state)?.gracefulRestart) {
    // RFC 4724 §4.2: the instance lives on and no error wait is due.
    sendNotification(step, role, HOLD_EXPIRED);
    loseSession(step, sentReason(HOLD_EXPIRED));
    return;
  }
  failConnection(step, role, HOLD_EXPIRED);
}

// RFC 9687 §3.2: the peer does not read, so no NOTIFICATION can reach it; reset at once.
function expireSendHold(step: Step, role: ConnectionRole): void {
  const { state } = step;
  const notification = { code: ERROR.sendHoldTimerExpired, subcode: 0, data: NO_DATA };
  const reason = sentReason(notification);
  log(step, 'remote', 'Error: Send hold timer expired');
  if (state.established !== undefined && state.established !== role) {
    closeConnection(step, role, true);
    return;
  }
  endInstance(step, { reason, notification, on: role, after: 'restart', error: true, reset: true });
}
