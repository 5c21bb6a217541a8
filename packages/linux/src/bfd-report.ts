// What the engine learns of a BFD session: the fact, whether there is something new to tell, and one
// judgement: a neighbor that begins its session anew has not failed.

import { DIAGNOSTIC, detectionTimeUs, echoIntervalUs, transmitIntervalUs } from '@rookery/bfd';
import type { BfdAction, BfdSession } from '@rookery/bfd';
import type { BfdFact, BfdRequest } from './bfd-messages.ts';

/** More than counters: timers in force, or what the neighbor says of itself. */
export function isNews(told: BfdSession, now: BfdSession): boolean {
  return (
    told.remoteState !== now.remoteState ||
    told.remoteDiscriminator !== now.remoteDiscriminator ||
    transmitIntervalUs(told) !== transmitIntervalUs(now) ||
    echoIntervalUs(told) !== echoIntervalUs(now) ||
    detectionTimeUs(told) !== detectionTimeUs(now)
  );
}

/** A session as the engine is told of it. */
export function factOf(request: BfdRequest, machine: BfdSession): BfdFact {
  return {
    kind: 'bfdChanged',
    remote: request.remote,
    multihop: request.multihop,
    ...(request.interface === undefined ? {} : { interface: request.interface }),
    state: machine.state,
    session: {
      remoteState: machine.remoteState,
      localDiscriminator: machine.localDiscriminator,
      remoteDiscriminator: machine.remoteDiscriminator,
      localDiagnostic: machine.diagnostic,
      remoteDiagnostic: machine.remoteDiagnostic,
      txIntervalUs: transmitIntervalUs(machine),
      detectTimeUs: detectionTimeUs(machine),
      remoteMultiplier: machine.remoteMultiplier,
      remoteMinTxUs: machine.remoteMinTxUs,
      remoteMinRxUs: machine.remoteMinRxUs,
      minEchoRxUs: machine.config.echo?.rxIntervalUs ?? 0,
      echoTxIntervalUs: echoIntervalUs(machine),
      remoteMinEchoRxUs: machine.remoteMinEchoRxUs,
      echoesReceived: machine.echoesReceived,
      echoesSent: machine.echoesSent,
      ...(machine.echoRtt && {
        echoRtt: {
          minUs: machine.echoRtt.minUs,
          averageUs: Math.round(machine.echoRtt.sumUs / machine.echoesReceived),
          maxUs: machine.echoRtt.maxUs,
        },
      }),
      packetsReceived: machine.packetsReceived,
      packetsSent: machine.packetsSent,
    },
  };
}

/**
 * Down by a neighbor that complains about nothing: its packets arrive, and it does not say that ours
 * do not. FRR ends a session with "neighbor signaled session down", which we never did while Up, and
 * begins the next one with no diagnostic.
 */
export function isRebirth(
  change: Extract<BfdAction, { kind: 'stateChanged' }>,
  session: BfdSession,
): boolean {
  const { none, neighborSignaledDown } = DIAGNOSTIC;
  return (
    change.from === 'Up' &&
    change.diagnostic === neighborSignaledDown &&
    change.remoteState === 'Down' &&
    (session.remoteDiagnostic === none || session.remoteDiagnostic === neighborSignaledDown)
  );
}
