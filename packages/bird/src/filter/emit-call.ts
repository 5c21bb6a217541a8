// Calls: user functions, and the built-in ones written like calls.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Term } from './ast.ts';
import { emitMethodOn } from './emit-method.ts';
import { NO_ROUTE } from './evaluate-with.ts';
import { convert, demand, unknownWord } from './operand.ts';
import { typeName } from './types.ts';
import type { Type } from './types.ts';
import type { Code, Unit } from './unit.ts';

/** A call as it stands in an expression. */
export function emitCall(unit: Unit, term: Extract<Term, { kind: 'call' }>): Code {
  const called = emitUserCall(unit, term);
  if (called === undefined) return emitBuiltIn(unit, term);
  if (!called.mayExit) return called.code;
  return { ...called.code, js: `R.through(${called.code.js})` };
}

export interface UserCall {
  readonly code: Code;
  /** The result may be `R.EXIT`. */
  readonly mayExit: boolean;
}

/** A call of a defined function; `undefined` when the name is not one. */
export function emitUserCall(
  unit: Unit,
  term: Extract<Term, { kind: 'call' }>,
): UserCall | undefined {
  const { name, at } = term;
  if (unit.self?.name === name) {
    const args = emitArguments(unit, term, unit.self.parameters);
    unit.mayExit = true;
    const js = `self(${['S', ...args].join(', ')})`;
    return { code: { type: unit.returns ?? 'any', js, void: true }, mayExit: true };
  }
  const symbol = unit.scope.lookup(name);
  if (symbol?.kind === 'broken') {
    return { code: { type: 'any', js: 'undefined', void: true }, mayExit: false };
  }
  if (symbol?.kind !== 'function') {
    if (symbol !== undefined) {
      raise(at, 'type', `'${name}' is not a function`, `${name} is a ${symbol.kind}`);
    }
    return undefined;
  }
  const { compiled } = symbol;
  const args = emitArguments(unit, term, compiled.parameters);
  const js = `${unit.callee(compiled)}(${['S', ...args].join(', ')})`;
  if (compiled.mayExit) unit.mayExit = true;
  return {
    code: { type: compiled.returns, js, void: compiled.returns === 'void' || compiled.mayBeVoid },
    mayExit: compiled.mayExit,
  };
}

function emitArguments(
  unit: Unit,
  term: Extract<Term, { kind: 'call' }>,
  parameters: readonly Type[],
): string[] {
  const { name, args, at } = term;
  if (args.length !== parameters.length) {
    raise(
      at,
      'type',
      `Function '${name}' expects ${parameters.length} arguments, got ${args.length} arguments`,
    );
  }
  return args.map((arg, i) => {
    const code = unit.emit(unit, arg);
    const converted = convert(unit, code, parameters[i]!);
    if (converted === undefined) {
      const wanted = typeName(parameters[i]!);
      raise(
        arg.at,
        'type',
        `Argument ${i + 1} of '${name}' must be ${wanted}, got ${typeName(code.type)}`,
      );
    }
    return converted.js;
  });
}

/** `add(l, x)` is `l.add(x)`. */
const METHOD_FORMS: ReadonlySet<string> = new Set(['add', 'delete', 'filter', 'prepend', 'append']);

function emitBuiltIn(unit: Unit, term: Extract<Term, { kind: 'call' }>): Code {
  const { name, args, at } = term;
  if (METHOD_FORMS.has(name)) {
    countArguments(term, 2);
    const object = unit.emit(unit, args[0]!);
    return emitMethodOn(unit, object, name, args.slice(1), at);
  }
  switch (name) {
    case 'defined': {
      countArguments(term, 1);
      return emitDefined(unit, args[0]!);
    }
    case 'format': {
      countArguments(term, 1);
      const code = unit.emit(unit, args[0]!);
      return { type: 'string', js: formatJs(code), void: false };
    }
    case 'from_hex': {
      countArguments(term, 1);
      const text = demand(unit, unit.emit(unit, args[0]!), 'string', 'FROM_HEX', 1, args[0]!.at);
      return { type: 'bytestring', js: `R.fromHex(${text.js}, ${at.line})`, void: false };
    }
    case 'roa_check':
      return emitRoaCheck(unit, term);
    case 'aspa_check':
    case 'aspa_check_upstream':
    case 'aspa_check_downstream':
      return raise(at, 'unsupported', `${name} is not supported by rookery yet`);
    case 'len':
      countArguments(term, 1);
      return emitMethodOn(unit, unit.emit(unit, args[0]!), 'len', [], at);
  }
  return unknownWord(unit, at, name);
}

function countArguments(term: Extract<Term, { kind: 'call' }>, count: number): void {
  if (term.args.length === count) return;
  raise(
    term.at,
    'type',
    `Function '${term.name}' expects ${count} arguments, got ${term.args.length} arguments`,
  );
}

/** Lists and paths read as empty when absent, but `defined` still tells. */
function emitDefined(unit: Unit, term: Term): Code {
  const code = unit.emit(unit, term);
  const raw = /^\((S\.a\.[^ ]+) \?\? R\.NONE\)$/.exec(code.js)?.[1];
  if (raw !== undefined) return { type: 'bool', js: `(${raw} !== undefined)`, void: false };
  return { type: 'bool', js: `(${code.js} !== undefined)`, void: false };
}

/** Text of a value, by its type. */
export function formatJs(code: Code): string {
  if (code.type === 'string' && !code.void) return code.js;
  return `R.formatValue(${JSON.stringify(code.type)}, ${code.js})`;
}

function emitRoaCheck(unit: Unit, term: Extract<Term, { kind: 'call' }>): Code {
  const { args, at } = term;
  if (args.length !== 1 && args.length !== 3) {
    raise(at, 'syntax', 'roa_check takes a table, or a table, a prefix and an AS number');
  }
  const table = roaTable(unit, args[0]!);
  // The verdict also depends on the ROA table, so it must not be remembered per attributes.
  unit.reads.net = true;
  let js = `R.checkRoa(S, ${unit.constant('string', table).js}`;
  if (args.length === 3) {
    const net = demand(unit, unit.emit(unit, args[1]!), 'prefix', 'ROA_CHECK', 1, args[1]!.at);
    const asn = demand(unit, unit.emit(unit, args[2]!), 'int', 'ROA_CHECK', 2, args[2]!.at);
    js += `, ${net.js}, ${asn.js}`;
  } else if (!unit.hasRoute) raise(at, 'semantic', NO_ROUTE);
  return { type: 'enum roa', js: `${js})`, void: false };
}

function roaTable(unit: Unit, term: Term): string {
  const at: Token = term.at;
  const symbol = term.kind === 'word' ? unit.scope.lookup(term.name) : undefined;
  if (term.kind === 'word' && symbol === undefined) {
    return raise(
      at,
      'undefined-symbol',
      'syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN',
      `define it above: roa4 table ${term.name};`,
    );
  }
  if (symbol?.kind === 'broken') return symbol.name;
  if (symbol?.kind !== 'routing table' || !symbol.netType.startsWith('roa')) {
    return raise(at, 'type', 'ROA table expected', 'roa_check needs a table of type roa4 or roa6');
  }
  return symbol.name;
}
