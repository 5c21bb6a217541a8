// The lab as a user runs it: the whole story as root, the same as an ordinary user, and nothing
// left behind after it was killed.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until, when } from '@rookery/lab';
import { skipWithout } from '../support/sandbox.ts';

const ROOKERY = join(import.meta.dirname, '../../bin/rookery');
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const skip = skipWithout();

test('the story holds', { skip }, async () => {
  await storyHolds([ROOKERY, 'lab', '--once', '--port', '0']);
});

test('the story holds as an ordinary user', { skip: skip || skipUnprivileged() }, async () => {
  await storyHolds([...NOBODY, ROOKERY, 'lab', '--once', '--port', '0']);
});

test(
  'a killed lab leaves neither process nor namespace, and no files to the next one',
  { skip },
  async () => {
    const { child, output } = start([ROOKERY, 'lab', '--port', '0']);
    await until('the first stage', 60_000, () => when(output().includes('1. The minimal')));
    const state = stateOf(child);
    const marker = `ROOKERY_LAB_STATE=${state}`;
    assert.ok(processesWith(marker).length > 5, 'the lab has processes');
    child.kill('SIGKILL');
    await until('every process of it to end', 10_000, () =>
      when(processesWith(marker).length === 0),
    );
    assert.ok(!existsSync('/run/netns/lab-router'), 'no namespace outside the sandbox');
    assert.ok(existsSync(state));
    const next = start([ROOKERY, 'lab', '--port', '0']);
    await until('the next one to begin', 60_000, () => when(next.output() !== ''));
    assert.ok(!existsSync(state), 'the next one removes its files');
    next.child.kill('SIGTERM');
    await new Promise((resolve) => next.child.once('close', resolve));
  },
);

async function storyHolds(argv: readonly string[]): Promise<void> {
  const { child, output } = start(argv);
  const status = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(status, 0, output());
  for (const stage of [1, 2, 3, 4, 5, 6, 7, 8])
    assert.match(output(), new RegExp(`^${stage}\\. `, 'm'));
  assert.match(output(), /^All \d+ facts hold\.$/m);
  assert.ok(!existsSync(stateOf(child)), 'the state directory is gone');
}

function start(argv: readonly string[]): { child: ChildProcess; output: () => string } {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text };
}

/** The shim and setpriv exec, so the supervisor has the child's own pid. */
function stateOf(child: ChildProcess): string {
  const name = readdirSync(tmpdir()).find(
    (entry) => entry.startsWith('rookery-lab-') && entry.endsWith(`-${child.pid}`),
  );
  return join(tmpdir(), name ?? `rookery-lab-none-${child.pid}`);
}

function processesWith(marker: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(marker);
    } catch {
      return false;
    }
  });
}

function skipUnprivileged(): string | false {
  return process.getuid?.() === 0 ? false : 'the tests run as an ordinary user already';
}
