// RFC 8538 with a real FRR: a NOTIFICATION keeps routes where both sides set the N bit, a Hard Reset
// does not, in both directions.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { end, launch, until, when } from '@rookery/lab';
import { Bench, PEER, US } from '../matrix/bench.ts';
import { askBird } from '../matrix/bird-socket.ts';
import { FRRS } from '../matrix/peers/frr.ts';
import { insideSandbox, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/lib/frr/bgpd');
if (!skip) await insideSandbox();

const MAIN = join(import.meta.dirname, '../../apps/rookery/src/main.ts');
const THEIRS = '203.0.113.0/24';
const OURS = '10.1.0.0/16';
const CONF = `
log stderr all;
router id ${US.v4};
protocol device { scan time 5; }
protocol static own { ipv4; route ${OURS} blackhole; }
protocol bgp peer {
  local ${US.v4} as 65001; neighbor ${PEER.v4} as 65002;
  connect delay time 1; connect retry time 2; passive;
  debug all; graceful restart on; graceful restart notification on;
  ipv4 { import all; export all; next hop self; };
}
`;

let bench: Bench;
let router: ChildProcess;
const ask = (command: string): Promise<string> =>
  askBird(join(bench.directory, 'us/bird.ctl'), command);
const vtysh = async (...commands: readonly string[]): Promise<string> => {
  const argv = ['vtysh', '--vty_socket', bench.peerPlace.directory];
  return (await bench.peerPlace.host.run([...argv, ...commands.flatMap((c) => ['-c', c])])).stdout;
};
const log = (): string => readFileSync(join(bench.directory, 'us/router.log'), 'utf8');
const bothUp = async (): Promise<void> => {
  await until('both routes', 20_000, async () =>
    when(
      /^203\.0\.113\.0\/24.*\* /m.test(await ask('show route')) &&
        (await bench.peer.paths(OURS)).length === 1 &&
        (await ask('show protocols peer')).includes('Established'),
    ),
  );
};

before(async () => {
  if (skip) return;
  bench = await Bench.build('/run/graceful-notification', FRRS[0]!);
  const neighbor = { local: PEER.v4, remote: US.v4, as: 65001, families: ['ipv4'] as const };
  await bench.peer.start(bench.peerPlace, {
    as: 65002,
    routerId: PEER.v4,
    neighbors: [neighbor],
    originate: [{ prefix: THEIRS }],
    restartTimeSec: 120,
  });
  const files = join(bench.directory, 'us');
  writeFileSync(`${files}/bird.conf`, CONF);
  router = launch({ host: bench.ourHost, directory: files }, 'router', [
    ...[process.execPath, MAIN, 'router', '-f', '-c', `${files}/bird.conf`],
    ...['-s', `${files}/bird.ctl`, '-P', `${files}/bird.pid`],
  ]);
  await until('our router answers', 15_000, async () =>
    when((await ask('show status').catch(() => '')).includes('up and running')),
  );
});

after(async () => {
  if (skip) return;
  await end(router, 'SIGKILL');
  await bench.peer.stop('SIGKILL');
  await bench.destroy();
});

test('a plain Cease of FRR keeps its routes, a Hard Reset does not', { skip }, async () => {
  await bothUp();
  const state = JSON.parse(await vtysh('show bgp neighbors json')) as Record<
    string,
    { gracefulRestartInfo?: { nBit?: boolean } }
  >;
  assert.equal(state[US.v4]?.gracefulRestartInfo?.nBit, true, 'FRR saw our N bit');
  for (const hard of [false, true]) {
    const no = hard ? '' : 'no ';
    await vtysh('configure terminal', 'router bgp', `${no}bgp hard-administrative-reset`);
    const before = log().length;
    await vtysh('clear bgp *');
    await until('the Cease to arrive', 5000, () =>
      when(log().slice(before).includes('Received: Administrative reset')),
    );
    await bothUp();
    const news = log().slice(before);
    assert.equal(news.includes('Neighbor graceful restart detected'), !hard, news);
    assert.equal(/> removed.* 203\.0\.113\.0/.test(news), hard, news);
  }
});

test(
  'our end of a session is a Hard Reset to FRR, which then keeps nothing',
  { skip },
  async () => {
    await bothUp();
    await ask('disable peer "maintenance"');
    await until('FRR to drop the route', 5000, async () =>
      when((await bench.peer.paths(OURS)).length === 0),
    );
    assert.match(await bench.peer.story(), /Hard Reset/i);
    await ask('enable peer');
    await bothUp();
  },
);
