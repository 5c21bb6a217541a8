// What an FRR in the speaker's place would have been configured with: the data behind
// `show running-config`, `show route-map` and `show ip prefix-list` of the vtysh dialect.
// `packages/metallb` fills it from the same decisions that it hands to the engine, so the console
// tells the truth about what is in force. No text here; names are those that MetalLB renders.

import type { Family, IpAddress, Prefix } from '@rookery/net';

export interface SpeakerRunningConfig {
  readonly hostname: string;
  /** FRR's level words: emergencies … debugging. */
  readonly logLevel: string;
  /** Where it logs; `file` needs a path. */
  readonly logTarget:
    | { readonly kind: 'stdout' }
    | { readonly kind: 'file'; readonly path: string };
  /** False: the kernel does not forward, and FRR prints `no ip forwarding`. */
  readonly ipForwarding: boolean;
  readonly ipv6Forwarding: boolean;
  /** One per local AS and VRF. */
  readonly instances: readonly RunningBgpInstance[];
  readonly prefixLists: readonly RunningPrefixList[];
  readonly routeMaps: readonly RunningRouteMap[];
  readonly bfdProfiles: readonly RunningBfdProfile[];
}

export interface RunningBgpInstance {
  readonly localAs: number;
  readonly vrf?: string;
  readonly routerId?: IpAddress;
  readonly neighbors: readonly RunningNeighbor[];
  /** Announced prefixes per family, sorted. */
  readonly networks: { readonly ipv4: readonly Prefix[]; readonly ipv6: readonly Prefix[] };
}

export interface RunningNeighbor {
  /** Absent for an unnumbered neighbor, which has an interface instead. */
  readonly address?: IpAddress;
  readonly interface?: string;
  readonly remoteAs: number | 'internal' | 'external';
  readonly description?: string;
  readonly ebgpMultihop?: number;
  readonly localAs?: number;
  /** Absent when 179. */
  readonly port?: number;
  /** In force; absent when FRR's default of 60/180 applies. */
  readonly timers?: { readonly keepaliveSec: number; readonly holdSec: number };
  readonly connectTimeSec?: number;
  readonly hasPassword: boolean;
  readonly updateSource?: IpAddress;
  readonly gracefulRestart: boolean;
  readonly bfd: boolean;
  readonly bfdProfile?: string;
  readonly disableConnectedCheck: boolean;
  readonly families: readonly RunningNeighborFamily[];
}

export interface RunningNeighborFamily {
  readonly family: Family;
  readonly routeMapIn?: string;
  readonly routeMapOut?: string;
}

export interface RunningPrefixList {
  readonly family: Family;
  readonly name: string;
  readonly entries: readonly {
    readonly seq: number;
    readonly action: 'permit' | 'deny';
    /** A prefix, or "any". */
    readonly prefix: Prefix;
  }[];
}

export interface RunningRouteMap {
  readonly name: string;
  readonly entries: readonly {
    readonly seq: number;
    readonly action: 'permit' | 'deny';
    /** "ip address prefix-list NAME". */
    readonly matches: readonly string[];
    /** "local-preference 200", "community 64497:100 additive". */
    readonly sets: readonly string[];
    readonly onMatchNext: boolean;
  }[];
}

/** Absent fields have FRR's default (300 ms, 300 ms, 3) and are not printed. */
export interface RunningBfdProfile {
  readonly name: string;
  readonly receiveIntervalMs?: number;
  readonly transmitIntervalMs?: number;
  readonly detectMultiplier?: number;
  readonly echoIntervalMs?: number;
  readonly echoMode: boolean;
  readonly passiveMode: boolean;
  readonly minimumTtl?: number;
}
