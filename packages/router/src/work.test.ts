import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkQueue } from './work.ts';
import type { Task } from './work.ts';

const direct = (_owner: unknown, run: () => void): void => run();

function countdown(routes: number, log: string[], name: string): Task {
  let left = routes;
  return {
    owner: { name },
    run: (budget) => {
      const done = Math.min(left, budget);
      left -= done;
      log.push(`${name} ${done}`);
      return done;
    },
  };
}

test('a slice is bounded, and tasks take turns from slice to slice', () => {
  const work = new WorkQueue();
  const log: string[] = [];
  work.add(countdown(500, log, 'a'));
  work.add(countdown(100, log, 'b'));
  work.runSlice(256, direct);
  assert.deepEqual(log, ['a 256']);
  work.runSlice(256, direct);
  assert.deepEqual(log, ['a 256', 'b 100', 'a 156']);
  assert.ok(work.pending, 'a used up its share, so nobody knows that it is done');
  work.runSlice(256, direct);
  assert.deepEqual(log.at(-1), 'a 88');
  assert.ok(!work.pending);
});

test('a task that is queued keeps its place; a cancelled one does not run', () => {
  const work = new WorkQueue();
  const log: string[] = [];
  const a = countdown(1, log, 'a');
  const b = countdown(1, log, 'b');
  work.add(a);
  work.add(b);
  work.add(a);
  work.cancel(b);
  work.runSlice(256, direct);
  assert.deepEqual(log, ['a 1']);
  assert.ok(!work.pending);
});

test('a task without routes costs a little of the slice, so that idle tasks cannot spin', () => {
  const work = new WorkQueue();
  let runs = 0;
  const idle: Task = {
    owner: undefined,
    run: () => {
      runs++;
      work.add(idle);
      return 0;
    },
  };
  work.add(idle);
  work.runSlice(10, direct);
  assert.equal(runs, 10);
});
