import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig, RouterConfig, StaticConfig } from '@rookery/router';
import type { RouteAttributes } from '@rookery/rib';
import { announcementsFor } from './announcements.ts';
import { planFor } from './node-plan.ts';
import type { PlannedPrefix } from './node-plan.ts';
import {
  advertisement,
  configOf,
  node,
  nodeJson,
  peer,
  pool,
  service,
  slice,
} from './objects.fixture.ts';
import type { RawResources } from './resources.ts';
import { runningConfigFor } from './running-config.ts';
import { routerIdFor, speakerRouterConfigFor } from './speaker-config.ts';
import type { Config } from './config.ts';

type Json = Record<string, unknown>;

const V1BETA1_PEER: Json = {
  apiVersion: 'metallb.io/v1beta1',
  metadata: { name: 'bgp-router-peer', namespace: 'metallb' },
  spec: { peerAddress: '192.168.1.1', peerASN: 64496, myASN: 64497 },
};
const POST: RawResources = {
  nodes: [nodeJson('node1')],
  pools: [pool('bgp-pool', ['192.168.2.0/24'], { avoidBuggyIPs: true })],
  peers: [V1BETA1_PEER],
  bgpAdvertisements: [
    advertisement('bgp-pool-advertisement', {
      ipAddressPools: ['bgp-pool'],
      peers: ['bgp-router-peer'],
    }),
  ],
};
const NODE1 = node('node1');

interface Speaker {
  readonly router: RouterConfig;
  readonly config: Config;
  readonly plan: readonly PlannedPrefix[];
}

function speakerFor(raw: RawResources, ips: readonly string[]): Speaker {
  const config = configOf(raw);
  const ready = [slice('web', [{ nodeName: 'node1', addresses: ['10.2.7.5'] }])];
  const plan = planFor(
    ips.map((ip) =>
      announcementsFor(service({ name: 'web', ingress: [ip] }), ready, NODE1, config),
    ),
  ).prefixes();
  return { router: speakerRouterConfigFor(NODE1, config, plan), config, plan };
}

function sessionOf(speaker: Speaker, name: string): BgpConfig {
  const found = speaker.router.protocols.find((protocol) => protocol.name === name);
  assert.ok(found?.kind === 'bgp');
  return found;
}

/** What a peer is sent, by prefix. */
function sentTo(speaker: Speaker, name: string): Record<string, unknown> {
  const policy = sessionOf(speaker, name).channels[0]!.exportPolicy;
  assert.ok(policy.kind === 'filter');
  const origin = speaker.router.protocols.find((p): p is StaticConfig => p.name === 'services4')!;
  const env = { protocol: 'services4', roaCheck: () => 'unknown' as const, print() {}, fail() {} };
  const cursor = { family: 'ipv4' as const, a: 0, b: 0, c: 0, d: 0, length: 32 };
  const sent: Record<string, unknown> = {};
  for (const route of origin.routes) {
    const bare: RouteAttributes = {
      source: 'static',
      scope: 'universe',
      dest: 'blackhole',
      nexthops: [],
      preference: 200,
    };
    const result = policy.filter.run(cursor, route.set!.apply(bare), env);
    if (result) sent[route.net] = result.bgp;
  }
  return sent;
}

test('the post: one session that detects a dead node, listens nowhere and accepts nothing', () => {
  const speaker = speakerFor(POST, ['192.168.2.1']);
  assert.equal(speaker.router.routerId, '192.168.1.32');
  const session = sessionOf(speaker, 'bgp-router-peer');
  assert.equal(session.neighborAddress, '192.168.1.1');
  assert.deepEqual(
    [session.localAs, session.neighborAs, session.peerType],
    [64497, 64496, 'external'],
  );
  assert.deepEqual([session.holdTimeSec, session.keepaliveTimeSec], [8, 2]);
  assert.deepEqual([session.passive, session.localPort, session.multihop], [false, 0, undefined]);
  assert.deepEqual([session.gracefulRestart, session.longLivedGracefulRestart], ['aware', 'aware']);
  assert.ok(session.connectRetryTimeSec <= 5);
  assert.deepEqual(
    session.channels.map((c) => [c.netType, c.importPolicy.kind]),
    [
      ['ipv4', 'none'],
      ['ipv6', 'none'],
    ],
  );
  assert.deepEqual(sentTo(speaker, 'bgp-router-peer'), {
    '192.168.2.1/32': { origin: 0, asPath: [], med: 0 },
  });
  assert.ok(!speaker.router.protocols.some((protocol) => protocol.kind === 'kernel'));
});

test('a service that comes or goes changes routes and no session', () => {
  const before = speakerFor(POST, ['192.168.2.1']);
  const after = speakerFor(POST, ['192.168.2.1', '192.168.2.2']);
  const frozen = (speaker: Speaker): string =>
    JSON.stringify(speaker.router.protocols.filter((protocol) => protocol.kind !== 'static'));
  assert.equal(frozen(before), frozen(after));
  assert.deepEqual(Object.keys(sentTo(after, 'bgp-router-peer')), [
    '192.168.2.1/32',
    '192.168.2.2/32',
  ]);
  assert.deepEqual(speakerFor(POST, []).router.protocols.length, before.router.protocols.length);
});

test('attributes and peer lists reach exactly their peers', () => {
  const speaker = speakerFor(
    {
      ...POST,
      peers: [peer('one'), peer('two', { peerAddress: '192.168.1.2', peerASN: 64497 })],
      bgpAdvertisements: [
        advertisement('all', { communities: ['64497:100', 'large:64497:1:2'], localPref: 200 }),
        advertisement('sum', { aggregationLength: 24, peers: ['two'] }),
      ],
    },
    ['192.168.2.1'],
  );
  const host = {
    origin: 0,
    asPath: [],
    med: 0,
    localPref: 200,
    communities: [64497 * 65536 + 100],
    largeCommunities: [64497, 1, 2],
  };
  assert.deepEqual(sentTo(speaker, 'one'), { '192.168.2.1/32': host });
  assert.deepEqual(sentTo(speaker, 'two'), {
    '192.168.2.0/24': { origin: 0, asPath: [], med: 0 },
    '192.168.2.1/32': host,
  });
  assert.equal(sessionOf(speaker, 'two').peerType, 'internal');
  assert.equal(sessionOf(speaker, 'two').multihop, 255);
});

test('every field of a BGPPeer has its effect', () => {
  const raw: RawResources = {
    ...POST,
    bfdProfiles: [
      {
        metadata: { name: 'fast' },
        spec: {
          receiveInterval: 100,
          transmitInterval: 150,
          detectMultiplier: 5,
          echoMode: true,
          echoInterval: 70,
          passiveMode: true,
          minimumTtl: 250,
        },
      },
    ],
    peers: [
      peer('p', {
        peerPort: 1179,
        localASN: 65000,
        sourceAddress: '192.168.1.99',
        holdTime: '30s',
        connectTime: '7s',
        routerID: '10.0.0.9',
        password: 'secret',
        bfdProfile: 'fast',
        enableGracefulRestart: true,
        ebgpMultiHop: true,
        vrf: 'red',
        disableMP: true,
      }),
    ],
    bgpAdvertisements: [advertisement('a')],
  };
  const speaker = speakerFor(raw, ['192.168.2.1']);
  const session = sessionOf(speaker, 'p');
  assert.equal(speaker.router.routerId, '10.0.0.9');
  assert.deepEqual(
    [session.neighborPort, session.localAs, session.localAddress, session.password, session.vrf],
    [1179, 65000, '192.168.1.99', 'secret', 'red'],
  );
  assert.deepEqual(
    [session.holdTimeSec, session.keepaliveTimeSec, session.connectRetryTimeSec],
    [30, 10, 7],
  );
  assert.deepEqual([session.gracefulRestart, session.multihop], ['on', 255]);
  assert.deepEqual(
    [session.bfd?.minRxIntervalUs, session.bfd?.minTxIntervalUs, session.bfd?.multiplier],
    [100_000, 150_000, 5],
  );
  assert.deepEqual(session.bfd?.echo, { txIntervalUs: 70_000, rxIntervalUs: 70_000 });
  assert.deepEqual([session.bfd?.passive, session.bfd?.minTtl], [true, 250]);
  assert.deepEqual(
    session.channels.map((c) => c.netType),
    ['ipv4'],
  );
  assert.ok(speaker.router.protocols.some((protocol) => protocol.kind === 'bfd'));
});

test('a peer without an address is found on its interface, and IPv4 goes over IPv6 next hops', () => {
  const unnumbered = { peerAddress: '', peerASN: 0, dynamicASN: 'internal', interface: 'eth1' };
  const speaker = speakerFor({ ...POST, peers: [peer('eth', unnumbered)] }, ['192.168.2.1']);
  const session = sessionOf(speaker, 'eth');
  assert.equal(session.neighborAddress, undefined);
  assert.equal(session.interface, 'eth1');
  assert.equal(session.unnumbered, true);
  assert.equal(session.neighborAs, 0);
  assert.equal(session.peerType, 'internal');
  assert.equal(session.multihop, undefined, 'a link-local neighbor is on the link, iBGP or not');
  assert.deepEqual(
    session.channels.map((channel) => channel.extendedNextHop),
    [true, true],
  );
});

test('router id without an IPv4 address is made of the name, stable and valid', () => {
  const bare = node('node6', {}, { addresses: [{ type: 'InternalIP', address: 'fd00::6' }] });
  assert.match(routerIdFor(bare, []), /^\d+\.\d+\.\d+\.\d+$/);
  assert.equal(routerIdFor(bare, []), routerIdFor(bare, []));
});

test('show running has what MetalLB would have rendered, with the timers in force', () => {
  const { config, plan } = speakerFor(POST, ['192.168.2.1']);
  const running = runningConfigFor(NODE1, config, plan, {
    hostname: 'node1.lan',
    logLevel: 'informational',
    logTarget: { kind: 'stdout' },
    ipForwarding: true,
    ipv6Forwarding: false,
  });
  assert.deepEqual(running.prefixLists, [
    {
      family: 'ipv4',
      name: '192.168.1.1-pl-ipv4',
      entries: [{ seq: 1, action: 'permit', prefix: '192.168.2.1/32' }],
    },
    {
      family: 'ipv6',
      name: '192.168.1.1-pl-ipv4',
      entries: [{ seq: 2, action: 'deny', prefix: 'any' }],
    },
  ]);
  const [instance] = running.instances;
  assert.deepEqual(instance!.networks, { ipv4: ['192.168.2.1/32'], ipv6: [] });
  assert.deepEqual(instance!.neighbors[0]!.timers, { keepaliveSec: 2, holdSec: 8 });
  assert.deepEqual(
    running.routeMaps.map((map) => [map.name, map.entries.map((entry) => entry.seq)]),
    [
      ['192.168.1.1-in', [20]],
      ['192.168.1.1-out', [1, 2]],
    ],
  );
});
