// Expressions whose value is needed while the configuration is read. The compiler of expressions is
// passed in, since it needs values of constants itself.

import { raise } from '../lexer.ts';
import type { Scope } from '../scope.ts';
import type { Term } from './ast.ts';
import { ATTRIBUTES } from './attributes.ts';
import { LIBRARY } from './library.ts';
import { EXIT, FilterError, Run } from './run.ts';
import { Unit } from './unit.ts';
import type { Code } from './unit.ts';
import { ENUM_CONSTANTS } from './types.ts';
import type { Type, Value } from './types.ts';

/** What an expression without a route says when it needs one. */
export const NO_ROUTE = 'No route to access';

/** Evaluates an expression without a route. */
export function evaluateWith(
  emit: (unit: Unit, term: Term) => Code,
  term: Term,
  scope: Scope,
  print: (text: string) => void = () => undefined,
): { type: Type; value: Value } {
  // The members of long sets are almost always plain numbers or constants.
  if (term.kind === 'num') return { type: 'int', value: term.value };
  if (term.kind === 'word' && !ATTRIBUTES.has(term.name)) {
    const symbol = scope.lookup(term.name);
    if (symbol?.kind === 'constant') return { type: symbol.type, value: symbol.value };
    const constant = symbol === undefined ? ENUM_CONSTANTS.get(term.name) : undefined;
    if (constant !== undefined) return constant;
  }
  const unit = new Unit({ scope, emit, hasRoute: false });
  const code = emit(unit, term);
  if (code.constant !== undefined) return { type: code.type, value: code.constant };
  try {
    return { type: code.type, value: runCode(unit, code, print) };
  } catch (error) {
    if (error instanceof FilterError) {
      return raise(term.at, 'semantic', `filter preevaluation, line ${error.line}: ${error.text}`);
    }
    if (error === EXIT) return raise(term.at, 'semantic', 'accept or reject outside of a filter');
    // A function that looks at the route; there is none.
    return raise(term.at, 'semantic', NO_ROUTE);
  }
}

/** The value of an expression of constants, as a constant; left as it is when it fails. */
function foldCode(unit: Unit, code: Code): Code {
  try {
    const value = runCode(unit, code, () => undefined);
    return value === undefined ? code : unit.constant(code.type, value as never);
  } catch (error) {
    if (error instanceof FilterError) return code;
    throw error;
  }
}

/** Computes now what depends on constants only. */
export function foldIfConstant(unit: Unit, code: Code, operands: readonly Code[]): Code {
  return operands.every((operand) => operand.constant !== undefined) ? foldCode(unit, code) : code;
}

function runCode(unit: Unit, code: Code, print: (text: string) => void): Value {
  const body = `"use strict"; return ${code.js};`;
  const evaluate = new Function('R', 'K', 'F', 'S', body) as (...args: unknown[]) => Value;
  return evaluate(LIBRARY, unit.constants, unit.functions, routelessRun(print));
}

function routelessRun(print: (text: string) => void): Run {
  const net = { family: 'ipv4' as const, a: 0, b: 0, c: 0, d: 0, length: 0 };
  return new Run().begin(net, undefined as never, {
    protocol: '',
    roaCheck: () => 'unknown',
    print,
    fail: () => undefined,
  });
}
