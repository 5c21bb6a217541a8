import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ProtocolOutcome, RouterControl } from '@rookery/router';
import { at, emptyFixture, viewOf } from '../fixtures/fixture-view.ts';
import type { Fixture } from '../fixtures/fixture-view.ts';
import { bfdNode } from '../fixtures/post-node.ts';
import { bfdStage } from '../fixtures/post-router.ts';
import { utc } from '../wall-clock.ts';
import { VTY_COMMANDS } from './commands.ts';
import { vtyReply } from './vty-reply.ts';
import type { VtyReply } from './vty-reply.ts';

const calls: string[] = [];

function ask(line: string, daemon = 'vtysh', fixture: Fixture = bfdNode): VtyReply {
  const done = (names: readonly string[]): ProtocolOutcome[] =>
    names.map((protocol) => ({ protocol, outcome: 'done' }));
  const control = {
    clear: (names: readonly string[]) => {
      calls.push(`clear ${names.join(',')}`);
      return done(names);
    },
    reload: (names: readonly string[], direction: string) => {
      calls.push(`reload ${direction} ${names.join(',')}`);
      return done(names);
    },
  } as unknown as RouterControl;
  const view = viewOf(fixture);
  return vtyReply({ view, control, daemon, offset: utc, system: 'Linux(6.18.44)' }, line);
}

test('daemon sockets: status octets and texts as captured', () => {
  const cases: readonly [string, string, string | undefined, number][] = [
    ['bgpd', 'enable', '', 0],
    ['bgpd', 'show foo', '% [BGP] Unknown command: show foo\n', 2],
    ['bgpd', 'show ip route', '% [BGP] Unknown command: show ip route\n', 2],
    ['bgpd', 'show', '% Command incomplete.\n', 4],
    ['bgpd', 'show bgp neighbors 9.9.9.9', '% No such neighbor in this view/vrf\n\n', 0],
    ['bgpd', 'show bgp neigh', undefined, 0],
    ['zebra', 'show bgp summary', '% [ZEBRA] Unknown command: show bgp summary\n', 2],
    ['zebra', 'show ip route vrf all summary json', undefined, 0],
    ['bfdd', 'show bfd peers json', undefined, 0],
    ['bgpd', '', '', 0],
  ];
  for (const [daemon, line, text, status] of cases) {
    const reply = ask(line, daemon);
    assert.equal(reply.status, status, line);
    if (text !== undefined) assert.equal(reply.text, text);
    else assert.ok(reply.text.length > 20);
  }
});

test('the shell repeats the line in its errors', () => {
  assert.deepEqual(ask('show foo'), { text: '% Unknown command: show foo\n', status: 2 });
  assert.deepEqual(ask('show bgp n'), { text: '% Ambiguous command: show bgp n\n', status: 3 });
  assert.deepEqual(ask('sh'), { text: '% Command incomplete: sh\n', status: 4 });
});

test("the exporter's spelling: a double space and a family without SAFI", () => {
  const { text } = ask('show bgp vrf all ipv4  summary json', 'bgpd');
  assert.ok(text.startsWith('{\n"default":{\n"ipv4Unicast":{\n  "routerId":"192.168.2.1",\n'));
  assert.ok(text.endsWith('  }\n}\n}\n}\n'));
  const parsed = JSON.parse(text) as { default: { ipv4Unicast: { peers: object } } };
  assert.deepEqual(Object.keys(parsed.default.ipv4Unicast.peers), ['192.168.1.1']);
});

test('every JSON reply parses', () => {
  const commands = [
    'show bgp summary json',
    'show bgp ipv6 unicast summary json',
    'show bgp neighbors json',
    'show bgp vrf all neighbors json',
    'show bgp ipv4 unicast json',
    'show bgp ipv4 unicast 192.168.2.1/32 json',
    'show bgp ipv4 unicast 192.168.2.1 json',
    'show ip bgp vrf all nexthop json',
    'show bgp ipv4 unicast neighbors 192.168.1.1 advertised-routes json',
    'show ip route json',
    'show ipv6 route json',
    'show ip route summary json',
    'show interface json',
    'show bfd peers json',
    'show bfd peers counters json',
  ];
  for (const fixture of [bfdNode, bfdStage]) {
    for (const command of commands) {
      assert.doesNotThrow(() => JSON.parse(ask(command, 'vtysh', fixture).text), command);
    }
  }
});

test('both dialects work on a router: learned routes with reasons', () => {
  const table = ask('show bgp ipv4 unicast', 'vtysh', bfdStage).text;
  assert.match(table, /^ \*> 192\.168\.2\.1\/32 {3}192\.168\.1\.32 {13}0 {13}0 64497 i$/m);
  assert.match(table, /^ \* {19}192\.168\.1\.33 {13}0 {13}0 64497 i$/m);
  assert.match(table, /\nDisplayed {2}1 routes and 3 total paths\n$/);
  const entry = ask('show bgp ipv4 unicast 192.168.2.1/32', 'vtysh', bfdStage).text;
  assert.match(
    entry,
    /Paths: \(3 available, best #1, table default\)\n {2}Not advertised to any peer\n/,
  );
  assert.match(entry, / {4}192\.168\.1\.32 from 192\.168\.1\.32 \(192\.168\.2\.1\)\n/);
  assert.match(entry, / {6}Origin IGP, metric 0, valid, external, best \(Router ID\)\n/);
  assert.match(ask('show running', 'vtysh', bfdStage).text, /^Building configuration\.\.\./);
});

test('ECMP routes of ours in the kernel', () => {
  const kernel = {
    ...bfdStage,
    kernel: [
      {
        route: {
          family: 'ipv4',
          table: 254,
          net: '192.168.2.1/32',
          protocol: 12,
          metric: 32,
          dest: 'unicast',
          nexthops: [
            { gateway: '192.168.1.32', interface: 'br-lan', ifindex: 12 },
            { gateway: '192.168.1.33', interface: 'br-lan', ifindex: 12 },
          ],
        },
        sinceMs: at('07:59:30'),
        ours: 'bgp',
      },
    ],
  } as const satisfies Fixture;
  assert.match(
    ask('show ip route', 'vtysh', kernel).text,
    /\nB>\* 192\.168\.2\.1\/32 \[20\/0\] via 192\.168\.1\.32, br-lan, weight 1, 00:00:07\n {2}\* {23}via 192\.168\.1\.33, br-lan, weight 1, 00:00:07\n/,
  );
});

test("without BGP the errors are FRR's", () => {
  const none = (line: string): string => ask(line, 'vtysh', emptyFixture).text;
  assert.equal(none('show bgp summary'), '% BGP instance not found\n');
  assert.equal(none('show bgp summary json'), '{}\n');
  assert.equal(none('show ip bgp neighbor'), '% BGP instance not found\n');
  assert.equal(none('show bgp ipv4 unicast'), 'Default BGP instance not found\n');
  assert.equal(none('show bgp nexthop'), '% No such BGP instance exist\n');
  assert.equal(none('show bfd peers'), 'BFD Peers:\n');
});

test('clear', () => {
  calls.length = 0;
  assert.equal(ask('clear bgp *').text, '');
  assert.equal(ask('clear ip bgp 192.168.1.1 soft in').text, '');
  assert.equal(ask('clear bgp ipv4 unicast * soft').text, '');
  assert.equal(ask('clear bgp 9.9.9.9').text, '%BGP: Unknown neighbor - "9.9.9.9"\n');
  assert.deepEqual(calls, ['clear peer1', 'reload in peer1', 'reload both peer1']);
});

test('version: the first line is what exporters parse', () => {
  const first = ask('show version').text.split('\n')[0];
  assert.equal(first, 'FRRouting 9.1_git (node1.lan) on Linux(6.18.44).');
});

test('an address that only looks like one is no command, and nothing throws', () => {
  assert.equal(ask('show ip route 300.1.1.1').status, 2);
  const words = [...new Set(VTY_COMMANDS.flatMap((c) => c.pattern.match(/[a-z-]+/g) ?? []))];
  const word = fc.oneof(
    fc.constantFrom(...words),
    fc.constantFrom('192.168.1.1', '::1', '10.0.0.0/8', 'x', '*', '7'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 7 }), (line) => {
      const reply = ask(line.join(' '), 'vtysh');
      assert.ok(reply.status <= 4);
    }),
    { numRuns: 500 },
  );
});
