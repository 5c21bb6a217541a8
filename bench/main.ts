// npm run bench: Rookery and the daemons that people use today, side by side. Runs are interleaved,
// each daemon gets the same octets from the same process, and the receivers' tables are checked
// prefix by prefix. Needs root (network namespaces). Exit status 1 when a table was wrong.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { knownDaemons } from './daemons.ts';
import { NEXTHOP_LOSS, measureNexthopLoss } from './nexthop-loss.ts';
import { openTestBed, receiverAddress, generatorAddress, DUT } from './network.ts';
import { describeMachine, describePeers, renderScenario } from './report.ts';
import { openSide, runOnce } from './run.ts';
import type { RunResult } from './run.ts';
import { SCENARIOS } from './scenarios.ts';
import { FIRST_GENERATOR_AS } from './table.ts';
import type { ChildProcess } from 'node:child_process';

const usage = `npm run bench -- [SCENARIO ...] [--runs N] [--daemons rookery,bird,frr,gobgp,openbgpd]
                 [--limit SECONDS] [--seed FIRST] [--prefixes N] [--out FILE.md] [--profile]

  SCENARIO   ${SCENARIOS.map((s) => s.name).join(' ')}, ${NEXTHOP_LOSS}, self (the tool against itself); all unless named
  --runs     3 unless told; each run has another table (its seed)
  --profile  only Rookery, under V8's profilers: .cpuprofile and .heapprofile in dist/profiles
`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '3' },
    daemons: { type: 'string', default: 'rookery,bird,frr' },
    limit: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    prefixes: { type: 'string' },
    out: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  const extra = ['self', NEXTHOP_LOSS];
  const names = positionals.length > 0 ? positionals : [...extra, ...SCENARIOS.map((s) => s.name)];
  const unknown = names.filter((n) => !extra.includes(n) && !SCENARIOS.some((s) => s.name === n));
  if (options.help || unknown.length > 0) {
    if (unknown.length > 0) process.stderr.write(`bench: no scenario "${unknown[0]}"\n`);
    process.stdout.write(usage);
    return options.help ? 0 : 2;
  }
  if (process.getuid?.() !== 0) {
    process.stderr.write('bench: it makes network namespaces: run it as root\n');
    return 2;
  }
  const profiles = options.profile ? join(import.meta.dirname, '../dist/profiles') : undefined;
  if (profiles !== undefined) mkdirSync(profiles, { recursive: true });
  const wanted = profiles === undefined ? options.daemons.split(',') : ['rookery'];
  const daemons = knownDaemons(profiles).filter((d) => wanted.includes(d.name));
  for (const daemon of daemons) {
    if (!daemon.available)
      process.stderr.write(`bench: ${daemon.name} is not installed: skipped\n`);
  }
  const results: RunResult[] = [];
  const notes: string[] = [];
  if (names.includes('self')) notes.push(await testSelf());
  const scenarios = SCENARIOS.filter((s) => names.includes(s.name)).map((s) =>
    options.prefixes === undefined ? s : { ...s, prefixes: Number(options.prefixes) },
  );
  const firstSeed = Number(options.seed);
  for (let seed = firstSeed; seed < firstSeed + Number(options.runs); seed++) {
    for (const scenario of scenarios) {
      for (const daemon of daemons) {
        const { family, kernel = false, policyOn: on } = scenario;
        const task = {
          family,
          kernel,
          policy: on && { on, text: '' },
          peers: Array.from<never>({ length: scenario.generators + scenario.receivers }),
        };
        if (!daemon.available || !daemon.fits(task)) continue;
        const result = await runOnce(daemon, scenario, seed, Number(options.limit) * 1000);
        results.push(result);
        process.stderr.write(`${renderRun(result)}\n`);
        if (options.json) writeFileSync(options.json, `${JSON.stringify(result)}\n`, { flag: 'a' });
      }
    }
  }
  const usable = daemons.filter((d) => d.available && d.name !== 'frr');
  const loss = names.includes(NEXTHOP_LOSS)
    ? await measureNexthopLoss(usable, Number(options.runs))
    : { text: '', wrong: false };
  const text = [
    `${describeMachine()}; ${describePeers()}.`,
    `Command: \`npm run bench -- ${process.argv.slice(2).join(' ')}\`; median [min-max]; ratios are per run.`,
    ...notes,
    '',
    ...scenarios.map((scenario) => renderScenario(scenario, results)),
    loss.text,
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (options.out !== undefined) writeFileSync(options.out, `${text}\n`);
  if (profiles !== undefined) process.stdout.write(`profiles: ${profiles}\n`);
  return loss.wrong || results.some((result) => result.problems.length > 0) ? 1 : 0;
}

/** Generator straight into receiver: what the tool itself costs, for a million prefixes. */
async function testSelf(): Promise<string> {
  const receiver = receiverAddress('ipv4', 0);
  const generator = generatorAddress('ipv4', 0);
  const bed = openTestBed(process.pid.toString(36), [generator, receiver]);
  const children: ChildProcess[] = [];
  try {
    const common = {
      table: { family: 'ipv4', count: 1_000_000, seed: 1 },
      dut: { address: DUT.ipv4, as: DUT.as },
      generators: [generator],
      disjoint: false,
    } as const;
    const sessions = [{ address: generator, as: FIRST_GENERATOR_AS }];
    const [source, sink] = await Promise.all([
      openSide(bed.tester, { ...common, role: 'generator', sessions }, children),
      openSide(
        bed.dut,
        { ...common, role: 'receiver', sessions: [{ address: DUT.ipv4, as: DUT.as }], serve: true },
        children,
      ),
    ]);
    const cpu = async (): Promise<number> =>
      ((await source.ask({ command: 'cpu' })).cpuSec as number) +
      ((await sink.ask({ command: 'cpu' })).cpuSec as number);
    await Promise.all([source.ask({ command: 'connect' }), sink.ask({ command: 'connect' })]);
    const before = await cpu();
    const waiting = sink.ask({
      command: 'expect',
      kind: 'announced',
      count: 1_000_000,
      quietMs: 100,
      limitMs: 20_000,
    });
    const sent = await source.ask({ command: 'announce' });
    const reached = await waiting;
    const after = await cpu();
    const checked = await sink.ask({ command: 'check', state: 'full' });
    const ms = (reached.reachedMs as number) - (sent.startMs as number);
    const problems = checked.problems as string[];
    return (
      `Self-test: 1,000,000 prefixes from generator to receiver without a daemon in ${ms.toFixed(0)} ms ` +
      `with ${(after - before).toFixed(2)} s of CPU in both processes; ` +
      `${problems.length === 0 ? 'the table was right' : `WRONG: ${problems.join('; ')}`}.`
    );
  } finally {
    for (const child of children) child.kill();
    await bed.close();
  }
}

function renderRun(result: RunResult): string {
  const figures = Object.entries(result.figures).map(
    ([name, value]) => `${name}=${Number.isInteger(value) ? value : value.toPrecision(3)}`,
  );
  const verdict = result.problems.length > 0 ? ` WRONG: ${result.problems.join('; ')}` : '';
  return `${result.scenario} ${result.daemon} seed ${result.seed}: ${figures.join(' ')}${verdict}`;
}
