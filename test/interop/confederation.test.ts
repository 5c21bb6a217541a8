// RFC 5065: a member of a confederation between an internal peer, another member AS and the world
// outside. Ours and the real BIRD in its place must tell the three neighbors the same.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Routers, comparable, skipWithoutBird as skip } from '../support/routers.ts';

const routers = new Routers();
after(() => routers.close());

const PLACES = {
  inside: { n: 2, as: 65001, options: 'confederation 65100;' },
  sister: { n: 3, as: 65002, options: 'confederation 65100; confederation member;' },
  outside: { n: 4, as: 65200, options: '' },
} as const;
type Place = keyof typeof PLACES;
/** Routes that each has when everything has been said. */
const COUNTS = { subject: 13, inside: 14, sister: 12, outside: 10 };
const NAMES = Object.keys(PLACES) as Place[];

const address = (n: number): string => `127.0.80.${n}`;

const session = (name: string, from: [number, number], to: [number, number], options: string) => `
protocol bgp ${name} {
  local ${address(from[0])} port 17980 as ${from[1]};
  neighbor ${address(to[0])} port 17980 as ${to[1]};
  strict bind; multihop; connect delay time 1; connect retry time 2; ${options}
  ipv4 { import all; export all; };
}
`;

const subject = `
router id 192.0.2.1;
protocol device { }
protocol static own { ipv4; route 10.1.0.0/16 blackhole; }
${NAMES.map((name) => {
  const { n, as, options } = PLACES[name];
  const confederation = name === 'outside' ? 'confederation 65100;' : options;
  return session(name, [1, 65001], [n, as], confederation);
}).join('')}
`;

/** Each originates a plain route, one with MED and LOCAL_PREF, and one that must stay inside. */
const neighbor = (name: Place): string => {
  const { n, as, options } = PLACES[name];
  const seen = name === 'outside' ? 65100 : 65001;
  return `
router id 192.0.2.${n};
protocol device { }
protocol static own { ipv4 { import filter {
    if net ~ 10.${n}.1.0/24 then { bgp_med = ${n}0; bgp_local_pref = ${n}00; }
    if net ~ 10.${n}.2.0/24 then bgp_community.add((65535,65281));
    if net ~ 10.${n}.3.0/24 then bgp_community.add((65535,65283));
    if net ~ 10.${n}.4.0/24 then bgp_path.prepend(65001);
    accept;
  }; };
  ${[0, 1, 2, 3, 4].map((i) => `route 10.${n}.${i}.0/24 blackhole;`).join(' ')}
}
${session('subject', [n, as], [1, seen], options)}`;
};

async function seen(kind: 'rookery' | 'bird'): Promise<Record<string, string>> {
  for (const name of NAMES) await routers.start(name, 'bird', neighbor(name));
  await routers.start('subject', kind, subject);
  for (const [name, count] of Object.entries(COUNTS)) {
    await routers.expect(name, 'show route count', new RegExp(`^${count} of`, 'm'));
  }
  const tables: Record<string, string> = {};
  for (const name of ['subject', ...NAMES]) {
    tables[name] = comparable(await routers.ask(name, 'show route all'));
  }
  for (const name of ['subject', ...NAMES]) await routers.stop(name);
  return tables;
}

test('a member of a confederation tells each neighbor what BIRD tells it', { skip }, async () => {
  const real = await seen('bird');
  assert.match(real['sister']!, /BGP\.as_path: \(65001\)/);
  assert.match(real['outside']!, /BGP\.as_path: 65100\n/);
  const ours = await seen('rookery');
  for (const name of Object.keys(real)) assert.equal(ours[name], real[name], name);
});
