// Sessions without addresses: the neighbor is the router that advertises itself on the interface, at
// its link-local address, and it learns ours in the same way (RFC 4861). What FRR calls `neighbor
// INTERFACE interface`.

import type { IpAddress } from '@rookery/net';
import type { BgpConfig, RadvInterfaceConfig } from '../config.ts';

/** Here we are, but no default router: that is for `protocol radv` to say. */
export const HERE_WE_ARE: RadvInterfaceConfig = {
  minIntervalSec: 10,
  maxIntervalSec: 10,
  minDelaySec: 1,
  solicitedUnicast: false,
  managed: false,
  otherConfig: false,
  linkMtu: 0,
  reachableTimeMs: 0,
  retransTimerMs: 0,
  currentHopLimit: 0,
  defaultLifetimeSec: 0,
  defaultPreference: 'medium',
  prefixLingerTimeSec: 0,
  prefixes: [],
};

/** The configuration with the address at which the neighbor was found, if it was. */
export function locatedConfig(config: BgpConfig, address: IpAddress | undefined): BgpConfig {
  if (!config.unnumbered || address === undefined) return config;
  return { ...config, neighborAddress: address };
}
