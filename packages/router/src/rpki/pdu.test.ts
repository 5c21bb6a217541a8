import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseHex } from '@rookery/net';
import { decodePdu, encodePdu, pduLengthAt, RTR_ERROR } from './pdu.ts';
import type { RtrPdu } from './pdu.ts';

const hex = (text: string): Uint8Array => parseHex(text)!;

test('each PDU has the octets of RFC 8210 §5', () => {
  const about = hex('0102000000000008');
  const cases: readonly [RtrPdu, string][] = [
    [{ kind: 'serialNotify', sessionId: 0x4d, serial: 5 }, '0100004d0000000c 00000005'],
    [{ kind: 'serialQuery', sessionId: 0x4d, serial: 5 }, '0101004d0000000c 00000005'],
    [{ kind: 'resetQuery' }, '0102000000000008'],
    [{ kind: 'cacheResponse', sessionId: 0x4d }, '0103004d00000008'],
    [
      {
        kind: 'prefix',
        announce: true,
        vrp: { family: 'ipv4', address: '203.0.113.0', length: 24, maxLength: 25, asn: 65002 },
      },
      '0104000000000014 01181900 cb007100 0000fdea',
    ],
    [
      {
        kind: 'prefix',
        announce: false,
        vrp: { family: 'ipv6', address: '2001:db8::', length: 32, maxLength: 48, asn: 65002 },
      },
      '0106000000000020 00203000 20010db8000000000000000000000000 0000fdea',
    ],
    [
      {
        kind: 'endOfData',
        sessionId: 0x4d,
        serial: 5,
        timers: { refreshSec: 3600, retrySec: 600, expireSec: 7200 },
      },
      '0107004d00000018 00000005 00000e10 00000258 00001c20',
    ],
    [{ kind: 'cacheReset' }, '0108000000000008'],
    [
      { kind: 'errorReport', code: 2, about, text: 'no' },
      '010a00020000001a 00000008 0102000000000008 00000002 6e6f',
    ],
  ];
  for (const [pdu, octets] of cases) {
    assert.deepEqual(encodePdu(pdu, 1), hex(octets), pdu.kind);
    const decoded = decodePdu(hex(octets));
    assert.ok(decoded.ok, pdu.kind);
    assert.deepEqual(decoded.value, { version: 1, pdu });
  }
  const end = decodePdu(hex('0007004d0000000c 00000005'));
  assert.ok(end.ok);
  assert.deepEqual(end.value.pdu, { kind: 'endOfData', sessionId: 0x4d, serial: 5 });
});

test('every length and field that cannot be is a fault with the code of RFC 8210 §12', () => {
  const { corruptData, unsupportedPduType } = RTR_ERROR;
  const cases: readonly [string, string, number][] = [
    ['Serial Notify too short', '0100004d00000008', corruptData],
    ['Serial Notify too long', '0100004d0000000d 0000000500', corruptData],
    ['Reset Query with a body', '010200000000000c 00000000', corruptData],
    ['Cache Response with a body', '0103004d0000000c 00000000', corruptData],
    ['IPv4 prefix cut', '0104000000000010 01181900 cb007100', corruptData],
    ['IPv4 prefix as long as IPv6', `0104000000000020 01181900 ${'00'.repeat(20)}`, corruptData],
    ['IPv4 length 33', '0104000000000014 01212100 cb007100 0000fdea', corruptData],
    ['IPv4 max length 33', '0104000000000014 01182100 cb007100 0000fdea', corruptData],
    ['max length below length', '0104000000000014 01181700 cb007100 0000fdea', corruptData],
    ['IPv6 length 129', `0106000000000020 01818100 ${'00'.repeat(20)}`, corruptData],
    ['IPv6 prefix cut', '0106000000000014 01203000 20010db8 00000000', corruptData],
    ['End of Data v1 with v0 length', '0107004d0000000c 00000005', corruptData],
    ['End of Data v0 with v1 length', `0007004d00000018 ${'00'.repeat(16)}`, corruptData],
    ['Cache Reset with a body', '010800000000000c 00000000', corruptData],
    ['Router Key in version 0', `0009000000000021 ${'00'.repeat(25)}`, unsupportedPduType],
    ['Router Key without key', `0109000000000020 ${'00'.repeat(24)}`, corruptData],
    ['Error Report too short', '010a00000000000c 00000000', corruptData],
    ['Error Report, PDU too long', '010a000000000010 00000001 00000000', corruptData],
    ['Error Report, PDU length -1', '010a000000000010 ffffffff 00000000', corruptData],
    ['Error Report, text too long', '010a000000000010 00000000 00000001', corruptData],
    ['Error Report, text too short', '010a000000000011 00000000 00000000 41', corruptData],
    ['PDU type 5', '0105000000000008', unsupportedPduType],
    ['PDU type 11', '010b000000000008', unsupportedPduType],
    ['PDU type 255', '01ff000000000008', unsupportedPduType],
    ['header says more than there is', '0102000000000009', corruptData],
    ['cut header', '01020000', corruptData],
    ['empty', '', corruptData],
  ];
  for (const [name, octets, code] of cases) {
    const decoded = decodePdu(hex(octets));
    assert.equal(decoded.ok, false, name);
    if (!decoded.ok) assert.equal(decoded.error.code, code, name);
  }
});

test('the length of a PDU is known from its header, or the stream is lost', () => {
  assert.equal(pduLengthAt(hex('01020000000000'), 0), undefined);
  assert.deepEqual(pduLengthAt(hex('ff0102000000000008'), 1), { ok: true, value: 8 });
  for (const length of ['00000007', '00000000', '00010001', 'ffffffff']) {
    assert.equal(pduLengthAt(hex(`01020000${length}`), 0)?.ok, false, length);
  }
});

test('an error text of the cache cannot break a log line', () => {
  const decoded = decodePdu(hex('010a000100000014 00000000 00000004 0a1b5b41'));
  assert.ok(decoded.ok && decoded.value.pdu.kind === 'errorReport');
  assert.equal(decoded.value.pdu.text, '??[A');
});

test('decode never throws, and what it takes is stable under encode', () => {
  const header = fc
    .tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 12 }), fc.nat(0xffff))
    .chain(([version, type, field]) =>
      fc.uint8Array({ maxLength: 40 }).map((body) => {
        const octets = new Uint8Array(8 + body.length);
        octets.set([version, type, field >> 8, field & 0xff, 0, 0, 0, octets.length]);
        octets.set(body, 8);
        return octets;
      }),
    );
  fc.assert(
    fc.property(fc.oneof(header, fc.uint8Array({ maxLength: 64 })), (octets) => {
      const decoded = decodePdu(octets);
      if (!decoded.ok) return;
      const { version, pdu } = decoded.value;
      if (pdu.kind === 'routerKey' || version > 1) return;
      const again = decodePdu(encodePdu(pdu, version as 0 | 1));
      assert.deepEqual(again, decoded);
    }),
    { numRuns: 2000 },
  );
});
