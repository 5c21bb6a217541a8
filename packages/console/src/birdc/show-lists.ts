// The smaller listings of the birdc dialect: status, interfaces, static routes, BFD sessions,
// symbols and memory. Each writes its lines and ends the reply.

import { familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type {
  InterfaceAddress,
  InterfaceView,
  ProtocolView,
  StaticRouteView,
  SymbolConfig,
} from '@rookery/router';
import type { SymbolClass } from './command.ts';
import { timeText, timerText } from './show-context.ts';
import type { ShowContext } from './show-context.ts';

const STATE_TEXTS = {
  running: 'Daemon is up and running',
  'shutting down': 'Shutdown in progress',
  reconfiguring: 'Reconfiguration in progress',
} as const;

export function showStatus(context: ShowContext): void {
  const { reply, status, version } = context;
  const at = (ms: number): string => timeText(context, status.timeFormats.base, ms);
  reply.line(1000, `BIRD ${version}`);
  reply.line(1011, `Router ID is ${status.routerId}`);
  reply.line(1011, `Hostname is ${status.hostname}`);
  reply.line(1011, `Current server time is ${at(status.nowMs)}`);
  reply.line(1011, `Last reboot on ${at(status.startedMs)}`);
  reply.line(1011, `Last reconfiguration on ${at(status.reconfiguredMs)}`);
  if (status.recovery) {
    reply.line(24, 'Graceful restart recovery in progress');
    reply.line(24, ` Waiting for ${status.recovery.waitingChannels} channels to recover`);
    reply.line(24, ` Wait timer is ${timerText(context, status.recovery.wait)}`);
  }
  reply.end(13, STATE_TEXTS[status.state]);
}

export function showInterfaces(context: ShowContext, summary: boolean): void {
  const { reply, view } = context;
  if (summary) reply.line(2005, 'Interface  State  IPv4 address       IPv6 address');
  for (const iface of view.interfaces()) {
    if (summary) reply.line(1005, summaryRow(iface));
    else {
      reply.line(1001, headLine(iface, view.interfaces()));
      reply.line(1004, `\t${flagWords(iface)}`);
      for (const address of iface.addresses) reply.line(1003, `\t${addressText(iface, address)}`);
    }
  }
  reply.end(0);
}

/** BIRD 2.0.12 prints "up" for an interface without carrier too. */
function isUp(iface: InterfaceView): boolean {
  return iface.adminUp;
}

/** Preferred addresses of either family that are not link-local. */
function summaryRow(iface: InterfaceView): string {
  const find = (family: 'ipv4' | 'ipv6'): string => {
    const found = iface.addresses.find(
      (a) =>
        iface.preferred.includes(a.address) &&
        familyOf(a.address) === family &&
        scopeOf(a.address) !== 'link',
    );
    return found ? `${found.address}/${found.length}` : '';
  };
  const state = isUp(iface) ? 'up' : 'down';
  return `${iface.name.padEnd(10)} ${state.padEnd(6)} ${find('ipv4').padEnd(18)} ${find('ipv6')}`;
}

function headLine(iface: InterfaceView, all: readonly InterfaceView[]): string {
  const master = all.find((other) => other.ifindex === iface.masterIfindex);
  const master2 = master ? ` master=${master.name}` : '';
  return `${iface.name} ${isUp(iface) ? 'up' : 'down'} (index=${iface.ifindex}${master2})`;
}

function flagWords(iface: InterfaceView): string {
  const { flags } = iface;
  return [
    flags.pointToPoint ? 'PtP' : 'MultiAccess',
    flags.broadcast && 'Broadcast',
    flags.multicast && 'Multicast',
    iface.adminUp ? 'AdminUp' : 'AdminDown',
    iface.linkUp ? 'LinkUp' : 'LinkDown',
    flags.loopback && 'Loopback',
    iface.ignored && 'Ignored',
    `MTU=${iface.mtu}`,
  ]
    .filter((word) => word !== false)
    .join(' ');
}

function addressText(iface: InterfaceView, address: InterfaceAddress): string {
  const words = [
    iface.preferred.includes(address.address)
      ? 'Preferred, '
      : address.secondary
        ? 'Secondary, '
        : '',
    address.opposite === undefined ? '' : `opposite ${address.opposite}, `,
    `scope ${scopeOf(address.address)}`,
  ];
  return `${address.address}/${address.length} (${words.join('')})`;
}

/** BIRD classifies by the address itself (RFC 1918, RFC 4193 are "site"), not by the kernel. */
function scopeOf(address: IpAddress): string {
  if (familyOf(address) === 'ipv4') {
    if (address.startsWith('127.')) return 'host';
    if (address.startsWith('169.254.')) return 'link';
    return /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(address) ? 'site' : 'univ';
  }
  if (address === '::1') return 'host';
  if (/^fe[89ab]/.test(address)) return 'link';
  return /^(?:f[cd]|fe[c-f])/.test(address) ? 'site' : 'univ';
}

export function showStatic(context: ShowContext, name: string | undefined): void {
  const { reply, view } = context;
  const all = view.protocols();
  const named = all.find((p) => p.name === name);
  if (name !== undefined && named?.kind !== 'static') {
    reply.end(9001, `${name}: Not a Static protocol`);
    return;
  }
  const wanted = named ? [named] : all.filter((p) => p.kind === 'static');
  if (wanted.length === 0) {
    reply.end(9001, 'There is no Static protocol running');
    return;
  }
  let separate = false;
  for (const protocol of wanted) {
    if (protocol.state !== 'up' || !protocol.staticRoutes) continue;
    if (separate) reply.line(1009, '');
    separate = true;
    for (const route of protocol.staticRoutes) {
      for (const line of staticLines(route)) reply.line(1009, line);
    }
  }
  reply.end(0);
}

function staticLines({ route, viaActive }: StaticRouteView): string[] {
  const net = route.roa ? `${route.net}-${route.roa.maxLength} AS${route.roa.asn}` : route.net;
  if (route.recursive !== undefined) return [`${net}\trecursive ${route.recursive}`];
  if (route.via.length === 0) {
    if (route.roa) return [`${net}\t`];
    return [`${net}\t${route.dest === 'prohibit' ? 'prohibited' : route.dest}`];
  }
  const hops = route.via.map((hop, i) => {
    const iface = hop.interface ?? '';
    const where =
      hop.gateway === undefined
        ? `dev ${iface}`
        : `via ${hop.gateway}${iface === '' ? '' : `%${iface}`}`;
    const flags = `${hop.onlink ? ' onlink' : ''}${hop.bfd ? ' (bfd)' : ''}`;
    return `\t${where}${flags}${viaActive[i] === false ? ' (dormant)' : ''}`;
  });
  return [net, ...hops];
}

export function showBfdSessions(context: ShowContext, name: string | undefined): void {
  const { reply, view } = context;
  const protocols = view.protocols().filter((p) => p.kind === 'bfd');
  const named = view.protocols().find((p) => p.name === name);
  if (name !== undefined && named?.kind !== 'bfd') {
    reply.end(9001, `${name}: Not a BFD protocol`);
    return;
  }
  if (protocols.length === 0) {
    reply.end(9001, 'There is no BFD protocol running');
    return;
  }
  for (const protocol of named ? [named] : protocols) bfdTable(context, protocol);
  reply.end(0);
}

function bfdTable(context: ShowContext, protocol: ProtocolView): void {
  const { reply, view, status } = context;
  reply.line(1020, `${protocol.name}:`);
  reply.line(
    1020,
    'IP address                Interface  State      Since         Interval  Timeout',
  );
  for (const session of view.bfdSessions()) {
    if (session.protocol !== protocol.name) continue;
    const columns = [
      session.remote.padEnd(25),
      (session.multihop ? '---' : (session.interface ?? '---')).padEnd(10),
      session.state.padEnd(10),
      timeText(context, status.timeFormats.protocol, session.sinceMs).padEnd(12),
      (session.txIntervalUs / 1_000_000).toFixed(3).padStart(8),
      (session.detectTimeUs / 1_000_000).toFixed(3).padStart(8),
    ];
    reply.line(1020, columns.join(' '));
  }
}

export function showSymbols(
  context: ShowContext,
  symbolClass: SymbolClass | undefined,
  name: string | undefined,
): void {
  const { reply, view } = context;
  const symbols = view.symbols();
  if (name !== undefined) {
    const kind = symbols.find((s) => s.name === name)?.kind ?? 'undefined';
    reply.end(1010, symbolText({ name, kind }));
    return;
  }
  for (const symbol of symbols) {
    if (symbolClass === undefined || symbol.kind === symbolClass) {
      reply.line(1010, symbolText(symbol));
    }
  }
  reply.end(0);
}

function symbolText({ name, kind }: SymbolConfig): string {
  return `${name.padEnd(8)}\t${kind === 'template' ? 'protocol template' : kind}`;
}

export function showMemory(context: ShowContext): void {
  const { reply, view } = context;
  const memory = view.memory();
  const { routingTables, routeAttributes, protocols, config, standby } = memory;
  const total = routingTables + routeAttributes + protocols + config + standby;
  reply.line(1018, 'BIRD memory usage');
  reply.line(1018, '                  Effective    Overhead');
  const row = (label: string, octets: number): void => {
    // Overhead is the allocator's; in our runtime it cannot be told apart, so it is zero.
    reply.line(1018, `${`${label}:`.padEnd(17)} ${sizeText(octets)}   ${sizeText(0)}`);
  };
  row('Routing tables', routingTables);
  row('Route attributes', routeAttributes);
  row('Protocols', protocols);
  row('Current config', config);
  row('Standby memory', standby);
  row('Total', total);
  reply.end(0);
}

/** Six columns of number and a two-letter unit: " 67.5 kB", "872.0  B". */
function sizeText(octets: number): string {
  const units = [' B', 'kB', 'MB', 'GB'];
  let value = octets;
  let unit = 0;
  // BIRD keeps four digits before it changes to the next unit.
  while (value >= 10_000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1).padStart(6)} ${units[unit]}`;
}
