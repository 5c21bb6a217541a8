// A network as plain data: routers, sessions, policies, origins. Two readers make their own thing of
// it: `configs.ts` the configuration of the real engine, `oracle.ts` the tables that it must end
// with. Faults change the plan (origins, policies, options) while a simulation runs.

import type { DebugMask } from '@rookery/router';
import type { Family, IpAddress, Prefix } from '@rookery/net';

export interface NetworkPlan {
  readonly seed: number;
  readonly shape: Shape;
  readonly family: Family;
  readonly routers: readonly RouterPlan[];
  readonly sessions: readonly SessionPlan[];
  /** Networks that somebody may originate; those at the end are shared by several (anycast). */
  readonly nets: readonly Prefix[];
  /** What the routers log; a run is the same with and without. */
  debug: DebugMask;
}

export type Shape = 'tree' | 'ring' | 'random' | 'hierarchy' | 'route server' | 'leaf-spine';

/** What the neighbor is to us. */
export type Relation = 'customer' | 'peer' | 'provider';

export interface RouterPlan {
  readonly index: number;
  readonly asn: number;
  readonly routerId: IpAddress;
  readonly ports: PortPlan[];
  readonly origins: Set<Prefix>;
  /** `always`: `med metric`; `deterministic`: within a neighbor AS, groups first. */
  readonly med: 'always' | 'deterministic';
  readonly clusterId: IpAddress | undefined;
  mergePaths: boolean;
}

export interface PortPlan {
  readonly interface: string;
  readonly ifindex: number;
  readonly segment: string;
  readonly address: IpAddress;
  readonly length: number;
}

export interface SessionPlan {
  /** Name of the protocol on both ends. */
  readonly name: string;
  readonly segment: string;
  readonly internal: boolean;
  /** One end may send the other several paths per network. */
  readonly manyPaths: boolean;
  /** Towards the router of each end, when business relations rule; by index of the end. */
  readonly relations: readonly [Relation | undefined, Relation | undefined];
  readonly ends: readonly [EndPlan, EndPlan];
}

export interface EndPlan {
  readonly router: number;
  readonly address: IpAddress;
  readonly interface: string;
  readonly passive: boolean;
  readonly rrClient: boolean;
  readonly rsClient: boolean;
  readonly keepFiltered: boolean;
  readonly gracefulRestart: 'off' | 'aware' | 'on';
  /** We send several paths, the other end takes them. */
  sendsPaths: boolean;
  takesPaths: boolean;
  holdTimeSec: number;
  importRules: readonly Rule[];
  exportRules: readonly Rule[];
}

/** Rules run in order; the first that rejects ends the run, a route that survives is accepted. */
export interface Rule {
  readonly when: {
    readonly nets?: readonly Prefix[];
    readonly communities?: readonly number[];
  };
  readonly action: RuleAction;
}

export type RuleAction =
  | { readonly kind: 'reject' }
  | { readonly kind: 'localPref' | 'med' | 'tag'; readonly value: number }
  | { readonly kind: 'untag'; readonly communities: readonly number[] }
  | { readonly kind: 'prepend'; readonly asn: number; readonly times: number };
