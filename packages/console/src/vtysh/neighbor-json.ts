// `show bgp neighbors json`: one object per neighbor with FRR 9.1's keys in FRR's order.

import type { Family } from '@rookery/net';
import type { BgpView, CapabilitiesView } from '@rookery/router';
import {
  ageMs,
  epochSec,
  FAMILIES,
  FAMILY_KEYS,
  familyOfNeighbor,
  fsmState,
  receivedTotal,
  sentTotal,
} from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';
import { dayClock, peerAge } from './durations.ts';
import type { Json } from './json.ts';
import * as facts from './neighbor-facts.ts';
import { bfdStatus, remoteId } from './neighbor-text.ts';
import { notificationOf, notificationText, resetCode, resetText } from './reset-reason.ts';

type JsonObject = { [key: string]: Json | undefined };

export function neighborJson(context: VtyContext, neighbor: Neighbor): Json {
  const { bgp, protocol } = neighbor;
  const established = bgp.state === 'Established';
  return {
    ...(bgp.unnumbered && { bgpNeighborAddr: bgp.neighborAddress ?? 'none' }),
    remoteAs: bgp.neighborAs,
    localAs: bgp.localAs,
    [bgp.internal ? 'nbrInternalLink' : 'nbrExternalLink']: true,
    localRole: bgp.localRole ?? 'undefined',
    remoteRole: bgp.neighborCapabilities?.role ?? 'undefined',
    nbrDesc: protocol.description,
    hostname: bgp.neighborCapabilities?.hostname?.host ?? 'Unknown',
    domainname: bgp.neighborCapabilities?.hostname?.domain || undefined,
    adminShutDown: protocol.disabled ? true : undefined,
    bgpVersion: 4,
    remoteRouterId: remoteId(bgp),
    localRouterId: bgp.localId,
    bgpState: fsmState(bgp),
    ...timerKeys(context, bgp),
    neighborCapabilities: established ? capabilityKeys(bgp) : undefined,
    gracefulRestartInfo: {
      endOfRibSend: endOfRibKeys(bgp, 'sent'),
      endOfRibRecv: endOfRibKeys(bgp, 'received'),
      ...gracefulRestartKeys(bgp),
    },
    messageStats: messageKeys(bgp),
    minBtwnAdvertisementRunsTimerMsecs: 0,
    addressFamilyInfo: familyKeys(bgp),
    connectionsEstablished: bgp.connectionsEstablished,
    connectionsDropped: bgp.connectionsDropped,
    ...resetKeys(context, bgp),
    ...connectionKeys(context, neighbor),
    peerBfdInfo: bfdKeys(context, bgp),
  };
}

/** Milliseconds in whole seconds, as FRR counts. */
function wholeMs(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

function timerKeys(context: VtyContext, bgp: BgpView): JsonObject {
  const established = bgp.state === 'Established' && bgp.establishedMs !== undefined;
  const up = established ? ageMs(context, bgp.establishedMs!) : 0;
  const { holdTimeSec, keepaliveTimeSec } = facts.holdTimes(bgp);
  return {
    ...(established && {
      bgpTimerUpMsec: wholeMs(up),
      bgpTimerUpString: peerAge(up),
      bgpTimerUpEstablishedEpoch: epochSec(context, bgp.establishedMs!),
    }),
    bgpTimerLastRead: wholeMs(ageMs(context, facts.lastReadMs(bgp))),
    bgpTimerLastWrite: wholeMs(ageMs(context, bgp.lastWriteMs ?? bgp.createdMs)),
    bgpInUpdateElapsedTimeMsecs: wholeMs(ageMs(context, bgp.lastUpdateMs ?? bgp.createdMs)),
    bgpTimerConfiguredHoldTimeMsecs: bgp.configured.holdTimeSec * 1000,
    bgpTimerConfiguredKeepAliveIntervalMsecs: bgp.configured.keepaliveTimeSec * 1000,
    bgpTimerHoldTimeMsecs: holdTimeSec * 1000,
    bgpTimerKeepAliveIntervalMsecs: keepaliveTimeSec * 1000,
    bgpTcpMssConfigured: 0,
    bgpTcpMssSynced: bgp.connection?.mss ?? 0,
    extendedOptionalParametersLength: false,
    bgpTimerConfiguredConditionalAdvertisementsSec: 60,
  };
}

const SIDE_KEYS = {
  advertised: 'advertised',
  received: 'received',
  'advertised and received': 'advertisedAndReceived',
} as const;

function capabilityKeys(bgp: BgpView): JsonObject {
  const sides = (has: (c: CapabilitiesView) => boolean): string | undefined => {
    const found = facts.sidesOf(bgp, has);
    return found && SIDE_KEYS[found];
  };
  const peer = bgp.neighborCapabilities;
  const addPath = sides((c) => c.addPathRx.length + c.addPathTx.length > 0);
  const llgr = sides((c) => c.longLivedGracefulRestart !== undefined);
  const gr = sides((c) => c.gracefulRestart !== undefined);
  return {
    '4byteAs': sides((c) => c.as4),
    extendedMessage: sides((c) => c.extendedMessage),
    addPath: addPath && addPathKeys(bgp),
    role: sides((c) => c.role !== undefined),
    extendedNexthop: sides((c) => c.extendedNextHop.length > 0),
    longLivedGracefulRestart: llgr,
    longLivedGracefulRestartByPeer: llgr && byPeer(peer?.longLivedGracefulRestart?.families ?? []),
    routeRefresh: sides((c) => c.routeRefresh),
    enhancedRouteRefresh: sides((c) => c.enhancedRefresh),
    multiprotocolExtensions: multiprotocolKeys(bgp),
    hostName: {
      ...hostKeys('adv', bgp.localCapabilities),
      ...hostKeys('rcv', peer),
    },
    softwareVersion: {
      advertisedSoftwareVersion: bgp.localCapabilities?.softwareVersion,
      receivedSoftwareVersion: peer?.softwareVersion,
    },
    gracefulRestart: gr,
    gracefulRestartRemoteTimerMsecs:
      peer?.gracefulRestart && peer.gracefulRestart.restartTimeSec * 1000,
    addressFamiliesByPeer: gr && grFamilies(peer),
  };
}

function byPeer(families: readonly { readonly family: Family }[]): JsonObject {
  return Object.fromEntries(families.map((f) => [FAMILY_KEYS[f.family], true]));
}

function grFamilies(peer: CapabilitiesView | undefined): Json {
  const families = peer?.gracefulRestart?.families ?? [];
  if (families.length === 0) return 'none';
  return Object.fromEntries(
    families.map((f) => [FAMILY_KEYS[f.family], f.preserved ? 'preserved' : 'notPreserved']),
  );
}

function addPathKeys(bgp: BgpView): JsonObject {
  const result: JsonObject = {};
  for (const family of FAMILIES) {
    const tx = facts.sidesOf(bgp, (c) => c.addPathTx.includes(family));
    const rx = facts.sidesOf(bgp, (c) => c.addPathRx.includes(family));
    if (!tx && !rx) continue;
    result[FAMILY_KEYS[family]] = { ...directionKey('tx', tx), ...directionKey('rx', rx) };
  }
  return result;
}

function directionKey(direction: 'tx' | 'rx', sides: facts.Sides | undefined): JsonObject {
  if (!sides) return {};
  const word = SIDE_KEYS[sides];
  return { [`${direction}${word[0]!.toUpperCase()}${word.slice(1)}`]: true };
}

function multiprotocolKeys(bgp: BgpView): JsonObject {
  const result: JsonObject = {};
  for (const family of FAMILIES) {
    const sides = facts.sidesOf(bgp, (c) => c.multiprotocol.includes(family));
    if (sides) result[FAMILY_KEYS[family]] = { [SIDE_KEYS[sides]]: true };
  }
  return result;
}

function hostKeys(prefix: 'adv' | 'rcv', capabilities: CapabilitiesView | undefined): JsonObject {
  const hostname = capabilities?.hostname;
  if (!hostname) return {};
  return {
    [`${prefix}HostName`]: hostname.host,
    [`${prefix}DomainName`]: hostname.domain === '' ? 'n/a' : hostname.domain,
  };
}

function endOfRibKeys(bgp: BgpView, direction: 'sent' | 'received'): JsonObject {
  if (bgp.state !== 'Established') return {};
  const families = FAMILIES.filter((family) => facts.endOfRib(bgp, family)[direction]);
  return Object.fromEntries(families.map((family) => [FAMILY_KEYS[family], true]));
}

/** The part that `show bgp neighbors graceful-restart json` prints too. */
export function gracefulRestartKeys(bgp: BgpView): JsonObject {
  const established = bgp.state === 'Established';
  const peer = established ? bgp.neighborCapabilities?.gracefulRestart : undefined;
  const { restartTimeSec, llgrStaleTimeSec } = bgp.gracefulRestart;
  const result: JsonObject = {
    localGrMode: facts.localGrMode(bgp),
    remoteGrMode: facts.remoteGrMode(bgp),
    rBit: peer?.restarting ?? false,
    nBit: peer?.notification ?? false,
    timers: {
      configuredRestartTimer: restartTimeSec,
      configuredLlgrStaleTime: llgrStaleTimeSec,
      receivedRestartTimer: facts.receivedRestartTimeSec(bgp),
    },
  };
  if (!established) return result;
  for (const family of FAMILIES) {
    if (!familyOfNeighbor(bgp, family)) continue;
    const eor = facts.endOfRib(bgp, family);
    result[FAMILY_KEYS[family]] = {
      fBit: facts.preservedByPeer(bgp, family),
      endOfRibStatus: {
        endOfRibSend: eor.sent,
        endOfRibSentAfterUpdate: eor.sent,
        endOfRibRecv: eor.received,
      },
      timers: { stalePathTimer: 360, llgrStaleTime: llgrStaleTimeSec },
    };
  }
  return result;
}

function messageKeys(bgp: BgpView): JsonObject {
  const { sent, received } = bgp;
  return {
    depthInq: 0,
    depthOutq: (bgp.connection?.queuedBytes ?? 0) > 0 ? 1 : 0,
    opensSent: sent.open,
    opensRecv: received.open,
    notificationsSent: sent.notification,
    notificationsRecv: received.notification,
    updatesSent: sent.update,
    updatesRecv: received.update,
    keepalivesSent: sent.keepalive,
    keepalivesRecv: received.keepalive,
    routeRefreshSent: sent.routeRefresh,
    routeRefreshRecv: received.routeRefresh,
    capabilitySent: 0,
    capabilityRecv: 0,
    totalSent: sentTotal(bgp),
    totalRecv: receivedTotal(bgp),
  };
}

function familyKeys(bgp: BgpView): JsonObject {
  const result: JsonObject = {};
  for (const family of FAMILIES) {
    const view = familyOfNeighbor(bgp, family);
    if (!view) continue;
    const active = bgp.state === 'Established' && view.negotiated;
    const group = active ? view.updateGroup : undefined;
    result[FAMILY_KEYS[family]] = {
      ...(group !== undefined && {
        updateGroupId: group,
        subGroupId: group,
        packetQueueLength: 0,
      }),
      inboundSoftConfigPermit: view.softReconfiguration ? true : undefined,
      routeReflectorClient: bgp.rrClient ? true : undefined,
      commAttriSentToNbr: 'extendedAndStandard',
      inboundPathPolicyConfig: view.importPolicyName === undefined ? undefined : true,
      outboundPathPolicyConfig: view.exportPolicyName === undefined ? undefined : true,
      routeMapForIncomingAdvertisements: view.importPolicyName,
      routeMapForOutgoingAdvertisements: view.exportPolicyName,
      acceptedPrefixCounter: view.acceptedPrefixes,
      sentPrefixCounter: group === undefined ? undefined : view.sentPrefixes,
    };
  }
  return result;
}

function resetKeys(context: VtyContext, bgp: BgpView): JsonObject {
  const reason = bgp.lastReset?.reason;
  const notification = notificationOf(reason);
  const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0');
  return {
    lastResetTimerMsecs: wholeMs(ageMs(context, facts.lastResetMs(bgp))),
    ...(notification && {
      lastErrorCodeSubcode: hex(notification.code) + hex(notification.subcode),
      lastNotificationReason: notificationText(notification.code, notification.subcode),
      lastNotificationHardReset: notification.hardReset,
      lastShutdownDescription: notification.message,
    }),
    lastResetDueTo: resetText(reason),
    lastResetCode: resetCode(reason),
    softwareVersion: bgp.neighborCapabilities?.softwareVersion ?? 'n/a',
  };
}

function connectionKeys(context: VtyContext, neighbor: Neighbor): JsonObject {
  const { bgp } = neighbor;
  const connection = facts.connectionFacts(context, neighbor);
  const pending = facts.pendingTimer(bgp);
  const open = bgp.connection?.open === true;
  const thread = open && bgp.state !== 'Connect' && bgp.state !== 'Active' ? 'on' : 'off';
  const established = bgp.state === 'Established';
  return {
    [bgp.internal ? 'internalBgpNbrMaxHopsAway' : 'externalBgpNbrMaxHopsAway']: facts.maxHops(bgp),
    ...(connection
      ? {
          hostLocal: connection.local,
          portLocal: connection.localPort,
          hostForeign: connection.remote,
          portForeign: connection.remotePort,
          nexthop: connection.nexthop,
          nexthopGlobal: connection.nexthopGlobal,
          nexthopLocal: connection.nexthopLocal,
          bgpConnection: connection.shared ? 'sharedNetwork' : 'nonSharedNetwork',
        }
      : {
          hostLocal: 'Unknown',
          portLocal: -1,
          hostForeign: 'Unknown',
          portForeign: -1,
          nexthop: 'Unknown',
          nexthopGlobal: 'Unknown',
          nexthopLocal: 'Unknown',
          bgpConnection: 'Unknown',
        }),
    connectRetryTimer: bgp.configured.connectRetryTimeSec,
    estimatedRttInMsecs: established ? (bgp.connection?.rttMs ?? 0) : undefined,
    ...(pending && {
      [pending.kind === 'start' ? 'nextStartTimerDueInMsecs' : 'nextConnectTimerDueInMsecs']:
        facts.leftSec(context, pending.timer) * 1000,
    }),
    authenticationEnabled: bgp.hasPassword ? 1 : undefined,
    readThread: thread,
    writeThread: thread,
  };
}

function bfdKeys(context: VtyContext, bgp: BgpView): JsonObject | undefined {
  const { bfd } = bgp;
  if (!bfd) return undefined;
  return {
    type: bgp.multihop === undefined ? 'single hop' : 'multi hop',
    detectMultiplier: bfd.multiplier,
    rxMinInterval: bfd.minRxIntervalMs,
    txMinInterval: bfd.minTxIntervalMs,
    status: bfdStatus(bfd.state),
    lastUpdate: bfd.sinceMs === undefined ? 'never' : dayClock(ageMs(context, bfd.sinceMs)),
  };
}
