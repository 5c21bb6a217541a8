// `show bgp neighbors` as text: FRR 9.1's labels, order and leading spaces. Lines that need a
// session or a capability are left out as FRR leaves them out.

import type { Family } from '@rookery/net';
import type { BgpFamilyView, BgpView, CapabilitiesView } from '@rookery/router';
import {
  ageMs,
  FAMILIES,
  FAMILY_TITLES,
  familyOfNeighbor,
  fsmState,
  receivedTotal,
  sentTotal,
} from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';
import { dayClock, peerAge } from './durations.ts';
import * as facts from './neighbor-facts.ts';
import { notificationOf, notificationText, resetText } from './reset-reason.ts';

/** The whole block of one neighbor, ending in its blank line. */
export function neighborText(context: VtyContext, neighbor: Neighbor): string {
  const lines = [
    ...headLines(context, neighbor),
    ...timeLines(context, neighbor),
    ...(neighbor.bgp.state === 'Established' ? capabilityLines(neighbor.bgp) : []),
    '  Graceful restart information:',
    ...(neighbor.bgp.state === 'Established' ? endOfRibLines(neighbor.bgp) : []),
    ...gracefulRestartLines(neighbor.bgp),
    ...messageLines(neighbor.bgp),
    ...FAMILIES.flatMap((family) => familyLines(neighbor.bgp, family)),
    ...connectionLines(context, neighbor),
    ...bfdLines(context, neighbor.bgp),
    '',
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function headLines(context: VtyContext, { name, bgp, protocol }: Neighbor): string[] {
  const link = `${bgp.confederationMember ? 'confed-' : ''}${bgp.internal ? 'internal' : 'external'}`;
  const hostname = bgp.neighborCapabilities?.hostname;
  const { domain = '' } = hostname ?? {};
  const up = bgp.establishedMs === undefined ? 0 : ageMs(context, bgp.establishedMs);
  const upFor = bgp.state === 'Established' ? `, up for ${peerAge(up)}` : '';
  return [
    `BGP neighbor ${bgp.unnumbered ? `on ${name}:` : 'is'} ${bgp.neighborAddress ?? '(unspec)'}, remote AS ${bgp.neighborAs}, local AS ${bgp.localAs}, ${link} link`,
    `  Local Role: ${bgp.localRole ?? 'undefined'}`,
    `  Remote Role: ${bgp.neighborCapabilities?.role ?? 'undefined'}`,
    ...(protocol.description === undefined ? [] : [` Description: ${protocol.description}`]),
    ...(hostname ? [`Hostname: ${hostname.host}${domain === '' ? '' : `.${domain}`}`] : []),
    ...(protocol.disabled ? [' Administratively shut down'] : []),
    `  BGP version 4, remote router ID ${remoteId(bgp)}, local router ID ${bgp.localId}`,
    `  BGP state = ${fsmState(bgp)}${upFor}${bgp.passive ? ' (passive)' : ''}`,
  ];
}

/** Known from the OPEN on; FRR forgets it when the session ends. */
export function remoteId(bgp: BgpView): string {
  const seen = bgp.state === 'Established' || bgp.state === 'OpenConfirm';
  return (seen ? bgp.neighborId : undefined) ?? '0.0.0.0';
}

function timeLines(context: VtyContext, { bgp }: Neighbor): string[] {
  const { holdTimeSec, keepaliveTimeSec } = facts.holdTimes(bgp);
  const configured = bgp.configured;
  const written =
    bgp.lastWriteMs === undefined ? 'never' : peerAge(ageMs(context, bgp.lastWriteMs));
  return [
    `  Last read ${peerAge(ageMs(context, facts.lastReadMs(bgp)))}, Last write ${written}`,
    `  Hold time is ${holdTimeSec} seconds, keepalive interval is ${keepaliveTimeSec} seconds`,
    `  Configured hold time is ${configured.holdTimeSec} seconds, keepalive interval is ${configured.keepaliveTimeSec} seconds`,
    `  Configured tcp-mss is 0, synced tcp-mss is ${bgp.connection?.mss ?? 0}`,
    '  Configured conditional advertisements interval is 60 seconds',
  ];
}

function capabilityLines(bgp: BgpView): string[] {
  const lines = ['  Neighbor capabilities:'];
  const say = (label: string, has: (c: CapabilitiesView) => boolean): boolean => {
    const sides = facts.sidesOf(bgp, has);
    if (sides) lines.push(`    ${label}: ${sides}`);
    return sides !== undefined;
  };
  say('4 Byte AS', (c) => c.as4);
  say('Extended Message', (c) => c.extendedMessage);
  if (facts.sidesOf(bgp, (c) => c.addPathRx.length + c.addPathTx.length > 0)) {
    lines.push('    AddPath:', ...addPathLines(bgp));
  }
  say('Role', (c) => c.role !== undefined);
  if (say('Extended nexthop', (c) => c.extendedNextHop.length > 0)) {
    lines.push('      Address families by peer:');
    for (const family of bgp.neighborCapabilities?.extendedNextHop ?? []) {
      lines.push(`                   ${FAMILY_TITLES[family]}`);
    }
  }
  if (say('Long-lived Graceful Restart', (c) => c.longLivedGracefulRestart !== undefined)) {
    lines.push('      Address families by peer:');
    for (const f of bgp.neighborCapabilities?.longLivedGracefulRestart?.families ?? []) {
      lines.push(`        ${FAMILY_TITLES[f.family]}`);
    }
  }
  say('Route refresh', (c) => c.routeRefresh);
  say('Enhanced Route Refresh', (c) => c.enhancedRefresh);
  for (const family of FAMILIES) {
    say(`Address Family ${FAMILY_TITLES[family]}`, (c) => c.multiprotocol.includes(family));
  }
  lines.push(`    Hostname Capability: ${hostnameText(bgp)}`);
  lines.push(`    Version Capability: ${versionText(bgp)}`);
  if (say('Graceful Restart Capability', (c) => c.gracefulRestart !== undefined)) {
    lines.push(...gracefulRestartPeerLines(bgp));
  }
  return lines;
}

function addPathLines(bgp: BgpView): string[] {
  const lines: string[] = [];
  for (const family of FAMILIES) {
    const tx = facts.sidesOf(bgp, (c) => c.addPathTx.includes(family));
    const rx = facts.sidesOf(bgp, (c) => c.addPathRx.includes(family));
    if (tx) lines.push(`      ${FAMILY_TITLES[family]}: TX ${tx}`);
    if (rx) lines.push(`      ${FAMILY_TITLES[family]}: RX ${rx}`);
  }
  return lines;
}

function hostnameText(bgp: BgpView): string {
  const side = (word: string, host: CapabilitiesView['hostname']): string =>
    host
      ? `${word} (name: ${host.host},domain name: ${host.domain === '' ? 'n/a' : host.domain})`
      : `not ${word}`;
  return `${side('advertised', bgp.localCapabilities?.hostname)} ${side('received', bgp.neighborCapabilities?.hostname)}`;
}

function versionText(bgp: BgpView): string {
  const side = (word: string, version: string | undefined): string =>
    version === undefined ? `not ${word}` : `${word} software version (${version})`;
  return `${side('advertised', bgp.localCapabilities?.softwareVersion)} ${side('received', bgp.neighborCapabilities?.softwareVersion)}`;
}

function gracefulRestartPeerLines(bgp: BgpView): string[] {
  const gr = bgp.neighborCapabilities?.gracefulRestart;
  if (!gr) return [];
  const families = gr.families.map(
    (f) => `${FAMILY_TITLES[f.family]}(${f.preserved ? 'preserved' : 'not preserved'})`,
  );
  return [
    `      Remote Restart timer is ${gr.restartTimeSec} seconds`,
    '      Address families by peer:',
    `        ${families.length === 0 ? 'none' : families.join(', ')}`,
  ];
}

function endOfRibLines(bgp: BgpView): string[] {
  const titles = (direction: 'sent' | 'received'): string =>
    FAMILIES.filter((f) => facts.endOfRib(bgp, f)[direction])
      .map((f) => FAMILY_TITLES[f])
      .join(', ');
  const sent = titles('sent');
  const received = titles('received');
  return [
    ...(sent === '' ? [] : [`    End-of-RIB send: ${sent}`]),
    ...(received === '' ? [] : [`    End-of-RIB received: ${received}`]),
  ];
}

/** The part that `show bgp neighbors graceful-restart` prints too. */
export function gracefulRestartLines(bgp: BgpView): string[] {
  const { gracefulRestart } = bgp;
  const peer = bgp.state === 'Established' ? bgp.neighborCapabilities?.gracefulRestart : undefined;
  const lines = [
    `    Local GR Mode: ${facts.localGrMode(bgp)}`,
    '',
    `    Remote GR Mode: ${facts.remoteGrMode(bgp)}`,
    '',
    `    R bit: ${truth(peer?.restarting)}`,
    `    N bit: ${truth(peer?.notification)}`,
    '    Timers:',
    `      Configured Restart Time(sec): ${gracefulRestart.restartTimeSec}`,
    `      Received Restart Time(sec): ${facts.receivedRestartTimeSec(bgp)}`,
    `      Configured LLGR Stale Path Time(sec): ${gracefulRestart.llgrStaleTimeSec}`,
  ];
  if (bgp.state !== 'Established') return lines;
  for (const family of FAMILIES) {
    if (!familyOfNeighbor(bgp, family)) continue;
    const eor = facts.endOfRib(bgp, family);
    lines.push(
      `    ${FAMILY_TITLES[family]}:`,
      `      F bit: ${truth(facts.preservedByPeer(bgp, family))}`,
      `      End-of-RIB sent: ${yes(eor.sent)}`,
      `      End-of-RIB sent after update: ${yes(eor.sent)}`,
      `      End-of-RIB received: ${yes(eor.received)}`,
      '      Timers:',
      '        Configured Stale Path Time(sec): 360',
      `        LLGR Stale Path Time(sec): ${gracefulRestart.llgrStaleTimeSec}`,
    );
  }
  return lines;
}

function truth(value: boolean | undefined): string {
  return value ? 'True' : 'False';
}

function yes(value: boolean): string {
  return value ? 'Yes' : 'No';
}

function messageLines(bgp: BgpView): string[] {
  const row = (label: string, sent: number, received: number): string =>
    `    ${`${label}:`.padEnd(16)} ${String(sent).padStart(8)} ${String(received).padStart(10)}`;
  const { sent, received, connection } = bgp;
  return [
    '  Message statistics:',
    '    Inq depth is 0',
    `    Outq depth is ${(connection?.queuedBytes ?? 0) > 0 ? 1 : 0}`,
    '                         Sent       Rcvd',
    row('Opens', sent.open, received.open),
    row('Notifications', sent.notification, received.notification),
    row('Updates', sent.update, received.update),
    row('Keepalives', sent.keepalive, received.keepalive),
    row('Route Refresh', sent.routeRefresh, received.routeRefresh),
    row('Capability', 0, 0),
    row('Total', sentTotal(bgp), receivedTotal(bgp)),
    '  Minimum time between advertisement runs is 0 seconds',
    '',
  ];
}

function familyLines(bgp: BgpView, family: Family): string[] {
  const view = familyOfNeighbor(bgp, family);
  if (!view) return [];
  return [
    ` For address family: ${FAMILY_TITLES[family]}`,
    ...groupLines(bgp, view),
    ...(view.softReconfiguration ? ['  Inbound soft reconfiguration allowed'] : []),
    ...(bgp.rrClient ? ['  Route-Reflector Client'] : []),
    ...(bgp.rsClient ? ['  Route-Server Client'] : []),
    '  Community attribute sent to this neighbor(all)',
    ...(view.importPolicyName === undefined ? [] : ['  Inbound path policy configured']),
    ...(view.exportPolicyName === undefined ? [] : ['  Outbound path policy configured']),
    ...(view.importPolicyName === undefined
      ? []
      : [`  Route map for incoming advertisements is *${view.importPolicyName}`]),
    ...(view.exportPolicyName === undefined
      ? []
      : [`  Route map for outgoing advertisements is *${view.exportPolicyName}`]),
    `  ${view.acceptedPrefixes} accepted prefixes`,
    '',
  ];
}

function groupLines(bgp: BgpView, view: BgpFamilyView): string[] {
  const group = bgp.state === 'Established' && view.negotiated ? view.updateGroup : undefined;
  if (group === undefined) return ['  Not part of any update group'];
  return [`  Update group ${group}, subgroup ${group}`, '  Packet Queue length 0'];
}

function connectionLines(context: VtyContext, neighbor: Neighbor): string[] {
  const { bgp } = neighbor;
  const connection = facts.connectionFacts(context, neighbor);
  const open = bgp.connection?.open === true;
  const reading = open && bgp.state !== 'Connect' && bgp.state !== 'Active' ? 'on' : 'off';
  const pending = facts.pendingTimer(bgp);
  const hops = facts.maxHops(bgp);
  return [
    `  Connections established ${bgp.connectionsEstablished}; dropped ${bgp.connectionsDropped}`,
    `  Last reset ${peerAge(ageMs(context, facts.lastResetMs(bgp)))},${resetLine(bgp)}`,
    `  ${bgp.internal ? 'Internal' : 'External'} BGP neighbor may be up to ${hops} hops away.`,
    ...(connection
      ? [
          `Local host: ${connection.local}, Local port: ${connection.localPort}`,
          `Foreign host: ${connection.remote}, Foreign port: ${connection.remotePort}`,
          `Nexthop: ${connection.nexthop}`,
          `Nexthop global: ${connection.nexthopGlobal}`,
          `Nexthop local: ${connection.nexthopLocal}`,
          `BGP connection: ${connection.shared ? 'shared network' : 'non shared network'}`,
        ]
      : []),
    `BGP Connect Retry Timer in Seconds: ${bgp.configured.connectRetryTimeSec}`,
    ...(bgp.state === 'Established'
      ? [`Estimated round trip time: ${bgp.connection?.rttMs ?? 0} ms`]
      : []),
    ...(pending
      ? [`Next ${pending.kind} timer due in ${facts.leftSec(context, pending.timer)} seconds`]
      : []),
    ...(bgp.hasPassword ? ['Peer Authentication Enabled'] : []),
    `Read thread: ${reading}  Write thread: ${reading}  FD used: ${descriptor(bgp)}`,
  ];
}

function descriptor(bgp: BgpView): number {
  return bgp.connection?.open ? (bgp.connection.fd ?? -1) : -1;
}

/** Local reasons follow a comma and three spaces, notifications a comma and two. */
function resetLine(bgp: BgpView): string {
  const reason = bgp.lastReset?.reason;
  const notification = notificationOf(reason);
  const version = bgp.neighborCapabilities?.softwareVersion ?? 'n/a';
  if (!notification) return `   ${resetText(reason)} (${version})`;
  const { direction, code, subcode, hardReset } = notification;
  return `  Notification ${direction} (${notificationText(code, subcode, hardReset)})`;
}

function bfdLines(context: VtyContext, bgp: BgpView): string[] {
  const { bfd } = bgp;
  if (!bfd) return [];
  const updated = bfd.sinceMs === undefined ? 'never' : dayClock(ageMs(context, bfd.sinceMs));
  return [
    '',
    `  BFD: Type: ${bgp.multihop === undefined ? 'single hop' : 'multi hop'}`,
    `  Detect Multiplier: ${bfd.multiplier}, Min Rx interval: ${bfd.minRxIntervalMs}, Min Tx interval: ${bfd.minTxIntervalMs}`,
    `  Status: ${bfdStatus(bfd.state)}, Last update: ${updated}`,
  ];
}

/** FRR knows Unknown, Down, Up and Admin Down. */
export function bfdStatus(state: NonNullable<BgpView['bfd']>['state']): string {
  if (state === undefined) return 'Unknown';
  if (state === 'AdminDown') return 'Admin Down';
  return state === 'Up' ? 'Up' : 'Down';
}
