// Types and values of the filter language. Values are plain JavaScript data chosen so that the
// common ones need no allocation: int, pair, quad and enum are unsigned numbers, an address is its
// canonical text, community lists are the flat number arrays that route attributes already carry.

import type { AsPathSegment } from '@rookery/bgp';
import type { IntervalSet } from './interval-set.ts';
import type { PathMask } from './path-mask.ts';
import type { PrefixSet } from './prefix-set.ts';

export type EnumType =
  | 'enum rts'
  | 'enum rtd'
  | 'enum scope'
  | 'enum roa'
  | 'enum aspa'
  | 'enum bgp_origin'
  | 'enum nettype'
  | 'enum af'
  | 'enum ra_preference'
  | 'enum mpls_policy';

export type SetType =
  | 'int set'
  | 'pair set'
  | 'ip set'
  | 'quad set'
  | 'rd set'
  | 'ec set'
  | 'lc set'
  | 'enum set'
  | 'prefix set'
  /** `[]`, which is a set of anything. */
  | 'empty set';

export type Type =
  | 'void'
  | 'int'
  | 'bool'
  | 'ip'
  | 'quad'
  | 'prefix'
  | 'rd'
  | 'pair'
  | 'ec'
  | 'lc'
  | 'string'
  | 'bytestring'
  | 'bgppath'
  | 'bgpmask'
  | 'clist'
  | 'eclist'
  | 'lclist'
  | 'opaque'
  | EnumType
  | SetType
  /** Not known while a recursive function is being inferred. */
  | 'any';

/** A prefix value; the shape of a route's `NetCursor`, plus the fields of a ROA. */
export interface PrefixValue {
  readonly family: 'ipv4' | 'ipv6';
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly length: number;
  readonly maxLength?: number;
  readonly asn?: number;
}

/** Two unsigned words: an extended community or a route distinguisher. */
export interface WordPair {
  readonly hi: number;
  readonly lo: number;
}

/** A large community. */
export interface LargeCommunity {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export type Value =
  /** Void: an attribute the route does not carry, a variable never assigned. */
  | undefined
  | number
  | boolean
  | string
  | PrefixValue
  | WordPair
  | LargeCommunity
  | readonly AsPathSegment[]
  | readonly number[]
  | IntervalSet
  | PrefixSet
  | PathMask;

/** The name BIRD's messages give a type. */
export function typeName(type: Type): string {
  if (type.endsWith(' set')) return 'set';
  return type === 'opaque' ? '?' : type;
}

export function isSetType(type: Type): type is SetType {
  return type.endsWith(' set');
}

/** Declarable type words, as `int x;` or a function argument. */
export const TYPE_WORDS: Readonly<Record<string, Type>> = {
  int: 'int',
  bool: 'bool',
  ip: 'ip',
  quad: 'quad',
  prefix: 'prefix',
  rd: 'rd',
  pair: 'pair',
  ec: 'ec',
  lc: 'lc',
  string: 'string',
  bytestring: 'bytestring',
  bgpmask: 'bgpmask',
  bgppath: 'bgppath',
  clist: 'clist',
  eclist: 'eclist',
  lclist: 'lclist',
};

/** `TYPE set`. */
export const SET_TYPE_WORDS: Readonly<Record<string, SetType>> = {
  int: 'int set',
  pair: 'pair set',
  ip: 'ip set',
  quad: 'quad set',
  rd: 'rd set',
  ec: 'ec set',
  lc: 'lc set',
  prefix: 'prefix set',
};

/** `enum NAME` (2.16) and the type's number in prints of 2.17. */
export const ENUM_TYPES: Readonly<Record<EnumType, { words: readonly string[]; id: number }>> = {
  'enum rts': { words: ['rts'], id: 0x30 },
  'enum bgp_origin': { words: ['bgp_origin', 'origin'], id: 0x31 },
  'enum scope': { words: ['scope'], id: 0x32 },
  'enum rtd': { words: ['rtd'], id: 0x33 },
  'enum roa': { words: ['roa'], id: 0x34 },
  'enum nettype': { words: ['net_type', 'nettype'], id: 0x36 },
  'enum ra_preference': { words: ['ra_preference'], id: 0x37 },
  'enum af': { words: ['af'], id: 0x38 },
  'enum aspa': { words: ['aspa'], id: 0x39 },
  'enum mpls_policy': { words: ['mpls_policy'], id: 0x3a },
};

export const ENUM_CONSTANTS: ReadonlyMap<string, { type: EnumType; value: number }> = new Map([
  ...enumRows('enum rts', 'RTS', [
    ['STATIC', 1],
    ['INHERIT', 2],
    ['DEVICE', 3],
    ['STATIC_DEVICE', 4],
    ['REDIRECT', 5],
    ['RIP', 6],
    ['OSPF', 7],
    ['OSPF_IA', 8],
    ['OSPF_EXT1', 9],
    ['OSPF_EXT2', 10],
    ['BGP', 11],
    ['PIPE', 12],
    ['BABEL', 13],
    ['RPKI', 14],
    ['L3VPN', 16],
    ['AGGREGATED', 17],
  ]),
  ...enumRows('enum rtd', 'RTD', [
    ['UNICAST', 1],
    ['BLACKHOLE', 2],
    ['UNREACHABLE', 3],
    ['PROHIBIT', 4],
  ]),
  ...enumRows('enum scope', 'SCOPE', [
    ['HOST', 0],
    ['LINK', 1],
    ['SITE', 2],
    ['ORGANIZATION', 3],
    ['UNIVERSE', 4],
    ['UNDEFINED', 5],
  ]),
  ...enumRows('enum roa', 'ROA', [
    ['UNKNOWN', 0],
    ['VALID', 1],
    ['INVALID', 2],
  ]),
  ...enumRows('enum aspa', 'ASPA', [
    ['UNKNOWN', 0],
    ['VALID', 1],
    ['INVALID', 2],
  ]),
  ...enumRows('enum bgp_origin', 'ORIGIN', [
    ['IGP', 0],
    ['EGP', 1],
    ['INCOMPLETE', 2],
  ]),
  ...enumRows('enum nettype', 'NET', [
    ['IP4', 1],
    ['IP6', 2],
    ['VPN4', 3],
    ['VPN6', 4],
    ['ROA4', 5],
    ['ROA6', 6],
    ['FLOW4', 7],
    ['FLOW6', 8],
    ['IP6_SADR', 9],
    ['MPLS', 10],
    ['ASPA', 11],
  ]),
  ...enumRows('enum af', 'AF', [
    ['IPV4', 1],
    ['IPV6', 2],
  ]),
  ...enumRows('enum ra_preference', 'RA_PREF', [
    ['LOW', 3],
    ['MEDIUM', 0],
    ['HIGH', 1],
  ]),
  ...enumRows('enum mpls_policy', 'MPLS_POLICY', [
    ['NONE', 0],
    ['STATIC', 1],
    ['PREFIX', 2],
    ['AGGREGATE', 3],
    ['VRF', 4],
  ]),
]);

function enumRows(
  type: EnumType,
  prefix: string,
  rows: readonly (readonly [string, number])[],
): [string, { type: EnumType; value: number }][] {
  return rows.map(([name, value]) => [`${prefix}_${name}`, { type, value }]);
}
