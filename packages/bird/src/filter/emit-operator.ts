// Operators: arithmetic, logic, equality, order, and `~` by the pair of types it stands between.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { BinaryOp, Term } from './ast.ts';
import { ATTRIBUTES, NET_READ } from './attributes.ts';
import { foldIfConstant } from './evaluate-with.ts';
import { firstWords } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import type { NetTest } from './net-classes.ts';
import { convert, demand } from './operand.ts';
import { elementWords } from './path.ts';
import type { Element } from './path.ts';
import type { PathMask } from './path-mask.ts';
import type { PrefixSet } from './prefix-set.ts';
import { NOTHING_REQUIRED, bothOf, memberOf } from './sieve.ts';
import type { Requirements, Subject } from './sieve.ts';
import { isSetType, typeName } from './types.ts';
import type { PrefixValue, Type } from './types.ts';
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

/** `left OP right` */
export function emitBinary(unit: Unit, term: Extract<Term, { kind: 'binary' }>): Code {
  const { op } = term;
  const readNet = unit.reads.net;
  const left = unit.emit(unit, term.left);
  const right = unit.emit(unit, term.right);
  const name = OP_NAMES[op];
  const test = netTestOf(op, left, right);
  if (test) {
    unit.reads.net = readNet;
    const js = unit.netTest(test);
    const passes = !op.startsWith('!');
    const requirements = {
      all: [{ subject: 'net' as const, test, passes }],
      isExact: true,
      isSafe: true,
    };
    return { type: 'bool', js: passes ? js : `(!${js})`, void: false, requirements };
  }
  switch (op) {
    case '&&':
    case '||': {
      const a = demand(unit, left, 'bool', name, 1, term.left.at);
      const b = demand(unit, right, 'bool', name, 2, term.right.at);
      const requirements = op === '&&' ? bothOf(left.requirements, right.requirements) : undefined;
      return { type: 'bool', js: `(${a.js} ${op} ${b.js})`, void: false, requirements };
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
      if (op === '!~') return { type: 'bool', js: `(!${js})`, void: false };
      return { type: 'bool', js, void: false, requirements: requirementsOf(left, right) };
    }
  }
}

/** The test on the prefix that an operation is, when it is nothing else. */
function netTestOf(op: BinaryOp, left: Code, right: Code): NetTest | undefined {
  const { constant } = right;
  if (constant === undefined) return undefined;
  if (left.js === NET_READ) {
    if (right.type === 'prefix set') return (constant as PrefixSet).patterns;
    if (right.type !== 'prefix') return undefined;
    const prefix = constant as PrefixValue;
    if (op === '=' || op === '!=') return [{ prefix, low: prefix.length, high: prefix.length }];
    return op === '~' || op === '!~' ? [{ prefix, low: prefix.length, high: 128 }] : undefined;
  }
  if (left.js !== `${NET_READ}.length` || right.type !== 'int') return undefined;
  const length = constant as number;
  const from = op === '=' || op === '!=' || op === '>=' ? length : op === '>' ? length + 1 : 0;
  const to = op === '>' || op === '>=' ? 128 : op === '<' ? length - 1 : length;
  return (['ipv4', 'ipv6'] as const).map((family) => ({
    prefix: { family, a: 0, b: 0, c: 0, d: 0, length: 0 },
    low: from,
    high: to,
  }));
}

/** The attributes whose members a sieve looks at, by how they are read. */
const SUBJECT_OF: ReadonlyMap<string, Subject> = new Map([
  [ATTRIBUTES.get('bgp_path')!.read, 'asPath'],
  [ATTRIBUTES.get('bgp_community')!.read, 'communities'],
  [ATTRIBUTES.get('bgp_ext_community')!.read, 'extendedCommunities'],
  [ATTRIBUTES.get('bgp_large_community')!.read, 'largeCommunities'],
]);

/** What `left ~ right` requires, when one is a list of the route and the other a constant. */
function requirementsOf(left: Code, right: Code): Requirements | undefined {
  const within = SUBJECT_OF.get(right.js);
  if (within !== undefined && left.constant !== undefined) {
    if (typeof left.constant === 'number') {
      return memberOf(within, [left.constant, left.constant], true);
    }
    if (left.type !== 'ec' && left.type !== 'lc') return undefined;
    const [first] = elementWords(left.constant as Element);
    return memberOf(within, [first!, first!], false);
  }
  const subject = SUBJECT_OF.get(left.js);
  const { constant } = right;
  if (subject === undefined || constant === undefined) return undefined;
  switch (`${left.type} ~ ${right.type}`) {
    case 'bgppath ~ int set':
    case 'clist ~ pair set':
    case 'clist ~ quad set':
      return memberOf(subject, (constant as IntervalSet).intervals, true);
    case 'eclist ~ ec set':
    case 'lclist ~ lc set':
      return memberOf(subject, firstWords(constant as IntervalSet), false);
    case 'bgppath ~ bgpmask':
      return (constant as PathMask).members
        .map((intervals) => memberOf(subject, intervals, false))
        .reduce(bothOf, NOTHING_REQUIRED);
    default:
      return undefined;
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
  const sets =
    (a.type === 'empty set' && isSetType(b.type)) || (b.type === 'empty set' && isSetType(a.type));
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
      return `S.matches(${b}, ${a})`;
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
