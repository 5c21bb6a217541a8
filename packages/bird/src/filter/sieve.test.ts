// A sieve leaves statements out; what it may never do is change what a filter says. Filters of random
// terms, once as written and once with conditions that no sieve can look into.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEGMENT } from '@rookery/bgp';
import { AttributeStore } from '@rookery/rib';
import type { CompiledFilter, FilterEnvironment, NetCursor, RouteAttributes } from '@rookery/rib';
import { parseConfig, parseFilterText } from '../index.ts';
import { memoryIo } from '../test-io.ts';

const { scope } = parseConfig('f', memoryIo({ f: 'protocol device { }' }));

const CONDITIONS = [
  'net ~ [10.0.0.0/8+]',
  'net !~ [10.1.0.0/16{16,24}, 11.0.0.0/8]',
  'net.len > 16',
  'bgp_path ~ [= * 3 =]',
  'bgp_path ~ [= 1 ? [2, 4..6] * =]',
  'bgp_path ~ [= 2+ * =]',
  'bgp_path ~ [= * =]',
  'bgp_path ~ [3..4, 9]',
  '5 ~ bgp_path',
  'bgp_community ~ [(1, 0..2), (2, *)]',
  'bgp_community ~ [(*, 2)]',
  '(1, 1) ~ bgp_community',
  'bgp_large_community ~ [(1, *, *), (1, 2, 3)]',
  'bgp_large_community ~ [(1,2,3)..(2,1,1)]',
  '(2, 2, 2) ~ bgp_large_community',
  'bgp_ext_community ~ [(rt, 1, *)]',
  '(rt, 1, 1) ~ bgp_ext_community',
  // May end the filter: what stands behind it must not keep it from being evaluated.
  'bgp_med + 1 > 2',
  'bgp_local_pref = 100',
] as const;
const ACTIONS = [
  'accept;',
  '{ reject; }',
  'bgp_community.add((1, 1));',
  'bgp_community.delete([(1, *)]);',
  'bgp_large_community.add((2, 2, 2));',
  'bgp_ext_community.add((rt, 1, 1));',
  '{ bgp_path.prepend(3); bgp_med = 7; }',
  'bgp_path.empty;',
  '{ int i = 5; bgp_local_pref = i; }',
] as const;
const OTHERS = ['', 'bgp_med = 1;', 'if bgp_path.len > 2 then accept; else bgp_med = 3;', 'int x;'];

const word = fc.integer({ min: 0, max: 3 });
const list = <T>(member: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(member, { maxLength: 3 });
const route = fc
  .record({
    asns: list(fc.integer({ min: 1, max: 6 })),
    set: list(fc.integer({ min: 1, max: 6 })),
    communities: list(fc.tuple(word, word)),
    large: list(fc.tuple(word, word, word)),
    extended: list(word),
    med: fc.option(word),
  })
  .map(({ asns, set, communities, large, extended, med }): RouteAttributes => ({
    source: 'bgp',
    scope: 'universe',
    dest: 'unicast',
    nexthops: [],
    preference: 100,
    bgp: {
      asPath: [
        ...(asns.length > 0 ? [{ type: SEGMENT.asSequence, asns }] : []),
        ...(set.length > 0 ? [{ type: SEGMENT.asSet, asns: set }] : []),
      ],
      ...(communities.length > 0 && { communities: communities.map(([a, b]) => a * 65536 + b) }),
      ...(large.length > 0 && { largeCommunities: large.flat() }),
      ...(extended.length > 0 && { extendedCommunities: extended.flatMap((w) => [0x20001, w]) }),
      ...(med !== null && { med }),
    },
  }));
const net = fc
  .tuple(fc.integer({ min: 9, max: 11 }), fc.integer({ min: 0, max: 2 }), fc.nat(32))
  .map(([high, low, length]): NetCursor => ({
    family: 'ipv4',
    a: (((high << 24) | (low << 16)) & (length === 0 ? 0 : -1 << (32 - length))) >>> 0,
    b: 0,
    c: 0,
    d: 0,
    length,
  }));
const condition = fc.array(fc.constantFrom(...CONDITIONS), { minLength: 1, maxLength: 3 });
const term = fc.record({ condition, action: fc.constantFrom(...ACTIONS) });
const filter = fc.array(fc.oneof({ weight: 4, arbitrary: term }, fc.constantFrom(...OTHERS)), {
  maxLength: 70,
});

function compile(text: string): CompiledFilter {
  const result = parseFilterText(text, scope);
  assert.ok(result.ok && result.policy.kind === 'filter', text);
  return result.policy.filter;
}

test('a filter with a sieve says what it says without', () => {
  fc.assert(
    fc.property(filter, fc.array(fc.tuple(net, route), { minLength: 8 }), (statements, routes) => {
      let declared = false;
      const render = (hide: (text: string) => string): string => {
        declared = false;
        const lines = statements.map((one) => {
          if (typeof one === 'object') {
            return `if ${hide(one.condition.join(' && '))} then ${one.action}`;
          }
          if (one !== 'int x;') return one;
          const again = declared;
          declared = true;
          return again ? '' : one;
        });
        return `filter { ${lines.join(' ')} accept; }`;
      };
      const text = render((shown) => shown);
      const sieved = compile(text);
      const plain = compile(render((shown) => `((${shown}) || false)`));
      const store = new AttributeStore();
      for (const [prefix, attributes] of routes) {
        const [saidBySieved, saidByPlain]: [string[], string[]] = [[], []];
        const after = sieved.run(prefix, attributes, environment(saidBySieved));
        assert.deepEqual(after, plain.run(prefix, attributes, environment(saidByPlain)), text);
        assert.deepEqual(saidBySieved, saidByPlain);
        const octets = { bytes: new Uint8Array(0), from: 0, to: 0 };
        assert.ok(store.moveOctets(octets, store.intern(attributes)));
        const verdict = sieved.verdict?.(sieved.classOf?.(prefix) ?? 0, octets);
        if (verdict !== undefined) assert.equal(after, verdict ? attributes : undefined, text);
      }
    }),
  );
});

test('a verdict that needs no more than sets is given without the object', () => {
  const { classOf, verdict } = compile(
    'filter { if net ~ [10.0.0.0/8+] && bgp_path ~ [7] then reject; ' +
      'if bgp_community ~ [(1, *)] then bgp_med = 1; accept; }',
  );
  const store = new AttributeStore();
  const say = (asns: number[], communities: number[], length: number): boolean | undefined => {
    const bgp = { asPath: [{ type: SEGMENT.asSequence, asns }] as const, communities };
    const octets = { bytes: new Uint8Array(0), from: 0, to: 0 };
    const attributes = { source: 'bgp', scope: 'universe', dest: 'unicast' } as const;
    const n = store.intern({ ...attributes, nexthops: [], preference: 100, bgp });
    assert.ok(store.moveOctets(octets, n));
    const cursor = { family: 'ipv4', a: 10 << 24, b: 0, c: 0, d: 0, length } as const;
    return verdict!(classOf!(cursor), octets);
  };
  assert.equal(say([1, 2], [131_073], 16), true);
  assert.equal(say([1, 7], [131_073], 16), false);
  assert.equal(say([1, 7], [131_073], 4), true);
  assert.equal(say([1, 2], [65_537], 16), undefined);
  assert.equal(say([1, 7], [65_537], 16), false);
});

function environment(said: string[]): FilterEnvironment {
  return {
    protocol: '',
    roaCheck: () => 'unknown',
    print: () => undefined,
    fail: (text) => void said.push(text),
  };
}
