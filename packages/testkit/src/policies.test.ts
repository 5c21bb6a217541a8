import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig, ProtocolConfig, RouterConfig } from '@rookery/router';
import type { Policy } from '@rookery/rib';
import {
  ALL,
  NONE,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  channelConfig,
  deviceConfig,
  routerConfig,
  staticConfig,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import { build, configOf, pathOf, setting, table } from './speakers.ts';
import type { Speaker } from './speakers.ts';

const NET = '10.1.0.0/16';

test('between external peers the path grows and the next hop of a shared link stays', () => {
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002 }], routes: [NET] },
    {
      n: 2,
      asn: 65002,
      sessions: [
        { to: 1, asn: 65001 },
        { to: 3, asn: 4_200_000_001 },
      ],
    },
    { n: 3, asn: 4_200_000_001, sessions: [{ to: 2, asn: 65002 }] },
  );
  lan.until(() => table(at(3)).has(NET), 60_000, 'route at 3');
  const route = table(at(3)).get(NET)!;
  assert.deepEqual(pathOf(route), [65002, 65001]);
  assert.equal(route.bgp!.nextHop, '192.168.1.1');
  assert.equal(route.bgp!.localPref, 100);
  assert.deepEqual(route.nexthops, [{ gateway: '192.168.1.1', interface: 'enp1s0', ifindex: 2 }]);
});

test('next hop self, MED and communities set by policy, and what is stripped on the way out', () => {
  const tag = setting('tag', (bgp) => ({ ...bgp, med: 50, communities: [(65001 << 16) | 7] }));
  const { lan, at } = build(
    {
      n: 1,
      asn: 65001,
      sessions: [{ to: 2, asn: 65002, channel: { exportPolicy: tag } }],
      routes: [NET],
    },
    {
      n: 2,
      asn: 65002,
      sessions: [
        { to: 1, asn: 65001 },
        { to: 3, asn: 65003, channel: { nextHopSelf: 'all' } },
      ],
    },
    { n: 3, asn: 65003, sessions: [{ to: 2, asn: 65002 }] },
  );
  lan.until(() => table(at(3)).has(NET), 60_000, 'route at 3');
  assert.equal(table(at(2)).get(NET)!.bgp!.med, 50);
  const route = table(at(3)).get(NET)!.bgp!;
  assert.equal(route.med, undefined, 'MED of a neighbor is not passed on');
  assert.deepEqual(
    route.communities,
    [(65001 << 16) | 7 | 0].map((c) => c >>> 0),
  );
  assert.equal(route.nextHop, '192.168.1.2');
});

test('no-export and no-advertise stop where they should', () => {
  for (const [community, reaches] of [
    [0xffffff01, false],
    [0xffffff02, false],
    [0xfde90001, true],
  ] as const) {
    const mark = setting(`mark ${community}`, (bgp) => ({ ...bgp, communities: [community] }));
    const { lan, at } = build(
      {
        n: 1,
        asn: 65001,
        sessions: [{ to: 2, asn: 65002, channel: { exportPolicy: mark } }],
        routes: [NET],
      },
      {
        n: 2,
        asn: 65002,
        sessions: [
          { to: 1, asn: 65001 },
          { to: 3, asn: 65003 },
        ],
        routes: ['10.2.0.0/16'],
      },
      { n: 3, asn: 65003, sessions: [{ to: 2, asn: 65002 }] },
    );
    lan.until(() => table(at(2)).has(NET) && table(at(3)).has('10.2.0.0/16'), 60_000, 'routes');
    lan.advance(1000);
    assert.equal(table(at(3)).has(NET), reaches, String(community));
  }
});

test('internal routes are not passed on between internal peers, except by a reflector', () => {
  const link = (rr: boolean): readonly Speaker[] => [
    { n: 1, asn: 65000, sessions: [{ to: 2, asn: 65000 }], routes: [NET] },
    {
      n: 2,
      asn: 65000,
      sessions: [
        { to: 1, asn: 65000, change: { rrClient: rr } },
        { to: 3, asn: 65000, change: { rrClient: rr } },
      ],
      routes: ['10.2.0.0/16'],
    },
    { n: 3, asn: 65000, sessions: [{ to: 2, asn: 65000 }] },
  ];
  const plain = build(...link(false));
  plain.lan.until(() => table(plain.at(3)).has('10.2.0.0/16'), 60_000, 'sentinel');
  plain.lan.advance(1000);
  assert.ok(!table(plain.at(3)).has(NET));

  const { lan, at } = build(...link(true));
  lan.until(() => table(at(3)).has(NET), 60_000, 'reflected route');
  const route = table(at(3)).get(NET)!.bgp!;
  assert.equal(route.originatorId, '192.168.1.1');
  assert.deepEqual(route.clusterList, ['192.168.1.2']);
  assert.deepEqual(route.asPath, []);
  assert.equal(route.nextHop, '192.168.1.1');
});

test('a path that holds our AS is refused, unless allowed', () => {
  for (const allowLocalAs of [0, 1]) {
    const { lan, at } = build(
      { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002 }], routes: [NET] },
      {
        n: 2,
        asn: 65002,
        sessions: [
          { to: 1, asn: 65001 },
          { to: 3, asn: 65001 },
        ],
        routes: ['10.2.0.0/16'],
      },
      { n: 3, asn: 65001, sessions: [{ to: 2, asn: 65002, change: { allowLocalAs } }] },
    );
    lan.until(() => table(at(3)).has('10.2.0.0/16'), 60_000, 'sentinel');
    lan.advance(1000);
    assert.equal(table(at(3)).has(NET), allowLocalAs === 1);
  }
});

test('RFC 9234: a route from a provider does not leak to a peer', () => {
  const { lan, at } = build(
    {
      n: 1,
      asn: 65001,
      sessions: [{ to: 2, asn: 65002, change: { localRole: 'provider' } }],
      routes: [NET],
    },
    {
      n: 2,
      asn: 65002,
      sessions: [
        { to: 1, asn: 65001, change: { localRole: 'customer' } },
        { to: 3, asn: 65003, change: { localRole: 'peer' } },
      ],
      routes: ['10.2.0.0/16'],
    },
    { n: 3, asn: 65003, sessions: [{ to: 2, asn: 65002, change: { localRole: 'peer' } }] },
  );
  lan.until(() => table(at(3)).has('10.2.0.0/16'), 60_000, 'sentinel');
  lan.until(() => table(at(2)).has(NET), 60_000, 'route at 2');
  lan.advance(1000);
  assert.equal(table(at(2)).get(NET)!.bgp!.otc, 65001);
  assert.ok(!table(at(3)).has(NET));
  assert.equal(table(at(3)).get('10.2.0.0/16')!.bgp!.otc, 65002);
});

test('a restarting peer that preserves forwarding keeps its routes until it is back', () => {
  const graceful: Partial<BgpConfig> = { gracefulRestart: 'on', gracefulRestartTimeSec: 60 };
  const channel = { gracefulRestart: true };
  const one: Speaker = {
    n: 1,
    asn: 65001,
    sessions: [{ to: 2, asn: 65002, change: graceful, channel }],
    routes: [NET, '10.9.0.0/16'],
  };
  const { lan, at } = build(one, {
    n: 2,
    asn: 65002,
    sessions: [{ to: 1, asn: 65001, change: graceful, channel }],
  });
  lan.until(() => table(at(2)).size === 2, 60_000, 'routes');
  at(1).kill();
  lan.advance(5000);
  assert.equal(table(at(2)).size, 2, 'kept while the peer restarts');
  const view = at(2)
    .router.view.protocols()
    .find((p) => p.name === 'to1')!;
  assert.equal(view.bgp!.restarting, true);
  // It never comes back: the restart time ends it. (Long-lived stale time is 3600 s by default.)
  lan.advance(60_000);
  const stale = table(at(2)).get(NET);
  assert.ok(stale === undefined || stale.llgrStale === true);
});

test('long-lived graceful restart marks what it keeps, then lets it go', () => {
  const change: Partial<BgpConfig> = {
    gracefulRestart: 'on',
    gracefulRestartTimeSec: 10,
    longLivedGracefulRestart: 'on',
    longLivedStaleTimeSec: 600,
  };
  const channel = { gracefulRestart: true, longLivedGracefulRestart: true };
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002, change, channel }], routes: [NET] },
    { n: 2, asn: 65002, sessions: [{ to: 1, asn: 65001, change, channel }] },
  );
  lan.until(() => table(at(2)).has(NET), 60_000, 'route');
  at(1).kill();
  lan.advance(5000);
  assert.equal(table(at(2)).get(NET)!.llgrStale, undefined);
  lan.advance(6000);
  const stale = table(at(2)).get(NET)!;
  assert.equal(stale.llgrStale, true);
  assert.deepEqual(stale.bgp!.communities, [0xffff0006]);
  lan.advance(601_000);
  assert.ok(!table(at(2)).has(NET));
});

test('one member of a group with a policy of its own is told what it loses, the others nothing', () => {
  const hub = (policyFor3: Policy): Speaker => ({
    n: 1,
    asn: 65001,
    sessions: [
      { to: 2, asn: 65002 },
      { to: 3, asn: 65003, channel: { exportPolicy: policyFor3 } },
    ],
    routes: [NET, '10.2.0.0/16', '10.3.0.0/16'],
  });
  const { lan, at } = build(
    hub(ALL),
    { n: 2, asn: 65002, sessions: [{ to: 1, asn: 65001 }] },
    { n: 3, asn: 65003, sessions: [{ to: 1, asn: 65001 }] },
  );
  lan.until(() => table(at(2)).size === 3 && table(at(3)).size === 3, 60_000, 'tables');
  const groups = (): (number | undefined)[] =>
    at(1)
      .router.view.protocols()
      .flatMap((p) => p.bgp?.families.map((f) => f.updateGroup) ?? []);
  assert.equal(new Set(groups()).size, 1);
  const updates = (n: number): number =>
    at(1)
      .router.view.protocols()
      .find((p) => p.name === `to${n}`)!.bgp!.sent.update;
  const before = updates(2);
  const first: Policy = {
    kind: 'filter',
    name: 'first',
    text: 'first',
    filter: {
      reads: { net: true, protocol: false },
      run: (net, attributes) => (((net.a >>> 16) & 255) === 1 ? attributes : undefined),
    },
  };
  at(1).configure(configOf(hub(first)));
  lan.until(() => table(at(3)).size === 1, 1000, 'withdrawals');
  assert.equal(new Set(groups()).size, 2);
  assert.equal(table(at(2)).size, 3);
  assert.equal(updates(2), before);
  at(1).configure(configOf(hub(ALL)));
  lan.until(() => table(at(3)).size === 3, 1000, 'routes again');
  assert.equal(new Set(groups()).size, 1);
});

test('a pipe passes routes on, never back, and follows both sides', () => {
  const pipe: ProtocolConfig = {
    kind: 'pipe',
    name: 'pipe1',
    disabled: false,
    debug: [],
    channel: channelConfig('ipv4', 0, { importPolicy: ALL, exportPolicy: ALL }),
    peerTable: 'other',
  };
  const other = (nets: readonly string[]): ProtocolConfig =>
    staticConfig(nets.map(blackhole), {
      name: 'static2',
      channel: channelConfig('ipv4', 200, { table: 'other' }),
    });
  const tables: Partial<RouterConfig> = {
    tables: [
      { name: 'master4', netType: 'ipv4', sorted: false },
      { name: 'master6', netType: 'ipv6', sorted: false },
      { name: 'other', netType: 'ipv4', sorted: false },
    ],
  };
  const speaker = (nets: readonly string[], others: readonly string[]): Speaker => ({
    n: 1,
    asn: 65001,
    sessions: [],
    routes: nets,
    more: [pipe, other(others)],
    config: tables,
  });
  const { lan, at } = build(speaker([NET], ['10.7.0.0/16']));
  lan.advance(10);
  const both = ['10.1.0.0/16', '10.7.0.0/16'];
  assert.deepEqual([...table(at(1)).keys()], both);
  assert.deepEqual([...table(at(1), 'other').keys()], both);
  assert.equal(
    at(1)
      .router.view.tables()
      .find((t) => t.name === 'other')!.routes,
    2,
  );
  at(1).configure(configOf(speaker([], ['10.7.0.0/16', '10.8.0.0/16'])));
  lan.advance(10);
  assert.deepEqual([...table(at(1)).keys()], ['10.7.0.0/16', '10.8.0.0/16']);
  assert.deepEqual([...table(at(1), 'other').keys()], ['10.7.0.0/16', '10.8.0.0/16']);
});

test('IPv6 over an IPv4 session: our own addresses on the link are the next hop', () => {
  const lan = new SimLan(13);
  const sixOf = (n: number, routes: readonly string[]): RouterConfig =>
    routerConfig(
      [
        deviceConfig(),
        staticConfig(routes.map(blackhole), { channel: channelConfig('ipv6', 200) }),
        bgpConfig(
          'peer',
          `192.168.1.${3 - n}`,
          { local: 65000 + n, remote: 65003 - n },
          { channels: [bgpChannelConfig('ipv6', { exportPolicy: ALL })] },
        ),
      ],
      { routerId: `192.168.1.${n}` },
    );
  for (const n of [1, 2]) {
    lan.add({
      name: `r${n}`,
      config: sixOf(n, n === 1 ? ['2001:db8:1::/48'] : []),
      interfaces: [
        lanInterface('enp1s0', 2, [`192.168.1.${n}/24`, `fd5c::${n}/64`, `fe80::${n}/64`]),
      ],
    });
  }
  const two = lan.routers.get('r2')!;
  lan.until(() => table(two, 'master6').has('2001:db8:1::/48'), 60_000, 'route');
  const route = table(two, 'master6').get('2001:db8:1::/48')!;
  assert.equal(route.bgp!.nextHop, 'fd5c::1');
  assert.equal(route.bgp!.linkLocalNextHop, 'fe80::1');
  assert.deepEqual(route.nexthops, [{ gateway: 'fe80::1', interface: 'enp1s0', ifindex: 2 }]);
  lan.routers.get('r1')!.configure(sixOf(1, []));
  lan.until(() => table(two, 'master6').size === 0, 100, 'withdrawal');
});

test('export none tells nobody anything, and the console can say why', () => {
  const { lan, at } = build(
    {
      n: 1,
      asn: 65001,
      sessions: [{ to: 2, asn: 65002, channel: { exportPolicy: NONE } }],
      routes: [NET],
    },
    { n: 2, asn: 65002, sessions: [{ to: 1, asn: 65001 }], routes: ['10.2.0.0/16'] },
  );
  lan.until(() => table(at(1)).has('10.2.0.0/16'), 60_000, 'session');
  lan.advance(1000);
  assert.ok(!table(at(2)).has(NET));
  const nets = (kind: 'export' | 'noexport' | 'preexport' | 'exported'): string[] => {
    const result = at(1).router.view.walkRoutes({
      tables: ['master4'],
      primary: false,
      filtered: false,
      countOnly: false,
      export: { kind, protocol: 'to2', channel: 'ipv4' },
    });
    assert.ok(result.ok);
    return result.walk.next(100).flatMap((i) => (i.kind === 'network' ? [i.net] : []));
  };
  assert.deepEqual(nets('preexport'), [NET]);
  assert.deepEqual(nets('noexport'), [NET, '10.2.0.0/16']);
  assert.deepEqual(nets('export'), []);
  assert.deepEqual(nets('exported'), []);
});

test('ADD-PATH: a peer that asks gets every path, with its own best choice', () => {
  const sessions = (n: number) => ({
    n,
    asn: 65000 + n,
    sessions: [{ to: 1, asn: 65001 }],
    routes: [NET],
  });
  const monitor = (addPaths: 'rx' | 'off'): Speaker => ({
    n: 9,
    asn: 65009,
    sessions: [{ to: 1, asn: 65001, channel: { addPaths } }],
  });
  const { lan, at } = build(
    {
      n: 1,
      asn: 65001,
      sessions: [
        { to: 2, asn: 65002 },
        { to: 3, asn: 65003 },
        { to: 9, asn: 65009, channel: { addPaths: 'tx' } },
      ],
    },
    sessions(2),
    sessions(3),
    monitor('rx'),
  );
  const paths = (): number =>
    at(9)
      .router.view.tables()
      .find((t) => t.name === 'master4')!.routes;
  lan.until(() => paths() === 2, 60_000, 'both paths');
  at(3).configure(configOf({ ...sessions(3), routes: [] }));
  lan.until(() => paths() === 1, 1000, 'one path withdrawn');
  assert.deepEqual(pathOf(table(at(9)).get(NET)), [65001, 65002]);
  at(3).configure(configOf(sessions(3)));
  lan.until(() => paths() === 2, 1000, 'both paths again');
});

test('a ROA that appears is applied to what was accepted before', () => {
  const roa = (net: string, asn: number): ProtocolConfig =>
    staticConfig([{ net, dest: 'blackhole', via: [], roa: { maxLength: 24, asn } }], {
      name: 'roas',
      channel: channelConfig('ipv4', 200, { netType: 'roa4', table: 'r4' }),
    });
  const valid: Policy = {
    kind: 'filter',
    name: 'valid',
    text: 'if roa_check(r4, net, 65001) = ROA_VALID then accept;',
    filter: {
      reads: { net: true, protocol: false },
      run: (net, attributes, env) =>
        env.roaCheck('r4', net, 65001) === 'valid' ? attributes : undefined,
    },
  };
  const two = (asn: number): Speaker => ({
    n: 2,
    asn: 65002,
    sessions: [{ to: 1, asn: 65001, channel: { importPolicy: valid } }],
    more: [roa('10.0.0.0/8', asn)],
    config: {
      tables: [
        { name: 'master4', netType: 'ipv4', sorted: false },
        { name: 'master6', netType: 'ipv6', sorted: false },
        { name: 'r4', netType: 'roa4', sorted: false },
      ],
    },
  });
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002 }], routes: ['10.1.1.0/24'] },
    two(65001),
  );
  lan.until(() => table(at(2)).size === 1, 60_000, 'valid route');
  at(2).configure(configOf(two(65077)));
  lan.until(() => table(at(2)).size === 0, 1000, 'invalid route leaves');
});
