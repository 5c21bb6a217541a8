import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parsePrefix } from '@rookery/net';
import type { NetCursor } from './policy.ts';
import { NO_NET, PrefixStore } from './prefix-store.ts';

const prefix4 = fc
  .tuple(fc.nat(0xffffffff), fc.integer({ min: 0, max: 32 }))
  .map(([word, length]) => ({ word: length === 0 ? 0 : word & (-1 << (32 - length)), length }));

describe('PrefixStore', () => {
  test('gives equal prefixes equal numbers and text', () => {
    const store = new PrefixStore('ipv4');
    const net = store.internText('192.168.2.0/24');
    assert.equal(store.internText('192.168.2.0/24'), net);
    assert.notEqual(store.internText('192.168.2.0/25'), net);
    assert.equal(store.textOf(net), '192.168.2.0/24');
    assert.equal(store.find4(0xc0a80200, 24), net);
    assert.equal(store.find4(0xc0a80200 | 0, 24), net);
    assert.equal(store.internText('2001:db8::/32'), NO_NET);
    assert.equal(store.internText('192.168.2.1/24'), NO_NET);
    assert.equal(store.findText('10.0.0.0/8'), NO_NET);
  });

  test('holds the default routes and host routes of both families', () => {
    for (const [family, texts] of [
      ['ipv4', ['0.0.0.0/0', '255.255.255.255/32', '128.0.0.0/1', '0.0.0.0/32']],
      ['ipv6', ['::/0', '2001:db8::1/128', '2001:db8::/32', '::/128', '::/64']],
    ] as const) {
      const store = new PrefixStore(family);
      const nets = texts.map((text) => store.internText(text));
      assert.equal(new Set(nets).size, texts.length);
      texts.forEach((text, i) => {
        assert.equal(store.textOf(nets[i]!), text);
        assert.equal(store.findText(text), nets[i]);
      });
    }
  });

  test('a net that nobody holds is not found, and has its number again when it comes back', () => {
    const store = new PrefixStore('ipv4');
    const net = store.internText('10.0.0.0/8');
    store.retain(net);
    store.retain(net);
    store.release(net);
    assert.equal(store.findText('10.0.0.0/8'), net);
    store.release(net);
    assert.deepEqual([store.size, store.isLive(net), store.refsOf(net)], [0, false, 0]);
    assert.equal(store.findText('10.0.0.0/8'), NO_NET);
    assert.equal(store.internText('10.0.0.0/8'), net);
    assert.equal(store.findText('10.0.0.0/8'), net);
    store.retain(net);
    assert.deepEqual([store.size, store.isLive(net), store.refsOf(net)], [1, true, 1]);
    store.release(net);
    store.retain(net);
    assert.deepEqual([store.size, store.isLive(net), store.refsOf(net)], [1, true, 1]);
  });

  for (const family of ['ipv4', 'ipv6'] as const) {
    test(`numbers of the dead are used again when they are many: ${family}`, () => {
      const store = new PrefixStore(family);
      const intern = (key: number): number =>
        family === 'ipv4' ? store.intern4(key, 32) : store.intern6(1, key, 0, 0, 128);
      const find = (key: number): number =>
        family === 'ipv4' ? store.find4(key, 32) : store.find6(1, key, 0, 0, 128);
      const held = new Map<number, number>();
      for (let key = 0; key < 100_000; key++) {
        const net = intern(key);
        store.retain(net);
        held.set(key, net);
        // Every hundredth stays; the others go after a while.
        const leaving = key - 2000;
        if (leaving < 0 || leaving % 100 === 0) continue;
        store.release(held.get(leaving)!);
        held.delete(leaving);
      }
      assert.equal(store.size, held.size);
      for (const [key, net] of held) assert.equal(find(key), net);
      assert.equal(find(1), NO_NET);
      assert.ok(store.limit < 3 * held.size + 4096, `${store.limit} numbers for ${held.size} nets`);
    });
  }

  for (const family of ['ipv4', 'ipv6'] as const) {
    test(`equals a map under inserts and removals, across growth: ${family}`, () => {
      fc.assert(
        fc.property(fc.integer(), fc.integer({ min: 200, max: 3000 }), (seed, steps) => {
          const store = new PrefixStore(family, { seed });
          const model = new Map<number, number>();
          let state = seed >>> 0;
          const find = (key: number): number =>
            family === 'ipv4' ? store.find4(key, 32) : store.find6(1, key, 0, 0, 128);
          for (let i = 0; i < steps; i++) {
            state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
            const key = state % 700;
            const known = model.get(key);
            assert.equal(find(key), known ?? NO_NET);
            if (known === undefined) {
              const net =
                family === 'ipv4' ? store.intern4(key, 32) : store.intern6(1, key, 0, 0, 128);
              store.retain(net);
              model.set(key, net);
            } else if ((state >>> 20) % 3 === 0) {
              store.release(known);
              model.delete(key);
            }
          }
          assert.equal(store.size, model.size);
          assert.equal(new Set(model.values()).size, model.size);
          for (const [key, net] of model) assert.equal(find(key), net);
        }),
        { numRuns: 30 },
      );
    });
  }

  for (const family of ['ipv4', 'ipv6'] as const) {
    test(`a batch has the numbers that its prefixes have one by one: ${family}`, () => {
      const held = fc.record({
        kind: fc.constantFrom('intern', 'find', 'drop'),
        first: fc.nat(9000),
      });
      fc.assert(
        fc.property(
          fc.array(held, { minLength: 20, maxLength: 60 }),
          fc.integer(),
          (steps, seed) => {
            const store = new PrefixStore(family, { seed });
            const model = new Map<number, number>();
            const nets = new Int32Array(800);
            for (const { kind, first } of steps) {
              // Some keys twice in a batch.
              const keys = Array.from(nets, (_, i) => first + (i % 700));
              const batch = {
                words: Int32Array.from(
                  keys.flatMap((key) => (family === 'ipv4' ? [key] : [1, key, key & 1, 0])),
                ),
                lengths: Uint8Array.from(keys, () => (family === 'ipv4' ? 32 : 128)),
              };
              if (kind === 'intern') {
                store.internBatch(batch, 0, 500, nets);
                store.internBatch(batch, 500, keys.length, nets);
                for (const [i, key] of keys.entries()) {
                  if (!model.has(key)) store.retain(nets[i]!);
                  assert.equal(nets[i], model.get(key) ?? nets[i]);
                  model.set(key, nets[i]!);
                }
                continue;
              }
              store.findBatch(batch, 0, keys.length, nets);
              for (const [i, key] of keys.entries()) {
                assert.equal(nets[i], model.get(key) ?? NO_NET);
              }
              if (kind === 'find') continue;
              for (const key of keys) {
                if (model.has(key)) store.release(model.get(key)!);
                model.delete(key);
              }
            }
            assert.equal(store.size, model.size);
            assert.equal(new Set(model.values()).size, model.size);
            for (const [key, net] of model) {
              const found =
                family === 'ipv4' ? store.find4(key, 32) : store.find6(1, key, key & 1, 0, 128);
              assert.equal(found, net);
            }
          },
        ),
        { numRuns: 40 },
      );
    });
  }

  test('finds the longest accepted match', () => {
    fc.assert(
      fc.property(fc.array(prefix4, { maxLength: 60 }), fc.nat(0xffffffff), (list, address) => {
        const store = new PrefixStore('ipv4');
        const nets = list.map(({ word, length }) => store.intern4(word, length));
        const accept = (net: number): boolean => net % 3 !== 0;
        const covering = list
          .map((p, i) => ({ ...p, net: nets[i]! }))
          .filter(({ word, length }) =>
            length === 0 ? true : ((word ^ address) & (-1 << (32 - length))) === 0,
          )
          .filter(({ net }) => accept(net))
          .sort((a, b) => b.length - a.length);
        assert.equal(store.longestMatch([address], accept), covering[0]?.net ?? NO_NET);
      }),
    );
  });

  test('longest match for IPv6 and below a length', () => {
    const store = new PrefixStore('ipv6');
    const [all, site, lan] = ['::/0', '2001:db8::/32', '2001:db8:0:1::/64'].map((text) =>
      store.internText(text),
    );
    const address = parsePrefix('2001:db8:0:1::7/128')!.words;
    assert.equal(
      store.longestMatch(address, () => true),
      lan,
    );
    assert.equal(
      store.longestMatch(address, () => true, 63),
      site,
    );
    assert.equal(
      store.longestMatch(address, () => true, 31),
      all,
    );
    assert.equal(
      store.longestMatch([1], () => true),
      NO_NET,
    );
  });

  test('sorts by address, then length, few and many alike', () => {
    for (const count of [100, 5000]) {
      for (const family of ['ipv4', 'ipv6'] as const) {
        const store = new PrefixStore(family);
        let state = 7;
        const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
        for (let i = 0; i < count; i++) {
          const length = 8 + (next() % 17);
          const word = next() & (-1 << (32 - length));
          if (family === 'ipv4') store.intern4(word, length);
          else store.intern6(0x20010db8, word, next() & 3, next(), 128);
        }
        const sorted = [...store.sortedNets((net) => net % 5 !== 0)];
        assert.deepEqual(
          sorted,
          sorted.toSorted((a, b) => store.compare(a, b)),
        );
        assert.ok(sorted.length > count / 2);
      }
    }
  });

  test('lists what lies within a prefix', () => {
    const store = new PrefixStore('ipv4');
    for (const text of ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24', '10.2.0.0/16', '11.0.0.0/8']) {
      store.internText(text);
    }
    const within = (text: string): string[] =>
      [...store.netsWithin(parsePrefix(text)!, () => true)].map((net) => store.textOf(net));
    assert.deepEqual(within('10.1.0.0/16'), ['10.1.0.0/16', '10.1.2.0/24']);
    assert.equal(within('0.0.0.0/0').length, 5);
    assert.deepEqual(within('2001:db8::/32'), []);
  });

  test('points a cursor at unsigned words', () => {
    const store = new PrefixStore('ipv6');
    const net = store.internText('fd00::8000:0/112');
    const cursor: NetCursor = { family: 'ipv4', a: 9, b: 9, c: 9, d: 9, length: 0 };
    store.moveCursor(cursor, net);
    assert.deepEqual(cursor, {
      family: 'ipv6',
      a: 0xfd000000,
      b: 0,
      c: 0,
      d: 0x80000000,
      length: 112,
    });
  });

  test('a count that overflows only keeps the prefix', () => {
    const store = new PrefixStore('ipv4');
    const net = store.internText('10.0.0.0/8');
    for (let i = 0; i < 70_000; i++) store.retain(net);
    for (let i = 0; i < 70_000; i++) store.release(net);
    assert.equal(store.findText('10.0.0.0/8'), net);
  });
});
