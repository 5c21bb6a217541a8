// Next hop objects in a real kernel, through lives and deaths of the daemon: few routes look as they
// do with BIRD, many refer to objects, which survive a crash and are taken over, come back with the
// link, and are gone when the daemon ends in order. Skipped, visibly, without network namespaces.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const namespace = `rk-nh-${process.pid}`;
const FEW = 3;
const MANY = 300;
const LIMIT_MS = 20_000;

test('next hop objects live as long as somebody needs them', { timeout: 90_000 }, async (t) => {
  const added = spawnSync('ip', ['netns', 'add', namespace], { encoding: 'utf8' });
  if (added.status !== 0) return t.skip(`no network namespace: ${added.stderr}`);
  const directory = mkdtempSync(join(tmpdir(), 'rookery-nexthops-'));
  const running = new Set<ChildProcess>();
  const log = join(directory, 'log');
  const start = (routes: number): ChildProcess => {
    const config = join(directory, 'conf');
    writeFileSync(config, configOf(routes, log));
    const main = join(import.meta.dirname, 'main.ts');
    const options = [
      '-f',
      '-c',
      config,
      '-s',
      join(directory, 'ctl'),
      '-P',
      join(directory, 'pid'),
    ];
    const args = ['netns', 'exec', namespace, process.execPath, main, 'router', ...options];
    const child = spawn('ip', args, { stdio: 'ignore' });
    running.add(child);
    return child;
  };
  const end = async (child: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await once(child, 'exit');
    running.delete(child);
  };
  try {
    ip('link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1');
    ip('address', 'add', '192.168.1.1/24', 'dev', 'v0');
    for (const link of ['lo', 'v0', 'v1']) ip('link', 'set', link, 'up');

    const few = start(FEW);
    await until(() => routes().length === FEW, 'few routes');
    assert.deepEqual(routes()[0], {
      dst: '10.1.0.0',
      metric: 32,
      flags: [],
      nexthops: ['192.168.1.32', '192.168.1.33'].map((gateway) => ({
        gateway,
        dev: 'v0',
        weight: 1,
        flags: [],
      })),
    });
    assert.deepEqual(objects(), []);
    await end(few, 'SIGTERM');
    assert.deepEqual(routes(), []);

    const many = start(MANY);
    await until(() => routes().length === MANY, 'many routes');
    const made = objects();
    assert.deepEqual(
      made.map(({ gateway, group }) => gateway ?? group?.length),
      ['192.168.1.32', '192.168.1.33', 2],
    );
    await end(many, 'SIGKILL');
    assert.deepEqual([routes().length, objects()], [MANY, made], 'forwarding goes on');

    const again = start(MANY);
    const pruned = (): number => readFileSync(log, 'utf8').split('Pruning table').length - 1;
    await until(() => pruned() === 3, 'the scan of the third life');
    assert.deepEqual([routes().length, objects()], [MANY, made], 'taken over as they are');
    ip('link', 'set', 'v1', 'down');
    await until(() => routes().length === 0 && objects().length === 0, 'the loss of the link');
    ip('link', 'set', 'v1', 'up');
    await until(() => routes().length === MANY && objects().length === 3, 'its return');
    await end(again, 'SIGTERM');
    assert.deepEqual([routes(), objects()], [[], []]);
  } finally {
    for (const child of running) child.kill('SIGKILL');
    spawnSync('ip', ['netns', 'delete', namespace]);
    rmSync(directory, { recursive: true, force: true });
  }
});

function configOf(count: number, log: string): string {
  const lines = Array.from(
    { length: count },
    (_, i) => `route 10.1.${i >> 8}.${i & 255}/32 via 192.168.1.32 via 192.168.1.33;`,
  );
  return `
log "${log}" all;
router id 192.168.1.1;
protocol device { }
protocol kernel { debug { events }; metric 32; ipv4 { import none; export all; }; }
protocol static { ipv4; ${lines.join('\n')} }
`;
}

interface NexthopEntry {
  readonly id: number;
  readonly gateway?: string;
  readonly group?: readonly unknown[];
}

function routes(): readonly unknown[] {
  return JSON.parse(ip('-j', 'route', 'show', 'proto', 'bird')) as unknown[];
}

function objects(): readonly NexthopEntry[] {
  return JSON.parse(ip('-j', 'nexthop', 'show') || '[]') as NexthopEntry[];
}

function ip(...args: string[]): string {
  return execFileSync('ip', ['-n', namespace, ...args], { encoding: 'utf8', stdio: 'pipe' });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = Date.now() + LIMIT_MS;
  while (!condition()) {
    assert.ok(Date.now() < limit, `in vain: ${what}`);
    await delay(50);
  }
}
