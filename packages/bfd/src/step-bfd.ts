// One BFD session (RFC 5880 §6): asynchronous mode, active or passive role, poll sequences, demand
// mode of the peer honoured but never asked for, echo function. Facts in, orders out, time as an
// argument.
//
//             receives Down          receives Init, Up
//     Down ──────────────► Init ──────────────► Up         Down ──receives Init──► Up
//     Init, Up ──detection time, or receives AdminDown; Up receives Down, or misses echoes──► Down
//     any ──disabled──► AdminDown ──enabled──► Down
//
// States are immutable values. Packets arrive decoded and authenticated.

import { assertNever, earliest, isDue } from '@rookery/net';
import type { Deadline } from '@rookery/net';
import { echoDeadline, paceEcho, sendEcho, takeEcho } from './echo-function.ts';
import { DIAGNOSTIC } from './packet.ts';
import type { BfdPacket, BfdState } from './packet.ts';

export interface BfdSessionConfig {
  /** Microseconds between our packets while Up, at least 1. */
  readonly minTxIntervalUs: number;
  /** Microseconds between packets that we can take, at least 1. */
  readonly minRxIntervalUs: number;
  /** Microseconds between our packets while not Up; RFC 5880 §6.8.3 asks for a second or more. */
  readonly idleTxIntervalUs: number;
  /** 1-255. */
  readonly multiplier: number;
  /** Speak only when spoken to (RFC 5880 §6.1). */
  readonly passive: boolean;
  /** RFC 5880 §6.4; absent: echo packets are neither sent nor returned. */
  readonly echo?: BfdEchoConfig;
}

export interface BfdEchoConfig {
  /** Microseconds between our echo packets; 0: none are sent. */
  readonly txIntervalUs: number;
  /** Microseconds between echo packets of the peer that are returned; 0: none are. */
  readonly rxIntervalUs: number;
}

export interface BfdSession {
  readonly config: BfdSessionConfig;
  /** Unique on this machine, never 0. */
  readonly localDiscriminator: number;
  readonly state: BfdState;
  /** Why we last left Up or were taken down. */
  readonly diagnostic: number;
  readonly remoteDiscriminator: number;
  readonly remoteState: BfdState;
  readonly remoteDiagnostic: number;
  readonly remoteMinRxUs: number;
  /** 0 until a packet was received. */
  readonly remoteMinTxUs: number;
  readonly remoteMultiplier: number;
  readonly remoteDemand: boolean;
  /** 0: the peer returns no echo packets. */
  readonly remoteMinEchoRxUs: number;
  /** What our packets announce. */
  readonly desiredMinTxUs: number;
  readonly requiredMinRxUs: number;
  /** What is in force until the running poll sequence ends. */
  readonly activeMinTxUs: number;
  readonly activeMinRxUs: number;
  readonly polling: boolean;
  readonly nextTxMs?: number;
  readonly lastTxMs?: number;
  readonly lastRxMs?: number;
  /** While the echo function is active, and since one came back. */
  readonly nextEchoTxMs?: number;
  readonly lastEchoRxMs?: number;
  /** Since when `state` is what it is. */
  readonly changedMs: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly echoesSent: number;
  readonly echoesReceived: number;
  /** Round trips of all of them. */
  readonly echoRtt?: { readonly minUs: number; readonly maxUs: number; readonly sumUs: number };
  readonly upEvents: number;
  readonly downEvents: number;
}

export type BfdEvent =
  | { readonly kind: 'packetReceived'; readonly packet: BfdPacket }
  | { readonly kind: 'timerExpired' }
  /** An echo packet of this session came back. */
  | { readonly kind: 'echoReturned'; readonly rttUs: number }
  /** The operator takes the session down or lets it live; clients keep their sessions (RFC 5882 §3.2). */
  | { readonly kind: 'disabled' }
  | { readonly kind: 'enabled' }
  | { readonly kind: 'configChanged'; readonly config: BfdSessionConfig }
  /** The path is known to be gone, e.g. the interface went down. */
  | { readonly kind: 'pathLost' };

export type BfdAction =
  | { readonly kind: 'sendPacket'; readonly packet: BfdPacket }
  | { readonly kind: 'sendEcho' }
  | {
      readonly kind: 'stateChanged';
      readonly from: BfdState;
      readonly to: BfdState;
      readonly diagnostic: number;
      /** AdminDown here means: no failure, clients carry on. */
      readonly remoteState: BfdState;
    };

export interface BfdStep {
  readonly session: BfdSession;
  readonly actions: readonly BfdAction[];
  readonly deadline: Deadline;
}

/** A new session in Down. An active one sends its first packet at the first `timerExpired`. */
export function createBfdSession(
  config: BfdSessionConfig,
  localDiscriminator: number,
  nowMs: number,
): BfdSession {
  return {
    config,
    localDiscriminator,
    state: 'Down',
    diagnostic: DIAGNOSTIC.none,
    remoteDiscriminator: 0,
    remoteState: 'Down',
    remoteDiagnostic: DIAGNOSTIC.none,
    remoteMinRxUs: 1,
    remoteMinTxUs: 0,
    remoteMultiplier: 0,
    remoteDemand: false,
    remoteMinEchoRxUs: 0,
    desiredMinTxUs: idleTx(config),
    requiredMinRxUs: config.minRxIntervalUs,
    activeMinTxUs: idleTx(config),
    activeMinRxUs: config.minRxIntervalUs,
    polling: false,
    ...(!config.passive && { nextTxMs: nowMs }),
    changedMs: nowMs,
    packetsSent: 0,
    packetsReceived: 0,
    echoesSent: 0,
    echoesReceived: 0,
    upEvents: 0,
    downEvents: 0,
  };
}

/** One step. `random` is uniform in [0, 1) and drawn for jitter only. */
export function stepBfd(
  session: BfdSession,
  event: BfdEvent,
  nowMs: number,
  random: () => number,
): BfdStep {
  const step: Step = { session: { ...session }, actions: [], nowMs, random };
  dispatch(step, event);
  paceEcho(step.session, nowMs);
  return {
    session: step.session,
    actions: step.actions,
    deadline: bfdDeadline(step.session),
  };
}

/** When `timerExpired` is wanted next. */
export function bfdDeadline(session: BfdSession): Deadline {
  const { nextTxMs, nextEchoTxMs } = session;
  return earliest(nextTxMs, detectionDeadline(session), nextEchoTxMs, echoDeadline(session));
}

/** RFC 5880 §6.8.4: microseconds without a packet after which the session is down; 0: unknown. */
export function detectionTimeUs(session: BfdSession): number {
  return session.remoteMultiplier * Math.max(session.activeMinRxUs, session.remoteMinTxUs);
}

/** RFC 5880 §6.8.7: microseconds between our packets before jitter; 0: the peer wants none. */
export function transmitIntervalUs(session: BfdSession): number {
  if (session.remoteMinRxUs === 0) return 0;
  return Math.max(session.activeMinTxUs, session.remoteMinRxUs);
}

/**
 * What a client of the session should believe. RFC 5882 §3.2: AdminDown at either end is no failure of
 * the path.
 */
export function clientState(session: BfdSession): BfdState {
  return session.remoteState === 'AdminDown' ? 'AdminDown' : session.state;
}

interface Step {
  readonly session: { -readonly [K in keyof BfdSession]: BfdSession[K] };
  readonly actions: BfdAction[];
  readonly nowMs: number;
  readonly random: () => number;
}

function dispatch(step: Step, event: BfdEvent): void {
  switch (event.kind) {
    case 'packetReceived':
      receive(step, event.packet);
      return;
    case 'timerExpired':
      onTimer(step);
      return;
    case 'echoReturned':
      takeEcho(step.session, event.rttUs, step.nowMs);
      return;
    case 'disabled':
      if (step.session.state !== 'AdminDown') {
        enter(step, 'AdminDown', DIAGNOSTIC.administrativelyDown);
        transmitNow(step);
      }
      return;
    case 'enabled':
      if (step.session.state === 'AdminDown') {
        enter(step, 'Down', DIAGNOSTIC.none);
        transmitNow(step);
      }
      return;
    case 'configChanged':
      reconfigure(step, event.config);
      return;
    case 'pathLost':
      if (step.session.state === 'Init' || step.session.state === 'Up') {
        forget(step);
        enter(step, 'Down', DIAGNOSTIC.pathDown);
        transmitNow(step);
      }
      return;
    default:
      assertNever(event);
  }
}

/** RFC 5880 §6.8.6 from the discriminator on; the earlier checks are `decodeBfd`'s. */
function receive(step: Step, packet: BfdPacket): void {
  const { session, nowMs } = step;
  if (packet.yourDiscriminator !== 0 && packet.yourDiscriminator !== session.localDiscriminator) {
    return;
  }
  session.packetsReceived++;
  session.lastRxMs = nowMs;
  session.remoteDiscriminator = packet.myDiscriminator;
  session.remoteState = packet.state;
  session.remoteDiagnostic = packet.diagnostic;
  session.remoteDemand = packet.demand;
  session.remoteMinRxUs = packet.requiredMinRxUs;
  session.remoteMinTxUs = packet.desiredMinTxUs;
  session.remoteMultiplier = packet.multiplier;
  session.remoteMinEchoRxUs = packet.requiredMinEchoRxUs;
  // RFC 5880 §6.8.6: a session that is administratively down looks no further, not even at a poll.
  if (session.state === 'AdminDown') {
    reschedule(step);
    return;
  }
  if (session.polling && packet.final) finishPoll(step);
  const before = session.state;
  follow(step, packet.state);
  if (session.state === 'Up' && before !== 'Up') speedUp(step);
  // RFC 5880 §6.8.7: a poll is answered at once, whatever the timers and the role say.
  if (packet.poll) transmit(step, true);
  else if (session.state !== before) transmitNow(step);
  else reschedule(step);
}

/** The state machine proper, RFC 5880 §6.2. */
function follow(step: Step, remote: BfdState): void {
  const { state } = step.session;
  switch (state) {
    case 'AdminDown':
      return;
    case 'Down':
      if (remote === 'Down') enter(step, 'Init', step.session.diagnostic);
      else if (remote === 'Init') enter(step, 'Up', DIAGNOSTIC.none);
      return;
    case 'Init':
      if (remote === 'AdminDown') enter(step, 'Down', DIAGNOSTIC.neighborSignaledDown);
      else if (remote === 'Init' || remote === 'Up') enter(step, 'Up', DIAGNOSTIC.none);
      return;
    case 'Up':
      if (remote === 'AdminDown' || remote === 'Down') {
        enter(step, 'Down', DIAGNOSTIC.neighborSignaledDown);
      }
      return;
    default:
      assertNever(state);
  }
}

function enter(step: Step, to: BfdState, diagnostic: number): void {
  const { session, nowMs } = step;
  const from = session.state;
  session.state = to;
  session.diagnostic = diagnostic;
  session.changedMs = nowMs;
  if (to === 'Up') session.upEvents++;
  if (from === 'Up') session.downEvents++;
  if (to !== 'Up') slowDown(step);
  step.actions.push({
    kind: 'stateChanged',
    from,
    to,
    diagnostic,
    remoteState: session.remoteState,
  });
}

function onTimer(step: Step): void {
  const { session, nowMs } = step;
  if (isDue(detectionDeadline(session), nowMs)) {
    const { state } = session;
    forget(step);
    if (state === 'Init' || state === 'Up') {
      enter(step, 'Down', DIAGNOSTIC.detectionTimeExpired);
      transmitNow(step);
    } else {
      reschedule(step);
    }
  }
  if (isDue(echoDeadline(session), nowMs)) {
    enter(step, 'Down', DIAGNOSTIC.echoFailed);
    transmitNow(step);
  }
  if (isDue(session.nextTxMs, nowMs)) transmit(step, false);
  if (session.state === 'Up' && isDue(session.nextEchoTxMs, nowMs)) {
    sendEcho(session, nowMs, step.random);
    step.actions.push({ kind: 'sendEcho' });
  }
}

/** RFC 5880 §6.8.1: silence for a detection time makes the peer unknown. */
function forget(step: Step): void {
  const { session } = step;
  session.remoteDiscriminator = 0;
  // A peer that said AdminDown before it fell silent has announced its silence.
  if (session.remoteState !== 'AdminDown') session.remoteState = 'Down';
  session.remoteMinRxUs = 1;
  session.remoteMinTxUs = 0;
  session.remoteMultiplier = 0;
  session.remoteDemand = false;
  session.remoteMinEchoRxUs = 0;
  delete session.lastRxMs;
}

/** Up: the configured rate, agreed by a poll sequence. */
function speedUp(step: Step): void {
  const { session } = step;
  announce(step, session.config.minTxIntervalUs, session.config.minRxIntervalUs);
}

/** RFC 5880 §6.8.3: not Up, so slow; nothing needs to be agreed. */
function slowDown(step: Step): void {
  const { session } = step;
  session.desiredMinTxUs = idleTx(session.config);
  session.activeMinTxUs = session.desiredMinTxUs;
  session.requiredMinRxUs = session.config.minRxIntervalUs;
  session.activeMinRxUs = session.requiredMinRxUs;
  session.polling = false;
}

/**
 * New intervals while Up. RFC 5880 §6.8.3: a slower transmission and a shorter reception count only
 * when the poll sequence has ended; the other directions count at once.
 */
function announce(step: Step, minTxUs: number, minRxUs: number): void {
  const { session } = step;
  if (minTxUs === session.desiredMinTxUs && minRxUs === session.requiredMinRxUs) return;
  session.desiredMinTxUs = minTxUs;
  session.requiredMinRxUs = minRxUs;
  session.activeMinTxUs = Math.min(session.activeMinTxUs, minTxUs);
  session.activeMinRxUs = Math.max(session.activeMinRxUs, minRxUs);
  session.polling = true;
}

function finishPoll(step: Step): void {
  const { session } = step;
  session.polling = false;
  session.activeMinTxUs = session.desiredMinTxUs;
  session.activeMinRxUs = session.requiredMinRxUs;
}

function reconfigure(step: Step, config: BfdSessionConfig): void {
  const { session } = step;
  session.config = config;
  if (session.state === 'Up') announce(step, config.minTxIntervalUs, config.minRxIntervalUs);
  else slowDown(step);
  reschedule(step);
}

/** Sends ahead of the timer, unless the peer or the role forbids it. */
function transmitNow(step: Step): void {
  if (maySend(step.session)) transmit(step, false);
  else delete step.session.nextTxMs;
}

function transmit(step: Step, final: boolean): void {
  const { session, nowMs } = step;
  session.packetsSent++;
  session.lastTxMs = nowMs;
  step.actions.push({
    kind: 'sendPacket',
    packet: {
      diagnostic: session.diagnostic,
      state: session.state,
      // RFC 5880 §6.5: a packet never carries both bits.
      poll: session.polling && !final,
      final,
      controlPlaneIndependent: false,
      demand: false,
      multiplier: session.config.multiplier,
      myDiscriminator: session.localDiscriminator,
      yourDiscriminator: session.remoteDiscriminator,
      desiredMinTxUs: session.desiredMinTxUs,
      requiredMinRxUs: session.requiredMinRxUs,
      requiredMinEchoRxUs: session.config.echo?.rxIntervalUs ?? 0,
    },
  });
  delete session.nextTxMs;
  reschedule(step);
}

/** Keeps the running transmit timer unless the interval allows or demands an earlier packet. */
function reschedule(step: Step): void {
  const { session, nowMs } = step;
  if (!maySend(session)) {
    delete session.nextTxMs;
    return;
  }
  const intervalUs = transmitIntervalUs(session);
  const base = session.lastTxMs ?? nowMs;
  const latest = base + intervalUs / 1000;
  if (session.nextTxMs !== undefined && session.nextTxMs <= latest) return;
  // RFC 5880 §6.8.7: shortened by 0 to 25 %, and by at least 10 % when every packet counts.
  const shortest = 0.75;
  const longest = session.config.multiplier === 1 ? 0.9 : 1;
  const factor = shortest + (longest - shortest) * step.random();
  session.nextTxMs = Math.max(nowMs, base + (intervalUs / 1000) * factor);
}

/** RFC 5880 §6.8.7: the four reasons to be silent. */
function maySend(session: BfdSession): boolean {
  if (session.config.passive && session.remoteDiscriminator === 0) return false;
  if (session.remoteMinRxUs === 0) return false;
  const demanded = session.remoteDemand && session.state === 'Up' && session.remoteState === 'Up';
  return !demanded || session.polling;
}

function detectionDeadline(session: BfdSession): Deadline {
  const detection = detectionTimeUs(session);
  return session.lastRxMs === undefined || detection === 0
    ? undefined
    : session.lastRxMs + detection / 1000;
}

function idleTx(config: BfdSessionConfig): number {
  return Math.max(config.idleTxIntervalUs, config.minTxIntervalUs, 1);
}
