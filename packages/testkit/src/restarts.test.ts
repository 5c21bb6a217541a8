// Graceful restart of ours: what waits, for whom, and for how long (RFC 4724 §4.1).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig } from '@rookery/router';
import { ALL, bgpChannelConfig, kernelConfig } from './configs.ts';
import type { SimRouter } from './sim-router.ts';
import { build, type Speaker, table } from './speakers.ts';

const FIRST = '10.1.0.0/16';
const SECOND = '10.2.0.0/16';
const THIRD = '10.3.0.0/16';

/** Both roles: keeps forwarding while it restarts, and helps. */
const GRACEFUL: Partial<BgpConfig> = {
  gracefulRestart: 'on',
  channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL, gracefulRestart: true })],
};

/** Router 1 has a kernel and the neighbors 2 and 3, which restart gracefully, and 4, which cannot. */
function network(third: Partial<BgpConfig> = GRACEFUL, more: Speaker['sessions'] = []) {
  const kernel = kernelConfig('ipv4', ALL, { gracefulRestart: true });
  const sessions = [
    { to: 2, asn: 65002, change: GRACEFUL },
    { to: 3, asn: 65003, change: GRACEFUL },
    { to: 4, asn: 65004 },
  ];
  const toOne = (change: Partial<BgpConfig>) => [{ to: 1, asn: 65001, change }];
  const made = build(
    { n: 1, asn: 65001, sessions, more: [kernel] },
    { n: 2, asn: 65002, sessions: toOne(GRACEFUL), routes: [FIRST] },
    { n: 3, asn: 65003, sessions: [...toOne(third), ...more], routes: [SECOND] },
    { n: 4, asn: 65004, sessions: toOne({ gracefulRestart: 'off' }), routes: [THIRD] },
  );
  const { lan, at } = made;
  lan.until(() => table(at(4)).size === 3, 60_000, 'routes everywhere');
  lan.until(() => at(1).fib.owned().length === 3, 1000, 'routes in the kernel');
  return made;
}

const session = (router: SimRouter, name: string): string | undefined =>
  router.router.view.protocols().find((p) => p.name === name)?.bgp?.state;
const recovering = (router: SimRouter): number | undefined =>
  router.router.view.status().recovery?.waitingChannels;

test('nothing is announced and the kernel is not touched until the last neighbor has finished', () => {
  const { lan, at } = network();
  const before = at(1).fib.owned();
  at(1).gracefulRestart();
  lan.network.setPartition(at(1).host, at(3).host, true);
  at(1).boot(undefined, true);
  lan.until(() => table(at(1)).has(FIRST) && table(at(1)).has(THIRD), 30_000, 'first routes back');
  lan.advance(5000);
  assert.equal(recovering(at(1)), 1);
  assert.deepEqual(at(1).fib.owned(), before);
  assert.ok(
    !table(at(4)).has(FIRST),
    'a choice among half of the routes is nobody else’s business',
  );
  const feed = at(2)
    .router.view.protocols()
    .find((p) => p.name === 'to1')!.bgp!;
  assert.ok(!feed.families[0]!.endOfRibReceived, 'End-of-RIB follows the routes');
  const pending = at(1)
    .router.view.protocols()
    .find((p) => p.name === 'to3')!.channels[0]!;
  assert.deepEqual(pending.recoveryPending, { waiting: false });

  lan.network.setPartition(at(1).host, at(3).host, false);
  lan.until(() => table(at(4)).has(SECOND), 60_000, 'everything announced');
  assert.ok(table(at(4)).has(FIRST));
  assert.equal(recovering(at(1)), undefined);
  assert.ok(at(1).texts().includes('Graceful restart done'));
  assert.deepEqual(at(1).fib.owned(), before);
});

test('what nobody announced again leaves the kernel with the end of the recovery', () => {
  const { lan, at } = network();
  at(1).gracefulRestart();
  at(2).shutdown();
  at(2).boot();
  at(3).configure({
    ...at(3).router.config,
    protocols: at(3).router.config.protocols.filter((p) => p.kind !== 'static'),
  });
  at(1).boot(undefined, true);
  lan.until(() => recovering(at(1)) === undefined, 60_000, 'recovery done');
  lan.advance(10);
  assert.equal(at(1).fib.owned().length, 2, 'pruned by the scan that follows, not a minute later');
});

test('a neighbor that restarts as well delays nobody, and its routes stay in the kernel', () => {
  // The third has a neighbor of its own that it waits for, as long as it can.
  const { lan, at } = network(GRACEFUL, [{ to: 5, asn: 65005, change: GRACEFUL }]);
  const before = at(1).fib.owned();
  at(1).gracefulRestart();
  at(3).gracefulRestart();
  at(3).boot(undefined, true);
  lan.advance(5000);
  at(1).boot(undefined, true);
  lan.until(() => table(at(4)).has(FIRST), 60_000, 'announced without the third');
  assert.equal(session(at(1), 'to3'), 'Established');
  lan.advance(5000);
  assert.ok(!table(at(1)).has(SECOND), 'the third says nothing yet');
  assert.deepEqual(at(1).fib.owned(), before);
  lan.until(() => table(at(4)).has(SECOND), 300_000, 'the third gave up waiting');
  lan.until(() => recovering(at(1)) === undefined, 1000, 'recovery done with it');
  assert.deepEqual(at(1).fib.owned(), before);
});

test('the wait ends by itself: 240 s by default', () => {
  const { lan, at } = network();
  at(1).gracefulRestart();
  at(3).powerOff();
  lan.until(() => !table(at(4)).has(FIRST), 1000, 'gone where nobody restarts gracefully');
  const start = lan.clock.nowMs;
  at(1).boot(undefined, true);
  lan.until(() => table(at(4)).has(FIRST), 300_000, 'announced without the third');
  assert.ok(lan.clock.nowMs - start >= 240_000);
  lan.until(() => at(1).fib.owned().length === 2, 1000, 'its route gone');
});

test('a neighbor that restarts itself, or cannot restart gracefully, is not waited for', () => {
  for (const third of [GRACEFUL, { gracefulRestart: 'off' } as const]) {
    const { lan, at } = network(third);
    at(1).gracefulRestart();
    if (third === GRACEFUL) {
      at(3).gracefulRestart();
      at(3).boot(undefined, true);
    }
    const start = lan.clock.nowMs;
    at(1).boot(undefined, true);
    lan.until(() => session(at(1), 'to3') === 'Established', 60_000, 'session with the third');
    lan.until(() => table(at(4)).has(SECOND), 60_000, 'everything announced');
    assert.ok(lan.clock.nowMs - start < 60_000);
  }
});

test('long-lived: what outlives the restart time is a last resort, told to those who understand', () => {
  const longLived: Partial<BgpConfig> = {
    gracefulRestart: 'on',
    gracefulRestartTimeSec: 10,
    longLivedGracefulRestart: 'on',
    longLivedStaleTimeSec: 600,
    channels: [
      bgpChannelConfig('ipv4', {
        exportPolicy: ALL,
        gracefulRestart: true,
        longLivedGracefulRestart: true,
      }),
    ],
  };
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002, change: longLived }], routes: [FIRST] },
    {
      n: 2,
      asn: 65002,
      sessions: [
        { to: 1, asn: 65001, change: longLived },
        { to: 3, asn: 65003 },
        { to: 4, asn: 65004, change: { gracefulRestart: 'off', longLivedGracefulRestart: 'off' } },
      ],
    },
    { n: 3, asn: 65003, sessions: [{ to: 2, asn: 65002 }] },
    { n: 4, asn: 65004, sessions: [{ to: 2, asn: 65002 }] },
  );
  lan.until(() => table(at(3)).has(FIRST) && table(at(4)).has(FIRST), 60_000, 'routes');
  at(1).gracefulRestart();
  lan.until(() => table(at(2)).get(FIRST)?.llgrStale === true, 20_000, 'long-lived stale');
  lan.until(() => !table(at(4)).has(FIRST), 1000, 'RFC 9494 §4.3: withdrawn from 4');
  assert.ok(table(at(3)).get(FIRST)!.bgp!.communities!.includes(0xffff0006), 'LLGR_STALE for 3');
  at(1).boot(undefined, true);
  lan.until(() => table(at(4)).has(FIRST), 60_000, 'back to normal');
  assert.equal(table(at(2)).get(FIRST)!.llgrStale, undefined);
  assert.equal(table(at(2)).get(FIRST)!.bgp!.communities, undefined);
});

test('long-lived: a neighbor that lost its forwarding state gets nothing for its old routes', () => {
  const longLived: Partial<BgpConfig> = {
    gracefulRestart: 'on',
    gracefulRestartTimeSec: 10,
    longLivedGracefulRestart: 'on',
    channels: [
      bgpChannelConfig('ipv4', {
        exportPolicy: ALL,
        gracefulRestart: true,
        longLivedGracefulRestart: true,
      }),
    ],
  };
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002, change: longLived }], routes: [FIRST] },
    { n: 2, asn: 65002, sessions: [{ to: 1, asn: 65001, change: longLived }] },
  );
  lan.until(() => table(at(2)).has(FIRST), 60_000, 'route');
  at(1).kill();
  lan.until(() => table(at(2)).get(FIRST)?.llgrStale === true, 20_000, 'long-lived stale');
  // Not told that the kernel went on: the F bit is clear.
  at(1).boot();
  lan.until(() => session(at(2), 'to1') === 'Established', 60_000, 'session');
  assert.equal(table(at(2)).get(FIRST)?.llgrStale, undefined);
});
