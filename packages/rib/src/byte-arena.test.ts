import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hashBytes } from './byte-arena.ts';

/**
 * Changes that undo each other in a hash that multiplies, and folds its upper half into the lower:
 * the top bit of one word, and what becomes of it in the next word of the same lane.
 */
function chosenBlocks(stride: number, shift: number): Uint8Array[] {
  return Array.from({ length: 1024 }, (_, choice) => {
    const words = new Uint32Array(20 * stride).fill(0x01020304);
    for (let pair = 0; pair < 10; pair++) {
      if ((choice & (1 << pair)) === 0) continue;
      words[pair * 2 * stride]! ^= 0x80000000;
      words[(pair * 2 + 1) * stride]! ^= (0x80000000 | (0x80000000 >>> shift)) >>> 0;
    }
    return new Uint8Array(words.buffer);
  });
}

describe('hashBytes', () => {
  test('spreads blocks that were chosen to collide', () => {
    for (const seed of [0, 1, 0x5eed]) {
      for (const stride of [1, 2]) {
        for (const shift of [14, 15, 16]) {
          const hashes = chosenBlocks(stride, shift).map((bytes) =>
            hashBytes(bytes, 0, bytes.length, seed),
          );
          assert.ok(new Set(hashes).size > 1000, `${new Set(hashes).size} of 1024 differ`);
        }
      }
    }
  });

  test('depends on every octet, on the length and on the seed', () => {
    for (let length = 0; length < 40; length++) {
      const bytes = new Uint8Array(length);
      const hashes = [hashBytes(bytes, 0, length, 7), hashBytes(bytes, 0, length, 8)];
      for (let i = 0; i < length; i++) {
        bytes[i] = 1;
        hashes.push(hashBytes(bytes, 0, length, 7));
        bytes[i] = 0;
      }
      hashes.push(hashBytes(new Uint8Array(length + 1), 0, length + 1, 7));
      assert.equal(new Set(hashes).size, hashes.length);
    }
  });

  test('does not depend on where the octets are', () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i % 13);
    assert.equal(hashBytes(bytes, 13, 50, 3), hashBytes(bytes, 26, 63, 3));
  });
});
