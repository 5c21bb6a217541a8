// RFC 5065: routes through a confederation of three member ASes (65001 with two routers, 65002,
// 65003) that is AS 65100 to the world.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig } from '@rookery/router';
import type { SimRouter } from './sim-router.ts';
import { build, configOf, pathOf, setting, table } from './speakers.ts';
import type { Speaker } from './speakers.ts';

const NET = '10.1.0.0/16';
const INSIDE: Partial<BgpConfig> = { confederation: 65100 };
const MEMBER: Partial<BgpConfig> = { confederation: 65100, confederationMember: true };

const outside = (n: number, to: number, more: Partial<Speaker> = {}): Speaker => ({
  n,
  asn: 65200,
  sessions: [{ to, asn: 65100 }],
  ...more,
});

const updatesFrom = (router: SimRouter, name: string): number =>
  router.router.view.protocols().find((p) => p.name === name)!.bgp!.received.update;

const typesOf = (route: ReturnType<typeof table> extends Map<string, infer R> ? R : never) =>
  route.bgp!.asPath.map(({ type }) => type);

/** 9 (outside) – 1 – 2 (internal) – 3 (65002) – 4 (65003) – 8 (outside). */
function chain(change: Partial<BgpConfig> = {}) {
  return build(
    outside(9, 1, { routes: [NET] }),
    {
      n: 1,
      asn: 65001,
      sessions: [
        {
          to: 9,
          asn: 65200,
          change: INSIDE,
          channel: { importPolicy: setting('in', (bgp) => ({ ...bgp, med: 7, localPref: 250 })) },
        },
        { to: 2, asn: 65001, change: INSIDE },
      ],
    },
    {
      n: 2,
      asn: 65001,
      sessions: [
        { to: 1, asn: 65001, change: INSIDE },
        { to: 3, asn: 65002, change: MEMBER },
      ],
    },
    {
      n: 3,
      asn: 65002,
      sessions: [
        { to: 2, asn: 65001, change: MEMBER },
        { to: 4, asn: 65003, change: MEMBER },
      ],
    },
    {
      n: 4,
      asn: 65003,
      sessions: [
        { to: 3, asn: 65002, change: { ...MEMBER, ...change } },
        { to: 8, asn: 65200, change: INSIDE },
      ],
    },
    { n: 8, asn: 65200, sessions: [{ to: 4, asn: 65100, change: { allowLocalAs: 1 } }] },
  );
}

test('inside, LOCAL_PREF, MED and NEXT_HOP stay and members are noted; outside there is one AS', () => {
  const { lan, at } = chain();
  lan.until(() => table(at(8)).has(NET), 90_000, 'route across');
  const internal = table(at(2)).get(NET)!;
  assert.deepEqual([pathOf(internal), typesOf(internal)], [[65200], [2]]);
  const member = table(at(4)).get(NET)!;
  assert.deepEqual(
    [pathOf(member), typesOf(member)],
    [
      [65002, 65001, 65200],
      [3, 2],
    ],
  );
  const { localPref, med, nextHop } = member.bgp!;
  assert.deepEqual([localPref, med, nextHop], [250, 7, '192.168.1.9']);
  const far = table(at(8)).get(NET)!;
  assert.deepEqual([pathOf(far), typesOf(far)], [[65100, 65200], [2]]);
  assert.deepEqual([far.bgp!.med, far.bgp!.localPref], [undefined, 100]);
});

test('an internal peer takes a path with members in it, and its own member AS is a loop', () => {
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65001, change: INSIDE }] },
    {
      n: 2,
      asn: 65001,
      sessions: [
        { to: 1, asn: 65001, change: INSIDE },
        { to: 3, asn: 65002, change: MEMBER },
      ],
    },
    {
      n: 3,
      asn: 65002,
      sessions: [
        { to: 2, asn: 65001, change: MEMBER },
        { to: 4, asn: 65001, change: MEMBER },
      ],
      routes: [NET],
    },
    {
      n: 4,
      asn: 65001,
      sessions: [{ to: 3, asn: 65002, change: MEMBER }],
      routes: ['10.4.0.0/16'],
    },
  );
  lan.until(() => table(at(1)).has(NET), 60_000, 'route at the internal peer');
  assert.deepEqual(typesOf(table(at(1)).get(NET)!), [3]);
  lan.until(() => table(at(3)).has('10.4.0.0/16'), 60_000, 'route of the other half of 65001');
  lan.advance(5000);
  assert.ok(!table(at(2)).has('10.4.0.0/16'), '65001 is in its path');
});

test('the confederation in a path from outside is a loop', () => {
  const looping = setting('loop', (bgp) => ({
    ...bgp,
    asPath: [{ type: 2, asns: [65100] }],
  }));
  const { lan, at } = build(
    outside(9, 1, {
      routes: [NET, '10.2.0.0/16'],
      sessions: [{ to: 1, asn: 65100, channel: { exportPolicy: looping } }],
    }),
    { n: 1, asn: 65001, sessions: [{ to: 9, asn: 65200, change: INSIDE }] },
  );
  lan.until(() => updatesFrom(at(1), 'to9') > 0, 60_000, 'UPDATE');
  assert.equal(table(at(1)).size, 0);
});

test('members count nothing in the length, and a member is no external peer', () => {
  // By 2 the path is one AS and one member long, by 5 it is two ASes long.
  const { lan, at } = build(
    outside(9, 2, { routes: [NET] }),
    {
      n: 2,
      asn: 65002,
      sessions: [
        { to: 9, asn: 65200, change: INSIDE },
        { to: 1, asn: 65001, change: MEMBER },
      ],
    },
    {
      n: 5,
      asn: 65300,
      sessions: [
        { to: 6, asn: 65301 },
        { to: 1, asn: 65100 },
      ],
    },
    { n: 6, asn: 65301, sessions: [{ to: 5, asn: 65300 }], routes: [NET] },
    {
      n: 1,
      asn: 65001,
      sessions: [
        { to: 2, asn: 65002, change: MEMBER },
        { to: 5, asn: 65300, change: INSIDE },
      ],
    },
  );
  lan.until(() => pathOf(table(at(1)).get(NET))[0] === 65002, 60_000, 'the shorter way');
  // As long as the other by ASes: the external peer wins (RFC 5065 §5.3).
  at(2).configure(
    configOf({
      n: 2,
      asn: 65002,
      sessions: [
        { to: 9, asn: 65200, change: INSIDE },
        {
          to: 1,
          asn: 65001,
          change: MEMBER,
          channel: {
            exportPolicy: setting('longer', (bgp) => ({
              ...bgp,
              asPath: [{ type: 2, asns: [65200, 65200] }],
            })),
          },
        },
      ],
    }),
  );
  lan.until(() => pathOf(table(at(1)).get(NET))[0] === 65300, 1000, 'external before member');
});

test('who is not a member and says so only on our side is not believed', () => {
  const { lan, at } = build(
    { n: 1, asn: 65001, sessions: [{ to: 2, asn: 65002, change: MEMBER }] },
    { n: 2, asn: 65002, sessions: [{ to: 1, asn: 65001 }], routes: [NET] },
  );
  lan.until(() => updatesFrom(at(1), 'to2') > 0, 60_000, 'UPDATE');
  assert.equal(table(at(1)).size, 0);
});

test('NO_EXPORT stays in the confederation, NO_EXPORT_SUBCONFED in its member AS', () => {
  for (const [community, sees] of [
    [0xffffff01, { 2: true, 4: true, 8: false }],
    [0xffffff03, { 2: true, 4: false, 8: false }],
  ] as const) {
    const { lan, at } = chain();
    at(1).configure(
      configOf({
        n: 1,
        asn: 65001,
        sessions: [
          {
            to: 9,
            asn: 65200,
            change: INSIDE,
            channel: {
              importPolicy: setting('c', (bgp) => ({ ...bgp, communities: [community] })),
            },
          },
          { to: 2, asn: 65001, change: INSIDE },
        ],
      }),
    );
    lan.until(() => table(at(2)).has(NET), 60_000, 'route at 2');
    lan.advance(30_000);
    for (const [n, wanted] of Object.entries(sees)) {
      assert.equal(table(at(Number(n))).has(NET), wanted, `${community.toString(16)} at ${n}`);
    }
  }
});
