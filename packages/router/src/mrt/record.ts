// MRT records (RFC 6396, RFC 8050 for ADD-PATH) as values: what a reader finds and a writer needs.
// Table dumps of version 2 and BGP4MP with and without microseconds; other types are named by number
// and skipped.

import type { PathAttributes } from '@rookery/bgp';
import type { Family, IpAddress, Prefix } from '@rookery/net';

/** Record types of RFC 6396 §4. */
export const MRT_TYPE = { tableDumpV2: 13, bgp4mp: 16, bgp4mpEt: 17 } as const;

/** Subtypes of TABLE_DUMP_V2. */
export const TABLE_DUMP = {
  peerIndexTable: 1,
  ribIpv4Unicast: 2,
  ribIpv6Unicast: 4,
  ribIpv4UnicastAddPath: 8,
  ribIpv6UnicastAddPath: 10,
} as const;

/** Subtypes of BGP4MP. */
export const BGP4MP = {
  stateChange: 0,
  message: 1,
  messageAs4: 4,
  stateChangeAs4: 5,
  messageLocal: 6,
  messageAs4Local: 7,
  messageAddPath: 8,
  messageAs4AddPath: 9,
  messageLocalAddPath: 10,
  messageAs4LocalAddPath: 11,
} as const;

/** BGP states by their numbers in STATE_CHANGE records. */
export const MRT_STATES: readonly string[] = [
  'Unknown',
  'Idle',
  'Connect',
  'Active',
  'OpenSent',
  'OpenConfirm',
  'Established',
];

export interface MrtPeer {
  readonly bgpId: IpAddress;
  readonly address: IpAddress;
  readonly asn: number;
}

export interface MrtRibEntry {
  readonly peerIndex: number;
  /** Unix seconds. */
  readonly originatedSec: number;
  readonly pathId?: number;
  readonly attributes: PathAttributes;
  /** The attribute block did not decode cleanly; `attributes` is what could be read. */
  readonly fault?: string;
}

/** Both ends of a session, as BGP4MP tells them. */
export interface MrtSession {
  readonly peerAs: number;
  readonly localAs: number;
  readonly ifindex: number;
  readonly peer: IpAddress;
  readonly local: IpAddress;
}

/** Times are Unix milliseconds; whole seconds unless the record has microseconds. */
export type MrtRecord =
  | {
      readonly kind: 'peers';
      readonly timeMs: number;
      readonly collectorId: IpAddress;
      readonly viewName: string;
      readonly peers: readonly MrtPeer[];
    }
  | {
      readonly kind: 'rib';
      readonly timeMs: number;
      readonly family: Family;
      readonly sequence: number;
      readonly net: Prefix;
      readonly entries: readonly MrtRibEntry[];
    }
  | {
      readonly kind: 'message';
      readonly timeMs: number;
      readonly session: MrtSession;
      readonly as4: boolean;
      readonly addPath: boolean;
      /** Made by the router that wrote the dump. */
      readonly local: boolean;
      /** The whole BGP message, header included. */
      readonly message: Uint8Array;
    }
  | {
      readonly kind: 'state';
      readonly timeMs: number;
      readonly session: MrtSession;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly kind: 'other';
      readonly timeMs: number;
      readonly type: number;
      readonly subtype: number;
    };
