// `secondary`: where the best route is refused, or is the neighbor's own, the next one goes instead.
// Ours and the real BIRD as a route server tell a client the same, before and after a withdrawal.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Host } from '@rookery/lab';
import { Routers, comparable } from '../support/routers.ts';
import { insideSandbox, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/sbin/bird');
if (!skip) await insideSandbox();

const routers = new Routers();
const hosts = new Map<number, Host>();

/** The server and its clients on one switch; a sorted table wants neighbors on the link. */
before(async () => {
  if (skip) return;
  for (const n of [1, 2, 3, 4]) {
    const host = await Host.create(`h${n}`, 'secondary-');
    hosts.set(n, host);
    await host.ip('link set lo up');
    if (n === 1) {
      await host.ip(
        'link add name lan type bridge',
        'link set lan up',
        `address add ${address(1)}/24 dev lan`,
      );
      continue;
    }
    await hosts
      .get(1)!
      .ip(
        `link add name p${n} type veth peer name eth0 netns ${host.namespace}`,
        `link set p${n} master lan up`,
      );
    await host.ip('link set eth0 up', `address add ${address(n)}/24 dev eth0`);
  }
});

after(async () => {
  await routers.close();
  for (const host of hosts.values()) await host.destroy();
});

const address = (n: number): string => `192.0.2.${n}`;

/** The server takes routes of 2 over those of 3, and those of 4 over both. */
const server = `
router id 192.0.2.1;
protocol device { }
ipv4 table sorted4 sorted;
${[2, 3, 4]
  .map(
    (n) => `protocol bgp s${n} {
  local ${address(1)} as 65001; neighbor ${address(n)} as ${65000 + n};
  connect delay time 1; rs client;
  ipv4 { table sorted4; secondary; import all;
    export filter { if bgp_community ~ [(65004, ${n})] then reject; accept; }; };
}`,
  )
  .join('\n')}
`;

const client = (n: number, routes: string): string => `
router id 192.0.2.${n};
protocol device { }
protocol static own { ipv4 { import filter {
    if net = 10.2.0.0/16 || net = 10.3.0.0/16 then bgp_community.add((65004, 4));
    accept;
  }; }; ${routes} }
protocol bgp server {
  local ${address(n)} as ${65000 + n}; neighbor ${address(1)} as 65001;
  passive;
  ipv4 { import all; next hop self; export filter { ${n === 3 ? 'bgp_path.prepend(65003);' : ''} accept; }; };
}
`;

const net = (k: number): string => `route 10.${k}.0.0/16 blackhole;`;
/** 1: by both; 2: 3's is the best that 4 may have; 3: none for 4; 5: 4's own is the best. */
const ROUTES = {
  2: net(1) + net(2) + net(3) + net(5),
  3: net(1) + net(3) + net(5),
  4: net(5),
} as const;

async function told(kind: 'rookery' | 'bird'): Promise<readonly string[]> {
  for (const n of [2, 3, 4] as const) {
    await routers.start(`c${n}`, 'bird', client(n, ROUTES[n]), { host: hosts.get(n) });
  }
  await routers.start('server', kind, server, { host: hosts.get(1) });
  for (const n of [2, 3, 4]) {
    await routers.expect('server', `show protocols s${n}`, /Established/);
  }
  // Sessions come up one after the other: only with the routes of 2 is the picture complete.
  await routers.expect('c4', 'show route 10.1.0.0/16', /via 192\.0\.2\.2/);
  await routers.settled('c4', 'show route');
  const before = comparable(await routers.ask('c4', 'show route protocol server all'));
  await routers.ask('c2', 'disable own');
  await routers.expect('c4', 'show route 10.1.0.0/16', /via 192\.0\.2\.3/);
  await routers.settled('c4', 'show route');
  const later = comparable(await routers.ask('c4', 'show route protocol server all'));
  for (const name of ['server', 'c2', 'c3', 'c4']) await routers.stop(name);
  return [before, later];
}

test('a route server tells the next best route', { skip, timeout: 90_000 }, async () => {
  const real = await told('bird');
  assert.match(real[0]!, /10\.5\.0\.0/, 'the best route is its own, so it gets the next');
  assert.deepEqual(await told('rookery'), real);
});
