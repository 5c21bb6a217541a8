// npm run bench: Rookery and the daemons that people use today, side by side. Runs are interleaved,
// each daemon gets the same octets from the same process, and the receivers' tables are checked
// prefix by prefix. Needs root (network namespaces). Exit status 1 when a table of ours was wrong.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { knownDaemons } from './daemons.ts';
import type { Daemon } from './daemons.ts';
import { recordLines, renderDocument } from './document.ts';
import type { Line } from './document.ts';
import { NEXTHOP_LOSS, measureNexthopLoss, renderLosses } from './nexthop-loss.ts';
import type { Loss } from './nexthop-loss.ts';
import { describeMachine, describePeers, renderRun, renderScenario } from './report.ts';
import { runOnce } from './run.ts';
import type { RunResult } from './run.ts';
import { newerDaemons } from './newer-daemons.ts';
import { measureScaling } from './scaling.ts';
import { renderScaling } from './scaling-report.ts';
import type { ScalingPoint } from './scaling-report.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import { testSelf } from './self.ts';

const usage = `npm run bench -- [NAME ...] [--runs N] [--daemons rookery,bird,frr,gobgp,openbgpd]
                 [--limit SECONDS] [--minutes N] [--seed FIRST] [--prefixes N] [--write] [--profile]

  NAME       ${SCENARIOS.map((s) => s.name).join(' ')}
             ${NEXTHOP_LOSS}: a next hop dies with up to 100,000 routes behind it
             scaling: routes 10,000 to 4,000,000 and peers 1 to 500, Rookery alone
             self: the tool against itself
             render: makes docs/performance.md from docs/performance.jsonl, measures nothing
             all but render unless named
  --daemons  also bird-newer, bird3, frr-newer, gobgp-newer, openbgpd-newer: of a newer Debian, whose
             packages are fetched into .rookery and installed nowhere
  --runs     3 unless told; each run has another table (its seed). A daemon that no target of a
             scenario names takes part in the first run only
  --minutes  no new round of runs begins that would end later than this
  --write    keeps the runs in docs/performance.jsonl and makes docs/performance.md from it
  --profile  only Rookery, under V8's profilers: .cpuprofile and .heapprofile in dist/profiles
`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    daemons: { type: 'string', default: 'rookery,bird,frr' },
    limit: { type: 'string', default: '60' },
    minutes: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: '1' },
    prefixes: { type: 'string' },
    write: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const limitMs = Number(options.limit) * 1000;
process.exitCode = await main();

async function main(): Promise<number> {
  const scenarioNames = SCENARIOS.map(({ name }) => name);
  const measured = ['self', ...scenarioNames, NEXTHOP_LOSS, 'scaling'];
  const names = positionals.length > 0 ? positionals : measured;
  const unknown = names.find((name) => name !== 'render' && !measured.includes(name));
  if (options.help || unknown !== undefined) {
    if (unknown !== undefined) process.stderr.write(`bench: no scenario "${unknown}"\n`);
    process.stdout.write(usage);
    return options.help ? 0 : 2;
  }
  if (names.includes('render')) {
    renderDocument();
    return 0;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('bench: it makes network namespaces: run it as root\n');
    return 2;
  }
  const profiles = options.profile ? join(import.meta.dirname, '../dist/profiles') : undefined;
  if (profiles !== undefined) mkdirSync(profiles, { recursive: true });
  const daemons = chooseDaemons(profiles);
  if (names.includes('self')) process.stdout.write(`${await testSelf()}\n\n`);
  const scenarios = SCENARIOS.filter(({ name }) => names.includes(name)).map((scenario) =>
    options.prefixes === undefined ? scenario : { ...scenario, prefixes: Number(options.prefixes) },
  );
  const points = names.includes('scaling') ? await runScaling(daemons) : [];
  const { results, losses } = await runRounds(scenarios, names.includes(NEXTHOP_LOSS), daemons);
  const machine = `${describeMachine()}; ${describePeers()}`;
  const command = `npm run bench -- ${process.argv.slice(2).join(' ')}`;
  const text = [
    `${machine}.\nCommand: \`${command}\`; median [min-max]; ratios are per run.\n`,
    ...scenarios.map((scenario) => renderScenario(scenario, results)),
    ...(losses.length > 0 ? [renderLosses(losses)] : []),
    ...(points.length > 0 ? [renderScaling(points)] : []),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (profiles !== undefined) process.stdout.write(`profiles: ${profiles}\n`);
  if (options.write) {
    recordLines([
      ...results.map((run): Line => ({ kind: 'run', machine, command, run })),
      ...losses.map((loss): Line => ({ kind: 'loss', machine, command, loss })),
      ...points.map((point): Line => ({ kind: 'scaling', machine, command, point })),
    ]);
  }
  const ours = [...[...results, ...losses].filter((r) => r.daemon === 'rookery'), ...points];
  return ours.some(({ problems }) => problems.length > 0) ? 1 : 0;
}

function chooseDaemons(profiles: string | undefined): Daemon[] {
  const wanted = profiles === undefined ? options.daemons.split(',') : ['rookery'];
  const known = knownDaemons(profiles);
  return [...known, ...newerDaemons(wanted, known)].filter(({ name, available }) => {
    if (!wanted.includes(name)) return false;
    if (!available) process.stderr.write(`bench: ${name} is not installed: skipped\n`);
    return available;
  });
}

interface Rounds {
  readonly results: RunResult[];
  readonly losses: Loss[];
}

async function runRounds(
  scenarios: readonly Scenario[],
  withLosses: boolean,
  daemons: readonly Daemon[],
): Promise<Rounds> {
  const rounds: Rounds = { results: [], losses: [] };
  const firstSeed = Number(options.seed);
  const endMs = Number(options.minutes) * 60_000;
  let roundMs = 0;
  for (let seed = firstSeed; seed < firstSeed + Number(options.runs); seed++) {
    const beginMs = performance.now();
    if (beginMs + roundMs > endMs) break;
    for (const scenario of scenarios) {
      for (const daemon of daemons) {
        if (!daemon.fits(scenario) || !takesPart(daemon, scenario, seed === firstSeed)) continue;
        const result = await runOnce(daemon, scenario, seed, limitMs);
        rounds.results.push(result);
        process.stderr.write(`${renderRun(result)}\n`);
      }
    }
    if (withLosses) rounds.losses.push(...(await measureNexthopLoss(daemons, seed)));
    roundMs = performance.now() - beginMs;
  }
  return rounds;
}

/** A peer that is no measure for this scenario is looked at once. */
function takesPart({ name }: Daemon, { targets }: Scenario, first: boolean): boolean {
  return first || name === 'rookery' || targets.some((t) => 'peer' in t && t.peer === name);
}

/** Of the first daemon that takes part. */
async function runScaling([daemon]: readonly Daemon[]): Promise<ScalingPoint[]> {
  const points: ScalingPoint[] = [];
  if (!daemon) return points;
  await measureScaling(daemon, limitMs, (point) => {
    points.push(point);
    process.stderr.write(
      `scaling: ${point.size} ${point.curve}${point.problems.map((p) => ` WRONG: ${p}`).join('')}\n`,
    );
  });
  return points;
}
