// What an UPDATE looks like between the wire and the RIB: offsets into the received bytes, columns
// of numbers for prefixes, one decoded value per distinct attribute block. Types only; the functions
// are in update-decode.ts, attribute-decode.ts, nlri.ts and update-encode.ts.

import type { Family, IpAddress } from '@rookery/net';
import type { WireFault } from './fault.ts';
import type { PathAttributes } from './path-attributes.ts';

/**
 * Offsets of the three sections of an UPDATE in the given bytes. Each is [start, end). Mutable and
 * reused from message to message.
 */
export interface UpdateSections {
  withdrawnStart: number;
  withdrawnEnd: number;
  attributesStart: number;
  attributesEnd: number;
  nlriStart: number;
  nlriEnd: number;
}

/** What was agreed with the sender, as far as it changes the meaning of bytes. */
export interface AttributeContext {
  /** RFC 6793: AS numbers have four octets. */
  readonly as4: boolean;
  readonly peerType: 'internal' | 'external';
  /** RFC 5065: confederation segments are legal. */
  readonly confederation: boolean;
  /** BIRD `allow bgp_local_pref`: keep LOCAL_PREF from an external peer. */
  readonly allowLocalPref: boolean;
  /** RFC 9774: `false` treats AS_SET and AS_CONFED_SET as withdraw. */
  readonly allowAsSets: boolean;
  /** RFC 7311 §3.1: AIGP is accepted; otherwise discarded. */
  readonly aigp: boolean;
  /** RFC 8950 negotiated: IPv4 prefixes may have an IPv6 next hop. */
  readonly extendedNextHop: boolean;
}

export interface MpReach {
  readonly afi: number;
  readonly safi: number;
  /** `undefined` when the pair is not one we route. */
  readonly family?: Family;
  readonly nextHop?: IpAddress;
  readonly linkLocalNextHop?: IpAddress;
  /** NLRI [start, end) in the given bytes. */
  readonly nlriStart: number;
  readonly nlriEnd: number;
}

export interface MpUnreach {
  readonly afi: number;
  readonly safi: number;
  readonly family?: Family;
  readonly nlriStart: number;
  readonly nlriEnd: number;
}

/** Which prefixes the attributes are for; decides the mandatory set and the next hop. */
export type Reach = 'classic' | 'mp' | 'none';

export interface DecodedAttributes {
  readonly attributes: PathAttributes;
  /** Empty when all is well; see `worstFault`. */
  readonly faults: readonly WireFault[];
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
}

/**
 * One quick pass over an attribute section without decoding values: finds the multiprotocol
 * attributes and tells whether the list is well formed. Mutable and reused from message to message.
 */
export interface AttributeScan {
  /** False when the TLV structure is broken; decode then for the fault. */
  wellFormed: boolean;
  /** Offset of the flags octet and end of MP_REACH_NLRI; -1 when absent. */
  mpReachStart: number;
  mpReachEnd: number;
  /** MP_REACH_NLRI pair and NLRI [start, end); meaningful when present. */
  mpReachAfi: number;
  mpReachSafi: number;
  mpReachNlriStart: number;
  mpUnreachStart: number;
  mpUnreachEnd: number;
  mpUnreachAfi: number;
  mpUnreachSafi: number;
  mpUnreachNlriStart: number;
  nextHopStart: number;
  nextHopEnd: number;
}

/**
 * Columns an NLRI walk fills. `words` holds one int32 per IPv4 prefix and four per IPv6 prefix,
 * host bits zero. `pathIds` is 0 without ADD-PATH. Grown by the walker, reused by the owner.
 */
export interface NlriBatch {
  count: number;
  words: Int32Array;
  lengths: Uint8Array;
  pathIds: Int32Array;
}
