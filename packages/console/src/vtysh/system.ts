// What FRR's shell and zebra say about the machine: version, daemons, interfaces, next hops that
// are tracked. Values that we do not know (speed, queue length, driver type) are left out rather
// than invented.

import type { InterfaceView } from '@rookery/router';
import type { Family } from '@rookery/net';
import { trackedNexthops } from './bgp-lists.ts';
import type { VtyContext } from './context.ts';
import type { Json } from './json.ts';

/** The first line is what exporters parse. */
export function versionText(context: VtyContext): string {
  const { version, system, status } = context;
  return (
    `FRRouting ${version} (${status.hostname}) on ${system}.\n` +
    `Rookery ${status.version}, answering in FRR's dialect.\n`
  );
}

/** MetalLB's liveness probe looks for these names. */
export function daemonsText(): string {
  return ' mgmtd zebra bgpd watchfrr staticd bfdd\n';
}

function byName(context: VtyContext, name: string | undefined): readonly InterfaceView[] {
  return context.view
    .interfaces()
    .filter((i) => name === undefined || i.name === name)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function isUp(iface: InterfaceView): boolean {
  return iface.adminUp && iface.linkUp;
}

function shownAddresses(iface: InterfaceView): readonly string[] {
  return iface.addresses
    .filter((a) => !/^(?:127\.|::1$)/.test(a.address))
    .map((a) => `${a.address}/${a.length}`);
}

export function interfaceBriefText(context: VtyContext): string {
  const row = (name: string, status: string, vrf: string, address: string): string =>
    `${name.padEnd(15)} ${status.padEnd(7)} ${vrf.padEnd(15)} ${address}\n`;
  const rows = byName(context, undefined).map((iface) => {
    const [first = '', ...rest] = shownAddresses(iface).filter((a) => !/^fe[89ab]/.test(a));
    const more = rest.map((address) => `${' '.repeat(40)}+ ${address}\n`);
    return row(iface.name, isUp(iface) ? 'up' : 'down', 'default', first) + more.join('');
  });
  const head = row('Interface', 'Status', 'VRF', 'Addresses');
  return `${head}${row('---------', '------', '---', '---------')}${rows.join('')}\n`;
}

export function interfaceBriefJson(context: VtyContext): Json {
  const result: Record<string, Json> = {};
  for (const iface of byName(context, undefined)) {
    result[iface.name] = {
      status: isUp(iface) ? 'up' : 'down',
      vrfName: 'default',
      addresses: shownAddresses(iface).filter((a) => !/^fe[89ab]/.test(a)),
    };
  }
  return result;
}

export function interfaceText(context: VtyContext, name: string | undefined): string {
  const found = byName(context, name);
  if (found.length === 0) return `% Can't find interface ${name}\n`;
  return found.map((iface) => oneInterface(iface)).join('');
}

function oneInterface(iface: InterfaceView): string {
  const state = iface.adminUp
    ? `is up, line protocol is ${iface.linkUp ? 'up' : 'down'}`
    : 'is down';
  const lines = [
    `Interface ${iface.name} ${state}`,
    '  vrf: default',
    `  index ${iface.ifindex} metric 0 mtu ${iface.mtu}`,
    `  flags: ${flagsText(iface)}`,
    `  Type: ${iface.flags.loopback ? 'Loopback' : 'Ethernet'}`,
    ...(iface.macAddress === undefined ? [] : [`  HWaddr: ${iface.macAddress}`]),
    ...iface.addresses
      .filter((a) => !/^(?:127\.|::1$)/.test(a.address))
      .map((a) => `  ${a.address.includes(':') ? 'inet6' : 'inet'} ${a.address}/${a.length}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function flagsText({ adminUp, linkUp, flags }: InterfaceView): string {
  const words = [
    adminUp && 'UP',
    flags.broadcast && 'BROADCAST',
    flags.loopback && 'LOOPBACK',
    flags.pointToPoint && 'POINTOPOINT',
    adminUp && linkUp && 'RUNNING',
    flags.multicast && 'MULTICAST',
  ];
  return `<${words.filter((word) => word !== false).join(',')}>`;
}

export function interfaceJson(context: VtyContext, name: string | undefined): Json {
  const result: Record<string, Json> = {};
  for (const iface of byName(context, name)) {
    result[iface.name] = {
      administrativeStatus: iface.adminUp ? 'up' : 'down',
      operationalStatus: iface.adminUp ? (iface.linkUp ? 'up' : 'down') : undefined,
      vrfName: 'default',
      index: iface.ifindex,
      metric: 0,
      mtu: iface.mtu,
      flags: flagsText(iface),
      type: iface.flags.loopback ? 'Loopback' : 'Ethernet',
      hardwareAddress: iface.macAddress,
      ipAddresses: iface.addresses
        .filter((a) => !/^(?:127\.|::1$)/.test(a.address))
        .map((a) => ({
          address: `${a.address}/${a.length}`,
          secondary: a.secondary,
          unnumbered: a.length === 32 && !a.address.includes(':'),
        })),
    };
  }
  return result;
}

export function nhtText(context: VtyContext, family: Family): string {
  const lines = ['VRF default:', ' Resolve via default: on'];
  for (const nexthop of trackedNexthops(context, family)) {
    if (nexthop.interface === undefined) {
      lines.push(nexthop.address, ' unresolved(Connected)', ' Client list: bgp');
      continue;
    }
    lines.push(
      `${nexthop.address}(Connected)`,
      ' resolved via connected',
      ` is directly connected, ${nexthop.interface} (vrf default)`,
      ' Client list: bgp',
    );
  }
  return lines.map((line) => `${line}\n`).join('');
}
