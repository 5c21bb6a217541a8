// Prefix sets: patterns `P{low,high}` compiled to sorted parallel typed arrays, so that a bgpq4 list
// of 100 000 entries costs a few binary searches per test and no objects. Patterns are grouped by
// the number of bits they compare (the length of P, capped by the tested length): a test looks up
// the masked prefix once per group that exists, at most 129 and usually one or two.

import type { PrefixPattern } from './ast.ts';
import { formatPrefixValue } from './scalar-text.ts';
import type { PrefixValue } from './types.ts';

export interface PrefixSet {
  readonly family: 'ipv4' | 'ipv6';
  readonly groups: readonly Group[];
  /** As written, for printing. */
  readonly patterns: readonly PrefixPattern[];
}

/** Patterns of one length, sorted by address words, several entries for equal prefixes allowed. */
interface Group {
  readonly length: number;
  readonly words: Uint32Array;
  readonly low: Uint8Array;
  readonly high: Uint8Array;
  /** Smallest `low` of the group: a shorter prefix cannot match. */
  readonly minLow: number;
  readonly maxHigh: number;
}

/** Builds the search structure. Families have been checked to be equal; at least one pattern. */
export function buildPrefixSet(patterns: readonly PrefixPattern[]): PrefixSet {
  const family = patterns[0]!.prefix.family;
  const byLength = new Map<number, PrefixPattern[]>();
  for (const pattern of patterns) {
    const list = byLength.get(pattern.prefix.length);
    if (list === undefined) byLength.set(pattern.prefix.length, [pattern]);
    else list.push(pattern);
  }
  const width = family === 'ipv4' ? 1 : 4;
  const groups = [...byLength].map(([length, list]) => buildGroup(length, list, width));
  return { family, groups: groups.sort((x, y) => x.length - y.length), patterns };
}

function buildGroup(length: number, list: readonly PrefixPattern[], width: number): Group {
  const sorted = [...list].sort((x, y) => comparePrefixes(x.prefix, y.prefix));
  const words = new Uint32Array(sorted.length * width);
  const low = new Uint8Array(sorted.length);
  const high = new Uint8Array(sorted.length);
  sorted.forEach((pattern, i) => {
    const { a, b, c, d } = pattern.prefix;
    words[i * width] = a;
    if (width === 4) {
      words[i * 4 + 1] = b;
      words[i * 4 + 2] = c;
      words[i * 4 + 3] = d;
    }
    low[i] = pattern.low;
    high[i] = pattern.high;
  });
  return {
    length,
    words,
    low,
    high,
    minLow: low.reduce((x, y) => Math.min(x, y), 255),
    maxHigh: high.reduce((x, y) => Math.max(x, y), 0),
  };
}

function comparePrefixes(x: PrefixValue, y: PrefixValue): number {
  return x.a - y.a || x.b - y.b || x.c - y.c || x.d - y.d;
}

/** `net ~ set`: does any pattern accept this prefix? */
export function prefixSetMatches(set: PrefixSet, net: PrefixValue): boolean {
  if (net.family !== set.family) return false;
  for (const group of set.groups) {
    if (net.length < group.minLow || net.length > group.maxHigh) continue;
    if (net.length >= group.length) {
      if (groupContains(group, net)) return true;
    } else if (groupCovered(group, net)) return true;
  }
  return false;
}

/** The tested prefix is at least as long as the patterns: compare the patterns' bits exactly. */
function groupContains(group: Group, net: PrefixValue): boolean {
  const a = net.a & maskFor(group.length, 0);
  if (net.family === 'ipv4') {
    return scanV4(group, a >>> 0, net.length);
  }
  const b = net.b & maskFor(group.length, 32);
  const c = net.c & maskFor(group.length, 64);
  const d = net.d & maskFor(group.length, 96);
  return scanV6(group, [a >>> 0, b >>> 0, c >>> 0, d >>> 0], net.length);
}

function scanV4(group: Group, key: number, length: number): boolean {
  const { words, low, high } = group;
  let left = 0;
  let right = words.length;
  while (left < right) {
    const middle = (left + right) >>> 1;
    if (words[middle]! < key) left = middle + 1;
    else right = middle;
  }
  for (; left < words.length && words[left] === key; left++) {
    if (length >= low[left]! && length <= high[left]!) return true;
  }
  return false;
}

function scanV6(group: Group, key: readonly number[], length: number): boolean {
  const { words, low, high } = group;
  let left = 0;
  let right = low.length;
  while (left < right) {
    const middle = (left + right) >>> 1;
    if (compareAt(words, middle * 4, key) < 0) left = middle + 1;
    else right = middle;
  }
  for (; left < low.length && compareAt(words, left * 4, key) === 0; left++) {
    if (length >= low[left]! && length <= high[left]!) return true;
  }
  return false;
}

/** The tested prefix is shorter: a pattern matches when it lies below and allows the length. */
function groupCovered(group: Group, net: PrefixValue): boolean {
  const { words, low, high } = group;
  const width = net.family === 'ipv4' ? 1 : 4;
  const key = width === 1 ? [net.a] : [net.a, net.b, net.c, net.d];
  let left = 0;
  let right = low.length;
  while (left < right) {
    const middle = (left + right) >>> 1;
    if (compareAt(words, middle * width, key) < 0) left = middle + 1;
    else right = middle;
  }
  for (; left < low.length && agrees(words, left * width, key, net.length); left++) {
    if (net.length >= low[left]! && net.length <= high[left]!) return true;
  }
  return false;
}

function compareAt(words: Uint32Array, at: number, key: readonly number[]): number {
  for (let i = 0; i < key.length; i++) {
    const difference = words[at + i]! - key[i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function agrees(words: Uint32Array, at: number, key: readonly number[], length: number): boolean {
  for (let i = 0; i < key.length; i++) {
    if (((words[at + i]! ^ key[i]!) & maskFor(length, i * 32)) !== 0) return false;
  }
  return true;
}

/** The bits of the word that starts at bit `offset` which a mask of `length` covers. */
function maskFor(length: number, offset: number): number {
  const bits = length - offset;
  if (bits >= 32) return -1;
  return bits <= 0 ? 0 : 0xffffffff << (32 - bits);
}

/** `[10.0.0.0/8+, …]`, in the language's own notation. */
export function formatPrefixSet(set: PrefixSet): string {
  return `[${set.patterns.map(formatPattern).join(', ')}]`;
}

function formatPattern(pattern: PrefixPattern): string {
  const { prefix, low, high } = pattern;
  const text = formatPrefixValue(prefix);
  const bits = prefix.family === 'ipv4' ? 32 : 128;
  if (low === prefix.length && high === prefix.length) return text;
  if (low === prefix.length && high === bits) return `${text}+`;
  if (low === 0 && high === prefix.length) return `${text}-`;
  return `${text}{${low},${high}}`;
}
