// What the console needs of the language: `eval EXPR`, `show route where EXPR`, `show route filter
// F`. Text is a line of CLI input; the scope is that of the running configuration. The console also
// shares the lexer, so strings, addresses and quoted names work there as in the file.

import type { Policy } from '@rookery/rib';
import { Cursor } from './cursor.ts';
import { compileFilter, compileWhere } from './filter/compile.ts';
import { NO_ROUTE } from './filter/evaluate-with.ts';
import { evaluateTerm } from './filter/evaluate.ts';
import { formatValue } from './filter/format.ts';
import { parseFilterBody } from './filter/parse-statement.ts';
import { parseTerm } from './filter/parse-term.ts';
import { IssueLog, IssueSignal, tooDeep } from './issue.ts';
import type { ConfigIssue } from './issue.ts';
import { lexText } from './lexer.ts';
import type { Token } from './lexer.ts';
import type { Scope } from './scope.ts';

const INPUT = '<cli>';

export type EvalResult =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false;
      readonly issues: readonly ConfigIssue[];
      /** The text is sound, but its value needs a route. */
      readonly runtime: boolean;
    };

/**
 * Value of an expression as birdc's `eval` prints it. `print` receives what functions called by the
 * expression print.
 */
export function evalExpression(
  text: string,
  scope: Scope,
  print?: (text: string) => void,
): EvalResult {
  const result = readLine(text, scope, (c) => {
    const { type, value } = evaluateTerm(parseTerm(c), scope, print);
    return formatValue(type, value);
  });
  if ('value' in result) return { ok: true, text: result.value };
  const { issues } = result;
  return { ok: false, issues, runtime: issues[0]!.message === NO_ROUTE };
}

export type FilterTextResult =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** `where EXPR`, `filter NAME`, `filter { … }`, `all` or `none`. */
export function parseFilterText(text: string, scope: Scope): FilterTextResult {
  const log = new IssueLog();
  const result = readLine(text, scope, (c) => readPolicyText(c, scope, log));
  return 'issues' in result
    ? { ok: false, issues: result.issues }
    : { ok: true, policy: result.value };
}

export type FilterStartResult =
  | {
      readonly ok: true;
      readonly policy: Policy;
      /** Where the rest of the line begins, counted in characters. */
      readonly length: number;
    }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** As `parseFilterText`, but more may follow: `where net.len > 24 all`. */
export function parseFilterStart(text: string, scope: Scope): FilterStartResult {
  const log = new IssueLog();
  const c = new Cursor(lexText(INPUT, text, log), (name) => scope.has(name));
  try {
    const policy = readPolicyText(c, scope, log);
    // A lexical error after the filter is not the filter's.
    const end = c.token.column - 1;
    const own = log.issues.filter((i) => i.severity === 'error' && i.column - 1 < end);
    return own.length > 0 ? { ok: false, issues: own } : { ok: true, policy, length: end };
  } catch (thrown) {
    const signal = tooDeep(thrown, c.tokens[0]!) ?? thrown;
    if (!(signal instanceof IssueSignal)) throw signal;
    log.addSignal(signal);
    return { ok: false, issues: log.issues };
  }
}

/** Tokens of one line of console input, ending with an `end` token. */
export function lexLine(text: string): {
  readonly tokens: readonly Token[];
  readonly issues: readonly ConfigIssue[];
} {
  const log = new IssueLog();
  const tokens = lexText(INPUT, text, log);
  return { tokens, issues: log.issues };
}

function readPolicyText(c: Cursor, scope: Scope, log: IssueLog): Policy {
  if (c.acceptWord('all')) return { kind: 'all' };
  if (c.acceptWord('none')) return { kind: 'none' };
  const start = c.index;
  if (c.acceptWord('where')) {
    const condition = parseTerm(c);
    return compileWhere(condition, { tokens: c.tokens, start, end: c.index }, scope, log);
  }
  c.expectWord('filter');
  const symbol = c.token.kind === 'word' ? scope.lookup(c.token.text) : undefined;
  if (symbol?.kind === 'filter') {
    c.next();
    return symbol.policy;
  }
  const body = parseFilterBody(c);
  const source = { tokens: c.tokens, start, end: c.index };
  return compileFilter('(unnamed)', body, source, scope, log);
}

function readLine<T>(
  text: string,
  scope: Scope,
  read: (c: Cursor) => T,
): { readonly value: T } | { readonly issues: readonly ConfigIssue[] } {
  const log = new IssueLog();
  const c = new Cursor(lexText(INPUT, text, log), (name) => scope.has(name));
  if (log.failed) return { issues: log.issues };
  try {
    const value = read(c);
    if (c.token.kind !== 'end') c.unexpected();
    return { value };
  } catch (thrown) {
    const signal = tooDeep(thrown, c.tokens[0]!) ?? thrown;
    if (!(signal instanceof IssueSignal)) throw signal;
    log.addSignal(signal);
    return { issues: log.issues };
  }
}
