// Classes of prefixes against the definition: a prefix passes a pattern when its length is in the
// range and the two agree in the bits that both have.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PrefixPattern } from './ast.ts';
import { NetClasses } from './net-classes.ts';
import type { NetTest } from './net-classes.ts';
import type { PrefixValue } from './types.ts';

type Bits = string;

function prefixOf(family: 'ipv4' | 'ipv6', bits: Bits): PrefixValue {
  const word = (i: number): number =>
    Number(`0b${bits.slice(i * 32, i * 32 + 32).padEnd(32, '0')}`);
  const [a, b, c, d] = [0, 1, 2, 3].map(word) as [number, number, number, number];
  return { family, a, b, c, d, length: bits.length };
}

function passes(net: Bits, pattern: Bits, low: number, high: number): boolean {
  const shared = Math.min(net.length, pattern.length);
  return (
    net.length >= low && net.length <= high && net.slice(0, shared) === pattern.slice(0, shared)
  );
}

for (const [family, width] of [
  ['ipv4', 32],
  ['ipv6', 128],
] as const) {
  test(`${family}: one class for the prefixes that pass the same tests`, () => {
    // Few distinct bits, so that patterns contain one another and prefixes hit them.
    const bits = fc
      .array(fc.constantFrom('0', '1', '00000000', '11111111', '0'.repeat(31)), { maxLength: 9 })
      .map((parts) => parts.join('').slice(0, width));
    const pattern = fc.tuple(bits, fc.nat(width), fc.nat(width)).map(([text, x, y]) => ({
      text,
      low: Math.min(x, y),
      high: Math.max(x, y),
    }));
    const tests = fc.array(fc.array(pattern, { minLength: 1, maxLength: 6 }), { maxLength: 5 });
    fc.assert(
      fc.property(tests, fc.array(bits, { minLength: 2, maxLength: 12 }), (lists, nets) => {
        const all: NetTest[] = lists.map((list) =>
          list.map(({ text, low, high }) => ({ prefix: prefixOf(family, text), low, high })),
        );
        const classes = new NetClasses(all);
        const names = new Map<number, string>([[0, '']]);
        // Prefixes in and around the patterns too.
        const extra = lists
          .flat()
          .flatMap(({ text }) => [text, `${text}0`.slice(0, width), text.slice(0, -1)]);
        for (const net of [...nets, ...extra]) {
          const wanted = lists.flatMap((list, i) =>
            list.some(({ text, low, high }) => passes(net, text, low, high)) ? [i] : [],
          );
          const found = classes.classOf(prefixOf(family, net));
          const name = wanted.join(' ');
          assert.equal(names.get(found) ?? name, name, net);
          names.set(found, name);
          assert.deepEqual(
            [...classes.passedIn(found)],
            wanted.map((i) => all[i]),
            net,
          );
        }
        assert.equal(new Set(names.values()).size, names.size);
      }),
      { seed: 4, numRuns: 400 },
    );
  });
}

test('a test of one family says nothing of the other', () => {
  const pattern: PrefixPattern = { prefix: prefixOf('ipv4', ''), low: 0, high: 32 };
  const classes = new NetClasses([[pattern]]);
  assert.equal(classes.classOf(prefixOf('ipv4', '1')), 1);
  assert.equal(classes.classOf(prefixOf('ipv6', '1')), 0);
});
