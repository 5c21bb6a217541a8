// The seam between the routing engine and whatever language its policy is written in. The engine
// knows only this contract; `packages/bird` compiles BIRD's filter language to it, `packages/metallb`
// builds it directly. `reads` and `classOf` are what a dataflow pass found, so that the engine can
// cache a verdict per attributes number, or per attributes number and class of prefixes.

import type { Family } from '@rookery/net';
import type { AttributeOctets } from './attribute-words.ts';
import type { RouteAttributes } from './route.ts';

/** The prefix under evaluation as numbers; one mutable instance per caller, reused for each route. */
export interface NetCursor {
  family: Family;
  /** Words in network order, unsigned; IPv4 uses `a` only. */
  a: number;
  b: number;
  c: number;
  d: number;
  length: number;
}

/** What a filter may ask of its surroundings. */
export interface FilterEnvironment {
  /** Name of the protocol the route came from (`proto` in the language). */
  readonly protocol: string;
  /** RFC 6811 against a ROA table. */
  readonly roaCheck: (
    table: string,
    net: NetCursor,
    asn: number,
  ) => 'unknown' | 'valid' | 'invalid';
  /** Text of `print`, log class INFO. */
  readonly print: (text: string) => void;
  /**
   * BGP export: the outcome notes in `stated` what the policy has set; what it has changed without a
   * note counts as the neighbor's word.
   */
  readonly notesStated?: boolean;
  /** A run-time error, log class ERR; the route is rejected. */
  readonly fail: (text: string) => void;
}

export interface CompiledFilter {
  /** What the outcome depends on besides the attributes and the class of the prefix. */
  readonly reads: { readonly net: boolean; readonly protocol: boolean };
  /**
   * A number from 0, equal for prefixes that the filter cannot tell apart. Absent: it looks at none,
   * or (`reads.net`) at more than a class can say.
   */
  readonly classOf?: ((net: NetCursor) => number) | undefined;
  /**
   * What becomes of a route with these attributes and a prefix of this class (0 without `classOf`)
   * when that can be told without decoding them: true when it is accepted as it is, false when it is
   * rejected; otherwise `run` has to say.
   */
  readonly verdict?:
    | ((netClass: number, octets: AttributeOctets) => boolean | undefined)
    | undefined;
  /**
   * `undefined` rejects; otherwise the attributes to keep (the same object when nothing changed).
   * Total: a run-time error calls `env.fail` and rejects, it never throws.
   */
  readonly run: (
    net: NetCursor,
    attributes: RouteAttributes,
    env: FilterEnvironment,
  ) => RouteAttributes | undefined;
}

/** Import or export policy of a channel. Two policies are the same when their texts are. */
export type Policy =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | {
      readonly kind: 'filter';
      /** The filter's name, or "(unnamed)". */
      readonly name: string;
      /** Canonical print of the body with everything it calls; equality is by this text. */
      readonly text: string;
      readonly filter: CompiledFilter;
    };

/** True when both accept the same routes in the same way, judged by canonical text. */
export function samePolicy(a: Policy, b: Policy): boolean {
  if (a.kind === 'filter' && b.kind === 'filter') return a.name === b.name && a.text === b.text;
  return a.kind === b.kind;
}
