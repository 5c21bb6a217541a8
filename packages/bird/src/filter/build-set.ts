// Set literals and case labels to search structures. Every component must be known while the
// configuration is read; only path masks may contain variables.

import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { SetItem, Span } from './ast.ts';
import { addressKey, buildIntervalSet, pairIntervals, wordBox } from './interval-set.ts';
import type { Box, IntervalSet } from './interval-set.ts';
import { makeEc, makeIpEc } from './runtime.ts';
import { ENUM_TYPES, typeName } from './types.ts';
import type { EnumType, SetType, Type, Value, WordPair } from './types.ts';
import type { Term } from './ast.ts';

export type Evaluate = (term: Term) => { type: Type; value: Value };

const FULL = 0xffffffff;

/** Builds the set; all items must be of one type. `[]` is handled by the caller. */
export function buildSet(items: readonly SetItem[], evaluate: Evaluate): IntervalSet {
  const boxes: Box[] = [];
  let type: SetType | undefined;
  let enumType: EnumType | undefined;
  for (const item of items) {
    const built = buildItem(item, evaluate);
    if (type !== undefined && (built.type !== type || built.enumType !== enumType)) {
      raise(
        item.at,
        'type',
        'Incompatible values in set',
        `the set holds ${type.replace(' set', '')} values, this is a ${built.type.replace(' set', '')}`,
      );
    }
    type = built.type;
    enumType = built.enumType;
    for (const box of built.boxes) boxes.push(box);
  }
  return buildIntervalSet(type!, widthOf(type!), boxes, enumType);
}

function widthOf(type: SetType): number {
  switch (type) {
    case 'ec set':
    case 'rd set':
      return 2;
    case 'lc set':
      return 3;
    case 'ip set':
      return 4;
    default:
      return 1;
  }
}

interface Built {
  readonly type: SetType;
  readonly boxes: readonly Box[];
  readonly enumType?: EnumType;
}

function buildItem(item: SetItem, evaluate: Evaluate): Built {
  switch (item.kind) {
    case 'span':
      return buildSpan(item.at, item.span, evaluate);
    case 'pair':
      return { type: 'pair set', boxes: buildPair(item.at, item.parts, item.to, evaluate) };
    case 'lc':
      return { type: 'lc set', boxes: [buildLc(item.at, item.parts, item.to, evaluate)] };
    case 'ec':
      return { type: 'ec set', boxes: [buildEc(item, evaluate)] };
  }
}

function buildSpan(at: Token, span: Span, evaluate: Evaluate): Built {
  if (span.kind === 'any') return raise(at, 'syntax', "syntax error, unexpected '*'");
  const low = evaluate(span.from);
  const high = span.to === undefined ? low : evaluate(span.to);
  if (low.type !== high.type) raise(at, 'type', 'Incompatible values in set');
  const { type } = low;
  switch (type) {
    case 'int':
    case 'pair':
    case 'quad':
      return { type: `${type} set`, boxes: [range(at, low.value as number, high.value as number)] };
    case 'ip': {
      const box = {
        low: addressKey(low.value as string),
        high: addressKey(high.value as string),
        lexicographic: true,
      };
      return { type: 'ip set', boxes: [box] };
    }
    case 'rd':
    case 'ec': {
      const [from, to] = [low.value as WordPair, high.value as WordPair];
      const box = { low: [from.hi, from.lo], high: [to.hi, to.lo], lexicographic: true };
      return { type: `${type} set`, boxes: [box] };
    }
    case 'lc': {
      const words = (v: Value): number[] => Object.values(v as object) as number[];
      const box = { low: words(low.value), high: words(high.value), lexicographic: true };
      return { type: 'lc set', boxes: [box] };
    }
    default:
      if (type in ENUM_TYPES) {
        const boxes = [range(at, low.value as number, high.value as number)];
        return { type: 'enum set', boxes, enumType: type as EnumType };
      }
      return raise(at, 'type', `Values of type ${typeName(type)} cannot be in a set`);
  }
}

function range(at: Token, low: number, high: number): Box {
  if (low > high) {
    raise(at, 'range', 'Invalid range in set: the first value is above the second');
  }
  return wordBox(low, high);
}

/** The range of one component. */
function component(
  at: Token,
  span: Span,
  max: number,
  evaluate: Evaluate,
): readonly [number, number] {
  if (span.kind === 'any') return [0, max];
  const low = integer(span.from, evaluate);
  const high = span.to === undefined ? low : integer(span.to, evaluate);
  if (high > max) {
    raise(
      at,
      'range',
      "Can't operate with value out of bounds in pair constructor",
      `components go up to ${max}; for 4-byte AS numbers use large communities`,
    );
  }
  if (low > high) raise(at, 'range', 'Invalid range in set: the first value is above the second');
  return [low, high];
}

function integer(term: Term, evaluate: Evaluate): number {
  const { type, value } = evaluate(term);
  if (type === 'int' || type === 'quad') return value as number;
  if (type === 'ip' && !(value as string).includes(':')) return addressKey(value as string)[3]!;
  return raise(term.at, 'type', `Integer expected, got ${typeName(type)}`);
}

function buildPair(
  at: Token,
  parts: readonly Span[],
  to: readonly Span[] | undefined,
  evaluate: Evaluate,
): Box[] {
  const [a, b] = parts.map((part) => component(at, part, 0xffff, evaluate));
  if (to !== undefined) {
    const [c, d] = to.map((part) => component(at, part, 0xffff, evaluate));
    return [range(at, a![0] * 65536 + b![0], c![1] * 65536 + d![1])];
  }
  return pairIntervals([a![0], b![0]], [a![1], b![1]]);
}

function buildLc(
  at: Token,
  parts: readonly Span[],
  to: readonly Span[] | undefined,
  evaluate: Evaluate,
): Box {
  const low = parts.map((part) => component(at, part, FULL, evaluate));
  if (to !== undefined) {
    const high = to.map((part) => component(at, part, FULL, evaluate));
    return { low: low.map((c) => c[0]), high: high.map((c) => c[1]), lexicographic: true };
  }
  return { low: low.map((c) => c[0]), high: low.map((c) => c[1]), lexicographic: false };
}

function buildEc(item: Extract<SetItem, { kind: 'ec' }>, evaluate: Evaluate): Box {
  if (item.key.kind === 'any' || item.key.to !== undefined) {
    raise(item.at, 'syntax', 'The key of an extended community in a set must be one value');
  }
  const key = evaluate(item.key.from);
  const isIp = key.type === 'ip' || key.type === 'quad';
  const keyNumber = integer(item.key.from, evaluate);
  const wide = isIp || (keyNumber > 0xffff && item.ec !== 'generic' && item.ec !== 'unknown');
  const [low, high] = component(item.at, item.data, wide ? 0xffff : FULL, evaluate);
  const make = isIp ? makeIpEc : makeEc;
  const from = make(item.ec, item.raw, keyNumber, low, item.at.line);
  const to = make(item.ec, item.raw, keyNumber, high, item.at.line);
  return { low: [from.hi, from.lo], high: [to.hi, to.lo], lexicographic: true };
}
