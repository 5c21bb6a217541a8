import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig, ProtocolConfig, RouterConfig, StaticRoute } from '@rookery/router';
import type { Policy } from '@rookery/rib';
import {
  ALL,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  deviceConfig,
  directConfig,
  kernelConfig,
  routerConfig,
  staticConfig,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';

const ROUTER = [
  lanInterface('lo', 1, ['127.0.0.1/8']),
  lanInterface('br-lan', 12, ['192.168.1.1/24']),
];
const NODE = [
  lanInterface('lo', 1, ['127.0.0.1/8']),
  lanInterface('enp1s0', 2, ['192.168.1.32/24']),
];
const AS = { router: { local: 64496, remote: 64497 }, node: { local: 64497, remote: 64496 } };

function routerSide(change: Partial<BgpConfig> = {}, more: ProtocolConfig[] = []): RouterConfig {
  return routerConfig(
    [
      kernelConfig('ipv4', ALL),
      deviceConfig(),
      ...more,
      bgpConfig('node1', '192.168.1.32', AS.router, change),
    ],
    { routerId: '192.168.1.1' },
  );
}

function nodeSide(
  routes: readonly StaticRoute[],
  change: Partial<BgpConfig> = {},
  exportPolicy: Policy = ALL,
): RouterConfig {
  return routerConfig(
    [
      deviceConfig(),
      staticConfig(routes),
      bgpConfig('peer', '192.168.1.1', AS.node, {
        channels: [bgpChannelConfig('ipv4', { exportPolicy })],
        ...change,
      }),
    ],
    { routerId: '192.168.1.32' },
  );
}

const ONE = [blackhole('192.168.2.1/32')];

function pair(options: {
  readonly router?: RouterConfig;
  readonly node?: RouterConfig;
  readonly seed?: number;
}): { lan: SimLan; router: SimRouter; node: SimRouter } {
  const lan = new SimLan(options.seed ?? 3);
  const router = lan.add({
    name: 'router',
    config: options.router ?? routerSide(),
    interfaces: ROUTER,
  });
  const node = lan.add({ name: 'node', config: options.node ?? nodeSide(ONE), interfaces: NODE });
  return { lan, router, node };
}

const bgpOf = (router: SimRouter, name: string) =>
  router.router.view.protocols().find((p) => p.name === name)?.bgp;
const isUp = (router: SimRouter, name: string): boolean =>
  bgpOf(router, name)?.state === 'Established';
const bothUp = (router: SimRouter, node: SimRouter): boolean =>
  isUp(router, 'node1') && isUp(node, 'peer');
const has = (router: SimRouter, net: string): boolean =>
  router.fib.owned().some((route) => route.startsWith(`${net} `));

/** A policy that lets these prefixes pass and says so in its text. */
function only(...prefixes: string[]): Policy {
  const text = `net ~ ${prefixes.join()}`;
  return {
    kind: 'filter',
    name: '(unnamed)',
    text,
    filter: {
      reads: { net: true, protocol: false },
      run: (net, attributes) => {
        const quad = [24, 16, 8, 0].map((shift) => (net.a >>> shift) & 255).join('.');
        return prefixes.includes(`${quad}/${net.length}`) ? attributes : undefined;
      },
    },
  };
}

test('a cut path ends the session at the hold time on both sides, and it comes back', () => {
  const { lan, router, node } = pair({ node: nodeSide(ONE, { holdTimeSec: 9 }) });
  lan.until(() => bothUp(router, node) && has(router, '192.168.2.1/32'), 20_000, 'session');
  lan.advance(60_000);
  assert.ok(bothUp(router, node), 'keepalives keep it up');
  const cut = lan.clock.nowMs;
  lan.network.setPartition(router.host, node.host, true);
  lan.until(() => !has(router, '192.168.2.1/32'), 60_000, 'route gone');
  assert.ok(lan.clock.nowMs - cut <= 9000);
  assert.ok(router.texts(cut).includes('node1: Hold timer expired'));
  assert.equal(bgpOf(router, 'node1')!.lastReset!.reason.kind, 'hold timer expired');
  lan.advance(10_000);
  assert.ok(!isUp(node, 'peer'));
  lan.network.setPartition(router.host, node.host, false);
  lan.until(() => has(router, '192.168.2.1/32'), 90_000, 'route back');
});

test('hold time 0: no keepalives, and a dead neighbor is never noticed', () => {
  const { lan, router, node } = pair({ node: nodeSide(ONE, { holdTimeSec: 0 }) });
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  lan.advance(600_000);
  assert.equal(bgpOf(router, 'node1')!.sent.keepalive, 1);
  node.powerOff();
  lan.advance(3_600_000);
  assert.ok(isUp(router, 'node1') && has(router, '192.168.2.1/32'), 'as RFC 4271 has it');
  // A new connection of the node that came back replaces the old session.
  node.boot();
  lan.until(() => isUp(node, 'peer') && bothUp(router, node), 60_000, 'session again');
});

test('a process that is killed leaves no stale route, whichever side it is', () => {
  const { lan, router, node } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  node.kill();
  lan.until(() => !has(router, '192.168.2.1/32'), 100, 'route gone at once');
  node.boot(nodeSide([blackhole('192.168.2.9/32')]));
  lan.until(() => has(router, '192.168.2.9/32'), 60_000, 'route of the new process');
  assert.ok(!has(router, '192.168.2.1/32'));

  router.kill();
  assert.ok(has(router, '192.168.2.9/32'), 'the kernel keeps routes of a killed daemon');
  node.configure(nodeSide([blackhole('192.168.2.5/32')]));
  router.boot();
  lan.until(() => has(router, '192.168.2.5/32'), 60_000, 'new route');
  assert.deepEqual(router.fib.owned(), ['192.168.2.5/32 via 192.168.1.32 metric 32']);
});

test('an orderly end tells the peer and empties the kernel', () => {
  const { lan, router, node } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  const at = lan.clock.nowMs;
  router.shutdown();
  lan.advance(50);
  assert.deepEqual(router.fib.owned(), []);
  assert.ok(router.texts(at).includes('node1: Sending NOTIFICATION(code=6.2)'));
  assert.equal(router.texts(at).at(-1), 'Shutdown completed');
  assert.ok(node.texts(at).includes('peer: Received: Administrative shutdown'));
});

test('connections that cross are resolved to one session', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const eager = { connectDelayTimeSec: 1 };
    const { lan, router, node } = pair({
      router: routerSide(eager),
      node: nodeSide(ONE, eager),
      seed,
    });
    lan.network.setQuality('lan', { delayMs: 300, loss: 0 });
    lan.until(
      () => bothUp(router, node) && has(router, '192.168.2.1/32'),
      60_000,
      `session with seed ${seed}`,
    );
    lan.advance(30_000);
    assert.ok(bothUp(router, node), `one session survives with seed ${seed}`);
    assert.equal(bgpOf(router, 'node1')!.connectionsEstablished, 1);
  }
});

test('a lossy and slow path carries a table of routes completely', () => {
  const routes = Array.from({ length: 800 }, (_, i) => blackhole(`10.${i >> 8}.${i & 255}.0/24`));
  const { lan, router, node } = pair({ node: nodeSide(routes) });
  lan.network.setQuality('lan', { delayMs: 40, loss: 0.2 });
  lan.until(() => router.fib.owned().length === 800, 120_000, '800 routes');
  node.configure(nodeSide(routes.slice(0, 300)));
  lan.until(() => router.fib.owned().length === 300, 60_000, '500 withdrawn');
});

test('routes of a speaker come and go within the round trip, without a session event', () => {
  const { lan, router, node } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  const at = lan.clock.nowMs;
  for (let i = 2; i <= 100; i++) {
    node.configure(nodeSide([...ONE, blackhole(`192.168.2.${i}/32`)]));
    lan.until(() => has(router, `192.168.2.${i}/32`), 5, `route ${i}`);
    assert.equal(router.fib.owned().length, 2);
  }
  assert.equal(bgpOf(node, 'peer')!.connectionsEstablished, 1);
  assert.ok(!router.texts(at).some((text) => text.includes('State changed')));
});

test('an export policy that changes is absorbed: only the difference is sent', () => {
  const two = [...ONE, blackhole('192.168.2.2/32')];
  const { lan, router, node } = pair({ node: nodeSide(two, {}, only('192.168.2.1/32')) });
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  assert.ok(!has(router, '192.168.2.2/32'));
  const before = bgpOf(node, 'peer')!.sent.update;
  node.configure(nodeSide(two, {}, only('192.168.2.2/32')));
  lan.until(() => has(router, '192.168.2.2/32') && !has(router, '192.168.2.1/32'), 10, 'change');
  assert.equal(bgpOf(node, 'peer')!.sent.update - before, 2, 'one UPDATE, one withdrawal');
  assert.equal(bgpOf(node, 'peer')!.connectionsEstablished, 1);
  assert.ok(node.texts().includes('Reloading channel peer.ipv4'));
});

test('an import policy that changes is applied by route refresh', () => {
  const two = [...ONE, blackhole('192.168.2.2/32')];
  const { lan, router, node } = pair({ node: nodeSide(two) });
  lan.until(() => router.fib.owned().length === 2, 20_000, 'routes');
  const at = lan.clock.nowMs;
  router.configure(
    routerSide({
      channels: [bgpChannelConfig('ipv4', { importPolicy: only('192.168.2.2/32') })],
    }),
  );
  lan.until(() => router.fib.owned().length === 1, 100, 'filtered');
  assert.ok(has(router, '192.168.2.2/32'));
  assert.deepEqual(
    node.texts(at).filter((text) => text.startsWith('peer: Sending')),
    ['BEGIN-OF-RR', 'UPDATE', 'END-OF-RR'].map((word) => `peer: Sending ${word}`),
  );
  router.configure(routerSide());
  lan.until(() => router.fib.owned().length === 2, 100, 'accepted again');
  assert.equal(bgpOf(router, 'node1')!.connectionsEstablished, 1);
});

test('soft reconfiguration stores filters and leaves routes alone', () => {
  const { lan, router } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  const strict = routerSide({
    channels: [bgpChannelConfig('ipv4', { importPolicy: only() })],
  });
  router.configure(strict, 'soft');
  lan.advance(1000);
  assert.ok(has(router, '192.168.2.1/32'));
  assert.ok(router.texts().includes('Channel node1.ipv4 changed import'));
  router.command((r, now) => r.reload(['node1'], 'in', now));
  lan.until(() => !has(router, '192.168.2.1/32'), 100, 'reload applies it');
});

test('a change of the AS restarts the session with the right words', () => {
  const { lan, router, node } = pair({});
  lan.until(() => bothUp(router, node), 20_000, 'session');
  const at = lan.clock.nowMs;
  router.configure(
    routerConfig(
      [
        kernelConfig('ipv4', ALL),
        deviceConfig(),
        bgpConfig('node1', '192.168.1.32', { local: 64496, remote: 64498 }),
      ],
      { routerId: '192.168.1.1' },
    ),
  );
  lan.advance(20_000);
  const lines = router.texts(at);
  for (const line of [
    'Restarting protocol node1',
    'node1: Shutting down',
    'node1: Shutdown requested',
    'node1: State changed to stop',
    'node1: Sending NOTIFICATION(code=6.6)',
    'node1: Error: Bad peer AS: 64497',
    'node1: Startup delayed by 60 seconds due to errors',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${lines.join('\n')}`);
  }
  assert.deepEqual(router.fib.owned(), []);
});

test('disable, enable, restart and a message for the peer', () => {
  const { lan, router, node } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  router.command((r, now) => {
    assert.deepEqual(r.disable(['node1'], 'cable work', now), [
      { protocol: 'node1', outcome: 'done' },
    ]);
    assert.deepEqual(r.disable(['node1'], undefined, now), [
      { protocol: 'node1', outcome: 'already' },
    ]);
  });
  lan.until(() => !isUp(node, 'peer'), 100, 'peer told');
  assert.ok(
    node.texts().includes('peer: Received: Administrative shutdown: "cable work"'),
    node.texts().slice(-9).join('\n'),
  );
  assert.ok(!has(router, '192.168.2.1/32'));
  lan.advance(30_000);
  assert.equal(bgpOf(router, 'node1')!.state, 'Down');
  router.command((r, now) => void r.enable(['node1'], undefined, now));
  lan.until(() => has(router, '192.168.2.1/32'), 90_000, 'route after enable');
  router.command((r, now) => void r.restart(['node1'], undefined, now));
  lan.advance(10);
  assert.ok(node.texts().includes('peer: Received: Administrative reset'));
  lan.until(() => has(router, '192.168.2.1/32'), 90_000, 'route after restart');
});

test('an interface that goes down takes the session along and brings it back', () => {
  const { lan, router } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  const at = lan.clock.nowMs;
  router.host.setInterface('br-lan', { adminUp: false });
  assert.ok(router.texts(at).includes('node1: Neighbor lost'));
  assert.ok(router.texts(at).includes('node1: Waiting for 192.168.1.32 to become my neighbor'));
  assert.deepEqual(router.fib.owned(), []);
  lan.advance(1000);
  router.host.setInterface('br-lan', { adminUp: true });
  assert.ok(router.texts(at).includes('node1: Neighbor ready'));
  lan.until(() => has(router, '192.168.2.1/32'), 60_000, 'route back');
});

test('iBGP next hops resolve through the table, and follow it', () => {
  const internal = { local: 64496, remote: 64496 };
  const lan = new SimLan(5);
  const recursive = { gateway: 'recursive' as const };
  const withDirect = (direct: boolean): RouterConfig =>
    routerConfig(
      [
        kernelConfig('ipv4', only('192.168.2.1/32')),
        deviceConfig(),
        ...(direct ? [directConfig()] : []),
        bgpConfig('node1', '192.168.1.32', internal, {
          channels: [bgpChannelConfig('ipv4', recursive)],
        }),
      ],
      { routerId: '192.168.1.1' },
    );
  const router = lan.add({ name: 'router', config: withDirect(false), interfaces: ROUTER });
  lan.add({
    name: 'node',
    config: routerConfig(
      [
        deviceConfig(),
        staticConfig(ONE),
        bgpConfig('peer', '192.168.1.1', internal, {
          channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL, ...recursive })],
        }),
      ],
      { routerId: '192.168.1.32' },
    ),
    interfaces: NODE,
  });
  lan.until(() => router.fib.owned().length === 1, 30_000, 'route');
  assert.deepEqual(router.fib.owned(), ['192.168.2.1/32 unreachable metric 32']);
  router.configure(withDirect(true));
  lan.until(
    () => router.fib.owned()[0] === '192.168.2.1/32 via 192.168.1.32 metric 32',
    100,
    'resolved through the connected network',
  );
});

test('BFD: the session goes down with it at once', () => {
  const bfd = { graceful: false };
  const { lan, router } = pair({
    router: routerSide({ bfd }, [
      {
        kind: 'bfd',
        name: 'bfd1',
        disabled: false,
        debug: [],
        interfaces: [],
        neighbors: [],
      },
    ]),
  });
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  const requests = router.orders.filter((order) => order.kind === 'bfdRequest');
  assert.equal(requests.length, 1);
  assert.equal(requests[0]!.remote, '192.168.1.32');
  router.bfdChanged('192.168.1.32', 'Up');
  router.bfdChanged('192.168.1.32', 'Down');
  assert.ok(router.texts().includes('node1: BFD session down'));
  assert.ok(!has(router, '192.168.2.1/32'));
});

test('a range makes an instance per neighbor, and forgets it with its session', () => {
  const rangeOf = (change: Partial<BgpConfig>): RouterConfig => {
    const { neighborAddress: _address, ...range } = bgpConfig('nodes', '', AS.router, {
      neighborRange: '192.168.1.0/24',
      passive: true,
      dynamicName: 'node',
      ...change,
    });
    return routerConfig([kernelConfig('ipv4', ALL), deviceConfig(), range], {
      routerId: '192.168.1.1',
    });
  };
  const { lan, router, node } = pair({ router: rangeOf({}) });
  lan.until(() => has(router, '192.168.2.1/32'), 30_000, 'route');
  const names = (): string[] => router.router.view.protocols().map((p) => p.name);
  assert.deepEqual(names(), ['kernel4', 'device1', 'nodes', 'node1']);
  // The same neighbor calls again while its old session looks alive.
  node.powerOff();
  lan.advance(10_000);
  node.boot();
  lan.until(() => isUp(node, 'peer'), 60_000, 'session after power loss');
  lan.advance(10_000);
  assert.deepEqual(names(), ['kernel4', 'device1', 'nodes', 'node1']);
  assert.ok(has(router, '192.168.2.1/32'));
  router.configure(rangeOf({ description: 'the nodes' }));
  assert.ok(isUp(router, 'node1'), 'a change of the range is absorbed by its instances');
  node.kill();
  lan.advance(100);
  assert.deepEqual(names(), ['kernel4', 'device1', 'nodes']);
  assert.deepEqual(router.fib.owned(), []);
});

test('garbage from a peer ends its session with a NOTIFICATION and nothing else', () => {
  const { lan, router } = pair({});
  lan.until(() => has(router, '192.168.2.1/32'), 20_000, 'route');
  const { connection } = bgpOf(router, 'node1')!;
  assert.ok(connection);
  const before = lan.clock.nowMs;
  for (let id = -5; id < 60; id++) {
    router.feed({
      kind: 'tcpReceived',
      connection: id,
      bytes: Uint8Array.from({ length: 64 }, (_, i) => (i * 37 + id) & 255),
    });
  }
  assert.ok(router.texts(before).includes('node1: Error: Connection not synchronized'));
  assert.ok(!router.log.some((line) => line.class === 'bug'));
  assert.ok(!has(router, '192.168.2.1/32'));
});

test('our own graceful restart: the kernel forwards on until the neighbors have spoken', () => {
  const graceful: Partial<BgpConfig> = {
    gracefulRestart: 'on',
    channels: [bgpChannelConfig('ipv4', { gracefulRestart: true })],
  };
  const { lan, router, node } = pair({
    router: routerSide(graceful),
    node: nodeSide([...ONE, blackhole('192.168.2.2/32')]),
  });
  lan.until(() => router.fib.owned().length === 2, 20_000, 'routes');
  router.gracefulRestart();
  lan.advance(10);
  assert.equal(router.fib.owned().length, 2, 'routes stay');
  assert.ok(!node.texts().some((text) => text.startsWith('peer: Received')), 'not a word');
  node.configure(nodeSide(ONE));
  const at = lan.clock.nowMs;
  router.boot(routerSide(graceful), true);
  lan.advance(500);
  assert.equal(router.fib.owned().length, 2, 'not removed by the first scan');
  assert.equal(router.router.view.status().recovery?.waitingChannels, 1);
  lan.until(() => router.fib.owned().length === 1, 60_000, 'what is not announced goes');
  assert.ok(has(router, '192.168.2.1/32'));
  assert.ok(router.texts(at).includes('Graceful restart done'));
});
