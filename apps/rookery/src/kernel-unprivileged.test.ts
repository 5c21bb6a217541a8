// A router that gave up root, as Debian starts BIRD, writes a table that is large enough for another
// thread: capabilities belong to threads. Skipped, visibly, without network namespaces.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const namespace = `rk-user-${process.pid}`;
const ROUTES = 3000;
const LIMIT_MS = 20_000;
const NOBODY = '65534';

test('a router without root writes a large table', { timeout: 60_000 }, async (t) => {
  const added = spawnSync('ip', ['netns', 'add', namespace], { encoding: 'utf8' });
  if (added.status !== 0) return t.skip(`no network namespace: ${added.stderr}`);
  const directory = mkdtempSync(join(tmpdir(), 'rookery-user-'));
  chmodSync(directory, 0o777);
  const config = join(directory, 'conf');
  const log = join(directory, 'log');
  writeFileSync(config, configOf(log));
  const main = join(import.meta.dirname, 'main.ts');
  const files = ['-c', config, '-s', join(directory, 'ctl'), '-P', join(directory, 'pid')];
  const args = [main, 'router', '-f', ...files, '-u', NOBODY, '-g', NOBODY];
  const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...args], {
    stdio: 'ignore',
  });
  try {
    const startedMs = performance.now();
    while (routeCount() < ROUTES) {
      assert.ok(performance.now() - startedMs < LIMIT_MS, `${routeCount()} routes`);
      await delay(50);
    }
    assert.ok(threadsOf(child.pid!).includes('libuv-worker'), 'no other thread wrote');
    assert.match(readFileSync(`/proc/${child.pid}/status`, 'latin1'), /^Uid:\t65534/m);
    assert.doesNotMatch(readFileSync(log, 'utf8'), /<(ERR|WARN|BUG)>/);
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
    spawnSync('ip', ['netns', 'delete', namespace]);
    rmSync(directory, { recursive: true });
  }
});

function configOf(log: string): string {
  const routes = Array.from(
    { length: ROUTES },
    (_, i) => `route 10.${i >> 8}.${i & 255}.0/24 blackhole;`,
  );
  return `log "${log}" all;
    router id 192.0.2.1;
    protocol device { }
    protocol kernel { ipv4 { export all; }; }
    protocol static { ipv4; ${routes.join('\n')} }`;
}

function threadsOf(pid: number): readonly string[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).map((id) => readFileSync(join(tasks, id, 'comm'), 'latin1').trim());
}

function routeCount(): number {
  const { stdout } = spawnSync('ip', ['-n', namespace, 'route', 'show', 'proto', 'bird'], {
    encoding: 'utf8',
  });
  return stdout.split('\n').length - 1;
}
