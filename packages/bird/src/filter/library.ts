// The object `R` that compiled filters see: every run-time function, and nothing else.

import type { AsPathSegment } from '@rookery/bgp';
import { formatWords, maskWords, parseWords } from '@rookery/net';
import { formatValue } from './format.ts';
import { quadSet } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import * as path from './path.ts';
import { PathMask } from './path-mask.ts';
import type { MaskStep } from './path-mask.ts';
import { prefixSetMatches } from './prefix-set.ts';
import { EXIT, FilterError } from './run.ts';
import * as runtime from './runtime.ts';
import type { PrefixValue } from './types.ts';

const NONE: readonly never[] = Object.freeze([]);

export const LIBRARY = {
  ...runtime,
  ...path,
  EXIT,
  NONE,
  formatValue,
  prefixSetMatches,
  quadSet,
  prefixIp,
  prefixType,
  prefixHasIp,
  prefixCovers,
  globMatches,
  maskAddress,
  isV4,
  joinMask,
  stepsOf,
  asnStep,
  setStep,
  flag,
  fromHex,
};

function wordsOf(net: PrefixValue): readonly number[] {
  return net.family === 'ipv4' ? [net.a] : [net.a, net.b, net.c, net.d];
}

function prefixIp(net: PrefixValue): string {
  return formatWords(wordsOf(net));
}

/** NET_IP4, NET_IP6, NET_ROA4, NET_ROA6. */
function prefixType(net: PrefixValue): number {
  const base = net.maxLength === undefined ? 1 : 5;
  return net.family === 'ipv4' ? base : base + 1;
}

function prefixHasIp(net: PrefixValue, address: string): boolean {
  const words = parseWords(address);
  const own = wordsOf(net);
  if (words === undefined || words.length !== own.length) return false;
  return maskWords(words, net.length).every((word, i) => word === own[i]);
}

/** Is `inner` equal to `outer` or more specific? */
function prefixCovers(outer: PrefixValue, inner: PrefixValue): boolean {
  if (outer.family !== inner.family || inner.length < outer.length) return false;
  const own = wordsOf(outer);
  return maskWords(wordsOf(inner), outer.length).every((word, i) => word === own[i]);
}

/** Shell pattern with `*` and `?`, over the whole text. */
function globMatches(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function maskAddress(address: string, length: number): string {
  return formatWords(maskWords(parseWords(address) ?? [0], length));
}

function isV4(address: string): boolean {
  return !address.includes(':');
}

/** Masks and paths spliced into a mask. */
function joinMask(parts: readonly (MaskStep | readonly MaskStep[])[]): PathMask {
  return new PathMask(parts.flat());
}

function stepsOf(value: PathMask | readonly AsPathSegment[]): readonly MaskStep[] {
  if (value instanceof PathMask) return value.steps;
  return value.flatMap(({ asns }) => asns.map(asnStep));
}

function asnStep(asn: number): MaskStep {
  return { kind: 'range', low: asn, high: asn };
}

function setStep(set: IntervalSet): MaskStep {
  return { kind: 'set', set };
}

function flag(value: number | undefined): boolean | undefined {
  return value === undefined ? undefined : value !== 0;
}

function fromHex(text: string, line: number): string {
  const hex = text.replace(/[:\s-]/g, '').toLowerCase();
  if (/^([0-9a-f]{2})*$/.test(hex)) return hex;
  throw new FilterError(line, 'Invalid hex string');
}
