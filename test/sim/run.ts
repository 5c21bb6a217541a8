// Simulated networks from the command line: replays one seed, or runs many and counts.
//
//   node test/sim/run.ts --seed 17 --verbose   events, the network, every router's log, differences
//   node test/sim/run.ts --seed 17 --verbose --router 3,4   the logs of these only
//   node test/sim/run.ts --from 1 --count 100  a few lines per seed that fails, and a summary

import { parseArgs } from 'node:util';
import { simulate } from '@rookery/testkit';
import type { Simulation } from '@rookery/testkit';
import { simulateMany } from './fleet.ts';
import { coverageText, failureText, reportOn } from './report.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '100' },
    verbose: { type: 'boolean', default: false },
    router: { type: 'string' },
  },
});

if (values.seed !== undefined) replay(Number(values.seed));
else await runMany(Number(values.from), Number(values.count));

function replay(seed: number): void {
  if (values.verbose) printLife(simulate(seed, { debug: ['states', 'events', 'routes'] }));
  const { summary, failures } = reportOn(seed);
  console.log([summary, ...failures].join('\n'));
  process.exitCode = failures.length > 0 ? 1 : 0;
}

function printLife({ plan, sims, events }: Simulation): void {
  for (const router of plan.routers) {
    const origins = [...router.origins].join(' ');
    console.log(`r${router.index} AS ${router.asn} id ${router.routerId} originates ${origins}`);
  }
  for (const session of plan.sessions) {
    for (const end of session.ends) {
      console.log(`${session.name} ${session.segment} r${end.router} ${JSON.stringify(end)}`);
    }
  }
  const lines = sims.flatMap((sim, i) =>
    values.router === undefined || values.router.split(',').includes(String(i))
      ? sim.log.map((line) => ({ atMs: line.atMs, text: `r${i} ${line.text}` }))
      : [],
  );
  for (const event of events) {
    lines.push({ atMs: Number(event.split(' ')[0]) * 1000, text: `--- ${event}` });
  }
  lines.sort((a, b) => a.atMs - b.atMs);
  for (const { atMs, text } of lines) console.log(`${(atMs / 1000).toFixed(3)} ${text}`);
}

async function runMany(from: number, count: number): Promise<void> {
  const started = performance.now();
  const reports = await simulateMany(from, count, (report) => {
    if (report.failures.length > 0) console.log(failureText(report));
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const routers = reports.reduce((sum, report) => sum + report.routers, 0);
  const steps = Math.max(...reports.map((report) => report.steps));
  const failed = reports.filter(({ failures }) => failures.length > 0).length;
  console.log(coverageText(reports));
  console.log(
    `${count} seeds, ${routers} routers, at most ${steps} steps, ${failed} failed, ${seconds} s`,
  );
  process.exitCode = failed > 0 ? 1 : 0;
}
