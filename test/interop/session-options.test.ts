// Options of sessions and what filters set, one neighbor for each: ours and the real BIRD in its
// place must hold the same routes and tell every neighbor the same.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Routers, comparable, skipWithoutBird as skip } from '../support/routers.ts';

const routers = new Routers();
after(() => routers.close());

const FILTER = `export filter {
    if net = 10.2.1.0/24 then bgp_med = bgp_med;
    if net = 10.2.2.0/24 then bgp_med = 51;
    if net = 10.2.3.0/24 then { bgp_med = 1; bgp_med = 50; }
    if net = 10.2.4.0/24 then unset(bgp_med);
    if net = 10.2.5.0/24 then bgp_next_hop = bgp_next_hop;
    if net = 10.2.6.0/24 then bgp_next_hop = 192.0.2.77;
    if net = 10.2.7.0/24 then bgp_local_pref = 300;
    if net = 10.2.8.0/24 then bgp_path.prepend(65001);
    if net = 10.2.9.0/24 then bgp_path.delete(65099);
    if net = 10.2.10.0/24 then bgp_path.filter([65002]);
    if net = 10.2.11.0/24 then { bgp_large_community.add((65001, 1, 2)); bgp_ext_community.add((rt, 65001, 5)); }
    accept;
  };`;

/** What the subject says of the session to each receiver: options of the protocol and the channel. */
const RECEIVERS: Record<string, { protocol?: string; channel?: string; as?: number }> = {
  plain: {},
  self1: { channel: 'next hop self;' },
  kept: { channel: 'next hop keep;' },
  kept2: { channel: 'next hop keep ebgp;' },
  given1: { channel: 'next hop address 192.0.2.99;' },
  pref: { protocol: 'allow bgp_local_pref;' },
  rs1: { protocol: 'rs client;' },
  ibgp1: { as: 65001 },
  ibgp2: { as: 65001, protocol: 'rr client;', channel: 'next hop self ebgp;' },
  many: { channel: 'add paths tx;' },
  few: { channel: 'export limit 3 action block;' },
};
const NAMES = Object.keys(RECEIVERS);

/** What the subject says of the session to each sender. */
const SENDERS: Record<string, string> = {
  sender: '',
  loose: 'allow local as 1; default bgp_local_pref 150; default bgp_med 5;',
  strict1: 'enforce first as; allow as sets off;',
};

const address = (n: number): string => `127.0.82.${n}`;
const port = 17982;
const session = (
  name: string,
  from: readonly [number, number],
  to: readonly [number, number],
  options: string,
  channel: string,
): string => `
protocol bgp ${name} {
  local ${address(from[0])} port ${port} as ${from[1]};
  neighbor ${address(to[0])} port ${port} as ${to[1]};
  strict bind; multihop; connect delay time 1; connect retry time 2; ${options}
  ipv4 { ${channel} };
}
`;

const receiverAs = (name: string): number => RECEIVERS[name]!.as ?? 65003;

const subject = `
router id 192.0.2.1;
protocol device { }
protocol static own { ipv4; route 10.1.0.0/16 blackhole; route 10.1.1.0/24 blackhole { bgp_med = 9; }; }
${NAMES.map((name, i) => {
  const { protocol = '', channel = '' } = RECEIVERS[name]!;
  const both = `import all; ${FILTER} ${channel}`;
  return session(name, [1, 65001], [50 + i, receiverAs(name)], protocol, both);
}).join('')}
${Object.entries(SENDERS)
  .map(([name, options], i) =>
    session(name, [1, 65001], [10 + i, 65002 + i * 10], options, 'import all; export none;'),
  )
  .join('')}
`;

const sender = (i: number): string => {
  const net = (k: number): string => `10.${i === 0 ? 2 : 3 + i}.${k}.0/24`;
  return `
router id 192.0.2.${10 + i};
protocol device { }
protocol static own { ipv4 { import filter {
    bgp_path.prepend(65099);
    if net = ${net(12)} then bgp_path.prepend(65001);
    if net = ${net(13)} then { bgp_path.prepend(65001); bgp_path.prepend(65001); }
    bgp_local_pref = 400; accept;
  }; };
  ${Array.from({ length: 14 }, (_, k) => `route ${net(k)} blackhole;`).join(' ')}
  route 10.9.0.0/24 blackhole;
}
${session('subject', [10 + i, 65002 + i * 10], [1, 65001], '', 'import none; export filter { bgp_med = 50; accept; };')}`;
};

const receiver = (name: string, i: number): string => `
router id 192.0.2.${50 + i};
protocol device { }
${session('subject', [50 + i, receiverAs(name)], [1, 65001], 'allow bgp_local_pref;', 'import all; export none; add paths rx;')}`;

async function seen(kind: 'rookery' | 'bird'): Promise<Record<string, string>> {
  const senders = Object.keys(SENDERS);
  const all = [...senders, ...NAMES];
  await Promise.all([
    ...senders.map((name, i) => routers.start(name, 'bird', sender(i))),
    ...NAMES.map((name, i) => routers.start(name, 'bird', receiver(name, i))),
  ]);
  await routers.start('subject', kind, subject);
  for (const name of all) {
    await routers.expect('subject', `show protocols ${name}`, /Established/);
    await routers.expect(name, 'show protocols subject', /Established/);
  }
  for (const name of ['subject', ...NAMES]) await routers.settled(name, 'show route count');
  const replies: Record<string, string> = {};
  for (const name of ['subject', ...NAMES]) {
    replies[name] = comparable(await routers.ask(name, 'show route all'));
  }
  await Promise.all(['subject', ...all].map((name) => routers.stop(name)));
  return replies;
}

test(
  'sessions with these options mean what they mean to BIRD',
  { skip, timeout: 120_000 },
  async () => {
    const real = await seen('bird');
    const ours = await seen('rookery');
    for (const name of Object.keys(real)) {
      assert.deepEqual(promised(name, ours[name]!), promised(name, real[name]!), name);
    }
  },
);

/** Which routes a limit lets through, and the order of a prefix's paths, is nobody's promise. */
function promised(name: string, text: string): unknown {
  if (name === 'few') return text.match(/^10\./gm)?.length;
  return name === 'many' ? text.split('\n').sort() : text;
}
