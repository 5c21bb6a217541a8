// Statements to JavaScript. Every compiled body returns `R.EXIT` once a verdict has been given, so
// that `accept` in a function ends the whole filter.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Statement, Term } from './ast.ts';
import { ATTRIBUTES } from './attributes.ts';
import { buildSet } from './build-set.ts';
import { emitUserCall, formatJs } from './emit-call.ts';
import { emitMethodOn } from './emit-method.ts';
import { emitTerm } from './emit-term.ts';
import { convert, demand, evaluateIn, unknownWord } from './operand.ts';
import type { Part, Requirements } from './sieve.ts';
import { typeName } from './types.ts';
import type { Type } from './types.ts';
import { wrongArgument } from './unit.ts';
import type { Code, Unit } from './unit.ts';

/** Statements in a block of their own. */
export function emitBlock(unit: Unit, body: readonly Statement[]): string {
  unit.openBlock();
  const js = body.map((statement) => emitStatement(unit, statement)).join('\n');
  unit.closeBlock();
  return `{\n${js}\n}`;
}

/** Part of a body, and its JavaScript: what that returns, if anything, ends the body. */
export interface EmittedPart extends Part {
  readonly js: string;
}

/**
 * The body of a filter in parts that can be run one by one: an `if` whose condition a sieve can look
 * into is one, and everything between two of those.
 */
export function emitParts(unit: Unit, body: readonly Statement[]): EmittedPart[] {
  const parts: EmittedPart[] = [];
  let between: Statement[] = [];
  const flush = (): void => {
    if (between.length === 0) return;
    const [only] = between.length === 1 ? between : [];
    const js = between.map((one) => emitStatement(unit, one)).join('\n');
    parts.push({ js, requirements: undefined, verdict: only && verdictOf(only) });
    between = [];
  };
  unit.openBlock();
  // Variables of the body are for one JavaScript function: from the first on, it is one part.
  const declared = body.findIndex(({ kind }) => kind === 'declare');
  for (const [i, statement] of body.entries()) {
    const isApart = declared < 0 || i < declared;
    if (!isApart || statement.kind !== 'if' || statement.no !== undefined) {
      between.push(statement);
      continue;
    }
    flush();
    const { before, js, requirements } = emitCondition(unit, statement.condition);
    parts.push({
      js: `${before}if (${js}) ${emitBlock(unit, [statement.yes])}`,
      requirements,
      verdict: requirements?.isExact ? verdictOf(statement.yes) : undefined,
    });
  }
  flush();
  unit.closeBlock();
  return parts;
}

/** The verdict that a statement consists of. */
function verdictOf(statement: Statement): boolean | undefined {
  if (statement.kind === 'block' && statement.body.length === 1)
    return verdictOf(statement.body[0]!);
  if (statement.kind !== 'verdict' || statement.message.length > 0) return undefined;
  return statement.verdict === 'accept';
}

function emitStatement(unit: Unit, statement: Statement): string {
  switch (statement.kind) {
    case 'empty':
      return '';
    case 'block':
      return emitBlock(unit, statement.body);
    case 'declare':
      return emitDeclaration(unit, statement);
    case 'assign':
      return emitAssignment(
        unit,
        statement.target,
        emitTerm(unit, statement.value),
        statement.value.at,
      );
    case 'if': {
      const condition = emitCondition(unit, statement.condition);
      const then = emitBlock(unit, [statement.yes]);
      const otherwise =
        statement.no === undefined ? '' : ` else ${emitBlock(unit, [statement.no])}`;
      return `${condition.before}if (${condition.js}) ${then}${otherwise}`;
    }
    case 'case':
      return emitCase(unit, statement);
    case 'for':
      return emitFor(unit, statement);
    case 'return':
      return emitReturn(unit, statement);
    case 'verdict':
      return emitVerdict(unit, statement);
    case 'print':
      return emitPrint(unit, statement.parts, statement.newline);
    case 'unset':
      return emitUnset(unit, statement.target);
    case 'expression':
      return emitExpression(unit, statement.term, statement.at);
  }
}

/** A condition that is one call needs no exception to end the filter. */
function emitCondition(
  unit: Unit,
  term: Term,
): { before: string; js: string; requirements?: Requirements | undefined } {
  const call = term.kind === 'call' ? emitUserCall(unit, term) : undefined;
  if (call === undefined || !call.mayExit) {
    const code = call?.code ?? emitTerm(unit, term);
    const { js } = demand(unit, code, 'bool', 'CONDITION', 1, term.at);
    return { before: '', js, requirements: code.requirements };
  }
  const name = unit.fresh();
  const result = demand(unit, { ...call.code, js: name }, 'bool', 'CONDITION', 1, term.at);
  return {
    before: `const ${name} = ${call.code.js}; if (${name} === R.EXIT) return R.EXIT;\n`,
    js: result.js,
  };
}

/** Paths and lists start empty, everything else void. */
function emitDeclaration(unit: Unit, statement: Extract<Statement, { kind: 'declare' }>): string {
  const { type, name } = statement;
  if (statement.init === undefined) {
    const isList = ['bgppath', 'clist', 'eclist', 'lclist'].includes(type);
    const js = unit.declare(name, type, !isList);
    return `let ${js} = ${isList ? 'R.NONE' : 'undefined'};`;
  }
  const value = demand(unit, emitTerm(unit, statement.init), type, 'VAR_SET', 1, statement.init.at);
  return `let ${unit.declare(name, type, false)} = ${value.js};`;
}

function emitAssignment(unit: Unit, target: Term, value: Code, valueAt: Token): string {
  const { at } = target;
  if (target.kind !== 'word') {
    if (target.kind === 'method') return emitRouteField(at);
    return raise(
      at,
      'syntax',
      'syntax error, the left side of = must be a variable or an attribute',
    );
  }
  const local = unit.local(target.name);
  if (local !== undefined) {
    if (isMixedSet(local.type, value.type)) {
      // BIRD calls every set a set, and refuses all the same.
      wrongArgument(
        valueAt,
        'VAR_SET',
        1,
        local.type,
        value.type,
        `${target.name} is a ${local.type}`,
      );
    }
    return `${local.js} = ${demand(unit, value, local.type, 'VAR_SET', 1, valueAt).js};`;
  }
  const symbol = unit.scope.lookup(target.name);
  if (symbol?.kind === 'custom attribute') {
    const key = unit.constant('string', target.name).js;
    const checked = demand(unit, value, symbol.type, 'EA_SET', 1, valueAt);
    return `S.setCustom(${key}, ${checked.js});`;
  }
  if (symbol?.kind === 'broken') return '';
  const attribute = target.quoted ? undefined : ATTRIBUTES.get(target.name);
  if (attribute === undefined) {
    if (symbol !== undefined)
      raise(
        at,
        'syntax',
        'syntax error, unexpected CF_SYM_KNOWN',
        `${target.name} is a ${symbol.kind} and cannot be changed`,
      );
    return unknownWord(unit, at, target.name);
  }
  if (attribute.write === undefined) raise(at, 'semantic', 'This static attribute is read-only.');
  const checked = demand(unit, value, attribute.type, attribute.op, 1, valueAt);
  return `{ const v = ${checked.js}; ${writeJs(attribute.write, at)}; }`;
}

function emitRouteField(at: Token): never {
  return raise(at, 'syntax', "syntax error, unexpected '='", 'methods cannot be assigned to');
}

function isMixedSet(wanted: Type, found: Type): boolean {
  return (
    wanted.endsWith(' set') && found.endsWith(' set') && wanted !== found && found !== 'empty set'
  );
}

function writeJs(write: string, at: Token): string {
  return write.replace(/\bL\b/g, String(at.line));
}

function emitUnset(unit: Unit, target: Term): string {
  if (target.kind !== 'word')
    return raise(target.at, 'syntax', 'syntax error, unset takes an attribute');
  if (unit.local(target.name) !== undefined) {
    raise(
      target.at,
      'syntax',
      'syntax error, unexpected CF_SYM_KNOWN',
      'only attributes can be unset',
    );
  }
  const symbol = unit.scope.lookup(target.name);
  if (symbol?.kind === 'custom attribute') {
    return `S.setCustom(${unit.constant('string', target.name).js}, undefined);`;
  }
  const attribute = ATTRIBUTES.get(target.name);
  if (attribute === undefined) return unknownWord(unit, target.at, target.name);
  if (attribute.op !== 'EA_SET' && target.name !== 'igp_metric') {
    raise(target.at, 'semantic', 'This static attribute cannot be unset');
  }
  return `{ const v = undefined; ${attribute.write === undefined ? '' : writeJs(attribute.write, target.at)}; }`;
}

function emitCase(unit: Unit, statement: Extract<Statement, { kind: 'case' }>): string {
  const subject = emitTerm(unit, statement.subject);
  const name = unit.fresh();
  let js = `const ${name} = ${subject.js};\n`;
  let otherwise = '';
  let first = true;
  for (const branch of statement.branches) {
    const body = emitBlock(unit, branch.body);
    if (branch.items.length === 0) {
      otherwise = body;
      continue;
    }
    const set = buildSet(branch.items, (term) => evaluateIn(unit, term));
    const test = caseTest(
      unit,
      subject,
      name,
      set.type,
      branch.items[0]!.at,
      unit.constant(set.type, set).js,
    );
    js += `${first ? '' : ' else '}if (${test}) ${body}`;
    first = false;
  }
  if (first) return `{\n${js}${otherwise}\n}`;
  return `{\n${js}${otherwise === '' ? '' : ` else ${otherwise}`}\n}`;
}

function caseTest(
  unit: Unit,
  subject: Code,
  name: string,
  setType: Type,
  at: Token,
  set: string,
): string {
  const present = subject.void ? `${name} !== undefined && ` : '';
  const type = subject.type.startsWith('enum ') ? 'enum' : subject.type;
  if (`${type} set` === setType) {
    switch (type) {
      case 'ip':
        return `${present}R.hasAddress(${set}, ${name})`;
      case 'ec':
      case 'rd':
        return `${present}R.hasEc(${set}, ${name})`;
      case 'lc':
        return `${present}R.hasLc(${set}, ${name})`;
      default:
        return `${present}R.setHasWord(${set}, ${name})`;
    }
  }
  if (type === 'quad' && setType === 'ip set')
    return `${present}R.hasAddress(${set}, R.quadToIp(${name}))`;
  unit.log?.add(
    'warning',
    at,
    'type',
    `This label never matches: the case is over ${typeName(subject.type)}, the label is ${setType.replace(' set', '')}`,
  );
  return 'false';
}

/** What a loop over a value yields. */
const LOOPS: Readonly<Record<string, { type: Type; js: (list: string) => string }>> = {
  bgppath: { type: 'int', js: (list) => `R.pathAsns(${list})` },
  clist: { type: 'pair', js: (list) => list },
  eclist: { type: 'ec', js: (list) => `R.listElements(${list}, 2)` },
  lclist: { type: 'lc', js: (list) => `R.listElements(${list}, 3)` },
};

function emitFor(unit: Unit, statement: Extract<Statement, { kind: 'for' }>): string {
  const over = emitTerm(unit, statement.over);
  const loop = LOOPS[over.type];
  if (loop === undefined) {
    return raise(
      statement.over.at,
      'type',
      `Value of expression in FOR must be iterable, got ${typeName(over.type)}`,
    );
  }
  if (loop.type !== statement.type) {
    const name = statement.name.text;
    raise(
      statement.name,
      'type',
      `Loop variable '${name}' in FOR must be ${loop.type}, is ${typeName(statement.type)}`,
    );
  }
  unit.openBlock();
  const variable = unit.declare(statement.name, statement.type, false);
  const body = emitBlock(unit, [statement.body]);
  unit.closeBlock();
  return `for (let ${variable} of ${loop.js(over.js)}) ${body}`;
}

function emitReturn(unit: Unit, statement: Extract<Statement, { kind: 'return' }>): string {
  const { value, at } = statement;
  if (!unit.isFunction) {
    unit.log?.add(
      'warning',
      at,
      'semantic',
      'return in a filter gives no verdict: the route is rejected',
      'use accept or reject',
    );
    return 'return null;';
  }
  if (value === undefined) return 'return undefined;';
  const code = emitTerm(unit, value);
  if (unit.returns === undefined || unit.returns === 'any') {
    if (code.type !== 'any') unit.returns = code.type;
    return `return ${code.js};`;
  }
  const converted = convert(unit, code, unit.returns);
  if (converted === undefined) {
    raise(
      value.at,
      'type',
      `Return type mismatch: the function returns ${typeName(unit.returns)}, this is ${typeName(code.type)}`,
    );
  }
  return `return ${converted.js};`;
}

function emitVerdict(unit: Unit, statement: Extract<Statement, { kind: 'verdict' }>): string {
  unit.mayExit = true;
  const message = statement.message.length === 0 ? '' : emitPrint(unit, statement.message, true);
  const accepted = statement.verdict === 'accept' ? 'S.accepted = true; ' : '';
  return `${message} ${accepted}return R.EXIT;`;
}

function emitPrint(unit: Unit, parts: readonly Term[], newline: boolean): string {
  // A remembered verdict would print once instead of for every route.
  unit.reads.net = true;
  const texts = parts.map((part) => formatJs(emitTerm(unit, part)));
  return `S.print([${texts.join(', ')}].join(""), ${newline});`;
}

/** Methods that change their object when they stand alone. */
const CHANGING: ReadonlySet<string> = new Set([
  'add',
  'delete',
  'filter',
  'prepend',
  'append',
  'empty',
]);

function emitExpression(unit: Unit, term: Term, at: Token): string {
  if (term.kind === 'method' && CHANGING.has(term.name)) {
    const object = emitTerm(unit, term.on);
    const changed = emitMethodOn(unit, object, term.name, term.args ?? [], term.at);
    return emitAssignment(unit, term.on, changed, term.at);
  }
  if (term.kind === 'call') {
    const call = emitUserCall(unit, term);
    if (call !== undefined) {
      return call.mayExit ? `if (${call.code.js} === R.EXIT) return R.EXIT;` : `${call.code.js};`;
    }
    emitTerm(unit, term);
    return raise(
      at,
      'syntax',
      'This expression has no effect',
      `assign its result: x = ${term.name}(…);`,
    );
  }
  if (term.kind === 'word') {
    if (
      unit.local(term.name) === undefined &&
      !unit.scope.has(term.name) &&
      !ATTRIBUTES.has(term.name)
    ) {
      return unknownWord(unit, at, term.name);
    }
    return raise(at, 'syntax', "syntax error, unexpected ';', expecting '=' or '('");
  }
  emitTerm(unit, term);
  return raise(
    at,
    'syntax',
    'This expression has no effect',
    'a statement assigns, calls or decides',
  );
}
