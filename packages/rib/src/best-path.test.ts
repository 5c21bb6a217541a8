import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PathAttributes } from '@rookery/bgp';
import { AttributeStore } from './attribute-store.ts';
import { DECISION_REASONS, comparePaths, frrReasonText } from './best-path.ts';
import type { DecisionReason } from './best-path.ts';
import { explainBest, mergedNexthops, multipathSet } from './multipath.ts';
import { PATH_FLAG } from './path-columns.ts';
import { PrefixStore } from './prefix-store.ts';
import type { RouteAttributes } from './route.ts';
import { DEFAULT_BEST_PATH_OPTIONS, SourceTable } from './source-table.ts';
import type { BestPathOptions, PeerFacts } from './source-table.ts';
import { Table } from './table.ts';

interface Route {
  readonly attributes?: Partial<RouteAttributes>;
  readonly bgp?: Partial<PathAttributes>;
  readonly peer?: Partial<PeerFacts>;
  readonly options?: Partial<BestPathOptions>;
  /** A source of another kind than "bgp", without a peer. */
  readonly kind?: string;
  readonly atMs?: number;
  readonly pathId?: number;
  readonly filtered?: boolean;
  /** Index of an earlier route with whom it shares the source. */
  readonly sameSourceAs?: number;
}

/** A table with the routes for one net, applied in the given order; paths by index of route. */
function tableOf(routes: readonly Route[], order: readonly number[] = routes.map((_, i) => i)) {
  const prefixes = new PrefixStore('ipv4');
  const attributes = new AttributeStore();
  const sources = new SourceTable();
  const table = new Table({ name: 'master4', prefixes, attributes, sources });
  const net = prefixes.internText('198.51.100.0/24');
  const numbers: number[] = [];
  routes.forEach((route, i) => {
    numbers.push(
      route.sameSourceAs !== undefined
        ? numbers[route.sameSourceAs]!
        : sources.add({
            protocol: `p${i}`,
            kind: route.kind ?? 'bgp',
            ...(route.kind === undefined && {
              peer: {
                type: 'external',
                remoteAs: 64500,
                routerId: 1,
                address: `192.0.2.${i + 1}`,
                ...route.peer,
                options: { ...DEFAULT_BEST_PATH_OPTIONS, ...route.options },
              },
            }),
          })!,
    );
  });
  for (const i of order) {
    const route = routes[i]!;
    const n = attributes.intern({
      source: 'bgp',
      scope: 'universe',
      dest: 'unicast',
      nexthops: [{ gateway: `203.0.113.${i + 1}`, interface: 'eth0', ifindex: 2 }],
      preference: 100,
      ...route.attributes,
      bgp: { origin: 0, asPath: [{ type: 2, asns: [64500] }], ...route.bgp },
    });
    const flags = route.filtered ? PATH_FLAG.filtered : 0;
    table.apply(net, numbers[i]!, route.pathId ?? 0, n, route.atMs ?? 0, flags);
  }
  const paths = routes.map((route, i) => table.findPath(net, numbers[i]!, route.pathId ?? 0));
  return { table, net, paths };
}

const asns = (...list: number[]): PathAttributes['asPath'] => [{ type: 2, asns: list }];

/** Each step: the better route, the worse, and the reason; everything later favours the worse. */
const STEPS: readonly { readonly reason: DecisionReason; better: Route; worse: Route }[] = [
  {
    reason: 'preference',
    better: { attributes: { preference: 101, unresolved: true } },
    worse: { bgp: { localPref: 500 } },
  },
  {
    reason: 'protocol',
    better: { kind: 'static' },
    worse: { kind: 'kernel' },
  },
  {
    reason: 'next-hop-unresolved',
    better: { attributes: { llgrStale: true } },
    worse: { attributes: { unresolved: true }, bgp: { localPref: 500 } },
  },
  {
    reason: 'llgr-stale',
    better: { bgp: { localPref: 1 } },
    worse: { attributes: { llgrStale: true } },
  },
  {
    reason: 'local-pref',
    better: { bgp: { localPref: 101, asPath: asns(1, 2, 3) } },
    worse: { bgp: { aigp: 1n } },
  },
  {
    reason: 'local-pref',
    better: { options: { defaultLocalPref: 200 } },
    worse: { bgp: { localPref: 150, asPath: [] } },
  },
  {
    reason: 'aigp',
    better: { bgp: { aigp: 5n, asPath: asns(1, 2, 3) }, attributes: { igpMetric: 10 } },
    worse: { bgp: { aigp: 10n }, attributes: { igpMetric: 6 } },
  },
  {
    reason: 'aigp',
    better: { bgp: { aigp: 2n ** 63n, asPath: asns(1, 2, 3) } },
    worse: {},
  },
  {
    reason: 'as-path-length',
    better: { bgp: { asPath: asns(1, 2), origin: 2 } },
    worse: { bgp: { asPath: asns(1, 2, 3) } },
  },
  {
    reason: 'as-path-length',
    // RFC 4271 §9.1.2.2 a: a set counts one, confederation segments nothing.
    better: {
      bgp: {
        origin: 2,
        asPath: [
          { type: 3, asns: [1, 2, 3] },
          { type: 1, asns: [4, 5, 6] },
        ],
      },
    },
    worse: { bgp: { asPath: asns(1, 2) } },
  },
  {
    reason: 'origin',
    better: { bgp: { origin: 1, med: 5 } },
    worse: { bgp: { origin: 2 } },
  },
  {
    reason: 'med',
    better: { bgp: { med: 4 }, peer: { type: 'internal' } },
    worse: { bgp: { med: 5 } },
  },
  {
    reason: 'med',
    // Missing is the default of the receiving protocol.
    better: { bgp: { med: 4 }, peer: { type: 'internal' } },
    worse: { options: { defaultMed: 7 } },
  },
  {
    reason: 'med',
    better: {
      bgp: { med: 4, asPath: asns(1) },
      options: { medMetric: true },
      peer: { type: 'internal' },
    },
    worse: { bgp: { med: 5, asPath: asns(2) } },
  },
  {
    reason: 'peer-type',
    // MED is not compared between neighbor ASes.
    better: { bgp: { med: 9, asPath: asns(1) }, attributes: { igpMetric: 9 } },
    worse: {
      bgp: { med: 5, asPath: asns(2) },
      peer: { type: 'confederation' },
      attributes: { igpMetric: 3 },
    },
  },
  {
    reason: 'igp-metric',
    better: { attributes: { igpMetric: 5 }, peer: { routerId: 9 } },
    worse: { attributes: { igpMetric: 6 } },
  },
  {
    reason: 'igp-metric',
    better: { attributes: { igpMetric: 5000 }, peer: { routerId: 9 } },
    worse: {},
  },
  {
    reason: 'older',
    better: { options: { preferOlder: true }, peer: { routerId: 9 }, atMs: 1000 },
    worse: { options: { preferOlder: true }, atMs: 9000 },
  },
  {
    reason: 'router-id',
    better: { peer: { address: '192.0.2.99' }, atMs: 5000 },
    worse: { peer: { routerId: 0xffffffff }, atMs: 0 },
  },
  {
    reason: 'router-id',
    better: { bgp: { originatorId: '0.0.0.3', clusterList: ['1.1.1.1'] }, peer: { routerId: 9 } },
    worse: { peer: { routerId: 4 } },
  },
  {
    reason: 'cluster-list-length',
    better: { peer: { address: '192.0.2.99' } },
    worse: { bgp: { clusterList: ['1.1.1.1'] } },
  },
  {
    reason: 'neighbor-address',
    better: { peer: { address: '9.0.2.1' }, pathId: 7 },
    worse: { peer: { address: '192.0.2.1' }, pathId: 3 },
  },
  {
    reason: 'path-id',
    better: { pathId: 3 },
    worse: { pathId: 0x90000000, sameSourceAs: 0 },
  },
  {
    reason: 'source-order',
    better: { kind: 'static' },
    worse: { kind: 'static' },
  },
];

describe('the decision process', () => {
  for (const { reason, better, worse } of STEPS) {
    test(`${reason}: ${JSON.stringify([better, worse], (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}`, () => {
      for (const order of [
        [0, 1],
        [1, 0],
      ]) {
        const { table, net, paths } = tableOf([better, worse], order);
        const [good, bad] = paths;
        assert.deepEqual(comparePaths(table, good!, bad!), { better: good, reason });
        assert.deepEqual(comparePaths(table, bad!, good!), { better: good, reason });
        assert.equal(table.bestPath(net), good);
        assert.deepEqual(explainBest(table, net), { path: good, reason, runnerUp: bad });
      }
    });
  }

  test('every reason is reached by a case above, or is the one for a single path', () => {
    const reached = new Set<DecisionReason>(STEPS.map((step) => step.reason));
    assert.deepEqual(
      DECISION_REASONS.filter((reason) => !reached.has(reason)),
      ['only-path'],
    );
    const { table, net, paths } = tableOf([{}]);
    assert.deepEqual(explainBest(table, net), {
      path: paths[0],
      reason: 'only-path',
      runnerUp: 0,
    });
    assert.equal(explainBest(table, 99), undefined);
  });

  test('reasons have FRR’s words', () => {
    assert.equal(frrReasonText('only-path'), 'First path received');
    assert.equal(frrReasonText('older'), 'Older Path');
    assert.equal(frrReasonText('cluster-list-length'), 'Cluster length');
  });

  test('options switch steps off', () => {
    const off = { pathMetric: false, igpMetric: false };
    const { table, paths } = tableOf([
      { options: off, bgp: { asPath: asns(1, 2, 3) }, attributes: { igpMetric: 9 } },
      {
        options: off,
        bgp: { asPath: asns(1) },
        attributes: { igpMetric: 1 },
        peer: { routerId: 2 },
      },
    ]);
    assert.deepEqual(comparePaths(table, paths[0]!, paths[1]!), {
      better: paths[0],
      reason: 'router-id',
    });
  });

  test('a filtered path is never best', () => {
    const { table, net, paths } = tableOf([{ filtered: true, bgp: { localPref: 500 } }, {}]);
    assert.equal(table.bestPath(net), paths[1]);
    assert.equal(explainBest(table, net)!.runnerUp, 0);
  });

  test('deterministic MED decides inside the neighbor AS first', () => {
    // Pairwise: b beats a by MED, c beats b by router id, a beats c by router id.
    const options = { deterministicMed: true };
    const routes: Route[] = [
      { options, bgp: { asPath: asns(1), med: 20 }, peer: { routerId: 1 } },
      { options, bgp: { asPath: asns(1), med: 10 }, peer: { routerId: 3 } },
      { options, bgp: { asPath: asns(2) }, peer: { routerId: 2 } },
    ];
    for (const order of permutations([0, 1, 2])) {
      const { table, net, paths } = tableOf(routes, order);
      // The first loses to the second in its group; then the third has the lower router id.
      assert.equal(table.bestPath(net), paths[2]);
    }
  });

  const route = fc.record({
    attributes: fc.record({
      preference: fc.constantFrom(100, 100, 101),
      igpMetric: fc.constantFrom(1, 2),
    }),
    bgp: fc.record({
      origin: fc.constantFrom(0 as const, 1 as const),
      asPath: fc.constantFrom(asns(1), asns(2), asns(1, 2)),
      localPref: fc.constantFrom(100, 100, 110),
    }),
    peer: fc.record({
      type: fc.constantFrom('external' as const, 'internal' as const),
      routerId: fc.nat(2),
    }),
  });

  test('without MED the order of paths is total: antisymmetric and transitive', () => {
    fc.assert(
      fc.property(fc.array(route, { minLength: 3, maxLength: 3 }), (routes) => {
        const { table, paths } = tableOf(routes);
        const wins = (i: number, j: number): boolean =>
          comparePaths(table, paths[i]!, paths[j]!).better === paths[i];
        for (const [a, b, c] of permutations([0, 1, 2])) {
          assert.notEqual(wins(a!, b!), wins(b!, a!));
          if (wins(a!, b!) && wins(b!, c!)) assert.ok(wins(a!, c!));
        }
      }),
    );
  });

  test('the best path does not depend on the order of arrival, MED included', () => {
    const withMed = fc
      .tuple(route, fc.nat(3))
      .map(([r, med]) => ({ ...r, bgp: { ...r.bgp, med } }));
    fc.assert(
      fc.property(fc.array(withMed, { minLength: 4, maxLength: 4 }), (routes) => {
        const winners = permutations([0, 1, 2, 3]).map((order) => {
          const { table, net, paths } = tableOf(routes, order);
          return paths.indexOf(table.bestPath(net));
        });
        assert.equal(new Set(winners).size, 1);
      }),
      { numRuns: 40 },
    );
  });
});

describe('multipath', () => {
  test('takes what is equal down to the IGP metric, by next hop', () => {
    const { table, net, paths } = tableOf([
      { peer: { routerId: 1 } },
      { bgp: { localPref: 50 } },
      { peer: { routerId: 9 }, bgp: { asPath: asns(7) } },
      { attributes: { unresolved: true, nexthops: [] } },
      { filtered: true },
      { attributes: { igpMetric: 7 } },
    ]);
    // An unknown metric ranks last, so the sixth is best alone.
    assert.deepEqual(multipathSet(table, net, 16), [paths[5]]);
    const equal = tableOf([
      { peer: { routerId: 3 } },
      { peer: { routerId: 2 }, bgp: { asPath: asns(7) } },
      { peer: { routerId: 1 } },
      { bgp: { localPref: 50 } },
    ]);
    const [first, second, third] = equal.paths;
    assert.equal(equal.table.bestPath(equal.net), third);
    assert.deepEqual(multipathSet(equal.table, equal.net, 16), [first, second, third]);
    assert.deepEqual(multipathSet(equal.table, equal.net, 2), [first, third]);
    assert.deepEqual(multipathSet(equal.table, equal.net, 1), [third]);
    assert.deepEqual(
      mergedNexthops(equal.table, equal.net, 16).map((nexthop) => nexthop.gateway),
      ['203.0.113.1', '203.0.113.2', '203.0.113.3'],
    );
  });

  test('leaves out what deterministic MED has put behind a path of the same AS', () => {
    const options = { deterministicMed: true };
    const { table, net, paths } = tableOf([
      { options, bgp: { asPath: asns(1), med: 20 }, peer: { routerId: 2 } },
      { options, bgp: { asPath: asns(1), med: 10 }, peer: { routerId: 3 } },
      { options, bgp: { asPath: asns(2) }, peer: { routerId: 1 } },
    ]);
    assert.deepEqual(multipathSet(table, net, 16), [paths[1], paths[2]]);
  });

  test('counts a shared next hop once', () => {
    const nexthops = [{ gateway: '203.0.113.9', interface: 'eth0', ifindex: 2 }];
    const { table, net } = tableOf([{ attributes: { nexthops } }, { attributes: { nexthops } }]);
    assert.equal(multipathSet(table, net, 16).length, 2);
    assert.deepEqual(mergedNexthops(table, net, 16), nexthops);
    assert.deepEqual(multipathSet(table, 77, 16), []);
  });

  test('a blackhole shares with nobody', () => {
    const { table, net } = tableOf([
      { attributes: { dest: 'blackhole', nexthops: [] } },
      { peer: { routerId: 9 } },
    ]);
    assert.equal(multipathSet(table, net, 16).length, 1);
    assert.deepEqual(mergedNexthops(table, net, 16), []);
  });
});

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) =>
    permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]),
  );
}
