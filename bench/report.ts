// Figures as tables: min, median and max per daemon, and ratios of Rookery to each peer run by run
// (both had the same table a few seconds apart, so what the machine did meanwhile cancels out).

import { cpus } from 'node:os';
import { execFileSync } from 'node:child_process';
import type { RunResult } from './run.ts';
import type { Scenario } from './scenarios.ts';

/** Figures worth a column, in this order. */
const COLUMNS: readonly (readonly [string, string, number])[] = [
  ['startMs', 'start, ms', 0],
  ['idleRssMiB', 'idle, MiB', 1],
  ['loadSec', 'load, s', 3],
  ['convergedSec', 'last update, s', 3],
  ['everybodySec', 'everybody, s', 3],
  ['kernelSec', 'kernel, s', 3],
  ['loadCpuSec', 'CPU, s', 2],
  ['rssMiB', 'RSS, MiB', 0],
  ['messages', 'UPDATEs', 0],
  ['ioCallsPer1000', 'reads and writes per 1,000', 1],
  ['churnWithdrawP50Ms', 'withdraw p50, ms', 2],
  ['churnWithdrawP99Ms', 'p99', 2],
  ['churnAnnounceP50Ms', 'announce p50, ms', 2],
  ['churnAnnounceP99Ms', 'p99', 2],
  ['churnMaxMs', 'max', 2],
  ['withdrawSec', 'withdraw all, s', 3],
  ['kernelEmptySec', 'kernel empty, s', 3],
  ['withdrawCpuSec', 'CPU, s', 2],
  ['lateSec', 'late joiner, s', 3],
  ['lateMessages', 'its UPDATEs', 0],
  ['lateUpdatesPerSet', 'per attribute set', 2],
  ['loadToolCpuSec', 'tool CPU, s', 2],
];

const LABELS: Readonly<Record<string, string>> = {
  loadCpuSec: 'CPU while loading',
  loadSec: 'load',
  churnWithdrawP99Ms: 'withdraw p99, ms',
  churnAnnounceP99Ms: 'announce p99, ms',
  churnMaxMs: 'longest of the churn, ms',
  lateUpdatesPerSet: 'UPDATEs per attribute set',
};

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** One scenario as Markdown. */
export function renderScenario(scenario: Scenario, results: readonly RunResult[]): string {
  const mine = results.filter((r) => r.scenario === scenario.name);
  const daemons = [...new Set(mine.map((r) => r.daemon))];
  const columns = COLUMNS.filter(([figure]) => mine.some((r) => r.figures[figure] !== undefined));
  const lines = [
    `### ${scenario.name}: ${scenario.what}`,
    '',
    `| daemon | runs | ${columns.map(([, label]) => label).join(' | ')} |`,
    `|---|---|${columns.map(() => '---|').join('')}`,
  ];
  for (const daemon of daemons) {
    const runs = mine.filter((r) => r.daemon === daemon);
    const good = runs.filter((r) => r.problems.length === 0);
    const cells = columns.map(([figure, , digits]) => {
      const spread = spreadOf(valuesOf(good, figure));
      if (!spread) return '-';
      const text = (value: number): string => value.toFixed(digits);
      if (spread.min === spread.max) return text(spread.median);
      return `${text(spread.median)} [${text(spread.min)}-${text(spread.max)}]`;
    });
    lines.push(`| ${daemon} | ${good.length}/${runs.length} | ${cells.join(' | ')} |`);
  }
  lines.push('');
  for (const { label, peer, spread, goal, met } of outcomesOf(scenario, mine)) {
    const of = peer === undefined ? '' : ` x ${peer}`;
    lines.push(
      `- ${label}: ${renderSpread(spread)}${of}, target ${goal}: ${met ? 'met' : 'NOT met'}`,
    );
  }
  for (const result of mine) {
    for (const problem of result.problems) {
      lines.push(
        `- WRONG: ${result.daemon}, seed ${result.seed}: ${problem.replaceAll('\n', ' ')}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

/** How a target was met in the runs of a scenario. */
export interface Outcome {
  readonly scenario: Pick<Scenario, 'name' | 'what'>;
  readonly label: string;
  /** Absent: the figure itself is limited, not its ratio. */
  readonly peer: string | undefined;
  readonly spread: Spread;
  readonly goal: number;
  readonly met: boolean;
}

/** Outcomes of the targets for which there are figures. */
export function outcomesOf(scenario: Scenario, results: readonly RunResult[]): Outcome[] {
  const runs = results.filter((r) => r.scenario === scenario.name && r.problems.length === 0);
  const ours = runs.filter((r) => r.daemon === 'rookery');
  return scenario.targets.flatMap((target) => {
    const { figure } = target;
    const peer = 'peer' in target ? target.peer : undefined;
    const values = ours.map(({ figures, seed }) => {
      if (peer === undefined) return figures[figure];
      const theirs = runs.find((r) => r.daemon === peer && r.seed === seed);
      return ratioOf(figures[figure], theirs?.figures[figure]);
    });
    const spread = spreadOf(values.filter((value) => value !== undefined));
    if (!spread) return [];
    const goal = 'peer' in target ? target.ratio : target.limit;
    return [{ scenario, label: labelOf(figure), peer, spread, goal, met: spread.median <= goal }];
  });
}

function ratioOf(a: number | undefined, b: number | undefined): number | undefined {
  return a !== undefined && b !== undefined && b > 0 ? a / b : undefined;
}

/** What a figure is called; columns that share a word are told apart by the one before. */
function labelOf(figure: string): string {
  return LABELS[figure] ?? COLUMNS.find(([name]) => name === figure)?.[1] ?? figure;
}

export function renderSpread({ min, median, max }: Spread): string {
  const text = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));
  return min === max ? text(median) : `${text(median)} [${text(min)}-${text(max)}]`;
}

function valuesOf(results: readonly RunResult[], figure: string): number[] {
  return results.map((r) => r.figures[figure]).filter((value) => value !== undefined);
}

/** Where and with what it was measured. */
export function describeMachine(): string {
  const cpu = cpus();
  const kernel = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
  return `${cpu.length} x ${cpu[0]?.model.trim() ?? 'unknown CPU'}, Linux ${kernel}, Node ${process.versions.node}`;
}

/** Versions of the Debian packages that were compared. */
export function describePeers(): string {
  const packages = ['bird2', 'frr', 'gobgpd', 'openbgpd'];
  const versions = packages.map((name) => {
    try {
      const version = execFileSync('dpkg-query', ['-W', '-f=${Version}', name], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      return version === '' ? `${name}: not installed` : `${name} ${version}`;
    } catch {
      return `${name}: not installed`;
    }
  });
  return versions.join(', ');
}

/** One run on one line, for watching. */
export function renderRun(result: RunResult): string {
  const figures = Object.entries(result.figures).map(
    ([name, value]) => `${name}=${Number.isInteger(value) ? value : value.toPrecision(3)}`,
  );
  const verdict = result.problems.length > 0 ? ` WRONG: ${result.problems.join('; ')}` : '';
  return `${result.scenario} ${result.daemon} seed ${result.seed}: ${figures.join(' ')}${verdict}`;
}
