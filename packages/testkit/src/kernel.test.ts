import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelConfig, KernelRoute, RouterConfig, StaticRoute } from '@rookery/router';
import {
  ALL,
  blackhole,
  deviceConfig,
  kernelConfig,
  routerConfig,
  staticConfig,
  via,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';

const INTERFACES = [
  lanInterface('lo', 1, ['127.0.0.1/8']),
  lanInterface('br-lan', 12, ['192.168.1.1/24']),
];

function config(routes: readonly StaticRoute[], change: Partial<KernelConfig> = {}): RouterConfig {
  return routerConfig([kernelConfig('ipv4', ALL, change), deviceConfig(), staticConfig(routes)], {
    routerId: '192.168.1.1',
  });
}

function route(net: string, change: Partial<KernelRoute> = {}): KernelRoute {
  return {
    family: 'ipv4',
    table: 254,
    net,
    protocol: 12,
    metric: 32,
    dest: 'unicast',
    nexthops: [{ ifindex: 12, gateway: '192.168.1.32' }],
    ...change,
  };
}

function start(
  routerConfigValue: RouterConfig,
  present: readonly KernelRoute[] = [],
): { lan: SimLan; router: SimRouter } {
  const lan = new SimLan();
  const router = lan.add({ name: 'router', config: routerConfigValue, interfaces: INTERFACES });
  for (const r of present) router.fib.install(r, false);
  lan.advance(100);
  return { lan, router };
}

const kernelView = (router: SimRouter) =>
  router.router.view.protocols().find((p) => p.kind === 'kernel')!.kernel!;

test('the first scan adopts, updates and removes routes of a former life', () => {
  const { router } = start(
    config([via('10.0.0.0/24', '192.168.1.32'), via('10.0.1.0/24', '192.168.1.33')]),
    [route('10.0.0.0/24'), route('10.0.1.0/24'), route('10.0.9.0/24')],
  );
  assert.deepEqual(router.fib.owned(), [
    '10.0.0.0/24 via 192.168.1.32 metric 32',
    '10.0.1.0/24 via 192.168.1.33 metric 32',
  ]);
  const lines = router.texts();
  assert.ok(lines.includes('kernel4: 10.0.0.0/24: seen'));
  assert.ok(lines.includes('kernel4: 10.0.1.0/24: updating'));
  assert.ok(lines.includes('kernel4: 10.0.9.0/24: deleting'));
});

test('what somebody removes is put back at the next scan', () => {
  const { lan, router } = start(config([via('10.0.0.0/24', '192.168.1.32')]));
  assert.equal(router.fib.owned().length, 1);
  router.fib.remove(route('10.0.0.0/24'));
  lan.advance(61_000);
  assert.deepEqual(router.fib.owned(), ['10.0.0.0/24 via 192.168.1.32 metric 32']);
  assert.ok(router.texts().includes('kernel4: 10.0.0.0/24: installing'));
});

test('a route of another program is never touched: kept unsynced, explained once, retried', () => {
  const alien = route('10.0.0.0/24', { protocol: 4 });
  const { lan, router } = start(config([via('10.0.0.0/24', '192.168.1.33')]), [alien]);
  lan.advance(130_000);
  assert.deepEqual(router.fib.all(), [alien]);
  const lines = router.texts();
  assert.ok(lines.filter((l) => l === 'Netlink: File exists').length >= 2, 'each scan tries');
  const explained = lines.filter((l) => l.includes('stays out of the kernel'));
  assert.equal(explained.length, 1);
  assert.match(explained[0]!, /proto static/);
  assert.deepEqual(kernelView(router).failed, [{ net: '10.0.0.0/24', message: 'File exists' }]);
  const walk = router.router.view.walkRoutes({
    tables: ['master4'],
    primary: false,
    filtered: false,
    countOnly: false,
  });
  assert.ok(walk.ok);
  const items = walk.walk.next(100);
  const network = items.find((item) => item.kind === 'network');
  assert.ok(network?.kind === 'network' && network.routes[0]!.syncError);

  // A change of ours while the order is under way must not replace the stranger either.
  router.configure(config([via('10.0.0.0/24', '192.168.1.34')]));
  router.configure(config([via('10.0.0.0/24', '192.168.1.35')]));
  lan.advance(1000);
  assert.deepEqual(router.fib.all(), [alien]);

  router.alien('removed', alien);
  lan.advance(10);
  assert.deepEqual(router.fib.owned(), ['10.0.0.0/24 via 192.168.1.35 metric 32']);
  assert.deepEqual(kernelView(router).failed, []);
});

test('a withdrawal of a refused route leaves the stranger alone', () => {
  const alien = route('10.0.0.0/24', { protocol: 16 });
  const { lan, router } = start(config([via('10.0.0.0/24', '192.168.1.33')]), [alien]);
  router.configure(config([]));
  lan.advance(100);
  assert.deepEqual(router.fib.all(), [alien]);
});

test('flush at the end, unless the routes persist', () => {
  for (const persist of [false, true]) {
    const { lan, router } = start(config([via('10.0.0.0/24', '192.168.1.32')], { persist }));
    router.shutdown();
    lan.advance(10);
    assert.equal(router.fib.owned().length, persist ? 1 : 0);
  }
});

test('an interface that goes down withdraws what leads through it', () => {
  const { lan, router } = start(
    config([via('10.0.0.0/24', '192.168.1.32'), blackhole('10.0.1.0/24')]),
  );
  assert.equal(router.fib.owned().length, 2);
  router.host.setInterface('br-lan', { adminUp: false });
  lan.advance(10);
  assert.deepEqual(router.fib.owned(), ['10.0.1.0/24 blackhole metric 32']);
  router.host.setInterface('br-lan', { adminUp: true });
  lan.advance(10);
  assert.equal(router.fib.owned().length, 2);
});

test('several next hops of one static route are one kernel route with weights', () => {
  const weighted: StaticRoute = {
    net: '10.0.0.0/24',
    dest: 'unicast',
    via: [
      { gateway: '192.168.1.33', weight: 2, onlink: false, bfd: false },
      { gateway: '192.168.1.32', weight: 3, onlink: false, bfd: false },
    ],
  };
  const { router } = start(config([weighted]));
  assert.deepEqual(
    router.fib.all()[0]!.nexthops.map((n) => [n.gateway, n.weight]),
    [
      ['192.168.1.32', 3],
      ['192.168.1.33', 2],
    ],
  );
});

test('learning takes in routes of others, follows events and prunes at the scan', () => {
  const learned = (net: string): KernelRoute => route(net, { protocol: 3, metric: 0 });
  const { lan, router } = start(config([], { learn: 'on' }), [
    learned('10.0.0.0/24'),
    route('192.168.1.0/24', { protocol: 2, metric: 0, nexthops: [{ ifindex: 12 }] }),
  ]);
  const nets = (): string[] => {
    const walk = router.router.view.walkRoutes({
      tables: ['master4'],
      primary: false,
      filtered: false,
      countOnly: false,
    });
    assert.ok(walk.ok);
    return walk.walk.next(100).flatMap((item) => (item.kind === 'network' ? [item.net] : []));
  };
  assert.deepEqual(nets(), ['10.0.0.0/24']);
  router.alien('new', learned('10.0.1.0/24'));
  lan.advance(10);
  assert.deepEqual(nets(), ['10.0.0.0/24', '10.0.1.0/24']);
  router.alien('removed', learned('10.0.1.0/24'));
  lan.advance(10);
  assert.deepEqual(nets(), ['10.0.0.0/24']);
  router.fib.remove(learned('10.0.0.0/24'));
  lan.advance(61_000);
  assert.deepEqual(nets(), []);
  assert.deepEqual(router.fib.owned(), [], 'nothing is exported back');
});

test('a long scan is compared in slices, and does not judge what changed after it was ordered', () => {
  const many = (from: number, to: number, gateway: string): StaticRoute[] =>
    Array.from({ length: to - from }, (_, i) =>
      via(`10.${(from + i) >> 8}.${(from + i) & 255}.0/24`, gateway),
    );
  const { lan, router } = start(config(many(0, 6000, '192.168.1.32')));
  lan.advance(1000);
  const scannedAt = lan.clock.nowMs;
  const scanning = (): boolean => router.texts(scannedAt + 1).some((l) => l.includes('Scanning'));
  lan.until(scanning, 61_000, 'a scan');
  assert.ok(!router.texts(scannedAt + 1).some((l) => l.includes('Pruning table')), 'it goes on');
  const wanted = [...many(0, 3000, '192.168.1.33'), ...many(6000, 7000, '192.168.1.32')];
  router.configure(config(wanted));
  lan.advance(1000);
  assert.deepEqual(
    router.fib.owned(),
    wanted.map(({ net, via: [hop] }) => `${net} via ${hop!.gateway} metric 32`).toSorted(),
  );
  assert.ok(router.texts(scannedAt + 1).some((l) => l.includes('Pruning table')));
  assert.deepEqual(
    router.texts().filter((l) => l.startsWith('Netlink')),
    [],
  );
});

test('after lost notifications the engine scans again', () => {
  const { lan, router } = start(config([via('10.0.0.0/24', '192.168.1.32')]));
  router.fib.remove(route('10.0.0.0/24'));
  router.feed({ kind: 'kernelOverrun' });
  lan.advance(10);
  assert.equal(router.fib.owned().length, 1);
  assert.ok(
    router.texts().includes('Kernel dropped some netlink messages, will resync on next scan.'),
  );
});

test('a fault of ours inside one protocol is named and costs a restart of that protocol only', () => {
  const broken: StaticRoute = {
    net: '10.0.7.0/24',
    dest: 'blackhole',
    via: [],
    set: {
      text: 'fails once',
      apply: (attributes) => {
        if (failures++ === 0) throw new Error('invariant broken');
        return attributes;
      },
    },
  };
  let failures = 0;
  const { lan, router } = start(config([blackhole('10.0.1.0/24')]));
  assert.equal(router.fib.owned().length, 1);
  router.configure(config([blackhole('10.0.1.0/24'), broken]));
  lan.advance(1000);
  const bugs = router.log.filter((line) => line.class === 'bug');
  assert.equal(bugs.length, 1);
  assert.match(bugs[0]!.text, /^static1: .*invariant broken/);
  assert.deepEqual(router.fib.owned(), [
    '10.0.1.0/24 blackhole metric 32',
    '10.0.7.0/24 blackhole metric 32',
  ]);
});
