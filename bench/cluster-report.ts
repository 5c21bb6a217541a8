// The figures of the cluster bench as rows of a table: time per stage, time and memory per process,
// and what of both falls to one service.

import type { ClusterFigures } from './cluster-run.ts';

type Column = readonly [title: string, render: (figures: ClusterFigures) => string];

function stage(name: 'allocated' | 'announced' | 'routed' | 'reported'): Column['1'] {
  return ({ stages }) => {
    const { p50, p99, last } = stages[name];
    return `${p50.toFixed(2)} / ${p99.toFixed(2)} / ${last.toFixed(2)}`;
  };
}

/** Processor time until all is in the kernel, and resident memory in quiet. */
function costOf(role: string): Column['1'] {
  return ({ services, idle, routed, rested }) => {
    const [from, to, after] = [idle, routed, rested].map((costs) => costs.get(role));
    if (!from || !to || !after) return '';
    const perServiceMs = ((to.cpuSec - from.cpuSec) * 1000) / services;
    const perServiceKib = ((after.rssMib - from.rssMib) * 1024) / services;
    return (
      `${perServiceMs.toFixed(2)} ms, ${from.rssMib.toFixed(0)} → ${after.rssMib.toFixed(0)} MiB ` +
      `(${perServiceKib.toFixed(1)} KiB)`
    );
  };
}

const COLUMNS: readonly Column[] = [
  ['services', ({ services }) => String(services)],
  ['created, s', ({ createdSec }) => createdSec.toFixed(2)],
  ['allocated p50 / p99 / last, s', stage('allocated')],
  ['announced', stage('announced')],
  ['in the kernel', stage('routed')],
  ['status objects', stage('reported')],
  ['API writes per service', (f) => (f.writes / f.services).toFixed(1)],
  ['API', costOf('API')],
  ['controller', costOf('controller')],
  ['speaker', costOf('speaker')],
  ['router', costOf('router')],
  ['takeover, s', ({ takeoverSec }) => takeoverSec.toFixed(2)],
];

/** The first two lines of the table. */
export const HEAD = [COLUMNS.map(([title]) => title), COLUMNS.map(() => '---')]
  .map(renderRow)
  .join('\n');

export function rowFor(figures: ClusterFigures): string {
  return renderRow(COLUMNS.map(([, render]) => render(figures)));
}

function renderRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
