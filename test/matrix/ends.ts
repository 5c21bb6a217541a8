// The two setups that every scenario starts from: eBGP between documentation ASNs of four octets
// over IPv4, a route of each family on either side.

import { PEER, US } from './bench.ts';
import type { Neighbor, Origin, Setup } from './peer.ts';

export const OUR_AS = 65536;
export const PEER_AS = 65537;

export const OUR_ROUTES: readonly Origin[] = [
  {
    prefix: '198.51.100.0/24',
    communities: ['64496:11', '64496:12'],
    largeCommunities: ['65536:1:2', '65536:4294967295:3'],
  },
  { prefix: '2001:db8:100::/48', communities: ['64496:13'] },
];
export const PEER_ROUTES: readonly Origin[] = [
  {
    prefix: '203.0.113.0/24',
    communities: ['64497:21', '64497:22'],
    largeCommunities: ['65537:1:2', '65537:4294967295:3'],
  },
  { prefix: '2001:db8:200::/48', communities: ['64497:23'] },
];

export interface Ends {
  readonly ours: Setup;
  readonly theirs: Setup;
}

/** Both setups with the same changes to both neighbors, then those of one side. */
export function endsWith(
  both: Partial<Neighbor> = {},
  our: Partial<Neighbor> = {},
  their: Partial<Neighbor> = {},
): Ends {
  return {
    ours: {
      as: OUR_AS,
      routerId: US.v4,
      originate: OUR_ROUTES,
      neighbors: [
        {
          local: US.v4,
          remote: PEER.v4,
          as: PEER_AS,
          families: ['ipv4', 'ipv6'],
          ...both,
          ...our,
        },
      ],
    },
    theirs: {
      as: PEER_AS,
      routerId: PEER.v4,
      originate: PEER_ROUTES,
      neighbors: [
        {
          local: PEER.v4,
          remote: US.v4,
          as: OUR_AS,
          families: ['ipv4', 'ipv6'],
          ...both,
          ...their,
        },
      ],
    },
  };
}
