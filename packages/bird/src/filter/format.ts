// Text of values as `print` and `eval` show them. Follows what a running BIRD prints, including its
// oddities: enums as `(enum 30)1`, an unset address as `::`, booleans in capitals.

import type { AsPathSegment } from '@rookery/bgp';
import { SEGMENT } from '@rookery/bgp';
import { formatV4, formatWords } from '@rookery/net';
import { formatIntervalSet } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import { formatPathMask } from './path-mask.ts';
import type { PathMask } from './path-mask.ts';
import { formatPrefixSet } from './prefix-set.ts';
import type { PrefixSet } from './prefix-set.ts';
import { ENUM_TYPES } from './types.ts';
import type { EnumType, LargeCommunity, PrefixValue, Type, Value, WordPair } from './types.ts';

/** Text of a value of a known type. */
export function formatValue(type: Type, value: Value): string {
  if (value === undefined) return '(void)';
  switch (type) {
    case 'void':
      return '(void)';
    case 'int':
      return String(value);
    case 'bool':
      return value === true ? 'TRUE' : 'FALSE';
    case 'ip':
    case 'string':
      return value as string;
    case 'bytestring':
      return (value as string).replace(/..(?=.)/g, '$&:');
    case 'quad':
      return formatV4(value as number);
    case 'prefix':
      return formatPrefixValue(value as PrefixValue);
    case 'rd':
      return formatRd(value as WordPair);
    case 'pair':
      return formatPair(value as number);
    case 'ec':
      return formatEc(value as WordPair);
    case 'lc':
      return formatLc(value as LargeCommunity);
    case 'bgppath':
      return `(path ${formatPath(value as readonly AsPathSegment[])})`;
    case 'bgpmask':
      return formatPathMask(value as PathMask);
    case 'clist':
      return `(clist ${formatList(value as readonly number[], 1, (v, i) => formatPair(v[i]!))})`;
    case 'eclist':
      return `(eclist ${formatList(value as readonly number[], 2, (v, i) => formatEc({ hi: v[i]!, lo: v[i + 1]! }))})`;
    case 'lclist':
      return `(lclist ${formatList(value as readonly number[], 3, (v, i) => formatLc({ a: v[i]!, b: v[i + 1]!, c: v[i + 2]! }))})`;
    case 'prefix set':
      return formatPrefixSet(value as PrefixSet);
    case 'empty set':
      return '[]';
    case 'opaque':
      return '(opaque)';
    case 'any':
      return formatAny(value);
    default:
      if (type in ENUM_TYPES) {
        return `(enum ${ENUM_TYPES[type as EnumType].id.toString(16)})${String(value)}`;
      }
      return formatIntervalSet(value as IntervalSet);
  }
}

/** `10.0.0.0/8`, with `-24 AS65000` for a ROA. */
export function formatPrefixValue(net: PrefixValue): string {
  const words = net.family === 'ipv4' ? [net.a] : [net.a, net.b, net.c, net.d];
  const text = `${formatWords(words)}/${net.length}`;
  return net.maxLength === undefined ? text : `${text}-${net.maxLength} AS${net.asn}`;
}

/** `(1,2)` */
export function formatPair(value: number): string {
  return `(${value >>> 16},${value & 0xffff})`;
}

/** `(rt, 65000, 1)`; what has no name prints as generic with raw words. */
export function formatEc(value: WordPair): string {
  const { hi, lo } = value;
  const type = hi >>> 24;
  const subtype = (hi >>> 16) & 0xff;
  const name = subtype === 2 ? 'rt' : subtype === 3 ? 'ro' : undefined;
  if (name !== undefined) {
    // RFC 4360 §3, RFC 5668 §2: 2-octet AS, IPv4 address, 4-octet AS.
    if (type === 0) return `(${name}, ${hi & 0xffff}, ${lo})`;
    const key = (((hi & 0xffff) << 16) | (lo >>> 16)) >>> 0;
    if (type === 1) return `(${name}, ${formatV4(key)}, ${lo & 0xffff})`;
    if (type === 2) return `(${name}, ${key}, ${lo & 0xffff})`;
  }
  return `(generic, 0x${hi.toString(16)}, 0x${lo.toString(16)})`;
}

/** `(1, 2, 3)` */
export function formatLc(value: LargeCommunity): string {
  return `(${value.a}, ${value.b}, ${value.c})`;
}

/** RFC 4364 §4.2: type 0 `asn:n`, type 1 `a.b.c.d:n`, type 2 `asn4:n`. */
export function formatRd(value: WordPair): string {
  const { hi, lo } = value;
  const type = hi >>> 16;
  const key = (((hi & 0xffff) << 16) | (lo >>> 16)) >>> 0;
  if (type === 0) return `${hi & 0xffff}:${lo}`;
  if (type === 1) return `${formatV4(key)}:${lo & 0xffff}`;
  return key > 0xffff ? `${key}:${lo & 0xffff}` : `2:${key}:${lo & 0xffff}`;
}

/** `65002 65001 {1 2}`: sets in braces, confederation segments in parentheses. */
export function formatPath(path: readonly AsPathSegment[]): string {
  return path
    .map((segment) => {
      const asns = segment.asns.join(' ');
      switch (segment.type) {
        case SEGMENT.asSequence:
          return asns;
        case SEGMENT.asSet:
          return `{${asns}}`;
        case SEGMENT.confedSequence:
          return `(${asns})`;
        case SEGMENT.confedSet:
          return `({${asns}})`;
      }
    })
    .join(' ');
}

function formatList(
  values: readonly number[],
  width: number,
  item: (values: readonly number[], at: number) => string,
): string {
  const parts: string[] = [];
  for (let i = 0; i + width <= values.length; i += width) parts.push(item(values, i));
  return parts.join(' ');
}

function formatAny(value: Value): string {
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  return typeof value === 'object' ? '(value)' : String(value);
}
