import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bfdAge, dayClock, memorySize, peerAge, routeAge } from './durations.ts';

const day = 86_400_000;

test('ages', () => {
  assert.equal(peerAge(269_999), '00:04:29');
  assert.equal(peerAge(day + 11 * 3_600_000 + 20 * 60_000 + 59_000), '1d11h20m');
  assert.equal(peerAge(9 * day + 3 * 3_600_000), '01w2d03h');
  assert.equal(peerAge(365 * day + 17 * day), '01y02w3d');
  assert.equal(routeAge(382 * day), '54w4d00h');
  assert.equal(bfdAge(4000), '4 second(s)');
  assert.equal(bfdAge(day + 2 * 3_600_000 + 4000), '1 day(s), 2 hour(s), 0 minute(s), 4 second(s)');
  assert.equal(bfdAge(0), '0 second(s)');
  assert.equal(dayClock(68_000), '0:00:01:08');
});

test('sizes', () => {
  assert.equal(memorySize(0), '0 bytes');
  assert.equal(memorySize(96), '96 bytes');
  assert.equal(memorySize(20_600), '20 KiB');
  assert.equal(memorySize(3 * 20_600), '60 KiB');
  assert.equal(memorySize(2 ** 31), '> 2GB');
});
