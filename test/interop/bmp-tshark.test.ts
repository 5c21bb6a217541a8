// What our BMP sender says to a station, decoded by a program that is not ours (tshark): a session
// with a real BIRD that comes up before the station is there, changes while it listens, and ends.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { until, when } from '@rookery/lab';
import { BmpStation, skipWithoutStation } from '../support/bmp-station.ts';
import { skipWithoutBird } from '../support/routers.ts';

const skip = skipWithoutBird || skipWithoutStation();
const run = promisify(execFile);
const main = join(import.meta.dirname, '../../apps/rookery/src/main.ts');
const directory = mkdtempSync(join(tmpdir(), 'rookery-bmp-'));
const children = new Set<ChildProcess>();
const OURS = '127.0.78.1';
const BIRD = '127.0.78.2';
const station = new BmpStation();

const session = (local: string, remote: string, asn: number, peerAs: number): string => `
protocol bgp peer {
  local ${local} port 17978 as ${asn};
  neighbor ${remote} port 17978 as ${peerAs};
  strict bind; multihop; connect delay time 1; connect retry time 2;
  ipv4 { import where net != 10.2.0.0/16; export all; };
}
`;

before(async () => {
  if (skip) return;
  const port = await station.listen();
  const bmp = `protocol bmp watch {
    disabled;
    station address ip 127.0.0.1 port ${port};
    monitoring rib in pre_policy;
    tx buffer limit 16;
  }`;
  const head = (name: string, id: string): string =>
    `log "${directory}/${name}.log" all;\nrouter id ${id};\nprotocol device { }\n`;
  const ours = head('ours', '192.0.2.1') + bmp + session(OURS, BIRD, 65001, 65002);
  writeFileSync(`${directory}/ours.conf`, ours);
  writeFileSync(
    `${directory}/bird.conf`,
    `${head('bird', '192.0.2.2')}
protocol static one { ipv4; route 10.1.0.0/16 blackhole; route 10.2.0.0/16 blackhole; }
protocol static two { ipv4; route 10.3.0.0/16 blackhole; }
${session(BIRD, OURS, 65002, 65001)}`,
  );
  start(process.execPath, main, 'router', ...args('ours'));
  start('/usr/sbin/bird', ...args('bird'));
  await until('the session and its routes', 20_000, async () =>
    when((await ask('show route protocol peer')).includes('10.3.0.0/16')),
  );
});

after(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  station.close();
  rmSync(directory, { recursive: true, force: true });
});

test('a station that comes late hears of the session and gets every route', { skip }, async () => {
  await ask('enable watch');
  await until('three prefixes', 15_000, async () => when((await station.prefixes()).size >= 3));
  const types = await station.column('bmp.type');
  assert.deepEqual(types.slice(0, 2), ['4', '3'], 'Initiation, then Peer Up');
  // A route that our filter refuses is there: it is the RIB before policy.
  assert.deepEqual([...(await station.prefixes())].toSorted(), [
    '10.1.0.0',
    '10.2.0.0',
    '10.3.0.0',
  ]);
  assert.match(await station.decode('-O', 'bmp'), /Rookery/);
});

test('withdrawals and the end of the session are told', { skip }, async () => {
  await ask('disable two', 'bird');
  await until('the withdrawal', 10_000, async () =>
    when(
      /10\.3\.0\.0/.test(
        await station.decode('-T', 'fields', '-e', 'bgp.withdrawn_prefix', '-O', 'bgp'),
      ),
    ),
  );
  await ask('disable peer', 'bird');
  await until('Peer Down', 10_000, async () =>
    when((await station.column('bmp.type')).includes('2')),
  );
  assert.deepEqual(
    await station.column('bmp.peer.down.reason'),
    ['3'],
    'by a NOTIFICATION of the peer',
  );
  await ask('enable peer', 'bird');
  await until('Peer Up again', 20_000, async () =>
    when((await station.column('bmp.type')).filter((type) => type === '3').length === 2),
  );
  await ask('disable watch');
  await until('Termination', 10_000, async () =>
    when((await station.column('bmp.type')).includes('5')),
  );
});

test('tshark finds nothing malformed', { skip }, async () => {
  assert.equal(await station.decode('-Y', '_ws.malformed || _ws.expert.severity == error'), '');
});

function start(program: string, ...rest: readonly string[]): void {
  const child = spawn(program, rest, { stdio: 'ignore' });
  children.add(child);
  child.once('exit', () => children.delete(child));
}

function args(name: string): string[] {
  const path = (suffix: string): string => `${directory}/${name}.${suffix}`;
  return ['-f', '-c', path('conf'), '-s', path('ctl'), '-P', path('pid')];
}

async function ask(command: string, name = 'ours'): Promise<string> {
  const ctl = `${directory}/${name}.ctl`;
  const { stdout } = await run(process.execPath, [main, 'birdc', '-s', ctl, command]).catch(
    (error: { stdout?: string; stderr?: string }) => ({ stdout: `${error.stdout}${error.stderr}` }),
  );
  return stdout;
}
