import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { civilTime, ctime, formatTime, strftime, utc } from './wall-clock.ts';

test('calendar fields agree with the platform for any time', () => {
  const year1 = Date.UTC(1, 0, 1);
  const year9999 = Date.UTC(9999, 11, 31);
  fc.assert(
    fc.property(fc.integer({ min: year1, max: year9999 }), (ms) => {
      const date = new Date(ms);
      const t = civilTime(ms, utc);
      assert.deepEqual(
        [t.year, t.month, t.day, t.hour, t.minute, t.second, t.millisecond, t.weekday],
        [
          date.getUTCFullYear(),
          date.getUTCMonth() + 1,
          date.getUTCDate(),
          date.getUTCHours(),
          date.getUTCMinutes(),
          date.getUTCSeconds(),
          date.getUTCMilliseconds(),
          date.getUTCDay(),
        ],
      );
      assert.equal(strftime('%s', t), String(Math.floor(ms / 1000)));
    }),
  );
});

test('formats and offsets', () => {
  const ms = Date.UTC(2026, 10, 3, 7, 8, 9, 45);
  const t = civilTime(ms, () => -300);
  assert.equal(strftime('%F %T.%3f %z', t), '2026-11-03 02:08:09.045 -0500');
  assert.equal(strftime('%d-%b-%y %I:%M %p %j %% %f %q', t), '03-Nov-26 02:08 AM 307 % 045000 %q');
  assert.equal(ctime(ms, utc), 'Tue Nov  3 07:08:09 2026');
});

test('an old time uses the second format', () => {
  const format = { format: '%T', limitSec: 72_000, oldFormat: '%F' };
  const now = Date.UTC(2026, 10, 23, 12);
  assert.equal(formatTime(format, now - 72_000_000, now, utc), '16:00:00');
  assert.equal(formatTime(format, now - 72_001_000, now, utc), '2026-11-22');
});
