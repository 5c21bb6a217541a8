// Expressions to JavaScript, with BIRD's static type checks on the way. What may be void at run time
// is tracked, so that only those operands pay for a check.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { BinaryOp, MaskItem, Term } from './ast.ts';
import { ATTRIBUTES } from './attributes.ts';
import { buildSet } from './build-set.ts';
import { emitCall } from './emit-call.ts';
import { emitMethod } from './emit-method.ts';
import { NO_ROUTE, foldCode } from './evaluate-with.ts';
import { convert, demand, evaluateIn, ipNumber, noteConstant, unknownWord } from './operand.ts';
import { isSetType, typeName, ENUM_CONSTANTS } from './types.ts';
import type { Type, WordPair } from './types.ts';
import { buildPrefixSet } from './prefix-set.ts';
import { wrongArgument } from './unit.ts';
import type { Code, Unit } from './unit.ts';

const OP_NAMES: Readonly<Record<BinaryOp, string>> = {
  '+': 'ADD',
  '-': 'SUBTRACT',
  '*': 'MULTIPLY',
  '/': 'DIVIDE',
  '=': 'EQ',
  '!=': 'NEQ',
  '<': 'LT',
  '<=': 'LTE',
  '>': 'LT',
  '>=': 'LTE',
  '~': 'MATCH',
  '!~': 'NOT_MATCH',
  '&&': 'AND',
  '||': 'OR',
};

const ORDERED: ReadonlySet<Type> = new Set<Type>([
  'int',
  'bool',
  'ip',
  'quad',
  'pair',
  'prefix',
  'string',
  'rd',
  'ec',
  'lc',
  'any',
]);

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
      return emitMask(unit, term.at, term.items);
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
  family: 'ipv4' as const,
  groups: [],
  patterns: [],
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
      return { type: symbol.type, js: `S.a.custom?.[${key}]`, void: true };
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

function emitBinary(unit: Unit, term: Extract<Term, { kind: 'binary' }>): Code {
  const { op } = term;
  const left = emitTerm(unit, term.left);
  const right = emitTerm(unit, term.right);
  const name = OP_NAMES[op];
  switch (op) {
    case '&&':
    case '||': {
      const a = demand(unit, left, 'bool', name, 1, term.left.at);
      const b = demand(unit, right, 'bool', name, 2, term.right.at);
      return { type: 'bool', js: `(${a.js} ${op} ${b.js})`, void: false };
    }
    case '+':
    case '-':
    case '*':
    case '/': {
      const a = demand(unit, left, 'int', name, 1, term.left.at);
      const b = demand(unit, right, 'int', name, 2, term.right.at);
      return foldIfConstant(unit, { type: 'int', js: arithmetic(op, a, b, term.at), void: false }, [
        a,
        b,
      ]);
    }
    case '=':
    case '!=':
      return emitEquality(unit, op === '=', left, right, term);
    case '<':
    case '<=':
    case '>':
    case '>=':
      return emitOrder(unit, op, left, right, term);
    case '~':
    case '!~': {
      const js = emitMatch(unit, left, right, term);
      return { type: 'bool', js: op === '~' ? js : `(!${js})`, void: false };
    }
  }
}

function arithmetic(op: '+' | '-' | '*' | '/', a: Code, b: Code, at: Token): string {
  if (op === '*') return `(Math.imul(${a.js}, ${b.js}) >>> 0)`;
  if (op === '/') return `R.divide(${a.js}, ${b.js}, ${at.line})`;
  return `((${a.js} ${op} ${b.js}) >>> 0)`;
}

function isScalar(type: Type): boolean {
  return (
    ['int', 'bool', 'ip', 'quad', 'pair', 'string', 'bytestring'].includes(type) ||
    type.startsWith('enum ')
  );
}

function emitEquality(
  unit: Unit,
  equal: boolean,
  left: Code,
  right: Code,
  term: Extract<Term, { kind: 'binary' }>,
): Code {
  const a = right.type === 'quad' ? (convert(unit, left, 'quad') ?? left) : left;
  const b = left.type === 'quad' ? (convert(unit, right, 'quad') ?? right) : right;
  const sets = isSetType(a.type) && isSetType(b.type);
  if (a.type !== b.type && a.type !== 'any' && b.type !== 'any' && !sets) {
    // BIRD 2.x: values of different types are unequal, without an error.
    unit.log?.add(
      'warning',
      term.at,
      'type',
      `Comparison of type ${typeName(a.type)} with type ${typeName(b.type)} is always ${equal ? 'false' : 'true'}`,
    );
    return unit.constant('bool', !equal);
  }
  const js = isScalar(a.type) ? `(${a.js} === ${b.js})` : `R.same(${a.js}, ${b.js})`;
  return { type: 'bool', js: equal ? js : `(!${js})`, void: false };
}

function emitOrder(
  unit: Unit,
  op: '<' | '<=' | '>' | '>=',
  left: Code,
  right: Code,
  term: Extract<Term, { kind: 'binary' }>,
): Code {
  const a = right.type === 'quad' ? (convert(unit, left, 'quad') ?? left) : left;
  const b = left.type === 'quad' ? (convert(unit, right, 'quad') ?? right) : right;
  if (a.type !== b.type && a.type !== 'any' && b.type !== 'any') {
    const message = `Arguments 1 and 2 of ${OP_NAMES[op]} must be of the same type`;
    raise(term.at, 'type', message, `got ${typeName(a.type)} and ${typeName(b.type)}`);
  }
  if (!ORDERED.has(a.type) && !a.type.startsWith('enum ')) {
    raise(term.at, 'type', `Values of type ${typeName(a.type)} have no order`);
  }
  const numeric = ['int', 'pair', 'quad'].includes(a.type) || a.type.startsWith('enum ');
  if (numeric && !a.void && !b.void) {
    return { type: 'bool', js: `(${a.js} ${op} ${b.js})`, void: false };
  }
  const order = a.type === 'ip' ? 'R.orderIp' : 'R.order';
  return { type: 'bool', js: `(${order}(${a.js}, ${b.js}) ${op} 0)`, void: false };
}

/** `~`, by the pair of types. */
function emitMatch(
  unit: Unit,
  left: Code,
  right: Code,
  term: Extract<Term, { kind: 'binary' }>,
): string {
  const line = term.at.line;
  const guard = (code: Code): string =>
    code.void ? `(${code.js} ?? R.mismatch(${line}))` : code.js;
  const a = guard(left);
  const b = guard(right);
  if (right.type === 'empty set') return 'false';
  switch (`${left.type} ~ ${right.type}`) {
    case 'int ~ int set':
    case 'pair ~ pair set':
    case 'quad ~ quad set':
      return `R.setHasWord(${b}, ${a})`;
    case 'ip ~ ip set':
      return `R.hasAddress(${b}, ${a})`;
    case 'quad ~ ip set':
      return `R.hasAddress(${b}, R.quadToIp(${a}))`;
    case 'ec ~ ec set':
    case 'rd ~ rd set':
      return `R.hasEc(${b}, ${a})`;
    case 'lc ~ lc set':
      return `R.hasLc(${b}, ${a})`;
    case 'ip ~ prefix':
      return `R.prefixHasIp(${b}, ${a})`;
    case 'prefix ~ prefix':
      return `R.prefixCovers(${b}, ${a})`;
    case 'prefix ~ prefix set':
      return `R.prefixSetMatches(${b}, ${a})`;
    case 'string ~ string':
      return `R.globMatches(${b}, ${a})`;
    case 'pair ~ clist':
    case 'quad ~ clist':
      return `R.listHas(${b}, 1, ${a})`;
    case 'ip ~ clist':
      return `R.listHas(${b}, 1, R.ipToQuad(${a}))`;
    case 'ec ~ eclist':
      return `R.listHas(${b}, 2, ${a})`;
    case 'lc ~ lclist':
      return `R.listHas(${b}, 3, ${a})`;
    case 'clist ~ pair set':
    case 'clist ~ quad set':
      return `R.listMeets(${a}, 1, ${b})`;
    case 'clist ~ ip set':
      return `R.listMeets(${a}, 1, R.quadSet(${b}))`;
    case 'eclist ~ ec set':
      return `R.listMeets(${a}, 2, ${b})`;
    case 'lclist ~ lc set':
      return `R.listMeets(${a}, 3, ${b})`;
    case 'int ~ bgppath':
      return `R.pathHas(${b}, ${a})`;
    case 'bgppath ~ int set':
      return `R.pathMeets(${a}, ${b})`;
    case 'bgppath ~ bgpmask':
      return `R.pathMaskMatches(${b}, ${a})`;
  }
  if (right.type === 'enum set' && left.type.startsWith('enum ')) return `R.setHasWord(${b}, ${a})`;
  return emitMismatch(unit, left, right, term);
}

function emitMismatch(
  unit: Unit,
  left: Code,
  right: Code,
  term: Extract<Term, { kind: 'binary' }>,
): string {
  if (left.type === 'any' || right.type === 'any') return `R.mismatch(${term.at.line})`;
  const message = '~ applied on unknown type pair';
  let hint = `${typeName(left.type)} ~ ${right.type} has no meaning`;
  if (left.type === 'ip' && right.type === 'prefix set') {
    hint = 'an address is not a prefix: compare net, or use a set of addresses';
  }
  const isConstant = left.constant !== undefined && right.constant !== undefined;
  if (isConstant) {
    raise(term.at, 'type', `filter preevaluation, line ${term.at.line}: ${message}`, hint);
  }
  // BIRD 2.0 accepts this when it starts and rejects the route when it runs.
  unit.log?.add('warning', term.at, 'type', message, `${hint}; every route would be rejected here`);
  return `R.mismatch(${term.at.line})`;
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

function emitMask(unit: Unit, at: Token, items: readonly MaskItem[]): Code {
  const steps = items.map((item) => emitMaskItem(unit, item));
  if (steps.every((step) => step.constant !== undefined)) {
    return unit.constant('bgpmask', steps.map((step) => step.constant) as never);
  }
  void at;
  return { type: 'bgpmask', js: `R.joinMask([${steps.map((s) => s.js).join(', ')}])`, void: false };
}

function emitMaskItem(unit: Unit, item: MaskItem): Code {
  switch (item.kind) {
    case 'one':
    case 'any':
    case 'loop':
      return unit.constant('any', { kind: item.kind } as never);
    case 'range': {
      const low = integerIn(unit, item.from);
      const high = integerIn(unit, item.to);
      return unit.constant('any', { kind: 'range', low, high } as never);
    }
    case 'set': {
      const set = emitTerm(unit, item.term);
      if (set.type === 'empty set')
        return unit.constant('any', { kind: 'range', low: 1, high: 0 } as never);
      if (set.type !== 'int set')
        wrongArgument(item.term.at, 'PATHMASK_CONSTRUCT', 1, 'int', set.type);
      return unit.constant('any', { kind: 'set', set: set.constant } as never);
    }
    case 'term': {
      const code = emitTerm(unit, item.term);
      if (code.type === 'int set') {
        if (code.constant === undefined) {
          const set = demand(unit, code, 'int set', 'PATHMASK_CONSTRUCT', 1, item.term.at);
          return { type: 'any', js: `R.setStep(${set.js})`, void: false };
        }
        return unit.constant('any', { kind: 'set', set: code.constant } as never);
      }
      if (code.type === 'bgppath' || code.type === 'bgpmask') {
        return { type: 'any', js: `R.maskOf(${code.js})`, void: false };
      }
      const number = demand(unit, code, 'int', 'PATHMASK_CONSTRUCT', 1, item.term.at);
      if (number.constant !== undefined) {
        const value = number.constant as number;
        return unit.constant('any', { kind: 'range', low: value, high: value } as never);
      }
      return { type: 'any', js: `R.asnStep(${number.js})`, void: false };
    }
  }
}

function integerIn(unit: Unit, term: Term): number {
  const { type, value } = evaluateIn(unit, term);
  if (type !== 'int') raise(term.at, 'type', `Integer expected, got ${typeName(type)}`);
  return value as number;
}

/** Computes now what depends on constants only. */
function foldIfConstant(unit: Unit, code: Code, operands: readonly Code[]): Code {
  return operands.every((operand) => operand.constant !== undefined) ? foldCode(unit, code) : code;
}

function parseRd(text: string): WordPair {
  const parts = text.split(':');
  const data = Number(parts[parts.length - 1]);
  const key = parts[parts.length - 2]!;
  if (key.includes('.')) return wideRd(1, ipNumber(key), data);
  const asn = Number(key);
  const type = parts.length === 3 ? Number(parts[0]) : asn > 0xffff ? 2 : 0;
  return type === 0 ? { hi: asn & 0xffff, lo: data >>> 0 } : wideRd(type, asn, data);
}

function wideRd(type: number, key: number, data: number): WordPair {
  return {
    hi: ((type << 16) | (key >>> 16)) >>> 0,
    lo: (((key & 0xffff) << 16) | (data & 0xffff)) >>> 0,
  };
}
