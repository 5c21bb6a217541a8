// What a route says, apart from its prefix: one immutable object per distinct combination,
// interned to a dense number by the RIB. A path in a table is then a few integers (prefix number,
// source number, attributes number), never an object. Names are BIRD's where the language or the
// console shows them (source, dest, preference), RFC words inside `bgp`.

import type { PathAttributes } from '@rookery/bgp';
import type { IpAddress } from '@rookery/net';

/** BIRD's RTS_* in lower case. */
export type RouteSource =
  | 'static'
  | 'inherit'
  | 'device'
  | 'static-device'
  | 'redirect'
  | 'bgp'
  | 'pipe'
  | 'rpki'
  | 'kubernetes';

/** BIRD's RTD_*. */
export type Dest = 'unicast' | 'blackhole' | 'unreachable' | 'prohibit';

/** BIRD's SCOPE_*. */
export type Scope = 'host' | 'link' | 'site' | 'organization' | 'universe';

export interface Nexthop {
  /** Absent for a device route. */
  readonly gateway?: IpAddress;
  /** Name of the outgoing interface. */
  readonly interface: string;
  readonly ifindex: number;
  /** 1-256, BIRD's weight; absent means 1. */
  readonly weight?: number;
  readonly onlink?: boolean;
}

/** Linux metrics of a route, BIRD's krt_* attributes without the prefix. */
export interface KernelAttributes {
  /** rtm_protocol of a learned route. */
  readonly source?: number;
  readonly metric?: number;
  readonly prefsrc?: IpAddress;
  readonly realm?: number;
  readonly scope?: number;
  /** RTAX_* by BIRD's name: mtu, window, rtt, rttvar, ssthresh, cwnd, advmss, … */
  readonly metrics?: Readonly<Record<string, number>>;
}

export interface RouteAttributes {
  readonly source: RouteSource;
  readonly scope: Scope;
  readonly dest: Dest;
  /** Sorted by gateway, then interface; more than one is ECMP. Empty unless `dest` is unicast. */
  readonly nexthops: readonly Nexthop[];
  /** The neighbor that advertised it. */
  readonly from?: IpAddress;
  /** 0-65535, higher wins before anything else is compared. */
  readonly preference: number;
  /** Metric of the route that resolves the next hop; `undefined` for a direct next hop of unknown cost. */
  readonly igpMetric?: number;
  /** Set when the next hop of a recursive route does not resolve. */
  readonly unresolved?: true;
  /** RFC 9494: kept past the restart timer, least preferred. */
  readonly llgrStale?: true;
  /**
   * What the export policy of a BGP session has set, even to the value that was there: the operator's
   * word, not the neighbor's. Never in a table.
   */
  readonly stated?: { readonly med?: true; readonly nextHop?: true };
  readonly bgp?: PathAttributes;
  readonly kernel?: KernelAttributes;
  /** BIRD custom attributes (`attribute int my_attr;`) by name. */
  readonly custom?: Readonly<Record<string, unknown>>;
}
