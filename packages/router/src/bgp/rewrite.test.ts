import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodePathAttributes } from '@rookery/bgp';
import type { PathAttributes } from '@rookery/bgp';
import { AttributeStore } from '@rookery/rib';
import type { RouteAttributes } from '@rookery/rib';
import { RouteEncoder } from './attribute-encoder.ts';
import { SOURCE_CLASS, exportedRoute, refusesExport, rewriteFor } from './export-rules.ts';
import type { ExportRules } from './export-rules.ts';

const scope = fc.constantFrom('off' as const, 'all' as const, 'ibgp' as const, 'ebgp' as const);

const ruleSets: fc.Arbitrary<ExportRules> = fc
  .record({
    peerType: fc.constantFrom('internal' as const, 'external' as const),
    confederation: fc.constantFrom(undefined, undefined, undefined, 65100),
    rsClient: fc.boolean(),
    localRole: fc.constantFrom(undefined, undefined, 'peer' as const),
    nextHopSelf: scope,
    nextHopKeep: scope,
    wide: fc.boolean(),
    own: fc.boolean(),
    link: fc.boolean(),
    interface: fc.constantFrom(undefined, 'eth0', 'eth1'),
    allowBgpMed: fc.boolean(),
    allowBgpLocalPref: fc.boolean(),
  })
  .map(({ wide, own, link, ...rules }) => ({
    ...rules,
    family: wide ? ('ipv6' as const) : ('ipv4' as const),
    localAs: 65000,
    inside: rules.peerType === 'internal',
    rrClient: false,
    clusterId: '10.0.0.1',
    ownNextHop: own ? (wide ? '2001:db8::99' : '192.0.2.99') : undefined,
    ownLinkLocal: own && wide && link ? 'fe80::99' : undefined,
    defaultLocalPref: 100,
    interpretCommunities: true,
    longLived: false,
  }));

const learned = fc
  .tuple(
    fc.record({
      asns: fc.array(fc.integer({ min: 1, max: 0xffffffff }), { maxLength: 4 }),
      localPref: fc.nat(200),
    }),
    fc.record(
      {
        med: fc.nat(9),
        communities: fc.array(
          fc.oneof(
            { weight: 20, arbitrary: fc.constantFrom(1, 0xfffe0001) },
            { weight: 1, arbitrary: fc.constant(0xffffff01) },
          ),
          { minLength: 1 },
        ),
        atomicAggregate: fc.constant(true as const),
      },
      { requiredKeys: [] },
    ),
    fc.constantFrom({}, {}, {}, {}, { otc: 5 }, { linkLocalNextHop: 'fe80::7' }),
  )
  .map(([{ asns, localPref }, rest, odd]) =>
    structuredClone({
      origin: 0 as const,
      asPath: asns.length === 0 ? [] : [{ type: 2 as const, asns }],
      localPref,
      ...rest,
      ...odd,
    }),
  );

test('a rewrite by octets is the exported route, wherever it is done', () => {
  let done = 0;
  fc.assert(
    fc.property(ruleSets, learned, fc.boolean(), (rules, partial, onLink) => {
      const wide = rules.family === 'ipv6';
      const nextHop = wide ? '2001:db8::7' : '192.0.2.7';
      const { linkLocalNextHop, ...rest } = partial as PathAttributes;
      const bgp: PathAttributes = {
        ...rest,
        nextHop,
        ...(wide && linkLocalNextHop !== undefined && { linkLocalNextHop }),
      };
      const route: RouteAttributes = {
        source: 'bgp',
        scope: 'universe',
        dest: 'unicast',
        preference: 100,
        from: nextHop,
        nexthops: [{ gateway: onLink ? nextHop : '192.0.2.1', interface: 'eth0', ifindex: 2 }],
        bgp,
      };
      const store = new AttributeStore();
      const n = store.intern(route);
      if (store.isPlain(n)) assert.equal(refusesExport(route, SOURCE_CLASS.external, rules), false);
      const rewrite = rewriteFor(rules);
      if (!rewrite) return;
      const out = store.rewrite(n, rewrite);
      if (out === 0) return;
      done++;
      const expected = exportedRoute(route, route, SOURCE_CLASS.external, rules);
      assert.deepEqual(store.get(out), expected);
    }),
    { numRuns: 400 },
  );
  assert.ok(done > 40, `${done} rewritten`);
});

test('what a policy has stated stands, whether octets or words are encoded', () => {
  let byOctets = 0;
  const stated = fc.constantFrom({}, { med: true as const }, { nextHop: true as const });
  fc.assert(
    fc.property(ruleSets, learned, stated, (drawn, partial, noted) => {
      const rules = { ...drawn, family: 'ipv4' as const, ownNextHop: '192.0.2.99', inside: false };
      if (rules.peerType === 'internal') return;
      const { linkLocalNextHop: _, ...rest } = partial as PathAttributes;
      const route: RouteAttributes = {
        source: 'bgp',
        scope: 'universe',
        dest: 'unicast',
        preference: 100,
        nexthops: [{ gateway: '192.0.2.1', interface: 'eth0', ifindex: 2 }],
        stated: noted,
        bgp: { ...rest, nextHop: '192.0.2.7' },
      };
      const store = new AttributeStore();
      const n = store.intern(route);
      const words = exportedRoute(route, route, SOURCE_CLASS.external, rules)!.bgp!;
      const expected = encodePathAttributes(words, { as4: true, nextHop: true });
      const out = new Uint8Array(1000);
      const order = rewriteFor(rules);
      if (store.encodeWire(n, true, out, 0, order) >= 0) byOctets++;
      const encoder = new RouteEncoder(store, { as4: true, classic: true }, () => rules);
      const end = encoder.encode(n, out, 0);
      assert.deepEqual(out.subarray(0, end), expected);
    }),
    { numRuns: 400 },
  );
  assert.ok(byOctets > 20, `${byOctets} by octets`);
});
