// Well-known communities that ask a router for something, as operators honour them: by filters. The
// daemon does nothing by itself; what these filters do to a route is the whole effect.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '@rookery/net';
import type { PathAttributes } from '@rookery/bgp';
import type { NetCursor, RouteAttributes } from '@rookery/rib';
import type { BgpConfig } from '@rookery/router';
import { parseConfig } from './index.ts';
import { memoryIo } from './test-io.ts';

const CONFIG = `
protocol device { }
filter customer_in {
  # RFC 7999: only host routes of the customer's own space, and never beyond us.
  if (65535, 666) ~ bgp_community then {
    if net !~ [ 203.0.113.0/24{32,32} ] then reject;
    dest = RTD_BLACKHOLE;
    bgp_community.add((65535, 65281));
    accept;
  }
  # RFC 8326: still there, but the last choice.
  if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
  accept;
}
filter maintenance_out {
  bgp_community.add((65535, 0));
  accept;
}
protocol bgp customer {
  local as 65001;
  neighbor 192.0.2.2 as 65002;
  ipv4 { import filter customer_in; export filter maintenance_out; };
}
`;

const parsed = parseConfig('/etc/bird.conf', memoryIo({ '/etc/bird.conf': CONFIG }));
assert.deepEqual(parsed.issues, []);
const channel = (parsed.config!.protocols.at(-1) as BgpConfig).channels[0]!;

const word = (high: number, low: number): number => ((high << 16) | low) >>> 0;
const BLACKHOLE = word(65535, 666);
const NO_EXPORT = word(65535, 65281);
const GRACEFUL_SHUTDOWN = word(65535, 0);

function routeWith(...communities: readonly number[]): RouteAttributes {
  const bgp: PathAttributes = {
    origin: 0,
    asPath: [{ type: 2, asns: [65002] }],
    nextHop: '192.0.2.2',
    localPref: 100,
    ...(communities.length > 0 ? { communities } : {}),
  };
  return {
    source: 'bgp',
    scope: 'universe',
    dest: 'unicast',
    nexthops: [{ gateway: '192.0.2.2', interface: 'eth0', ifindex: 2 }],
    preference: 100,
    bgp,
  };
}

function pass(
  direction: 'importPolicy' | 'exportPolicy',
  net: string,
  route: RouteAttributes,
): RouteAttributes | undefined {
  const policy = channel[direction];
  assert.ok(policy.kind === 'filter');
  const { family, words, length } = parsePrefix(net)!;
  const cursor: NetCursor = { family, a: words[0]!, b: 0, c: 0, d: 0, length };
  return policy.filter.run(cursor, route, {
    protocol: 'customer',
    roaCheck: () => 'unknown',
    print: () => undefined,
    fail: (text) => assert.fail(text),
  });
}

test('RFC 7999: a BLACKHOLE route is dropped into the void and stays with us', () => {
  const route = pass('importPolicy', '203.0.113.7/32', routeWith(BLACKHOLE));
  assert.equal(route?.dest, 'blackhole');
  assert.deepEqual(route.nexthops, []);
  assert.deepEqual(route.bgp?.communities, [BLACKHOLE, NO_EXPORT]);
  assert.equal(pass('importPolicy', '198.51.100.7/32', routeWith(BLACKHOLE)), undefined);
  assert.equal(pass('importPolicy', '203.0.113.0/24', routeWith(BLACKHOLE)), undefined);
});

test('RFC 8326: a GRACEFUL_SHUTDOWN route is the last choice, and ours are marked', () => {
  const asked = pass('importPolicy', '203.0.113.0/24', routeWith(GRACEFUL_SHUTDOWN));
  assert.equal(asked?.bgp?.localPref, 0);
  assert.equal(asked.dest, 'unicast');
  const usual = pass('importPolicy', '203.0.113.0/24', routeWith());
  assert.equal(usual?.bgp?.localPref, 100);
  const told = pass('exportPolicy', '10.0.0.0/8', routeWith(word(65001, 1)));
  assert.deepEqual(told?.bgp?.communities, [word(65001, 1), GRACEFUL_SHUTDOWN]);
});
