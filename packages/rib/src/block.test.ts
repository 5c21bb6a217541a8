import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  decodePathAttributes,
  encodeMpNextHop,
  encodePathAttributes,
  prependAs,
} from '@rookery/bgp';
import type { PathAttributes } from '@rookery/bgp';
import { addressToBytes } from '@rookery/net';
import { ROW, ROW_SHIFT } from './attribute-facts.ts';
import { AttributeStore } from './attribute-store.ts';
import type { ExportRewrite } from './block-export.ts';
import { BlockTranscoder } from './block-transcode.ts';
import type { TranscodeRules } from './block-transcode.ts';
import type { RouteAttributes } from './route.ts';

const asn = fc.constantFrom(64500, 64501, 4_200_000_000, 1);
const word = fc.nat(0xffffffff);
const community = fc.oneof(
  { weight: 30, arbitrary: fc.nat(0xfffeffff) },
  { weight: 1, arbitrary: fc.constant(0xffffff01) },
);

/** Mostly what a full table is made of, now and then something unusual. */
const blocks: fc.Arbitrary<PathAttributes> = fc
  .tuple(
    fc.record({
      origin: fc.constantFrom(0 as const, 1 as const, 2 as const),
      asPath: fc.oneof(
        {
          weight: 12,
          arbitrary: fc
            .array(asn, { maxLength: 6 })
            .map((asns) => (asns.length === 0 ? [] : [{ type: 2 as const, asns }])),
        },
        {
          weight: 1,
          arbitrary: fc.constant([
            { type: 2 as const, asns: [1] },
            { type: 1 as const, asns: [2, 3] },
          ]),
        },
      ),
      nextHop: fc.constantFrom('192.0.2.1', '10.0.0.7', '2001:db8::1', 'fd00::2'),
    }),
    fc.record(
      {
        med: word,
        localPref: word,
        atomicAggregate: fc.constant(true as const),
        aggregator: fc.record({ asn, address: fc.constant('198.51.100.1') }),
        communities: fc.array(community, { minLength: 1, maxLength: 70 }),
        extendedCommunities: fc.array(word, { minLength: 2, maxLength: 2 }),
        largeCommunities: fc.array(fc.nat(1), { minLength: 6, maxLength: 6 }),
      },
      { requiredKeys: [] },
    ),
    fc.oneof(
      { weight: 12, arbitrary: fc.constant({}) },
      {
        weight: 1,
        arbitrary: fc.constantFrom<Partial<PathAttributes>>(
          { otc: 7 },
          { originatorId: '1.1.1.1', clusterList: ['2.2.2.2'] },
          { unknown: [{ type: 99, flags: 0xe0, value: Uint8Array.of(1) }] },
          { nextHop: '127.0.0.1' },
          { nextHop: 'fe80::1' },
        ),
      },
    ),
  )
  .map(([a, b, c]) => structuredClone({ ...a, ...b, ...c }));

const SHELL: RouteAttributes = {
  source: 'bgp',
  scope: 'universe',
  dest: 'unicast',
  nexthops: [{ gateway: '192.0.2.1', interface: 'eth0', ifindex: 2 }],
  from: '192.0.2.9',
  preference: 100,
  igpMetric: 20,
};

const RULES: TranscodeRules = { internal: true, defaultLocalPref: 100, ownAs: 65000, firstAs: 0 };

const NLRI6 = Uint8Array.of(32, 0x20, 1, 0xd, 0xb8);

/** The section as it comes; for IPv6 with a prefix in MP_REACH_NLRI. */
function wireOf(bgp: PathAttributes): { bytes: Uint8Array; reach: 'classic' | 'mp' } {
  const classic = !bgp.nextHop!.includes(':');
  const section = encodePathAttributes(bgp, { as4: true, nextHop: classic });
  if (classic) return { bytes: section, reach: 'classic' };
  const nextHop = encodeMpNextHop(bgp.nextHop!);
  const length = 5 + nextHop.length + NLRI6.length;
  const reach = [0x80, 14, length, 0, 2, 1, nextHop.length, ...nextHop, 0, ...NLRI6];
  return { bytes: Uint8Array.from([...reach, ...section]), reach: 'mp' };
}

function decode(bytes: Uint8Array, reach: 'classic' | 'mp', internal: boolean) {
  return decodePathAttributes(
    bytes,
    0,
    bytes.length,
    {
      as4: true,
      peerType: internal ? 'internal' : 'external',
      confederation: false,
      allowLocalPref: false,
      allowAsSets: true,
      aigp: true,
      extendedNextHop: false,
    },
    reach,
  );
}

/** Facts of a number as plain data. */
function factsOf(store: AttributeStore, n: number): unknown {
  const { rows } = store.facts;
  const words = [...rows.subarray(n << ROW_SHIFT, (n + 1) << ROW_SHIFT)];
  // What is not known to be plain may be found to be.
  return words.with(ROW.plain, store.isPlain(n) ? 1 : 0);
}

/** Interns by octets into one store and by object into another: both must say the same. */
function checkTranscoded(
  bytes: Uint8Array,
  reach: 'classic' | 'mp',
  rules: TranscodeRules,
): boolean {
  const transcoder = new BlockTranscoder();
  if (!transcoder.transcode(bytes, 0, bytes.length, rules)) return false;
  const { attributes: bgp, faults, mpReach } = decode(bytes, reach, rules.internal);
  assert.deepEqual(faults, []);
  if (reach === 'mp') {
    const { mpNlriFrom, mpNlriTo } = transcoder;
    assert.deepEqual([mpNlriFrom, mpNlriTo], [mpReach?.nlriStart, mpReach?.nlriEnd]);
  }
  const localPref = bgp.localPref ?? rules.defaultLocalPref;
  const expected: RouteAttributes = { ...SHELL, bgp: { ...bgp, localPref } };
  const byOctets = new AttributeStore();
  const n = byOctets.internTranscoded(byOctets.intern(SHELL), transcoder);
  assert.deepEqual(byOctets.get(n), expected);
  assert.equal(byOctets.intern(expected), n);
  const byObject = new AttributeStore();
  assert.deepEqual(factsOf(byOctets, n), factsOf(byObject, byObject.intern(expected)));
  return true;
}

describe('BlockTranscoder', () => {
  test('takes ordinary blocks and makes the same attributes as the decoder', () => {
    let taken = 0;
    let offered = 0;
    fc.assert(
      fc.property(blocks, fc.boolean(), (bgp, internal) => {
        const sent = internal ? bgp : { ...bgp, localPref: undefined };
        const { localPref, ...rest } = sent;
        const wire = wireOf(localPref === undefined ? rest : { ...rest, localPref });
        offered++;
        if (checkTranscoded(wire.bytes, wire.reach, { ...RULES, internal })) taken++;
      }),
      { numRuns: 200 },
    );
    assert.ok(taken > offered / 4, `${taken} of ${offered} blocks taken`);
  });

  test('never takes a damaged block that the decoder faults, nor reads it differently', () => {
    fc.assert(
      fc.property(
        blocks,
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 2 }),
        fc.integer({ min: 0, max: 3 }),
        (bgp, damage, cut) => {
          const { bytes, reach } = wireOf(bgp);
          const damaged = bytes.slice(0, bytes.length - cut);
          for (const [at, value] of damage) damaged[at % damaged.length] = value;
          checkTranscoded(damaged, reach, RULES);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('leaves loops, wrong first ASes and LOCAL_PREF of external peers to the decoder', () => {
    const transcoder = new BlockTranscoder();
    const bgp: PathAttributes = {
      origin: 0,
      asPath: [{ type: 2, asns: [64500, 65000] }],
      nextHop: '192.0.2.1',
    };
    const takes = (attributes: PathAttributes, rules: Partial<TranscodeRules>): boolean => {
      const { bytes } = wireOf(attributes);
      return transcoder.transcode(bytes, 0, bytes.length, { ...RULES, ...rules });
    };
    assert.equal(takes(bgp, {}), false);
    assert.equal(takes(bgp, { ownAs: 1 }), true);
    assert.equal(takes(bgp, { ownAs: 1, firstAs: 64500 }), true);
    assert.equal(takes(bgp, { ownAs: 1, firstAs: 64501 }), false);
    assert.equal(takes({ ...bgp, localPref: 5 }, { ownAs: 1 }), true);
    assert.equal(takes({ ...bgp, localPref: 5 }, { ownAs: 1, internal: false }), false);
    assert.equal(takes({ ...bgp, asPath: [] }, { firstAs: 64500 }), false);
  });

  test('a shell without octets cannot be used', () => {
    const store = new AttributeStore();
    const transcoder = new BlockTranscoder();
    const { bytes } = wireOf({ origin: 0, asPath: [], nextHop: '192.0.2.1' });
    assert.equal(transcoder.transcode(bytes, 0, bytes.length, RULES), true);
    const shell = store.intern({ ...SHELL, custom: { a: 1 } });
    assert.equal(store.internTranscoded(shell, transcoder), 0);
  });
});

describe('export by octets', () => {
  const OWN = addressToBytes('203.0.113.5');
  const OWN6 = addressToBytes('2001:db8:5::5');
  const LINK6 = addressToBytes('fe80::5');

  const rewrites = fc.record({
    prependAs: fc.constantFrom(0, 65000, 4_200_000_001),
    keepMed: fc.boolean(),
    keepLocalPref: fc.boolean(),
    replace: fc.boolean(),
    keepInterface: fc.constantFrom(undefined, 'eth0', 'eth1'),
  });

  test('a rewrite equals the rules for objects', () => {
    let taken = 0;
    fc.assert(
      fc.property(blocks, rewrites, (bgp, { replace, ...choice }) => {
        const wide = bgp.nextHop!.includes(':');
        const rewrite: ExportRewrite = {
          ...choice,
          nextHop: replace ? (wide ? OWN6 : OWN) : undefined,
          linkLocalNextHop: replace && wide ? LINK6 : undefined,
        };
        const route: RouteAttributes = { ...SHELL, bgp };
        const store = new AttributeStore();
        const n = store.intern(route);
        const out = store.rewrite(n, rewrite);
        if (out === 0) return;
        taken++;
        // Rewritten on the way to the wire, or before: the same octets.
        const wires = [new Uint8Array(4096), new Uint8Array(4096)] as const;
        const ends = [
          store.encodeWire(n, !wide, wires[0], 0, rewrite),
          store.encodeWire(out, !wide, wires[1], 0, 'as is'),
        ];
        assert.equal(ends[0], ends[1]);
        assert.deepEqual(wires[0], wires[1]);
        assert.equal(
          store.encodeWireNextHop(n, wires[0], 0, rewrite),
          store.encodeWireNextHop(out, wires[1], 0, 'as is'),
        );
        assert.deepEqual(wires[0], wires[1]);
        const third = bgp.nextHop === '192.0.2.1' && rewrite.keepInterface === 'eth0';
        const { med, localPref, nextHop, ...rest } = bgp;
        const own = wide
          ? { nextHop: '2001:db8:5::5', linkLocalNextHop: 'fe80::5' }
          : { nextHop: '203.0.113.5' };
        const expected: RouteAttributes = {
          ...SHELL,
          bgp: {
            ...rest,
            ...(med !== undefined && rewrite.keepMed && { med }),
            ...(localPref !== undefined && rewrite.keepLocalPref && { localPref }),
            ...(replace && !third ? own : { nextHop: nextHop! }),
            asPath: rewrite.prependAs === 0 ? bgp.asPath : prependAs(bgp.asPath, rewrite.prependAs),
          },
        };
        assert.deepEqual(store.get(out), expected);
        assert.equal(store.intern(expected), out);
        const fresh = new AttributeStore();
        assert.deepEqual(factsOf(store, out), factsOf(fresh, fresh.intern(expected)));
      }),
      { numRuns: 200 },
    );
    assert.ok(taken > 50, `${taken} taken`);
  });

  test('octets on the wire equal those of the bgp package', () => {
    let taken = 0;
    fc.assert(
      fc.property(blocks, fc.boolean(), (bgp, withLinkLocal) => {
        const wide = bgp.nextHop!.includes(':');
        const told = wide && withLinkLocal ? { ...bgp, linkLocalNextHop: 'fe80::5' } : bgp;
        const store = new AttributeStore();
        const n = store.intern({ ...SHELL, bgp: told });
        const out = new Uint8Array(8192);
        const end = store.encodeWire(n, !wide, out, 3, 'as is');
        if (end < 0) return;
        taken++;
        assert.deepEqual(
          out.slice(3, end),
          encodePathAttributes(told, { as4: true, nextHop: !wide }),
        );
        const hop = store.encodeWireNextHop(n, out, 1, 'as is');
        assert.deepEqual(out.slice(1, hop), encodeMpNextHop(told.nextHop!, told.linkLocalNextHop));
      }),
      { numRuns: 200 },
    );
    assert.ok(taken > 100, `${taken} taken`);
  });

  test('well-known communities, OTC and staleness make attributes not plain', () => {
    const store = new AttributeStore();
    const bgp: PathAttributes = { asPath: [], communities: [0xfffeffff, 1] };
    const out = new Uint8Array(99);
    const plain = (route: RouteAttributes): boolean => store.isPlain(store.intern(route));
    assert.equal(plain({ ...SHELL, bgp }), true);
    assert.equal(plain(SHELL), false);
    assert.equal(plain({ ...SHELL, bgp, llgrStale: true }), false);
    assert.equal(plain({ ...SHELL, bgp: { ...bgp, otc: 1 } }), false);
    assert.equal(plain({ ...SHELL, bgp: { ...bgp, communities: [1, 0xffff029a] } }), false);
    assert.equal(plain({ ...SHELL, bgp, custom: { a: 1 } }), false);
    assert.equal(store.isLearned(store.intern({ ...SHELL, bgp })), true);
    assert.equal(store.isLearned(store.intern({ ...SHELL, bgp, source: 'static' })), false);
    assert.equal(store.encodeWire(store.intern({ ...SHELL, bgp }), true, out, 0, undefined), -1);
  });

  test('a path of 255 numbers is for the caller', () => {
    const store = new AttributeStore();
    const asPath = [{ type: 2 as const, asns: Array.from({ length: 255 }, () => 7) }];
    const n = store.intern({ ...SHELL, bgp: { origin: 0, asPath, nextHop: '192.0.2.1' } });
    const keep: ExportRewrite = {
      prependAs: 1,
      keepMed: true,
      keepLocalPref: false,
      nextHop: undefined,
      linkLocalNextHop: undefined,
      keepInterface: undefined,
    };
    assert.equal(store.rewrite(n, keep), 0);
    assert.notEqual(store.rewrite(n, { ...keep, prependAs: 0 }), 0);
    assert.equal(store.rewrite(store.intern(SHELL), keep), 0);
    const bare = store.intern({ ...SHELL, bgp: { asPath: [], nextHop: '192.0.2.1' } });
    assert.equal(store.rewrite(bare, keep), 0);
    assert.equal(store.encodeWire(store.intern(SHELL), true, new Uint8Array(99), 0, 'as is'), -1);
  });
});
