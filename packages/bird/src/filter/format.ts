// Text of values as `print` and `eval` show them. Follows what a running BIRD prints, including its
// oddities: enums as `(enum 30)1`, an unset address as `::`, booleans in capitals.

import type { AsPathSegment } from '@rookery/bgp';
import { SEGMENT } from '@rookery/bgp';
import { formatV4 } from '@rookery/net';
import { formatIntervalSet } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import { formatPathMask } from './path-mask.ts';
import type { PathMask } from './path-mask.ts';
import { formatPrefixSet } from './prefix-set.ts';
import type { PrefixSet } from './prefix-set.ts';
import { formatEc, formatLc, formatPair, formatPrefixValue, formatRd } from './scalar-text.ts';
import { ENUM_TYPES } from './types.ts';
import type { EnumType, LargeCommunity, PrefixValue, Type, Value, WordPair } from './types.ts';

/** Text of a value of a known type. */
export function formatValue(type: Type, value: Value): string {
  if (value === undefined) return '(void)';
  switch (type) {
    case 'void':
      return '(void)';
    case 'int':
      return String(value as number);
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
        return `(enum ${ENUM_TYPES[type as EnumType].id.toString(16)})${String(value as number)}`;
      }
      return formatIntervalSet(value as IntervalSet);
  }
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
