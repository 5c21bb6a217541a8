// MetalLB's custom resources (group metallb.io) as plain readonly data, and their readers from JSON.
// Field names and defaults are the API's; validation beyond types is `configFor`'s business.
// Layer 2 objects are read so that a cluster that has them stays valid; nothing here answers ARP.

import type { Result } from '@rookery/net';
import { readBgpPeer } from './bgp-peer.ts';
import type { BgpPeer } from './bgp-peer.ts';
import { readMetadata, readNamespace, readNode, readSecret } from './kubernetes.ts';
import type { Metadata, Namespace, Node, Secret } from './kubernetes.ts';
import { readLabelSelector } from './label-selector.ts';
import type { LabelSelector } from './label-selector.ts';
import { readShape } from './shape.ts';
import type { ShapeIssue, ShapeReader } from './shape.ts';

export interface IpAddressPool {
  readonly metadata: Metadata;
  readonly addresses: readonly string[];
  readonly autoAssign: boolean;
  readonly avoidBuggyIps: boolean;
  readonly serviceAllocation?: {
    /** 0: lowest priority; otherwise a lower number wins. */
    readonly priority: number;
    readonly namespaces: readonly string[];
    readonly namespaceSelectors: readonly LabelSelector[];
    readonly serviceSelectors: readonly LabelSelector[];
  };
}

interface AdvertisementTargets {
  readonly metadata: Metadata;
  readonly ipAddressPools: readonly string[];
  readonly ipAddressPoolSelectors: readonly LabelSelector[];
  readonly nodeSelectors: readonly LabelSelector[];
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface BgpAdvertisementResource extends AdvertisementTargets {
  readonly aggregationLength?: number;
  readonly aggregationLengthV6?: number;
  /** 0: not set. */
  readonly localPref: number;
  readonly communities: readonly string[];
  readonly peers: readonly string[];
}

export interface L2AdvertisementResource extends AdvertisementTargets {
  readonly interfaces: readonly string[];
}

export interface BfdProfile {
  readonly metadata: Metadata;
  readonly receiveIntervalMs?: number;
  readonly transmitIntervalMs?: number;
  readonly detectMultiplier?: number;
  readonly echoIntervalMs?: number;
  readonly echoMode: boolean;
  readonly passiveMode: boolean;
  readonly minimumTtl?: number;
}

export interface CommunityResource {
  readonly metadata: Metadata;
  readonly communities: readonly { readonly name: string; readonly value: string }[];
}

/** Everything a configuration is built from. */
export interface Resources {
  readonly pools: readonly IpAddressPool[];
  readonly peers: readonly BgpPeer[];
  readonly bgpAdvertisements: readonly BgpAdvertisementResource[];
  readonly l2Advertisements: readonly L2AdvertisementResource[];
  readonly bfdProfiles: readonly BfdProfile[];
  readonly communities: readonly CommunityResource[];
  readonly secrets: readonly Secret[];
  readonly nodes: readonly Node[];
  readonly namespaces: readonly Namespace[];
}

export const NO_RESOURCES: Resources = {
  pools: [],
  peers: [],
  bgpAdvertisements: [],
  l2Advertisements: [],
  bfdProfiles: [],
  communities: [],
  secrets: [],
  nodes: [],
  namespaces: [],
};

/** Objects as the API server gave them, by the field of `Resources` that they fill. */
export type RawResources = { readonly [K in keyof Resources]?: readonly unknown[] };

/** Reads whole lists; an unreadable object becomes an issue and is left out. */
export function readResources(raw: RawResources): {
  readonly resources: Resources;
  readonly issues: readonly ShapeIssue[];
} {
  const issues: ShapeIssue[] = [];
  const all = <T>(
    list: readonly unknown[] | undefined,
    read: (json: unknown) => Result<T, ShapeIssue>,
  ): readonly T[] =>
    (list ?? []).flatMap((json) => {
      const result = read(json);
      if (result.ok) return [result.value];
      issues.push(result.error);
      return [];
    });
  const resources: Resources = {
    pools: all(raw.pools, readIpAddressPool),
    peers: all(raw.peers, readBgpPeer),
    bgpAdvertisements: all(raw.bgpAdvertisements, readBgpAdvertisement),
    l2Advertisements: all(raw.l2Advertisements, readL2Advertisement),
    bfdProfiles: all(raw.bfdProfiles, readBfdProfile),
    communities: all(raw.communities, readCommunity),
    secrets: all(raw.secrets, readSecret),
    nodes: all(raw.nodes, readNode),
    namespaces: all(raw.namespaces, readNamespace),
  };
  return { resources, issues };
}

/** Reads a metallb.io/v1beta1 IPAddressPool. */
export function readIpAddressPool(json: unknown): Result<IpAddressPool, ShapeIssue> {
  return readShape(json, 'IPAddressPool', (reader) => {
    const spec = reader.object('spec');
    const allocation = spec?.object('serviceAllocation');
    return {
      metadata: readMetadata(reader),
      addresses: spec?.texts('addresses') ?? [],
      autoAssign: spec?.flag('autoAssign') ?? true,
      avoidBuggyIps: spec?.flag('avoidBuggyIPs') ?? false,
      ...(allocation === undefined
        ? {}
        : {
            serviceAllocation: {
              priority: allocation.number('priority') ?? 0,
              namespaces: allocation.texts('namespaces'),
              namespaceSelectors: allocation.objects('namespaceSelectors', readLabelSelector),
              serviceSelectors: allocation.objects('serviceSelectors', readLabelSelector),
            },
          }),
    };
  });
}

/** Reads a metallb.io/v1beta1 BGPAdvertisement. */
export function readBgpAdvertisement(json: unknown): Result<BgpAdvertisementResource, ShapeIssue> {
  return readShape(json, 'BGPAdvertisement', (reader) => {
    const spec = reader.object('spec');
    const v4 = spec?.number('aggregationLength');
    const v6 = spec?.number('aggregationLengthV6');
    return {
      ...readTargets(reader, spec),
      ...(v4 === undefined ? {} : { aggregationLength: v4 }),
      ...(v6 === undefined ? {} : { aggregationLengthV6: v6 }),
      localPref: spec?.number('localPref') ?? 0,
      communities: spec?.texts('communities') ?? [],
      peers: spec?.texts('peers') ?? [],
    };
  });
}

/** Reads a metallb.io/v1beta1 L2Advertisement. */
export function readL2Advertisement(json: unknown): Result<L2AdvertisementResource, ShapeIssue> {
  return readShape(json, 'L2Advertisement', (reader) => {
    const spec = reader.object('spec');
    return { ...readTargets(reader, spec), interfaces: spec?.texts('interfaces') ?? [] };
  });
}

/** Reads a metallb.io/v1beta1 BFDProfile. */
export function readBfdProfile(json: unknown): Result<BfdProfile, ShapeIssue> {
  return readShape(json, 'BFDProfile', (reader) => {
    const spec = reader.object('spec');
    const receive = spec?.number('receiveInterval');
    const transmit = spec?.number('transmitInterval');
    const multiplier = spec?.number('detectMultiplier');
    const echo = spec?.number('echoInterval');
    const ttl = spec?.number('minimumTtl');
    return {
      metadata: readMetadata(reader),
      ...(receive === undefined ? {} : { receiveIntervalMs: receive }),
      ...(transmit === undefined ? {} : { transmitIntervalMs: transmit }),
      ...(multiplier === undefined ? {} : { detectMultiplier: multiplier }),
      ...(echo === undefined ? {} : { echoIntervalMs: echo }),
      echoMode: spec?.flag('echoMode') ?? false,
      passiveMode: spec?.flag('passiveMode') ?? false,
      ...(ttl === undefined ? {} : { minimumTtl: ttl }),
    };
  });
}

/** Reads a metallb.io/v1beta1 Community. */
export function readCommunity(json: unknown): Result<CommunityResource, ShapeIssue> {
  return readShape(json, 'Community', (reader) => ({
    metadata: readMetadata(reader),
    communities:
      reader.object('spec')?.objects('communities', (alias) => ({
        name: alias.text('name') ?? '',
        value: alias.text('value') ?? '',
      })) ?? [],
  }));
}

/** The kinds that MetalLB's configuration consists of, with their plural names in URLs. */
export const CONFIG_KINDS = {
  pools: { kind: 'IPAddressPool', plural: 'ipaddresspools', version: 'v1beta1' },
  peers: { kind: 'BGPPeer', plural: 'bgppeers', version: 'v1beta2' },
  bgpAdvertisements: { kind: 'BGPAdvertisement', plural: 'bgpadvertisements', version: 'v1beta1' },
  l2Advertisements: { kind: 'L2Advertisement', plural: 'l2advertisements', version: 'v1beta1' },
  bfdProfiles: { kind: 'BFDProfile', plural: 'bfdprofiles', version: 'v1beta1' },
  communities: { kind: 'Community', plural: 'communities', version: 'v1beta1' },
} as const;
export type ConfigKind = keyof typeof CONFIG_KINDS;

function readTargets(reader: ShapeReader, spec: ShapeReader | undefined): AdvertisementTargets {
  return {
    metadata: readMetadata(reader),
    ipAddressPools: spec?.texts('ipAddressPools') ?? [],
    ipAddressPoolSelectors: spec?.objects('ipAddressPoolSelectors', readLabelSelector) ?? [],
    nodeSelectors: spec?.objects('nodeSelectors', readLabelSelector) ?? [],
    serviceSelectors: spec?.objects('serviceSelectors', readLabelSelector) ?? [],
  };
}
