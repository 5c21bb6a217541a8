// A finished `protocol bgp`: the checks that need all of it, in BIRD's words, and the defaults.

import { isLinkLocal } from '@rookery/net';
import type { BgpChannelConfig, BgpConfig } from '@rookery/router';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Reader } from './reader.ts';
import { defined, finishChannel } from './draft.ts';
import type { BgpDraft, ChannelDraft } from './draft.ts';
import { finishCommon, tableOf } from './protocol-common.ts';

const IBGP_MULTIHOP = 64;

/** Checks a complete protocol; `end` is its closing brace, where BIRD reports. */
export function finishBgp(read: Reader, d: BgpDraft, end: Token): BgpConfig {
  const fail = (message: string, hint?: string): never => raise(end, 'semantic', message, hint);
  if (d.localAs === undefined) {
    fail('Local AS number must be set', `add to ${d.name} or its template: local as 64496;`);
  }
  if (d.neighborAddress === undefined && d.neighborRange === undefined) {
    fail('Neighbor must be configured', `add to ${d.name}: neighbor 192.0.2.1 as 64497;`);
  }
  if (d.neighborAs === undefined && d.peerType === undefined) {
    const hint = 'add: neighbor ADDRESS as NUMBER; or neighbor ADDRESS external;';
    fail('Remote AS number (or peer type) must be set', hint);
  }
  const localAs = d.localAs!;
  const neighborAs = d.neighborAs ?? 0;
  const peerType = d.peerType ?? (neighborAs === localAs ? 'internal' : 'external');
  const internal = peerType === 'internal';
  if (internal && neighborAs !== 0 && neighborAs !== localAs) {
    fail('IBGP cannot have different ASNs', 'remove "internal" or make both AS numbers equal');
  }
  if (!internal && neighborAs === localAs) {
    fail('EBGP cannot have the same ASNs', 'remove "external" or use different AS numbers');
  }

  const multihop = d.direct === undefined && internal ? IBGP_MULTIHOP : d.multihop;
  checkAddresses(d, multihop, fail);
  if (!internal && d.rrClient === true) fail('Only internal neighbor can be RR client');
  if (internal && d.rsClient === true) fail('Only external neighbor can be RS client');
  if (internal && d.localRole !== undefined) {
    fail('Local role cannot be set on IBGP sessions');
  }
  if (d.requireRoles === true && d.localRole === undefined) {
    fail('Local role must be set if roles are required');
  }
  if (d.confederationMember === true && d.confederation === undefined) {
    fail('Confederation ID must be set for member sessions');
  }
  const holdTimeSec = d.holdTimeSec ?? 240;
  if (d.keepaliveTimeSec !== undefined && d.keepaliveTimeSec > holdTimeSec) {
    fail('Keepalive time must be at most hold time');
  }
  const errorWaitTimeMinSec = d.errorWaitTimeMinSec ?? 60;
  const errorWaitTimeMaxSec = d.errorWaitTimeMaxSec ?? 300;
  if (errorWaitTimeMinSec > errorWaitTimeMaxSec) {
    fail('Error wait time: the minimum is above the maximum');
  }
  if (d.password !== undefined && d.authentication === undefined) {
    read.log.add('warning', end, 'deprecated', 'Missing authentication option, assuming MD5');
  }
  if (d.authentication === 'md5' && d.password === undefined) fail('Password must be set');
  checkAoKeys(d, fail);
  const gracefulRestart = d.gracefulRestart ?? 'aware';
  const longLivedGracefulRestart = d.longLivedGracefulRestart ?? gracefulRestart;
  // An internal peer is a member without the option, and BIRD ignores it there.
  const confederate = !internal && d.confederationMember === true;
  const channels = d.channels.map((channel) =>
    finishBgpChannel(read, d, channel, {
      end,
      multihop: multihop !== undefined,
      needsPolicy: !internal && !confederate,
      defaultReject: !internal && d.defaultReject === true,
      restart: gracefulRestart === 'on',
      longLived: longLivedGracefulRestart === 'on',
    }),
  );

  return {
    kind: 'bgp',
    ...finishCommon(d),
    localAs,
    ...defined('localAddress', d.localAddress),
    localPort: d.localPort ?? 179,
    ...defined('neighborAddress', d.neighborAddress),
    ...defined('neighborRange', d.neighborRange),
    unnumbered: false,
    neighborAs,
    peerType,
    neighborPort: d.neighborPort ?? 179,
    ...defined('interface', d.interface),
    ...defined('multihop', multihop),
    strictBind: d.strictBind ?? false,
    freeBind: d.freeBind ?? false,
    passive: d.passive ?? d.neighborRange !== undefined,
    dynamicName: d.dynamicName ?? 'dynbgp',
    dynamicNameDigits: d.dynamicNameDigits ?? 0,
    checkLink: d.checkLink ?? multihop === undefined,
    ...defined('password', isMd5(d) ? d.password : undefined),
    ...defined('aoKeys', d.authentication === 'ao' ? d.aoKeys : undefined),
    ttlSecurity: d.ttlSecurity ?? false,
    holdTimeSec,
    startupHoldTimeSec: d.startupHoldTimeSec ?? 240,
    ...defined('keepaliveTimeSec', d.keepaliveTimeSec),
    minHoldTimeSec: d.minHoldTimeSec ?? 0,
    minKeepaliveTimeSec: d.minKeepaliveTimeSec ?? 0,
    ...defined('sendHoldTimeSec', d.sendHoldTimeSec),
    connectDelayTimeSec: d.connectDelayTimeSec ?? 5,
    connectRetryTimeSec: d.connectRetryTimeSec ?? 120,
    errorWaitTimeMinSec,
    errorWaitTimeMaxSec,
    errorForgetTimeSec: d.errorForgetTimeSec ?? 300,
    disableAfterError: d.disableAfterError ?? false,
    disableAfterCease: d.disableAfterCease ?? [],
    pathMetric: d.pathMetric ?? true,
    medMetric: d.medMetric ?? false,
    deterministicMed: d.deterministicMed ?? false,
    igpMetric: d.igpMetric ?? true,
    preferOlder: d.preferOlder ?? false,
    defaultMed: d.defaultMed ?? 0,
    defaultLocalPref: d.defaultLocalPref ?? 100,
    enforceFirstAs: d.enforceFirstAs ?? false,
    allowLocalAs: d.allowLocalAs ?? 0,
    allowBgpLocalPref: d.allowBgpLocalPref ?? false,
    allowBgpMed: d.allowBgpMed ?? false,
    allowAsSets: d.allowAsSets ?? true,
    interpretCommunities: d.interpretCommunities ?? true,
    ...defined('localRole', d.localRole),
    requireRoles: d.requireRoles ?? false,
    rsClient: d.rsClient ?? false,
    rrClient: d.rrClient ?? false,
    ...defined('rrClusterId', d.rrClusterId),
    ...defined('confederation', d.confederation),
    confederationMember: confederate,
    capabilities: d.capabilities ?? true,
    enableRouteRefresh: d.enableRouteRefresh ?? true,
    enableEnhancedRouteRefresh: d.enableEnhancedRouteRefresh ?? true,
    enableAs4: d.enableAs4 ?? true,
    enableExtendedMessages: d.enableExtendedMessages ?? false,
    advertiseHostname: d.advertiseHostname ?? false,
    advertiseSoftwareVersion: d.advertiseSoftwareVersion ?? false,
    gracefulRestart,
    gracefulRestartTimeSec: d.gracefulRestartTimeSec ?? 120,
    gracefulNotification: d.gracefulNotification ?? false,
    longLivedGracefulRestart,
    longLivedStaleTimeSec: d.longLivedStaleTimeSec ?? 3600,
    ...defined('minGracefulRestartTimeSec', d.minGracefulRestartTimeSec),
    ...defined('maxGracefulRestartTimeSec', d.maxGracefulRestartTimeSec),
    requireCapabilities: d.requireCapabilities ?? [],
    ...defined('bfd', d.bfd),
    channels,
  };
}

/** A password without the option is MD5, as it always was. */
function isMd5({ authentication }: BgpDraft): boolean {
  return authentication === undefined || authentication === 'md5';
}

function checkAoKeys(d: BgpDraft, fail: (message: string, hint?: string) => never): void {
  const hint = 'write both: authentication ao; keys { key { id 1; secret "…"; }; };';
  if ((d.authentication === 'ao') !== (d.aoKeys !== undefined)) {
    fail('Authentication ao and keys must be used together', hint);
  }
  if (d.authentication === 'ao' && d.neighborRange !== undefined) {
    fail(
      'TCP-AO is not supported on dynamic BGP sessions',
      'use: authentication md5; password "…";',
    );
  }
}

function checkAddresses(
  d: BgpDraft,
  multihop: number | undefined,
  fail: (message: string, hint?: string) => never,
): void {
  const linkLocal =
    (d.neighborAddress !== undefined && isLinkLocalV6(d.neighborAddress)) ||
    (d.localAddress !== undefined && isLinkLocalV6(d.localAddress));
  if (multihop !== undefined && d.interface !== undefined && d.direct === false) {
    fail('Multihop BGP cannot be bound to interface', 'remove "multihop" or "interface"');
  }
  if (linkLocal && d.interface === undefined) {
    fail(
      'Link-local addresses require defined interface',
      `add: interface "eth0"; or write neighbor ${d.neighborAddress}%'eth0'`,
    );
  }
  if (multihop !== undefined && linkLocal && d.direct === false) {
    fail('Multihop BGP cannot be used with link-local addresses');
  }
  if (multihop !== undefined && d.bfd !== undefined && d.localAddress === undefined) {
    fail('Multihop BGP with BFD requires specified local address', 'add: local ADDRESS as NUMBER;');
  }
  if (d.strictBind === true && d.localAddress === undefined) {
    fail('Local address must be configured for strict bind', 'add: local ADDRESS as NUMBER;');
  }
  if (d.neighborAddress !== undefined && d.localAddress !== undefined) {
    if (d.neighborAddress.includes(':') !== d.localAddress.includes(':')) {
      fail('Local and neighbor address families differ');
    }
  }
}

function isLinkLocalV6(address: string): boolean {
  return address.includes(':') && isLinkLocal(address);
}

interface ChannelContext {
  readonly end: Token;
  readonly multihop: boolean;
  readonly needsPolicy: boolean;
  readonly defaultReject: boolean;
  readonly restart: boolean;
  readonly longLived: boolean;
}

function finishBgpChannel(
  read: Reader,
  d: BgpDraft,
  draft: ChannelDraft,
  context: ChannelContext,
): BgpChannelConfig {
  const { end } = context;
  const channel = context.defaultReject ? closed(draft) : draft;
  const fail = (message: string, hint?: string): never => raise(end, 'semantic', message, hint);
  // RFC 8212: an eBGP session without a policy would be an accident.
  if (context.needsPolicy && channel.importPolicy === undefined) {
    fail(
      'EBGP requires explicit import policy',
      `add to the ${channel.netType} channel of ${d.name}: import all; or a filter`,
    );
  }
  if (context.needsPolicy && channel.exportPolicy === undefined) {
    fail(
      'EBGP requires explicit export policy',
      `add to the ${channel.netType} channel of ${d.name}: export none; or a filter`,
    );
  }
  const gateway = channel.gateway ?? (context.multihop ? 'recursive' : 'direct');
  if (context.multihop && gateway === 'direct') {
    fail('Multihop BGP cannot use direct gateway mode');
  }
  const table = tableOf(read, channel);
  const symbol = read.scope.lookup(table);
  const sorted = symbol?.kind === 'routing table' && symbol.sorted;
  if (sorted && gateway === 'recursive') fail('BGP in recursive mode prohibits sorted table');
  if (!sorted && channel.secondary === true) {
    fail(
      'BGP with secondary option requires sorted table',
      `define it so: ${channel.netType} table ${table} sorted;`,
    );
  }
  const keepDefault = d.rrClient === true ? 'ibgp' : d.rsClient === true ? 'all' : 'off';
  return {
    ...finishChannel(channel, 'bgp', table),
    mandatory: channel.mandatory ?? false,
    nextHopSelf: channel.nextHopSelf ?? 'off',
    nextHopKeep: channel.nextHopKeep ?? keepDefault,
    ...defined('nextHopAddress', channel.nextHopAddress),
    gateway,
    ...defined('igpTable', channel.igpTable),
    extendedNextHop: channel.extendedNextHop ?? false,
    requireExtendedNextHop: channel.requireExtendedNextHop ?? false,
    addPaths: channel.addPaths ?? 'off',
    requireAddPaths: channel.requireAddPaths ?? false,
    importTable: channel.importTable ?? false,
    exportTable: channel.exportTable ?? false,
    secondary: channel.secondary ?? false,
    gracefulRestart: channel.gracefulRestart ?? context.restart,
    longLivedGracefulRestart: channel.longLivedGracefulRestart ?? context.longLived,
    ...defined('longLivedStaleTimeSec', channel.longLivedStaleTimeSec),
    ...defined(
      'minLongLivedStaleTimeSec',
      channel.minLongLivedStaleTimeSec ?? d.minLongLivedStaleTimeSec,
    ),
    ...defined(
      'maxLongLivedStaleTimeSec',
      channel.maxLongLivedStaleTimeSec ?? d.maxLongLivedStaleTimeSec,
    ),
  };
}

/** RFC 8212 §2: without a policy nothing passes. */
function closed(draft: ChannelDraft): ChannelDraft {
  const none = { kind: 'none' } as const;
  return {
    ...draft,
    importPolicy: draft.importPolicy ?? none,
    exportPolicy: draft.exportPolicy ?? none,
  };
}
