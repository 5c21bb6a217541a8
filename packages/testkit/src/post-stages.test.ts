// The post's bird.conf in its stages, on the virtual network: what the router logs, does and leaves
// alone. The lines are those of real BIRD in the same situation, except where ours say more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KernelRoute, ProtocolConfig, RouterConfig } from '@rookery/router';
import type { Policy } from '@rookery/rib';
import {
  ALL,
  NONE,
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

const INTERFACES = [
  lanInterface('lo', 1, ['127.0.0.1/8', '::1/128']),
  lanInterface('wan', 7, ['72.85.191.10/24', 'fe80::7/64']),
  lanInterface('br-lan', 12, ['192.168.1.1/24', 'fd5c:6784:b290::1/64'], { sendRedirects: true }),
  lanInterface('docker0', 16, ['172.17.0.1/16']),
];

function bird(protocols: readonly ProtocolConfig[]): RouterConfig {
  return routerConfig(protocols, { routerId: '192.168.1.1' });
}

const kernels = (export4: Policy, mergePaths?: number): ProtocolConfig[] => [
  kernelConfig('ipv4', export4, mergePaths === undefined ? {} : { mergePaths }),
  kernelConfig('ipv6', NONE),
];

const peer = (n: number): ProtocolConfig =>
  bgpConfig(`node${n}`, `192.168.1.${31 + n}`, { local: 64496, remote: 64497 });

const STAGES = {
  minimal: bird(kernels(NONE)),
  noDevice: bird([...kernels(NONE), peer(1), peer(2), peer(3)]),
  oneNode: bird([...kernels(NONE), deviceConfig(), peer(1)]),
  allNodes: bird([...kernels(NONE), deviceConfig(), peer(1), peer(2), peer(3)]),
  exportAll: bird([...kernels(ALL), deviceConfig(), peer(1), peer(2), peer(3)]),
  mergePaths: bird([...kernels(ALL, 16), deviceConfig(), peer(1), peer(2), peer(3)]),
};

function speaker(n: number, holdTimeSec = 0): RouterConfig {
  return routerConfig(
    [
      deviceConfig(),
      staticConfig([blackhole('192.168.2.1/32')]),
      bgpConfig(
        'router',
        '192.168.1.1',
        { local: 64497, remote: 64496 },
        {
          holdTimeSec,
          connectDelayTimeSec: 1,
          channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL })],
        },
      ),
    ],
    { routerId: `192.168.1.${31 + n}` },
  );
}

function kernelRoute(net: string, change: Partial<KernelRoute> = {}): KernelRoute {
  return {
    family: net.includes(':') ? 'ipv6' : 'ipv4',
    table: 254,
    net,
    protocol: 4,
    metric: 0,
    dest: 'unicast',
    nexthops: [{ ifindex: 7, gateway: '72.85.191.1' }],
    ...change,
  };
}

const OWN_KERNEL_ROUTES: readonly KernelRoute[] = [
  kernelRoute('2600:4040:5786:ee00::/56', { dest: 'unreachable', nexthops: [] }),
  kernelRoute('fd5c:6784:b290::/64', { protocol: 2, nexthops: [{ ifindex: 12 }] }),
  kernelRoute('fd5c:6784:b290::/48', { dest: 'unreachable', nexthops: [] }),
  kernelRoute('fe80::/64', { protocol: 2, nexthops: [{ ifindex: 12 }] }),
  kernelRoute('0.0.0.0/0'),
  kernelRoute('72.85.191.0/24', { protocol: 2, nexthops: [{ ifindex: 7 }] }),
  kernelRoute('172.17.0.0/16', { protocol: 2, nexthops: [{ ifindex: 16 }] }),
  kernelRoute('192.168.1.0/24', { protocol: 2, nexthops: [{ ifindex: 12 }] }),
];

function start(config: RouterConfig, nodes: number): { lan: SimLan; router: SimRouter } {
  const lan = new SimLan(7);
  const router = lan.add({ name: 'router', config, interfaces: INTERFACES });
  for (const route of OWN_KERNEL_ROUTES) router.fib.install(route, false);
  for (let n = 1; n <= nodes; n++) {
    lan.add({
      name: `node${n}`,
      config: speaker(n),
      interfaces: [lanInterface('enp1s0', 2, [`192.168.1.${31 + n}/24`])],
    });
  }
  return { lan, router };
}

const stateOf = (router: SimRouter, name: string): string | undefined =>
  router.router.view.protocols().find((p) => p.name === name)?.bgp?.state;

/** With the carets of `[best]` and numbers of sources left out: those are ours to choose. */
const plain = (router: SimRouter, fromMs = 0): string[] =>
  router.texts(fromMs).map((text) => text.replace(/ \d+L \d+G /, ' '));

test('minimal: the log lines of the post, and one that says what is missing', () => {
  const { lan, router } = start(STAGES.minimal, 1);
  lan.advance(30_000);
  assert.deepEqual(plain(router), [
    'kernel4: Initializing',
    'kernel6: Initializing',
    'kernel4: Starting',
    'kernel4: State changed to up',
    'kernel6: Starting',
    'kernel6: State changed to up',
    'Started',
    'There is no "protocol device" in the configuration: no interface is known, so no BGP neighbor ' +
      'can be reached, nothing listens for connections, and kernel routes are reported with an ' +
      'unknown ifindex. Add "protocol device { }"',
    'kernel6: Scanning routing table',
    'kernel6: 2600:4040:5786:ee00::/56: [alien] ignored',
    'KRT: Received route fd5c:6784:b290::/64 with unknown ifindex 12',
    'kernel6: fd5c:6784:b290::/48: [alien] ignored',
    'kernel6: Pruning table master6',
    'kernel4: Scanning routing table',
    'KRT: Received route 0.0.0.0/0 with unknown ifindex 7',
    'KRT: Received route 72.85.191.0/24 with unknown ifindex 7',
    'KRT: Received route 172.17.0.0/16 with unknown ifindex 16',
    'KRT: Received route 192.168.1.0/24 with unknown ifindex 12',
    'kernel4: Pruning table master4',
  ]);
  const classes = new Set(router.log.filter((l) => l.text.startsWith('KRT')).map((l) => l.class));
  assert.deepEqual([...classes], ['error']);
  const node = lan.routers.get('node1')!;
  assert.equal(stateOf(node, 'router'), 'Active');
  assert.ok(node.texts().includes('router: Connection lost (Connection refused)'));
});

test('neighbors without device: waiting, nothing listens', () => {
  const { lan, router } = start(STAGES.noDevice, 1);
  lan.advance(20_000);
  assert.equal(stateOf(router, 'node1'), 'Idle');
  assert.ok(router.texts().includes('node3: Waiting for 192.168.1.34 to become my neighbor'));
  assert.equal(router.host.listenerFor('192.168.1.1', 179), undefined);
});

test('device and node1: one session; the others knock and are named', () => {
  const { lan, router } = start(STAGES.oneNode, 3);
  lan.until(() => stateOf(router, 'node1') === 'Established', 20_000, 'session of node1');
  lan.advance(2000);
  const view = router.router.view.protocols().find((p) => p.name === 'node1')!;
  assert.deepEqual(
    { ...view.channels[0]!.counts },
    { imported: 1, filtered: 0, exported: 0, preferred: 1 },
  );
  const { exportUpdates } = view.channels[0]!.updates;
  assert.deepEqual(exportUpdates, { received: 1, rejected: 1, filtered: 0, accepted: 0 });
  assert.deepEqual(view.channels[0]!.nextHop, ['192.168.1.1']);
  assert.equal(view.bgp!.negotiated!.holdTimeSec, 0);
  assert.deepEqual(router.fib.owned(), []);
  assert.ok(
    router.log.some(
      (l) =>
        l.class === 'warning' &&
        /^BGP: Unexpected connect from unknown address 192.168.1.33 \(port \d+\)$/.test(l.text),
    ),
  );
  assert.ok(plain(router).includes('node1.ipv4 > added [best] 192.168.2.1/32 unicast'));
  assert.ok(plain(router).includes('kernel4.ipv4 < filtered out 192.168.2.1/32 unicast'));
  assert.ok(plain(router).includes('node1.ipv4 < rejected by protocol 192.168.2.1/32 unicast'));
});

test('stage by stage by reconfiguration, without touching a session', () => {
  const { lan, router } = start(STAGES.oneNode, 3);
  lan.until(() => stateOf(router, 'node1') === 'Established', 20_000, 'session of node1');
  lan.advance(1000);
  let before = lan.clock.nowMs + 1;
  lan.advance(1);
  router.configure(STAGES.allNodes);
  assert.deepEqual(plain(router, before).slice(0, 18), [
    'Reconfiguring',
    'kernel4: Reconfigured',
    'kernel6: Reconfigured',
    'device1: Reconfigured',
    'node1: Reconfigured',
    'Adding protocol node2',
    'node2: Initializing',
    'Adding protocol node3',
    'node3: Initializing',
    'node2: Starting',
    'node2: State changed to start',
    'node3: Starting',
    'node3: State changed to start',
    'Reconfigured',
    'node3: Started',
    'node3: Connect delayed by 5 seconds',
    'node2: Started',
    'node2: Connect delayed by 5 seconds',
  ]);
  lan.until(
    () => [1, 2, 3].every((n) => stateOf(router, `node${n}`) === 'Established'),
    30_000,
    'three sessions',
  );
  lan.advance(2000);
  assert.deepEqual(router.fib.owned(), []);
  const node3 = router.router.view.protocols().find((p) => p.name === 'node3')!.channels[0]!;
  assert.deepEqual(node3.updates.exportUpdates, {
    received: 1,
    rejected: 0,
    filtered: 1,
    accepted: 0,
  });
  const table = router.router.view.tables().find((t) => t.name === 'master4')!;
  assert.deepEqual([table.routes, table.networks], [3, 1]);

  before = lan.clock.nowMs + 1;
  lan.advance(1);
  router.configure(STAGES.exportAll);
  assert.deepEqual(plain(router, before).slice(0, 4), [
    'Reconfiguring',
    'Reloading channel kernel4.ipv4',
    'kernel4: Reconfigured',
    'kernel6: Reconfigured',
  ]);
  lan.advance(10);
  assert.deepEqual(router.fib.owned(), ['192.168.2.1/32 via 192.168.1.32 metric 32']);
  const warnings = router.texts(before).filter((text) => text.startsWith('ICMP redirects'));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /net\.ipv4\.conf\.br-lan\.send_redirects=0/);

  before = lan.clock.nowMs + 1;
  lan.advance(1);
  router.configure(STAGES.mergePaths);
  lan.advance(10);
  assert.deepEqual(router.fib.owned(), [
    '192.168.2.1/32 via 192.168.1.32,192.168.1.33,192.168.1.34 metric 32',
  ]);
  const lines = plain(router, before);
  for (const line of [
    'Cannot reconfigure channel kernel4.ipv4',
    'Restarting protocol kernel4',
    'kernel4: Flushing kernel routes',
    'kernel4: 192.168.2.1/32: installing',
    'Reconfigured',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${lines.join('\n')}`);
  }
  for (const n of [1, 2, 3]) {
    assert.equal(
      router.texts(before).filter((t) => t === `node${n}: BGP session closed`).length,
      0,
    );
    assert.equal(stateOf(router, `node${n}`), 'Established');
  }
  // The routes of others are all still there.
  assert.equal(router.fib.all().length, OWN_KERNEL_ROUTES.length + 1);
});

test('a node that loses power is gone after its hold time, and its share of the traffic moves', () => {
  const { lan, router } = start(STAGES.mergePaths, 0);
  for (let n = 1; n <= 3; n++) {
    lan.add({
      name: `node${n}`,
      config: speaker(n, 9),
      interfaces: [lanInterface('enp1s0', 2, [`192.168.1.${31 + n}/24`])],
    });
  }
  const hops = (): number => router.fib.lookup('192.168.2.1')!.nexthops.length;
  lan.until(() => router.fib.owned().length === 1 && hops() === 3, 30_000, 'three next hops');
  lan.advance(20_000);
  const off = lan.clock.nowMs;
  lan.routers.get('node2')!.powerOff();
  lan.until(() => hops() === 2, 60_000, 'the dead next hop leaves');
  assert.ok(lan.clock.nowMs - off <= 9000, `after ${lan.clock.nowMs - off} ms`);
  assert.deepEqual(router.fib.owned(), ['192.168.2.1/32 via 192.168.1.32,192.168.1.34 metric 32']);
  lan.advance(30_000);
  const on = lan.clock.nowMs;
  lan.routers.get('node2')!.boot();
  lan.until(() => hops() === 3, 60_000, 'the node is back');
  assert.ok(lan.clock.nowMs - on <= 10_000, `back after ${lan.clock.nowMs - on} ms`);
});
