// Operands on their way into an operation: conversion, type checks with BIRD's wording, guards
// against void, and the values of constants.

import { suggestWord } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Term } from './ast.ts';
import { ATTRIBUTES } from './attributes.ts';
import { evaluateWith } from './evaluate-with.ts';
import { ipNumber } from './scalar-text.ts';
import { ENUM_CONSTANTS, isSetType, typeName } from './types.ts';
import type { Type } from './types.ts';
import { wrongArgument } from './unit.ts';
import type { Code, Unit } from './unit.ts';

/** Checks the type of an operand and guards against void. */
export function demand(
  unit: Unit,
  code: Code,
  type: Type,
  op: string,
  argument: number,
  at: Token,
  hint?: string,
): Code {
  const converted = convert(unit, code, type);
  if (converted === undefined) return wrongArgument(at, op, argument, type, code.type, hint);
  if (!converted.void) return converted;
  const name = typeName(type);
  const js = `R.need(${converted.js}, ${JSON.stringify(op)}, ${argument}, ${JSON.stringify(name)}, ${at.line})`;
  return { type, js, void: false };
}

/** The same value as another type, where the language converts; `undefined` when it does not. */
export function convert(unit: Unit, code: Code, type: Type): Code | undefined {
  if (code.type === type || type === 'any' || code.type === 'any') return code;
  if (code.type === 'empty set' && isSetType(type)) return code;
  if (type === 'quad' && code.type === 'ip') {
    if (code.constant !== undefined) {
      if ((code.constant as string).includes(':')) return undefined;
      return unit.constant('quad', ipNumber(code.constant as string));
    }
    return { type, js: `R.ipToQuad(${code.js} ?? "")`, void: false };
  }
  return undefined;
}

/** A constant component of a set; what it names counts as used. */
export function evaluateIn(unit: Unit, term: Term): ReturnType<typeof evaluateWith> {
  if (term.kind === 'word' && unit.local(term.name) !== undefined) {
    raise(term.at, 'semantic', 'Non-constant item in a set', 'sets hold constants only');
  }
  const found = evaluateWith(unit.emit, term, unit.scope);
  if (term.kind === 'word') noteConstant(unit, term.name);
  return found;
}

/** Remembers the value of a constant that a policy depends on. */
export function noteConstant(unit: Unit, name: string): void {
  const symbol = unit.scope.lookup(name);
  if (symbol?.kind === 'constant') unit.uses.set(`define ${name}`, symbol.text);
}

/** BIRD's complaint about a word nobody defined, with the nearest one that somebody did. */
export function unknownWord(unit: Unit, at: Token, name: string): never {
  const candidates = [
    ...unit.localNames(),
    ...unit.scope.names().filter((other) => !unit.scope.isPredefined(other)),
    ...ATTRIBUTES.keys(),
    ...ENUM_CONSTANTS.keys(),
  ];
  const near = suggestWord(name, candidates);
  const isKeyword = ['if', 'then', 'else', 'accept', 'reject', 'in', 'do'].includes(name);
  const what = isKeyword ? name.toUpperCase() : 'CF_SYM_UNDEFINED';
  return raise(
    at,
    isKeyword ? 'syntax' : 'undefined-symbol',
    `syntax error, unexpected ${what}`,
    near === undefined ? `'${name}' is not defined here` : `did you mean ${near}?`,
  );
}
