// What is wrong with a configuration: one value per finding, with BIRD's own wording in `message`
// (scripts grep it), the place as BIRD counts it, and the cure in `hint`. Rendering adds the source
// line with a caret, so that a typo can be fixed without opening the manual.

export type IssueCode =
  | 'syntax'
  | 'lexical'
  | 'include'
  | 'undefined-symbol'
  | 'duplicate-symbol'
  | 'type'
  | 'range'
  | 'semantic'
  | 'unsupported'
  | 'deprecated';

export interface Position {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** Column of the first character of the token, from 1 as BIRD prints it; 0 at end of file. */
  readonly column: number;
}

export interface ConfigIssue extends Position {
  readonly severity: 'error' | 'warning';
  readonly code: IssueCode;
  /** BIRD's wording, without the position. */
  readonly message: string;
  /** What to change. */
  readonly hint?: string;
  /** Text of the offending line. */
  readonly sourceLine?: string;
}

/** Carries one issue to the nearest statement boundary inside the parser; never leaves the package. */
export class IssueSignal {
  readonly position: Position;
  readonly code: IssueCode;
  readonly message: string;
  readonly hint: string | undefined;
  constructor(position: Position, code: IssueCode, message: string, hint?: string) {
    this.position = position;
    this.code = code;
    this.message = message;
    this.hint = hint;
  }
}

/** A stack that ran out while reading or compiling is the text's fault: thousands of levels. */
export function tooDeep(thrown: unknown, at: Position): IssueSignal | undefined {
  if (!(thrown instanceof RangeError)) return undefined;
  return new IssueSignal(at, 'syntax', 'This is nested too deeply', 'use functions or a case');
}

/** Collects issues in order and knows the source lines to show with them. */
export class IssueLog {
  readonly issues: ConfigIssue[] = [];
  readonly #lines = new Map<string, readonly string[]>();

  addSource(file: string, text: string): void {
    this.#lines.set(file, text.split('\n'));
  }

  add(
    severity: ConfigIssue['severity'],
    at: Position,
    code: IssueCode,
    message: string,
    hint?: string,
  ): void {
    const sourceLine = this.#lines.get(at.file)?.[at.line - 1];
    this.issues.push({
      severity,
      file: at.file,
      line: at.line,
      column: at.column,
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
      ...(sourceLine === undefined ? {} : { sourceLine }),
    });
  }

  addSignal(signal: IssueSignal): void {
    this.add('error', signal.position, signal.code, signal.message, signal.hint);
  }

  get failed(): boolean {
    return this.issues.some((issue) => issue.severity === 'error');
  }
}

/**
 * `file:line:col message`, the source line, a caret under the column, and the cure. The first line
 * alone is what `bird -p` prints.
 */
export function renderIssue(issue: ConfigIssue): string {
  const lines = [renderIssueHead(issue)];
  if (issue.sourceLine !== undefined && issue.column > 0) {
    const before = issue.sourceLine.slice(0, issue.column - 1).replace(/[^\t]/g, ' ');
    lines.push(`    ${issue.sourceLine}`, `    ${before}^`);
  }
  if (issue.hint !== undefined) lines.push(`    hint: ${issue.hint}`);
  return lines.join('\n');
}

/** `file:line:col message`, as BIRD prints it in logs and CLI replies. */
export function renderIssueHead(issue: ConfigIssue): string {
  const text = issue.severity === 'warning' ? `warning: ${issue.message}` : issue.message;
  return `${issue.file}:${issue.line}:${issue.column} ${text}`;
}

/** The candidate nearest to a misspelt word, or `undefined` when none is close. */
export function suggestWord(word: string, candidates: Iterable<string>): string | undefined {
  return nearestWord(word, candidates)?.word;
}

/** The same with its distance: 0 for the word itself. */
export function nearestWord(
  word: string,
  candidates: Iterable<string>,
): { readonly word: string; readonly distance: number } | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best === undefined ? undefined : { word: best, distance: bestDistance };
}

/** Optimal string alignment distance: insert, delete, replace, swap of neighbours. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let value = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        value = Math.min(value, older[j - 2]! + 1);
      }
      row.push(value);
    }
    older = previous;
    previous = row;
  }
  return previous[b.length]!;
}
