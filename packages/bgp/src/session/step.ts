// One step in the making: a draft of the next state, the actions so far, and the small verbs that
// the parts of the machine share. Lives only during a call of `stepPeer`.

import { formatHex } from '@rookery/net';
import { ERROR } from '../wire/constants.ts';
import type { MessageName } from '../wire/constants.ts';
import type { Notification } from '../wire/fault.ts';
import { encodeKeepalive } from '../wire/frame-message.ts';
import { encodeNotification } from '../wire/notification.ts';
import { encodeOpen } from '../wire/open.ts';
import type { Open } from '../wire/open.ts';
import type { Connection, PeerState } from './peer-state.ts';
import type { ConnectionRole, SessionAction, SessionLogLevel } from './types.ts';

export interface Step {
  state: { -readonly [K in keyof PeerState]: PeerState[K] };
  readonly actions: SessionAction[];
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export const ROLES: readonly ConnectionRole[] = ['outgoing', 'incoming'];

export function otherRole(role: ConnectionRole): ConnectionRole {
  return role === 'outgoing' ? 'incoming' : 'outgoing';
}

/** A connection with a socket: OPEN sent or further. */
export function hasTransport(connection: Connection): boolean {
  return (
    connection.state === 'OpenSent' ||
    connection.state === 'OpenConfirm' ||
    connection.state === 'Established'
  );
}

export function log(step: Step, level: SessionLogLevel, text: string): void {
  step.actions.push({ kind: 'log', level, text });
}

export function setConnection(step: Step, role: ConnectionRole, connection: Connection): void {
  step.state[role] = connection;
}

/** Configured seconds as milliseconds, shortened by up to a quarter at random (RFC 4271 §10). */
export function jittered(step: Step, seconds: number): number {
  return Math.round(seconds * 1000 * (0.75 + 0.25 * step.random()));
}

export function sendOpen(step: Step, role: ConnectionRole, open: Open): void {
  const id = formatHex(Uint8Array.from(open.id.split('.').map(Number)));
  log(step, 'packets', `Sending OPEN(ver=4,as=${open.asn},hold=${open.holdTimeSec},id=${id})`);
  send(step, role, 'open', encodeOpen(open));
}

export function sendKeepalive(step: Step, role: ConnectionRole): void {
  log(step, 'packets', 'Sending KEEPALIVE');
  send(step, role, 'keepalive', encodeKeepalive());
}

export function sendNotification(step: Step, role: ConnectionRole, what: Notification): void {
  log(step, 'packets', `Sending NOTIFICATION(code=${what.code}.${what.subcode})`);
  send(step, role, 'notification', encodeNotification(what));
}

/** Closes whatever the connection has and makes it Idle. */
export function closeConnection(step: Step, role: ConnectionRole, reset = false): void {
  const connection = step.state[role];
  if (connection.state === 'Connect' || hasTransport(connection)) {
    step.actions.push({ kind: 'closeTransport', connection: role, reset });
  }
  setConnection(step, role, { state: 'Idle' });
}

/** RFC 4486 §4 subcodes and the like say "stop", everything else says "wrong". */
export function isCease(code: number): boolean {
  return code === ERROR.cease;
}

function send(step: Step, role: ConnectionRole, message: MessageName, bytes: Uint8Array): void {
  const { traffic } = step.state;
  traffic.sent[message]++;
  traffic.lastWriteMs = step.nowMs;
  step.actions.push({ kind: 'sendMessage', connection: role, bytes });
}
