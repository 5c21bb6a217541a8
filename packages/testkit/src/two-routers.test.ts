import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ALL,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  deviceConfig,
  kernelConfig,
  routerConfig,
  staticConfig,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';
import type { BgpConfig, RouterConfig, StaticRoute } from '@rookery/router';

const ROUTER = [
  lanInterface('lo', 1, ['127.0.0.1/8']),
  lanInterface('br-lan', 12, ['192.168.1.1/24']),
];
const NODE = [
  lanInterface('lo', 1, ['127.0.0.1/8']),
  lanInterface('enp1s0', 2, ['192.168.1.32/24']),
];

function routerSide(change: Partial<BgpConfig> = {}): RouterConfig {
  return routerConfig(
    [
      kernelConfig('ipv4', ALL),
      deviceConfig(),
      bgpConfig('node1', '192.168.1.32', { local: 64496, remote: 64497 }, change),
    ],
    { routerId: '192.168.1.1' },
  );
}

function nodeSide(routes: readonly StaticRoute[], change: Partial<BgpConfig> = {}): RouterConfig {
  return routerConfig(
    [
      deviceConfig(),
      staticConfig(routes),
      bgpConfig(
        'peer',
        '192.168.1.1',
        { local: 64497, remote: 64496 },
        {
          channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL })],
          ...change,
        },
      ),
    ],
    { routerId: '192.168.1.32' },
  );
}

const established = (router: SimRouter, name: string): boolean =>
  router.router.view.protocols().find((p) => p.name === name)?.bgp?.state === 'Established';

test('two routers establish, exchange a route into the kernel, and withdraw it', () => {
  const lan = new SimLan();
  const router = lan.add({ name: 'router', config: routerSide(), interfaces: ROUTER });
  const node = lan.add({
    name: 'node',
    config: nodeSide([blackhole('192.168.2.1/32')]),
    interfaces: NODE,
  });
  lan.until(() => established(router, 'node1') && established(node, 'peer'), 30_000, 'session');
  lan.until(() => router.fib.owned().length === 1, 1000, 'kernel route');
  assert.deepEqual(router.fib.owned(), ['192.168.2.1/32 via 192.168.1.32 metric 32']);
  node.configure(nodeSide([]));
  lan.until(() => router.fib.owned().length === 0, 100, 'withdrawal');
  assert.ok(established(router, 'node1'));
});

test('what a neighbor withdraws is not counted as withdrawn from it', () => {
  const lan = new SimLan();
  const back = { channels: [bgpChannelConfig('ipv4', { importPolicy: ALL, exportPolicy: ALL })] };
  const router = lan.add({ name: 'router', config: routerSide(back), interfaces: ROUTER });
  const routes = [blackhole('192.168.2.1/32')];
  const node = lan.add({ name: 'node', config: nodeSide(routes), interfaces: NODE });
  lan.until(() => router.fib.owned().length === 1, 30_000, 'kernel route');
  node.configure(nodeSide([]));
  lan.until(() => router.fib.owned().length === 0, 1000, 'no kernel route');
  const { updates } = router.router.view.protocols().find((p) => p.name === 'node1')!.channels[0]!;
  assert.equal(updates.importWithdraws.accepted, 1);
  assert.equal(updates.exportWithdraws.accepted, 0);
});
