// A short run of every fuzz target from a fixed seed, bounded by count so that it is the same run on
// every machine, and a replay of every input that ever broke something. FUZZ_SECONDS=N makes each
// target run that long from a new seed instead: a find is news, but no reason to stop a landing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './fuzzer.ts';
import { crashersOf, TARGETS } from './targets.ts';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 0);

for (const target of TARGETS) {
  const crashers = crashersOf(target.name);
  test(`${target.name}: ${crashers.length} inputs that once broke it`, () => {
    for (const input of crashers) target.run(input);
  });

  test(`${target.name}: new inputs break nothing`, (t) => {
    const seed = SECONDS > 0 ? (Math.random() * 2 ** 31) | 0 : 1;
    const bounds =
      SECONDS > 0
        ? { executions: Infinity, seconds: SECONDS }
        : { executions: target.smoke, seconds: Infinity };
    const { executions, corpus, blocks, crashes } = fuzz(target, { seed, ...bounds });
    t.diagnostic(`${target.name}: ${executions} inputs, ${blocks} blocks, seed ${seed}`);
    const found = crashes.map(
      ({ input, error }) => `${Buffer.from(input).toString('hex')}: ${String(error)}`,
    );
    assert.deepEqual(found, [], `seed ${seed}; keep them in test/fuzz/crashers/${target.name}`);
    // A fuzzer that sees no coverage would find nothing for ever.
    assert.ok(corpus >= target.seeds.length && blocks > 10, `${blocks} blocks`);
  });
}

test('the fuzzer finds a bug that hides behind three comparisons', async () => {
  const { planted } = await import('../../packages/testkit/src/planted-bug.ts');
  const target = { name: 'planted', seeds: [Uint8Array.of(0, 0, 0, 0)], run: planted, smoke: 0 };
  const { crashes } = fuzz(target, { seed: 1, executions: 100_000, seconds: 15 });
  assert.ok(crashes.length > 0);
});
