import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHex } from '@rookery/net';
import { MESSAGE } from './constants.ts';
import { encodeKeepalive, frameMessage } from './frame-message.ts';
import { FrameReader } from './frame-reader.ts';
import { decodeNotification, encodeNotification } from './notification.ts';

const message = fc.oneof(
  fc.constant(encodeKeepalive()),
  fc.uint8Array({ minLength: 4, maxLength: 400 }).map((body) => frameMessage(MESSAGE.update, body)),
  fc
    .uint8Array({ minLength: 0, maxLength: 40 })
    .map((data) => encodeNotification({ code: 6, subcode: 2, data })),
);

function readAll(reader: FrameReader): string[] {
  const texts: string[] = [];
  while (reader.next() === 'message') {
    texts.push(formatHex(reader.bytes, reader.start, reader.end));
  }
  return texts;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test('messages do not depend on how TCP cuts the stream', () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
      fc.boolean(),
      (messages, cuts, drain) => {
        const stream = join(messages);
        const reader = new FrameReader();
        const seen: string[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length]!;
          reader.push(stream.slice(at, at + size));
          at += size;
          if (drain || at >= stream.length) seen.push(...readAll(reader));
        }
        assert.deepEqual(
          seen,
          messages.map((bytes) => formatHex(bytes)),
        );
        assert.equal(reader.pending, 0);
      },
    ),
    { numRuns: 200 },
  );
});

test('a message within one chunk is not copied', () => {
  const chunk = join([encodeKeepalive(), encodeKeepalive()]);
  const reader = new FrameReader();
  reader.push(chunk);
  assert.equal(reader.next(), 'message');
  assert.equal(reader.next(), 'message');
  assert.equal(reader.bytes.buffer, chunk.buffer);
  assert.equal(reader.start, 19);
  assert.equal(reader.next(), 'more');
});

function header(length: number, type: number): Uint8Array {
  const bytes = new Uint8Array(19).fill(255);
  bytes[16] = length >>> 8;
  bytes[17] = length;
  bytes[18] = type;
  return bytes;
}

test('a bad header is refused at once, with the octets that are wrong', () => {
  const marker = encodeKeepalive();
  marker[7] = 0;
  const cases: readonly (readonly [string, Uint8Array, boolean, string])[] = [
    ['marker', marker, false, '1/1 '],
    ['length 18', header(18, 4), false, '1/2 0012'],
    ['length 0', header(0, 2), false, '1/2 0000'],
    ['KEEPALIVE of 20', header(20, 4), false, '1/2 0014'],
    ['UPDATE of 22', header(22, 2), false, '1/2 0016'],
    ['OPEN of 28', header(28, 1), false, '1/2 001c'],
    ['NOTIFICATION of 20', header(20, 3), false, '1/2 0014'],
    ['ROUTE-REFRESH of 22', header(22, 5), false, '1/2 0016'],
    ['UPDATE of 4097', header(4097, 2), false, '1/2 1001'],
    ['extended OPEN', header(4097, 1), true, '1/2 1001'],
    ['type 0', header(23, 0), false, '1/3 00'],
    ['type 6', header(23, 6), false, '1/3 06'],
  ];
  for (const [name, bytes, extended, expected] of cases) {
    const reader = new FrameReader();
    if (extended) reader.allowExtended();
    reader.push(bytes);
    assert.equal(reader.next(), 'fault', name);
    const { code, subcode, data } = reader.notification!;
    assert.equal(`${code}/${subcode} ${formatHex(data)}`, expected, name);
    reader.push(encodeKeepalive());
    assert.equal(reader.next(), 'fault', 'a faulty stream stays faulty');
  }
});

test('extended messages pass once both sides agreed', () => {
  const reader = new FrameReader();
  reader.allowExtended();
  const big = frameMessage(MESSAGE.update, new Uint8Array(65535 - 19));
  reader.push(big.slice(0, 5000));
  assert.equal(reader.next(), 'more');
  reader.push(big.slice(5000));
  assert.equal(reader.next(), 'message');
  assert.equal(reader.end - reader.start, 65535);
});

test('a stream that never completes a message holds one message at most', () => {
  const reader = new FrameReader();
  reader.push(header(4096, 2));
  for (let i = 0; i < 4000; i++) {
    reader.push(new Uint8Array(1));
    assert.equal(reader.next(), 'more');
  }
  assert.equal(reader.pending, 4019);
});

test('what is kept of a Buffer shares no memory with it', () => {
  const chunk = Buffer.from(
    encodeNotification({ code: 6, subcode: 2, data: Uint8Array.of(1, 97) }),
  );
  const reader = new FrameReader();
  reader.push(chunk);
  assert.equal(reader.next(), 'message');
  const { data } = decodeNotification(reader.bytes, reader.start, reader.end);
  const direct = decodeNotification(chunk, 0, chunk.length).data;
  chunk.fill(0);
  assert.deepEqual([...data, ...direct], [1, 97, 1, 97]);
});
