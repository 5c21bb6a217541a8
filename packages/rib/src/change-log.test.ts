import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChangeLog } from './change-log.ts';
import { PrefixStore } from './prefix-store.ts';

function logWith(nets: number) {
  const prefixes = new PrefixStore('ipv4');
  const log = new ChangeLog(prefixes);
  const numbers = Array.from({ length: nets }, (_, i) => prefixes.intern4(i << 8, 24));
  for (const net of numbers) prefixes.retain(net);
  return { prefixes, log, numbers };
}

describe('ChangeLog', () => {
  test('costs nothing without consumers', () => {
    const { prefixes, log, numbers } = logWith(1);
    log.push(numbers[0]!);
    assert.equal(prefixes.refsOf(numbers[0]!), 1);
  });

  test('a net that waits for everybody is logged once, one that was read is logged again', () => {
    const { log, numbers } = logWith(3);
    const fast = log.subscribe();
    const slow = log.subscribe();
    const out = new Int32Array(8);
    for (let i = 0; i < 5; i++) log.push(numbers[0]!);
    assert.equal(log.pending(fast), 1);
    assert.equal(log.read(fast, out), 1);
    log.push(numbers[0]!);
    log.push(numbers[1]!);
    // The slow one skips the entry that was replaced.
    assert.equal(log.pending(slow), 3);
    assert.equal(log.read(slow, out), 2);
    assert.deepEqual([...out.subarray(0, 2)].sort(), [numbers[0], numbers[1]]);
    assert.equal(log.read(slow, out), 0);
    assert.equal(log.read(fast, out), 2);
  });

  test('holds a net until the last consumer has come back', () => {
    const { prefixes, log, numbers } = logWith(1);
    const [net] = numbers;
    const a = log.subscribe();
    const b = log.subscribe();
    const out = new Int32Array(1);
    log.push(net!);
    prefixes.release(net!);
    assert.equal(log.read(a, out), 1);
    assert.equal(log.read(a, out), 0);
    assert.equal(log.read(b, out), 1);
    assert.equal(prefixes.isLive(net!), true, 'b is still looking at it');
    assert.equal(log.read(b, out), 0);
    assert.equal(prefixes.isLive(net!), false);
  });

  test('a consumer that leaves frees what only it had not read', () => {
    const { prefixes, log, numbers } = logWith(2);
    const a = log.subscribe();
    const b = log.subscribe();
    for (const net of numbers) log.push(net);
    while (log.read(a, new Int32Array(8)) > 0);
    assert.equal(prefixes.refsOf(numbers[0]!), 2);
    log.unsubscribe(b);
    assert.equal(prefixes.refsOf(numbers[0]!), 1);
    log.unsubscribe(b);
  });

  test('a consumer that never reads costs one entry per net, however often nets change', () => {
    const { prefixes, log, numbers } = logWith(3000);
    const stuck = log.subscribe();
    const quick = log.subscribe();
    const out = new Int32Array(512);
    const seen = new Set<number>();
    for (let round = 0; round < 60; round++) {
      for (const net of numbers) log.push(net);
      seen.clear();
      for (let read = log.read(quick, out); read > 0; read = log.read(quick, out)) {
        for (const net of out.subarray(0, read)) seen.add(net);
      }
      assert.equal(seen.size, numbers.length);
      assert.ok(log.pending(stuck) < 6 * numbers.length, `${log.pending(stuck)} entries`);
    }
    seen.clear();
    for (let read = log.read(stuck, out); read > 0; read = log.read(stuck, out)) {
      for (const net of out.subarray(0, read)) {
        assert.equal(seen.has(net), false);
        seen.add(net);
      }
    }
    assert.equal(seen.size, numbers.length);
    assert.equal(log.pending(quick), 0);
    log.read(quick, out);
    for (const net of numbers) assert.equal(prefixes.refsOf(net), 1);
  });
});
