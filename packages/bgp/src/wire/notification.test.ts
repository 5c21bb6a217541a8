import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHex, parseHex } from '@rookery/net';
import { birdErrorText, frrErrorDigits, frrErrorText } from './error-texts.ts';
import { NO_DATA } from './fault.ts';
import {
  birdNotificationText,
  ceaseNotification,
  decodeNotification,
  encodeNotification,
  hardReset,
} from './notification.ts';
import { decodeRouteRefresh, encodeRouteRefresh } from './route-refresh.ts';

const MARKER = 'ffffffffffffffffffffffffffffffff';

// Captured in the lab (BIRD 2.0.12, FRR 9.1), 2026-11-23.
test('captured notifications', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['0015030603', 'Peer de-configured', 'Cease/Peer De-configured'],
    [
      '0020030602 0a 647261696e206e6f6465',
      'Administrative shutdown: "drain node"',
      'Cease/Administrative Shutdown',
    ],
    ['00190302020000fbf1', 'Bad peer AS: 64497', 'OPEN Message Error/Bad Peer AS'],
    ['0017030202fbf0', 'Bad peer AS: 64496', 'OPEN Message Error/Bad Peer AS'],
    ['0015030400', 'Hold timer expired', 'Hold Timer Expired'],
    [
      '001b0302070104 00010001',
      'Required capability missing: 010400010001',
      'OPEN Message Error/Unsupported Capability',
    ],
  ];
  for (const [hex, bird, frr] of cases) {
    const bytes = parseHex(MARKER + hex)!;
    const decoded = decodeNotification(bytes, 0, bytes.length);
    assert.equal(birdNotificationText(decoded), bird);
    assert.equal(frrErrorText(decoded.code, decoded.subcode), frr);
    assert.equal(formatHex(encodeNotification(decoded)), formatHex(bytes));
  }
});

test('shutdown text is bounded, checked and escaped', () => {
  const text = (data: string): string | undefined => {
    const bytes = encodeNotification({ code: 6, subcode: 2, data: parseHex(data)! });
    return decodeNotification(bytes, 0, bytes.length).text;
  };
  assert.equal(text(''), undefined);
  assert.equal(text('00'), undefined);
  assert.equal(text('05 6162'), undefined, 'length beyond the message');
  assert.equal(text('02 61620a'), 'ab', 'octets behind the text');
  assert.equal(text('03 611b62'), 'a\\x1bb');
  assert.equal(text('02 c328'), '\\xc3(');
  const long = ceaseNotification(2, '\u00e9'.repeat(200));
  assert.equal(long.data[0], 254);
  const bytes = encodeNotification(long);
  assert.equal(decodeNotification(bytes, 0, bytes.length).text, '\u00e9'.repeat(127));
});

test('a hard reset is unwrapped, a short one is not', () => {
  const bytes = encodeNotification(hardReset({ code: 6, subcode: 4, data: NO_DATA }));
  const decoded = decodeNotification(bytes, 0, bytes.length);
  assert.deepEqual([decoded.code, decoded.subcode, decoded.hard], [6, 4, true]);
  const short = encodeNotification({ code: 6, subcode: 9, data: NO_DATA });
  assert.equal(decodeNotification(short, 0, short.length).hard, false);
});

test('what nobody defined has a text too', () => {
  assert.equal(birdErrorText(6, 77), 'Unknown error 6.77');
  assert.equal(frrErrorText(6, 77), 'Cease/Unknown');
  assert.equal(frrErrorDigits(6, 10), '060A');
});

test('any notification decodes and prints without control characters', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), fc.uint8Array({ maxLength: 300 }), (code, sub, data) => {
      const bytes = encodeNotification({ code, subcode: sub, data });
      const decoded = decodeNotification(bytes, 0, bytes.length);
      const text = birdNotificationText(decoded) + frrErrorText(decoded.code, decoded.subcode);
      assert.ok([...text].every((character) => character >= ' ' && character !== '\u007f'));
    }),
  );
});

test('ROUTE-REFRESH in both directions', () => {
  const request = encodeRouteRefresh('ipv4', 'request');
  assert.equal(formatHex(request), `${MARKER}0017050001 00 01`.replaceAll(' ', ''));
  for (const kind of ['request', 'begin', 'end'] as const) {
    const bytes = encodeRouteRefresh('ipv6', kind);
    const decoded = decodeRouteRefresh(bytes, 0, bytes.length);
    assert.deepEqual(decoded, { ok: true, value: { afi: 2, safi: 1, family: 'ipv6', kind } });
  }
  const odd = encodeRouteRefresh('ipv4', 'request');
  odd[21] = 7;
  assert.deepEqual(decodeRouteRefresh(odd, 0, 23), {
    ok: true,
    value: { afi: 1, safi: 1, family: 'ipv4' },
  });
  const begin = Uint8Array.from([...encodeRouteRefresh('ipv4', 'begin'), 0]);
  const refused = decodeRouteRefresh(begin, 0, 24);
  assert.ok(!refused.ok);
  assert.deepEqual([refused.error.code, refused.error.subcode], [7, 1]);
});
