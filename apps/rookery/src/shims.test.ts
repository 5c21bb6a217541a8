import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const bin = join(import.meta.dirname, '../../../bin');
const directory = mkdtempSync(join(tmpdir(), 'rookery-shims-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(program, args, { encoding: 'utf8', cwd: directory, env, timeout: 20_000 });
}

test('rookery runs through symbolic links from any directory', () => {
  symlinkSync(join(bin, 'rookery'), join(directory, 'first'));
  symlinkSync('first', join(directory, 'second'));
  const result = run(join(directory, 'second'), ['--version']);
  assert.equal(result.stderr, '');
  assert.match(result.stdout, /^rookery \d+\.\d+\.\d+\n$/);
});

test('birdc and vtysh are names of their subcommands', () => {
  for (const name of ['birdc', 'vtysh']) {
    symlinkSync(join(bin, name), join(directory, name));
    assert.match(run(join(directory, name), ['-h']).stdout, new RegExp(`^Usage: rookery ${name} `));
  }
});

test('without Node 26 the shim says what is missing and how to get it', () => {
  cpSync(bin, join(directory, 'copy/bin'), { recursive: true });
  const old = join(directory, 'old');
  cpSync(bin, old, { recursive: true });
  writeFileSync(join(old, 'node'), '#!/bin/sh\necho 20\n', { mode: 0o755 });
  const PATH = `${old}:/usr/sbin:/usr/bin:/sbin:/bin`;
  const result = run(join(directory, 'copy/bin/rookery'), ['--version'], { PATH });
  assert.equal(result.status, 127);
  assert.match(result.stderr, /Node 26 is missing: .* the system has \S+node 20/);
  assert.match(result.stderr, /cure: run "npm ci"/);
});
