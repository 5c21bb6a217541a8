import assert from 'node:assert/strict';
import { test } from 'node:test';
import { birdLastError } from './down-reason.ts';
import { negotiatedOf, peerTimers, sessionState } from './peer-state.ts';
import { PeerPair, channelFor, kindsOf, logsOf, sentOf } from './test-peers.ts';
import type { SessionAction } from './types.ts';

function started(options: ConstructorParameters<typeof PeerPair>[0]): PeerPair {
  const pair = new PeerPair(options);
  pair.send('a', { kind: 'start' });
  pair.send('b', { kind: 'start' });
  return pair;
}

function states(pair: PeerPair): string {
  return `${sessionState(pair.a.state)} ${sessionState(pair.b.state)}`;
}

function lastError(pair: PeerPair, name: 'a' | 'b'): string | undefined {
  const { lastError: error } = pair[name].state;
  return error && birdLastError(error.reason);
}

const count = (actions: readonly SessionAction[], kind: string): number =>
  kindsOf(actions).filter((entry) => entry === kind).length;

test('two routers reach Established and keep the session for a day', () => {
  const pair = started({ a: { holdTimeSec: 180 }, b: { holdTimeSec: 90 } });
  pair.run(10);
  assert.equal(states(pair), 'Established Established');
  const negotiated = negotiatedOf(pair.a.state)!;
  assert.equal(negotiated.holdTimeSec, 90);
  assert.equal(negotiated.keepaliveTimeSec, 30);
  assert.equal(negotiated.peerAs, 64497);
  pair.run(86_400);
  assert.equal(states(pair), 'Established Established');
  assert.equal(pair.a.state.connectionsEstablished, 1);
  // 22.5 to 30 seconds apart.
  const { sent, received } = pair.a.state.traffic;
  assert.ok(sent.keepalive > 2880 && sent.keepalive < 3840, String(sent.keepalive));
  assert.ok(received.keepalive > 2880 && received.keepalive < 3840);
});

test('the log of a session that comes up is in BIRD words and order', () => {
  const pair = started({ listens: { a: true, b: false }, a: { passive: true } });
  pair.run(10);
  assert.equal(states(pair), 'Established Established');
  assert.deepEqual(logsOf(pair.a.actions), [
    'Started',
    'Incoming connection from 192.168.1.32 (port 40001) accepted',
    'Sending OPEN(ver=4,as=64496,hold=240,id=c0a80101)',
    'Got OPEN(as=64497,hold=240,id=192.168.1.32)',
    'Sending KEEPALIVE',
    'Got KEEPALIVE',
    'BGP session established',
  ]);
  assert.deepEqual(logsOf(pair.b.actions).slice(0, 4), [
    'Started',
    'Connect delayed by 5 seconds',
    'Connecting to 192.168.1.1 from local address 192.168.1.32',
    'Connected',
  ]);
});

test('crossing calls are resolved to one session, whatever the timing', () => {
  let collisions = 0;
  for (let seed = 1; seed <= 60; seed++) {
    // A link slower than the jitter: both call before either is called.
    const pair = started({ seed, delayMs: 700 });
    pair.run(120);
    assert.equal(states(pair), 'Established Established', `seed ${seed}`);
    const roleA = pair.a.state.established;
    assert.notEqual(roleA, pair.b.state.established, `seed ${seed}: not the same connection`);
    const all = [...pair.a.actions, ...pair.b.actions];
    if (sentOf(all).includes('notification 6.7')) collisions++;
    pair.run(3600);
    assert.equal(states(pair), 'Established Established');
    assert.ok(pair.a.state.connectionsEstablished <= 2, `seed ${seed}`);
  }
  assert.ok(collisions > 20, `${collisions} collisions seen`);
});

test('equal identifiers in different ASes: the higher AS keeps its call', () => {
  const pair = started({
    delayMs: 900,
    aIdentity: { routerId: '192.168.2.1' },
    bIdentity: { routerId: '192.168.2.1' },
  });
  pair.run(60);
  assert.equal(states(pair), 'Established Established');
  assert.equal(pair.b.state.established, 'outgoing');
});

test('a cut link is noticed when the hold time is over, on both sides', () => {
  const pair = started({ a: { holdTimeSec: 9 }, listens: { a: true, b: false } });
  pair.run(10);
  assert.equal(states(pair), 'Established Established');
  pair.linkUp = false;
  pair.run(6);
  assert.equal(states(pair), 'Established Established');
  pair.run(4);
  assert.equal(states(pair), 'Idle Idle');
  assert.equal(lastError(pair, 'a'), 'BGP Error: Hold timer expired');
  const logs = logsOf(pair.a.actions);
  assert.ok(logs.includes('Hold timer expired'));
  assert.ok(logs.includes('Startup delayed by 60 seconds due to errors'));
  pair.linkUp = true;
  pair.run(120);
  assert.equal(states(pair), 'Established Established');
  assert.equal(pair.a.state.connectionsDropped, 1);
});

test('hold time 0: one KEEPALIVE each, then silence, and the session stays', () => {
  const pair = started({ b: { holdTimeSec: 0 } });
  pair.run(10);
  assert.equal(states(pair), 'Established Established');
  pair.linkUp = false;
  pair.run(36_000);
  assert.equal(states(pair), 'Established Established');
  assert.equal(sentOf(pair.a.actions).filter((name) => name === 'keepalive').length, 1);
  assert.deepEqual(peerTimers(pair.a.state, pair.nowMs), {});
});

test('a wrong AS is refused with 2/2, and the wait doubles from 60 to 300 seconds', () => {
  const pair = started({ a: { neighborAs: 64498 }, listens: { a: true, b: false } });
  pair.run(1500);
  assert.equal(pair.a.state.connectionsEstablished, 0);
  assert.equal(lastError(pair, 'a'), 'BGP Error: Bad peer AS');
  assert.equal(lastError(pair, 'b'), 'Received: Bad peer AS');
  const logs = logsOf(pair.a.actions);
  assert.ok(logs.includes('Error: Bad peer AS: 64497'));
  const waits = logs.filter((text) => text.startsWith('Startup delayed'));
  assert.deepEqual(
    waits.slice(0, 4),
    [60, 120, 240, 300].map((sec) => `Startup delayed by ${sec} seconds due to errors`),
  );
  assert.ok(
    logs.some((text) => text.endsWith('rejected')),
    'incoming calls are refused during the error wait',
  );
});

test('errors are forgotten after the forget time', () => {
  const pair = started({ a: { neighborAs: 64498, errorForgetTimeSec: 30 } });
  pair.run(600);
  const waits = logsOf(pair.a.actions).filter((text) => text.startsWith('Startup delayed'));
  assert.ok(waits.length >= 3);
  assert.ok(waits.every((text) => text === 'Startup delayed by 60 seconds due to errors'));
});

test('no common family is refused with 2/7 and the family that is missing', () => {
  const pair = started({ b: { channels: [channelFor('ipv6')] } });
  pair.run(10);
  const refusal = pair.a.actions.find(
    (action) => action.kind === 'instanceStopping' && action.reason.kind === 'notificationSent',
  );
  assert.ok(refusal?.kind === 'instanceStopping' && refusal.reason.kind === 'notificationSent');
  assert.equal(`${refusal.reason.code}.${refusal.reason.subcode}`, '2.7');
  assert.deepEqual([...refusal.reason.data], [1, 4, 0, 1, 0, 1]);
});

test('a shutdown with a text stays down here and is told over there', () => {
  const pair = started({ a: { passive: true }, listens: { a: true, b: false } });
  pair.run(10);
  pair.send('a', { kind: 'stop', reason: { kind: 'adminShutdown', text: 'drain node' } });
  pair.run(1);
  assert.equal(pair.a.state.phase, 'down');
  assert.equal(lastError(pair, 'a'), undefined);
  assert.equal(lastError(pair, 'b'), 'Received: Administrative shutdown');
  assert.ok(logsOf(pair.b.actions).includes('Received: Administrative shutdown: "drain node"'));
  const down = pair.b.actions.find((action) => action.kind === 'sessionDown');
  assert.ok(down?.kind === 'sessionDown' && down.reason.kind === 'notificationReceived');
  assert.equal(down.reason.text, 'drain node');
  assert.equal(down.reason.category, 'admin');
  pair.run(600);
  assert.notEqual(sessionState(pair.b.state), 'Established');
  pair.send('a', { kind: 'start' });
  pair.run(130);
  assert.equal(states(pair), 'Established Established');
});

test('a cease on the list disables the receiver', () => {
  const pair = started({ b: { disableAfterCease: [2] } });
  pair.run(10);
  pair.send('a', { kind: 'stop', reason: { kind: 'adminShutdown' } });
  pair.run(5);
  assert.equal(pair.b.state.phase, 'down');
  assert.ok(logsOf(pair.b.actions).includes('Disabled after Cease notification'));
});

test('a peer without capabilities: the OPEN is sent again without them', () => {
  const pair = started({ listens: { a: true, b: false } });
  // A foreign speaker would answer 2/4; here the refusal is put into the mouth of router a.
  pair.run(3);
  pair.b.state = { ...pair.b.state, withoutCapabilities: true };
  pair.run(10);
  assert.equal(states(pair), 'Established Established');
  const negotiated = negotiatedOf(pair.a.state)!;
  assert.equal(negotiated.as4, false);
  assert.deepEqual(
    negotiated.families.map(({ family }) => family),
    ['ipv4'],
  );
});

test('a link that fails takes the session along and brings it back', () => {
  const pair = started({});
  pair.run(10);
  pair.send('a', { kind: 'neighborLost', because: 'neighbor' });
  pair.run(1);
  assert.equal(pair.a.state.phase, 'waiting');
  assert.equal(lastError(pair, 'a'), 'Error: Neighbor lost');
  assert.ok(logsOf(pair.a.actions).includes('Waiting for 192.168.1.32 to become my neighbor'));
  pair.send('a', { kind: 'neighborFound' });
  pair.run(20);
  assert.equal(states(pair), 'Established Established');
});

test('everything negotiable is negotiated', () => {
  const both = {
    enableExtendedMessages: true,
    advertiseHostname: true,
    advertiseSoftwareVersion: true,
    gracefulRestart: 'on',
    longLivedGracefulRestart: 'on',
    channels: [
      { ...channelFor('ipv4'), extendedNextHop: true, addPaths: 'on' },
      { ...channelFor('ipv6'), addPaths: 'rx' },
      channelFor('roa4'),
    ],
  } as const;
  const pair = started({
    a: { ...both, localRole: 'provider' },
    b: { ...both, localRole: 'customer', requireRoles: true },
    aIdentity: { hostname: 'router' },
    bIdentity: { hostname: 'node1', softwareVersion: 'Test/1' },
  });
  pair.run(10);
  const negotiated = negotiatedOf(pair.a.state)!;
  assert.equal(negotiated.extendedMessages, true);
  assert.equal(negotiated.enhancedRouteRefresh, true);
  assert.equal(negotiated.remote.hostname, 'node1');
  assert.equal(negotiated.remote.softwareVersion, 'Test/1');
  assert.equal(negotiated.remote.role, 3);
  assert.equal(negotiated.longLived, true);
  assert.deepEqual(negotiated.families, [
    { family: 'ipv4', addPathTx: true, addPathRx: true, extendedNextHop: true },
    { family: 'ipv6', addPathTx: false, addPathRx: false, extendedNextHop: false },
  ]);
  assert.equal(count(pair.a.actions, 'extendedMessagesAgreed') > 0, true);
});

test('roles that do not fit are refused with 2/11', () => {
  const pair = started({ a: { localRole: 'provider' }, b: { localRole: 'peer' } });
  pair.run(10);
  const sent = [...sentOf(pair.a.actions), ...sentOf(pair.b.actions)];
  assert.ok(sent.includes('notification 2.11'));
});
