// `import table` and `export table`: the same configuration in ours and in the real BIRD, against
// the same neighbor, gives the same replies; and a changed import filter is applied without asking
// a neighbor that could not resend.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Routers, comparable, skipWithoutBird as skip } from '../support/routers.ts';

const routers = new Routers();
after(() => routers.close());

const subject = (reject: string): string => `
router id 192.0.2.1;
protocol device { }
protocol static own { ipv4; route 10.1.0.0/16 blackhole; route 10.9.0.0/16 blackhole; }
protocol bgp peer {
  local 127.0.78.1 port 17978 as 65001; neighbor 127.0.78.2 port 17978 as 65002;
  strict bind; multihop; connect delay time 1;
  ipv4 {
    import table; export table;
    import filter {
      if net = ${reject} then reject;
      bgp_local_pref = 200; bgp_community.add((1,2)); accept;
    };
    export filter { if net = 10.9.0.0/16 then reject; bgp_med = 7; accept; };
  };
}
`;
const neighbor = `
router id 192.0.2.2;
protocol device { }
protocol static own { ipv4; route 10.2.0.0/16 blackhole; route 10.3.0.0/16 blackhole; }
protocol bgp peer {
  local 127.0.78.2 port 17978 as 65002; neighbor 127.0.78.1 port 17978 as 65001;
  strict bind; multihop; passive; enable route refresh off;
  ipv4 { import all; export all; next hop self; };
}
`;
const COMMANDS = [
  'show route import table peer.ipv4',
  'show route import table peer.ipv4 all',
  'show route import table peer.ipv4 count',
  'show route import table peer.ipv4 filtered',
  'show route import table peer.ipv4 for 10.3.1.1',
  'show route import table peer.ipv4 where net = 10.2.0.0/16',
  'show route import table peer.ipv4 table master4',
  'show route import table peer.ipv4 preexport peer',
  'show route export table peer.ipv4',
  'show route export table peer.ipv4 all',
  'show route export table peer.ipv4 count',
  'show route export table peer.ipv4 for 10.1.1.1',
  'show route export table peer.ipv4 protocol own',
  'show route export table peer.ipv4 protocol peer',
  'show route import table own.ipv4',
  'show route import table peer.ipv6',
];

async function replies(kind: 'rookery' | 'bird'): Promise<readonly string[]> {
  await routers.start('peer', 'bird', neighbor);
  await routers.start(kind, kind, subject('10.2.0.0/16'));
  await routers.expect(kind, 'show route table master4', /10\.3\.0\.0/);
  await routers.expect('peer', 'show route', /10\.1\.0\.0/);
  const all: string[] = [];
  for (const command of COMMANDS) {
    all.push(`${command}\n${comparable(await routers.ask(kind, command))}`);
  }
  return all;
}

test('both show the same import and export tables', { skip, timeout: 90_000 }, async () => {
  const real = await replies('bird');
  await routers.stop('bird');
  await routers.stop('peer');
  assert.deepEqual(await replies('rookery'), real);
});

test('a changed import filter needs no route refresh', { skip, timeout: 60_000 }, async () => {
  await routers.configure('rookery', subject('10.3.0.0/16'));
  const reply = await routers.expect('rookery', 'show route table master4', /10\.2\.0\.0/);
  assert.doesNotMatch(reply, /10\.3\.0\.0/);
  assert.match(await routers.ask('rookery', 'show route import table peer.ipv4'), /10\.3\.0\.0/);
  assert.match(await routers.ask('rookery', 'show protocols peer'), /Established/);
});
