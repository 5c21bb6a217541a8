// AS paths and community lists as values: immutable, every change returns a new array, or the old
// one when there is nothing to change.

import type { AsPathSegment } from '@rookery/bgp';
import { SEGMENT } from '@rookery/bgp';
import { setHasWord, setHasWords } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import type { LargeCommunity, WordPair } from './types.ts';

type Path = readonly AsPathSegment[];

/** RFC 4271 §9.1.2.2, RFC 5065 §5.3: a set counts one, confederation segments nothing. */
export function pathLength(path: Path): number {
  let length = 0;
  for (const segment of path) {
    if (segment.type === SEGMENT.asSequence) length += segment.asns.length;
    else if (segment.type === SEGMENT.asSet) length += 1;
  }
  return length;
}

/** Leftmost AS; 0 when the path is empty or begins with a set. */
export function firstAsn(path: Path): number {
  const segment = path.find((s) => s.asns.length > 0);
  return segment?.type === SEGMENT.asSequence ? segment.asns[0]! : 0;
}

/** Origin AS; 0 when the path is empty or ends with a set. */
export function lastAsn(path: Path): number {
  const segment = path.findLast((s) => s.asns.length > 0);
  return segment?.type === SEGMENT.asSequence ? segment.asns[segment.asns.length - 1]! : 0;
}

/** The AS before any trailing sets. */
export function lastNonaggregated(path: Path): number {
  let last = 0;
  for (const segment of path) {
    if (segment.type !== SEGMENT.asSequence) return last;
    last = segment.asns[segment.asns.length - 1] ?? last;
  }
  return last;
}

export function prependAsn(path: Path, asn: number): Path {
  const first = path[0];
  // RFC 4271 §5.1.2: a sequence holds at most 255 numbers.
  if (first?.type === SEGMENT.asSequence && first.asns.length < 255) {
    return [{ type: first.type, asns: [asn, ...first.asns] }, ...path.slice(1)];
  }
  return [{ type: SEGMENT.asSequence, asns: [asn] }, ...path];
}

export function appendAsn(path: Path, asn: number): Path {
  const last = path[path.length - 1];
  if (last?.type === SEGMENT.asSequence && last.asns.length < 255) {
    return [...path.slice(0, -1), { type: last.type, asns: [...last.asns, asn] }];
  }
  return [...path, { type: SEGMENT.asSequence, asns: [asn] }];
}

/** Keeps (or removes) the numbers that a set or a single number contains. */
export function filterPath(path: Path, match: IntervalSet | number, keep: boolean): Path {
  const has = (asn: number): boolean =>
    typeof match === 'number' ? asn === match : setHasWord(match, asn);
  const result = path
    .map((segment) => ({ type: segment.type, asns: segment.asns.filter((n) => has(n) === keep) }))
    .filter((segment) => segment.asns.length > 0);
  return result;
}

export function pathHas(path: Path, asn: number): boolean {
  for (const { asns } of path) if (asns.includes(asn)) return true;
  return false;
}

export function pathMeets(path: Path, set: IntervalSet): boolean {
  for (const { asns } of path) for (const asn of asns) if (setHasWord(set, asn)) return true;
  return false;
}

export function pathAsns(path: Path): number[] {
  return path.flatMap((segment) => segment.asns);
}

type List = readonly number[];
/** An element of a list: a number, or the words of a wider community. */
export type Element = number | WordPair | LargeCommunity;

/** Words of an element. */
export function elementWords(element: Element): readonly number[] {
  if (typeof element === 'number') return [element];
  return 'hi' in element ? [element.hi, element.lo] : [element.a, element.b, element.c];
}

export function listHas(list: List, width: number, element: Element): boolean {
  if (width === 1) return list.includes(element as number);
  return indexOf(list, elementWords(element)) >= 0;
}

function indexOf(list: List, words: readonly number[]): number {
  for (let i = 0; i < list.length; i += words.length) {
    if (words.every((word, j) => list[i + j] === word)) return i;
  }
  return -1;
}

/** Adds at the end unless present. */
export function listAdd(list: List, width: number, element: Element): List {
  return listHas(list, width, element) ? list : [...list, ...elementWords(element)];
}

export function listAddAll(list: List, width: number, more: List): List {
  let result = list;
  for (let i = 0; i < more.length; i += width) {
    const words = more.slice(i, i + width);
    if (indexOf(result, words) < 0) result = [...result, ...words];
  }
  return result;
}

/** Keeps (or removes) what a set, a list or a single element contains. */
export function listFilter(
  list: List,
  width: number,
  match: { set: IntervalSet } | { list: List } | { element: Element },
  keep: boolean,
): List {
  const result: number[] = [];
  for (let i = 0; i < list.length; i += width) {
    const words = list.slice(i, i + width);
    if (contains(match, words) === keep) result.push(...words);
  }
  return result.length === list.length ? list : result;
}

function contains(
  match: { set: IntervalSet } | { list: List } | { element: Element },
  words: List,
): boolean {
  if ('set' in match) return setHasAt(match.set, words, 0);
  if ('list' in match) return indexOf(match.list, words) >= 0;
  return elementWords(match.element).every((word, i) => word === words[i]);
}

function setHasAt(set: IntervalSet, list: List, at: number): boolean {
  return set.width === 1 ? setHasWord(set, list[at]!) : setHasWords(set, list, at);
}

/** Does any element lie in the set? */
export function listMeets(list: List, width: number, set: IntervalSet): boolean {
  for (let i = 0; i < list.length; i += width) if (setHasAt(set, list, i)) return true;
  return false;
}

/** Elements as values of the language, for loops. */
export function listElements(list: List, width: number): Element[] {
  const elements: Element[] = [];
  for (let i = 0; i + width <= list.length; i += width) elements.push(elementAt(list, width, i));
  return elements;
}

function elementAt(list: List, width: number, i: number): Element {
  if (width === 1) return list[i]!;
  if (width === 2) return { hi: list[i]!, lo: list[i + 1]! };
  return { a: list[i]!, b: list[i + 1]!, c: list[i + 2]! };
}

/** The smallest or largest element; `undefined` of an empty list. */
export function listExtreme(list: List, width: number, largest: boolean): Element | undefined {
  let best = -1;
  for (let i = 0; i + width <= list.length; i += width) {
    if (best < 0) best = i;
    for (let j = 0; j < width; j++) {
      const difference = list[i + j]! - list[best + j]!;
      if (difference === 0) continue;
      if (difference > 0 === largest) best = i;
      break;
    }
  }
  return best < 0 ? undefined : elementAt(list, width, best);
}
