// `show protocols [all]`: one row per protocol, then its details: channels with their filters,
// limits, route counts and change statistics. BGP's own block is in bgp-details.ts. Layout as
// BIRD 2.0.12 prints it; labels end in column 18.

import type {
  ChannelView,
  LimitView,
  ProtocolKind,
  ProtocolView,
  RouteChangeRow,
  RouteChangeStats,
  RpkiView,
  TimerView,
} from '@rookery/router';
import type { Policy } from '@rookery/rib';
import { bgpDetails, bgpInfo } from './bgp-details.ts';
import { labelled, timeText, timerText } from './show-context.ts';
import type { ShowContext } from './show-context.ts';

const KIND_NAMES: Readonly<Record<ProtocolKind, string>> = {
  device: 'Device',
  direct: 'Direct',
  kernel: 'Kernel',
  static: 'Static',
  bgp: 'BGP',
  pipe: 'Pipe',
  bfd: 'BFD',
  radv: 'RAdv',
  rpki: 'RPKI',
  mrt: 'MRT',
  bmp: 'BMP',
};

/** Writes the rows of these protocols, in order, without the end of the reply. */
export function* showProtocols(
  context: ShowContext,
  protocols: readonly ProtocolView[],
  all: boolean,
): Generator<void> {
  const { reply } = context;
  reply.line(2002, 'Name       Proto      Table      State  Since         Info');
  for (const protocol of protocols) {
    reply.line(1002, protocolRow(context, protocol));
    if (!all) continue;
    for (const line of protocolDetails(context, protocol)) reply.line(1006, line);
    reply.line(1006, '');
    yield;
  }
}

/** Whether the table column names the only channel's table, as BIRD does for these kinds. */
function mainTable(protocol: ProtocolView): string {
  const single = protocol.kind === 'kernel' || protocol.kind === 'static';
  return single && protocol.channels[0] ? protocol.channels[0].config.table : '---';
}

function protocolRow(context: ShowContext, protocol: ProtocolView): string {
  const since = timeText(context, context.status.timeFormats.protocol, protocol.sinceMs);
  const columns = [
    protocol.name.padEnd(10),
    KIND_NAMES[protocol.kind].padEnd(10),
    mainTable(protocol).padEnd(10),
    protocol.state.padEnd(6),
    since.padEnd(12),
  ].join(' ');
  return `${columns}  ${infoText(protocol)}`;
}

function infoText(protocol: ProtocolView): string {
  if (protocol.bgp) return bgpInfo(protocol.bgp, protocol.state);
  if (protocol.pipe) {
    return `${protocol.channels[0]?.config.table ?? '---'} <=> ${protocol.pipe.peerTable}`;
  }
  if (protocol.rpki) return protocol.rpki.status;
  return '';
}

function protocolDetails(context: ShowContext, protocol: ProtocolView): string[] {
  const lines: string[] = [];
  const say = (label: string, value: string): void => {
    lines.push(labelled(2, label, value, 18));
  };
  if (protocol.description !== undefined) say('Description', protocol.description);
  if (protocol.message !== undefined) say('Message', protocol.message);
  if (protocol.routerId !== undefined) say('Router ID', protocol.routerId);
  if (protocol.vrf !== undefined) say('VRF', protocol.vrf);
  if (protocol.rpki) lines.push(...rpkiDetails(context, protocol.rpki));
  if (protocol.bgp) lines.push(...bgpDetails(context, protocol.bgp));
  if (protocol.pipe) return [...lines, ...pipeDetails(protocol, protocol.pipe.peerTable)];
  for (const channel of protocol.channels) lines.push(...channelDetails(context, channel));
  return lines;
}

const CHANNEL_STATES = { down: 'DOWN', start: 'START', up: 'UP', flushing: 'FLUSHING' } as const;

function channelDetails(context: ShowContext, channel: ChannelView): string[] {
  const { config } = channel;
  const lines = [`  Channel ${channel.name}`];
  const say = (label: string, value: string): void => {
    lines.push(labelled(4, label, value, 20));
  };
  say('State', CHANNEL_STATES[channel.state]);
  say('Table', config.table);
  say('Preference', String(config.preference));
  say('Input filter', policyName(config.importPolicy));
  say('Output filter', policyName(config.exportPolicy));
  if (channel.recoveryPending) {
    say('GR recovery', `pending${channel.recoveryPending.waiting ? ' waiting' : ''}`);
  }
  lines.push(...limitLines(channel.limits));
  if (channel.state !== 'down') {
    say('Routes', routeCounts(channel));
    lines.push(...changeLines(channel.updates, '    '));
  }
  if (channel.neighborGr) {
    say('Neighbor GR', channel.neighborGr === 'regular' ? 'Regular' : 'Long-lived');
  }
  if (channel.staleTimer) say('LL stale timer', timerText(context, channel.staleTimer));
  if (channel.nextHop && channel.nextHop.length > 0) {
    say('BGP Next hop', channel.nextHop.join(' '));
  }
  if (channel.igpTable !== undefined) {
    say(`IGP ${channel.name === 'ipv6' ? 'IPv6' : 'IPv4'} table`, channel.igpTable);
  }
  return lines;
}

function rpkiDetails(context: ShowContext, rpki: RpkiView): string[] {
  const timer = (name: string, view: TimerView | undefined): string =>
    `  ${name} timer`.padEnd(18) + ': ' + (view ? timerText(context, view) : '---');
  const { lastUpdateMs, sessionId, serial } = rpki;
  const agoSec =
    lastUpdateMs === undefined ? undefined : (context.status.nowMs - lastUpdateMs) / 1000;
  const say = (label: string, value: string): string => labelled(2, label, value, 20);
  return [
    say('Cache server', rpki.server),
    say('Cache port', String(rpki.port)),
    say('Status', rpki.status),
    say('Transport', rpki.protectedByMd5 ? 'Protected by MD5 over TCP' : 'Unprotected over TCP'),
    say('Protocol version', String(rpki.version)),
    say('Session ID', String(sessionId ?? '---')),
    say('Serial number', String(serial ?? '---')),
    say('Last update', agoSec === undefined ? '---' : `before ${agoSec.toFixed(3)} s`),
    timer('Refresh', rpki.refresh),
    timer('Retry', rpki.retry),
    timer('Expire', rpki.expire),
  ];
}

function pipeDetails(protocol: ProtocolView, peerTable: string): string[] {
  const channel = protocol.channels[0];
  if (!channel) return [];
  const state = protocol.state === 'up' ? 'up' : 'down';
  const lines = ['  Channel main'];
  const say = (label: string, value: string): void => {
    lines.push(labelled(4, label, value, 20));
  };
  say('Table', channel.config.table);
  say('Peer table', peerTable);
  say('Import state', state);
  say('Export state', state);
  say('Import filter', policyName(channel.config.importPolicy));
  say('Export filter', policyName(channel.config.exportPolicy));
  lines.push(...limitLines(channel.limits));
  if (protocol.state === 'up') {
    const { imported, exported } = channel.counts;
    lines.push(labelled(2, 'Routes', `${imported} imported, ${exported} exported`, 18));
    lines.push(...changeLines(channel.updates, '  '));
  }
  return lines;
}

/** ACCEPT, REJECT, "(unnamed)" or the filter's name. */
export function policyName(policy: Policy): string {
  if (policy.kind === 'all') return 'ACCEPT';
  return policy.kind === 'none' ? 'REJECT' : policy.name;
}

function limitLines(limits: ChannelView['limits']): string[] {
  const line = (label: string, limit: LimitView | undefined): string[] =>
    limit === undefined
      ? []
      : [
          labelled(4, label, `${limit.count}${limit.hit ? ' [HIT]' : ''}`, 20),
          labelled(6, 'Action', limit.action, 20),
        ];
  return [
    ...line('Receive limit', limits.receive),
    ...line('Import limit', limits.import),
    ...line('Export limit', limits.export),
  ];
}

function routeCounts({ config, counts }: ChannelView): string {
  const filtered = config.importKeepFiltered ? ` ${counts.filtered} filtered,` : '';
  return `${counts.imported} imported,${filtered} ${counts.exported} exported, ${counts.preferred} preferred`;
}

function changeLines(stats: RouteChangeStats, indent: string): string[] {
  return [
    `${indent}Route change stats:     received   rejected   filtered    ignored   accepted`,
    `${indent}  Import updates:     ${changeRow(stats.importUpdates)}`,
    `${indent}  Import withdraws:   ${changeRow(stats.importWithdraws)}`,
    `${indent}  Export updates:     ${changeRow(stats.exportUpdates)}`,
    `${indent}  Export withdraws:   ${changeRow(stats.exportWithdraws)}`,
  ];
}

function changeRow(row: RouteChangeRow): string {
  return [row.received, row.rejected, row.filtered, row.ignored, row.accepted]
    .map((n) => String(n ?? '---').padStart(10))
    .join(' ');
}
