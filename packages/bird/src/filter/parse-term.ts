// Expressions of the filter language: literals, sets, path masks, operators with BIRD's precedence
// (`&&` and `||` bind equally; comparisons do not associate). Nothing is resolved here.

import { maskWords, parseWords } from '@rookery/net';
import type { Cursor } from '../cursor.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { BinaryOp, EcKind, MaskItem, PrefixPattern, SetItem, Span, Term } from './ast.ts';
import type { PrefixValue } from './types.ts';
import { formatPrefixValue } from './scalar-text.ts';

const COMPARISONS: ReadonlySet<string> = new Set(['=', '!=', '<', '<=', '>', '>=', '~', '!~']);
const EC_KINDS: ReadonlySet<string> = new Set(['rt', 'ro', 'generic', 'unknown']);

/** A whole expression. */
export function parseTerm(c: Cursor): Term {
  let left = parseComparison(c);
  while (c.isPunct('&&') || c.isPunct('||')) {
    const at = c.next();
    left = { kind: 'binary', at, op: at.text as BinaryOp, left, right: parseComparison(c) };
  }
  return left;
}

function parseComparison(c: Cursor): Term {
  const left = parseSum(c);
  if (c.token.kind !== 'punct' || !COMPARISONS.has(c.token.text)) return left;
  const at = c.next();
  const right = parseSum(c);
  if (c.token.kind === 'punct' && COMPARISONS.has(c.token.text)) {
    c.unexpected([], 'comparisons do not chain: write (a = b) && (b = c)');
  }
  return { kind: 'binary', at, op: at.text as BinaryOp, left, right };
}

function parseSum(c: Cursor): Term {
  let left = parseProduct(c);
  while (c.isPunct('+') || c.isPunct('-')) {
    const at = c.next();
    left = { kind: 'binary', at, op: at.text as BinaryOp, left, right: parseProduct(c) };
  }
  return left;
}

function parseProduct(c: Cursor): Term {
  let left = parseUnary(c);
  while (c.isPunct('*') || c.isPunct('/')) {
    const at = c.next();
    left = { kind: 'binary', at, op: at.text as BinaryOp, left, right: parseUnary(c) };
  }
  return left;
}

function parseUnary(c: Cursor): Term {
  if (!c.isPunct('!')) return parsePostfix(c);
  const at = c.next();
  return { kind: 'not', at, operand: parseUnary(c) };
}

/** A primary with its methods. */
export function parsePostfix(c: Cursor): Term {
  let term = parsePrimary(c);
  while (c.isPunct('.')) {
    const at = c.next();
    const name = c.expectName();
    const args = c.isPunct('(') ? parseArguments(c) : undefined;
    term = { kind: 'method', at, on: term, name: name.text, args };
  }
  return term;
}

/** `( a, b )`, after which the cursor is past the closing parenthesis. */
export function parseArguments(c: Cursor): Term[] {
  c.expectPunct('(');
  const args: Term[] = [];
  if (c.acceptPunct(')')) return args;
  do args.push(parseTerm(c));
  while (c.acceptPunct(','));
  if (c.isPunct(';')) c.unexpected(["','", "')'"], "arguments of a call are separated by ','");
  c.expectPunct(')');
  return args;
}

function parsePrimary(c: Cursor): Term {
  const at = c.token;
  switch (at.kind) {
    case 'num':
      c.next();
      return { kind: 'num', at, value: at.value };
    case 'text':
      c.next();
      return { kind: 'text', at, value: at.text };
    case 'bytes':
      c.next();
      return { kind: 'bytes', at, value: at.text };
    case 'rd':
      c.next();
      return { kind: 'rd', at, value: at.text };
    case 'ip4':
    case 'ip6':
      if (c.ahead().kind === 'punct' && c.ahead().text === '/' && c.ahead(2).kind === 'num') {
        return { kind: 'prefix', at, value: parsePrefixLiteral(c) };
      }
      c.next();
      return { kind: 'ip', at, value: at.text };
    case 'punct':
      return parsePunctPrimary(c, at);
    case 'word':
      return parseWordPrimary(c, at);
    case 'end':
      return c.unexpected();
  }
}

function parseWordPrimary(c: Cursor, at: Token): Term {
  c.next();
  if (!at.quoted && (at.text === 'true' || at.text === 'false') && !c.isKnown(at.text)) {
    return { kind: 'bool', at, value: at.text === 'true' };
  }
  if (c.isPunct('(')) return { kind: 'call', at, name: at.text, args: parseArguments(c) };
  return { kind: 'word', at, name: at.text, quoted: at.quoted };
}

function parsePunctPrimary(c: Cursor, at: Token): Term {
  switch (at.text) {
    case '(':
      return parseParenthesised(c, at);
    case '[':
      return parseSet(c);
    case '[=':
      return parseMask(c);
    case '+':
    case '-':
      return parseEmpty(c, at);
    default:
      return c.unexpected();
  }
}

function parseEmpty(c: Cursor, at: Token): Term {
  const start = c.index;
  while (c.isPunct(at.text)) c.next();
  const count = c.index - start;
  if (!c.isWord('empty')) c.unexpected();
  c.next();
  for (let i = 0; i < count; i++) c.expectPunct(at.text);
  if (at.text === '+' && count === 1) return { kind: 'empty', at, type: 'bgppath' };
  const type = at.text === '-' ? (['clist', 'eclist', 'lclist'] as const)[count - 1] : undefined;
  if (type === undefined) raise(at, 'syntax', 'syntax error, unexpected EMPTY');
  return { kind: 'empty', at, type };
}

function parseParenthesised(c: Cursor, at: Token): Term {
  c.next();
  const ec = acceptEcKind(c);
  if (ec !== undefined) {
    c.expectPunct(',');
    const key = parseTerm(c);
    c.expectPunct(',');
    const data = parseTerm(c);
    c.expectPunct(')');
    return { kind: 'ec', at, ...ec, key, data };
  }
  const first = parseTerm(c);
  if (c.acceptPunct(')')) return first;
  c.expectPunct(',');
  const second = parseTerm(c);
  if (c.acceptPunct(')')) return { kind: 'pair', at, left: first, right: second };
  c.expectPunct(',');
  const third = parseTerm(c);
  c.expectPunct(')');
  return { kind: 'lc', at, parts: [first, second, third] };
}

function acceptEcKind(c: Cursor): { ec: EcKind; raw: number } | undefined {
  if (c.token.kind !== 'word' || c.token.quoted || !EC_KINDS.has(c.token.text)) return undefined;
  const ec = c.token.text as EcKind;
  const after = c.ahead();
  if (ec === 'unknown' ? after.kind !== 'num' : after.text !== ',') return undefined;
  c.next();
  return { ec, raw: ec === 'unknown' ? c.next().value : 0 };
}

/** ADDRESS / LENGTH, and `max N as A` of a ROA. */
export function parsePrefixLiteral(c: Cursor): PrefixValue {
  const prefix = parseNet(c);
  if (!(c.isWord('max') && c.ahead().kind === 'num' && c.ahead(2).text === 'as')) return prefix;
  c.next();
  const maxLength = c.next();
  c.next();
  const asn = c.next();
  if (asn.kind !== 'num') raise(asn, 'syntax', `syntax error, unexpected ${c.describe(asn)}`);
  const bits = prefix.family === 'ipv4' ? 32 : 128;
  if (maxLength.value < prefix.length || maxLength.value > bits) {
    raise(maxLength, 'range', `Invalid max prefix length ${maxLength.value}`);
  }
  return { ...prefix, maxLength: maxLength.value, asn: asn.value };
}

/** ADDRESS / LENGTH with the host bits zero. */
export function parseNet(c: Cursor): PrefixValue {
  const at = c.token;
  if (at.kind !== 'ip4' && at.kind !== 'ip6') c.unexpected(['IP4', 'IP6']);
  c.next();
  c.expectPunct('/');
  const length = c.token;
  if (length.kind !== 'num') c.unexpected(['NUM']);
  c.next();
  const family = at.kind === 'ip4' ? 'ipv4' : 'ipv6';
  const label = at.kind === 'ip4' ? 'IPv4' : 'IPv6';
  const words = parseWords(at.text)!;
  if (length.value > words.length * 32) {
    raise(length, 'range', `Invalid prefix length ${length.value}`);
  }
  const masked = maskWords(words, length.value);
  const value = prefixValue(family, masked, length.value);
  if (masked.some((word, i) => word !== words[i])) {
    const cure = formatPrefixValue(value);
    raise(
      at,
      'range',
      `Invalid ${label} prefix ${at.text}/${length.value}, maybe you wanted ${cure}`,
      `a prefix has no bits set after its length: write ${cure}`,
    );
  }
  return value;
}

function prefixValue(
  family: 'ipv4' | 'ipv6',
  words: readonly number[],
  length: number,
): PrefixValue {
  return {
    family,
    a: words[0]!,
    b: words[1] ?? 0,
    c: words[2] ?? 0,
    d: words[3] ?? 0,
    length,
  };
}

function parseSet(c: Cursor): Term {
  const at = c.expectPunct('[');
  if (c.acceptPunct(']')) return { kind: 'set', at, items: [] };
  if (isNetAhead(c)) return parsePrefixSet(c, at);
  const items = parseSetItems(c);
  if (!c.isPunct(']')) c.unexpected(["','", "']'"]);
  c.next();
  return { kind: 'set', at, items };
}

function isNetAhead(c: Cursor): boolean {
  const { kind } = c.token;
  return (kind === 'ip4' || kind === 'ip6') && c.ahead().text === '/';
}

function parsePrefixSet(c: Cursor, at: Token): Term {
  const items: PrefixPattern[] = [];
  do {
    const start = c.token;
    if (!isNetAhead(c)) {
      c.unexpected([], 'an item of a prefix set is ADDRESS/LENGTH with an optional +, - or {a,b}');
    }
    items.push(parsePrefixPattern(c));
    if (items[0]!.prefix.family !== items[items.length - 1]!.prefix.family) {
      const message = 'Mixed IPv4/IPv6 prefixes in prefix set';
      raise(start, 'semantic', message, 'define one set for each family');
    }
  } while (c.acceptPunct(','));
  if (!c.isPunct(']')) c.unexpected(["','", "']'"]);
  c.next();
  return { kind: 'prefixSet', at, items };
}

function parsePrefixPattern(c: Cursor): PrefixPattern {
  const prefix = parseNet(c);
  const bits = prefix.family === 'ipv4' ? 32 : 128;
  if (c.acceptPunct('+')) return { prefix, low: prefix.length, high: bits };
  if (c.acceptPunct('-')) return { prefix, low: 0, high: prefix.length };
  if (!c.isPunct('{')) return { prefix, low: prefix.length, high: prefix.length };
  const at = c.next();
  const low = parseRawNum(c);
  c.expectPunct(',');
  const high = parseRawNum(c);
  c.expectPunct('}');
  if (low > high || high > bits) {
    raise(
      at,
      'range',
      `Invalid prefix pattern range: {${low}, ${high}}`,
      `write {shortest,longest}, both at most ${bits}`,
    );
  }
  return { prefix, low, high };
}

function parseRawNum(c: Cursor): number {
  if (c.token.kind !== 'num') c.unexpected(['NUM']);
  return c.next().value;
}

/** Comma separated items of a set or a case label. */
export function parseSetItems(c: Cursor): SetItem[] {
  const items: SetItem[] = [];
  do items.push(parseSetItem(c));
  while (c.acceptPunct(','));
  return items;
}

function parseSetItem(c: Cursor): SetItem {
  const at = c.token;
  if (!c.isPunct('(')) return { kind: 'span', at, span: parseSpan(c) };
  const start = c.index;
  c.next();
  const ec = acceptEcKind(c);
  if (ec !== undefined) {
    c.expectPunct(',');
    const key = parseSpan(c);
    c.expectPunct(',');
    const data = parseSpan(c);
    c.expectPunct(')');
    return { kind: 'ec', at, ...ec, key, data };
  }
  const parts = [parseSpan(c)];
  if (c.isPunct(')')) {
    // Only parentheses around a value: `(1 + 2)` or `(LOW)..(HIGH)`.
    c.index = start;
    return { kind: 'span', at, span: parseSpan(c) };
  }
  while (c.acceptPunct(',')) parts.push(parseSpan(c));
  c.expectPunct(')');
  if (parts.length < 2 || parts.length > 3) c.unexpected();
  const kind = parts.length === 2 ? 'pair' : 'lc';
  if (!c.acceptPunct('..')) return { kind, at, parts };
  c.expectPunct('(');
  const to = [parseSpan(c)];
  while (c.acceptPunct(',')) to.push(parseSpan(c));
  c.expectPunct(')');
  if (to.length !== parts.length) c.unexpected();
  return { kind, at, parts, to };
}

function parseSpan(c: Cursor): Span {
  if (c.acceptPunct('*')) return { kind: 'any' };
  const from = parseSum(c);
  return { kind: 'span', from, to: c.acceptPunct('..') ? parseSum(c) : undefined };
}

function parseMask(c: Cursor): Term {
  const at = c.expectPunct('[=');
  const items: MaskItem[] = [];
  while (!c.acceptPunct('=]')) items.push(parseMaskItem(c));
  return { kind: 'mask', at, items };
}

function parseMaskItem(c: Cursor): MaskItem {
  if (c.acceptPunct('*')) return { kind: 'any' };
  if (c.acceptPunct('?')) return { kind: 'one' };
  if (c.acceptPunct('+')) return { kind: 'loop' };
  if (c.isPunct('[')) return { kind: 'set', term: parseSet(c) };
  if (c.token.kind !== 'num' && c.token.kind !== 'word' && !c.isPunct('(')) c.unexpected();
  const from = parsePostfix(c);
  return c.acceptPunct('..')
    ? { kind: 'range', from, to: parsePostfix(c) }
    : { kind: 'term', term: from };
}
