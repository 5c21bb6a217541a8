// BMP after policy beside BMP before it, decoded by tshark: what the import filter made of the routes
// of a real BIRD, and what became of them later.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until, when } from '@rookery/lab';
import { BmpStation, skipWithoutStation } from '../support/bmp-station.ts';
import { Routers, skipWithoutBird } from '../support/routers.ts';

const skip = skipWithoutBird || skipWithoutStation();
const routers = new Routers();
const station = new BmpStation();
after(async () => {
  await routers.close();
  station.close();
});

/** Only messages about Adj-RIB-In after policy. */
const POST = ['-Y', 'bmp.peer.flags.post_policy == 1'];
const subject = (port: number, importPolicy: string): string => `
router id 192.0.2.1;
protocol device { }
protocol bmp watch {
  station address ip 127.0.0.1 port ${port};
  monitoring rib in pre_policy; monitoring rib in post_policy;
}
protocol bgp peer {
  local 127.0.83.1 port 17983 as 65001; neighbor 127.0.83.2 port 17983 as 65002;
  strict bind; multihop; connect delay time 1;
  ipv4 { import ${importPolicy}; export none; };
}
`;
const neighbor = `
router id 192.0.2.2;
protocol device { }
protocol static one { ipv4; route 10.1.0.0/16 blackhole; route 10.2.0.0/16 blackhole; }
protocol static two { ipv4; route 10.3.0.0/16 blackhole; }
protocol bgp peer {
  local 127.0.83.2 port 17983 as 65002; neighbor 127.0.83.1 port 17983 as 65001;
  strict bind; multihop; passive;
  ipv4 { import none; export all; next hop self; };
}
`;
const FIRST = 'filter { if net = 10.2.0.0/16 then reject; bgp_med = 77; accept; }';
let port = 0;

before(async () => {
  if (skip) return;
  port = await station.listen();
  await routers.start('bird', 'bird', neighbor);
  await routers.start('ours', 'rookery', subject(port, FIRST));
});

test('the station hears both RIBs, each marked', { skip, timeout: 60_000 }, async () => {
  await until('the accepted routes after policy', 20_000, async () =>
    when((await station.prefixes(...POST)).size === 2),
  );
  assert.deepEqual([...(await station.prefixes(...POST))].toSorted(), ['10.1.0.0', '10.3.0.0']);
  assert.deepEqual([...(await station.prefixes())].toSorted(), [
    '10.1.0.0',
    '10.2.0.0',
    '10.3.0.0',
  ]);
  const meds = await station.column('bgp.update.path_attribute.multi_exit_disc', ...POST);
  assert.deepEqual([...new Set(meds)], ['77'], 'as the filter left them');
});

test('withdrawals and a changed filter are told', { skip, timeout: 60_000 }, async () => {
  await routers.ask('bird', 'disable two');
  await until('the withdrawal after policy', 10_000, async () =>
    when((await station.column('bgp.withdrawn_prefix', ...POST)).includes('10.3.0.0')),
  );
  await routers.configure('ours', subject(port, 'all'));
  await until('the route that the filter refused', 10_000, async () =>
    when((await station.prefixes(...POST)).has('10.2.0.0')),
  );
});

test('tshark finds nothing malformed', { skip }, async () => {
  assert.equal(await station.decode('-Y', '_ws.malformed || _ws.expert.severity == error'), '');
});
