import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeAoKey, encodeAoRemoval, encodeMd5Key } from './tcp-keys.ts';

const hex = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.subarray(from, to)).toString('hex');
const text = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.subarray(from, to)).toString().replaceAll('\0', '');

// The layouts of linux/tcp.h on a 64-bit little-endian machine.

test('struct tcp_md5sig: a host has no prefix flag, a range has', () => {
  const host = encodeMd5Key({ peer: '192.0.2.7/32' }, 'abc');
  assert.equal(host.length, 216);
  assert.equal(hex(host, 0, 8), '02000000c0000207');
  assert.equal(hex(host, 128, 136), '0000030000000000');
  assert.equal(text(host, 136, 216), 'abc');
  const range = encodeMd5Key({ peer: '192.0.2.0/24' }, 'abc');
  assert.equal(hex(range, 128, 132), '01180300');
});

test('struct tcp_ao_add: address, algorithm, IDs, and the first key signs', () => {
  const key = { sendId: 5, recvId: 6, algorithm: 'hmac(sha256)', secret: [1, 2, 255] };
  const bytes = encodeAoKey({ peer: '2001:db8::1/128' }, key, true);
  assert.equal(bytes.length, 288);
  assert.equal(hex(bytes, 0, 24), '0a0000000000000020010db8000000000000000000000001');
  assert.equal(text(bytes, 128, 192), 'hmac(sha256)');
  assert.equal(
    hex(bytes, 192, 212),
    '00000000' + '03000000' + '0000' + '800506' + '0000' + '03' + '0102ff00',
  );
  const second = encodeAoKey({ peer: 'fe80::1/128', scopeId: 3 }, key, false);
  assert.equal(hex(second, 196, 200), '00000000');
  assert.equal(hex(second, 24, 28), '03000000', 'scope of a link-local peer');
});

test('struct tcp_ao_del: the same address and IDs', () => {
  const key = { sendId: 5, recvId: 6, algorithm: 'hmac(sha1)', secret: [1] };
  const bytes = encodeAoRemoval({ peer: '192.0.2.7/32' }, key);
  assert.equal(bytes.length, 144);
  assert.equal(hex(bytes, 128, 144), '00000000' + '00000000' + '0000' + '200506' + '000000');
});
