// A thousand simulated networks in two processes. SIM_SEEDS changes how many, SIM_FROM which. What is
// simulated and how it is checked: see `networks.test.ts`.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const SEEDS = Number(process.env.SIM_SEEDS ?? 1000);
const FROM = Number(process.env.SIM_FROM ?? 1);
const PROCESSES = 2;

test(`${SEEDS} networks converge to what the oracle computes`, async (t) => {
  const outputs = await Promise.all(
    Array.from({ length: PROCESSES }, (_, i) =>
      runSeeds(['--from', `${FROM + i}`, '--count', `${SEEDS / PROCESSES}`, '--step', '2']),
    ),
  );
  for (const { stdout } of outputs) t.diagnostic(stdout.trim().split('\n').at(-1)!);
  // A failing seed prints its replay command.
  const failures = outputs.filter((output) => output.failed).map((output) => output.stdout);
  assert.equal(failures.join(''), '');
});

async function runSeeds(args: readonly string[]): Promise<{ stdout: string; failed: boolean }> {
  const run = promisify(execFile);
  const script = join(import.meta.dirname, 'run.ts');
  try {
    const { stdout } = await run(process.execPath, [script, ...args], { maxBuffer: 1 << 24 });
    return { stdout, failed: false };
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    return { stdout: `${stdout ?? ''}${stderr ?? ''}${stdout ? '' : String(error)}`, failed: true };
  }
}
