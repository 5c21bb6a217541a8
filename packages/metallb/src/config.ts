// The resolved configuration: what all MetalLB objects of a cluster mean together, as plain data.
// `config-for.ts` derives it; `ConfigIssue` says why it cannot. Messages carry MetalLB's substrings,
// since tests and people match on them.

import { err } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { CidrBlock } from './ip-range.ts';
import type { Community } from './community.ts';
import type { ConfigFinding } from './findings.ts';
import { keyOf } from './kubernetes.ts';
import type { Metadata } from './kubernetes.ts';
import type { LabelSelector, Labels } from './label-selector.ts';
import type { BfdProfile } from './resources.ts';

export interface Config {
  /** By name, in order of name. */
  readonly pools: ReadonlyMap<string, Pool>;
  readonly peers: ReadonlyMap<string, Peer>;
  readonly bfdProfiles: ReadonlyMap<string, BfdProfile>;
  /** Valid, but not what the operator would want. */
  readonly findings: readonly ConfigFinding[];
}

export interface Pool {
  readonly name: string;
  readonly labels: Labels;
  /** One entry per line of `spec.addresses`. */
  readonly ranges: readonly { readonly text: string; readonly blocks: readonly CidrBlock[] }[];
  readonly autoAssign: boolean;
  readonly avoidBuggyIps: boolean;
  readonly allocation?: PoolAllocation;
  readonly bgpAdvertisements: readonly BgpAdvertisement[];
  readonly l2Advertisements: readonly L2Advertisement[];
}

export interface PoolAllocation {
  readonly priority: number;
  /** `undefined`: any namespace. */
  readonly namespaces?: ReadonlySet<string>;
  /** Empty: any service. */
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface BgpAdvertisement {
  readonly name: string;
  readonly aggregationLength: number;
  readonly aggregationLengthV6: number;
  /** 0: not set. */
  readonly localPref: number;
  /** Sorted, without repetition. */
  readonly communities: readonly Community[];
  /** Names of the nodes that announce. */
  readonly nodes: ReadonlySet<string>;
  /** Empty: every peer. */
  readonly peers: readonly string[];
  /** Empty: every service. */
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface L2Advertisement {
  readonly name: string;
  readonly nodes: ReadonlySet<string>;
  /** Empty: every interface. */
  readonly interfaces: readonly string[];
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface Peer {
  readonly name: string;
  readonly metadata: Metadata;
  readonly apiVersion: string;
  readonly myAsn: number;
  /** The neighbor's AS, or how to learn it. */
  readonly remoteAs: number | 'internal' | 'external';
  readonly localAsn?: number;
  /** Exactly one of address and interface. */
  readonly address?: IpAddress;
  readonly interface?: string;
  readonly sourceAddress?: IpAddress;
  readonly port: number;
  /** Both or none. */
  readonly timers?: { readonly holdTimeSec: number; readonly keepaliveTimeSec: number };
  /** `lost`: written as v1beta1 without timers, which upstream turns into zeros. */
  readonly timersFrom: 'spec' | 'unset' | 'lost';
  readonly connectTimeSec?: number;
  readonly routerId?: IpAddress;
  readonly nodeSelectors: readonly LabelSelector[];
  readonly password?: string;
  readonly passwordSecret?: string;
  readonly bfdProfile?: string;
  readonly gracefulRestart: boolean;
  readonly ebgpMultihop: boolean;
  readonly vrf?: string;
  readonly disableMp: boolean;
  readonly dualStack: boolean;
}

export interface ConfigIssue {
  /** `transient`: another object may appear and cure it. */
  readonly kind: 'invalid' | 'transient';
  /** "BGPPeer metallb/router", or "configuration" when several objects are at odds. */
  readonly object: string;
  readonly message: string;
}

/** Makes a refusal that names the object. */
export function invalid(
  kind: string,
  object: { readonly metadata: Metadata },
  message: string,
): { readonly ok: false; readonly error: ConfigIssue } {
  return err({ kind: 'invalid', object: `${kind} ${keyOf(object)}`, message });
}

/** Like `invalid`, for a reference to something that may still appear. */
export function transient(
  kind: string,
  object: { readonly metadata: Metadata },
  message: string,
): { readonly ok: false; readonly error: ConfigIssue } {
  return err({ kind: 'transient', object: `${kind} ${keyOf(object)}`, message });
}
