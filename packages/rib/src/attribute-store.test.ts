import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PathAttributes } from '@rookery/bgp';
import { AttributeMemo } from './attribute-memo.ts';
import { AttributeStore } from './attribute-store.ts';
import { ByteArena } from './byte-arena.ts';
import type { KernelAttributes, RouteAttributes } from './route.ts';
import { WireAttributeCache } from './wire-attribute-cache.ts';

const u32 = fc.nat(0xffffffff);
const address4 = fc
  .tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255))
  .map((octets) => octets.join('.'));
const address = fc.oneof(
  address4,
  fc.constantFrom('::', '2001:db8::1', 'fe80::1', '::ffff:192.0.2.1', 'ff02::1:ff00:0'),
);

function optional<T extends object>(shape: {
  [K in keyof T]: fc.Arbitrary<NonNullable<T[K]>>;
}): fc.Arbitrary<Partial<T>> {
  return fc.record(shape, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Partial<T>>;
}

const bgp: fc.Arbitrary<PathAttributes> = fc
  .tuple(
    fc.array(
      fc.record({
        type: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
        asns: fc.array(u32, { maxLength: 5 }),
      }),
      { maxLength: 3 },
    ),
    optional<Omit<PathAttributes, 'asPath'>>({
      origin: fc.constantFrom(0 as const, 1 as const, 2 as const),
      nextHop: address,
      linkLocalNextHop: fc.constant('fe80::9'),
      med: u32,
      localPref: u32,
      atomicAggregate: fc.constant(true as const),
      aggregator: fc.record({ asn: u32, address: address4 }),
      communities: fc.array(u32, { maxLength: 4 }),
      originatorId: address4,
      clusterList: fc.array(address4, { maxLength: 3 }),
      extendedCommunities: fc.array(u32, { maxLength: 4 }),
      largeCommunities: fc.array(u32, { maxLength: 6 }),
      otc: u32,
      aigp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      unknown: fc.array(
        fc.record({
          type: fc.nat(255),
          flags: fc.nat(255),
          value: fc.uint8Array({ maxLength: 5 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  )
  .map(([asPath, rest]) => ({ asPath, ...rest }));

const routes: fc.Arbitrary<RouteAttributes> = fc
  .tuple(
    fc.record({
      source: fc.constantFrom('static' as const, 'bgp' as const, 'kubernetes' as const),
      scope: fc.constantFrom('universe' as const, 'link' as const),
      dest: fc.constantFrom('unicast' as const, 'prohibit' as const),
      preference: fc.nat(65535),
      nexthops: fc.array(
        fc
          .tuple(
            fc.record({ interface: fc.constantFrom('eth0', 'wg-é', ''), ifindex: u32 }),
            optional<{ gateway: string; weight: number; onlink: boolean }>({
              gateway: address,
              weight: fc.integer({ min: 1, max: 256 }),
              onlink: fc.boolean(),
            }),
          )
          .map(([a, b]) => ({ ...a, ...b })),
        { maxLength: 3 },
      ),
    }),
    optional<RouteAttributes>({
      from: address,
      igpMetric: u32,
      unresolved: fc.constant(true as const),
      llgrStale: fc.constant(true as const),
      bgp,
      kernel: optional<KernelAttributes>({
        source: u32,
        metric: u32,
        prefsrc: address,
        realm: u32,
        scope: u32,
      }),
    } as never),
  )
  .map(([a, b]) => structuredClone({ ...a, ...b }) as RouteAttributes);

const PLAIN: RouteAttributes = {
  source: 'static',
  scope: 'universe',
  dest: 'unicast',
  nexthops: [],
  preference: 200,
};

describe('AttributeStore', () => {
  test('equal attributes have one number; the object can be made again from what is stored', () => {
    fc.assert(
      fc.property(fc.array(routes, { minLength: 1, maxLength: 12 }), (list) => {
        // A cache of one object: nearly every `get` decodes.
        const store = new AttributeStore({ cachedObjects: 1 });
        const numbers = list.map((attributes) => store.intern(attributes));
        list.forEach((attributes, i) => {
          assert.deepEqual(store.get(numbers[i]!), attributes);
          assert.equal(store.intern(structuredClone(attributes)), numbers[i]);
          store.release(numbers[i]!);
        });
        assert.equal(store.size, new Set(numbers).size);
        for (const n of numbers) store.release(n);
        assert.equal(store.size, 0);
      }),
      { numRuns: 200 },
    );
  });

  test('different attributes have different numbers', () => {
    fc.assert(
      fc.property(routes, routes, (a, b) => {
        const store = new AttributeStore();
        let same = true;
        try {
          assert.deepEqual(a, b);
        } catch {
          same = false;
        }
        assert.equal(store.intern(a) === store.intern(b), same);
      }),
    );
  });

  test('keeps attributes that have no octets as objects', () => {
    const store = new AttributeStore({ cachedObjects: 1 });
    const list: RouteAttributes[] = [
      { ...PLAIN, custom: { a: 1n, b: 'x' } },
      { ...PLAIN, custom: { a: 1, b: 'x' } },
      { ...PLAIN, kernel: { metrics: { mtu: 1400 } } },
      { ...PLAIN, nexthops: [{ interface: 'łan', ifindex: 3 }] },
      { ...PLAIN, igpMetric: Infinity },
      {
        ...PLAIN,
        nexthops: Array.from({ length: 300 }, (_, i) => ({ interface: 'e', ifindex: i })),
      },
    ];
    const numbers = list.map((attributes) => store.intern(attributes));
    assert.equal(new Set(numbers).size, list.length);
    list.forEach((attributes, i) => assert.deepEqual(store.get(numbers[i]!), attributes));
    assert.equal(store.intern({ ...PLAIN, custom: { b: 'x', a: 1n } }), numbers[0]);
    store.release(numbers[0]!);
    for (const n of numbers) store.release(n);
    assert.equal(store.size, 0);
    assert.notEqual(store.intern(PLAIN), 0);
  });

  test('attributes that nobody holds have their number again when they come back', () => {
    const store = new AttributeStore();
    const n = store.intern(PLAIN);
    const birth = store.birthOf(n);
    store.retain(n);
    store.release(n);
    assert.equal(store.isLive(n), true);
    store.release(n);
    assert.deepEqual([store.isLive(n), store.size], [false, 0]);
    assert.equal(store.intern(PLAIN), n);
    assert.deepEqual([store.isLive(n), store.size, store.birthOf(n)], [true, 1, birth]);
    store.release(n);
    store.retain(n, 2);
    assert.deepEqual([store.refsOf(n), store.size], [2, 1]);
  });

  test('numbers and octets of the dead are used again when they are many', () => {
    const store = new AttributeStore();
    const kept = store.intern(PLAIN);
    const births = new Set<number>();
    let held = store.intern({ ...PLAIN, preference: 0 });
    for (let preference = 1; preference < 20_000; preference++) {
      store.release(held);
      held = store.intern({ ...PLAIN, preference });
      births.add(store.birthOf(held));
    }
    assert.equal(births.size, 19_999);
    assert.equal(store.size, 2);
    assert.ok(store.limit < 1000, `${store.limit} numbers`);
    assert.ok(store.storedBytes < 100_000, `${store.storedBytes} octets`);
    assert.deepEqual([store.get(kept), store.get(held).preference], [PLAIN, 19_999]);
  });

  test('stays right through growth and churn', () => {
    const store = new AttributeStore();
    const live = new Map<number, number>();
    for (let i = 0; i < 3000; i++) {
      const key = (i * 7919) % 1000;
      const known = live.get(key);
      if (known === undefined) live.set(key, store.intern({ ...PLAIN, preference: key }));
      else if (i % 3 === 0) {
        store.release(known);
        live.delete(key);
      } else {
        assert.equal(store.get(known).preference, key);
      }
    }
    for (const [key, n] of live) assert.equal(store.get(n).preference, key);
    assert.equal(store.size, live.size);
  });
});

describe('AttributeMemo', () => {
  test('remembers outcomes until a number is reused', () => {
    const store = new AttributeStore();
    const memo = new AttributeMemo(store);
    const [a, b] = [store.intern(PLAIN), store.intern({ ...PLAIN, preference: 1 })];
    assert.equal(memo.get(a, 0), -1);
    memo.set(a, 0, b);
    memo.set(b, 0, 0);
    assert.deepEqual([memo.get(a, 0), memo.get(b, 0)], [b, 0]);
    store.release(b);
    assert.equal(memo.get(a, 0), -1);
    assert.equal(store.intern({ ...PLAIN, preference: 1 }), b);
    assert.equal(memo.get(a, 0), b);
    store.release(b);
    let next = 0;
    for (let i = 0; next !== b; i++) {
      assert.ok(i < 10_000, 'never used again');
      next = store.intern({ ...PLAIN, preference: 2 + i });
      if (next !== b) store.release(next);
    }
    assert.deepEqual([memo.get(a, 0), memo.get(b, 0)], [-1, -1]);
    memo.set(a, 0, a);
    memo.clear();
    assert.equal(memo.get(a, 0), -1);
    assert.equal(memo.get(4000, 0), -1);
  });

  test('tells classes of prefixes apart, and never gives a wrong outcome', () => {
    const store = new AttributeStore();
    const memo = new AttributeMemo(store);
    const numbers = Array.from({ length: 3000 }, (_, i) =>
      store.intern({ ...PLAIN, preference: i }),
    );
    const outcome = (i: number, netClass: number): number =>
      (i + netClass) % 5 === 0 ? 0 : numbers[(i + netClass) % numbers.length]!;
    let known = 0;
    for (const [i, n] of numbers.entries()) {
      for (const netClass of [0, 1, 7]) memo.set(n, netClass, outcome(i, netClass));
    }
    for (const [i, n] of numbers.entries()) {
      for (const netClass of [0, 1, 7]) {
        const found = memo.get(n, netClass);
        if (found < 0) continue;
        assert.equal(found, outcome(i, netClass));
        known++;
      }
      assert.equal(memo.get(n, 2), -1);
    }
    assert.ok(known > numbers.length * 2, `${known} of ${numbers.length * 3} outcomes are known`);
  });
});

describe('WireAttributeCache', () => {
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
  const lookUp = (
    cache: WireAttributeCache,
    context: number,
    parts: [number, number][],
  ): number => {
    cache.begin(context);
    for (const [from, to] of parts) cache.add(bytes, from, to);
    return cache.find();
  };

  test('knows a block by context and octets', () => {
    const store = new AttributeStore();
    const cache = new WireAttributeCache({ attributes: store });
    const n = store.intern(PLAIN);
    assert.equal(lookUp(cache, 1, [[0, 50]]), 0);
    cache.insert(n);
    assert.equal(lookUp(cache, 1, [[0, 50]]), n);
    assert.equal(lookUp(cache, 1, [[0, 20], [20, 50]]), n); // prettier-ignore
    assert.equal(lookUp(cache, 2, [[0, 50]]), 0);
    cache.insert(-7);
    assert.equal(lookUp(cache, 2, [[0, 50]]), -7);
    assert.equal(lookUp(cache, 1, [[0, 49]]), 0);
    // The cache keeps the attributes alive.
    store.release(n);
    assert.equal(store.isLive(n), true);
    cache.forgetContext(1);
    assert.equal(store.isLive(n), false);
    assert.equal(lookUp(cache, 1, [[0, 50]]), 0);
    assert.equal(lookUp(cache, 2, [[0, 50]]), -7);
    cache.clear();
    assert.equal(cache.size, 0);
    assert.equal(cache.storedBytes, 0);
  });

  test('is bounded and gives back what it drops', () => {
    const store = new AttributeStore();
    const cache = new WireAttributeCache({ attributes: store, capacity: 8 });
    for (let i = 0; i < 100; i++) {
      const n = store.intern({ ...PLAIN, preference: i });
      assert.equal(lookUp(cache, i, [[0, 5000 % 200]]), 0);
      cache.insert(n);
      assert.equal(lookUp(cache, i, [[0, 5000 % 200]]), n);
      store.release(n);
    }
    assert.ok(cache.size <= 8);
    assert.equal(store.size, cache.size);
  });

  test('takes keys longer than its first buffer', () => {
    const store = new AttributeStore();
    const cache = new WireAttributeCache({ attributes: store });
    const parts = Array.from({ length: 60 }, (): [number, number] => [0, 200]);
    assert.equal(lookUp(cache, 1, parts), 0);
    cache.insert(-1);
    assert.equal(lookUp(cache, 1, parts), -1);
  });
});

describe('ByteArena', () => {
  test('returns what was stored, through reuse', () => {
    const arena = new ByteArena();
    const source = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 7) & 255);
    const blocks: { address: number; from: number; length: number }[] = [];
    for (let i = 0; i < 2000; i++) {
      const length = (i * 37) % 300;
      const from = i % 500;
      blocks.push({ address: arena.store(source, from, from + length), from, length });
      if (i % 3 === 0) {
        const [gone] = blocks.splice((i * 31) % blocks.length, 1);
        arena.free(gone!.address, gone!.length);
      }
    }
    blocks.push({ address: arena.store(source, 0, 65_000), from: 0, length: 65_000 });
    for (const { address, from, length } of blocks) {
      assert.ok(arena.equals(address, source, from, from + length));
    }
    for (const { address, length } of blocks) arena.free(address, length);
    assert.equal(arena.usedBytes, 0);
  });
});
