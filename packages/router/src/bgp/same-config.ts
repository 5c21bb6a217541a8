// Which changes of a BGP configuration need a new session. Every option has a row, so that a new
// option does not compile before somebody has decided.

import type { BgpChannelConfig, BgpConfig } from '../config.ts';

type Effect =
  /** Peer, wire or stored routes depend on it: the protocol restarts. */
  | 'session'
  /** Taken over by a running session. */
  | 'absorbed'
  /** Compared elsewhere. */
  | 'apart';

const EFFECTS: Readonly<Record<keyof BgpConfig, Effect>> = {
  kind: 'apart',
  name: 'apart',
  disabled: 'apart',
  debug: 'absorbed',
  mrtDump: 'absorbed',
  description: 'absorbed',
  channels: 'apart',
  routerId: 'session',
  vrf: 'session',
  localAs: 'session',
  localAddress: 'session',
  localPort: 'session',
  neighborAddress: 'session',
  neighborRange: 'session',
  unnumbered: 'session',
  neighborAs: 'session',
  peerType: 'session',
  neighborPort: 'session',
  interface: 'session',
  multihop: 'session',
  strictBind: 'session',
  freeBind: 'session',
  passive: 'absorbed',
  dynamicName: 'session',
  dynamicNameDigits: 'session',
  checkLink: 'session',
  password: 'session',
  aoKeys: 'session',
  ttlSecurity: 'session',
  holdTimeSec: 'session',
  startupHoldTimeSec: 'absorbed',
  keepaliveTimeSec: 'session',
  minHoldTimeSec: 'session',
  minKeepaliveTimeSec: 'session',
  sendHoldTimeSec: 'session',
  connectDelayTimeSec: 'absorbed',
  connectRetryTimeSec: 'absorbed',
  errorWaitTimeMinSec: 'absorbed',
  errorWaitTimeMaxSec: 'absorbed',
  errorForgetTimeSec: 'absorbed',
  disableAfterError: 'absorbed',
  disableAfterCease: 'absorbed',
  pathMetric: 'session',
  medMetric: 'session',
  deterministicMed: 'session',
  igpMetric: 'session',
  preferOlder: 'session',
  defaultMed: 'session',
  defaultLocalPref: 'session',
  enforceFirstAs: 'session',
  allowLocalAs: 'session',
  allowBgpLocalPref: 'session',
  allowBgpMed: 'absorbed',
  allowAsSets: 'session',
  interpretCommunities: 'session',
  localRole: 'session',
  requireRoles: 'session',
  rsClient: 'session',
  rrClient: 'session',
  rrClusterId: 'session',
  confederation: 'session',
  confederationMember: 'session',
  capabilities: 'session',
  enableRouteRefresh: 'session',
  enableEnhancedRouteRefresh: 'session',
  enableAs4: 'session',
  enableExtendedMessages: 'session',
  advertiseHostname: 'session',
  advertiseSoftwareVersion: 'session',
  gracefulRestart: 'session',
  gracefulRestartTimeSec: 'session',
  gracefulNotification: 'session',
  longLivedGracefulRestart: 'session',
  longLivedStaleTimeSec: 'session',
  minGracefulRestartTimeSec: 'session',
  maxGracefulRestartTimeSec: 'session',
  requireCapabilities: 'session',
  bfd: 'absorbed',
};

/** True when a session under `a` may go on under `b`. */
export function sameBgpConfig(a: BgpConfig, b: BgpConfig): boolean {
  for (const [key, effect] of Object.entries(EFFECTS) as [keyof BgpConfig, Effect][]) {
    if (effect === 'session' && !sameValue(a[key], b[key])) return false;
  }
  return true;
}

/** Options of the whole protocol that change only what is exported. */
export function sameExportOptions(a: BgpConfig, b: BgpConfig): boolean {
  return (
    a.defaultLocalPref === b.defaultLocalPref &&
    a.allowBgpMed === b.allowBgpMed &&
    a.interpretCommunities === b.interpretCommunities
  );
}

/** Options of a channel besides its policy that change only what is exported. */
export function sameChannelExport(a: BgpChannelConfig, b: BgpChannelConfig): boolean {
  return (
    sameValue(a.exportLimit, b.exportLimit) &&
    a.nextHopSelf === b.nextHopSelf &&
    a.nextHopKeep === b.nextHopKeep &&
    a.nextHopAddress === b.nextHopAddress
  );
}

/** Options of a channel that both sides agreed on, or that old routes were judged by. */
export function sameChannelSession(a: BgpChannelConfig, b: BgpChannelConfig): boolean {
  return (
    a.netType === b.netType &&
    a.table === b.table &&
    a.mandatory === b.mandatory &&
    a.gateway === b.gateway &&
    a.igpTable === b.igpTable &&
    a.extendedNextHop === b.extendedNextHop &&
    a.requireExtendedNextHop === b.requireExtendedNextHop &&
    a.addPaths === b.addPaths &&
    a.requireAddPaths === b.requireAddPaths &&
    a.importTable === b.importTable &&
    a.secondary === b.secondary &&
    a.gracefulRestart === b.gracefulRestart &&
    a.longLivedGracefulRestart === b.longLivedGracefulRestart &&
    a.longLivedStaleTimeSec === b.longLivedStaleTimeSec &&
    a.minLongLivedStaleTimeSec === b.minLongLivedStaleTimeSec &&
    a.maxLongLivedStaleTimeSec === b.maxLongLivedStaleTimeSec
  );
}

/** Scalars, lists of scalars and flat records. */
function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const left = Object.entries(a);
  const right = b as Readonly<Record<string, unknown>>;
  return (
    left.length === Object.keys(right).length &&
    left.every(([key, value]) => sameValue(value, right[key]))
  );
}
