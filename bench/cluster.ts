// The cluster path in the lab: many LoadBalancer services created at once, until every one has an
// address, is announced by three speakers and stands in the router's kernel; then the controller is
// killed and started again, which may change no address, write to no service and touch no route.
// Figures are printed, one row per size, and what is wrong ends it with status 1.
//
//   node bench/cluster.ts [COUNT ...] [--quick] [--profile]      5,000 services unless told
//
// --quick does not wait for quiet to look at memory; --profile leaves a .cpuprofile of every process
// in dist/profiles.

import { join } from 'node:path';
import { enterSandbox, sandboxState } from '@rookery/lab';
import { runCluster } from './cluster-run.ts';
import { HEAD, rowFor } from './cluster-report.ts';

const state = sandboxState();
const counts = process.argv.slice(2).map(Number).filter(Boolean);
const flags = process.argv.slice(2).filter((word) => word.startsWith('--'));
process.exit(state === undefined ? await runAll() : await runOne(state, counts[0]!));

/** A lab of its own for every size: memory of one must not count for the next. */
async function runAll(): Promise<number> {
  console.log(HEAD);
  const profiles = join(import.meta.dirname, '../dist/profiles');
  if (flags.includes('--profile')) {
    process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${profiles}`;
  }
  let worst = 0;
  for (const count of counts.length > 0 ? counts : [5000]) {
    worst = Math.max(worst, await enterSandbox([process.argv[1]!, String(count), ...flags]));
  }
  return worst;
}

async function runOne(directory: string, services: number): Promise<number> {
  const quick = flags.includes('--quick');
  const { figures, problems } = await runCluster(directory, { services, quick });
  console.log(rowFor(figures));
  console.log(
    problems.length === 0
      ? 'every address unique, each in the kernel, none changed, no route touched, nothing rewritten'
      : `WRONG: ${problems.slice(0, 5).join('; ')} (${problems.length} problems)`,
  );
  return problems.length === 0 ? 0 : 1;
}
