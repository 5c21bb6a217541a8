// Simulated networks under virtual time (issue 3): random topology, policy and faults from a seed;
// after the faults stop every table, every kernel and what each neighbor was told must equal what an
// independent oracle works out. Here the first seeds, and proof that the check can fail; hundreds of
// seeds are in `many.test.ts`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawNetwork, expectedTables, simulate } from '@rookery/testkit';
import type { EndPlan, NetworkPlan } from '@rookery/testkit';
import { replayOf } from './replay.ts';

const SEEDS = Array.from({ length: 50 }, (_, i) => i + 1);

test('after random faults 50 networks hold what the oracle computes', () => {
  for (const seed of SEEDS) {
    const result = simulate(seed);
    assert.deepEqual(result.differences, [], replayOf(seed));
  }
});

test('a network whose withdrawals get lost is found out', () => {
  let stale = 0;
  let networks = 0;
  for (const seed of SEEDS) {
    if (networks === 8) break;
    const plan = drawNetwork(seed);
    if (plan.family !== 'ipv4' || plan.routers.length > 8) continue;
    networks++;
    const { differences } = simulate(seed, {
      tamper: (from, _to, bytes) => (from === 'r0' ? withoutWithdrawals(bytes) : bytes),
    });
    if (differences.some((line) => / table has /.test(line))) stale++;
  }
  // Where a session restarts afterwards, or r0 withdraws nothing, a loss leaves no trace.
  assert.ok(stale >= 2, `${stale} of ${networks} networks were found to hold stale routes`);
});

test('a kernel that keeps a route is found out', () => {
  const result = simulate(3, {
    beforeCheck: (sims) => {
      const route = sims[0]!.fib.all().find((r) => r.protocol === 12)!;
      sims[0]!.fib.install({ ...route, net: '198.51.100.0/24' }, true);
      sims[0]!.kill();
    },
  });
  assert.ok(result.differences.some((line) => line.startsWith('r0 kernel has   198.51.100.0/24')));
});

test('a seed lives the same life again, with and without debugging', () => {
  for (const seed of [2, 9, 13]) {
    const first = simulate(seed);
    const again = simulate(seed, { debug: ['states', 'events', 'routes', 'packets'] });
    assert.deepEqual(again.events, first.events);
    assert.equal(again.quietMs, first.quietMs);
  }
});

test('the oracle agrees with a network that can be worked out by hand', () => {
  // Two origins of one network around a ring of five: each takes the nearer one.
  const plan = networkOf(ringOf(5), [0, 2]);
  const result = expectedTables(plan);
  assert.equal(result.kind, 'stable');
  const paths = plan.routers.map((router) =>
    result.tables[router.index]!.get(NET)!.best.map((r) => r.asPath.join(' ')),
  );
  // r1 is as near to r0 as to r2 and takes the lower router id.
  assert.deepEqual(paths, [[''], ['65000'], [''], ['65002'], ['65000']]);
});

test('the oracle knows networks without an outcome, and with several', () => {
  // r0 originates, the others prefer the way through one another: RFC 4264 §4.
  const disagree = networkOf(
    ringOf(3),
    [0],
    [
      [1, 2],
      [2, 1],
    ],
  );
  assert.deepEqual(expectedTables(disagree), { kind: 'no stable outcome', net: NET });
  const wheel: Link[] = [
    [0, 1],
    [0, 2],
    [0, 3],
    [1, 2],
    [2, 3],
    [3, 1],
  ];
  const badGadget = networkOf(
    wheel,
    [0],
    [
      [1, 2],
      [2, 3],
      [3, 1],
    ],
  );
  assert.deepEqual(expectedTables(badGadget), { kind: 'no stable outcome', net: NET });
  assert.equal(expectedTables(networkOf(wheel, [0])).kind, 'stable');
});

const NET = '192.168.1.0/24';
type Link = readonly [number, number];

function ringOf(size: number): Link[] {
  return Array.from({ length: size }, (_, i) => [i, (i + 1) % size] as const);
}

/** Routers of one AS each; `preferring` are pairs of a router and the neighbor that it prefers. */
function networkOf(
  links: readonly Link[],
  origins: readonly number[],
  preferring: readonly Link[] = [],
): NetworkPlan {
  const size = Math.max(...links.flat()) + 1;
  const end = (router: number, peer: number, link: number, host: number): EndPlan => ({
    router,
    address: `10.0.${link}.${host}`,
    interface: `e${link}`,
    passive: false,
    rrClient: false,
    rsClient: false,
    keepFiltered: false,
    gracefulRestart: 'off',
    sendsPaths: false,
    takesPaths: false,
    holdTimeSec: 90,
    importRules: preferring.some(([r, p]) => r === router && p === peer)
      ? [{ when: {}, action: { kind: 'localPref', value: 200 } }]
      : [],
    exportRules: [],
  });
  const sessions = links.map(([a, b], i) => ({
    name: `s${i}`,
    segment: `net${i}`,
    internal: false,
    manyPaths: false,
    relations: [undefined, undefined] as const,
    ends: [end(a, b, i, 1), end(b, a, i, 2)] as const,
  }));
  const routers = Array.from({ length: size }, (_, index) => ({
    index,
    asn: 65_000 + index,
    routerId: `10.255.0.${index + 1}`,
    ports: sessions.flatMap(({ segment, ends }, i) =>
      ends
        .filter((e) => e.router === index)
        .map((e) => ({ ...e, ifindex: 2 + i, segment, length: 24 })),
    ),
    origins: new Set(origins.includes(index) ? [NET] : []),
    med: 'always' as const,
    clusterId: undefined,
    mergePaths: false,
  }));
  return { seed: 0, shape: 'ring', family: 'ipv4', nets: [NET], debug: [], routers, sessions };
}

/** BGP messages without the UPDATEs that withdraw IPv4 networks. */
function withoutWithdrawals(bytes: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 19 <= bytes.length;) {
    const length = view.getUint16(at + 16);
    const update = bytes[at + 18] === 2;
    if (!update || view.getUint16(at + 19) === 0) kept.push(bytes.subarray(at, at + length));
    at += length;
  }
  return Buffer.concat(kept);
}
