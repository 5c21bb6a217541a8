// Next hop objects: who gets one, what a lost next hop costs, and what becomes of them when somebody
// or something else takes them away. The real kernel's side is packages/linux/src/platform.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BfdConfig, KernelConfig, RouterConfig, StaticRoute } from '@rookery/router';
import { ALL, deviceConfig, kernelConfig, routerConfig, staticConfig, via } from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';

const INTERFACES = [
  lanInterface('lo', 1, ['127.0.0.1/8']),
  lanInterface('br-lan', 12, ['192.168.1.1/24']),
];
const [A, B] = ['192.168.1.32', '192.168.1.33'] as const;
const BFD: BfdConfig = {
  kind: 'bfd',
  name: 'bfd1',
  disabled: false,
  debug: [],
  interfaces: [],
  neighbors: [],
};
/** As many as may stand behind a next hop without making it an object. */
const FEW = 64;
const MANY = 500;

test('few routes carry their next hops, as everybody knows them', () => {
  const { router } = start(config(routes(FEW, A, B)));
  assert.deepEqual(router.fib.nexthops(), []);
  assert.ok(router.fib.all().every((route) => route.nexthopId === undefined));
});

test('many routes share objects, one per next hop and one per set, whatever their weights', () => {
  const weighted = routes(MANY, A, B).map((route, i) => ({
    ...route,
    via: route.via.map((hop, n) => ({ ...hop, weight: i % 2 === 0 ? 1 : 1 + n })),
  }));
  const { router } = start(config(weighted));
  const objects = router.fib.nexthops();
  assert.deepEqual(
    objects.map(({ hop, members }) => hop?.gateway ?? members?.map(({ weight }) => weight)).sort(),
    [[1, 1], [1, 2], A, B],
  );
  assert.ok(objects.every(({ protocol, id }) => protocol === 12 && id > 1_000_000));
  assert.equal(referring(router).length, MANY);
  assert.deepEqual(hopsOf(router), [`${A},${B}`]);
});

test('a next hop becomes an object when it has become worth one; older routes stay as they are', () => {
  const { lan, router } = start(config(routes(FEW, A)));
  router.configure(config(routes(MANY, A)));
  lan.advance(100);
  assert.equal(router.fib.all().length, MANY);
  assert.equal(referring(router).length, MANY - FEW);
});

test('a lost next hop is one change, however many routes are behind it', () => {
  const costs = [MANY, 4 * MANY].map((count) => {
    const { lan, router } = watched(routes(count, A, B));
    const before = router.fib.changes;
    router.bfdChanged(A, 'Down');
    assert.ok(referring(router).every(({ nexthops }) => nexthops[0]!.gateway === B));
    lan.advance(1000);
    assert.deepEqual(hopsOf(router), [B]);
    return router.fib.changes - before;
  });
  assert.deepEqual(costs, [0, 0]);
});

test('a next hop that comes back is used again, and no object is left over', () => {
  const { lan, router } = watched(routes(MANY, A, B));
  bfd(router, 'Down', A);
  lan.advance(1000);
  bfd(router, 'Up', A);
  lan.advance(1000);
  assert.deepEqual(hopsOf(router), [`${A},${B}`]);
  assert.equal(router.fib.nexthops().length, 3);
  router.configure(config([]));
  lan.advance(1000);
  assert.deepEqual([router.fib.all(), router.fib.nexthops()], [[], []]);
});

test('routes with nothing else are flushed at once, and find their way when there is one', () => {
  const { lan, router } = watched(routes(MANY, A));
  const before = router.fib.changes;
  router.bfdChanged(A, 'Down');
  assert.deepEqual(referring(router), []);
  lan.advance(1000);
  assert.deepEqual(router.fib.all(), []);
  assert.ok(router.fib.changes - before <= FEW);
  router.configure(config(routes(MANY, B)));
  lan.advance(1000);
  assert.deepEqual(hopsOf(router), [B]);
});

test('what is wanted through a lost next hop all the same comes back', () => {
  const trusting = routes(MANY, A);
  const watching = { ...via('10.9.0.0/24', A), via: [hop(A, true)] };
  const { lan, router } = watched([...trusting, watching], false);
  router.bfdChanged(A, 'Down');
  assert.deepEqual(router.fib.all(), []);
  lan.advance(1000);
  assert.deepEqual(
    router.fib.all().map(({ net }) => net),
    trusting.map(({ net }) => net),
  );
});

test('a kernel without next hop objects gets plain routes, and no complaint', () => {
  const lan = new SimLan();
  const router = lan.add({
    name: 'router',
    config: config(routes(MANY, A, B)),
    interfaces: INTERFACES,
  });
  router.fib.hasNexthops = false;
  lan.advance(200);
  assert.equal(router.fib.owned().length, MANY);
  assert.equal(referring(router).length, 0);
  assert.deepEqual(warnings(router), []);
});

test('a number that another program has taken is given up, and its object left alone', () => {
  const { lan, router } = start(config([]));
  const foreign = { protocol: 11, hop: { ifindex: 12, gateway: '192.168.1.99' } };
  const { id: own } = start(config(routes(MANY, A))).router.fib.nexthops()[0]!;
  const ids = Array.from({ length: 40 }, (_, i) => own - 20 + i);
  for (const id of ids) router.fib.addNexthop({ id, ...foreign });
  router.configure(config(routes(MANY, A)));
  lan.advance(1000);
  assert.deepEqual(hopsOf(router), [A]);
  assert.equal(router.fib.all().length, MANY);
  assert.deepEqual(
    router.fib.nexthops().filter(({ protocol }) => protocol === 11),
    ids.map((id) => ({ id, ...foreign })),
  );
  assert.deepEqual(warnings(router), []);
});

test('a next hop that the kernel takes no object for stays in the routes', () => {
  const { lan, router } = start(config([]));
  router.fib.hasNexthops = false;
  router.configure(config(routes(MANY, A, B)));
  lan.advance(1000);
  assert.equal(router.fib.owned().length, MANY);
  assert.deepEqual(hopsOf(router), [`${A},${B}`]);
  assert.deepEqual(warnings(router), []);
});

test('objects that somebody deletes are made again at the next scan', () => {
  const { lan, router } = start(config(routes(MANY, A, B)));
  for (const { id } of router.fib.nexthops()) router.fib.removeNexthop(id);
  assert.equal(router.fib.all().length, 0);
  lan.advance(61_000);
  assert.equal(router.fib.all().length, MANY);
  assert.deepEqual(hopsOf(router), [`${A},${B}`]);
});

test('a group that somebody changed is put right at the next scan', () => {
  const { lan, router } = start(config(routes(MANY, A, B)));
  const single = router.fib.nexthops().find(({ hop: one }) => one?.gateway === A)!;
  router.fib.removeNexthop(single.id);
  assert.deepEqual(hopsOf(router), [B]);
  lan.advance(61_000);
  assert.deepEqual(hopsOf(router), [`${A},${B}`]);
  assert.equal(router.fib.nexthops().length, 3);
});

test('a link without carrier takes the objects along; with it the routes are back at once', () => {
  const { lan, router } = start(config(routes(MANY, A, B)));
  router.host.setInterface('br-lan', { linkUp: false });
  lan.advance(1000);
  assert.equal(router.fib.all().length, 0);
  router.host.setInterface('br-lan', { linkUp: true });
  lan.advance(1000);
  assert.equal(router.fib.all().length, MANY);
  assert.deepEqual(hopsOf(router), [`${A},${B}`]);
});

test('a carrier that is gone too shortly to be seen is noticed by what it took', () => {
  const { lan, router } = start(config(routes(MANY, A, B)));
  router.fib.linkDown(12);
  router.host.setInterface('br-lan', { mtu: 1500 });
  lan.advance(1000);
  assert.equal(router.fib.all().length, MANY);
});

test('after a restart objects of the former life are taken over, and go when nobody needs them', () => {
  const { lan, router } = watched(routes(MANY, A, B));
  const before = router.fib.nexthops();
  router.kill();
  router.boot(config([...routes(MANY, A, B)]));
  const { changes } = router.fib;
  lan.advance(1000);
  assert.equal(router.fib.changes, changes, 'nothing was written again');
  router.configure(config(routes(MANY / 2, A, B)));
  lan.advance(1000);
  assert.ok(router.fib.nexthops().every(({ id }) => before.some((object) => object.id === id)));
  router.configure(config([]));
  lan.advance(1000);
  assert.deepEqual([router.fib.all(), router.fib.nexthops()], [[], []]);
});

for (const persist of [false, true]) {
  test(`an orderly end ${persist ? 'with persist leaves all' : 'leaves nothing'}`, () => {
    for (const count of [FEW, MANY, 6 * MANY]) {
      const { lan, router } = start(config(routes(count, A, B), { persist }));
      const objects = router.fib.nexthops().length;
      router.shutdown();
      lan.advance(10);
      assert.equal(router.fib.all().length, persist ? count : 0);
      assert.equal(router.fib.nexthops().length, persist ? objects : 0);
    }
  });
}

function hop(gateway: string, withBfd: boolean): StaticRoute['via'][number] {
  return { gateway, weight: 1, onlink: false, bfd: withBfd };
}

function routes(count: number, ...gateways: readonly string[]): StaticRoute[] {
  return Array.from({ length: count }, (_, i) => via(`10.${i >> 8}.${i & 255}.0/24`, ...gateways));
}

function config(all: readonly StaticRoute[], change: Partial<KernelConfig> = {}): RouterConfig {
  return routerConfig([kernelConfig('ipv4', ALL, change), deviceConfig(), BFD, staticConfig(all)], {
    routerId: '192.168.1.1',
  });
}

function start(routerConfigValue: RouterConfig): { lan: SimLan; router: SimRouter } {
  const lan = new SimLan();
  const router = lan.add({ name: 'router', config: routerConfigValue, interfaces: INTERFACES });
  lan.advance(200);
  return { lan, router };
}

/** A router whose routes depend on BFD, and both neighbors are well. */
function watched(all: readonly StaticRoute[], every = true): { lan: SimLan; router: SimRouter } {
  const watching = all.map((route) => ({
    ...route,
    via: every ? route.via.map((one) => ({ ...one, bfd: true })) : route.via,
  }));
  const running = start(config(watching));
  bfd(running.router, 'Up', A, B);
  running.lan.advance(100);
  return running;
}

function bfd(router: SimRouter, state: 'Up' | 'Down' | 'AdminDown', ...of: string[]): void {
  for (const gateway of of) router.bfdChanged(gateway, state);
}

const referring = (router: SimRouter) =>
  router.fib.all().filter(({ nexthopId }) => nexthopId !== undefined);

/** The different sets of next hops in the kernel. */
const hopsOf = (router: SimRouter): string[] =>
  [...new Set(router.fib.all().map(({ nexthops }) => nexthops.map((n) => n.gateway).join()))].sort(
    (a, b) => a.length - b.length,
  );

const warnings = (router: SimRouter): string[] =>
  router.log.flatMap((line) => (line.text.startsWith('Netlink') ? [line.text] : []));
