// bird.conf to RouterConfig in one pass, top to bottom as the language demands. Nothing is returned
// when any error exists, but all errors of the file are.

import type { RouterConfig } from '@rookery/router';
import { Cursor } from '../cursor.ts';
import { compileFilter, compileFunction } from '../filter/compile.ts';
import { digestText } from '../filter/canonical.ts';
import { evaluateTerm } from '../filter/evaluate.ts';
import { formatValue } from '../filter/format.ts';
import { parseFilterBody, parseFunction, parseType } from '../filter/parse-statement.ts';
import { parseTerm } from '../filter/parse-term.ts';
import { IssueLog, IssueSignal, tooDeep } from '../issue.ts';
import type { ConfigIssue } from '../issue.ts';
import { lexConfig } from '../lexer.ts';
import type { ConfigIo, Token } from '../lexer.ts';
import { Scope } from '../scope.ts';
import { standardConstants } from './constants.ts';
import { defined } from './draft.ts';
import { markBroken, readProtocol } from './protocol.ts';
import { Reader } from './reader.ts';
import { initialState } from './state.ts';
import type { ConfigState } from './state.ts';
import { isTableAhead, readStatement, readTableDefinition } from './statements.ts';

export interface ParsedConfig {
  /** Absent when there is an error. */
  readonly config?: RouterConfig;
  readonly issues: readonly ConfigIssue[];
  /** The symbols, for `eval` and filters typed on the console. */
  readonly scope: Scope;
  /** The whole configuration with includes in place. */
  readonly tokens: readonly Token[];
}

/** Reads a configuration file and what it includes. */
export function parseConfig(fileName: string, io: ConfigIo): ParsedConfig {
  const log = new IssueLog();
  const tokens = lexConfig(fileName, io, log);
  const scope = new Scope();
  for (const [name, value] of Object.entries({ ...standardConstants, ...io.constants })) {
    scope.predefine({ name, kind: 'constant', type: 'int', value, text: String(value) });
  }
  scope.set({ name: 'master4', kind: 'routing table', netType: 'ipv4', sorted: false });
  scope.set({ name: 'master6', kind: 'routing table', netType: 'ipv6', sorted: false });
  const cursor = new Cursor(tokens, (name) => scope.has(name));
  const state = initialState(new Reader(cursor, scope, log));
  if (!log.issues.some((issue) => issue.line === 0)) {
    while (cursor.token.kind !== 'end') readTopLevel(state);
    checkAnyProtocol(state, tokens);
  }
  const issues = sortIssues(log.issues, tokens);
  return log.failed
    ? { issues, scope, tokens }
    : { config: finishConfig(state), issues, scope, tokens };
}

function checkAnyProtocol(state: ConfigState, tokens: readonly Token[]): void {
  if (state.protocols.length > 0 || state.incomplete) return;
  if (state.read.log.failed) return;
  state.read.log.add(
    'error',
    { ...tokens[tokens.length - 1]!, column: 1 },
    'semantic',
    'No protocol is specified in the config file',
    'every configuration needs at least: protocol device { }',
  );
}

function finishConfig(state: ConfigState): RouterConfig {
  return {
    ...defined('routerId', state.routerId),
    routerIdFrom: state.routerIdFrom,
    ...defined('hostname', state.hostname),
    tables: state.tables,
    protocols: state.protocols,
    logs: state.logs,
    timeFormats: state.timeFormats,
    debugCommands: state.debugCommands,
    debugTables: state.debugTables,
    gracefulRestartWaitSec: state.gracefulRestartWaitSec,
    symbols: state.read.scope.toSymbols(),
    ...defined('mrtDumpFile', state.mrtDumpFile),
    sockets: state.sockets,
  };
}

/** Issues of the lexer come first as it runs first; the reader wants them by place. */
function sortIssues(issues: readonly ConfigIssue[], tokens: readonly Token[]): ConfigIssue[] {
  const order = new Map<string, number>();
  for (const { file } of tokens) if (!order.has(file)) order.set(file, order.size);
  return [...issues].sort(
    (x, y) =>
      (order.get(x.file) ?? 0) - (order.get(y.file) ?? 0) || x.line - y.line || x.column - y.column,
  );
}

function readTopLevel(state: ConfigState): void {
  const { c, log } = state.read;
  const start = c.index;
  try {
    readTopStatement(state);
  } catch (thrown) {
    const signal = tooDeep(thrown, c.tokens[start]!) ?? thrown;
    if (!(signal instanceof IssueSignal)) throw signal;
    log.addSignal(signal);
    markDefinition(state, signal, c.tokens.slice(start, start + 4));
    const isBlockStatement = ['protocol', 'template', 'filter', 'function'].includes(
      c.tokens[start]!.text,
    );
    // Wherever it failed, a broken definition with a body ends with the body.
    if (isBlockStatement) skipDefinition(state, start);
    else c.recover(signal);
    if (c.isPunct('}')) c.next();
    if (c.index === start) c.next();
  }
}

/** Puts the cursor behind the braces of the definition that began at `start`. */
function skipDefinition(state: ConfigState, start: number): void {
  const { c } = state.read;
  if (c.index > start && c.previous.text === '}' && depthAt(c, start) === 0) return;
  c.index = start;
  // Declarations with `;` may stand before the body of these.
  const hasHeader = ['function', 'filter'].includes(c.tokens[start]!.text);
  let depth = 0;
  while (c.token.kind !== 'end') {
    const token = c.next();
    if (token.kind !== 'punct') continue;
    if (token.text === '{') depth++;
    if (token.text === '}' && --depth <= 0) break;
    if (token.text === ';' && depth === 0 && !hasHeader) break;
  }
}

function depthAt(c: Cursor, start: number): number {
  let depth = 0;
  for (let i = start; i < c.index; i++) {
    const token = c.tokens[i]!;
    if (token.kind !== 'punct') continue;
    if (token.text === '{') depth++;
    else if (token.text === '}') depth--;
  }
  return depth;
}

function markDefinition(state: ConfigState, signal: IssueSignal, words: readonly Token[]): void {
  switch (words[0]?.text ?? '') {
    case 'define':
    case 'filter':
    case 'function':
      markBroken(state, signal, words[1]);
      break;
    case 'protocol':
      state.incomplete = true;
      markBroken(state, signal, words[2]);
      break;
    case 'template':
    case 'attribute':
    case 'ipv4':
    case 'ipv6':
    case 'roa4':
    case 'roa6':
      markBroken(state, signal, words[2]);
      break;
  }
}

function readTopStatement(state: ConfigState): void {
  const { read } = state;
  const { c, scope } = read;
  if (c.acceptPunct(';')) return;
  if (c.acceptWord('protocol')) return readProtocol(state, false);
  if (c.acceptWord('template')) return readProtocol(state, true);
  if (c.acceptWord('filter')) return readFilter(state);
  if (c.acceptWord('function')) return readFunction(state);
  if (isTableAhead(read)) return void readTableDefinition(state);
  if (c.acceptWord('define')) readDefine(read);
  else if (c.acceptWord('attribute')) readAttribute(read);
  else if (c.acceptWord('eval')) evaluateTerm(parseTerm(c), scope);
  else readStatement(state);
  c.expectSemicolon();
}

function readDefine(read: Reader): void {
  const { c, scope } = read;
  const name = c.expectName([], 'write: define NAME = VALUE;');
  if (scope.isPredefined(name.text)) read.scope.define(name, { name: name.text, kind: 'broken' });
  c.expectPunct('=');
  const { type, value } = evaluateTerm(parseTerm(c), scope);
  const text = digestText(formatValue(type, value));
  scope.define(name, { name: name.text, kind: 'constant', type, value, text });
}

function readAttribute(read: Reader): void {
  const { c } = read;
  if (c.isWord('bgp') && c.ahead().kind === 'num') {
    c.next();
    c.next();
  }
  const type = parseType(c);
  const name = c.expectName();
  read.scope.define(name, { name: name.text, kind: 'custom attribute', type });
}

function readFilter(state: ConfigState): void {
  const { c, scope, log } = state.read;
  const name = c.expectName([], 'write: filter NAME { … }');
  if (scope.has(name.text) && scope.lookup(name.text)?.kind !== 'broken') {
    scope.define(name, { name: name.text, kind: 'broken' });
  }
  const start = c.index;
  const body = parseFilterBody(c);
  const source = { tokens: c.tokens, start, end: c.index };
  const policy = compileFilter(name.text, body, source, scope, log);
  scope.define(name, { name: name.text, kind: 'filter', policy });
}

function readFunction(state: ConfigState): void {
  const { c, scope, log } = state.read;
  const start = c.index;
  const definition = parseFunction(c);
  const { name } = definition;
  if (scope.has(name.text) && scope.lookup(name.text)?.kind !== 'broken') {
    scope.define(name, { name: name.text, kind: 'broken' });
  }
  const source = { tokens: c.tokens, start, end: c.index };
  const compiled = compileFunction(definition, source, scope, log);
  scope.set({ name: name.text, kind: 'function', compiled });
}
