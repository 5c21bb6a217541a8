// Which service holds which address. One owner of this state, in memory: the database is the
// services' own status, from which the caller rebuilds it after a start (existing addresses first,
// then new ones). Sharing rules and order of allocation are MetalLB's; where its order is that of a
// hash map, ours is by pool name. Deterministic, no I/O. Finding a free address does not scan the
// used ones: every block remembers below which address nothing is free.

import { err, familyOf, ok } from '@rookery/net';
import type { Family, IpAddress, Result } from '@rookery/net';
import type { Pool } from './config.ts';
import { addressText, addressValue, blockContains, isBuggyAddress } from './ip-range.ts';
import type { CidrBlock } from './ip-range.ts';
import { anySelectorMatches } from './label-selector.ts';
import type { Labels } from './label-selector.ts';
import { usageFor } from './pool-usage.ts';
import type { PoolUsage } from './pool-usage.ts';

/** What the allocator must know of a service. */
export interface Claim {
  /** "namespace/name". */
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  /** "TCP/80". */
  readonly ports: readonly string[];
  /** Empty: does not share. */
  readonly sharingKey: string;
  /** Services that share an address must forward alike: equal texts here. */
  readonly backendKey: string;
}

/** Families wanted. `both`: two addresses from one pool; `prefer`: two if one pool has them. */
export type FamilyWish =
  | { readonly kind: 'one'; readonly family: Family }
  | { readonly kind: 'both' }
  | { readonly kind: 'prefer'; readonly primary: Family };

export type Refusal =
  | { readonly kind: 'notInAnyPool'; readonly ips: readonly IpAddress[] }
  | { readonly kind: 'poolNotForService'; readonly pool: string; readonly service: string }
  | {
      readonly kind: 'sharingConflict';
      readonly service: string;
      readonly others: readonly string[];
      readonly why: string;
    }
  | { readonly kind: 'portInUse'; readonly port: string; readonly ip: IpAddress }
  | { readonly kind: 'unknownPool'; readonly pool: string }
  | { readonly kind: 'wrongFamily'; readonly ips: readonly IpAddress[] }
  | { readonly kind: 'exhausted'; readonly pool?: string };

export interface Allocation {
  readonly ips: readonly IpAddress[];
  readonly pool: string;
}

/** An allocation with the terms under which it is held. */
export interface Holding extends Allocation {
  readonly claim: Claim;
}

/** The refusal as the sentence that stands in the event. */
export function renderRefusal(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'notInAnyPool':
      return `[${refusal.ips.map((ip) => `"${ip}"`).join(' ')}] is not allowed in config`;
    case 'poolNotForService':
      return `pool ${refusal.pool} is not compatible for service ${refusal.service}`;
    case 'sharingConflict':
      return (
        `can't change sharing key for "${refusal.service}", address also in use by ` +
        `${refusal.others.join(',')} (${refusal.why})`
      );
    case 'portInUse':
      return `port ${refusal.port} is already in use on "${refusal.ip}"`;
    case 'unknownPool':
      return `unknown pool "${refusal.pool}"`;
    case 'wrongFamily':
      return `IP for wrong family assigned ${refusal.ips.join(', ')}`;
    case 'exhausted':
      return refusal.pool === undefined
        ? 'no available IPs'
        : `no available IPs in pool "${refusal.pool}"`;
  }
}

interface BlockState {
  readonly block: CidrBlock;
  /** No address of the block below this one is free. */
  firstMaybeFree: bigint;
}

export class Allocator {
  #pools: ReadonlyMap<string, Pool> = new Map();
  #blocks = new Map<string, readonly BlockState[]>();
  readonly #holdings = new Map<string, Holding>();
  readonly #holdersOf = new Map<IpAddress, Set<string>>();
  /** Addresses held with a sharing key, so that a sharer finds them without a scan. */
  readonly #sharedIps = new Map<string, Set<IpAddress>>();

  /**
   * Replaces the pools. Allocations whose addresses are no longer offered by one pool are released;
   * those that moved to another pool together are re-labelled. Returns the released keys.
   */
  setPools(pools: ReadonlyMap<string, Pool>): readonly string[] {
    this.#pools = pools;
    this.#blocks = new Map(
      [...pools.values()].map((pool) => [
        pool.name,
        blocksOf(pool).map((block) => ({ block, firstMaybeFree: block.first })),
      ]),
    );
    const released: string[] = [];
    for (const [key, holding] of this.#holdings) {
      const pool = poolOffering(pools, holding.ips);
      if (pool === undefined || !poolAdmits(pool, holding.claim)) {
        this.release(key);
        released.push(key);
      } else if (pool.name !== holding.pool) {
        this.#holdings.set(key, { ...holding, pool: pool.name });
      }
    }
    return released;
  }

  /** Gives exactly these addresses; idempotent. A refused call changes nothing. */
  assign(claim: Claim, ips: readonly IpAddress[]): Result<Allocation, Refusal> {
    const pool = poolOffering(this.#pools, ips);
    if (!pool) return err({ kind: 'notInAnyPool', ips });
    if (!poolAdmits(pool, claim)) {
      return err({ kind: 'poolNotForService', pool: pool.name, service: claim.key });
    }
    for (const ip of ips) {
      const conflict = this.#conflictOn(ip, claim);
      if (conflict) return err(conflict);
    }
    this.release(claim.key);
    return ok(this.#hold(claim, ips, pool.name));
  }

  /** Allocates from one pool, `autoAssign` or not. An existing allocation is kept if it still fits. */
  allocateFromPool(claim: Claim, wish: FamilyWish, poolName: string): Result<Allocation, Refusal> {
    const held = this.#holdings.get(claim.key);
    if (held) return this.#confirm(held, claim, wish);
    const pool = this.#pools.get(poolName);
    if (!pool) return err({ kind: 'unknownPool', pool: poolName });
    if (!poolAdmits(pool, claim)) {
      return err({ kind: 'poolNotForService', pool: pool.name, service: claim.key });
    }
    const ips = this.#bestOf([pool], claim, wish);
    return ips ? ok(ips) : err({ kind: 'exhausted', pool: poolName });
  }

  /**
   * Allocates from any `autoAssign` pool: pools reserved for this service by priority, then open
   * pools by name; inside a pool in the order of `addresses`, lowest address first.
   */
  allocate(claim: Claim, wish: FamilyWish): Result<Allocation, Refusal> {
    const held = this.#holdings.get(claim.key);
    if (held) return this.#confirm(held, claim, wish);
    const candidates = [...this.#pools.values()].filter((pool) => pool.autoAssign);
    const reserved = candidates
      .filter((pool) => pool.allocation !== undefined && poolAdmits(pool, claim))
      .toSorted(comparePriority);
    const open = candidates.filter((pool) => pool.allocation === undefined);
    for (const group of [reserved, open]) {
      const found = this.#bestOf(group, claim, wish);
      if (found) return ok(found);
    }
    return err({ kind: 'exhausted' });
  }

  /** Adds an address of the other family from the pool that the service already holds one of. */
  allocateAdditional(claim: Claim, family: Family): Result<Allocation, Refusal> {
    const held = this.#holdings.get(claim.key);
    const pool = held && this.#pools.get(held.pool);
    if (!held || !pool) return err({ kind: 'exhausted' });
    const ip = this.#freeIp(pool, family, claim);
    if (ip === undefined) return err({ kind: 'exhausted', pool: pool.name });
    this.release(claim.key);
    return ok(this.#hold(claim, [...held.ips, ip], pool.name));
  }

  /** Frees what the service holds; false when it held nothing. */
  release(key: string): boolean {
    const holding = this.#holdings.get(key);
    if (!holding) return false;
    this.#holdings.delete(key);
    for (const ip of holding.ips) {
      const holders = this.#holdersOf.get(ip)!;
      holders.delete(key);
      if (holders.size > 0) continue;
      this.#holdersOf.delete(ip);
      this.#sharedIps.get(holding.claim.sharingKey)?.delete(ip);
      this.#noteFree(ip);
    }
    return true;
  }

  /** What the service holds. */
  allocationOf(key: string): Holding | undefined {
    return this.#holdings.get(key);
  }

  /** Keys of the services on an address, sorted. */
  holdersOf(ip: IpAddress): readonly string[] {
    return [...(this.#holdersOf.get(ip) ?? [])].toSorted();
  }

  /** True when some pool offers the address. */
  isOffered(ip: IpAddress): boolean {
    return poolOffering(this.#pools, [ip]) !== undefined;
  }

  /** Counters of every pool, by name. */
  usage(): ReadonlyMap<string, PoolUsage> {
    const inUse = new Map<string, Set<IpAddress>>();
    for (const holding of this.#holdings.values()) {
      const set = inUse.get(holding.pool) ?? new Set<IpAddress>();
      for (const ip of holding.ips) set.add(ip);
      inUse.set(holding.pool, set);
    }
    return new Map(
      [...this.#pools.values()].map((pool) => [
        pool.name,
        usageFor(pool, inUse.get(pool.name) ?? new Set()),
      ]),
    );
  }

  #confirm(held: Holding, claim: Claim, wish: FamilyWish): Result<Allocation, Refusal> {
    if (wish.kind === 'one' && held.ips.some((ip) => familyOf(ip) !== wish.family)) {
      return err({ kind: 'wrongFamily', ips: held.ips });
    }
    return this.assign(claim, held.ips);
  }

  /** For `prefer`: a pool with both families, else one with the primary, else the other. */
  #bestOf(pools: readonly Pool[], claim: Claim, wish: FamilyWish): Allocation | undefined {
    const attempts: readonly (readonly Family[])[] =
      wish.kind === 'one'
        ? [[wish.family]]
        : wish.kind === 'both'
          ? [['ipv4', 'ipv6']]
          : [['ipv4', 'ipv6'], [wish.primary], [wish.primary === 'ipv4' ? 'ipv6' : 'ipv4']];
    for (const families of attempts) {
      for (const pool of pools) {
        const ips = families.map((family) => this.#freeIp(pool, family, claim));
        if (ips.every((ip) => ip !== undefined)) return this.#hold(claim, ips, pool.name);
      }
    }
    return undefined;
  }

  /** The lowest address, in the order of `addresses`, that is free or shareable for this claim. */
  #freeIp(pool: Pool, family: Family, claim: Claim): IpAddress | undefined {
    const shared = claim.sharingKey === '' ? undefined : this.#sharedIps.get(claim.sharingKey);
    const shareable = [...(shared ?? [])]
      .filter((ip) => familyOf(ip) === family && !this.#conflictOn(ip, claim))
      .map(addressValue);
    for (const state of this.#blocks.get(pool.name) ?? []) {
      if (state.block.family !== family) continue;
      const candidates = shareable.filter(
        (value) =>
          blockContains(state.block, family, value) &&
          !(pool.avoidBuggyIps && isBuggyAddress(family, value)),
      );
      const free = this.#firstFree(state, pool.avoidBuggyIps);
      if (free !== undefined) candidates.push(free);
      if (candidates.length === 0) continue;
      return addressText(
        family,
        candidates.reduce((a, b) => (a < b ? a : b)),
      );
    }
    return undefined;
  }

  #firstFree(state: BlockState, avoidBuggy: boolean): bigint | undefined {
    const { block } = state;
    let value = state.firstMaybeFree;
    while (
      value <= block.last &&
      ((avoidBuggy && isBuggyAddress(block.family, value)) ||
        this.#holdersOf.has(addressText(block.family, value)))
    ) {
      value++;
    }
    state.firstMaybeFree = value;
    return value <= block.last ? value : undefined;
  }

  #noteFree(ip: IpAddress): void {
    const family = familyOf(ip);
    const value = addressValue(ip);
    for (const states of this.#blocks.values()) {
      const state = states.find((candidate) => blockContains(candidate.block, family, value));
      if (!state) continue;
      if (value < state.firstMaybeFree) state.firstMaybeFree = value;
      return;
    }
  }

  #conflictOn(ip: IpAddress, claim: Claim): Refusal | undefined {
    const others = [...(this.#holdersOf.get(ip) ?? [])].filter((key) => key !== claim.key);
    if (others.length === 0) return undefined;
    const existing = this.#holdings.get(others[0]!)!.claim;
    const why = whyNotShared(existing, claim);
    if (why !== undefined) {
      return { kind: 'sharingConflict', service: claim.key, others: others.toSorted(), why };
    }
    for (const key of others) {
      const taken = this.#holdings.get(key)!.claim.ports;
      const port = claim.ports.find((candidate) => taken.includes(candidate));
      if (port !== undefined) return { kind: 'portInUse', port, ip };
    }
    return undefined;
  }

  #hold(claim: Claim, ips: readonly IpAddress[], pool: string): Allocation {
    const holding = { claim, ips, pool };
    this.#holdings.set(claim.key, holding);
    for (const ip of ips) {
      const holders = this.#holdersOf.get(ip) ?? new Set<string>();
      holders.add(claim.key);
      this.#holdersOf.set(ip, holders);
      if (claim.sharingKey === '') continue;
      const shared = this.#sharedIps.get(claim.sharingKey) ?? new Set<IpAddress>();
      shared.add(ip);
      this.#sharedIps.set(claim.sharingKey, shared);
    }
    return holding;
  }
}

/** The one pool that offers all of these addresses. */
export function poolOffering(
  pools: ReadonlyMap<string, Pool>,
  ips: readonly IpAddress[],
): Pool | undefined {
  const wanted = ips.map((ip) => ({ family: familyOf(ip), value: addressValue(ip) }));
  for (const pool of pools.values()) {
    const blocks = blocksOf(pool);
    const offersAll = wanted.every(
      ({ family, value }) =>
        !(pool.avoidBuggyIps && isBuggyAddress(family, value)) &&
        blocks.some((block) => blockContains(block, family, value)),
    );
    if (offersAll) return pool;
  }
  return undefined;
}

/** Whether the pool's serviceAllocation lets this service in. */
export function poolAdmits(
  pool: Pool,
  service: { readonly namespace: string; readonly labels: Labels },
): boolean {
  const { allocation } = pool;
  if (!allocation) return true;
  if (allocation.namespaces && !allocation.namespaces.has(service.namespace)) return false;
  return anySelectorMatches(allocation.serviceSelectors, service.labels);
}

function blocksOf(pool: Pool): readonly CidrBlock[] {
  return pool.ranges.flatMap((range) => range.blocks);
}

/** Lower number first, 0 (unset) last, then by name. */
function comparePriority(a: Pool, b: Pool): number {
  const rank = (pool: Pool): number => pool.allocation?.priority || Number.MAX_SAFE_INTEGER;
  return rank(a) - rank(b) || (a.name < b.name ? -1 : 1);
}

function whyNotShared(existing: Claim, claim: Claim): string | undefined {
  if (existing.sharingKey === '') return 'existing service does not allow sharing';
  if (claim.sharingKey === '') return 'new service does not allow sharing';
  if (existing.sharingKey !== claim.sharingKey) {
    return `sharing key "${claim.sharingKey}" does not match existing sharing key "${existing.sharingKey}"`;
  }
  if (existing.backendKey !== claim.backendKey) {
    return `backend key "${claim.backendKey}" does not match existing sharing key "${existing.backendKey}"`;
  }
  return undefined;
}
