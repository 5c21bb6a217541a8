// Address families of BGP (RFC 4760): the pairs (AFI, SAFI) we route, and the names of the others
// for messages and consoles. Only IPv4 and IPv6 unicast are routed; the rest is named, not spoken.

import type { Family } from '@rookery/net';

export interface AfiSafi {
  readonly afi: number;
  readonly safi: number;
}

export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

/** The pair of a routed family. */
export function afiSafiOf(family: Family): AfiSafi {
  return family === 'ipv4' ? IPV4_UNICAST : IPV6_UNICAST;
}

/** The routed family of a pair, `undefined` for those that we do not speak. */
export function familyOfAfiSafi(afi: number, safi: number): Family | undefined {
  if (safi !== 1) return undefined;
  return afi === 1 ? 'ipv4' : afi === 2 ? 'ipv6' : undefined;
}

const IPV4_UNICAST: AfiSafi = { afi: 1, safi: 1 };
const IPV6_UNICAST: AfiSafi = { afi: 2, safi: 1 };
