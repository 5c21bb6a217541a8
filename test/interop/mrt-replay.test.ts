// `rookery mrt replay`: the table that a real BIRD dumped, announced to another BIRD as it was.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { until, when } from '@rookery/lab';
import { Routers, comparable, skipWithoutBird as skip } from '../support/routers.ts';

const routers = new Routers();
const directory = mkdtempSync(join(tmpdir(), 'rookery-replay-'));
after(async () => {
  await routers.close();
  rmSync(directory, { recursive: true, force: true });
});

const session = (
  local: string,
  remote: string,
  as: number,
  peerAs: number,
  more: string,
): string => `
protocol bgp peer {
  local ${local} port 17987 as ${as}; neighbor ${remote} port 17987 as ${peerAs};
  strict bind; multihop; connect delay time 1; connect retry time 2; ${more}
}
`;
const A = '127.0.87.1';
const B = '127.0.87.2';
const source = `
router id 192.0.2.1;
protocol device { }
protocol static own { ipv4 { import filter {
    bgp_path.prepend(65009); bgp_path.prepend(65002);
    if net = 10.1.0.0/16 then { bgp_community.add((65002, 7)); bgp_large_community.add((65002, 1, 2)); }
    if net = 10.2.0.0/16 then { bgp_med = 9; bgp_origin = ORIGIN_INCOMPLETE; }
    accept;
  }; }; route 10.1.0.0/16 blackhole; route 10.2.0.0/16 blackhole; route 10.3.0.0/16 blackhole; }
${session(A, B, 65002, 65001, 'ipv4 { import none; export all; next hop self; }; rs client;')}
`;
const target = `
router id 192.0.2.2;
protocol device { }
${session(B, A, 65001, 65002, 'passive; ipv4 { import all; export none; };')}
`;
const player = `
router id 192.0.2.1;
protocol device { }
${session(A, B, 65002, 65001, 'rs client; ipv4 { import none; next hop self; export all; };')}
`;

const routesOf = async (): Promise<string> => {
  await routers.settled('target', 'show route count');
  return comparable(await routers.ask('target', 'show route all'));
};

test(
  'what BIRD dumped arrives at another BIRD with its attributes',
  { skip, timeout: 90_000 },
  async () => {
    await routers.start('target', 'bird', target);
    await routers.start('source', 'bird', source);
    await routers.expect('target', 'show route count', /^3 of 3/m);
    const real = await routesOf();
    assert.match(real, /BGP\.as_path: 65002 65009/);
    const file = join(directory, 'table.mrt');
    await routers.ask('target', `mrt dump table "master4" to "${file}"`);
    await until('the dump', 10_000, () => when(existsSync(file)));
    await routers.stop('source');
    await routers.expect('target', 'show route count', /^0 of 0/m);
    await routers.start('player', 'rookery', player, { replay: file });
    await routers.expect('target', 'show route count', /^3 of 3/m);
    assert.equal(await routesOf(), real);
  },
);
