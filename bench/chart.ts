// A bar chart of outcomes as SVG: one bar per target, the median against what was aimed at (100 % is
// the target itself), a whisker from the best to the worst run. Text takes the colour of the page.

import type { Outcome } from './report.ts';
import { renderSpread } from './report.ts';

const ROW = 22;
const LEFT = 330;
const WIDTH = 420;
const RIGHT = 150;
/** Share of the target at the right end; longer bars are cut. */
const MAX_SHARE = 3;

/** The chart of all outcomes, in the order given. */
export function renderChart(outcomes: readonly Outcome[]): string {
  const height = outcomes.length * ROW + 40;
  const goalAt = xOf(1);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + RIGHT}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<style>text{fill:#333}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>',
    `<text x="${goalAt}" y="14" text-anchor="middle">target</text>`,
    ...outcomes.map(renderBar),
    `<line x1="${goalAt}" y1="20" x2="${goalAt}" y2="${height - 16}" stroke="#888" stroke-dasharray="3 3"/>`,
    '</svg>',
    '',
  ].join('\n');
}

function renderBar(outcome: Outcome, i: number): string {
  const { scenario, label, peer, spread, goal, met } = outcome;
  const y = 24 + i * ROW;
  const middle = y + 8;
  const [from, at, to] = [spread.min, spread.median, spread.max].map((value) => xOf(value / goal));
  const name = `${scenario.name}: ${label}${peer === undefined ? '' : ` / ${peer}`}`;
  return [
    `<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${escape(name)}</text>`,
    `<rect x="${LEFT}" y="${y}" width="${at! - LEFT}" height="16" fill="${met ? '#3a9d5d' : '#d98032'}"/>`,
    `<line x1="${from}" y1="${middle}" x2="${to}" y2="${middle}" stroke="#555"/>`,
    `<text x="${LEFT + WIDTH + 8}" y="${middle + 4}">${renderSpread(spread)}</text>`,
  ].join('');
}

function xOf(share: number): number {
  return Math.round(LEFT + (Math.min(share, MAX_SHARE) / MAX_SHARE) * WIDTH);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
