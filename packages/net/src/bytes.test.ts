import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter, formatHex, parseHex, readU16, readU32 } from './byte-writer.ts';
import { earliest, isDue } from './deadline.ts';
import { decodePeerText, encodeText, encodeTextWithin } from './peer-text.ts';

test('a writer grows and its numbers read back', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffffffff), { maxLength: 40 }), (values) => {
      const writer = new ByteWriter(1);
      for (const value of values) {
        writer.u8(value & 255);
        writer.u16(value & 0xffff);
        writer.u32(value);
      }
      const bytes = writer.take();
      assert.equal(bytes.length, values.length * 7);
      values.forEach((value, i) => {
        assert.equal(bytes[i * 7], value & 255);
        assert.equal(readU16(bytes, i * 7 + 1), value & 0xffff);
        assert.equal(readU32(bytes, i * 7 + 3), value);
      });
    }),
  );
});

test('runs are copied whole, lengths are patched, hexadecimal reads back', () => {
  const writer = new ByteWriter();
  writer.u16(0);
  writer.put(new Uint8Array(30).fill(7), 2, 29);
  writer.put(Uint8Array.of(1, 2, 3), 1);
  writer.patch16(0, writer.length);
  assert.equal(formatHex(writer.take()), `001f${'07'.repeat(27)}0203`);
  assert.deepEqual(parseHex('00 1F:a0'), Uint8Array.of(0, 0x1f, 0xa0));
  assert.equal(parseHex('0'), undefined);
  assert.equal(parseHex('zz'), undefined);
});

test('text keeps its characters and loses its teeth', () => {
  const decode = (...octets: number[]): string => decodePeerText(Uint8Array.from(octets));
  assert.equal(decodePeerText(encodeText('Zürich → 東京 🐦')), 'Zürich → 東京 🐦');
  assert.equal(decode(0x1b, 0x5b, 0x41), '\\x1b[A');
  assert.equal(decode(0x7f, 0xc2, 0x85), '\\x7f\\x85');
  assert.equal(decode(0xe2, 0x80, 0xae), '\\u202e');
  assert.equal(decode(0xc0, 0x80), '\\xc0\\x80', 'overlong');
  assert.equal(decode(0xed, 0xa0, 0x80), '\\xed\\xa0\\x80', 'surrogate');
  assert.equal(decode(0xf4, 0x90, 0x80, 0x80), '\\xf4\\x90\\x80\\x80', 'beyond Unicode');
  assert.equal(decode(0xe2, 0x82), '\\xe2\\x82', 'cut short');
  assert.equal(encodeTextWithin('aéé', 4).length, 3);
});

test('UTF-8 agrees with the platform', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.deepEqual(encodeText(text), new TextEncoder().encode(text));
    }),
  );
});

test('the nearest deadline', () => {
  assert.equal(earliest(), undefined);
  assert.equal(earliest(undefined, 7, 3, undefined), 3);
  assert.ok(isDue(3, 3) && !isDue(4, 3) && !isDue(undefined, 3));
});
