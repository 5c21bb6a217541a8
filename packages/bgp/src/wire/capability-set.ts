// One side's capabilities as decoded data: what OPEN carries, what negotiation reads and what the
// consoles print. Which octets each takes is in capabilities.ts.

import type { Family } from '@rookery/net';

export interface GracefulFamily {
  readonly family: Family;
  /** RFC 4724 F bit. */
  readonly forwardingPreserved: boolean;
}

export interface LongLivedFamily {
  readonly family: Family;
  readonly forwardingPreserved: boolean;
  readonly staleTimeSec: number;
}

/** One side's capabilities, decoded: what the consoles print under "capabilities". */
export interface CapabilitySet {
  /** False when the OPEN carried no capability at all. */
  readonly any: boolean;
  readonly families: readonly Family[];
  /** Pairs we do not route, as numbers. */
  readonly otherFamilies: readonly { readonly afi: number; readonly safi: number }[];
  readonly routeRefresh: boolean;
  /** Code 128, the pre-standard one. */
  readonly routeRefreshOld: boolean;
  readonly enhancedRouteRefresh: boolean;
  readonly extendedMessages: boolean;
  /** RFC 8950: families whose next hop may be IPv6. */
  readonly extendedNextHop: readonly Family[];
  /** 0 provider, 1 RS, 2 RS client, 3 customer, 4 peer. */
  readonly role?: number;
  /** The AS of capability 65. */
  readonly as4?: number;
  readonly addPath: readonly {
    readonly family: Family;
    readonly rx: boolean;
    readonly tx: boolean;
  }[];
  readonly gracefulRestart?: {
    readonly restarting: boolean;
    /** RFC 8538 N bit. */
    readonly notification: boolean;
    readonly restartTimeSec: number;
    readonly families: readonly GracefulFamily[];
  };
  readonly longLived?: { readonly families: readonly LongLivedFamily[] };
  /** Escaped for terminals. */
  readonly hostname?: string;
  readonly domainName?: string;
  readonly softwareVersion?: string;
  readonly dynamic: boolean;
  readonly pathsLimit: readonly { readonly family: Family; readonly limit: number }[];
  /** Capabilities we do not know, in order, for display. */
  readonly unknown: readonly { readonly code: number; readonly value: Uint8Array }[];
}
