// MRT dumps of a running router, read by a program that is not ours (bgpdump) and by our own reader:
// tables by command and by `protocol mrt`, messages and states by `mrtdump`, beside a real BIRD.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { until, when } from '@rookery/lab';

const missing = ['/usr/bin/bgpdump', '/usr/sbin/bird'].filter((path) => !existsSync(path));
const skip =
  process.getuid?.() !== 0
    ? 'needs root for netlink'
    : missing.length > 0
      ? `this machine lacks the program ${missing[0]}`
      : false;
const run = promisify(execFile);
const main = join(import.meta.dirname, '../../apps/rookery/src/main.ts');
const directory = mkdtempSync(join(tmpdir(), 'rookery-mrt-'));
const children = new Set<ChildProcess>();
const OURS = '127.0.77.1';
const BIRD = '127.0.77.2';

const session = (local: string, remote: string, asn: number, peerAs: number): string => `
protocol bgp peer {
  local ${local} port 17977 as ${asn};
  neighbor ${remote} port 17977 as ${peerAs};
  strict bind; multihop; connect delay time 1; connect retry time 2;
  ipv4 { import all; export filter { bgp_community.add((65002,7)); accept; }; next hop self; };
  ipv6 { import all; export all; next hop address 2001:db8::2; };
}
`;

before(async () => {
  if (skip) return;
  writeFileSync(
    `${directory}/ours.conf`,
    `log "${directory}/ours.log" all;
router id 192.0.2.1;
mrtdump "${directory}/messages.mrt";
mrtdump protocols { states, messages };
protocol device { }
protocol static own { ipv4; route 198.51.100.0/24 blackhole; }
protocol mrt dumps { table "*"; filename "${directory}/periodic-%N-%Y.mrt"; period 1; where net.type = NET_IP4; }
${session(OURS, BIRD, 65001, 65002)}`,
  );
  writeFileSync(
    `${directory}/bird.conf`,
    `log "${directory}/bird.log" all;
router id 192.0.2.2;
protocol device { }
protocol static s4 { ipv4; route 10.1.0.0/16 blackhole; route 10.2.0.0/16 blackhole; }
protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole; }
${session(BIRD, OURS, 65002, 65001)}`,
  );
  start(process.execPath, main, 'router', ...args('ours'));
  start('/usr/sbin/bird', ...args('bird'));
  await until('three routes', 20_000, async () => {
    const text = await ask('show route protocol peer');
    return when((text.match(/AS65002i/g) ?? []).length === 3);
  });
});

after(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

test('bgpdump reads a table dump that birdc asked for', { skip }, async () => {
  const file = `${directory}/tables.mrt`;
  assert.doesNotMatch(await ask(`mrt dump table "master*" to "${file}"`), /error|match/);
  const wanted = [
    `|B|${BIRD}|65002|10.1.0.0/16|65002|IGP|${BIRD}|100|0|65002:7|NAG||`,
    `|B|${BIRD}|65002|10.2.0.0/16|65002|IGP|${BIRD}|100|0|65002:7|NAG||`,
    `|B|0.0.0.0|0|198.51.100.0/24||INCOMPLETE|255.255.255.255|0|0||NAG||`,
    `|B|${BIRD}|65002|2001:db8:1::/48|65002|IGP|2001:db8::2|100|0||NAG||`,
  ];
  await until('bgpdump to read all routes', 10_000, async () =>
    when((await bgpdump(file)).length === wanted.length),
  );
  assert.deepEqual((await bgpdump(file)).map(withoutTime), wanted);
  const ours = (await show(file)).map(withoutTime);
  assert.deepEqual(
    ours.map((line) => line.replace('INCOMPLETE||', 'INCOMPLETE|255.255.255.255|')),
    wanted,
  );
});

test(
  'protocol mrt dumps each table to a file of its name, through its filter',
  { skip },
  async () => {
    const file = `${directory}/periodic-master4-${new Date().getFullYear()}.mrt`;
    await until('a periodic dump', 10_000, async () => when(existsSync(file)));
    const lines = await bgpdump(file);
    assert.deepEqual(
      lines.map((line) => line.split('|')[5]),
      ['10.1.0.0/16', '10.2.0.0/16', '198.51.100.0/24'],
    );
    const names = readdirSync(directory).filter((name) => name.startsWith('periodic-'));
    assert.equal(names.length, 2, names.join());
  },
);

test('bgpdump and we agree on the recorded messages and states', { skip }, async () => {
  const file = `${directory}/messages.mrt`;
  const theirs = await bgpdump(file);
  assert.deepEqual(await show(file), theirs);
  const said = theirs.map(withoutTime);
  assert.ok(said.includes(`|STATE|${BIRD}|65002|5|6`), said.join('\n'));
  assert.ok(said.includes(`|A|${BIRD}|65002|10.1.0.0/16|65002|IGP|${BIRD}|0|0|65002:7|NAG||`));
  assert.ok(said.some((line) => line.startsWith(`|A|${BIRD}|65002|2001:db8:1::/48|65002|IGP|`)));
});

test('we read what BIRD dumps of its own table as bgpdump does', { skip }, async () => {
  const file = `${directory}/bird.mrt`;
  await ask(`mrt dump table "*" to "${file}"`, 'bird');
  await until('the dump', 10_000, async () =>
    when(existsSync(file) && (await bgpdump(file)).length > 0),
  );
  const theirs = await bgpdump(file);
  const ours = await show(file);
  assert.deepEqual(
    ours.map((line) => line.split('|').slice(0, 6)),
    theirs.map((line) => line.split('|').slice(0, 6)),
  );
});

test('a file that cannot be written is one line in the log', { skip }, async () => {
  await ask('mrt dump table master4 to "/nonexistent/x.mrt"');
  await until('the log line', 5000, async () => {
    const { stdout } = await run('grep', [
      '-c',
      'Cannot write /nonexistent/x.mrt',
      `${directory}/ours.log`,
    ]);
    return when(stdout.trim() === '1');
  });
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
  const { stdout } = await run(process.execPath, [
    main,
    'birdc',
    '-s',
    `${directory}/${name}.ctl`,
    command,
  ]).catch((error: { stdout?: string; stderr?: string }) => ({
    stdout: `${error.stdout}${error.stderr}`,
  }));
  return stdout;
}

async function bgpdump(file: string): Promise<string[]> {
  const { stdout } = await run('/usr/bin/bgpdump', ['-m', file]);
  return stdout.split('\n').filter((line) => line !== '');
}

async function show(file: string): Promise<string[]> {
  const { stdout } = await run(process.execPath, [main, 'mrt', 'show', file]);
  return stdout.split('\n').filter((line) => line !== '');
}

function withoutTime(line: string): string {
  return line.replace(/^\w+\|\d+/, '');
}
