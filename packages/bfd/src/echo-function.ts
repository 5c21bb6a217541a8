// The echo function of a session (RFC 5880 §6.4): when echo packets leave, and when it is too long
// since one came back. Echo packets that have not come back even once condemn nobody: there may be a
// filter in their way, and the control packets still tell (RFC 5880 §6.8.5 leaves it to us).

import type { Deadline } from '@rookery/net';
import type { BfdSession } from './step-bfd.ts';

/** RFC 5880 §6.8.9: microseconds between our echo packets; 0 while there must be none. */
export function echoIntervalUs(session: BfdSession): number {
  const { config, state, remoteMinEchoRxUs } = session;
  const wantedUs = config.echo?.txIntervalUs ?? 0;
  if (state !== 'Up' || wantedUs === 0 || remoteMinEchoRxUs === 0) return 0;
  return Math.max(wantedUs, remoteMinEchoRxUs);
}

/** When the session has failed unless an echo packet comes back before. */
export function echoDeadline(session: BfdSession): Deadline {
  const intervalUs = echoIntervalUs(session);
  if (intervalUs === 0 || session.lastEchoRxMs === undefined) return undefined;
  return session.lastEchoRxMs + (session.config.multiplier * intervalUs) / 1000;
}

/** After every step: starts or ends the function, as state and neighbor allow. */
export function paceEcho(session: Mutable<BfdSession>, nowMs: number): void {
  if (echoIntervalUs(session) > 0) {
    session.nextEchoTxMs ??= nowMs;
    return;
  }
  delete session.nextEchoTxMs;
  delete session.lastEchoRxMs;
}

/** One echo packet leaves now; the next one after the interval, shortened by up to 25 %. */
export function sendEcho(session: Mutable<BfdSession>, nowMs: number, random: () => number): void {
  session.echoesSent++;
  session.nextEchoTxMs = nowMs + (echoIntervalUs(session) / 1000) * (0.75 + 0.25 * random());
}

/** An echo packet came back. */
export function takeEcho(session: Mutable<BfdSession>, rttUs: number, nowMs: number): void {
  if (echoIntervalUs(session) === 0) return;
  session.echoesReceived++;
  session.lastEchoRxMs = nowMs;
  const { minUs, maxUs, sumUs } = session.echoRtt ?? { minUs: rttUs, maxUs: rttUs, sumUs: 0 };
  session.echoRtt = {
    minUs: Math.min(minUs, rttUs),
    maxUs: Math.max(maxUs, rttUs),
    sumUs: sumUs + rttUs,
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
