// How full a pool is: the numbers of IPAddressPool status and of the metallb_allocator metrics.
// Numbers are clamped to what an int64 holds, as the API's fields are.

import { familyOf } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { Pool } from './config.ts';
import { blockCapacity } from './ip-range.ts';

export interface PoolUsage {
  readonly capacity: FamilyCount;
  readonly inUse: FamilyCount;
  readonly available: FamilyCount;
}

export interface FamilyCount {
  readonly ipv4: bigint;
  readonly ipv6: bigint;
  readonly total: bigint;
}

export const MAX_INT64 = 9_223_372_036_854_775_807n;

/** Counts of one pool, given the distinct addresses in use. */
export function usageFor(pool: Pool, inUse: ReadonlySet<IpAddress>): PoolUsage {
  const capacityOf = (family: Family): bigint =>
    clamp(
      pool.ranges
        .flatMap((range) => range.blocks)
        .filter((block) => block.family === family)
        .reduce((sum, block) => sum + blockCapacity(block, pool.avoidBuggyIps), 0n),
    );
  const usedOf = (family: Family): bigint =>
    BigInt([...inUse].filter((ip) => familyOf(ip) === family).length);
  const capacity = count(capacityOf('ipv4'), capacityOf('ipv6'));
  const used = count(usedOf('ipv4'), usedOf('ipv6'));
  // An endless pool stays endless.
  const left = (all: bigint, taken: bigint): bigint => (all === MAX_INT64 ? all : all - taken);
  const available = count(left(capacity.ipv4, used.ipv4), left(capacity.ipv6, used.ipv6));
  return { capacity, inUse: used, available };
}

function count(ipv4: bigint, ipv6: bigint): FamilyCount {
  return { ipv4, ipv6, total: clamp(ipv4 + ipv6) };
}

/** A block of 2^62 or more counts as endless. */
function clamp(value: bigint): bigint {
  return value >= 1n << 62n ? MAX_INT64 : value;
}
