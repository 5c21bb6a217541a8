import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogLimit } from './log-limit.ts';

test('ten lines in ten seconds, then a number', () => {
  const lines: string[] = [];
  let nowMs = 5;
  const limit = new LogLimit(
    'calls',
    (text) => lines.push(text),
    () => nowMs,
  );
  for (let i = 1; i <= 500; i++) limit.write(`call ${i}`);
  assert.equal(lines.length, 10);
  assert.equal(lines[0], 'call 1');
  assert.equal(lines[9], 'call 10; more of them are counted for 10 s');
  nowMs += 10_000;
  limit.write('call 501');
  assert.deepEqual(lines.slice(10), ['490 more calls were not logged', 'call 501']);
});

test('a slow trickle is written as it is', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const limit = new LogLimit(
    'calls',
    (text) => lines.push(text),
    () => nowMs,
  );
  for (let i = 0; i < 30; i++, nowMs += 2000) limit.write(`call ${i}`);
  assert.deepEqual(
    lines,
    Array.from({ length: 30 }, (_, i) => `call ${i}`),
  );
});
