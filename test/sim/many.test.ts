// A thousand simulated networks, a thread per core. SIM_SEEDS changes how many, SIM_FROM which. What
// is simulated and how it is checked: see `networks.test.ts`.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulateMany } from './fleet.ts';
import { coverageOf, coverageText, failureText } from './report.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 1000);
const FROM = Number(process.env.SIM_FROM ?? 1);
/** Of a thousand seeds at least so many are an example of each trait. */
const ENOUGH = 3;

test(`${SEEDS} networks converge to what the oracle computes`, async (t) => {
  const reports = await simulateMany(FROM, SEEDS);
  t.diagnostic(coverageText(reports));
  assert.equal(reports.length, SEEDS);
  const failed = reports.filter(({ failures }) => failures.length > 0);
  assert.equal(failed.map(failureText).join('\n'), '');
  const rare = [...coverageOf(reports)].filter(([, seeds]) => seeds < (ENOUGH * SEEDS) / 1000);
  assert.deepEqual(rare, [], 'the generator no longer reaches all that it is meant to reach');
});
