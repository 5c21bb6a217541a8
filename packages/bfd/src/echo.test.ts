import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHex } from '@rookery/net';
import { decodeEcho, encodeEcho } from './echo.ts';

const ECHO = { discriminator: 0x01020304, sequence: 7, secret: 0xdeadbeef };
const LOCAL = '192.168.1.32';

test('an echo packet is an IPv4 packet to ourselves, with checksums', () => {
  assert.equal(
    formatHex(encodeEcho(LOCAL, ECHO)),
    '45c00028' +
      '00004000' +
      'ff11f773' +
      'c0a80120' +
      'c0a80120' + // TTL 255, UDP
      '0ec90ec9' +
      '0014bcf8' + // 3785 to 3785
      '01020304' +
      '00000007' +
      'deadbeef',
  );
});

test('what comes back is read from the IP header on', () => {
  const bytes = encodeEcho(LOCAL, ECHO);
  bytes[8] = 254;
  assert.deepEqual(decodeEcho(bytes), { ...ECHO, address: LOCAL, ttl: 254 });
  const withOptions = Uint8Array.of(0x46, ...bytes.slice(1, 20), 1, 1, 1, 0, ...bytes.slice(20));
  assert.deepEqual(decodeEcho(withOptions), { ...ECHO, address: LOCAL, ttl: 254 });
  // Ethernet pads short frames.
  assert.deepEqual(decodeEcho(Uint8Array.of(...bytes, 0, 0, 0)), {
    ...ECHO,
    address: LOCAL,
    ttl: 254,
  });
});

test('anything else is nothing', () => {
  const bytes = encodeEcho(LOCAL, ECHO);
  const changed = (at: number, value: number): Uint8Array => bytes.with(at, value);
  const cases: readonly Uint8Array[] = [
    new Uint8Array(0),
    bytes.slice(0, -1),
    changed(0, 0x65),
    changed(0, 0x41),
    changed(0, 0x4f),
    changed(6, 0x20),
    changed(7, 1),
    changed(9, 6),
    changed(23, 0xca),
    changed(25, 21),
  ];
  for (const input of cases) assert.equal(decodeEcho(input), undefined, formatHex(input));
});

test('any octets are read without a throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => void decodeEcho(bytes)));
});
