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
  ['churnWithdrawP50Ms', 'withdraw p50, ms', 2],
  ['churnWithdrawP99Ms', 'p99', 2],
  ['churnAnnounceP50Ms', 'announce p50, ms', 2],
  ['churnAnnounceP99Ms', 'p99', 2],
  ['churnAnnounceMaxMs', 'max', 2],
  ['withdrawSec', 'withdraw all, s', 3],
  ['kernelEmptySec', 'kernel empty, s', 3],
  ['withdrawCpuSec', 'CPU, s', 2],
  ['lateSec', 'late joiner, s', 3],
  ['lateMessages', 'its UPDATEs', 0],
  ['loadToolCpuSec', 'tool CPU, s', 2],
];

interface Spread {
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
  for (const target of scenario.targets) {
    const line = renderTarget(target.figure, target.peer, target.ratio, mine);
    if (line !== undefined) lines.push(line);
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

function renderTarget(
  figure: string,
  peer: string,
  ratio: number,
  results: readonly RunResult[],
): string | undefined {
  const ratios: number[] = [];
  for (const ours of results.filter((r) => r.daemon === 'rookery')) {
    const theirs = results.find((r) => r.daemon === peer && r.seed === ours.seed);
    const [a, b] = [ours.figures[figure], theirs?.figures[figure]];
    if (a !== undefined && b !== undefined && b > 0) ratios.push(a / b);
  }
  const spread = spreadOf(ratios);
  if (!spread) return undefined;
  const label = COLUMNS.find(([name]) => name === figure)?.[1] ?? figure;
  const text = (value: number): string => value.toFixed(2);
  return (
    `- ${label}: ${text(spread.median)} x ${peer} [${text(spread.min)}-${text(spread.max)}], ` +
    `target ${ratio}: ${spread.median <= ratio ? 'met' : 'NOT met'}`
  );
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
