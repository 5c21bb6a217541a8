// Pools out of IPAddressPool objects: address ranges, service allocation, and the rule that no two
// pools share an address.

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import { invalid } from './config.ts';
import type { ConfigIssue, Pool, PoolAllocation } from './config.ts';
import { blocksOverlap, parseAddresses } from './ip-range.ts';
import type { CidrBlock } from './ip-range.ts';
import type { Namespace } from './kubernetes.ts';
import { checkSelectors, selectorMatches } from './label-selector.ts';
import type { IpAddressPool, Resources } from './resources.ts';

/** Pools by name, in order of name, without advertisements yet. */
export function poolsFor(resources: Resources): Result<ReadonlyMap<string, Pool>, ConfigIssue> {
  const pools = new Map<string, Pool>();
  const seen: { readonly block: CidrBlock; readonly pool: string }[] = [];
  for (const resource of byName(resources.pools)) {
    const pool = poolFor(resource, resources.namespaces);
    if (!pool.ok) {
      const name = resource.metadata.name;
      return invalid('IPAddressPool', resource, `parsing address pool ${name}: ${pool.error}`);
    }
    if (pools.has(pool.value.name)) {
      return invalid(
        'IPAddressPool',
        resource,
        `duplicate definition of pool "${pool.value.name}"`,
      );
    }
    for (const block of pool.value.ranges.flatMap((range) => range.blocks)) {
      const other = seen.find((candidate) => blocksOverlap(candidate.block, block));
      if (other) {
        return invalid(
          'IPAddressPool',
          resource,
          `CIDR "${block.text}" in pool "${pool.value.name}" overlaps with already defined CIDR ` +
            `"${other.block.text}" (pool "${other.pool}")`,
        );
      }
      seen.push({ block, pool: pool.value.name });
    }
    pools.set(pool.value.name, pool.value);
  }
  return ok(pools);
}

/** Objects in order of name, so that the outcome does not depend on the order of a list. */
export function byName<T extends { readonly metadata: { readonly name: string } }>(
  objects: readonly T[],
): readonly T[] {
  return objects.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function poolFor(resource: IpAddressPool, namespaces: readonly Namespace[]): Result<Pool, string> {
  if (resource.metadata.name === '') return err('missing pool name');
  if (resource.addresses.length === 0) return err('pool has no prefixes defined');
  const ranges: { readonly text: string; readonly blocks: readonly CidrBlock[] }[] = [];
  for (const text of resource.addresses) {
    const blocks = parseAddresses(text);
    if (!blocks.ok) {
      return err(`invalid CIDR "${text}" in pool "${resource.metadata.name}": ${blocks.error}`);
    }
    ranges.push({ text, blocks: blocks.value });
  }
  const allocation = allocationFor(resource, namespaces);
  if (!allocation.ok) return allocation;
  return ok({
    name: resource.metadata.name,
    labels: resource.metadata.labels,
    ranges,
    autoAssign: resource.autoAssign,
    avoidBuggyIps: resource.avoidBuggyIps,
    ...(allocation.value === undefined ? {} : { allocation: allocation.value }),
    bgpAdvertisements: [],
    l2Advertisements: [],
  });
}

function allocationFor(
  resource: IpAddressPool,
  namespaces: readonly Namespace[],
): Result<PoolAllocation | undefined, string> {
  const source = resource.serviceAllocation;
  if (!source) return ok(undefined);
  const duplicate = source.namespaces.find((name, i) => source.namespaces.indexOf(name) !== i);
  if (duplicate !== undefined) return err('duplicate definition in namespaces field');
  const checked = checkSelectors(source.namespaceSelectors, 'namespaceSelectors');
  if (!checked.ok) return checked;
  const services = checkSelectors(source.serviceSelectors, 'serviceSelectors');
  if (!services.ok) return services;
  const { priority, serviceSelectors } = source;
  if (source.namespaces.length === 0 && source.namespaceSelectors.length === 0) {
    return ok({ priority, serviceSelectors });
  }
  // Selectors that match no namespace leave an empty set, and an empty set admits nobody. (Upstream
  // reads it as "any namespace" for explicit requests.)
  const names = new Set(source.namespaces);
  for (const namespace of namespaces) {
    const { labels, name } = namespace.metadata;
    if (source.namespaceSelectors.some((selector) => selectorMatches(selector, labels))) {
      names.add(name);
    }
  }
  return ok({ priority, serviceSelectors, namespaces: names });
}
