// Simulated networks from the command line: replays one seed, or runs many and counts.
//
//   node test/sim/run.ts --seed 17 --verbose   events, the network, every router's log, differences
//   node test/sim/run.ts --from 1 --count 100 [--step 2]  a few lines per seed that fails, and a summary

import { parseArgs } from 'node:util';
import { simulate } from '@rookery/testkit';
import type { Simulation } from '@rookery/testkit';
import { replayOf } from './replay.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '100' },
    step: { type: 'string', default: '1' },
    verbose: { type: 'boolean', default: false },
    router: { type: 'string' },
  },
});

if (values.seed !== undefined) replay(Number(values.seed));
else runMany(Number(values.from), Number(values.count), Number(values.step));

function replay(seed: number): void {
  const result = simulate(seed, values.verbose ? { debug: ['states', 'events', 'routes'] } : {});
  console.log(summaryOf(result));
  if (values.verbose) printLife(result);
  for (const line of result.differences) console.log(line);
  process.exitCode = result.differences.length > 0 ? 1 : 0;
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

function runMany(from: number, count: number, step: number): void {
  let failed = 0;
  let routers = 0;
  let largest = 0;
  const started = performance.now();
  for (let seed = from; seed < from + count * step; seed += step) {
    const result = attempt(seed);
    if (!result) {
      failed++;
      continue;
    }
    routers += result.routers;
    largest = Math.max(largest, result.routers);
    if (result.differences.length === 0) continue;
    failed++;
    console.log(`${summaryOf(result)}\n  ${result.differences.slice(0, 4).join('\n  ')}`);
    console.log(`  ${replayOf(seed)}`);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const size = `${routers} routers, the largest network ${largest}`;
  console.log(`${count} seeds, ${size}, ${failed} failed, ${seconds} s`);
  process.exitCode = failed > 0 ? 1 : 0;
}

/** `undefined`, and a line with the replay command, for a network that never rests. */
function attempt(seed: number): Simulation | undefined {
  try {
    return simulate(seed);
  } catch (error) {
    console.log(`seed ${seed}: ${String(error)}\n  ${replayOf(seed)}`);
    return undefined;
  }
}

function summaryOf({ seed, shape, routers, sessions, quietMs }: Simulation): string {
  const size = `${routers} routers, ${sessions} sessions`;
  return `seed ${seed}: ${shape}, ${size}, quiet after ${quietMs / 1000} s`;
}
