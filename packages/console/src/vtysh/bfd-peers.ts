// `show bfd peers` with brief and counters, and one peer; text and JSON. Units are milliseconds;
// while a session is not up FRR still shows the configured intervals.

import type { BfdSessionView, EchoRoundTrips } from '@rookery/router';
import { ageMs } from './context.ts';
import type { VtyContext } from './context.ts';
import { bfdAge } from './durations.ts';
import { prettyJson } from './json.ts';
import type { Json } from './json.ts';

/** RFC 5880 §4.1 in FRR's words. */
const DIAGNOSTICS = [
  'ok',
  'control detection time expired',
  'echo function failed',
  'neighbor signaled session down',
  'forwarding plane reset',
  'path down',
  'concatenated path down',
  'administratively down',
  'reverse concatenated path down',
] as const;

function diagnosticText(code: number): string {
  return DIAGNOSTICS[code] ?? 'unknown';
}

const STATES = { AdminDown: 'shutdown', Down: 'down', Init: 'init', Up: 'up' } as const;

/** What FRR prints without echo packets. */
const NO_ROUND_TRIP: EchoRoundTrips = { minUs: 0, averageUs: 0, maxUs: 0 };

export function bfdPeersText(context: VtyContext): string {
  return `BFD Peers:\n${context.view
    .bfdSessions()
    .map((s) => `${peerText(context, s)}\n`)
    .join('')}`;
}

/** Text or JSON of one peer; unknown peers are an error in both. */
export function bfdPeerReply(context: VtyContext, address: string, json: boolean): string {
  const session = context.view.bfdSessions().find((s) => s.remote === address);
  if (!session) return `% Unable to find 'peer ${address} vrf default' peer!\n`;
  if (json) return `${prettyJson(peerJson(context, session))}\n`;
  return `BFD Peer:\n${peerText(context, session)}\n`;
}

function headText(session: BfdSessionView): string {
  return (
    `\tpeer ${session.remote}${session.multihop ? ' multihop' : ''}` +
    `${session.local === undefined ? '' : ` local-address ${session.local}`} vrf default` +
    `${session.interface === undefined ? '' : ` interface ${session.interface}`}\n`
  );
}

function peerText(context: VtyContext, session: BfdSessionView): string {
  const ms = (us: number): string => `${Math.round(us / 1000)}ms`;
  const orDisabled = (us: number): string => (us === 0 ? 'disabled' : ms(us));
  const age = bfdAge(ageMs(context, session.sinceMs));
  const rtt = session.echoRtt ?? NO_ROUND_TRIP;
  const lines = [
    `\t\tID: ${session.localDiscriminator}`,
    `\t\tRemote ID: ${session.remoteDiscriminator}`,
    `\t\t${session.passive ? 'Passive' : 'Active'} mode`,
    ...(session.multihop ? [`\t\tMinimum TTL: ${minTtl(session)}`] : []),
    `\t\tStatus: ${STATES[session.state]}`,
    ...(session.state === 'Up'
      ? [`\t\tUptime: ${age}`]
      : session.state === 'Down'
        ? [`\t\tDowntime: ${age}`]
        : []),
    `\t\tDiagnostics: ${diagnosticText(session.localDiagnostic)}`,
    `\t\tRemote diagnostics: ${diagnosticText(session.remoteDiagnostic)}`,
    `\t\tPeer Type: ${session.configured ? 'configured' : 'dynamic'}`,
    `\t\tRTT min/avg/max: ${rtt.minUs}/${rtt.averageUs}/${rtt.maxUs} usec`,
    '\t\tLocal timers:',
    `\t\t\tDetect-multiplier: ${session.localMultiplier}`,
    `\t\t\tReceive interval: ${ms(session.localMinRxUs)}`,
    `\t\t\tTransmission interval: ${ms(session.localMinTxUs)}`,
    `\t\t\tEcho receive interval: ${orDisabled(session.minEchoRxUs)}`,
    `\t\t\tEcho transmission interval: ${orDisabled(session.echoTxIntervalUs)}`,
    '\t\tRemote timers:',
    `\t\t\tDetect-multiplier: ${session.remoteMultiplier}`,
    `\t\t\tReceive interval: ${ms(session.remoteMinRxUs)}`,
    `\t\t\tTransmission interval: ${ms(session.remoteMinTxUs)}`,
    `\t\t\tEcho receive interval: ${orDisabled(session.remoteMinEchoRxUs)}`,
  ];
  return headText(session) + lines.map((line) => `${line}\n`).join('');
}

/** FRR's default where nothing is configured. */
function minTtl(session: BfdSessionView): number {
  return session.minTtl ?? 254;
}

function identityJson(session: BfdSessionView): { [key: string]: Json | undefined } {
  return {
    multihop: session.multihop,
    peer: session.remote,
    local: session.local,
    vrf: 'default',
    interface: session.interface,
  };
}

function peerJson(context: VtyContext, session: BfdSessionView): Json {
  const ms = (us: number): number => Math.round(us / 1000);
  const rtt = session.echoRtt ?? NO_ROUND_TRIP;
  const age = Math.floor(ageMs(context, session.sinceMs) / 1000);
  return {
    ...identityJson(session),
    id: session.localDiscriminator,
    'remote-id': session.remoteDiscriminator,
    'passive-mode': session.passive,
    'minimum-ttl': session.multihop ? minTtl(session) : undefined,
    status: STATES[session.state],
    uptime: session.state === 'Up' ? age : undefined,
    downtime: session.state === 'Down' ? age : undefined,
    diagnostic: diagnosticText(session.localDiagnostic),
    'remote-diagnostic': diagnosticText(session.remoteDiagnostic),
    type: session.configured ? 'configured' : 'dynamic',
    'receive-interval': ms(session.localMinRxUs),
    'transmit-interval': ms(session.localMinTxUs),
    'echo-receive-interval': ms(session.minEchoRxUs),
    'echo-transmit-interval': ms(session.echoTxIntervalUs),
    'detect-multiplier': session.localMultiplier,
    'remote-receive-interval': ms(session.remoteMinRxUs),
    'remote-transmit-interval': ms(session.remoteMinTxUs),
    'remote-echo-receive-interval': ms(session.remoteMinEchoRxUs),
    'remote-detect-multiplier': session.remoteMultiplier,
    'rtt-min': rtt.minUs,
    'rtt-avg': rtt.averageUs,
    'rtt-max': rtt.maxUs,
  };
}

export function bfdPeersJson(context: VtyContext): string {
  return `${prettyJson(context.view.bfdSessions().map((s) => peerJson(context, s)))}\n`;
}

export function bfdBriefText(context: VtyContext): string {
  const row = (id: string, local: string, peer: string, status: string): string =>
    `${id.padEnd(10)} ${local.padEnd(40)} ${peer.padEnd(40)}${status.padEnd(15)}\n`;
  const sessions = context.view.bfdSessions();
  return (
    `Session count: ${sessions.length}\n` +
    row('SessionId', 'LocalAddress', 'PeerAddress', 'Status') +
    row('=========', '============', '===========', '======') +
    sessions
      .map((s) => row(String(s.localDiscriminator), s.local ?? '', s.remote, STATES[s.state]))
      .join('')
  );
}

export function bfdCountersText(context: VtyContext): string {
  const blocks = context.view.bfdSessions().map((s) => {
    const lines = [
      `Control packet input: ${s.packetsReceived} packets`,
      `Control packet output: ${s.packetsSent} packets`,
      `Echo packet input: ${s.echoesReceived} packets`,
      `Echo packet output: ${s.echoesSent} packets`,
      `Session up events: ${s.upEvents}`,
      `Session down events: ${s.downEvents}`,
      `Zebra notifications: ${s.upEvents + s.downEvents}`,
    ];
    return `${headText(s)}${lines.map((line) => `\t\t${line}\n`).join('')}\n`;
  });
  return `BFD Peers:\n${blocks.join('')}`;
}

export function bfdCountersJson(context: VtyContext): string {
  const list = context.view.bfdSessions().map((s) => ({
    ...identityJson(s),
    'control-packet-input': s.packetsReceived,
    'control-packet-output': s.packetsSent,
    'echo-packet-input': s.echoesReceived,
    'echo-packet-output': s.echoesSent,
    'session-up': s.upEvents,
    'session-down': s.downEvents,
    'zebra-notifications': s.upEvents + s.downEvents,
  }));
  return `${prettyJson(list)}\n`;
}
