// Sessions without addresses and `protocol radv` in the simulator: who is found when, what is said on
// the link, and that IPv4 travels over link-local next hops.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig, RadvConfig, RadvInterfaceConfig } from '@rookery/router';
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

const NODE_LL = 'fe80::32';
const ROUTER_LL = 'fe80::1';
const VIP = '192.168.2.1/32';
const RADV: RadvInterfaceConfig = {
  minIntervalSec: 200,
  maxIntervalSec: 600,
  minDelaySec: 3,
  solicitedUnicast: false,
  managed: false,
  otherConfig: false,
  linkMtu: 0,
  reachableTimeMs: 0,
  retransTimerMs: 0,
  currentHopLimit: 64,
  defaultLifetimeSec: 1800,
  defaultPreference: 'medium',
  prefixLingerTimeSec: 1800,
  prefixes: [],
};
const CHANNELS = [
  bgpChannelConfig('ipv4', { extendedNextHop: true, exportPolicy: ALL }),
  bgpChannelConfig('ipv6', { exportPolicy: ALL }),
];

test('a node finds the router that advertises itself, and IPv4 goes over its link-local address', () => {
  const { lan, router } = network();
  lan.until(() => routeOf(router) !== undefined, 15_000, 'the route');
  assert.deepEqual(routeOf(router), [`${NODE_LL} dev br-lan`]);
});

test('the router is found at once though it speaks every ten minutes: it is asked', () => {
  const { lan, router, node } = network({ routerFirst: true });
  lan.advance(120_000);
  const { nowMs } = lan.clock;
  node();
  lan.until(() => routeOf(router) !== undefined, 10_000, 'the route');
  assert.ok(lan.clock.nowMs - nowMs < 10_000);
});

test('two unnumbered ends find each other, whoever starts last', () => {
  const lan = new SimLan(7);
  const ends = ['a', 'b'].map((name, i) => {
    const router = lan.add({
      name,
      config: configOf(
        unnumbered('peer', {
          localPort: 179,
          connectDelayTimeSec: 1,
          ...asOf(64496 + i, 64497 - i),
        }),
        `10.0.0.${i + 1}`,
      ),
      interfaces: [lanInterface('br-lan', 2, [`fe80::${i + 1}/64`])],
    });
    lan.advance(i === 0 ? 60_000 : 0);
    return router;
  });
  const startedMs = lan.clock.nowMs;
  lan.until(() => ends.every(isEstablished), 5000, 'both ends');
  assert.ok(lan.clock.nowMs - startedMs < 5000);
});

test('a neighbor with another address is taken only when the session is gone and the old one silent', () => {
  const { lan, router, node } = network();
  lan.until(() => routeOf(router) !== undefined, 15_000, 'the route');
  const sim = node();
  sim.feed(advertisementFrom('fe80::99'));
  assert.equal(neighborOf(sim), ROUTER_LL);
  router.powerOff();
  lan.until(() => !isEstablished(sim), 300_000, 'the hold timer');
  sim.feed(advertisementFrom('fe80::99'));
  assert.equal(neighborOf(sim), 'fe80::99');
});

test('what does not come from a router on this link is nobody’s neighbor', () => {
  const lan = new SimLan();
  const sim = lan.add(nodeOf());
  lan.advance(1000);
  sim.feed({ ...advertisementFrom(ROUTER_LL), hopLimit: 64 });
  sim.feed(advertisementFrom('2001:db8::1'));
  sim.feed({ ...advertisementFrom(ROUTER_LL), bytes: Uint8Array.of(134, 0, 0, 0) });
  sim.feed(advertisementFrom(NODE_LL));
  sim.feed({ ...advertisementFrom(ROUTER_LL), interface: 'wan' });
  assert.equal(neighborOf(sim), undefined);
  assert.ok(sim.texts().includes('peer: Waiting for the router on br-lan to become my neighbor'));
});

test('radv says what it is configured to, less often with time, and takes its leave', () => {
  const lan = new SimLan();
  const prefixes = [
    { ...PREFIX, net: '2001:db8:1::/48', skip: true },
    { ...PREFIX, net: '::/0' },
  ];
  const radv = radvOf({ ...RADV, prefixes, managed: true, linkMtu: 1400 });
  const addresses = ['fe80::1/64', '2001:db8:1::1/64', '2001:db8:2::1/64'];
  const sim = lan.add({
    name: 'router',
    config: { ...configOf(radv, '192.168.1.1') },
    interfaces: [lanInterface('br-lan', 2, addresses, { macAddress: '02:00:00:00:00:01' })],
  });
  const heard = listen(lan);
  lan.advance(40_000);
  assert.equal(heard.length, 3, 'RFC 4861 §6.2.4: three quick ones');
  assert.equal(
    Buffer.from(heard[0]!).toString('hex'),
    '8600000040800708' + // hop limit 64, managed, 1800 s
      '0000000000000000' +
      '0101020000000001' + // source link-layer address
      '0501000000000578' + // MTU 1400
      '030440c0' +
      '00015180' +
      '00003840' +
      '00000000' + // /64, on-link, autonomous
      '20010db8000200000000000000000000',
  );
  lan.advance(600_000);
  assert.ok(heard.length >= 4 && heard.length <= 6, `${heard.length} in ten minutes`);
  sim.shutdown();
  lan.advance(100);
  assert.equal(heard.at(-1)![6]! + heard.at(-1)![7]!, 0, 'RFC 4861 §6.2.5: no default router');
});

test('a change of the interface is said at once, and what is gone lingers without a lifetime', () => {
  const { lan, sim, heard } = advertiser({ ...RADV, prefixes: [{ ...PREFIX, net: '::/0' }] });
  lan.advance(50_000);
  const before = heard.length;
  const give = (...addresses: readonly string[]): void =>
    sim.host.setInterface('br-lan', lanInterface('br-lan', 2, ['fe80::1/64', ...addresses]));
  const preferred = (): readonly number[] => {
    const { buffer, byteOffset, byteLength } = heard.at(-1)!;
    const view = new DataView(buffer, byteOffset, byteLength);
    // Each prefix takes 32 octets behind the head.
    return Array.from({ length: (byteLength - 16) / 32 }, (_, i) => view.getUint32(24 + i * 32));
  };
  give('2001:db8:1::1/64');
  lan.advance(600);
  assert.equal(heard.length, before + 1);
  assert.deepEqual(preferred(), [14_400]);
  lan.advance(5000);
  give('2001:db8:2::1/64');
  lan.advance(600);
  assert.equal(heard.length, before + 2);
  assert.deepEqual(preferred(), [14_400, 0]);
  lan.advance(3_600_000);
  assert.deepEqual(preferred(), [14_400], 'half an hour later it is forgotten');
});

test('solicitations are answered soon, not each one, and alone when asked to', () => {
  const { lan, sim, heard } = advertiser(RADV);
  lan.advance(100_000);
  const before = heard.length;
  for (let i = 0; i < 5; i++) sim.feed({ ...advertisementFrom('fe80::9'), bytes: SOLICITATION });
  lan.advance(600);
  assert.equal(heard.length, before + 1);
  sim.feed({ ...advertisementFrom('fe80::9'), bytes: SOLICITATION });
  lan.advance(600);
  assert.equal(heard.length, before + 1, 'three seconds between two');
  lan.advance(3000);
  assert.equal(heard.length, before + 2);

  const alone = advertiser({ ...RADV, solicitedUnicast: true });
  alone.lan.advance(100_000);
  alone.sim.feed({ ...advertisementFrom('fe80::9'), bytes: SOLICITATION });
  const sent = alone.sim.orders.findLast((order) => order.kind === 'discoverySend');
  assert.equal(sent?.destination, 'fe80::9');
});

test('an interface that goes away and comes back is opened again; a refusal is said once', () => {
  const { lan, sim } = advertiser(RADV);
  lan.advance(1000);
  sim.host.setInterface('br-lan', { adminUp: false });
  sim.host.setInterface('br-lan', { adminUp: true });
  const kinds = sim.orders.map(({ kind }) => kind).filter((kind) => kind !== 'discoverySend');
  assert.deepEqual(kinds, ['discoveryOpen', 'discoveryClose', 'discoveryOpen']);
  for (let i = 0; i < 3; i++) {
    const error = { operation: 'socket', code: 'EPERM', message: 'Operation not permitted' };
    sim.feed({ kind: 'discoveryFailed', interface: 'br-lan', error });
    lan.advance(61_000);
  }
  const told = sim.texts().filter((text) => text.includes('router advertisements'));
  assert.deepEqual(told, [
    'Cannot send router advertisements on br-lan: socket: Operation not permitted: the process needs CAP_NET_RAW',
  ]);
});

const PREFIX = {
  skip: false,
  onLink: true,
  autonomous: true,
  validLifetimeSec: 86_400,
  preferredLifetimeSec: 14_400,
};
const SOLICITATION = Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0);

function network(options: { readonly routerFirst?: boolean } = {}): {
  readonly lan: SimLan;
  readonly router: SimRouter;
  readonly node: () => SimRouter;
} {
  const lan = new SimLan(3);
  const range = bgpConfig('nodes', '', { local: 64496, remote: 64497 }, { channels: CHANNELS });
  const { neighborAddress: _none, ...rest } = range;
  const nodes: BgpConfig = {
    ...rest,
    neighborRange: 'fe80::/10',
    interface: 'br-lan',
    passive: true,
  };
  const router = lan.add({
    name: 'router',
    config: routerConfig([deviceConfig(), kernelConfig('ipv4', ALL), radvOf(RADV), nodes], {
      routerId: '192.168.1.1',
    }),
    interfaces: [lanInterface('br-lan', 2, [`${ROUTER_LL}/64`])],
  });
  let sim = options.routerFirst ? undefined : lan.add(nodeOf());
  return { lan, router, node: () => (sim ??= lan.add(nodeOf())) };
}

function nodeOf(): Parameters<SimLan['add']>[0] {
  const session = unnumbered('peer', { localPort: 0, connectDelayTimeSec: 1 });
  return {
    name: 'node1',
    config: configOf(session, '192.168.1.32'),
    interfaces: [lanInterface('br-lan', 2, [`${NODE_LL}/64`])],
  };
}

function unnumbered(name: string, change: Partial<BgpConfig>): BgpConfig {
  const asns = { local: 64497, remote: 64496 };
  const { neighborAddress: _none, ...config } = bgpConfig(name, '', asns, { channels: CHANNELS });
  return { ...config, unnumbered: true, interface: 'br-lan', ...change };
}

function asOf(localAs: number, neighborAs: number): Partial<BgpConfig> {
  return { localAs, neighborAs };
}

function configOf(
  protocol: BgpConfig | RadvConfig,
  routerId: string,
): ReturnType<typeof routerConfig> {
  return routerConfig([deviceConfig(), staticConfig([blackhole(VIP)]), protocol], { routerId });
}

function radvOf(options: RadvInterfaceConfig): RadvConfig {
  const patterns = [{ exclude: false, glob: 'br-*' }];
  return {
    kind: 'radv',
    name: 'radv1',
    disabled: false,
    debug: [],
    interfaces: [{ patterns, options }],
  };
}

function advertiser(options: RadvInterfaceConfig): {
  readonly lan: SimLan;
  readonly sim: SimRouter;
  readonly heard: readonly Uint8Array[];
} {
  const lan = new SimLan();
  const sim = lan.add({
    name: 'router',
    config: configOf(radvOf(options), '192.168.1.1'),
    interfaces: [lanInterface('br-lan', 2, ['fe80::1/64'])],
  });
  return { lan, sim, heard: listen(lan) };
}

/** Everything that a bystander hears from now on. */
function listen(lan: SimLan): readonly Uint8Array[] {
  const heard: Uint8Array[] = [];
  const bystander = lan.add({
    name: 'host',
    config: routerConfig([deviceConfig()], { routerId: '192.168.1.9' }),
    interfaces: [lanInterface('br-lan', 2, ['fe80::9/64'])],
  });
  bystander.host.onDiscovery = ({ bytes }) => heard.push(bytes);
  return heard;
}

function advertisementFrom(source: string): {
  readonly kind: 'discoveryReceived';
  readonly interface: string;
  readonly source: string;
  readonly hopLimit: number;
  readonly bytes: Uint8Array;
} {
  const bytes = new Uint8Array(16);
  bytes[0] = 134;
  return { kind: 'discoveryReceived', interface: 'br-lan', source, hopLimit: 255, bytes };
}

function routeOf(sim: SimRouter): readonly string[] | undefined {
  const route = sim.fib.scan(254, 'ipv4').find(({ net }) => net === VIP);
  return route?.nexthops.map((hop) => `${hop.gateway} dev ${hop.interface}`);
}

function neighborOf(sim: SimRouter): string | undefined {
  return sim.router.bgpProtocols()[0]!.config.neighborAddress;
}

function isEstablished(sim: SimRouter): boolean {
  return sim.router.bgpProtocols()[0]!.sessionWord === 'Established';
}
