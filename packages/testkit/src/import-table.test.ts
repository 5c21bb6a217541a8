// The import table in the engine: stale routes, withdrawals, limits and next hops keep it in step.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpChannelConfig, BgpConfig } from '@rookery/router';
import { ALL, NONE, bgpChannelConfig, directConfig } from './configs.ts';
import type { SimRouter } from './sim-router.ts';
import { build, configOf, setting, table } from './speakers.ts';
import type { Speaker } from './speakers.ts';

const NETS = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16'];

function received(router: SimRouter): string[] {
  const result = router.router.view.walkRoutes({
    tables: [],
    adjTable: { direction: 'import', protocol: 'to2', channel: 'ipv4' },
    primary: false,
    filtered: false,
    countOnly: false,
  });
  assert.ok(result.ok);
  const nets: string[] = [];
  for (let items = result.walk.next(100); items.length > 0; items = result.walk.next(100)) {
    for (const item of items) if (item.kind === 'network') nets.push(item.net);
  }
  return nets;
}

const speaker = (channel: Partial<BgpChannelConfig>, change: Partial<BgpConfig> = {}): Speaker => ({
  n: 1,
  asn: 65001,
  sessions: [{ to: 2, asn: 65002, channel: { importTable: true, ...channel }, change }],
});
const sender = (routes: readonly string[], change: Partial<BgpConfig> = {}): Speaker => ({
  n: 2,
  asn: 65002,
  sessions: [{ to: 1, asn: 65001, change }],
  routes,
});

test('what the policy refused can be accepted later, without a word to the neighbor', () => {
  const { lan, at } = build(speaker({ importPolicy: NONE }), sender(NETS));
  lan.until(() => received(at(1)).length === 3, 60_000, 'routes received');
  assert.equal(table(at(1)).size, 0);
  const updates = at(1)
    .router.view.protocols()
    .find((p) => p.name === 'to2')!.bgp!.received.update;
  const tag = setting('tag', (bgp) => ({ ...bgp, localPref: 7 }));
  at(1).configure(configOf(speaker({ importPolicy: tag, preference: 300 })));
  lan.until(() => table(at(1)).size === 3, 10, 'routes accepted');
  const route = table(at(1)).get(NETS[0]!)!;
  assert.deepEqual([route.bgp?.localPref, route.preference], [7, 300]);
  const bgp = at(1)
    .router.view.protocols()
    .find((p) => p.name === 'to2')!.bgp!;
  assert.equal(bgp.received.update, updates);
  assert.equal(bgp.sent.routeRefresh, 0);
});

test('withdrawals, ends of sessions and sweeps after a restart leave nothing behind', () => {
  const graceful: Partial<BgpConfig> = {
    gracefulRestart: 'on',
    channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL, gracefulRestart: true })],
  };
  const { lan, at } = build(speaker({}), sender(NETS, graceful));
  lan.until(() => received(at(1)).length === 3, 60_000, 'routes received');
  at(2).configure(configOf(sender(NETS.slice(1), graceful)));
  lan.until(() => received(at(1)).length === 2, 100, 'one withdrawn');
  at(2).gracefulRestart();
  at(2).boot(configOf(sender(NETS.slice(2), graceful)), true);
  lan.advance(100);
  assert.equal(received(at(1)).length, 2, 'kept while it restarts');
  at(1).command((router, now) => void router.reload(['to2'], 'in', now));
  lan.until(() => received(at(1)).length === 1, 60_000, 'what it did not send again goes');
  assert.deepEqual([...table(at(1)).keys()], NETS.slice(2));
  at(2).shutdown();
  lan.until(() => received(at(1)).length === 0, 100, 'gone with the session');
  assert.equal(table(at(1)).size, 0);
});

test('the receive limit counts what was received, also what the policy refused', () => {
  const limited = { importPolicy: NONE, receiveLimit: { count: 2, action: 'block' as const } };
  const { lan, at } = build(speaker(limited), sender(NETS));
  lan.until(() => received(at(1)).length === 2, 60_000, 'two of three');
  lan.advance(1000);
  assert.equal(received(at(1)).length, 2);
});

test('recursive next hops stay right through a reload', () => {
  const recursive = { gateway: 'recursive' as const };
  const one = (direct: boolean, more: Partial<BgpChannelConfig> = {}): Speaker => ({
    ...speaker({ ...recursive, ...more }),
    more: direct ? [directConfig()] : [],
  });
  const { lan, at } = build(one(false), sender(NETS.slice(0, 1)));
  lan.until(() => table(at(1)).has(NETS[0]!), 60_000, 'route');
  assert.equal(table(at(1)).get(NETS[0]!)!.dest, 'unreachable');
  at(1).configure(configOf(one(true)));
  lan.until(() => table(at(1)).get(NETS[0]!)!.dest === 'unicast', 100, 'resolved');
  const tag = setting('tag', (bgp) => ({ ...bgp, localPref: 7 }));
  at(1).configure(configOf(one(true, { importPolicy: tag })));
  lan.until(() => table(at(1)).get(NETS[0]!)!.bgp?.localPref === 7, 100, 'reloaded');
  assert.equal(table(at(1)).get(NETS[0]!)!.dest, 'unicast');
});
