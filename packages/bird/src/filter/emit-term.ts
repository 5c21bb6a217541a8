// Expressions to JavaScript, with BIRD's static type checks on the way. What may be void at run time
// is tracked, so that only those operands pay for a check.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Term } from './ast.ts';
import { ATTRIBUTES } from './attributes.ts';
import { buildSet } from './build-set.ts';
import { emitCall } from './emit-call.ts';
import { emitMethod } from './emit-method.ts';
import { NO_ROUTE, foldIfConstant } from './evaluate-with.ts';
import { convert, demand, evaluateIn, noteConstant, unknownWord } from './operand.ts';
import { ENUM_CONSTANTS } from './types.ts';
import { emitBinary } from './emit-operator.ts';
import { emitMask } from './emit-mask.ts';
import { parseRd } from './scalar-text.ts';
import { buildPrefixSet } from './prefix-set.ts';
import type { Code, Unit } from './unit.ts';

/** Compiles an expression. */
export function emitTerm(unit: Unit, term: Term): Code {
  switch (term.kind) {
    case 'num':
      return unit.constant('int', term.value);
    case 'bool':
      return unit.constant('bool', term.value);
    case 'text':
      return unit.constant('string', term.value);
    case 'bytes':
      return unit.constant('bytestring', term.value);
    case 'ip':
      return unit.constant('ip', term.value);
    case 'prefix':
      return unit.constant('prefix', term.value);
    case 'rd':
      return unit.constant('rd', parseRd(term.value));
    case 'empty':
      return { type: term.type, js: 'R.NONE', void: false, constant: [] };
    case 'word':
      return emitWord(unit, term);
    case 'not': {
      const operand = demand(
        unit,
        emitTerm(unit, term.operand),
        'bool',
        'NOT',
        1,
        term.operand.at,
        notHint,
      );
      return { type: 'bool', js: `(!${operand.js})`, void: false };
    }
    case 'binary':
      return emitBinary(unit, term);
    case 'pair':
      return emitPair(unit, term);
    case 'ec':
      return emitEc(unit, term);
    case 'lc': {
      const parts = term.parts.map((part, i) => demandInt(unit, part, 'LC_CONSTRUCT', i + 1));
      const js = `{ a: ${parts[0]!.js}, b: ${parts[1]!.js}, c: ${parts[2]!.js} }`;
      return foldIfConstant(unit, { type: 'lc', js: `(${js})`, void: false }, parts);
    }
    case 'set': {
      if (term.items.length === 0) {
        return unit.constant('empty set', EMPTY_SET);
      }
      const set = buildSet(term.items, (item) => evaluateIn(unit, item));
      return unit.constant(set.type, set);
    }
    case 'prefixSet':
      return unit.constant('prefix set', buildPrefixSet(term.items));
    case 'mask':
      return emitMask(unit, term.items);
    case 'method':
      return emitMethod(unit, term);
    case 'call':
      return emitCall(unit, term);
  }
}

/** Of every set type at once. */
const EMPTY_SET = {
  type: 'empty set' as const,
  width: 1,
  intervals: new Float64Array(0),
  boxes: [],
  ...buildPrefixSet([]),
};

const notHint = "'!' binds tighter than '~': write !(a ~ B), or a !~ B";

function emitWord(unit: Unit, term: Extract<Term, { kind: 'word' }>): Code {
  const { name, at } = term;
  const local = unit.local(name);
  if (local !== undefined) return { type: local.type, js: local.js, void: local.void };
  const symbol = unit.scope.lookup(name);
  switch (symbol?.kind) {
    case 'constant':
      noteConstant(unit, name);
      if (symbol.value === undefined) return { type: symbol.type, js: 'undefined', void: true };
      return unit.constant(symbol.type, symbol.value);
    case 'custom attribute': {
      needRoute(unit, at);
      const key = unit.constant('string', name).js;
      const isList = ['bgppath', 'clist', 'eclist', 'lclist'].includes(symbol.type);
      const js = `S.a.custom?.[${key}]`;
      // Lists read as empty when absent, whoever defined the attribute.
      return { type: symbol.type, js: isList ? `(${js} ?? R.NONE)` : js, void: !isList };
    }
    case 'broken':
      return { type: 'any', js: 'undefined', void: true };
    case undefined:
      break;
    default:
      if (symbol !== undefined && !ATTRIBUTES.has(name)) {
        raise(
          at,
          'type',
          `syntax error, unexpected CF_SYM_KNOWN`,
          `${name} is a ${symbol.kind}, not a value`,
        );
      }
  }
  const attribute = term.quoted ? undefined : ATTRIBUTES.get(name);
  if (attribute !== undefined) {
    needRoute(unit, at);
    if (attribute.reads !== undefined) unit.reads[attribute.reads] = true;
    return { type: attribute.type, js: attribute.read, void: attribute.void };
  }
  const constant = ENUM_CONSTANTS.get(name);
  if (constant !== undefined) return unit.constant(constant.type, constant.value);
  return unknownWord(unit, at, name);
}

function needRoute(unit: Unit, at: Token): void {
  if (unit.hasRoute) return;
  raise(at, 'semantic', NO_ROUTE, 'route attributes exist only inside filters');
}

function demandInt(unit: Unit, term: Term, op: string, argument: number): Code {
  return demand(unit, emitTerm(unit, term), 'int', op, argument, term.at);
}

function emitPair(unit: Unit, term: Extract<Term, { kind: 'pair' }>): Code {
  const a = demandInt(unit, term.left, 'PAIR_CONSTRUCT', 1);
  const b = demandInt(unit, term.right, 'PAIR_CONSTRUCT', 2);
  const js = `R.makePair(${a.js}, ${b.js}, ${term.at.line})`;
  return foldIfConstant(unit, { type: 'pair', js, void: false }, [a, b]);
}

function emitEc(unit: Unit, term: Extract<Term, { kind: 'ec' }>): Code {
  const key = emitTerm(unit, term.key);
  const data = demandInt(unit, term.data, 'EC_CONSTRUCT', 2);
  const kind = JSON.stringify(term.ec);
  const asQuad = key.type === 'int' ? undefined : convert(unit, key, 'quad');
  const number = asQuad ?? demand(unit, key, 'int', 'EC_CONSTRUCT', 1, term.key.at);
  const make = asQuad === undefined ? 'R.makeEc' : 'R.makeIpEc';
  const js = `${make}(${kind}, ${term.raw}, ${number.js}, ${data.js}, ${term.at.line})`;
  return foldIfConstant(unit, { type: 'ec', js, void: false }, [number, data]);
}
