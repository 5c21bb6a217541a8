// Simulated networks under virtual time (issue 3): random topology, policy and faults from a seed;
// after the faults stop every table, every kernel and what each neighbor was told must equal what an
// independent oracle works out. Here the first seeds, and proof that the check can fail; hundreds of
// seeds are in `many.test.ts`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawNetwork, expectedTables, simulate } from '@rookery/testkit';
import { replayOf } from './replay.ts';

const SEEDS = Array.from({ length: 50 }, (_, i) => i + 1);

test('after random faults 50 networks hold what the oracle computes', () => {
  for (const seed of SEEDS) {
    const result = simulate(seed);
    assert.deepEqual(result.differences, [], replayOf(seed));
    assert.equal(result.skipped, false, `${replayOf(seed)}: no stable outcome`);
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
  const plan = ringOf(5, [0, 2]);
  const result = expectedTables(plan);
  assert.equal(result.kind, 'stable');
  const paths = plan.routers.map((router) =>
    result.tables[router.index]!.get('192.168.1.0/24')!.best.map((r) => r.asPath.join(' ')),
  );
  // r1 is as near to r0 as to r2 and takes the lower router id.
  assert.deepEqual(paths, [[''], ['65000'], [''], ['65002'], ['65000']]);
});

function ringOf(size: number, origins: readonly number[]): ReturnType<typeof drawNetwork> {
  const net = '192.168.1.0/24';
  const numbers = Array.from({ length: size }, (_, i) => i);
  const end = {
    passive: false,
    rrClient: false,
    rsClient: false,
    keepFiltered: false,
    gracefulRestart: 'off' as const,
    sendsPaths: false,
    takesPaths: false,
    holdTimeSec: 90,
    importRules: [],
    exportRules: [],
  };
  const portOf = (segment: number, host: number, k: number) => ({
    interface: `e${k}`,
    ifindex: 2 + k,
    segment: `net${segment}`,
    address: `10.0.${segment}.${host}`,
    length: 24,
  });
  return {
    seed: 0,
    shape: 'ring',
    family: 'ipv4',
    nets: [net],
    debug: [],
    routers: numbers.map((i) => ({
      index: i,
      asn: 65_000 + i,
      routerId: `10.255.0.${i + 1}`,
      ports: [portOf(i, 1, 0), portOf((i + size - 1) % size, 2, 1)],
      origins: new Set(origins.includes(i) ? [net] : []),
      med: 'always' as const,
      clusterId: undefined,
      mergePaths: false,
    })),
    sessions: numbers.map((i) => ({
      name: `s${i}`,
      segment: `net${i}`,
      internal: false,
      manyPaths: false,
      relations: [undefined, undefined] as const,
      ends: [
        { ...end, router: i, address: `10.0.${i}.1`, interface: 'e0' },
        { ...end, router: (i + 1) % size, address: `10.0.${i}.2`, interface: 'e1' },
      ] as const,
    })),
  };
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
