import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHex } from '@rookery/net';
import { NO_CAPABILITIES } from '../wire/capabilities.ts';
import type { CapabilitySet } from '../wire/capability-set.ts';
import { NO_DATA } from '../wire/fault.ts';
import { encodeKeepalive } from '../wire/frame-message.ts';
import { encodeNotification } from '../wire/notification.ts';
import { encodeEndOfRib } from '../wire/update-encode.ts';
import { birdSessionState, peerTimers } from './peer-state.ts';
import {
  CAPABILITIES,
  ENDPOINTS,
  Lone,
  channelFor,
  configFor,
  establish,
  identityFor,
  kindsOf,
  logsOf,
  openWith,
  sentOf,
} from './test-peers.ts';
import type { SessionConfig } from './types.ts';

/** The NOTIFICATION that an OPEN earns. */
function refusal(config: Partial<SessionConfig>, open: Uint8Array): string | undefined {
  const lone = new Lone(configFor(config));
  lone.send({ kind: 'start' });
  lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  const actions = lone.message('incoming', open);
  const sent = actions.find((action) => action.kind === 'sendMessage');
  if (sent?.kind !== 'sendMessage' || sent.bytes[18] !== 3) return undefined;
  return `${sent.bytes[19]}/${sent.bytes[20]} ${formatHex(sent.bytes, 21)}`.trim();
}

test('an OPEN is refused for what is wrong with it', () => {
  const version = openWith();
  version[19] = 3;
  const cases: readonly [string, Partial<SessionConfig>, Uint8Array, string | undefined][] = [
    ['good', {}, openWith(), undefined],
    ['version 3', {}, version, '2/1 0004'],
    ['AS', { neighborAs: 64498 }, openWith(), '2/2 0000fbf1'],
    [
      'AS 0',
      { neighborAs: 0 },
      openWith({ asn: 0, capabilities: NO_CAPABILITIES }),
      '2/2 00000000',
    ],
    ['any external AS', { neighborAs: 0 }, openWith(), undefined],
    ['own AS as external', { neighborAs: 0, localAs: 64497 }, openWith(), '2/2 0000fbf1'],
    ['identifier 0', {}, openWith({ id: '0.0.0.0' }), '2/3 00000000'],
    ['own identifier, external', {}, openWith({ id: '192.168.1.1' }), undefined],
    [
      'own identifier, internal',
      { localAs: 64497, peerType: 'internal' },
      openWith({ id: '192.168.1.1' }),
      '2/3 c0a80101',
    ],
    ['hold time 2', {}, openWith({ holdTimeSec: 2 }), '2/6 0002'],
    ['below the minimum', { minHoldTimeSec: 20 }, openWith({ holdTimeSec: 10 }), '2/6 000a'],
    ['hold 0 with a minimum', { minHoldTimeSec: 20 }, openWith({ holdTimeSec: 0 }), '2/6 0000'],
    ['required missing', { requireCapabilities: ['extended messages'] }, openWith(), '2/7 0600'],
    ['no channel', { channels: [] }, openWith(), '2/7'],
    ['role required', { localRole: 'provider', requireRoles: true }, openWith(), '2/11'],
    ['role absent', { localRole: 'provider' }, openWith(), undefined],
  ];
  for (const [name, config, open, expected] of cases) {
    assert.equal(refusal(config, open), expected, name);
  }
});

test('a refused optional parameter leads to an OPEN without capabilities, once', () => {
  const lone = new Lone();
  lone.send({ kind: 'start' });
  lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  const refuse = encodeNotification({ code: 2, subcode: 4, data: NO_DATA });
  lone.message('incoming', refuse);
  assert.equal(lone.state.phase, 'running');
  const [, open] = lone
    .send({ kind: 'tcpAccepted', ...ENDPOINTS })
    .filter(({ kind }) => kind !== 'log');
  assert.ok(open?.kind === 'sendMessage');
  assert.equal(open.bytes.length, 29);
  lone.message('incoming', refuse);
  assert.equal(lone.state.phase, 'delayed');
});

test('a peer that does not read is given up when the send hold time is over', () => {
  const lone = establish({ sendHoldTimeSec: 60 }, CAPABILITIES);
  lone.send({ kind: 'sendQueueChanged', connection: 'incoming', waiting: true });
  for (let second = 0; second < 59; second++) {
    lone.nowMs += 1000;
    lone.message('incoming', encodeKeepalive());
  }
  assert.equal(lone.state.established, 'incoming');
  const actions = lone.wait(1);
  assert.deepEqual(sentOf(actions), []);
  assert.deepEqual(kindsOf(actions), [
    'sessionDown',
    'instanceStopping',
    'closeTransport',
    'instanceStopped',
  ]);
  assert.ok(actions.some((action) => action.kind === 'closeTransport' && action.reset));
});

test('a queue that drains resets the send hold timer', () => {
  const lone = establish({ sendHoldTimeSec: 60, holdTimeSec: 0 });
  lone.send({ kind: 'sendQueueChanged', connection: 'incoming', waiting: true });
  lone.nowMs += 59_000;
  lone.send({ kind: 'sendQueueChanged', connection: 'incoming', waiting: false });
  lone.wait(3600);
  assert.equal(lone.state.established, 'incoming');
});

test('hold time 0 and a peer that lost its memory: one KEEPALIVE probes the dead session', () => {
  const lone = establish({ holdTimeSec: 0 });
  lone.nowMs += 3_600_000;
  const actions = lone.send({ kind: 'tcpAccepted', ...ENDPOINTS, remotePort: 50000 });
  assert.deepEqual(kindsOf(actions), ['rejectTransport', 'sendMessage']);
  assert.deepEqual(sentOf(actions), ['keepalive']);
  // Its TCP answers with RST; the next call is taken.
  lone.send({
    kind: 'tcpClosed',
    connection: 'incoming',
    error: { operation: 'read', code: 'ECONNRESET', message: 'Connection reset by peer' },
  });
  const again = lone.send({ kind: 'tcpAccepted', ...ENDPOINTS, remotePort: 50001 });
  assert.deepEqual(kindsOf(again), ['acceptTransport', 'sendMessage']);
});

test('only KEEPALIVE and UPDATE restart the hold timer', () => {
  const lone = establish({ holdTimeSec: 90 });
  lone.nowMs += 80_000;
  lone.message('incoming', encodeEndOfRib('ipv4'));
  assert.equal(peerTimers(lone.state, lone.nowMs).hold?.remainingMs, 90_000);
  lone.wait(89);
  assert.equal(lone.state.established, 'incoming');
  lone.wait(1);
  assert.equal(lone.state.established, undefined);
});

test('an UPDATE in Established copies nothing', () => {
  const lone = establish();
  const { state } = lone;
  const bytes = encodeEndOfRib('ipv4');
  const actions = lone.message('incoming', bytes);
  assert.equal(lone.state, state);
  assert.deepEqual(actions, [{ kind: 'updateReceived', bytes, start: 0, end: bytes.length }]);
  assert.equal(state.traffic.received.update, 1);
});

test('the message that was refused is kept', () => {
  const lone = establish();
  const open = openWith();
  lone.message('incoming', open);
  assert.deepEqual(lone.state.offendingMessage, open);
  assert.ok(lone.logs.includes('Error: Unexpected message in Established state: 1'));
});

test('a passive peer listens and is shown as Passive', () => {
  const lone = new Lone(configFor({ passive: true }));
  lone.send({ kind: 'start' });
  lone.wait(3600);
  assert.equal(birdSessionState(lone.state), 'Passive');
  assert.deepEqual(kindsOf(lone.actions), []);
});

test('a refused call is repeated after the connect delay', () => {
  const lone = new Lone();
  lone.send({ kind: 'start' });
  assert.deepEqual(kindsOf(lone.wait(5)), ['connect']);
  const error = { operation: 'connect', code: 'ECONNREFUSED', message: 'Connection refused' };
  const actions = lone.send({ kind: 'tcpConnectFailed', error });
  assert.deepEqual(logsOf(actions), [
    'Connection lost (Connection refused)',
    'Connect delayed by 5 seconds',
  ]);
  assert.deepEqual(kindsOf(lone.wait(5)), ['connect']);
  assert.deepEqual(kindsOf(lone.wait(120)), ['closeTransport', 'connect']);
});

test('disable after error leaves the instance down', () => {
  const lone = establish({ disableAfterError: true });
  lone.message('incoming', encodeNotification({ code: 3, subcode: 1, data: NO_DATA }));
  const last = lone.actions.findLast(({ kind }) => kind === 'instanceStopped');
  assert.ok(last?.kind === 'instanceStopped' && last.after === 'disable');
  assert.equal(lone.state.phase, 'down');
});

test('a link-local neighbor is named with its interface', () => {
  const lone = new Lone(
    configFor(),
    identityFor({ neighborAddress: 'fe80::1', interface: 'br-lan', localAddress: 'fe80::2' }),
  );
  lone.send({ kind: 'start' });
  lone.wait(5);
  assert.ok(lone.logs.includes('Connecting to fe80::1%br-lan from local address fe80::2'));
});

test('an option that our kernel refuses is one error and a wait, not an attempt every few seconds', () => {
  const lone = new Lone();
  lone.send({ kind: 'start' });
  lone.wait(5);
  const error = { operation: 'TCP-AO', code: 'ENOPROTOOPT', message: 'this kernel has none' };
  const actions = lone.send({ kind: 'tcpConnectFailed', error, refusedHere: true });
  const errors = actions.filter((action) => action.kind === 'log' && action.level === 'error');
  assert.deepEqual(logsOf(errors), ['Cannot prepare a connection: TCP-AO: this kernel has none']);
  assert.equal(lone.state.phase, 'delayed');
  assert.ok(!kindsOf(lone.wait(59)).includes('connect'));
});

test('what a channel requires of the peer, and keepalives that would be too frequent', () => {
  const channel = channelFor('ipv4');
  const refusalOf = (config: Partial<SessionConfig>, capabilities: Partial<CapabilitySet> = {}) =>
    refusal(config, openWith({ capabilities: { ...CAPABILITIES, ...capabilities } }));
  const paths = { channels: [{ ...channel, addPaths: 'tx' as const, requireAddPaths: true }] };
  assert.match(refusalOf(paths) ?? '', /^2\/7 4500/);
  const tx = { addPath: [{ family: 'ipv4' as const, rx: false, tx: true }] };
  assert.match(refusalOf(paths, tx) ?? '', /^2\/7 4500/, 'the other direction is no help');
  const rx = { addPath: [{ family: 'ipv4' as const, rx: true, tx: false }] };
  assert.equal(refusalOf(paths, rx), undefined);
  const hop = { channels: [{ ...channel, extendedNextHop: true, requireExtendedNextHop: true }] };
  assert.match(refusalOf(hop) ?? '', /^2\/7 0500/);
  assert.equal(refusalOf(hop, { extendedNextHop: ['ipv4'] }), undefined);
  assert.match(refusalOf({ minKeepaliveTimeSec: 61 }) ?? '', /^2\/6/);
  assert.equal(refusalOf({ minKeepaliveTimeSec: 60 }), undefined);
});
