// Prefix sets: patterns `P{low,high}`, kept as written for printing, and searched as the one test of
// a `NetClasses`.

import type { PrefixPattern } from './ast.ts';
import { NetClasses } from './net-classes.ts';
import { formatPrefixValue } from './scalar-text.ts';
import type { PrefixValue } from './types.ts';

export interface PrefixSet {
  /** As written. */
  readonly patterns: readonly PrefixPattern[];
  readonly classes: NetClasses;
}

export function buildPrefixSet(patterns: readonly PrefixPattern[]): PrefixSet {
  return { patterns, classes: new NetClasses([patterns]) };
}

/** `net ~ set`: does any pattern accept this prefix? */
export function prefixSetMatches(set: PrefixSet, net: PrefixValue): boolean {
  return set.classes.classOf(net) !== 0;
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
