// Every (state, event) cell of the session machine. A cell says in which situation the machine is
// afterwards and which orders and messages it gave; "-" means that nothing happened. The cells are in
// step-peer.table.json. A missing cell, or one too many, fails.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { NO_CAPABILITIES } from '../wire/capabilities.ts';
import { encodeKeepalive } from '../wire/frame-message.ts';
import { encodeNotification } from '../wire/notification.ts';
import { encodeOpen } from '../wire/open.ts';
import { encodeRouteRefresh } from '../wire/route-refresh.ts';
import { encodeEndOfRib } from '../wire/update-encode.ts';
import { NO_DATA } from '../wire/fault.ts';
import { ENDPOINTS, Lone, REFUSED, configFor, kindsOf, sentOf } from './test-peers.ts';
import type { SessionEvent } from './types.ts';

const PEER_OPEN = encodeOpen({
  asn: 64497,
  holdTimeSec: 180,
  id: '192.168.1.32',
  capabilities: {
    ...NO_CAPABILITIES,
    any: true,
    families: ['ipv4'],
    as4: 64497,
    routeRefresh: true,
  },
});

/** Situations: phase, then the state of the outgoing and the incoming connection. */
const SITUATIONS: Readonly<Record<string, (lone: Lone) => void>> = {
  down: () => undefined,
  waiting: (lone) => {
    lone.send({ kind: 'neighborLost', because: 'neighbor' });
    lone.send({ kind: 'start' });
  },
  delayed: (lone) => {
    SITUATIONS['running Idle Established']!(lone);
    lone.message('incoming', encodeNotification({ code: 3, subcode: 1, data: NO_DATA }));
  },
  'running Active Idle': (lone) => {
    lone.send({ kind: 'start' });
  },
  'running Connect Idle': (lone) => {
    lone.send({ kind: 'start' });
    lone.wait(5);
  },
  'running OpenSent Idle': (lone) => {
    SITUATIONS['running Connect Idle']!(lone);
    lone.send({ kind: 'tcpConnected', ...ENDPOINTS });
  },
  'running OpenConfirm Idle': (lone) => {
    SITUATIONS['running OpenSent Idle']!(lone);
    lone.message('outgoing', PEER_OPEN);
  },
  'running Established Idle': (lone) => {
    SITUATIONS['running OpenConfirm Idle']!(lone);
    lone.message('outgoing', encodeKeepalive());
  },
  'running Active OpenSent': (lone) => {
    lone.send({ kind: 'start' });
    lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  },
  'running Active OpenConfirm': (lone) => {
    SITUATIONS['running Active OpenSent']!(lone);
    lone.message('incoming', PEER_OPEN);
  },
  'running OpenSent OpenSent': (lone) => {
    SITUATIONS['running OpenSent Idle']!(lone);
    lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  },
  'running OpenSent OpenConfirm': (lone) => {
    SITUATIONS['running OpenSent OpenSent']!(lone);
    lone.message('incoming', PEER_OPEN);
  },
  'running Idle Established': (lone) => {
    SITUATIONS['running Active OpenConfirm']!(lone);
    lone.message('incoming', encodeKeepalive());
  },
  'running OpenSent Established': (lone) => {
    SITUATIONS['running OpenSent OpenConfirm']!(lone);
    lone.message('incoming', encodeKeepalive());
  },
};

const message = (connection: 'outgoing' | 'incoming', bytes: Uint8Array): SessionEvent => ({
  kind: 'messageReceived',
  connection,
  bytes,
  start: 0,
  end: bytes.length,
});

const CEASE = encodeNotification({ code: 6, subcode: 4, data: NO_DATA });
const WRONG = encodeNotification({ code: 2, subcode: 2, data: NO_DATA });
const COLLISION = encodeNotification({ code: 6, subcode: 7, data: NO_DATA });
const PLAIN = encodeNotification({ code: 2, subcode: 4, data: NO_DATA });

const EVENTS: Readonly<Record<string, SessionEvent>> = {
  start: { kind: 'start' },
  shutdown: { kind: 'stop', reason: { kind: 'adminShutdown', text: 'drain node' } },
  limit: { kind: 'stop', reason: { kind: 'limitReached', limit: 'import', action: 'restart' } },
  neighborLost: { kind: 'neighborLost', because: 'neighbor' },
  neighborFound: { kind: 'neighborFound' },
  bfdDown: { kind: 'bfdDown' },
  bfdUp: { kind: 'bfdUp' },
  connected: { kind: 'tcpConnected', ...ENDPOINTS },
  connectFailed: { kind: 'tcpConnectFailed', error: REFUSED },
  accepted: { kind: 'tcpAccepted', ...ENDPOINTS },
  closedOut: { kind: 'tcpClosed', connection: 'outgoing' },
  closedIn: { kind: 'tcpClosed', connection: 'incoming', error: REFUSED },
  openOut: message('outgoing', PEER_OPEN),
  openIn: message('incoming', PEER_OPEN),
  keepaliveOut: message('outgoing', encodeKeepalive()),
  keepaliveIn: message('incoming', encodeKeepalive()),
  updateOut: message('outgoing', encodeEndOfRib('ipv4')),
  updateIn: message('incoming', encodeEndOfRib('ipv4')),
  refreshOut: message('outgoing', encodeRouteRefresh('ipv4', 'request')),
  refreshIn: message('incoming', encodeRouteRefresh('ipv4', 'request')),
  ceaseOut: message('outgoing', CEASE),
  ceaseIn: message('incoming', CEASE),
  wrongOut: message('outgoing', WRONG),
  wrongIn: message('incoming', WRONG),
  collisionOut: message('outgoing', COLLISION),
  collisionIn: message('incoming', COLLISION),
  plainOut: message('outgoing', PLAIN),
  plainIn: message('incoming', PLAIN),
  framingOut: {
    kind: 'framingFailed',
    connection: 'outgoing',
    notification: { code: 1, subcode: 1, data: NO_DATA },
  },
  framingIn: {
    kind: 'framingFailed',
    connection: 'incoming',
    notification: { code: 1, subcode: 1, data: NO_DATA },
  },
  updateRejected: {
    kind: 'updateRejected',
    fault: {
      reaction: 'sessionReset',
      notification: { code: 3, subcode: 10, data: NO_DATA },
      offset: 0,
      section: 'RFC 7606 §5.3',
      detail: 'prefix length 33 exceeds 32',
    },
  },
  sendBlockedOut: { kind: 'sendQueueChanged', connection: 'outgoing', waiting: true },
  sendBlockedIn: { kind: 'sendQueueChanged', connection: 'incoming', waiting: true },
  /** The clock stands still: nothing may be due. */
  timerEarly: { kind: 'timerExpired' },
  /** An hour later: everything is due. */
  timerLate: { kind: 'timerExpired' },
};

function play(situation: string, name: string): string {
  const lone = new Lone(configFor({ holdTimeSec: 180 }));
  SITUATIONS[situation]!(lone);
  assert.equal(situationOf(lone), situation);
  if (name === 'timerLate') lone.nowMs += 3_600_000;
  const actions = lone.send(EVENTS[name]!);
  const orders = kindsOf(actions).filter((kind) => kind !== 'sendMessage');
  const parts = [
    situationOf(lone),
    ...sentOf(actions),
    ...orders.map((kind) => SHORT[kind] ?? kind),
  ];
  const cell = parts.join(', ');
  return cell === situation ? '-' : cell;
}

function situationOf({ state }: Lone): string {
  return state.phase === 'running'
    ? `running ${state.outgoing.state} ${state.incoming.state}`
    : state.phase;
}

const SHORT: Readonly<Record<string, string>> = {
  closeTransport: 'close',
  acceptTransport: 'accept',
  rejectTransport: 'reject',
  sessionUp: 'up',
  sessionDown: 'sessionDown',
  instanceStopping: 'stopping',
  instanceStopped: 'stopped',
  updateReceived: 'update',
  refreshReceived: 'refresh',
};

const TABLE: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON.parse(
  readFileSync(new URL('step-peer.table.json', import.meta.url), 'utf8'),
);

for (const situation of Object.keys(SITUATIONS)) {
  test(`session machine in ${situation}`, () => {
    const actual = Object.fromEntries(
      Object.keys(EVENTS).map((name) => [name, play(situation, name)]),
    );
    assert.deepEqual(actual, TABLE[situation]);
  });
}

test('the table has no row beyond the situations', () => {
  assert.deepEqual(Object.keys(TABLE), Object.keys(SITUATIONS));
});
