import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Timers } from './timers.ts';

const direct = (_owner: unknown, fire: () => void): void => fire();

test('timers fire in order of deadline, whatever the order of arming', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100), { maxLength: 50 }), (deadlines) => {
      const timers = new Timers();
      const fired: number[] = [];
      for (const at of deadlines) timers.create(undefined, () => fired.push(at)).set(at);
      assert.equal(timers.nextDeadlineMs(), deadlines.length ? Math.min(...deadlines) : undefined);
      timers.run(100, direct);
      assert.deepEqual(
        fired,
        deadlines.toSorted((a, b) => a - b),
      );
      assert.equal(timers.nextDeadlineMs(), undefined);
    }),
  );
});

test('a timer that was cleared or moved does not fire at its old deadline', () => {
  const timers = new Timers();
  const fired: string[] = [];
  const moved = timers.create(undefined, (now) => fired.push(`moved ${now}`));
  const cleared = timers.create(undefined, () => fired.push('cleared'));
  moved.set(10);
  cleared.set(10);
  moved.set(20);
  cleared.clear();
  timers.run(10, direct);
  assert.deepEqual(fired, []);
  assert.equal(timers.nextDeadlineMs(), 20);
  timers.run(25, direct);
  assert.deepEqual(fired, ['moved 25']);
});

test('a timer that re-arms itself for now waits for the next run', () => {
  const timers = new Timers();
  let fired = 0;
  const timer = timers.create(undefined, (now) => {
    fired++;
    timer.set(now);
  });
  timer.set(5);
  timers.run(5, direct);
  assert.equal(fired, 1);
  timers.run(5, direct);
  assert.equal(fired, 2);
});
