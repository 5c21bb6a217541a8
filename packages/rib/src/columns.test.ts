import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { growInt32, growUint16, growUint8, nextCapacity } from './columns.ts';

const PAGE_BYTES = 4096;

describe('columns', () => {
  for (const [grow, column] of [
    [growInt32, new Int32Array(64)],
    [growUint16, new Uint16Array(64)],
    [growUint8, new Uint8Array(64)],
  ] as const) {
    test(`keep what they hold, and are zero behind it: ${column.constructor.name}`, () => {
      let grown: Int32Array | Uint16Array | Uint8Array = column;
      for (let i = 0; i < 300_000; i++) {
        if (i === grown.length) {
          grown = (grow as typeof growInt32)(grown as Int32Array, nextCapacity(i, i + 1));
          assert.equal(grown[i], 0);
          assert.equal(grown.at(-1), 0);
        }
        grown[i] = i & 127;
      }
      assert.ok(grown.subarray(0, 300_000).every((value, i) => value === (i & 127)));
      assert.ok(grown.subarray(300_000).every((value) => value === 0));
    });
  }

  test('a jump touches nothing', () => {
    const before = process.resourceUsage().minorPageFault;
    const column = growInt32(growInt32(new Int32Array(64), 2 ** 20), 2 ** 23);
    column[2 ** 22] = 1;
    const faults = process.resourceUsage().minorPageFault - before;
    assert.ok(faults < 1000, `${faults} faults for one element`);
  });

  test('a page costs one fault, though it is read before it is written', () => {
    const count = 2 ** 22;
    let column: Int32Array = new Int32Array(64);
    const before = process.resourceUsage().minorPageFault;
    for (let i = 0; i < count; i++) {
      if (i === column.length) column = growInt32(column, nextCapacity(i, i + 1));
      if (column[i] === 0) column[i] = 1;
    }
    const faults = process.resourceUsage().minorPageFault - before;
    const pages = (count * 4) / PAGE_BYTES;
    assert.ok(faults < pages * 1.4, `${faults} faults for ${pages} pages`);
  });
});
