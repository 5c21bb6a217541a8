// The cluster path in the lab: many LoadBalancer services created at once, until every one has an
// address, is announced by three speakers and stands in the router's kernel; then the controller is
// killed and started again, which may change no address, write to no service and touch no route.
// Figures are printed, one row per size, and what is wrong ends it with status 1.
//
//   node bench/cluster.ts [COUNT ...] [--profile]      5,000 services unless told
//
// With --profile every process leaves a .cpuprofile in dist/profiles.

import { join } from 'node:path';
import { enterSandbox, sandboxState } from '@rookery/lab';
import { runCluster } from './cluster-run.ts';
import { HEAD, rowFor } from './cluster-report.ts';

const state = sandboxState();
const counts = process.argv.slice(2).map(Number).filter(Boolean);
process.exit(state === undefined ? await runAll() : await runOne(state, counts[0]!));

/** A lab of its own for every size: memory of one must not count for the next. */
async function runAll(): Promise<number> {
  console.log(HEAD);
  const profiles = join(import.meta.dirname, '../dist/profiles');
  if (process.argv.includes('--profile')) {
    process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${profiles}`;
  }
  let worst = 0;
  for (const count of counts.length > 0 ? counts : [5000]) {
    worst = Math.max(worst, await enterSandbox([process.argv[1]!, String(count)]));
  }
  return worst;
}

async function runOne(directory: string, count: number): Promise<number> {
  const { figures, problems } = await runCluster(directory, count);
  console.log(rowFor(figures));
  console.log(
    problems.length === 0
      ? 'every address unique, each in the kernel, none changed, no route touched, nothing rewritten'
      : `WRONG: ${problems.slice(0, 5).join('; ')} (${problems.length} problems)`,
  );
  return problems.length === 0 ? 0 : 1;
}
