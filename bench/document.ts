// docs/performance.md from docs/performance.jsonl: every run that counts is a line of that file, and
// the tables, the list of targets and the chart are made from it. What stands outside of the marks in
// the document is written by hand and stays.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderChart } from './chart.ts';
import { NEXTHOP_LOSS, outcomesOfLosses, renderLosses } from './nexthop-loss.ts';
import type { Loss } from './nexthop-loss.ts';
import { outcomesOf, renderScenario, renderSpread } from './report.ts';
import type { Outcome } from './report.ts';
import type { RunResult } from './run.ts';
import { renderScaling } from './scaling-report.ts';
import type { ScalingPoint } from './scaling-report.ts';
import { SCENARIOS } from './scenarios.ts';

/** A measurement, with what it was taken on and by which command. */
export type Line = Provenance &
  (
    | { readonly kind: 'run'; readonly run: RunResult }
    | { readonly kind: 'scaling'; readonly point: ScalingPoint }
    | { readonly kind: 'loss'; readonly loss: Loss }
  );

export interface Provenance {
  readonly machine: string;
  readonly command: string;
}

const docs = join(import.meta.dirname, '../docs');
const dataFile = join(docs, 'performance.jsonl');
const BEGIN = '<!-- made by npm run bench -- render: begin -->';
const END = '<!-- end -->';

/** Takes the place of what was measured of the same scenarios before, and makes the document. */
export function recordLines(lines: readonly Line[]): void {
  const measured = new Set(lines.map(subjectOf));
  const kept = readLines().filter((line) => !measured.has(subjectOf(line)));
  const text = [...kept, ...lines].map((line) => `${JSON.stringify(line, rounded)}\n`).join('');
  writeFileSync(dataFile, text);
  renderDocument();
}

/** Makes the document and the chart from the data file. */
export function renderDocument(): void {
  const file = join(docs, 'performance.md');
  const text = readFileSync(file, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${file} has lost its marks`);
  const lines = readLines();
  const outcomes = [
    ...SCENARIOS.flatMap((scenario) => outcomesOf(scenario, runsIn(lines))),
    ...outcomesOfLosses(lossesIn(lines)),
  ];
  writeFileSync(join(docs, 'performance.svg'), renderChart(outcomes));
  const made = `${BEGIN}\n\n${renderResults(lines, outcomes)}\n`;
  writeFileSync(file, text.slice(0, from) + made + text.slice(to));
}

function renderResults(lines: readonly Line[], outcomes: readonly Outcome[]): string {
  const runs = runsIn(lines);
  const points = lines.flatMap((line) => (line.kind === 'scaling' ? [line.point] : []));
  const losses = lossesIn(lines);
  return [
    '| what | figure | ratio to | measured | target | |',
    '|---|---|---|---|---|---|',
    ...outcomes.map(renderOutcome),
    '',
    'The median of the runs, with the extremes.',
    '',
    '![every target, and how far each is met](performance.svg)',
    '',
    ...SCENARIOS.filter(({ name }) => runs.some((run) => run.scenario === name)).map((scenario) =>
      [renderScenario(scenario, runs), `${provenanceOf(lines, scenario.name)}\n`].join('\n'),
    ),
    ...(losses.length > 0 ? [renderLosses(losses), `${provenanceOf(lines, NEXTHOP_LOSS)}\n`] : []),
    ...(points.length > 0 ? [renderScaling(points), `${provenanceOf(lines, 'scaling')}\n`] : []),
  ].join('\n');
}

function renderOutcome({ scenario, label, peer, spread, goal, met }: Outcome): string {
  const cells = [
    `${scenario.name}: ${scenario.what}`,
    label,
    peer ?? '',
    renderSpread(spread),
    `≤ ${goal}`,
    met ? 'met' : '**not met**',
  ];
  return `| ${cells.join(' | ')} |`;
}

function provenanceOf(lines: readonly Line[], subject: string): string {
  const line = lines.find((candidate) => subjectOf(candidate) === subject)!;
  return `Measured with \`${line.command}\` on ${line.machine}.`;
}

function subjectOf(line: Line): string {
  if (line.kind === 'run') return line.run.scenario;
  return line.kind === 'loss' ? NEXTHOP_LOSS : 'scaling';
}

function runsIn(lines: readonly Line[]): RunResult[] {
  return lines.flatMap((line) => (line.kind === 'run' ? [line.run] : []));
}

function lossesIn(lines: readonly Line[]): Loss[] {
  return lines.flatMap((line) => (line.kind === 'loss' ? [line.loss] : []));
}

function readLines(): Line[] {
  if (!existsSync(dataFile)) return [];
  const lines = readFileSync(dataFile, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Line);
}

/** Four digits are more than the noise leaves. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value)
    ? Number(value.toPrecision(4))
    : value;
}
