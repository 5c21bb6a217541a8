// A BGP instance as consoles see it: states, timers, capabilities, counters and the reasons why the
// last session ended, translated from the session machine's values. No text is composed here but
// BIRD's error texts, which are values of its own.

import {
  ABSENCE_TEXTS,
  birdErrorText,
  negotiatedOf,
  openFor,
  peerTimers,
  reasonText,
} from '@rookery/bgp';
import type { CapabilitySet, DownReason, Negotiated, PeerTimers } from '@rookery/bgp';
import { exportStatsOf } from '../channel.ts';
import type { BgpChannelConfig } from '../config.ts';
import type { BgpProtocol } from '../protocols/bgp.ts';
import type { BgpFamily } from './session-routes.ts';
import type {
  BgpErrorView,
  BgpFamilyView,
  BgpView,
  CapabilitiesView,
  ChannelView,
  ConnectionView,
  ResetReason,
  TimerView,
} from '../view.ts';

const ROLE_NAMES = ['provider', 'rs_server', 'rs_client', 'customer', 'peer'] as const;

export function bgpView(protocol: BgpProtocol): BgpView {
  const { config, peer, engine } = protocol;
  const nowMs = engine.presentMs;
  const negotiated = negotiatedOf(peer);
  const shown = negotiated ?? protocol.lastNegotiated;
  const { traffic } = peer;
  const tried = traffic.sent.open > 0;
  const offered =
    shown?.local ??
    openFor(config, peer.identity, { capabilities: true, again: false }).capabilities;
  const entry = engine.bfd.stateFor(protocol);
  const restart = protocol.families.find((f) => f.stale === 'regular');
  return {
    state: stateName(protocol),
    neighborPort: config.neighborPort,
    unnumbered: config.unnumbered,
    dynamic: protocol.parent !== undefined,
    neighborAs: config.neighborAs !== 0 ? config.neighborAs : (shown?.peerAs ?? 0),
    localAs: config.localAs,
    internal: (negotiated?.peerType ?? config.peerType) === 'internal',
    passive: config.passive,
    rrClient: config.rrClient,
    rsClient: config.rsClient,
    confederationMember: config.confederationMember,
    hasPassword: config.password !== undefined,
    localId: protocol.localId,
    as4Session: negotiated?.as4 ?? false,
    timers: {
      ...timersView(peerTimers(peer, nowMs), nowMs),
      ...(restart
        ? {
            restart: {
              dueMs: restart.staleUntilMs,
              totalMs: (restart.retention?.restartTimeSec ?? 0) * 1000,
            },
          }
        : {}),
    },
    configured: {
      holdTimeSec: config.holdTimeSec,
      keepaliveTimeSec: config.keepaliveTimeSec ?? Math.floor(config.holdTimeSec / 3),
      connectRetryTimeSec: config.connectRetryTimeSec,
    },
    restarting: protocol.families.some((f) => f.stale !== 'no'),
    createdMs: protocol.createdMs,
    sent: { ...traffic.sent },
    received: { ...traffic.received },
    connectionsEstablished: peer.connectionsEstablished,
    connectionsDropped: peer.connectionsDropped,
    families: familyViews(protocol),
    gracefulRestart: {
      mode: config.gracefulRestart,
      restartTimeSec: config.gracefulRestartTimeSec,
      // Only a restarting speaker offers a time; a helper's is the neighbor's.
      llgrStaleTimeSec: config.longLivedGracefulRestart === 'on' ? config.longLivedStaleTimeSec : 0,
    },
    ...optional('neighborAddress', config.neighborAddress),
    ...optional('neighborRange', config.neighborRange),
    ...optional('interface', config.interface),
    ...optional('multihop', config.multihop),
    ...optional('localRole', config.localRole),
    ...optional('neighborId', peer.remoteId),
    ...(tried ? { localCapabilities: capabilitiesView(offered) } : {}),
    ...(shown ? { neighborCapabilities: capabilitiesView(shown.remote) } : {}),
    ...(negotiated
      ? {
          negotiated: {
            holdTimeSec: negotiated.holdTimeSec,
            keepaliveTimeSec: negotiated.keepaliveTimeSec,
          },
        }
      : {}),
    ...(peer.lastError ? { lastError: errorView(peer.lastError.reason) } : {}),
    ...optional('lastReset', lastResetView(protocol)),
    ...optional('establishedMs', peer.upSinceMs),
    ...optional('lastReadMs', traffic.lastReadMs),
    ...optional('lastWriteMs', traffic.lastWriteMs),
    ...optional('lastUpdateMs', traffic.lastUpdateMs),
    ...optional('connection', connectionView(protocol)),
    ...(config.bfd
      ? {
          bfd: {
            multiplier: entry?.options?.multiplier ?? config.bfd.multiplier ?? 5,
            minRxIntervalMs:
              (entry?.options?.minRxIntervalUs ?? config.bfd.minRxIntervalUs ?? 10_000) / 1000,
            minTxIntervalMs:
              (entry?.options?.minTxIntervalUs ?? config.bfd.minTxIntervalUs ?? 100_000) / 1000,
            ...(entry?.state === undefined ? {} : { state: entry.state, sinceMs: entry.sinceMs }),
          },
        }
      : {}),
  };
}

/** A channel with what only the session knows: group counters, next hop, kept routes. */
export function bgpChannelView(
  family: BgpFamily,
  view: ChannelView,
  negotiated: Negotiated | undefined,
  recovering: boolean,
): ChannelView {
  const { membership, stale, retention, staleUntilMs } = family;
  const config = family.channel.config as BgpChannelConfig;
  const { ownNextHop, ownLinkLocal } = membership?.group.rules ?? {};
  const counters = membership && membership.group.countersFor(membership);
  const nextHop = [ownNextHop, ownLinkLocal].filter((address) => address !== undefined);
  const staleSec = stale === 'regular' ? retention?.restartTimeSec : retention?.llgrStaleTimeSec;
  return {
    ...view,
    counts: {
      ...view.counts,
      exported: membership ? membership.group.updates.announcedCount(membership.member) : 0,
    },
    updates: { ...view.updates, ...exportStatsOf(counters) },
    limits: {
      ...view.limits,
      ...(view.limits.export && {
        export: { ...view.limits.export, hit: membership?.group.exporter.limitHit ?? false },
      }),
    },
    ...(negotiated && nextHop.length > 0 ? { nextHop } : {}),
    ...(config.gateway === 'recursive' ? { igpTable: config.igpTable ?? config.table } : {}),
    ...(stale === 'no'
      ? {}
      : {
          neighborGr: stale,
          staleTimer: { dueMs: staleUntilMs, totalMs: (staleSec ?? 0) * 1000 },
        }),
    ...(recovering ? { recoveryPending: { waiting: family.negotiated } } : {}),
  };
}

function stateName(protocol: BgpProtocol): BgpView['state'] {
  if (protocol.state === 'down') return 'Down';
  if (protocol.state === 'stop' || protocol.state === 'flush') return 'Close';
  if (protocol.isRange) return 'Passive';
  return protocol.sessionWord;
}

function lastResetView({ peer, config, createdMs }: BgpProtocol): BgpView['lastReset'] {
  const { lastReset } = peer;
  if (lastReset) return { atMs: lastReset.atMs, reason: resetReason(lastReset.reason) };
  if (!config.unnumbered || config.neighborAddress !== undefined) return undefined;
  return { atMs: createdMs, reason: { kind: 'neighbor not found' } };
}

function timersView(timers: PeerTimers, nowMs: number): BgpView['timers'] {
  const view = (
    timer: { readonly remainingMs: number; readonly totalSec: number } | undefined,
  ): TimerView | undefined =>
    timer && { dueMs: nowMs + timer.remainingMs, totalMs: timer.totalSec * 1000 };
  return {
    ...optional('hold', view(timers.hold)),
    ...optional('keepalive', view(timers.keepalive)),
    ...optional('sendHold', view(timers.sendHold)),
    ...optional('connectDelay', view(timers.connectDelay)),
    ...optional('connectRetry', view(timers.connectRetry)),
    ...optional('errorWait', view(timers.errorWait)),
  };
}

function connectionView(protocol: BgpProtocol): ConnectionView | undefined {
  const { peer } = protocol;
  const live = peer.established && peer[peer.established];
  const endpoints =
    live && 'endpoints' in live ? live.endpoints : protocol.lastNegotiated?.endpoints;
  if (!endpoints) return undefined;
  const { local, localPort, remote, remotePort } = endpoints;
  return {
    open: peer.established !== undefined,
    local,
    localPort,
    remote,
    remotePort,
    queuedBytes: protocol.wire?.queuedBytes ?? 0,
    ...optional('mss', protocol.lastMss),
  };
}

function familyViews(protocol: BgpProtocol): readonly BgpFamilyView[] {
  return protocol.families.map((family): BgpFamilyView => {
    const { channel, membership } = family;
    const counts = channel.source === 0 ? undefined : channel.table.rib.counts(channel.source);
    const config = channel.config as BgpChannelConfig;
    const { importPolicy, exportPolicy } = config;
    return {
      family: family.family,
      channel: channel.name,
      negotiated: family.negotiated,
      acceptedPrefixes: counts?.imported ?? 0,
      sentPrefixes: membership ? membership.group.updates.announcedCount(membership.member) : 0,
      endOfRibSent: membership?.endOfRibSent ?? false,
      endOfRibReceived: family.endOfRibReceived,
      tableVersion: channel.table.version,
      softReconfiguration: config.importTable,
      ...optional('updateGroup', membership?.group.number),
      ...(importPolicy.kind === 'filter' ? { importPolicyName: importPolicy.name } : {}),
      ...(exportPolicy.kind === 'filter' ? { exportPolicyName: exportPolicy.name } : {}),
    };
  });
}

function capabilitiesView(set: CapabilitySet): CapabilitiesView {
  const { gracefulRestart, longLived } = set;
  const role = set.role === undefined ? undefined : ROLE_NAMES[set.role];
  return {
    multiprotocol: set.families,
    routeRefresh: set.routeRefresh,
    enhancedRefresh: set.enhancedRouteRefresh,
    extendedMessage: set.extendedMessages,
    as4: set.as4 !== undefined,
    extendedNextHop: set.extendedNextHop,
    addPathRx: set.addPath.filter((entry) => entry.rx).map((entry) => entry.family),
    addPathTx: set.addPath.filter((entry) => entry.tx).map((entry) => entry.family),
    ...(gracefulRestart
      ? {
          gracefulRestart: {
            restarting: gracefulRestart.restarting,
            notification: gracefulRestart.notification,
            restartTimeSec: gracefulRestart.restartTimeSec,
            families: gracefulRestart.families.map(({ family, forwardingPreserved }) => ({
              family,
              preserved: forwardingPreserved,
            })),
          },
        }
      : {}),
    ...(longLived
      ? {
          longLivedGracefulRestart: {
            families: longLived.families.map((entry) => ({
              family: entry.family,
              preserved: entry.forwardingPreserved,
              staleTimeSec: entry.staleTimeSec,
            })),
          },
        }
      : {}),
    ...(set.hostname === undefined
      ? {}
      : { hostname: { host: set.hostname, domain: set.domainName ?? '' } }),
    ...optional('softwareVersion', set.softwareVersion),
    ...optional('role', role),
  };
}

/** BIRD's class and text of an error. */
export function errorView(reason: DownReason): BgpErrorView {
  switch (reason.kind) {
    case 'notificationReceived':
    case 'notificationSent':
      return {
        class: reason.kind === 'notificationReceived' ? 'received' : 'sent',
        text: birdErrorText(reason.code, reason.subcode),
        notification: { code: reason.code, subcode: reason.subcode },
      };
    case 'transportFailed':
      return { class: 'socket', text: reason.error.message };
    case 'neighborLost':
      return { class: 'misc', text: ABSENCE_TEXTS[reason.because] };
    case 'bfdDown':
      return { class: 'misc', text: 'BFD session down' };
    case 'peerRestarted':
      return { class: 'misc', text: 'Graceful restart' };
    case 'stopped':
      return {
        class: 'automatic shutdown',
        text: reason.reason.kind === 'limitReached' ? 'Route limit exceeded' : '',
      };
  }
}

function resetReason(reason: DownReason): ResetReason {
  switch (reason.kind) {
    case 'notificationReceived':
    case 'notificationSent': {
      if (reason.kind === 'notificationSent' && reason.code === 4) {
        return { kind: 'hold timer expired' };
      }
      const text = reasonText(reason);
      const { code, subcode } = reason;
      return {
        kind:
          reason.kind === 'notificationReceived' ? 'notification received' : 'notification sent',
        code,
        subcode,
        ...(text === undefined ? {} : { message: text }),
        ...(reason.kind === 'notificationReceived' && reason.hard ? { hardReset: true } : {}),
      };
    }
    case 'transportFailed':
      return reason.error.code === 'EOF'
        ? { kind: 'peer closed' }
        : { kind: 'socket error', message: reason.error.message };
    case 'neighborLost':
      return { kind: 'interface down' };
    case 'bfdDown':
      return { kind: 'bfd down' };
    case 'peerRestarted':
      return { kind: 'peer closed' };
    case 'stopped':
      switch (reason.reason.kind) {
        case 'adminShutdown':
          return { kind: 'administrative shutdown' };
        case 'adminReset':
        case 'gracefulRestart':
          return { kind: 'user reset' };
        case 'deconfigured':
        case 'configChanged':
          return { kind: 'configuration changed' };
        case 'limitReached':
          return { kind: 'prefix limit' };
      }
  }
}

/** `{ [key]: value }`, or nothing for `undefined`, as exact optional properties want it. */
function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}
