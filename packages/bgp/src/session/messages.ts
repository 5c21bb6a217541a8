// Facts about messages: OPEN with collision resolution (RFC 4271 §6.8, RFC 6286 §2.3), KEEPALIVE,
// UPDATE, ROUTE-REFRESH, NOTIFICATION, each in each state of its connection (RFC 4271 §8.2.2, FSM
// error subcodes RFC 6608).

import { compareAddresses, copyBytes } from '@rookery/net';
import { CEASE, ERROR, FSM_ERROR, HEADER_ERROR, MESSAGE, OPEN_ERROR } from '../wire/constants.ts';
import type { MessageName } from '../wire/constants.ts';
import type { Notification } from '../wire/fault.ts';
import {
  birdNotificationText,
  ceaseNotification,
  decodeNotification,
} from '../wire/notification.ts';
import { decodeOpen } from '../wire/open.ts';
import { decodeRouteRefresh, REFRESH_NAMES } from '../wire/route-refresh.ts';
import { dropConnection, resumeConnecting } from './connections.ts';
import { receivedReason } from './down-reason.ts';
import {
  delayAfterError,
  endInstance,
  endSessionGracefully,
  failConnection,
  keepsRoutes,
} from './lifecycle.ts';
import { negotiate, publicAs } from './negotiate.ts';
import { negotiatedOf } from './peer-state.ts';
import type { Connection } from './peer-state.ts';
import {
  closeConnection,
  hasTransport,
  isCease,
  jittered,
  log,
  otherRole,
  sendKeepalive,
  sendNotification,
  setConnection,
} from './step.ts';
import type { Step } from './step.ts';
import type { ConnectionRole, Negotiated } from './types.ts';

/** One received message, [start, end) of bytes. */
export interface Received {
  readonly connection: ConnectionRole;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Message types by name; the frame reader lets no other type through. */
export const MESSAGE_NAMES: Readonly<Record<number, MessageName>> = {
  [MESSAGE.open]: 'open',
  [MESSAGE.update]: 'update',
  [MESSAGE.notification]: 'notification',
  [MESSAGE.keepalive]: 'keepalive',
  [MESSAGE.routeRefresh]: 'routeRefresh',
};

export function onMessage(step: Step, received: Received): void {
  const { connection: role, bytes, start, end } = received;
  const connection = step.state[role];
  const name = MESSAGE_NAMES[bytes[start + 18]!];
  if (!hasTransport(connection) || name === undefined) return;
  const { traffic } = step.state;
  traffic.received[name]++;
  traffic.lastReadMs = step.nowMs;
  const heard = traffic.heardMs[role];
  traffic.heardMs[role] = step.nowMs;
  if (name === 'notification') {
    onNotification(step, role, received);
  } else if (connection.state === 'OpenSent') {
    if (name === 'open') onOpen(step, role, connection, received);
    else unexpected(step, received, FSM_ERROR.openSent);
  } else if (connection.state === 'OpenConfirm') {
    if (name === 'keepalive') onConfirmed(step, role, connection);
    else unexpected(step, received, FSM_ERROR.openConfirm);
  } else if (name === 'keepalive') {
    log(step, 'packets', 'Got KEEPALIVE');
  } else if (name === 'update') {
    step.actions.push({ kind: 'updateReceived', bytes, start, end });
  } else if (name === 'routeRefresh') {
    // RFC 4271 §8.2.2: only KEEPALIVE and UPDATE restart the hold timer.
    traffic.heardMs[role] = heard;
    onRouteRefresh(step, role, received);
  } else {
    unexpected(step, received, FSM_ERROR.established);
  }
}

function onOpen(
  step: Step,
  role: ConnectionRole,
  connection: Extract<Connection, { state: 'OpenSent' }>,
  received: Received,
): void {
  const { state } = step;
  const open = decodeOpen(received.bytes, received.start, received.end);
  if (!open.ok) {
    fault(step, received, open.error);
    return;
  }
  const { asn, holdTimeSec, id } = open.value;
  log(step, 'packets', `Got OPEN(as=${asn},hold=${holdTimeSec},id=${id})`);
  state.remoteId = id;
  const outcome = negotiate(
    state.config,
    state.identity,
    connection.sent,
    open.value,
    connection.endpoints,
  );
  if (!outcome.ok) {
    fault(step, received, outcome.error);
    return;
  }
  const negotiated = outcome.value;
  if (losesCollision(step, role, negotiated)) return;
  if (negotiated.extendedMessages) {
    step.actions.push({ kind: 'extendedMessagesAgreed', connection: role });
  }
  setConnection(step, role, {
    state: 'OpenConfirm',
    endpoints: connection.endpoints,
    negotiated,
    ...keepaliveTimer(step, negotiated),
    ...(connection.sendBlockedAtMs !== undefined && {
      sendBlockedAtMs: connection.sendBlockedAtMs,
    }),
  });
  sendKeepalive(step, role);
}

/** RFC 4271 §6.8: with a second connection past its OPEN one of both must go. */
function losesCollision(step: Step, role: ConnectionRole, negotiated: Negotiated): boolean {
  const { state } = step;
  const other = otherRole(role);
  const rival = state[other];
  if (rival.state !== 'OpenConfirm' && rival.state !== 'Established') return false;
  // An Established session stays; otherwise the side with the higher identifier keeps its own call.
  const keepsOutgoing = outranks(step, negotiated);
  const loses = rival.state === 'Established' || (role === 'outgoing') !== keepsOutgoing;
  const loser = loses ? role : other;
  log(step, 'events', `Connection collision, giving up ${loses ? 'this' : 'the other'} connection`);
  sendNotification(step, loser, ceaseNotification(CEASE.collision));
  closeConnection(step, loser);
  return loses;
}

// RFC 6286 §2.3: equal identifiers are possible between ASes; then the AS numbers decide.
function outranks(step: Step, { peerId, peerAs }: Negotiated): boolean {
  const byId = compareAddresses(step.state.identity.routerId, peerId);
  return byId === 0 ? publicAs(step.state.config) > peerAs : byId > 0;
}

function onConfirmed(
  step: Step,
  role: ConnectionRole,
  connection: Extract<Connection, { state: 'OpenConfirm' | 'Established' }>,
): void {
  const { state } = step;
  log(step, 'packets', 'Got KEEPALIVE');
  log(step, 'events', 'BGP session established');
  setConnection(step, role, { ...connection, state: 'Established' });
  state.established = role;
  state.upSinceMs = step.nowMs;
  state.changedMs = step.nowMs;
  state.connectionsEstablished++;
  // BIRD 2.x shows no last error beside an Established session; `lastReset` keeps it for vtysh.
  delete state.lastError;
  // An attempt that has not said OPEN is pointless now; one that has is settled by its OPEN.
  if (role === 'incoming' && !hasTransport(state.outgoing)) closeConnection(step, 'outgoing');
  step.actions.push({ kind: 'sessionUp', connection: role, negotiated: connection.negotiated });
}

function onRouteRefresh(step: Step, role: ConnectionRole, received: Received): void {
  const negotiated = negotiatedOf(step.state)!;
  const { bytes, start, end } = received;
  if (!negotiated.local.routeRefresh) {
    // We said that we do not know this type of message.
    const data = Uint8Array.of(MESSAGE.routeRefresh);
    fault(step, received, { code: ERROR.header, subcode: HEADER_ERROR.badType, data });
    return;
  }
  const refresh = decodeRouteRefresh(bytes, start, end);
  if (!refresh.ok) {
    if (negotiated.enhancedRouteRefresh) fault(step, received, refresh.error);
    return;
  }
  const { afi, safi, family, kind } = refresh.value;
  // RFC 7313 §5: unknown subtypes, and begin and end without the capability, are ignored.
  if (!kind || (kind !== 'request' && !negotiated.enhancedRouteRefresh)) return;
  if (!family || !negotiated.families.some((agreed) => agreed.family === family)) {
    log(
      step,
      'warning',
      `Got ${REFRESH_NAMES[kind]} for AFI ${afi} SAFI ${safi}, which is not in use, ignored`,
    );
    return;
  }
  log(step, 'packets', `Got ${REFRESH_NAMES[kind]}`);
  step.actions.push({ kind: 'refreshReceived', subtype: kind, family });
}

function onNotification(step: Step, role: ConnectionRole, received: Received): void {
  const { state } = step;
  const notification = decodeNotification(received.bytes, received.start, received.end);
  const { code, subcode } = notification;
  const reason = receivedReason(notification);
  log(step, 'remote', `Received: ${birdNotificationText(notification)}`);
  const disable = isCease(code) && state.config.disableAfterCease.includes(subcode);
  if (state.established === role) {
    if (!disable && keepsRoutes(step, reason)) {
      endSessionGracefully(step, role, reason);
      if (isCease(code)) resumeConnecting(step);
      else delayAfterError(step);
      return;
    }
  } else {
    const rival = hasTransport(state[otherRole(role)]);
    const collision = isCease(code) && subcode === CEASE.collision;
    if (state.established !== undefined || collision || (isCease(code) && rival)) {
      state.lastError = { reason, atMs: step.nowMs };
      dropConnection(step, role);
      return;
    }
  }
  if (disable) log(step, 'info', 'Disabled after Cease notification');
  // RFC 5492 §3: a peer that knows no optional parameters gets an OPEN without them, at once.
  const plainRetry =
    state.established === undefined &&
    code === ERROR.open &&
    subcode === OPEN_ERROR.unsupportedParameter &&
    state.config.capabilities &&
    !state.withoutCapabilities;
  endInstance(step, {
    reason,
    after: disable ? 'disable' : 'restart',
    error: !isCease(code) && !plainRetry,
  });
  if (plainRetry) state.withoutCapabilities = true;
}

function unexpected(step: Step, received: Received, subcode: number): void {
  const data = Uint8Array.of(received.bytes[received.start + 18]!);
  fault(step, received, { code: ERROR.finiteStateMachine, subcode, data });
}

/** A fault of a whole message: it is kept for the consoles. */
function fault(step: Step, received: Received, notification: Notification): void {
  step.state.offendingMessage = copyBytes(received.bytes, received.start, received.end);
  failConnection(step, received.connection, notification);
}

function keepaliveTimer(
  step: Step,
  { keepaliveTimeSec }: Negotiated,
): { readonly keepaliveAtMs?: number } {
  return keepaliveTimeSec > 0
    ? { keepaliveAtMs: step.nowMs + jittered(step, keepaliveTimeSec) }
    : {};
}
