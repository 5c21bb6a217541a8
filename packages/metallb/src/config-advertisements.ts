// BGPAdvertisement, L2Advertisement and Community objects: which pools they select, and the rules
// that keep two advertisements of one pool from contradicting each other.

import { ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import { compareCommunities, parseCommunity, renderCommunity } from './community.ts';
import type { Community } from './community.ts';
import { byName } from './config-pools.ts';
import { invalid, transient } from './config.ts';
import type { BgpAdvertisement, ConfigIssue, L2Advertisement, Pool } from './config.ts';
import type { Node } from './kubernetes.ts';
import {
  anySelectorMatches,
  checkSelectors,
  selectorMatches,
  selectorText,
} from './label-selector.ts';
import type { LabelSelector } from './label-selector.ts';
import type { BgpAdvertisementResource, L2AdvertisementResource, Resources } from './resources.ts';

type Pools = ReadonlyMap<string, Pool>;
type Aliases = ReadonlyMap<string, Community>;

/** All aliases of all Community objects. */
export function communityAliases(resources: Resources): Result<Aliases, ConfigIssue> {
  const aliases = new Map<string, Community>();
  for (const resource of byName(resources.communities)) {
    for (const { name, value } of resource.communities) {
      const community = parseCommunity(value);
      if (!community.ok) {
        const message = `parsing community "${name}": ${community.error.message}`;
        return invalid('Community', resource, message);
      }
      if (aliases.has(name)) {
        return invalid('Community', resource, `duplicate definition of community "${name}"`);
      }
      aliases.set(name, community.value);
    }
  }
  return ok(aliases);
}

/** The pools with their BGP advertisements. */
export function attachBgpAdvertisements(
  pools: Pools,
  resources: Resources,
  aliases: Aliases,
): Result<Pools, ConfigIssue> {
  const attached = new Map(pools);
  for (const resource of byName(resources.bgpAdvertisements)) {
    const advertisement = bgpAdvertisementFor(resource, resources.nodes, aliases);
    if (!advertisement.ok) return advertisement;
    for (const name of selectedPools(resource, pools)) {
      const pool = attached.get(name)!;
      const problem = problemOnPool(advertisement.value, pool);
      if (problem !== undefined) return invalid('BGPAdvertisement', resource, problem);
      attached.set(name, {
        ...pool,
        bgpAdvertisements: [...pool.bgpAdvertisements, advertisement.value],
      });
    }
  }
  return ok(attached);
}

/** The pools with their layer 2 advertisements; one that says the same as another is dropped. */
export function attachL2Advertisements(
  pools: Pools,
  resources: Resources,
): Result<Pools, ConfigIssue> {
  const attached = new Map(pools);
  for (const resource of byName(resources.l2Advertisements)) {
    const problem = problemOfTargets(resource);
    if (problem !== undefined) return invalid('L2Advertisement', resource, problem);
    const advertisement: L2Advertisement = {
      name: resource.metadata.name,
      nodes: selectedNodes(resources.nodes, resource.nodeSelectors),
      interfaces: resource.interfaces,
      serviceSelectors: resource.serviceSelectors,
    };
    for (const name of selectedPools(resource, pools)) {
      const pool = attached.get(name)!;
      if (pool.l2Advertisements.some((other) => sameL2(other, advertisement))) continue;
      attached.set(name, {
        ...pool,
        l2Advertisements: [...pool.l2Advertisements, advertisement],
      });
    }
  }
  return ok(attached);
}

/**
 * Whether two advertisements of one pool may both apply to a service: equal local preference, or
 * different prefixes, peers or nodes.
 */
export function areLocalPrefsCompatible(
  a: BgpAdvertisement,
  b: BgpAdvertisement,
  pool: Pool,
): boolean {
  if (a.localPref === b.localPref) return true;
  if (haveDifferentLengths(a, b, pool)) return true;
  if (a.peers.length > 0 && b.peers.length > 0 && !a.peers.some((name) => b.peers.includes(name))) {
    return true;
  }
  return ![...a.nodes].some((node) => b.nodes.has(node));
}

function bgpAdvertisementFor(
  resource: BgpAdvertisementResource,
  nodes: readonly Node[],
  aliases: Aliases,
): Result<BgpAdvertisement, ConfigIssue> {
  const problem =
    problemOfTargets(resource) ?? problemOfLists(resource) ?? problemOfLengths(resource);
  if (problem !== undefined) return invalid('BGPAdvertisement', resource, problem);
  const communities = new Map<string, Community>();
  for (const text of resource.communities) {
    const alias = aliases.get(text);
    const community = alias ? ok(alias) : parseCommunity(text);
    if (!community.ok) {
      const message = `invalid community "${text}" in BGP advertisement: ${community.error.message}`;
      // What is no community at all may be the name of a Community object that is not there yet.
      return community.error.kind === 'format'
        ? transient('BGPAdvertisement', resource, message)
        : invalid('BGPAdvertisement', resource, message);
    }
    communities.set(`${community.value.kind} ${renderCommunity(community.value)}`, community.value);
  }
  return ok({
    name: resource.metadata.name,
    aggregationLength: resource.aggregationLength ?? 32,
    aggregationLengthV6: resource.aggregationLengthV6 ?? 128,
    localPref: resource.localPref,
    communities: [...communities.values()].toSorted(compareCommunities),
    nodes: selectedNodes(nodes, resource.nodeSelectors),
    peers: resource.peers,
    serviceSelectors: resource.serviceSelectors,
  });
}

function problemOfTargets(
  resource: BgpAdvertisementResource | L2AdvertisementResource,
): string | undefined {
  const duplicate = duplicateOf(resource.ipAddressPools);
  if (duplicate !== undefined) return `duplicate definition of ipAddressPools "${duplicate}"`;
  for (const field of ['ipAddressPoolSelectors', 'nodeSelectors', 'serviceSelectors'] as const) {
    const checked = checkSelectors(resource[field], field);
    if (!checked.ok) return checked.error;
  }
  return undefined;
}

function problemOfLists(resource: BgpAdvertisementResource): string | undefined {
  const community = duplicateOf(resource.communities);
  if (community !== undefined) return `duplicate definition of community "${community}"`;
  const peer = duplicateOf(resource.peers);
  return peer === undefined ? undefined : `duplicate definition of peers "${peer}"`;
}

function problemOfLengths(resource: BgpAdvertisementResource): string | undefined {
  const v4 = resource.aggregationLength ?? 32;
  const v6 = resource.aggregationLengthV6 ?? 128;
  const name = resource.metadata.name;
  if (resource.serviceSelectors.length > 0) {
    const exclusive = (field: string): string =>
      `serviceSelectors and ${field} are mutually exclusive, both cannot be set in ${name}`;
    if (v4 !== 32) return exclusive('aggregationLength');
    if (v6 !== 128) return exclusive('aggregationLengthV6');
  }
  if (!Number.isInteger(v4) || v4 < 1 || v4 > 32)
    return `invalid aggregation length ${v4} for IPv4`;
  if (!Number.isInteger(v6) || v6 < 0 || v6 > 128)
    return `invalid aggregation length ${v6} for IPv6`;
  return undefined;
}

function problemOnPool(advertisement: BgpAdvertisement, pool: Pool): string | undefined {
  for (const { text, blocks } of pool.ranges) {
    const wanted =
      blocks[0]!.family === 'ipv4'
        ? advertisement.aggregationLength
        : advertisement.aggregationLengthV6;
    const shortest = Math.min(...blocks.map((block) => block.length));
    if (wanted < shortest) {
      return (
        `invalid aggregation length ${wanted}: prefix ${shortest} in this pool is more specific ` +
        `than the aggregation length for addresses ${text}`
      );
    }
  }
  if (advertisement.serviceSelectors.length > 0) return undefined;
  const conflict = pool.bgpAdvertisements.find(
    (other) =>
      other.serviceSelectors.length === 0 && !areLocalPrefsCompatible(advertisement, other, pool),
  );
  if (!conflict) return undefined;
  return (
    `invalid local preference ${advertisement.localPref}: local preference ${conflict.localPref} ` +
    `was already set for the same type of BGP update (by ${conflict.name}). Check existing BGP ` +
    'advertisements with common pools and aggregation lengths'
  );
}

function haveDifferentLengths(a: BgpAdvertisement, b: BgpAdvertisement, pool: Pool): boolean {
  const families = new Set(pool.ranges.map((range) => range.blocks[0]!.family));
  const v4Differs = a.aggregationLength !== b.aggregationLength;
  const v6Differs = a.aggregationLengthV6 !== b.aggregationLengthV6;
  return (v4Differs || !families.has('ipv4')) && (v6Differs || !families.has('ipv6'));
}

/** Names and selectors are a union; neither means every pool. Unknown names are ignored. */
function selectedPools(
  resource: BgpAdvertisementResource | L2AdvertisementResource,
  pools: Pools,
): readonly string[] {
  const { ipAddressPools, ipAddressPoolSelectors } = resource;
  const all = [...pools.values()];
  if (ipAddressPools.length === 0 && ipAddressPoolSelectors.length === 0) {
    return all.map((pool) => pool.name);
  }
  return all
    .filter(
      (pool) =>
        ipAddressPools.includes(pool.name) ||
        ipAddressPoolSelectors.some((selector) => selectorMatches(selector, pool.labels)),
    )
    .map((pool) => pool.name);
}

function selectedNodes(
  nodes: readonly Node[],
  selectors: readonly LabelSelector[],
): ReadonlySet<string> {
  return new Set(
    nodes
      .filter((node) => anySelectorMatches(selectors, node.metadata.labels))
      .map((node) => node.metadata.name),
  );
}

function sameL2(a: L2Advertisement, b: L2Advertisement): boolean {
  const key = (advertisement: L2Advertisement): string =>
    JSON.stringify([
      [...advertisement.nodes].toSorted(),
      advertisement.interfaces.toSorted(),
      advertisement.serviceSelectors.map(selectorText),
    ]);
  return key(a) === key(b);
}

function duplicateOf(list: readonly string[]): string | undefined {
  return list.find((item, index) => list.indexOf(item) !== index);
}
