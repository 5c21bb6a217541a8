import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { RouterControl } from '@rookery/router';
import { at, viewOf } from '../fixtures/fixture-view.ts';
import type { Fixture } from '../fixtures/fixture-view.ts';
import { bfdNode, counts, neighborDown, neighborUp, nodeStage } from '../fixtures/post-node.ts';
import { birdCapabilities } from '../fixtures/post-node.ts';
import { utc } from '../wall-clock.ts';
import { vtyReply } from './vty-reply.ts';

function golden(stage: string, name: string): string {
  const url = new URL(`../../goldens/${stage}/node32-${name}.txt`, import.meta.url);
  return readFileSync(url, 'utf8');
}

function ask(fixture: Fixture, command: string): string {
  return vtyReply(
    { view: viewOf(fixture), control: {} as RouterControl, daemon: 'vtysh', offset: utc },
    command,
  ).text;
}

/** Takes out what differs between any two runs: ages, clocks, ports, group numbers, hit counts. */
function normalise(text: string): string {
  return text
    .replace(/\d:\d\d:\d\d:\d\d|\d\d:\d\d:\d\d|[ \d]\d:\d\d:\d\d/g, 'AGE')
    .replace(/\w{3} \w{3} [ \d]\d AGE \d{4}/g, 'DATE')
    .replace(
      /"(\w*Msecs?|\w*Epoch|epoch|bgpTimerLast\w+|uptime|nexthopGroupId|installedNexthopGroupId)":\d+/g,
      '"$1":N',
    )
    .replace(/due in \d+ seconds/g, 'due in N seconds')
    .replace(/Uptime: .*/g, 'Uptime: N')
    .replace(/Local port: \d+|"portLocal":\d+/g, 'PORT')
    .replace(/FD used: -?\d+/g, 'FD used: N')
    .replace(/\(fd \d+\)/g, '')
    .replace(/(Invoked:?|"invoked":|hit count:) ?\d+/g, '$1 N')
    .replace(/control-packet-(input|output)":\d+/g, 'control-packet-$1":N')
    .replace(/([Zz]ebra.notifications"?:) ?\d/g, '$1 N')
    .replace(/ +$/gm, '');
}

function compare(fixture: Fixture, stage: string, command: string, name: string): void {
  assert.equal(normalise(ask(fixture, command)), normalise(golden(stage, name)), command);
}

/** File names of captures spell the command; prefixes had their slash replaced. */
const bfdStage: readonly string[] = [
  'show bgp neighbors',
  'show bgp neighbors json',
  'show bgp neighbors 192.168.1.1 json',
  'show bgp neighbor 192.168.1.1 json',
  'show bgp neighbors 192.168.9.9',
  'show bgp neighbors 192.168.9.9 json',
  'show bgp vrf default neighbors json',
  'show ip bgp neighbor',
  'show ip bgp neighbor json',
  'show bgp summary',
  'show bgp summary json',
  'show bgp summary established',
  'show bgp summary failed',
  'show bgp summary failed json',
  'show bgp summary neighbor 192.168.1.1',
  'show bgp summary remote-as 64496',
  'show bgp summary wide',
  'show bgp ipv4 unicast summary',
  'show bgp ipv4 unicast summary json',
  'show bgp ipv4 unicast summary terse',
  'show ip bgp summary',
  'show bgp neighbors graceful-restart',
  'show bgp ipv4 neighbors graceful-restart',
  'show bgp ipv4 neighbors graceful-restart json',
  'show bgp ipv4 unicast',
  'show bgp ipv4 unicast json',
  'show bgp ipv4 json',
  'show bgp ipv4 unicast detail',
  'show bgp ipv6 unicast',
  'show bgp ipv6 unicast json',
  'show bgp',
  'show ip bgp',
  'show bgp ipv4 unicast neighbors',
  'show bgp ipv4 unicast neighbors 192.168.1.1 advertised-routes',
  'show bgp ipv4 unicast neighbors 192.168.1.1 advertised-routes json',
  'show bgp ipv4 unicast neighbors 192.168.1.1 received-routes',
  'show bgp ipv4 unicast neighbors 192.168.1.1 received-routes json',
  'show bgp ipv4 unicast neighbors 192.168.1.1 routes',
  'show bgp ipv4 unicast neighbors 192.168.1.1 routes json',
  'show bgp ipv4 unicast neighbors 192.168.1.1 prefix-counts',
  'show bgp ipv4 unicast neighbors 192.168.1.1 prefix-counts json',
  'show bgp neighbors 192.168.1.1 advertised-routes',
  'show bgp neighbors 192.168.1.1 advertised-routes json',
  'show bgp neighbors 192.168.1.1 routes json',
  'show ip bgp neighbors 192.168.1.1 advertised-routes',
  'show bgp nexthop',
  'show bgp nexthop json',
  'show bgp update-groups',
  'show bgp vrfs',
  'show bgp vrfs json',
  'show ip route',
  'show ip route json',
  'show ip route bgp',
  'show ip route summary',
  'show ip route summary json',
  'show ip fib',
  'show ip nht',
  'show ipv6 route',
  'show bfd peers',
  'show bfd peers json',
  'show bfd peers brief',
  'show bfd peers counters',
  'show bfd peers counters json',
  'show bfd peer 192.168.1.1',
  'show bfd peer 192.168.1.1 json',
  'show bfd vrf default peers json',
  'show running-config',
  'show ip prefix-list',
  'show ip prefix-list json',
  'show ip prefix-list detail',
  'show ip prefix-list summary',
  'show ipv6 prefix-list',
  'show ipv6 prefix-list json',
  'show route-map',
  'show route-map json',
  'show daemons',
  'show vrf',
  'show vrf json',
  'show foo',
  'show event cpu',
  'show ip ospf',
  'show interface brief',
  'show interface brief json',
];

for (const command of bfdStage) {
  test(`A15b: ${command}`, () => {
    compare(bfdNode, 'A15b-bfd-both', command, command.replaceAll(' ', '-'));
  });
}

const prefixes = ['192.168.2.1/32', '10.9.9.0/24'];
for (const prefix of prefixes) {
  for (const suffix of ['', ' json']) {
    const command = `show bgp ipv4 unicast ${prefix}${suffix}`;
    test(`A15b: ${command}`, () => {
      compare(bfdNode, 'A15b-bfd-both', command, command.replaceAll(/[ /]/g, '-'));
    });
  }
}
for (const command of [
  'show ip route 0.0.0.0/0',
  'show ip route 0.0.0.0/0 json',
  'show ip route 192.168.1.0/24',
]) {
  test(`A15b: ${command}`, () => {
    compare(bfdNode, 'A15b-bfd-both', command, command.replaceAll(/[ /]/g, '-'));
  });
}

const stages: readonly [string, Fixture, readonly string[]][] = [
  [
    'A01-minimal-no-device',
    nodeStage(
      '07:49:30',
      neighborDown({
        createdMs: at('07:48:28'),
        timers: { connectRetry: { dueMs: at('07:51:05'), totalMs: 120_000 } },
      }),
    ),
    [
      'show ip bgp neighbor',
      'show ip bgp neighbor json',
      'show bgp summary',
      'show bgp summary json',
      'show ip route',
      'show bfd peers',
      'show bfd peers json',
      'show running-config',
    ],
  ],
  [
    'A09-wrong-as-in-bird',
    nodeStage(
      '07:52:00',
      neighborDown({
        neighborCapabilities: birdCapabilities,
        createdMs: at('07:00:00'),
        lastReadMs: at('07:50:08'),
        lastWriteMs: at('07:51:49'),
        sent: counts([4, 2, 2, 2, 0]),
        received: counts([3, 4, 2, 2, 0]),
        connectionsEstablished: 2,
        connectionsDropped: 2,
        lastReset: {
          atMs: at('07:51:45'),
          reason: { kind: 'notification received', code: 2, subcode: 2 },
        },
        connection: {
          open: false,
          local: '192.168.1.32',
          localPort: 58_210,
          remote: '192.168.1.1',
          remotePort: 179,
          mss: 0,
          queuedBytes: 0,
        },
        timers: { connectRetry: { dueMs: at('07:53:48'), totalMs: 120_000 } },
      }),
    ),
    [
      'show ip bgp neighbor',
      'show ip bgp neighbor json',
      'show bgp summary',
      'show bgp summary json',
    ],
  ],
  [
    'A12-hold-timer-expired',
    nodeStage(
      '07:26:27',
      neighborDown({
        state: 'Connect',
        configured: { holdTimeSec: 9, keepaliveTimeSec: 3, connectRetryTimeSec: 120 },
        neighborCapabilities: birdCapabilities,
        createdMs: at('07:00:00'),
        lastReadMs: at('07:26:11'),
        lastWriteMs: at('07:26:19'),
        sent: counts([1, 1, 4, 7, 2]),
        received: counts([1, 0, 1, 5, 2]),
        connectionsEstablished: 1,
        connectionsDropped: 1,
        lastReset: { atMs: at('07:26:20'), reason: { kind: 'hold timer expired' } },
        connection: {
          open: false,
          local: '192.168.1.32',
          localPort: 56_696,
          remote: '192.168.1.1',
          remotePort: 179,
          mss: 524,
          queuedBytes: 0,
        },
        timers: { connectRetry: { dueMs: at('07:28:21'), totalMs: 120_000 } },
      }),
    ),
    [
      'show ip bgp neighbor',
      'show ip bgp neighbor json',
      'show bgp summary',
      'show bgp summary json',
    ],
  ],
  [
    'A11-default-timers',
    nodeStage(
      '07:55:00',
      neighborUp(1, {
        configured: { holdTimeSec: 180, keepaliveTimeSec: 60, connectRetryTimeSec: 120 },
        establishedMs: at('07:54:49'),
        lastReadMs: at('07:54:50'),
        lastWriteMs: at('07:54:50'),
        lastUpdateMs: at('07:54:50'),
        createdMs: at('07:52:45'),
        sent: counts([2, 0, 2, 1, 0]),
        received: counts([1, 0, 1, 1, 0]),
        connectionsEstablished: 1,
      }),
    ),
    [
      'show ip bgp neighbor',
      'show ip bgp neighbor json',
      'show bgp summary',
      'show bgp summary json',
      'show ip route',
      'show bfd peers',
    ],
  ],
];

for (const [stage, fixture, commands] of stages) {
  for (const command of commands) {
    test(`${stage.slice(0, 3)}: ${command}`, () => {
      compare(fixture, stage, command, command.replaceAll(' ', '-'));
    });
  }
}

/** What FRR 8.4 says of `neighbor eth0 interface`, as far as 9.1 does not differ. */
test('a neighbor without an address goes by its interface', () => {
  const unnumbered = { unnumbered: true, interface: 'eth0' };
  const found = neighborUp(1, { ...unnumbered, neighborAddress: 'fe80::1' });
  const up = nodeStage('08:00:00', found);
  assert.match(ask(up, 'show bgp summary'), /^eth0 {12}4 {6}64496 /m);
  assert.match(
    ask(up, 'show bgp neighbors eth0'),
    /^BGP neighbor on eth0: fe80::1, remote AS 64496, local AS 64497, external link$/m,
  );
  const { eth0 } = JSON.parse(ask(up, 'show bgp neighbors json'));
  assert.equal(Object.keys(eth0)[0], 'bgpNeighborAddr');
  assert.equal(eth0.bgpNeighborAddr, 'fe80::1');
  const summary = JSON.parse(ask(up, 'show bgp summary json'));
  assert.equal(summary.ipv4Unicast.peers.eth0.idType, 'interface');

  const { neighborAddress: _, ...nowhere } = neighborDown({
    ...unnumbered,
    state: 'Idle',
    neighborAs: 0,
    lastReset: { atMs: at('07:59:00'), reason: { kind: 'neighbor not found' } },
  });
  const down = nodeStage('08:00:00', nowhere);
  assert.match(
    ask(down, 'show bgp neighbors'),
    /^BGP neighbor on eth0: \(unspec\), remote AS 0, local AS 64497, external link$/m,
  );
  assert.match(
    ask(down, 'show bgp neighbors'),
    /Last reset 00:01:00, {3}Waiting for Peer IPv6 LLA/,
  );
  const shown = JSON.parse(ask(down, 'show bgp neighbors json')).eth0;
  assert.deepEqual([shown.bgpNeighborAddr, shown.lastResetCode], ['none', 28]);
});
