// Simulated networks under virtual time (issue 3): random topology, policy and faults from a seed;
// after the faults stop every table, every kernel and what each neighbor was told must equal what an
// independent oracle works out. Here the first seeds, and proof that the check can fail; a thousand
// seeds are in `many.test.ts`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawNetwork, expectedTables, simulate } from '@rookery/testkit';
import type { EndPlan, NetworkPlan, RouterPlan, SessionPlan, Simulation } from '@rookery/testkit';
import { failureText, reportOn } from './report.ts';

const SEEDS = Array.from({ length: 25 }, (_, i) => i + 1);
const SMALL = SEEDS.filter((seed) => {
  const { routers, nets } = drawNetwork(seed);
  return routers.length <= 8 && nets.length < 50;
}).slice(0, 8);

test('after random faults 25 networks hold what the oracle computes', () => {
  const failed = SEEDS.map(reportOn).filter(({ failures }) => failures.length > 0);
  assert.equal(failed.map(failureText).join('\n'), '');
});

test('a single message that is never sent is found out', () => {
  for (const [kind, trace] of [
    [withdraws, ' table has '],
    [announces, ' table lacks '],
  ] as const) {
    const found = SMALL.filter((seed) => {
      const { differences } = simulateWithoutLast(kind, seed);
      return differences.some((line) => line.includes(trace));
    });
    // Where it is said again for some other reason, the loss leaves no trace, and need not.
    assert.ok(found.length >= 2, `${trace}in ${found.length} of ${SMALL.length}`);
  }
});

test('a kernel that keeps a route is found out', () => {
  const { differences } = simulate(1, {
    beforeCheck: (sims) => {
      const route = sims[0]!.fib.all().find((r) => r.protocol === 12)!;
      sims[0]!.fib.install({ ...route, net: '198.51.100.0/24' }, true);
      sims[0]!.kill();
    },
  });
  assert.ok(differences.some((line) => line.startsWith('r0 kernel has   198.51.100.0/24')));
});

test('a seed lives the same life again, with and without debugging', () => {
  for (const seed of [2, 9, 13]) {
    const first = simulate(seed);
    const again = simulate(seed, { debug: ['states', 'events', 'routes', 'packets'] });
    assert.deepEqual(again.events, first.events);
    assert.equal(again.steps, first.steps);
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
  const sessions = links.map(([a, b], i): SessionPlan => {
    const end = (router: number, peer: number): EndPlan => ({
      router,
      addresses: { ipv4: `10.0.${i}.${1 + router}` },
      interface: `e${i}`,
      passive: false,
      rrClient: false,
      rsClient: false,
      keepFiltered: false,
      importTable: false,
      exportTable: false,
      gracefulRestart: 'off',
      longLived: 'off',
      sendsPaths: false,
      takesPaths: false,
      holdTimeSec: 90,
      importRules: preferring.some(([r, p]) => r === router && p === peer)
        ? [{ when: {}, action: { kind: 'localPref', value: 200 } }]
        : [],
      exportRules: [],
    });
    return {
      name: `s${i}`,
      segment: `net${i}`,
      kind: 'external',
      transport: 'ipv4',
      manyPaths: false,
      relations: [undefined, undefined],
      roles: false,
      ends: [end(a, b), end(b, a)],
    };
  });
  const routers = Array.from({ length: Math.max(...links.flat()) + 1 }, (_, index): RouterPlan => {
    const ends = sessions.flatMap(({ segment, ends: both }) =>
      both.filter((end) => end.router === index).map((end) => ({ ...end, segment })),
    );
    return {
      index,
      asn: 65_000 + index,
      confederation: undefined,
      allowLocalAs: 0,
      routerId: `10.255.0.${index + 1}`,
      ports: ends.map((end, i) => ({ ...end, ifindex: 2 + i })),
      origins: new Set(origins.includes(index) ? [NET] : []),
      med: 'always',
      clusterId: undefined,
      extendedMessages: false,
      enhancedRefresh: true,
      mergePaths: false,
    };
  });
  const plan = { seed: 0, shape: 'ring', addressing: 'ipv4', nets: [NET], debug: [] } as const;
  return { ...plan, debug: [], routers, sessions };
}

/** The life of a seed, without the last UPDATE of a kind that is sent in it. */
function simulateWithoutLast(kind: (update: Uint8Array) => boolean, seed: number): Simulation {
  let sent = 0;
  const losing = (n: number) => (_from: string, _to: string, bytes: Uint8Array) =>
    Buffer.concat(messagesIn(bytes).filter((m) => m[18] !== 2 || !kind(m) || ++sent !== n));
  simulate(seed, { tamper: losing(0) });
  const last = sent;
  sent = 0;
  return simulate(seed, { tamper: losing(last) });
}

function withdraws(update: Uint8Array): boolean {
  return u16(update, 19) > 0 || attributesOf(update).includes(15);
}

function announces(update: Uint8Array): boolean {
  return attributesOf(update).includes(2);
}

function messagesIn(bytes: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += u16(bytes, at + 16)) {
    messages.push(bytes.subarray(at, at + u16(bytes, at + 16)));
  }
  return messages;
}

/** Type codes of the path attributes of an UPDATE. */
function attributesOf(update: Uint8Array): number[] {
  const start = 23 + u16(update, 19);
  const codes: number[] = [];
  for (let at = start; at < start + u16(update, start - 2);) {
    codes.push(update[at + 1]!);
    const long = (update[at]! & 0x10) !== 0;
    at += long ? 4 + u16(update, at + 2) : 3 + update[at + 2]!;
  }
  return codes;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
