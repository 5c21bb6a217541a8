// OPEN in both directions. The hexadecimal samples were captured in the lab from FRR 9.1, 8.4.4, 10.3
// and BIRD 2.0.12 on 2026-11-23.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHex, parseHex } from '@rookery/net';
import { NO_CAPABILITIES } from './capabilities.ts';
import { FrameReader } from './frame-reader.ts';
import { decodeOpen, encodeOpen } from './open.ts';
import type { DecodedOpen } from './open.ts';
import type { CapabilitySet } from './capability-set.ts';

const MARKER = 'ffffffffffffffffffffffffffffffff';
const SAMPLES = {
  'frr 9.1':
    '00740104fbf10000c0a8020157020601040001000102060104000200010202020002024600020641040000fbf102020600020a45080001010100020101020d490b096e6f6465312e6c616e0002044002c0780210470e0001018000000000020180000000',
  'frr 8.4.4':
    '00780104fbf10000c0a802015b02060104000100010206010400020001020280000202020002024600020641040000fbf102020600020a45080001010100020101020d490b096e6f6465322e6c616e000204400240780210470e0001018000000000020180000000',
  'frr 10.3':
    '00820104fbf10000c0a8020165020601040001000102060104000200010202020002024600020641040000fbf102020600020a45080001010100020101020c4c0a00010100000002010000020d490b096e6f6465332e6c616e000204400240780210470e0001018000000000020180000000',
  'bird 2.0.12': '00350104fbf000f0c0a8010118021601040001000102004002007841040000fbf046004700',
} as const;

function decodeSample(name: keyof typeof SAMPLES): DecodedOpen {
  const bytes = parseHex(MARKER + SAMPLES[name])!;
  const reader = new FrameReader();
  reader.push(bytes);
  assert.equal(reader.next(), 'message', name);
  const open = decodeOpen(reader.bytes, reader.start, reader.end);
  assert.ok(open.ok, name);
  return open.value;
}

test('OPEN of FRR 9.1', () => {
  const open = decodeSample('frr 9.1');
  assert.equal(open.asn, 64497);
  assert.equal(open.holdTimeSec, 0);
  assert.equal(open.id, '192.168.2.1');
  assert.deepEqual(open.capabilities, {
    any: true,
    families: ['ipv4', 'ipv6'],
    otherFamilies: [],
    routeRefresh: true,
    routeRefreshOld: false,
    enhancedRouteRefresh: true,
    extendedMessages: true,
    extendedNextHop: [],
    as4: 64497,
    addPath: [
      { family: 'ipv4', rx: true, tx: false },
      { family: 'ipv6', rx: true, tx: false },
    ],
    hostname: 'node1.lan',
    gracefulRestart: { restarting: true, notification: true, restartTimeSec: 120, families: [] },
    longLived: {
      families: [
        { family: 'ipv4', forwardingPreserved: true, staleTimeSec: 0 },
        { family: 'ipv6', forwardingPreserved: true, staleTimeSec: 0 },
      ],
    },
    dynamic: false,
    pathsLimit: [],
    unknown: [],
  } satisfies CapabilitySet);
});

test('OPEN of FRR 8.4.4 and 10.3 differ where the versions do', () => {
  const old = decodeSample('frr 8.4.4').capabilities;
  assert.equal(old.routeRefreshOld, true);
  assert.equal(old.gracefulRestart?.restarting, false);
  const recent = decodeSample('frr 10.3').capabilities;
  assert.equal(recent.hostname, 'node3.lan');
  assert.deepEqual(recent.pathsLimit, [
    { family: 'ipv4', limit: 0 },
    { family: 'ipv6', limit: 0 },
  ]);
});

test('OPEN of BIRD 2.0.12 is reproduced octet by octet', () => {
  const open = decodeSample('bird 2.0.12');
  assert.equal(open.asn, 64496);
  assert.equal(open.holdTimeSec, 240);
  assert.deepEqual(open.capabilities.longLived, { families: [] });
  assert.equal(formatHex(encodeOpen(open)), MARKER + SAMPLES['bird 2.0.12']);
});

test('a four-octet AS shows AS_TRANS in the old field', () => {
  const bytes = encodeOpen({
    asn: 4200000001,
    holdTimeSec: 90,
    id: '10.0.0.1',
    capabilities: { ...NO_CAPABILITIES, any: true, as4: 4200000001 },
  });
  const open = decodeOpen(bytes, 0, bytes.length);
  assert.ok(open.ok);
  assert.equal(open.value.as2, 23456);
  assert.equal(open.value.asn, 4200000001);
});

// Body octets behind "version 4, AS 64497, hold 180, id 10.0.0.1".
const BODY = '04fbf100b40a000001';
const MALFORMED: readonly (readonly [string, string, string])[] = [
  ['optional length beyond the message', `${BODY}05`, '2/0 '],
  ['octets behind the parameters', `${BODY}00ff`, '2/0 '],
  ['parameter cut in its header', `${BODY}0102`, '2/0 '],
  ['parameter longer than the rest', `${BODY}0402040102`, '2/0 '],
  ['authentication parameter', `${BODY}03010100`, '2/4 '],
  ['unknown parameter', `${BODY}02fe00`, '2/4 '],
  ['extended length without octets (CVE-2022-40302)', `${BODY}ff`, '2/0 '],
  ['extended mark cut short (CVE-2022-40318)', `${BODY}ffff`, '2/0 '],
  ['extended mark and half a length', `${BODY}ffff00`, '2/0 '],
  ['extended length beyond the message', `${BODY}ffff0009`, '2/0 '],
  ['extended parameter cut short', `${BODY}ffff00020200`, '2/0 '],
  ['capability cut in its header', `${BODY}03020141`, '2/0 '],
  ['capability longer than the parameter', `${BODY}0402024104`, '2/0 '],
  ['multiprotocol of two octets', `${BODY}06020401020001`, '2/0 '],
  ['multiprotocol of length 0', `${BODY}0402020100`, '2/0 '],
  ['graceful restart of one octet', `${BODY}050203400178`, '2/0 '],
  ['graceful restart with half a family', `${BODY}070205400340780001`, '2/0 '],
  ['long-lived with half a family', `${BODY}05020347010000`, '2/0 '],
  ['four-octet AS of two octets', `${BODY}0602044102fbf1`, '2/0 '],
  ['add-path of three octets', `${BODY}0702054503000101`, '2/0 '],
  ['two different roles', `${BODY}0802060901000901 03`, '2/0 '],
  ['version 5', '05fbf100b40a00000100', '2/1 0004'],
  ['hold time 1', '04fbf100010a00000100', '2/6 0001'],
];

for (const [name, body, expected] of MALFORMED) {
  test(`malformed OPEN: ${name}`, () => {
    const content = parseHex(body)!;
    const bytes = Uint8Array.from([...new Uint8Array(19).fill(255), ...content]);
    const open = decodeOpen(bytes, 0, bytes.length);
    assert.ok(!open.ok);
    const { code, subcode, data } = open.error;
    assert.equal(`${code}/${subcode} ${formatHex(data)}`, expected);
  });
}

const TOLERATED: readonly (readonly [string, string])[] = [
  ['host name of length 0', `${BODY}0402024900`],
  ['host name longer than the capability', `${BODY}06020449020961`],
  ['software version of length 0 (CVE-2025-43971)', `${BODY}0502034b0100`],
  ['software version longer than the capability', `${BODY}0502034b01ff`],
  ['paths limit of three octets', `${BODY}0702054c03000101`],
  ['unknown capability', `${BODY}050203c80161`],
  ['the same capability twice', `${BODY}10 0206 4104 0000fbf1 0206 4104 0000fbf1`],
  ['extended format for a short list', `${BODY}ff ff0005 020002 0200`],
  ['add-path with an undefined mode', `${BODY}08020645040001 0104`],
];

for (const [name, body] of TOLERATED) {
  test(`tolerated in OPEN: ${name}`, () => {
    const content = parseHex(body)!;
    const bytes = Uint8Array.from([...new Uint8Array(19).fill(255), ...content]);
    assert.ok(decodeOpen(bytes, 0, bytes.length).ok);
  });
}

test('what a peer calls itself cannot act on a terminal', () => {
  const bytes = encodeOpen({
    asn: 64497,
    holdTimeSec: 90,
    id: '10.0.0.1',
    capabilities: { ...NO_CAPABILITIES, any: true, hostname: 'a\u001b[2J\u202eb' },
  });
  const open = decodeOpen(bytes, 0, bytes.length);
  assert.ok(open.ok);
  assert.equal(open.value.capabilities.hostname, 'a\\x1b[2J\\u202eb');
});

const family = fc.constantFrom('ipv4' as const, 'ipv6' as const);
const familySet = fc.uniqueArray(family);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const capabilitySet: fc.Arbitrary<CapabilitySet> = fc
  .record(
    {
      families: familySet,
      otherFamilies: fc.array(
        fc.record({ afi: fc.integer({ min: 3, max: 20000 }), safi: fc.nat(255) }),
        { maxLength: 60 },
      ),
      routeRefresh: fc.boolean(),
      routeRefreshOld: fc.boolean(),
      enhancedRouteRefresh: fc.boolean(),
      extendedMessages: fc.boolean(),
      extendedNextHop: familySet,
      role: fc.nat(255),
      as4: u32,
      addPath: fc.uniqueArray(
        fc.record({ family, rx: fc.boolean(), tx: fc.boolean() }).filter(({ rx, tx }) => rx || tx),
        { selector: (entry) => entry.family },
      ),
      gracefulRestart: fc.record({
        restarting: fc.boolean(),
        notification: fc.boolean(),
        restartTimeSec: fc.nat(4095),
        families: fc.uniqueArray(fc.record({ family, forwardingPreserved: fc.boolean() }), {
          selector: (entry) => entry.family,
        }),
      }),
      longLived: fc.record({
        families: fc.uniqueArray(
          fc.record({ family, forwardingPreserved: fc.boolean(), staleTimeSec: fc.nat(0xffffff) }),
          { selector: (entry) => entry.family },
        ),
      }),
      hostname: fc.stringMatching(/^[a-z0-9.-]{1,64}$/),
      dynamic: fc.boolean(),
      pathsLimit: fc.uniqueArray(fc.record({ family, limit: u16 }), {
        selector: (entry) => entry.family,
      }),
      unknown: fc.array(
        fc.record({
          code: fc.integer({ min: 200, max: 250 }),
          value: fc.uint8Array({ maxLength: 40 }),
        }),
        { maxLength: 8 },
      ),
    },
    {
      requiredKeys: [
        'families',
        'otherFamilies',
        'routeRefresh',
        'routeRefreshOld',
        'enhancedRouteRefresh',
        'extendedMessages',
        'extendedNextHop',
        'addPath',
        'dynamic',
        'pathsLimit',
        'unknown',
      ],
    },
  )
  .map((set) => structuredClone({ ...set, any: true }) as CapabilitySet);

test('what is encoded decodes to the same, in short and in extended format', () => {
  fc.assert(
    fc.property(capabilitySet, u16, (capabilities, as2) => {
      const open = { asn: capabilities.as4 ?? as2, holdTimeSec: 180, id: '10.0.0.1', capabilities };
      const bytes = encodeOpen(open);
      const decoded = decodeOpen(bytes, 0, bytes.length);
      assert.ok(decoded.ok);
      const any = capabilities.unknown.length > 0 || decoded.value.capabilities.any;
      assert.deepEqual(decoded.value.capabilities, { ...capabilities, any });
      assert.equal(decoded.value.extendedParameters, bytes.length > 285);
    }),
    { numRuns: 200 },
  );
});

test('no octets make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 10, maxLength: 300 }), (body) => {
      body[0] = 4;
      const bytes = Uint8Array.from([...new Uint8Array(19).fill(255), ...body]);
      const once = decodeOpen(bytes, 0, bytes.length);
      if (!once.ok) return;
      const again = encodeOpen(once.value);
      const twice = decodeOpen(again, 0, again.length);
      assert.ok(twice.ok);
      assert.deepEqual(twice.value.capabilities, once.value.capabilities);
    }),
    { numRuns: 500 },
  );
});
