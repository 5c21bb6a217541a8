import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rehearsal } from './rehearsal.ts';

test('a rehearsal takes routes in and out again, and ends', () => {
  const rehearsal = new Rehearsal();
  let most = 0;
  let steps = 0;
  while (rehearsal.step()) {
    steps++;
    most = Math.max(most, rehearsal.routeCount);
    assert.ok(steps < 10_000, 'no end');
  }
  assert.ok(most >= 2000, `most routes at the same time: ${most}`);
  assert.equal(rehearsal.routeCount, 0);
});
