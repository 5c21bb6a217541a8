// Sets of integers, pairs, addresses, communities and enums: sorted disjoint intervals over up to
// four unsigned words, found by binary search. Wildcards such as `(65000,*)` are one interval where
// they can be, and a list of boxes (a range per component) where they cannot: `(*,1)`.

import { formatWords, parseWords } from '@rookery/net';
import { formatEc, formatLc, formatPair, formatRd } from './scalar-text.ts';
import { ENUM_TYPES } from './types.ts';
import type { EnumType, SetType } from './types.ts';

/** One range per component; a value lies in the box when every component is within its range. */
export interface Box {
  readonly low: readonly number[];
  readonly high: readonly number[];
  /**
   * `lexicographic`: everything from `low` to `high` in word order, as `(1,2)..(3,4)`.
   * Otherwise each component is tested alone, as `(1..3, 2..4)`.
   */
  readonly lexicographic: boolean;
}

export interface IntervalSet {
  readonly type: SetType;
  /** Of the elements, when it is an enum. */
  readonly enumType?: EnumType;
  /** Words per element: 1 for int, pair, quad and enum; 2 for ec and rd; 3 for lc; 5 for ip. */
  readonly width: number;
  /** Sorted, disjoint single-word intervals: low, high, low, high, …; only when `width` is 1. */
  readonly intervals: Float64Array;
  readonly boxes: readonly Box[];
}

/** Builds a set of one-word elements from inclusive ranges, or of wider ones from boxes. */
export function buildIntervalSet(
  type: SetType,
  width: number,
  boxes: readonly Box[],
  enumType?: EnumType,
): IntervalSet {
  const intervals = width === 1 ? mergeIntervals(boxes) : new Float64Array(0);
  return {
    type,
    width,
    intervals,
    boxes,
    ...(enumType === undefined ? {} : { enumType }),
  };
}

/** Splits boxes over (asn, data) halves into intervals of the 32-bit pair value. */
export function pairIntervals(low: readonly number[], high: readonly number[]): Box[] {
  const [lowAsn, lowData] = [low[0]!, low[1]!];
  const [highAsn, highData] = [high[0]!, high[1]!];
  if (lowData === 0 && highData === 0xffff) {
    return [wordBox(lowAsn * 65536, highAsn * 65536 + 0xffff)];
  }
  const boxes: Box[] = [];
  for (let asn = lowAsn; asn <= highAsn; asn++) {
    boxes.push(wordBox(asn * 65536 + lowData, asn * 65536 + highData));
  }
  return boxes;
}

/** A one-word range. */
export function wordBox(low: number, high: number): Box {
  return { low: [low], high: [high], lexicographic: true };
}

function mergeIntervals(boxes: readonly Box[]): Float64Array {
  const sorted = boxes
    .map((box) => [box.low[0]!, box.high[0]!] as const)
    .filter(([low, high]) => low <= high)
    .sort((x, y) => x[0] - y[0]);
  const merged: number[] = [];
  for (const [low, high] of sorted) {
    const last = merged.length - 1;
    if (last > 0 && low <= merged[last]!) merged[last] = Math.max(merged[last]!, high);
    else merged.push(low, high);
  }
  return Float64Array.from(merged);
}

/** Intervals of the first words of a set's members. */
export function firstWords({ boxes }: IntervalSet): Float64Array {
  return mergeIntervals(boxes.map(({ low, high }) => wordBox(low[0]!, high[0]!)));
}

/** Membership of a one-word element: int, pair, quad, enum. */
export function setHasWord(set: IntervalSet, value: number): boolean {
  const { intervals } = set;
  let left = 0;
  let right = intervals.length >>> 1;
  while (left < right) {
    const middle = (left + right) >>> 1;
    if (intervals[middle * 2 + 1]! < value) left = middle + 1;
    else right = middle;
  }
  return left * 2 < intervals.length && intervals[left * 2]! <= value;
}

/** Membership of a wider element, whose words begin at `at`. */
export function setHasWords(set: IntervalSet, words: readonly number[], at = 0): boolean {
  for (const box of set.boxes) if (boxHas(box, words, at)) return true;
  return false;
}

function boxHas({ low, high, lexicographic }: Box, words: readonly number[], at: number): boolean {
  if (lexicographic) return compareAt(words, at, low) >= 0 && compareAt(words, at, high) <= 0;
  for (let i = 0; i < low.length; i++) {
    if (words[at + i]! < low[i]! || words[at + i]! > high[i]!) return false;
  }
  return true;
}

function compareAt(words: readonly number[], at: number, bound: readonly number[]): number {
  for (let i = 0; i < bound.length; i++) {
    if (words[at + i] !== bound[i]) return words[at + i]! - bound[i]!;
  }
  return 0;
}

/** An address as comparable words: the IPv4 family sorts as the mapped block ::ffff:0:0/96. */
export function addressKey(address: string): readonly number[] {
  const words = parseWords(address) ?? [0];
  return words.length === 1 ? [0, 0, 0xffff, words[0]!] : words;
}

/** The IPv4 members of a set of addresses, as numbers: for lists of dotted quads. */
export function quadSet(set: IntervalSet): IntervalSet {
  const boxes = set.boxes
    .filter((box) => box.low[2] === 0xffff && box.low[0] === 0 && box.low[1] === 0)
    .map((box) => wordBox(box.low[3]!, box.high[3]!));
  return buildIntervalSet('quad set', 1, boxes);
}

/** `[1, 2, 3..5]` */
export function formatIntervalSet(set: IntervalSet): string {
  if (set.width === 1) {
    const parts: string[] = [];
    for (let i = 0; i < set.intervals.length; i += 2) {
      const low = formatElement(set, [set.intervals[i]!]);
      const high = formatElement(set, [set.intervals[i + 1]!]);
      parts.push(low === high ? low : `${low}..${high}`);
    }
    return `[${parts.join(', ')}]`;
  }
  return `[${set.boxes
    .toSorted((x, y) => compareAt(x.low, 0, y.low))
    .map((box) => {
      const low = formatElement(set, box.low);
      const high = formatElement(set, box.high);
      return low === high ? low : `${low}..${high}`;
    })
    .join(', ')}]`;
}

function formatElement(set: IntervalSet, words: readonly number[]): string {
  switch (set.type) {
    case 'pair set':
      return formatPair(words[0]!);
    case 'quad set':
      return formatWords([words[0]!]);
    case 'ec set':
      return formatEc({ hi: words[0]!, lo: words[1]! });
    case 'rd set':
      return formatRd({ hi: words[0]!, lo: words[1]! });
    case 'lc set':
      return formatLc({ a: words[0]!, b: words[1]!, c: words[2]! });
    case 'ip set':
      return words[2] === 0xffff && words[0] === 0 && words[1] === 0
        ? formatWords([words[3]!])
        : formatWords(words);
    case 'enum set':
      return `(enum ${ENUM_TYPES[set.enumType!].id.toString(16)})${words[0]}`;
    default:
      return String(words[0]);
  }
}
