// What compiled filters call besides the run itself: conversions, constructors, order, membership,
// and the guards that end a filter with a reason.

import { formatV4, parseWords } from '@rookery/net';
import type { NetCursor, RouteAttributes, RouteSource } from '@rookery/rib';
import { addressKey, setHasWord, setHasWords } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import { lastAsn } from './path.ts';
import { DESTS, EXIT, FilterError, SCOPES, same } from './run.ts';
import type { Run } from './run.ts';
import type { LargeCommunity, PrefixValue, Value, WordPair } from './types.ts';

const SOURCES: Readonly<Record<RouteSource, number>> = {
  static: 1,
  inherit: 2,
  device: 3,
  'static-device': 4,
  redirect: 5,
  bgp: 11,
  pipe: 12,
  rpki: 14,
  // An extension without a number of its own: its routes come from configuration, as static ones.
  kubernetes: 1,
};
export function sourceOf(a: RouteAttributes): number {
  return SOURCES[a.source];
}

export function destOf(a: RouteAttributes): number {
  return DESTS.indexOf(a.dest);
}

export function scopeOf(a: RouteAttributes): number {
  return SCOPES.indexOf(a.scope);
}

/** Passes a value on, or ends the filter when it is void. */
export function need<T>(
  value: T | undefined,
  op: string,
  argument: number,
  type: string,
  line: number,
): T {
  if (value !== undefined) return value;
  throw new FilterError(
    line,
    `Argument ${argument} of ${op} must be of type ${type}, got type void`,
  );
}

export function divide(a: number, b: number, line: number): number {
  if (b === 0) throw new FilterError(line, 'Mother told me not to divide by 0');
  return Math.floor(a / b);
}

/** A pair from its halves. */
export function makePair(a: number, b: number, line: number): number {
  if (a > 0xffff || b > 0xffff) {
    throw new FilterError(line, "Can't operate with value out of bounds in pair constructor");
  }
  return ((a << 16) | b) >>> 0;
}

/** An extended community: 2-octet AS, 4-octet AS by the size of the key, or raw words. */
export function makeEc(
  kind: string,
  raw: number,
  key: number,
  data: number,
  line: number,
): WordPair {
  if (kind === 'generic') return { hi: key, lo: data };
  if (kind === 'unknown') return { hi: ((raw << 16) | (key & 0xffff)) >>> 0, lo: data };
  const subtype = kind === 'rt' ? 2 : 3;
  if (key <= 0xffff) return { hi: ((subtype << 16) | key) >>> 0, lo: data };
  return makeWideEc(2, subtype, key, data, line);
}

/** An extended community with an address as key. */
export function makeIpEc(
  kind: string,
  raw: number,
  key: number,
  data: number,
  line: number,
): WordPair {
  if (kind !== 'rt' && kind !== 'ro') return makeEc(kind, raw, key, data, line);
  return makeWideEc(1, kind === 'rt' ? 2 : 3, key, data, line);
}

function makeWideEc(
  type: number,
  subtype: number,
  key: number,
  data: number,
  line: number,
): WordPair {
  if (data > 0xffff) {
    const kind = type === 1 ? 'IP' : 'ASN';
    throw new FilterError(
      line,
      `4-byte value ${data} can't be used with 4-byte ${kind} in extended community`,
    );
  }
  return {
    hi: ((type << 24) | (subtype << 16) | (key >>> 16)) >>> 0,
    lo: (((key & 0xffff) << 16) | data) >>> 0,
  };
}

/** Order of values of one type; void sorts first. Negative, zero or positive. */
export function order(x: Value, y: Value): number {
  if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? -1 : 1;
  if (typeof x === 'object' && typeof y === 'object') return orderObjects(x, y);
  return x < y ? -1 : x > y ? 1 : 0;
}

function orderObjects(x: object, y: object): number {
  const fields = 'length' in x && 'family' in x ? ['a', 'b', 'c', 'd', 'length'] : Object.keys(x);
  const [p, q] = [x as Record<string, number>, y as Record<string, number>];
  if ('family' in x && p['family'] !== q['family'])
    return (x as PrefixValue).family === 'ipv4' ? -1 : 1;
  for (const field of fields) {
    if (p[field] !== q[field]) return p[field]! < q[field]! ? -1 : 1;
  }
  return 0;
}

/** Order of addresses: IPv4 sorts as ::ffff:0:0/96. */
export function orderIp(x: string | undefined, y: string | undefined): number {
  if (x === undefined || y === undefined) return order(x, y);
  const [p, q] = [addressKey(x), addressKey(y)];
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return p[i]! - q[i]!;
  return 0;
}

/** The number of a dotted quad; 0 for anything else. */
export function ipToQuad(address: string): number {
  const words = parseWords(address);
  return words?.length === 1 ? words[0]! : 0;
}

export function quadToIp(value: number | undefined): string | undefined {
  return value === undefined ? undefined : formatV4(value);
}

export function quadOf(address: string | undefined): number | undefined {
  return address === undefined ? undefined : ipToQuad(address);
}

export function quadsOf(list: readonly string[] | undefined): readonly number[] {
  return list?.map(ipToQuad) ?? [];
}

export function ipsOf(list: readonly number[] | undefined): readonly string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list.map(formatV4);
}

/** An empty list is the same as no attribute. */
export function orNothing<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

const ROA_CODES = { unknown: 0, valid: 1, invalid: 2 } as const;

/** RFC 6811 through the environment; without arguments the route's own prefix and origin. */
export function checkRoa(
  run: Run,
  table: string,
  net: PrefixValue = run.net,
  asn: number = lastAsn(run.a.bgp?.asPath ?? []),
): number {
  return ROA_CODES[run.env.roaCheck(table, net as NetCursor, asn)];
}

/** Turns the exit of a function called inside an expression into one of the whole filter. */
export function through<T>(result: T | typeof EXIT): T {
  if (result === EXIT) throw EXIT;
  return result as T;
}

export function mismatch(line: number): never {
  throw new FilterError(line, '~ applied on unknown type pair');
}

export function hasAddress(set: IntervalSet, address: string): boolean {
  return setHasWords(set, addressKey(address));
}

export function hasEc(set: IntervalSet, value: WordPair): boolean {
  return setHasWords(set, [value.hi, value.lo]);
}

export function hasLc(set: IntervalSet, value: LargeCommunity): boolean {
  return setHasWords(set, [value.a, value.b, value.c]);
}

export { same, setHasWord };
