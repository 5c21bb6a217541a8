// The decoded form of a path attribute block (RFC 4271 §4.3 and successors): plain readonly data.
// The RIB keeps the encoded block interned and decodes to this form lazily, once per distinct
// block, never per route. Non-BGP routes may carry some of these too (a BIRD static route can
// set a community), so everything but the AS path is optional.

import type { IpAddress } from '@rookery/net';

/** AS_PATH segment types, RFC 4271 §4.3 and RFC 5065 §3. */
export const SEGMENT = { asSet: 1, asSequence: 2, confedSequence: 3, confedSet: 4 } as const;
export type SegmentType = (typeof SEGMENT)[keyof typeof SEGMENT];

export interface AsPathSegment {
  readonly type: SegmentType;
  /** Unsigned 32-bit AS numbers, leftmost (nearest) first. */
  readonly asns: readonly number[];
}

/** RFC 4271 §5.1.1: 0 IGP, 1 EGP, 2 INCOMPLETE. */
export type Origin = 0 | 1 | 2;

export interface PathAttributes {
  readonly origin?: Origin;
  readonly asPath: readonly AsPathSegment[];
  /** NEXT_HOP, or the global next hop of MP_REACH_NLRI. */
  readonly nextHop?: IpAddress;
  /** The link-local next hop that may follow it (RFC 2545 §3). */
  readonly linkLocalNextHop?: IpAddress;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  readonly aggregator?: { readonly asn: number; readonly address: IpAddress };
  /** RFC 1997, unsigned 32-bit, in order of the wire. */
  readonly communities?: readonly number[];
  readonly originatorId?: IpAddress;
  readonly clusterList?: readonly IpAddress[];
  /** RFC 4360: pairs of unsigned 32-bit words (high, low), flattened. */
  readonly extendedCommunities?: readonly number[];
  /** RFC 8092: triples of unsigned 32-bit words, flattened. */
  readonly largeCommunities?: readonly number[];
  /** RFC 9234 §5. */
  readonly otc?: number;
  /** RFC 7311: the value of the AIGP TLV. */
  readonly aigp?: bigint;
  /** Optional transitive attributes that we do not know, passed on with the Partial bit (RFC 4271 §9). */
  readonly unknown?: readonly UnknownAttribute[];
}

export interface UnknownAttribute {
  readonly type: number;
  /** The flags octet as it leaves us. */
  readonly flags: number;
  readonly value: Uint8Array;
}
