// Our RPKI client with a real cache, StayRTR, on loopback: first load, increments, filters that ask
// the table, a cache that dies and one that comes back with another session; BIRD as a second client
// of the same cache holds the same records.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { until, when } from '@rookery/lab';

const STAYRTR = '/usr/bin/stayrtr';
const BIRD = '/usr/sbin/bird';
const skip =
  process.getuid?.() !== 0
    ? 'needs root for netlink'
    : existsSync(STAYRTR)
      ? false
      : `this machine lacks the program ${STAYRTR}`;
const run = promisify(execFile);
const main = join(import.meta.dirname, '../../apps/rookery/src/main.ts');
const directory = mkdtempSync(join(tmpdir(), 'rookery-rpki-'));
const children = new Set<ChildProcess>();
let port = 0;
let cache: ChildProcess;

const confFor = (name: string): string => `
log "${directory}/${name}.log" all;
router id 192.0.2.1;
roa4 table r4;
roa6 table r6;
protocol device { }
protocol rpki cache1 {
  roa4 { table r4; };
  roa6 { table r6; };
  remote 127.0.0.1 port ${port};
  refresh keep 5; retry keep 1; expire 600;
}
protocol static origins {
  ipv4 { import where roa_check(r4, net, 65002) = ROA_VALID; };
  route 203.0.113.0/24 blackhole;
  route 198.51.100.0/24 blackhole;
}
`;

before(async () => {
  if (skip) return;
  port = await freePort();
  vrps(['203.0.113.0/24', 25], ['2001:db8::/32', 48]);
  cache = startCache();
  writeFileSync(`${directory}/ours.conf`, confFor('ours'));
  start(process.execPath, main, 'router', ...routerArgs('ours'));
});

after(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(directory, { recursive: true, force: true });
});

test(
  'records of the cache are in the tables, and the session is told as BIRD does',
  { skip },
  async () => {
    await rows('r4', ['203.0.113.0/24-25 AS65002']);
    await rows('r6', ['2001:db8::/32-48 AS65002']);
    const text = await ask('show protocols all cache1');
    assert.match(text, /^cache1 +RPKI +--- +up +\S+ +Established$/m);
    assert.match(text, /^ {2}Cache server: {5}127\.0\.0\.1$/m);
    assert.match(text, new RegExp(`^ {2}Cache port: {7}${port}$`, 'm'));
    assert.match(text, /^ {2}Status: {11}Established$/m);
    assert.match(text, /^ {2}Transport: {8}Unprotected over TCP$/m);
    assert.match(text, /^ {2}Protocol version: 1$/m);
    assert.match(text, /^ {2}Session ID: {7}\d+$/m);
    assert.match(text, /^ {2}Serial number: {4}\d+$/m);
    assert.match(text, /^ {2}Last update: {6}before \d+\.\d{3} s$/m);
    assert.match(text, /^ {2}Refresh timer {3}: \d+\.\d{3}\/\d+$/m);
    assert.match(text, /^ {2}Retry timer {5}: ---$/m);
    assert.match(text, /^ {2}Expire timer {4}: \d+\.\d{3}\/\d+$/m);
    assert.match(text, /1 imported, 0 exported/);
  },
);

test('a filter that asks the table runs again when the table changes', { skip }, async () => {
  await routes(['203.0.113.0/24']);
  vrps(['198.51.100.0/24', 24], ['2001:db8::/32', 48]);
  await rows('r4', ['198.51.100.0/24-24 AS65002']);
  await routes(['198.51.100.0/24']);
  vrps(['203.0.113.0/24', 24], ['198.51.100.0/24', 24]);
  await rows('r4', ['198.51.100.0/24-24 AS65002', '203.0.113.0/24-24 AS65002']);
  await routes(['198.51.100.0/24', '203.0.113.0/24']);
  await rows('r6', []);
});

test(
  'a cache that dies keeps its records in force; another session replaces them',
  { skip },
  async () => {
    cache.kill('SIGKILL');
    await once(cache, 'exit');
    await until('Transport-Error', 10_000, async () =>
      when(/Transport-Error/.test(await ask('show protocols cache1'))),
    );
    await routes(['198.51.100.0/24', '203.0.113.0/24']);
    vrps(['203.0.113.0/24', 24]);
    cache = startCache();
    await rows('r4', ['203.0.113.0/24-24 AS65002']);
    await routes(['203.0.113.0/24']);
  },
);

test(
  'BIRD has the same records from the same cache',
  { skip: skip || (existsSync(BIRD) ? false : `this machine lacks the program ${BIRD}`) },
  async () => {
    writeFileSync(`${directory}/bird.conf`, confFor('bird'));
    start(BIRD, ...routerArgs('bird'));
    vrps(['203.0.113.0/24', 25], ['10.0.0.0/8', 16], ['2001:db8::/32', 48]);
    const all = ['10.0.0.0/8-16 AS65002', '203.0.113.0/24-25 AS65002'];
    for (const name of ['ours', 'bird']) {
      await rows('r4', all, name);
      await rows('r6', ['2001:db8::/32-48 AS65002'], name);
    }
  },
);

function vrps(...list: readonly (readonly [string, number])[]): void {
  const roas = list.map(([prefix, maxLength]) => ({
    prefix,
    maxLength,
    asn: 'AS65002',
    ta: 'test',
  }));
  writeFileSync(`${directory}/vrps.json`, JSON.stringify({ metadata: {}, roas }));
}

function startCache(): ChildProcess {
  const cacheFile = `${directory}/vrps.json`;
  const options = ['-bind', `127.0.0.1:${port}`, '-cache', cacheFile, '-checktime=false'];
  return start(STAYRTR, ...options, '-refresh', '1', '-metrics.addr', '127.0.0.1:0');
}

function start(program: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { stdio: 'ignore' });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

function routerArgs(name: string): string[] {
  const path = (suffix: string): string => `${directory}/${name}.${suffix}`;
  return ['-f', '-c', path('conf'), '-s', path('ctl'), '-P', path('pid')];
}

async function ask(command: string, name = 'ours'): Promise<string> {
  const args = ['-s', `${directory}/${name}.ctl`, ...command.split(' ')];
  const { stdout } = await run(process.execPath, [main, 'birdc', ...args]).catch(
    (error: { stdout?: string; stderr?: string }) => ({ stdout: `${error.stdout}${error.stderr}` }),
  );
  return stdout;
}

async function rows(table: string, wanted: readonly string[], name = 'ours'): Promise<void> {
  await until(`${name} ${table}: ${wanted.join(', ') || 'nothing'}`, 15_000, async () => {
    const text = await ask(`show route table ${table}`, name);
    const found = [...text.matchAll(/^(\S+ AS\d+) +\[cache1 \S+\] \* \(100\)$/gm)];
    const sorted = found.map((row) => row[1]!).toSorted();
    return when(text.includes(`Table ${table}:`) && sorted.join() === wanted.join());
  });
}

async function routes(wanted: readonly string[]): Promise<void> {
  await until(`routes ${wanted.join(', ')}`, 10_000, async () => {
    const text = await ask('show route table master4');
    const found = [...text.matchAll(/^(\d\S+\/\d+) +blackhole/gm)].map((row) => row[1]!);
    return when(found.toSorted().join() === wanted.join());
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}
