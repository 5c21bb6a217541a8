// IP families of a list of addresses, as a Service's clusterIPs and ingress have them.

import { err, familyOf, ok, parseAddress } from '@rookery/net';
import type { Family, IpAddress, Result } from '@rookery/net';

/** One family, or both. */
export type StackFamily = Family | 'dual';

/** The family of one address, or `dual` for two of different families; else what is wrong. */
export function stackFamilyOf(addresses: readonly string[]): Result<StackFamily, string> {
  if (addresses.length === 0 || addresses.length > 2) {
    return err(`invalid ip addresses ${renderIps(addresses)}: one or two are possible`);
  }
  const parsed = addresses.map(parseAddress);
  if (parsed.includes(undefined)) return err(`invalid ip address in ${renderIps(addresses)}`);
  const [first, second] = (parsed as readonly IpAddress[]).map(familyOf);
  if (second === undefined) return ok(first!);
  if (first === second) return err(`same address family in ${renderIps(addresses)}`);
  return ok('dual');
}

/** `["192.168.2.1"]`: lists of addresses as MetalLB prints them in events. */
export function renderIps(addresses: readonly string[]): string {
  return `[${addresses.map((address) => `"${address}"`).join(' ')}]`;
}
