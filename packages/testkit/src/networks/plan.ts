// A network as plain data: routers, sessions, policies, origins. Two readers make their own thing of
// it: `configs.ts` the configuration of the real engine, `oracle.ts` the tables that it must end
// with. Faults change the plan (origins, policies, options) while a simulation runs.

import type { Origin } from '@rookery/bgp';
import type { DebugMask, GracefulRestartMode } from '@rookery/router';
import type { Family, IpAddress, Prefix } from '@rookery/net';

export interface NetworkPlan {
  readonly seed: number;
  readonly shape: Shape;
  readonly addressing: Addressing;
  readonly routers: readonly RouterPlan[];
  readonly sessions: readonly SessionPlan[];
  /** Networks that somebody may originate, some of them by several (anycast). */
  readonly nets: readonly Prefix[];
  /** What the routers log; a run is the same with and without. */
  debug: DebugMask;
}

export type Shape = 'tree' | 'ring' | 'random' | 'hierarchy' | 'route server' | 'leaf-spine';

/** What links have, and so what networks there are; `ipv4 over ipv6` is RFC 8950. */
export type Addressing = 'ipv4' | 'ipv6' | 'dual' | 'ipv4 over ipv6';

export function familiesOf({ addressing }: Pick<NetworkPlan, 'addressing'>): readonly Family[] {
  return addressing === 'ipv4' || addressing === 'ipv6' ? [addressing] : ['ipv4', 'ipv6'];
}

/** What the neighbor is to us. */
export type Relation = 'customer' | 'peer' | 'provider';

export interface RouterPlan {
  readonly index: number;
  /** Inside a confederation that of the member. */
  readonly asn: number;
  readonly confederation: number | undefined;
  /** How often our own AS may be in a path that we take. */
  readonly allowLocalAs: number;
  readonly routerId: IpAddress;
  readonly ports: PortPlan[];
  readonly origins: Set<Prefix>;
  /**
   * `always`: `med metric`; `deterministic`: within a neighbor AS, groups first; `unset`: nobody
   * sets any, for what BIRD does by default depends on the order in which paths are compared.
   */
  readonly med: 'always' | 'deterministic' | 'unset';
  readonly clusterId: IpAddress | undefined;
  readonly extendedMessages: boolean;
  readonly enhancedRefresh: boolean;
  mergePaths: boolean;
}

/** The AS that others know a router by. */
export function publicAsOf(router: RouterPlan): number {
  return router.confederation ?? router.asn;
}

export interface PortPlan {
  readonly interface: string;
  readonly ifindex: number;
  readonly segment: string;
  readonly addresses: Addresses;
}

export type Addresses = Readonly<Partial<Record<Family, IpAddress>>>;

export interface SessionPlan {
  /** Name of the protocol on both ends. */
  readonly name: string;
  readonly segment: string;
  /** `member`: between two member ASes of a confederation. */
  readonly kind: 'external' | 'internal' | 'member';
  readonly transport: Family;
  /** One end may send the other several paths per network. */
  readonly manyPaths: boolean;
  /** Towards the router of each end, when business relations rule; by index of the end. */
  readonly relations: readonly [Relation | undefined, Relation | undefined];
  /** Both ends tell their relation (RFC 9234). */
  readonly roles: boolean;
  readonly ends: readonly [EndPlan, EndPlan];
}

export interface EndPlan {
  readonly router: number;
  readonly addresses: Addresses;
  readonly interface: string;
  readonly passive: boolean;
  readonly rrClient: boolean;
  readonly rsClient: boolean;
  readonly keepFiltered: boolean;
  readonly importTable: boolean;
  readonly exportTable: boolean;
  readonly gracefulRestart: GracefulRestartMode;
  readonly longLived: GracefulRestartMode;
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
  | { readonly kind: 'localPref' | 'med' | 'raiseMed' | 'tag'; readonly value: number }
  | { readonly kind: 'origin'; readonly value: Origin }
  | { readonly kind: 'untag'; readonly communities: readonly number[] }
  | { readonly kind: 'prepend'; readonly asn: number; readonly times: number };
