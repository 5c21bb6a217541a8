import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHex, parseHex } from '@rookery/net';
import { signBfd, verifyBfd } from './auth.ts';
import type { BfdAuthKind, BfdKey, Digests } from './auth.ts';
import { decodeBfd, encodeBfd } from './packet.ts';
import type { BfdPacket, BfdPacketFault, DecodedBfdPacket } from './packet.ts';

const u32 = fc.nat(0xffffffff);
const packet: fc.Arbitrary<BfdPacket> = fc
  .record({
    diagnostic: fc.nat(31),
    state: fc.constantFrom('AdminDown' as const, 'Down' as const, 'Init' as const, 'Up' as const),
    poll: fc.boolean(),
    final: fc.boolean(),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    multiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    desiredMinTxUs: u32,
    requiredMinRxUs: u32,
    requiredMinEchoRxUs: u32,
  })
  .map((value) => structuredClone(value));

// version 1, Up, multiplier 3, 300 ms both ways: what FRR sends in the lab's configuration.
const UP = '20c00318 00000001 00000002 000493e0 000493e0 00000000';

test('a packet in both directions', () => {
  const bytes = parseHex(UP)!;
  const decoded = decodeBfd(bytes);
  assert.deepEqual(decoded, {
    ok: true,
    value: {
      diagnostic: 0,
      state: 'Up',
      poll: false,
      final: false,
      controlPlaneIndependent: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 1,
      yourDiscriminator: 2,
      desiredMinTxUs: 300000,
      requiredMinRxUs: 300000,
      requiredMinEchoRxUs: 0,
    },
  });
  assert.ok(decoded.ok);
  assert.deepEqual(encodeBfd(decoded.value), bytes);
});

test('malformed packets are dropped for a reason', () => {
  const cases: readonly (readonly [string, BfdPacketFault])[] = [
    ['', 'tooShort'],
    [UP.slice(0, -2), 'tooShort'],
    [`00${UP.slice(2)}`, 'badVersion'],
    [`40${UP.slice(2)}`, 'badVersion'],
    [UP.replace('20c00318', '20c00317'), 'badLength'],
    [UP.replace('20c00318', '20c00319'), 'badLength'],
    [UP.replace('20c00318', '20c40318'), 'badLength'],
    [UP.replace('20c00318', '20c00018'), 'zeroMultiplier'],
    [UP.replace('20c00318', '20c10318'), 'multipoint'],
    [UP.replace('00000001', '00000000'), 'zeroDiscriminator'],
    [UP.replace('00000002', '00000000'), 'zeroYourDiscriminator'],
    [`${UP.replace('20c00318', '20c4031b')} 010901`, 'badAuthSection'],
  ];
  for (const [hex, fault] of cases) {
    assert.deepEqual(decodeBfd(parseHex(hex)!), { ok: false, error: fault }, hex);
  }
});

test('octets behind the length are ignored, as UDP may pad', () => {
  assert.ok(decodeBfd(parseHex(`${UP}ffff`)!).ok);
});

test('packets survive encoding, random octets do not throw', () => {
  fc.assert(
    fc.property(packet, (value) => {
      assert.deepEqual(decodeBfd(encodeBfd(value)), { ok: true, value });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      if (bytes.length > 0) bytes[0] = 0x20 | (bytes[0]! & 31);
      const decoded = decodeBfd(bytes);
      if (decoded.ok) verifyBfd(bytes, decoded.value, KEYS[1], undefined, DIGESTS);
    }),
    { numRuns: 500 },
  );
});

const DIGESTS: Digests = {
  md5: (bytes) => createHash('md5').update(bytes).digest(),
  sha1: (bytes) => createHash('sha1').update(bytes).digest(),
};
const KINDS: readonly BfdAuthKind[] = [
  'simple',
  'keyedMd5',
  'meticulousKeyedMd5',
  'keyedSha1',
  'meticulousKeyedSha1',
];
const KEYS: readonly BfdKey[] = KINDS.map((kind) => ({ kind, id: 7, password: 'barn owl' }));

function signed(key: BfdKey, sequence: number): { bytes: Uint8Array; packet: DecodedBfdPacket } {
  const plain = decodeBfd(parseHex(UP)!);
  assert.ok(plain.ok);
  const bytes = signBfd(plain.value, key, sequence, DIGESTS);
  const decoded = decodeBfd(bytes);
  assert.ok(decoded.ok);
  return { bytes, packet: decoded.value };
}

for (const key of KEYS) {
  test(`authentication: ${key.kind}`, () => {
    const { bytes, packet: value } = signed(key, 1000);
    const number = key.kind === 'simple' ? 0 : 1000;
    const verify = (candidate: BfdKey | undefined, last?: number): unknown =>
      verifyBfd(bytes, value, candidate, last, DIGESTS);
    assert.deepEqual(verify(key), { ok: true, value: number });
    assert.deepEqual(verify({ ...key, password: 'rook' }), { ok: false, error: 'digest' });
    assert.deepEqual(verify({ ...key, id: 8 }), { ok: false, error: 'wrongKey' });
    assert.deepEqual(verify(undefined), { ok: false, error: 'unexpected' });
    const other = KEYS.find(({ kind }) => kind !== key.kind)!;
    assert.deepEqual(verify(other), { ok: false, error: 'wrongType' });
    // Any single flipped bit of the signed part is noticed.
    if (key.kind !== 'simple') {
      for (let at = 12; at < bytes.length; at++) {
        if (at === 25 || at === 24 || at === 26) continue;
        const forged = bytes.slice();
        forged[at]! ^= 1;
        assert.ok(!verifyBfd(forged, value, key, undefined, DIGESTS).ok, `octet ${at}`);
      }
      assert.deepEqual(verify(key, 1001), { ok: false, error: 'sequence' });
      assert.deepEqual(verify(key, 990), { ok: false, error: 'sequence' });
      assert.ok((verify(key, 991) as { ok: boolean }).ok);
      const meticulous = key.kind.startsWith('meticulous');
      assert.equal((verify(key, 1000) as { ok: boolean }).ok, !meticulous);
    }
  });
}

test('sequence numbers wrap, an unsigned packet needs no key', () => {
  const key = KEYS[4]!;
  const { bytes, packet: value } = signed(key, 1);
  assert.deepEqual(verifyBfd(bytes, value, key, 0xffffffff, DIGESTS), { ok: true, value: 1 });
  const plain = parseHex(UP)!;
  const decoded = decodeBfd(plain);
  assert.ok(decoded.ok);
  assert.deepEqual(verifyBfd(plain, decoded.value, key, undefined, DIGESTS), {
    ok: false,
    error: 'missing',
  });
  assert.ok(verifyBfd(plain, decoded.value, undefined, undefined, DIGESTS).ok);
});

test('the keyed SHA1 digest is over packet and padded key (RFC 5880 §4.4)', () => {
  const { bytes } = signed(KEYS[3]!, 1000);
  const input = bytes.slice();
  const secret = new Uint8Array(20);
  secret.set(Buffer.from('barn owl'));
  input.set(secret, 32);
  assert.equal(formatHex(bytes.slice(32)), createHash('sha1').update(input).digest('hex'));
  assert.equal(formatHex(bytes.slice(24, 32)), '041c0700000003e8');
});
