// UPDATE in both directions: captured samples (lab, 2026-11-23), packing at the limits, ADD-PATH,
// AS4 merging, and properties over random attributes and prefixes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatHex, formatPrefix, formatWords, parseHex } from '@rookery/net';
import type { Family } from '@rookery/net';
import {
  asPathLength,
  countAsInPath,
  firstAs,
  mergeAs4Path,
  originAs,
  prependAs,
} from './as-path.ts';
import { decodePathAttributes } from './attribute-decode.ts';
import { encodeMpNextHop, encodePathAttributes } from './attribute-encode.ts';
import { appendNlri, createNlriBatch, decodeNlri } from './nlri.ts';
import type { AsPathSegment, PathAttributes } from './path-attributes.ts';
import {
  copyAttributeBlock,
  createAttributeScan,
  endOfRibFamily,
  scanPathAttributes,
  createUpdateSections,
  splitUpdate,
} from './update-decode.ts';
import { encodeEndOfRib, encodeReach, encodeUnreach } from './update-encode.ts';
import type { AttributeContext, NlriBatch, UpdateSections } from './update-types.ts';

const MARKER = 'ffffffffffffffffffffffffffffffff';
const EXTERNAL: AttributeContext = {
  as4: true,
  peerType: 'external',
  confederation: false,
  allowLocalPref: false,
  allowAsSets: true,
  aigp: false,
  extendedNextHop: false,
};
const INTERNAL: AttributeContext = {
  ...EXTERNAL,
  peerType: 'internal',
  confederation: true,
  aigp: true,
};

function split(bytes: Uint8Array): UpdateSections {
  const sections = createUpdateSections();
  assert.equal(splitUpdate(bytes, 0, bytes.length, sections), undefined);
  return sections;
}

function prefixes(batch: NlriBatch, family: Family): string[] {
  const stride = family === 'ipv4' ? 1 : 4;
  return Array.from({ length: batch.count }, (_, i) => {
    const words = Array.from(batch.words.slice(i * stride, (i + 1) * stride), (word) => word >>> 0);
    assert.equal(
      formatPrefix(words, batch.lengths[i]!),
      `${formatWords(words)}/${batch.lengths[i]}`,
    );
    return formatPrefix(words, batch.lengths[i]!);
  });
}

test('UPDATE of FRR 9.1 for one address', () => {
  const bytes = parseHex(
    `${MARKER} 0038 02 0000 001c 40010100 50020006 02010000fbf1 400304c0a80120 80040400000000 20c0a80201`,
  )!;
  const at = split(bytes);
  const decoded = decodePathAttributes(
    bytes,
    at.attributesStart,
    at.attributesEnd,
    EXTERNAL,
    'classic',
  );
  assert.deepEqual(decoded, {
    attributes: {
      origin: 0,
      asPath: [{ type: 2, asns: [64497] }],
      nextHop: '192.168.1.32',
      med: 0,
    },
    faults: [],
  });
  const batch = createNlriBatch();
  assert.equal(decodeNlri(bytes, at.nlriStart, at.nlriEnd, 'ipv4', false, batch), undefined);
  assert.deepEqual(prefixes(batch, 'ipv4'), ['192.168.2.1/32']);
});

test('withdrawal and End-of-RIB as captured', () => {
  const batch = createNlriBatch();
  appendNlri(batch, [0xc0a80201], 32);
  const template = {
    family: 'ipv4',
    addPath: false,
    maxLength: 4096,
    multiprotocol: false,
  } as const;
  const { bytes } = encodeUnreach(template, batch, 0);
  assert.equal(formatHex(bytes), `${MARKER}001c02000520c0a802010000`);
  const at = split(bytes);
  const back = createNlriBatch();
  assert.equal(
    decodeNlri(bytes, at.withdrawnStart, at.withdrawnEnd, 'ipv4', false, back),
    undefined,
  );
  assert.deepEqual(prefixes(back, 'ipv4'), ['192.168.2.1/32']);
  assert.equal(formatHex(encodeEndOfRib('ipv4')), `${MARKER}00170200000000`);
  assert.equal(formatHex(encodeEndOfRib('ipv6')), `${MARKER}001d0200000006800f03000201`);
});

test('an End-of-RIB is told from what only looks like one', () => {
  const family = (hex: string): Family | undefined => {
    const bytes = parseHex(MARKER + hex)!;
    return endOfRibFamily(bytes, 0, bytes.length);
  };
  assert.equal(family('00170200000000'), 'ipv4');
  assert.equal(family('001d0200000006800f03000201'), 'ipv6');
  assert.equal(family('001e0200000007900f0003000201'), 'ipv6', 'extended length');
  assert.equal(family('001d0200000006800f03000101'), 'ipv4', 'multiprotocol form');
  assert.equal(family('001d0200000006800f03000185'), undefined, 'another SAFI');
  assert.equal(family('001d0200000006800e03000201'), undefined, 'MP_REACH_NLRI');
  assert.equal(family('001c02000520c0a802010000'), undefined, 'a withdrawal');
});

test('attributes are written as BIRD writes them', () => {
  const attributes: PathAttributes = {
    origin: 0,
    asPath: [{ type: 2, asns: [64497] }],
    nextHop: '192.168.1.32',
    communities: [0xfbf10064],
    largeCommunities: [64497, 1, 2],
  };
  assert.equal(
    formatHex(encodePathAttributes(attributes, { as4: true, nextHop: true })),
    '40010100' +
      '400206' +
      '02010000fbf1' +
      '400304c0a80120' +
      'c00804fbf10064' +
      'c0200c0000fbf10000000100000002',
  );
});

test('a two-octet speaker is told the whole path', () => {
  const attributes: PathAttributes = {
    origin: 0,
    asPath: [{ type: 2, asns: [64496, 4200000001, 65001] }],
    nextHop: '10.0.0.1',
    aggregator: { asn: 4200000001, address: '10.0.0.9' },
  };
  const bytes = encodePathAttributes(attributes, { as4: false, nextHop: true });
  assert.match(formatHex(bytes), /0203fbf05ba0fde9/);
  const decoded = decodePathAttributes(
    bytes,
    0,
    bytes.length,
    { ...EXTERNAL, as4: false },
    'classic',
  );
  assert.deepEqual(decoded, { attributes, faults: [] });
});

test('AS4_PATH merges by RFC 6793 §4.2.3', () => {
  const seq = (...asns: number[]): AsPathSegment => ({ type: 2, asns });
  const set = (...asns: number[]): AsPathSegment => ({ type: 1, asns });
  const confed = (...asns: number[]): AsPathSegment => ({ type: 3, asns });
  const cases: readonly (readonly [AsPathSegment[], AsPathSegment[], AsPathSegment[]])[] = [
    [[seq(1, 23456, 3)], [seq(70000, 3)], [seq(1, 70000, 3)]],
    [[seq(1, 2)], [seq(70000, 2, 3)], [seq(1, 2)]],
    [[seq(1, 2)], [], [seq(1, 2)]],
    [[seq(23456, 23456)], [seq(70000, 70001)], [seq(70000, 70001)]],
    [[confed(9), seq(1, 23456)], [seq(70000)], [confed(9), seq(1, 70000)]],
    [[seq(1), set(2, 23456)], [set(2, 70000)], [seq(1), set(2, 70000)]],
    [[set(1, 2), seq(23456)], [seq(70000)], [set(1, 2), seq(70000)]],
  ];
  for (const [path, as4Path, expected] of cases) {
    assert.deepEqual(mergeAs4Path(path, as4Path), expected);
  }
});

test('questions about a path', () => {
  const path: AsPathSegment[] = [
    { type: 3, asns: [65010] },
    { type: 2, asns: [1, 2, 2] },
    { type: 1, asns: [7, 8] },
  ];
  assert.equal(asPathLength(path), 4);
  assert.equal(countAsInPath(path, 2), 2);
  assert.equal(firstAs(path), 1);
  assert.equal(originAs(path), undefined);
  assert.equal(firstAs([]), undefined);
  assert.deepEqual(prependAs([{ type: 2, asns: [2] }], 1), [{ type: 2, asns: [1, 2] }]);
  assert.deepEqual(prependAs([], 1), [{ type: 2, asns: [1] }]);
});

test('full messages hold as many prefixes as fit, and not one octet more', () => {
  for (const maxLength of [4096, 65535]) {
    for (const addPath of [false, true]) {
      const batch = createNlriBatch();
      for (let i = 0; i < 20000; i++) appendNlri(batch, [(i << 8) | 0], 24, i);
      const attributes = encodePathAttributes(
        { origin: 0, asPath: [{ type: 2, asns: [1] }], nextHop: '10.0.0.1' },
        { as4: true, nextHop: true },
      );
      const template = { family: 'ipv4', addPath, maxLength, attributes } as const;
      const back = createNlriBatch();
      let from = 0;
      while (from < batch.count) {
        const { bytes, next } = encodeReach(template, batch, from)!;
        const size = addPath ? 8 : 4;
        assert.ok(
          bytes.length <= maxLength && (next === batch.count || bytes.length + size > maxLength),
        );
        const at = split(bytes);
        assert.equal(decodeNlri(bytes, at.nlriStart, at.nlriEnd, 'ipv4', addPath, back), undefined);
        from = next;
      }
      assert.equal(back.count, batch.count);
      assert.deepEqual(back.words.slice(0, back.count), batch.words.slice(0, batch.count));
      if (addPath) assert.equal(back.pathIds[19999], 19999);
    }
  }
});

test('attributes that leave no room for a prefix are refused', () => {
  const batch = createNlriBatch();
  appendNlri(batch, [0x0a000000], 8);
  const attributes = new Uint8Array(4096 - 23 - 1);
  const template = { family: 'ipv4', addPath: false, maxLength: 4096, attributes } as const;
  assert.equal(encodeReach(template, batch, 0), undefined);
  const mpNextHop = new Uint8Array(16);
  assert.equal(encodeReach({ ...template, mpNextHop }, batch, 0), undefined);
});

test('IPv6, and IPv4 with an IPv6 next hop, travel in MP_REACH_NLRI', () => {
  const cases: readonly (readonly [Family, number[], number, string])[] = [
    ['ipv6', [0x20010db8, 0x00010000, 0, 0], 48, '2001:db8:1::/48'],
    ['ipv4', [0xc0a80200], 24, '192.168.2.0/24'],
  ];
  for (const [family, words, length, text] of cases) {
    const batch = createNlriBatch();
    appendNlri(batch, words, length);
    const attributes = encodePathAttributes(
      { origin: 0, asPath: [], nextHop: '10.0.0.1' },
      { as4: true, nextHop: false },
    );
    const mpNextHop = encodeMpNextHop('fd00::1', 'fe80::1');
    const template = { family, addPath: false, maxLength: 4096, attributes, mpNextHop };
    const { bytes } = encodeReach(template, batch, 0)!;
    const at = split(bytes);
    const context = { ...EXTERNAL, extendedNextHop: true };
    const { attributesStart: from, attributesEnd: to } = at;
    const decoded = decodePathAttributes(bytes, from, to, context, 'mp');
    assert.deepEqual(decoded.faults, []);
    assert.equal(decoded.attributes.nextHop, 'fd00::1');
    assert.equal(decoded.attributes.linkLocalNextHop, 'fe80::1');
    const { nlriStart, nlriEnd } = decoded.mpReach!;
    const back = createNlriBatch();
    assert.equal(decodeNlri(bytes, nlriStart, nlriEnd, family, false, back), undefined);
    assert.deepEqual(prefixes(back, family), [text]);
    const withdrawal = encodeUnreach(
      { family, addPath: false, maxLength: 4096, multiprotocol: true },
      batch,
      0,
    ).bytes;
    const where = split(withdrawal);
    const gone = decodePathAttributes(
      withdrawal,
      where.attributesStart,
      where.attributesEnd,
      context,
      'none',
    );
    assert.deepEqual(gone.faults, []);
    const gonePrefixes = createNlriBatch();
    const { mpUnreach } = gone;
    assert.equal(mpUnreach!.family, family);
    decodeNlri(withdrawal, mpUnreach!.nlriStart, mpUnreach!.nlriEnd, family, false, gonePrefixes);
    assert.deepEqual(prefixes(gonePrefixes, family), [text]);
  }
});

test('a session over link-local addresses may encode its next hop in four ways', () => {
  const context = { ...EXTERNAL, extendedNextHop: true };
  const linkLocal = 'fe800000000000000000000000000002';
  const global = '20010db8000000000000000000000002';
  const zero = '00'.repeat(16);
  const decode = (nextHop: string) => {
    const length = (nextHop.length / 2).toString(16);
    const value = `000101${length}${nextHop}0018c0a802`;
    const attribute = `800e${(value.length / 2).toString(16).padStart(2, '0')}${value}`;
    const bytes = parseHex(`400101004002060201${'0000fbf1'}${attribute}`)!;
    const decoded = decodePathAttributes(bytes, 0, bytes.length, context, 'mp');
    const { nextHop: first, linkLocalNextHop: second } = decoded.attributes;
    return { faults: decoded.faults.length, first, second };
  };
  assert.deepEqual(decode(linkLocal), { faults: 0, first: 'fe80::2', second: undefined });
  assert.deepEqual(decode(zero + linkLocal), { faults: 0, first: 'fe80::2', second: undefined });
  assert.deepEqual(decode(linkLocal + linkLocal), {
    faults: 0,
    first: 'fe80::2',
    second: 'fe80::2',
  });
  assert.deepEqual(decode(global + linkLocal), {
    faults: 0,
    first: '2001:db8::2',
    second: 'fe80::2',
  });
  assert.equal(decode(zero + zero).faults, 1);
});

test('blocks for interning hold no prefixes and decode to the same values', () => {
  const hex =
    '400101004002060201 0000fbf1 400304c0a80120' +
    '800e1c 000201 10 fd000000000000000000000000000001 00 3020010db80001' +
    '800f0a 000201 3020010db80002' +
    'c00804fbf10064';
  const bytes = parseHex(hex)!;
  const scan = createAttributeScan();
  scanPathAttributes(bytes, 0, bytes.length, scan);
  assert.ok(scan.wellFormed);
  const into = new Uint8Array(bytes.length + 1);
  const classic = into.slice(0, copyAttributeBlock(bytes, 0, bytes.length, scan, 'classic', into));
  assert.equal(formatHex(classic), '4001010040020602010000fbf1400304c0a80120c00804fbf10064');
  const mp = into.slice(0, copyAttributeBlock(bytes, 0, bytes.length, scan, 'mp', into));
  assert.equal(
    formatHex(mp),
    '4001010040020602010000fbf1800e1500020110fd00000000000000000000000000000100c00804fbf10064',
  );
  const decoded = decodePathAttributes(mp, 0, mp.length, EXTERNAL, 'mp');
  assert.deepEqual(decoded.faults, []);
  assert.equal(decoded.attributes.nextHop, 'fd00::1');
  assert.deepEqual(decoded.attributes.communities, [0xfbf10064]);
  const whole = decodePathAttributes(classic, 0, classic.length, EXTERNAL, 'classic');
  assert.equal(whole.attributes.nextHop, '192.168.1.32');
});

const u32 = fc.nat(0xffffffff);
const asn = fc.integer({ min: 1, max: 0xffffffff });
const address = u32
  .map((word) => formatWords([word]))
  .filter((text) => !/^(0\.0\.0\.0|22[4-9]\.|23\d\.|255\.255\.255\.255)/.test(text));
const words = (per: number): fc.Arbitrary<number[]> =>
  fc
    .array(fc.tuple(...Array.from({ length: per }, () => u32)), { minLength: 1, maxLength: 90 })
    .map((groups) => [...new Map(groups.map((group) => [group.join(), group])).values()].flat());
const pathAttributes: fc.Arbitrary<PathAttributes> = fc
  .record(
    {
      origin: fc.constantFrom(0 as const, 1 as const, 2 as const),
      asPath: fc.array(
        fc.record({
          type: fc.constantFrom(1 as const, 2 as const, 3 as const, 4 as const),
          asns: fc.array(asn, { minLength: 1, maxLength: 255 }),
        }),
        { maxLength: 4 },
      ),
      nextHop: address,
      med: u32,
      localPref: u32,
      atomicAggregate: fc.constant(true as const),
      aggregator: fc.record({ asn, address }),
      communities: words(1),
      originatorId: address,
      clusterList: fc.array(address, { minLength: 1, maxLength: 5 }),
      extendedCommunities: words(2),
      largeCommunities: words(3),
      otc: u32,
      aigp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      unknown: fc.uniqueArray(
        fc.record({
          type: fc.integer({ min: 100, max: 255 }),
          flags: fc.constant(0xe0),
          value: fc.uint8Array({ maxLength: 300 }),
        }),
        { minLength: 1, maxLength: 3, selector: ({ type }) => type },
      ),
    },
    { requiredKeys: ['origin', 'asPath', 'nextHop'] },
  )
  .map((attributes) => structuredClone(attributes) as PathAttributes);

test('attributes survive encoding', () => {
  fc.assert(
    fc.property(pathAttributes, (attributes) => {
      const bytes = encodePathAttributes(attributes, { as4: true, nextHop: true });
      const decoded = decodePathAttributes(bytes, 0, bytes.length, INTERNAL, 'classic');
      const unknown = attributes.unknown?.toSorted((a, b) => a.type - b.type);
      assert.deepEqual(decoded, {
        attributes: { ...attributes, ...(unknown && { unknown }) },
        faults: [],
      });
    }),
    { numRuns: 200 },
  );
});

test('prefixes survive encoding, host bits do not', () => {
  for (const family of ['ipv4', 'ipv6'] as const) {
    const size = family === 'ipv4' ? 1 : 4;
    const prefix = fc.record({
      words: fc.tuple(...Array.from({ length: size }, () => u32)),
      length: fc.nat(size * 32),
      id: u32,
    });
    fc.assert(
      fc.property(fc.array(prefix, { maxLength: 40 }), fc.boolean(), (list, addPath) => {
        const batch = createNlriBatch();
        for (const entry of list) appendNlri(batch, entry.words, entry.length, entry.id);
        const { bytes } = encodeUnreach(
          { family, addPath, maxLength: 65535, multiprotocol: true },
          batch,
          0,
        );
        const back = createNlriBatch();
        const at = split(bytes).attributesStart + 4 + 3;
        assert.equal(decodeNlri(bytes, at, bytes.length, family, addPath, back), undefined);
        assert.deepEqual(
          prefixes(back, family),
          list.map((entry) => formatPrefix(entry.words, entry.length)),
        );
        if (addPath) {
          assert.deepEqual(
            Array.from(back.pathIds.slice(0, back.count), (id) => id >>> 0),
            list.map((entry) => entry.id),
          );
        }
      }),
      { numRuns: 100 },
    );
  }
});

test('no octets make the decoders throw, and faults carry what a reset would send', () => {
  const tlv = fc
    .record({
      flags: fc.constantFrom(0x40, 0x80, 0xc0, 0x50, 0x90, 0xd0, 0x00, 0xe0),
      type: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.nat(255)),
      value: fc.uint8Array({ maxLength: 40 }),
      lie: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(9) }),
    })
    .map(({ flags, type, value, lie }) => {
      const length = value.length + lie;
      return (flags & 0x10) !== 0
        ? [flags, type, 0, length, ...value]
        : [flags, type, length, ...value];
    });
  const section = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(tlv, { maxLength: 12 }).map((list) => Uint8Array.from(list.flat())),
  );
  fc.assert(
    fc.property(section, fc.boolean(), fc.boolean(), (bytes, as4, internal) => {
      const context: AttributeContext = { ...(internal ? INTERNAL : EXTERNAL), as4 };
      const decoded = decodePathAttributes(bytes, 0, bytes.length, context, 'classic');
      for (const fault of decoded.faults) {
        assert.equal(fault.notification.code, 3);
        assert.ok(fault.offset >= 0 && fault.offset <= bytes.length);
      }
      for (const place of [decoded.mpReach, decoded.mpUnreach]) {
        if (!place) continue;
        assert.ok(place.nlriStart <= place.nlriEnd && place.nlriEnd <= bytes.length);
        const family = place.family ?? 'ipv6';
        decodeNlri(bytes, place.nlriStart, place.nlriEnd, family, as4, createNlriBatch());
      }
      const scan = createAttributeScan();
      scanPathAttributes(bytes, 0, bytes.length, scan);
      if (scan.wellFormed) {
        const into = new Uint8Array(bytes.length + 1);
        for (const reach of ['classic', 'mp'] as const) {
          const length = copyAttributeBlock(bytes, 0, bytes.length, scan, reach, into);
          assert.ok(length <= bytes.length);
        }
      }
      const again = encodePathAttributes(decoded.attributes, { as4: true, nextHop: true });
      const twice = decodePathAttributes(again, 0, again.length, INTERNAL, 'none');
      const thrice = encodePathAttributes(twice.attributes, { as4: true, nextHop: true });
      assert.deepEqual(thrice, again);
    }),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 80 }), (body) => {
      const bytes = Uint8Array.from([...new Uint8Array(19).fill(255), ...body]);
      endOfRibFamily(bytes, 0, bytes.length);
      const sections = createUpdateSections();
      if (!splitUpdate(bytes, 0, bytes.length, sections)) {
        const { withdrawnEnd, attributesStart, attributesEnd, nlriEnd } = sections;
        assert.ok(withdrawnEnd <= attributesStart && attributesStart <= attributesEnd);
        assert.ok(attributesEnd <= nlriEnd && nlriEnd === bytes.length);
      }
    }),
    { numRuns: 500 },
  );
});
