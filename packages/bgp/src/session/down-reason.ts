// Why a session ended, in words and consequences: constructors of DownReason, BIRD's "Last error"
// with its class word, and which routes may outlive the session (RFC 4724, 8538, 9494).

import { CEASE, ERROR } from '../wire/constants.ts';
import { birdErrorText } from '../wire/error-texts.ts';
import type { Notification } from '../wire/fault.ts';
import { shutdownText } from '../wire/notification.ts';
import type { DecodedNotification } from '../wire/notification.ts';
import { sessionChannels } from './negotiate.ts';
import type {
  Absence,
  DownCategory,
  DownReason,
  FamilyRetention,
  Negotiated,
  Retention,
  SessionConfig,
  StopReason,
  TransportError,
} from './types.ts';

export function receivedReason(notification: DecodedNotification): DownReason {
  const { code, subcode, data, hard, text } = notification;
  return {
    kind: 'notificationReceived',
    side: 'remote',
    category: categoryOf(code, subcode),
    code,
    subcode,
    data,
    hard,
    ...(text !== undefined && { text }),
  };
}

export function sentReason({ code, subcode, data }: Notification, detail?: string): DownReason {
  return {
    kind: 'notificationSent',
    side: 'local',
    category: categoryOf(code, subcode),
    code,
    subcode,
    data,
    ...(detail !== undefined && { detail }),
  };
}

/** BIRD's words; it has none for a VRF that does not exist. */
export const ABSENCE_TEXTS: Readonly<Record<Absence, string>> = {
  neighbor: 'Neighbor lost',
  link: 'Link down',
  vrf: 'VRF does not exist',
};

export function transportReason(error: TransportError): DownReason {
  return { kind: 'transportFailed', side: 'remote', category: 'transport', error };
}

export function stoppedReason(reason: StopReason): DownReason {
  return { kind: 'stopped', side: 'local', category: STOP_CATEGORY[reason.kind], reason };
}

/** The orderly close of a peer that said nothing. */
export const CONNECTION_CLOSED: TransportError = {
  operation: 'read',
  code: 'EOF',
  message: 'Connection closed',
};

/**
 * BIRD's class word and text: "Received: Administrative shutdown", "BGP Error: Bad peer AS",
 * "Socket: Connection refused", "Error: Neighbor lost". `undefined` for a stop on request, which
 * BIRD does not remember as an error.
 */
export function birdLastError(reason: DownReason): string | undefined {
  switch (reason.kind) {
    case 'notificationReceived':
      return `Received: ${birdErrorText(reason.code, reason.subcode)}`;
    case 'notificationSent':
      return `BGP Error: ${birdErrorText(reason.code, reason.subcode)}`;
    case 'transportFailed':
      return `Socket: ${reason.error.message}`;
    case 'neighborLost':
      return `Error: ${ABSENCE_TEXTS[reason.because]}`;
    case 'bfdDown':
      return 'Error: BFD session down';
    case 'peerRestarted':
      return 'Error: Graceful restart';
    case 'stopped':
      return reason.reason.kind === 'limitReached'
        ? 'Automatic shutdown: Route limit exceeded'
        : undefined;
  }
}

/**
 * Which routes of the peer may be kept when the session ends for `reason`: only after a silent end,
 * only for families that the peer said it forwards through its restart. Unlike BIRD 2.x, a peer whose
 * capability lists no family (FRR's helper default) has promised nothing, so nothing is kept.
 */
export function retentionFor(
  negotiated: Negotiated,
  reason: DownReason,
  config: SessionConfig,
): Retention {
  if (!negotiated.gracefulRestart || !isGraceful(negotiated, reason, config)) return NOTHING;
  const families: FamilyRetention[] = [];
  for (const { family, channel } of sessionChannels(config)) {
    if (!negotiated.families.some((agreed) => agreed.family === family)) continue;
    const graceful = negotiated.remote.gracefulRestart!;
    const listed = graceful.families.some((entry) => entry.family === family);
    const longLived = negotiated.longLived
      ? negotiated.remote.longLived!.families.find((entry) => entry.family === family)
      : undefined;
    // RFC 4724 §4.2, RFC 9494 §4.3: the times the peer asked for, bounded by the operator.
    const restartTimeSec =
      listed && keepsGraceful(config, channel.gracefulRestart)
        ? bounded(
            graceful.restartTimeSec,
            config.minGracefulRestartTimeSec,
            config.maxGracefulRestartTimeSec,
          )
        : 0;
    const llgrStaleTimeSec =
      longLived && keepsLongLived(config, channel.longLivedGracefulRestart)
        ? bounded(
            longLived.staleTimeSec,
            channel.minLongLivedStaleTimeSec,
            channel.maxLongLivedStaleTimeSec,
          )
        : 0;
    if (restartTimeSec + llgrStaleTimeSec > 0) {
      families.push({ family, restartTimeSec, llgrStaleTimeSec });
    }
  }
  return families.length > 0 ? { families } : NOTHING;
}

export const NOTHING: Retention = { families: [] };

function isGraceful(negotiated: Negotiated, reason: DownReason, config: SessionConfig): boolean {
  switch (reason.kind) {
    case 'transportFailed':
    case 'peerRestarted':
      return true;
    case 'bfdDown':
      return config.bfd?.graceful === true;
    case 'notificationSent':
      // RFC 8538 §4: who sends it keeps routes too. Hold timer expiry looks to RFC 4724 like a loss.
      return reason.code === ERROR.holdTimerExpired || negotiated.gracefulNotification;
    case 'notificationReceived':
      // RFC 8538 §4: with the N bit on both sides a NOTIFICATION keeps routes, a hard reset does not.
      return negotiated.gracefulNotification && !reason.hard;
    case 'neighborLost':
    case 'stopped':
      return false;
  }
}

function bounded(value: number, min = 0, max = Infinity): number {
  return Math.max(min, Math.min(value, max));
}

/** Helper mode is per session; with `graceful restart on` each channel may opt out. */
function keepsGraceful(config: SessionConfig, channelOn: boolean): boolean {
  return config.gracefulRestart === 'aware' || channelOn;
}

function keepsLongLived(config: SessionConfig, channelOn: boolean): boolean {
  return config.longLivedGracefulRestart === 'aware' || channelOn;
}

const STOP_CATEGORY: Readonly<Record<StopReason['kind'], 'admin' | 'config' | 'limit'>> = {
  adminShutdown: 'admin',
  adminReset: 'admin',
  gracefulRestart: 'admin',
  deconfigured: 'config',
  configChanged: 'config',
  limitReached: 'limit',
};

const CEASE_CATEGORY: Readonly<Record<number, DownCategory>> = {
  [CEASE.maximumPrefixes]: 'limit',
  [CEASE.administrativeShutdown]: 'admin',
  [CEASE.peerDeconfigured]: 'config',
  [CEASE.administrativeReset]: 'admin',
  [CEASE.connectionRejected]: 'config',
  [CEASE.configurationChange]: 'config',
  [CEASE.outOfResources]: 'limit',
  [CEASE.bfdDown]: 'bfd',
};

function categoryOf(code: number, subcode: number): DownCategory {
  if (code !== ERROR.cease) return 'protocol';
  return CEASE_CATEGORY[subcode] ?? 'protocol';
}

/** RFC 9003 text that a reason carries, escaped; for `show protocols` and FRR's JSON. */
export function reasonText(reason: DownReason): string | undefined {
  if (reason.kind === 'notificationReceived') return reason.text;
  if (reason.kind === 'notificationSent') return shutdownText(reason);
  if (reason.kind !== 'stopped') return undefined;
  const stop = reason.reason;
  return stop.kind === 'adminShutdown' || stop.kind === 'adminReset' ? stop.text : undefined;
}
