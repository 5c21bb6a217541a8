// Configurations for tests, built by hand with BIRD's defaults applied: what packages/bird makes of
// the same text. Only what a test cares about has to be said.

import type {
  BgpChannelConfig,
  BgpConfig,
  ChannelConfig,
  DebugMask,
  DeviceConfig,
  DirectConfig,
  KernelConfig,
  ProtocolConfig,
  RouterConfig,
  StaticConfig,
  StaticRoute,
} from '@rookery/router';
import type { Family } from '@rookery/net';
import type { Policy } from '@rookery/rib';

export const ALL: Policy = { kind: 'all' };
export const NONE: Policy = { kind: 'none' };
export const DEBUG_ALL: DebugMask = [
  'states',
  'routes',
  'filters',
  'interfaces',
  'events',
  'packets',
];

export function routerConfig(
  protocols: readonly ProtocolConfig[],
  change: Partial<RouterConfig> = {},
): RouterConfig {
  const format = { format: '%F %T.%3f' };
  return {
    routerIdFrom: [],
    tables: [
      { name: 'master4', netType: 'ipv4', sorted: false },
      { name: 'master6', netType: 'ipv6', sorted: false },
    ],
    protocols,
    logs: [],
    timeFormats: { route: format, protocol: format, base: format, log: format },
    debugCommands: 0,
    debugTables: [],
    gracefulRestartWaitSec: 240,
    symbols: [],
    sockets: [],
    ...change,
  };
}

export function channelConfig(
  family: Family,
  preference: number,
  change: Partial<ChannelConfig> = {},
): ChannelConfig {
  return {
    netType: family,
    table: family === 'ipv4' ? 'master4' : 'master6',
    importPolicy: ALL,
    exportPolicy: NONE,
    preference,
    importKeepFiltered: false,
    rpkiReload: true,
    debug: DEBUG_ALL,
    ...change,
  };
}

export function deviceConfig(change: Partial<DeviceConfig> = {}): DeviceConfig {
  return {
    kind: 'device',
    name: 'device1',
    disabled: false,
    debug: DEBUG_ALL,
    scanTimeSec: 60,
    interfaces: [],
    ...change,
  };
}

export function directConfig(change: Partial<DirectConfig> = {}): DirectConfig {
  return {
    kind: 'direct',
    name: 'direct1',
    disabled: false,
    debug: DEBUG_ALL,
    channels: [channelConfig('ipv4', 240)],
    interfaces: [],
    checkLink: false,
    ...change,
  };
}

export function kernelConfig(
  family: Family,
  exportPolicy: Policy,
  change: Partial<KernelConfig> = {},
): KernelConfig {
  return {
    kind: 'kernel',
    name: family === 'ipv4' ? 'kernel4' : 'kernel6',
    disabled: false,
    debug: DEBUG_ALL,
    channel: channelConfig(family, 10, { exportPolicy }),
    persist: false,
    scanTimeSec: 60,
    learn: 'off',
    kernelTable: 254,
    metric: 32,
    linkBandwidthWeights: false,
    gracefulRestart: false,
    ...change,
  };
}

export function staticConfig(
  routes: readonly StaticRoute[],
  change: Partial<StaticConfig> = {},
): StaticConfig {
  return {
    kind: 'static',
    name: 'static1',
    disabled: false,
    debug: DEBUG_ALL,
    channel: channelConfig('ipv4', 200),
    checkLink: false,
    routes,
    ...change,
  };
}

/** A route without next hop, as a speaker originates its addresses. */
export function blackhole(net: string): StaticRoute {
  return { net, dest: 'blackhole', via: [] };
}

export function via(net: string, ...gateways: string[]): StaticRoute {
  return {
    net,
    dest: 'unicast',
    via: gateways.map((gateway) => ({ gateway, weight: 1, onlink: false, bfd: false })),
  };
}

export function bgpChannelConfig(
  family: Family,
  change: Partial<BgpChannelConfig> = {},
): BgpChannelConfig {
  return {
    ...channelConfig(family, 100),
    mandatory: false,
    nextHopSelf: 'off',
    nextHopKeep: 'off',
    gateway: 'direct',
    extendedNextHop: false,
    requireExtendedNextHop: false,
    addPaths: 'off',
    requireAddPaths: false,
    importTable: false,
    exportTable: false,
    secondary: false,
    gracefulRestart: false,
    longLivedGracefulRestart: false,
    ...change,
  };
}

export function bgpConfig(
  name: string,
  neighborAddress: string,
  asns: { readonly local: number; readonly remote: number },
  change: Partial<BgpConfig> = {},
): BgpConfig {
  return {
    kind: 'bgp',
    name,
    disabled: false,
    debug: DEBUG_ALL,
    localAs: asns.local,
    localPort: 179,
    neighborAddress,
    unnumbered: false,
    neighborAs: asns.remote,
    peerType: asns.local === asns.remote ? 'internal' : 'external',
    neighborPort: 179,
    strictBind: false,
    freeBind: false,
    passive: false,
    dynamicName: 'dynbgp',
    dynamicNameDigits: 0,
    checkLink: true,
    ttlSecurity: false,
    holdTimeSec: 240,
    startupHoldTimeSec: 240,
    minHoldTimeSec: 0,
    minKeepaliveTimeSec: 0,
    connectDelayTimeSec: 5,
    connectRetryTimeSec: 120,
    errorWaitTimeMinSec: 60,
    errorWaitTimeMaxSec: 300,
    errorForgetTimeSec: 300,
    disableAfterError: false,
    disableAfterCease: [],
    pathMetric: true,
    medMetric: false,
    deterministicMed: false,
    igpMetric: true,
    preferOlder: false,
    defaultMed: 0,
    defaultLocalPref: 100,
    enforceFirstAs: false,
    allowLocalAs: 0,
    allowBgpLocalPref: false,
    allowBgpMed: false,
    allowAsSets: true,
    interpretCommunities: true,
    requireRoles: false,
    rsClient: false,
    rrClient: false,
    confederationMember: false,
    capabilities: true,
    enableRouteRefresh: true,
    enableEnhancedRouteRefresh: true,
    enableAs4: true,
    enableExtendedMessages: false,
    advertiseHostname: false,
    advertiseSoftwareVersion: false,
    gracefulRestart: 'aware',
    gracefulRestartTimeSec: 120,
    gracefulNotification: false,
    longLivedGracefulRestart: 'aware',
    longLivedStaleTimeSec: 3600,
    requireCapabilities: [],
    channels: [bgpChannelConfig('ipv4')],
    ...change,
  };
}
