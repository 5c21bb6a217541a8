// docs/interop.md out of what a run saw.

import { FEATURES, type FeatureId } from './features.ts';

export type Cell =
  | { readonly kind: 'works'; readonly remark?: string }
  | { readonly kind: 'failed' }
  | { readonly kind: 'cannot'; readonly reason: string };

export interface Column {
  readonly name: string;
  readonly version: string;
  readonly cells: ReadonlyMap<FeatureId, Cell>;
}

/** One row per feature, one column per peer, every cell that is not a tick explained below. */
export function renderTable(columns: readonly Column[]): string {
  const notes: string[] = [];
  const note = (reason: string): string => {
    const found = notes.indexOf(reason);
    return `(${found < 0 ? notes.push(reason) : found + 1})`;
  };
  const text = (cell: Cell | undefined): string => {
    if (cell === undefined || cell.kind === 'failed') return 'failed';
    if (cell.kind === 'cannot') return note(cell.reason);
    return cell.remark === undefined ? 'yes' : `yes ${note(cell.remark)}`;
  };
  const rows = FEATURES.map(([id, title]) => [title, ...columns.map((c) => text(c.cells.get(id)))]);
  const head = ['Feature', ...columns.map((c) => `${c.name} ${c.version}`)];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    '# Interoperability',
    '',
    'Our router with the BGP daemons of Debian 12 and Debian 13, each in a network namespace of its own',
    'with a cable between them. "yes" is a test that asserts on both ends; every other cell has a note.',
    'Written by `UPDATE_DOCS=1 npm test -- --all test/matrix`; every run checks that it is still true,',
    'whatever point release the daemons have.',
    '',
    line(head),
    line(head.map(() => '---')),
    ...rows.map(line),
    '',
    ...notes.map((reason, i) => `${i + 1}. ${reason}`),
    '',
  ].join('\n');
}

/** The table without the versions: a point release may come any day. */
export function withoutVersions(table: string): string {
  return table.replace(/^\| Feature .*/m, (head) => head.replaceAll(/ \d\S*/g, ''));
}
