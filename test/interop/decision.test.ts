// Which of several routes is the best: ours and the real BIRD, with each of BIRD's tie-break options,
// for prefixes on which one step of the decision after the other makes the difference.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Routers, skipWithoutBird as skip } from '../support/routers.ts';

const routers = new Routers();
after(() => routers.close());

const port = 17984;
const address = (n: number): string => `127.0.84.${n}`;

/** What neighbor `i` says of 10.K.0.0/16, as statements of its export filter. */
const SAYS: readonly (readonly string[])[] = [
  // AS path length
  ['bgp_path.prepend(65010);', '', 'bgp_path.prepend(65030);', ''],
  // origin
  [
    'bgp_origin = ORIGIN_INCOMPLETE;',
    'bgp_origin = ORIGIN_EGP;',
    'bgp_origin = ORIGIN_EGP;',
    'bgp_origin = ORIGIN_INCOMPLETE;',
  ],
  // MED among neighbors of one AS (0 and 1) and of others
  ['bgp_med = 20;', 'bgp_med = 10;', 'bgp_med = 5;', 'bgp_med = 30;'],
  // MED that one leaves out
  ['bgp_med = 20;', '', 'bgp_med = 5;', ''],
  // a longer path with a better MED
  [
    'bgp_path.prepend(65010); bgp_med = 1;',
    'bgp_med = 9;',
    'bgp_path.prepend(65030); bgp_med = 1;',
    'bgp_med = 9;',
  ],
  // nothing but router ids and addresses
  ['', '', '', ''],
  // MED decides between 0 and 1, the router id among the rest: order matters
  ['bgp_med = 2;', 'bgp_med = 1;', 'bgp_med = 3;', 'bgp_med = 0;'],
  // external against internal
  ['bgp_local_pref = 50;', 'bgp_local_pref = 150;', '', 'bgp_local_pref = 100;'],
];

interface Speaker {
  readonly as: number;
  readonly id: string;
}
/** Two of one AS, one of another, one internal. */
const SPEAKERS: readonly Speaker[] = [
  { as: 65010, id: '192.0.2.40' },
  { as: 65010, id: '192.0.2.30' },
  { as: 65030, id: '192.0.2.20' },
  { as: 65001, id: '192.0.2.50' },
];

const speaker = ({ as, id }: Speaker, i: number): string => `
router id ${id};
protocol device { }
protocol static own { ipv4; ${SAYS.map((_, k) => `route 10.${k}.0.0/16 blackhole;`).join(' ')} }
protocol bgp subject {
  local ${address(10 + i)} port ${port} as ${as}; neighbor ${address(1)} port ${port} as 65001;
  strict bind; multihop; passive;
  ipv4 { import none; next hop self; export filter {
    ${SAYS.map((says, k) => `if net = 10.${k}.0.0/16 then { ${says[i]} }`).join('\n    ')}
    accept;
  }; };
}
`;

const subject = (options: string): string => `
router id 192.0.2.1;
protocol device { }
${SPEAKERS.map(
  ({ as }, i) => `protocol bgp s${i} {
  local ${address(1)} port ${port} as 65001; neighbor ${address(10 + i)} port ${port} as ${as};
  strict bind; multihop; connect delay time 1; ${options}
  ipv4 { import all; export none; };
}`,
).join('\n')}
`;

const OPTIONS = [
  '',
  'path metric off;',
  'med metric;',
  'deterministic med;',
  'med metric; deterministic med;',
  'default bgp_med 7;',
  'default bgp_local_pref 120;',
];

/** The protocol whose route is best, by network. */
async function winners(kind: 'rookery' | 'bird', options: string): Promise<Record<string, string>> {
  await routers.start('subject', kind, subject(options));
  await routers.expect('subject', 'show route count', new RegExp(`^${SAYS.length * 4} of`, 'm'));
  const reply = await routers.ask('subject', 'show route primary');
  await routers.stop('subject');
  const rows = [...reply.matchAll(/^(10\.\d+\.0\.0\/16) .*\[(s\d) .*\*/gm)];
  return Object.fromEntries(rows.map(([, net = '', name = '']) => [net, name]));
}

before(async () => {
  if (skip) return;
  await Promise.all(SPEAKERS.map((one, i) => routers.start(`s${i}`, 'bird', speaker(one, i))));
});

for (const options of OPTIONS) {
  test(`the same winners with: ${options || 'no option'}`, { skip, timeout: 90_000 }, async () => {
    const real = await winners('bird', options);
    assert.equal(Object.keys(real).length, SAYS.length);
    assert.deepEqual(await winners('rookery', options), real);
  });
}
