import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHex } from '@rookery/net';
import { NO_CAPABILITIES } from '../wire/capabilities.ts';
import type { CapabilitySet } from '../wire/capability-set.ts';
import { NO_DATA } from '../wire/fault.ts';
import { encodeKeepalive } from '../wire/frame-message.ts';
import { encodeNotification, hardReset } from '../wire/notification.ts';
import { encodeOpen } from '../wire/open.ts';
import { encodeEndOfRib } from '../wire/update-encode.ts';
import { birdSessionState, negotiatedOf, peerTimers } from './peer-state.ts';
import { ENDPOINTS, Lone, configFor, identityFor, kindsOf, logsOf, sentOf } from './test-peers.ts';
import type { Retention, SessionAction, SessionConfig } from './types.ts';

const CAPABILITIES: CapabilitySet = {
  ...NO_CAPABILITIES,
  any: true,
  families: ['ipv4'],
  routeRefresh: true,
  as4: 64497,
};

function establish(
  config: Partial<SessionConfig> = {},
  capabilities: CapabilitySet = CAPABILITIES,
): Lone {
  const lone = new Lone(configFor(config));
  lone.send({ kind: 'start' });
  lone.send({ kind: 'tcpAccepted', ...ENDPOINTS });
  lone.message('incoming', openWith({ capabilities }));
  lone.message('incoming', encodeKeepalive());
  assert.equal(lone.state.established, 'incoming');
  return lone;
}

function openWith(overrides: Partial<Parameters<typeof encodeOpen>[0]> = {}): Uint8Array {
  const plain = { asn: 64497, holdTimeSec: 180, id: '192.168.1.32', capabilities: CAPABILITIES };
  return encodeOpen({ ...plain, ...overrides });
}

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

// What FRR says by default: helper without families, LLGR with stale time 0 (lab.md §4.2).
const FRR_HELPER: CapabilitySet = {
  ...CAPABILITIES,
  gracefulRestart: { restarting: false, notification: true, restartTimeSec: 120, families: [] },
  longLived: {
    families: [{ family: 'ipv4', forwardingPreserved: true, staleTimeSec: 0 }],
  },
};
const FRR_RESTARTER: CapabilitySet = {
  ...CAPABILITIES,
  gracefulRestart: {
    restarting: false,
    notification: true,
    restartTimeSec: 120,
    families: [{ family: 'ipv4', forwardingPreserved: true }],
  },
};
const AWARE = { gracefulRestart: 'aware', longLivedGracefulRestart: 'aware' } as const;

function retentionAfter(
  capabilities: CapabilitySet,
  end: (lone: Lone) => readonly SessionAction[],
  config: Partial<SessionConfig> = AWARE,
): Retention['families'] {
  const actions = end(establish(config, capabilities));
  const down = actions.find((action) => action.kind === 'sessionDown');
  assert.ok(down?.kind === 'sessionDown');
  return down.retention.families;
}

const vanish = (lone: Lone): readonly SessionAction[] =>
  lone.send({ kind: 'tcpClosed', connection: 'incoming' });
const silence = (lone: Lone): readonly SessionAction[] => lone.wait(181);

test('routes outlive a session only where the peer listed the family', () => {
  const kept = [{ family: 'ipv4', restartTimeSec: 120, llgrStaleTimeSec: 0 }];
  assert.deepEqual(retentionAfter(FRR_HELPER, vanish), []);
  assert.deepEqual(retentionAfter(FRR_HELPER, silence), []);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, vanish), kept);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, silence), kept);
  assert.deepEqual(retentionAfter(CAPABILITIES, vanish), []);
  const off = { gracefulRestart: 'off' } as const;
  assert.deepEqual(retentionAfter(FRR_RESTARTER, vanish, off), []);
  const bounded = { ...AWARE, maxGracefulRestartTimeSec: 30 };
  assert.equal(retentionAfter(FRR_RESTARTER, vanish, bounded)[0]?.restartTimeSec, 30);
  const longLived: CapabilitySet = {
    ...FRR_HELPER,
    longLived: { families: [{ family: 'ipv4', forwardingPreserved: true, staleTimeSec: 3600 }] },
  };
  assert.deepEqual(retentionAfter(longLived, vanish), [
    { family: 'ipv4', restartTimeSec: 0, llgrStaleTimeSec: 3600 },
  ]);
});

test('a spoken end keeps no routes', () => {
  const cease = { code: 6, subcode: 4, data: NO_DATA };
  const say = (bytes: Uint8Array) => (lone: Lone) => lone.message('incoming', bytes);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, say(encodeNotification(cease))), []);
  assert.deepEqual(retentionAfter(FRR_RESTARTER, say(encodeNotification(hardReset(cease)))), []);
  const bfd = (lone: Lone): readonly SessionAction[] => lone.send({ kind: 'bfdDown' });
  assert.deepEqual(retentionAfter(FRR_RESTARTER, bfd), []);
  const graceful = { ...AWARE, bfd: { graceful: true } };
  assert.equal(retentionAfter(FRR_RESTARTER, bfd, graceful).length, 1);
});

test('a restarted peer that calls again replaces its old session', () => {
  const lone = establish(AWARE, FRR_RESTARTER);
  lone.nowMs += 60_000;
  const actions = lone.send({ kind: 'tcpAccepted', ...ENDPOINTS, remotePort: 50000 });
  assert.deepEqual(kindsOf(actions), [
    'sessionDown',
    'closeTransport',
    'acceptTransport',
    'sendMessage',
  ]);
  assert.ok(logsOf(actions).includes('Neighbor graceful restart detected'));
  assert.equal(lone.state.incoming.state, 'OpenSent');
  assert.equal(negotiatedOf(lone.state), undefined);
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
