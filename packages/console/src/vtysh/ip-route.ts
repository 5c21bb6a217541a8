// `show ip route` and `show ipv6 route`: all, one protocol, one prefix, the summary; text and JSON.

import { networkOf, prefixCovers } from '@rookery/net';
import type { Family } from '@rookery/net';
import { ageMs } from './context.ts';
import type { VtyContext } from './context.ts';
import { routeAge } from './durations.ts';
import { compactJson, prettyJson } from './json.ts';
import type { Json } from './json.ts';
import { zebraRoutes } from './zebra-routes.ts';
import type { ZebraNexthop, ZebraProtocol, ZebraRoute } from './zebra-routes.ts';

const LEGENDS: Readonly<Record<Family, string>> = {
  ipv4: `Codes: K - kernel route, C - connected, S - static, R - RIP,
       O - OSPF, I - IS-IS, B - BGP, E - EIGRP, N - NHRP,
       T - Table, v - VNC, V - VNC-Direct, A - Babel, F - PBR,
       f - OpenFabric,
       > - selected route, * - FIB route, q - queued, r - rejected, b - backup
       t - trapped, o - offload failure

`,
  ipv6: `Codes: K - kernel route, C - connected, S - static, R - RIPng,
       O - OSPFv3, I - IS-IS, B - BGP, N - NHRP, T - Table,
       v - VNC, V - VNC-Direct, A - Babel, F - PBR,
       f - OpenFabric,
       > - selected route, * - FIB route, q - queued, r - rejected, b - backup
       t - trapped, o - offload failure

`,
};

const LETTERS: Readonly<Record<ZebraProtocol, string>> = {
  kernel: 'K',
  connected: 'C',
  static: 'S',
  bgp: 'B',
};

export interface RouteOptions {
  readonly family: Family;
  readonly protocol?: string;
  /** Only installed routes. */
  readonly fib: boolean;
}

function chosen(context: VtyContext, options: RouteOptions): readonly ZebraRoute[] {
  return zebraRoutes(context, options.family).filter(
    (route) =>
      (options.protocol === undefined || route.protocol === options.protocol) &&
      (!options.fib || route.selected),
  );
}

/** Nothing at all, not even the legend, when there is nothing to show. */
export function routesText(context: VtyContext, options: RouteOptions): string {
  const routes = chosen(context, options);
  if (routes.length === 0) return '';
  return LEGENDS[options.family] + routes.map((route) => rowText(context, route)).join('');
}

function rowText(context: VtyContext, route: ZebraRoute): string {
  // Connected routes of several interfaces are all in the kernel; only one is selected.
  const flags = `${route.selected ? '>' : ' '}${isInstalled(route) ? '*' : ' '}`;
  const head = `${LETTERS[route.protocol]}${flags} ${route.net}`;
  const cost = route.protocol === 'connected' ? '' : ` [${route.distance}/${route.metric}]`;
  const age = routeAge(ageMs(context, route.sinceMs));
  const first = `${head}${cost}`;
  if (route.drop !== undefined) return `${first} ${route.drop}, ${age}\n`;
  return route.nexthops
    .map((hop, i) => {
      const start = i === 0 ? first : `  *${' '.repeat(Math.max(0, first.length - 3))}`;
      return `${start} ${hopText(route, hop)}, ${age}\n`;
    })
    .join('');
}

function isInstalled(route: ZebraRoute): boolean {
  return route.selected || route.protocol === 'connected';
}

function hopText(route: ZebraRoute, hop: ZebraNexthop): string {
  const where =
    hop.gateway === undefined
      ? `is directly connected, ${hop.interface}`
      : `via ${hop.gateway}, ${hop.interface}`;
  const onlink = hop.onlink ? ' onlink' : '';
  const source = hop.source === undefined ? '' : `, src ${hop.source}`;
  const weight = route.protocol === 'bgp' ? `, weight ${hop.weight}` : '';
  return `${where}${onlink}${source}${weight}`;
}

export function routesJson(context: VtyContext, options: RouteOptions): string {
  return `${compactJson(byPrefix(context, chosen(context, options)))}\n`;
}

function byPrefix(context: VtyContext, routes: readonly ZebraRoute[]): Json {
  const result: Record<string, Json[]> = {};
  for (const route of routes) (result[route.net] ??= []).push(routeJson(context, route));
  return result;
}

/** internalStatus 16: installed; internalFlags 8: selected; next hop flags 3: active, in the FIB. */
function routeJson(context: VtyContext, route: ZebraRoute): Json {
  const active = route.drop === undefined ? route.nexthops.length : 1;
  return {
    prefix: route.net,
    prefixLen: Number(route.net.split('/')[1]),
    protocol: route.protocol,
    vrfId: 0,
    vrfName: 'default',
    selected: route.selected ? true : undefined,
    destSelected: route.selected ? true : undefined,
    distance: route.distance,
    metric: route.metric,
    installed: isInstalled(route) ? true : undefined,
    table: 254,
    internalStatus: 16,
    internalFlags: route.selected ? 8 : 0,
    internalNextHopNum: active,
    internalNextHopActiveNum: active,
    nexthopGroupId: route.nexthopId,
    installedNexthopGroupId: route.selected ? route.nexthopId : undefined,
    uptime: routeAge(ageMs(context, route.sinceMs)),
    nexthops:
      route.drop === undefined
        ? route.nexthops.map((hop) => hopJson(route, hop))
        : [{ flags: 3, fib: true, unreachable: true, active: true }],
  };
}

function hopJson(route: ZebraRoute, hop: ZebraNexthop): Json {
  const direct = hop.gateway === undefined;
  return {
    flags: 3,
    fib: true,
    directlyConnected: direct ? true : undefined,
    ip: hop.gateway,
    afi: direct ? undefined : hop.gateway!.includes(':') ? 'ipv6' : 'ipv4',
    interfaceIndex: hop.ifindex,
    interfaceName: hop.interface,
    active: true,
    onLink: hop.onlink ? true : undefined,
    source: hop.source,
    weight: route.protocol === 'bgp' ? hop.weight : undefined,
  };
}

/** One prefix exactly, or the longest match of an address. */
export function routeReply(
  context: VtyContext,
  family: Family,
  target: string,
  json: boolean,
): string {
  const all = zebraRoutes(context, family);
  const net = target.includes('/') ? target : longestMatch(all, target, family);
  const routes = all.filter((route) => route.net === net);
  if (routes.length === 0) return json ? '{\n}\n' : '% Network not in table\n';
  if (json) return `${prettyJson(byPrefix(context, routes))}\n`;
  return routes.map((route) => entryText(context, route)).join('');
}

function longestMatch(
  routes: readonly ZebraRoute[],
  address: string,
  family: Family,
): string | undefined {
  const host = networkOf(address, family === 'ipv4' ? 32 : 128);
  const length = (route: ZebraRoute): number => Number(route.net.split('/')[1]);
  return routes
    .filter((route) => prefixCovers(route.net, host))
    .toSorted((a, b) => length(b) - length(a))[0]?.net;
}

function entryText(context: VtyContext, route: ZebraRoute): string {
  const best = route.selected ? ', best' : '';
  const hops = route.nexthops.map((hop) => {
    const where =
      hop.gateway === undefined
        ? `directly connected, ${hop.interface}`
        : `${hop.gateway}, via ${hop.interface}`;
    const source = hop.source === undefined ? '' : `, src ${hop.source}`;
    const weight = route.protocol === 'bgp' ? `, weight ${hop.weight}` : '';
    return `  * ${where}${hop.onlink ? ' onlink' : ''}${source}${weight}`;
  });
  const lines = [
    `Routing entry for ${route.net}`,
    `  Known via "${route.protocol}", distance ${route.distance}, metric ${route.metric}${best}`,
    `  Last update ${routeAge(ageMs(context, route.sinceMs))} ago`,
    ...(route.drop === undefined ? hops : [`  * ${route.drop}`]),
    '',
  ];
  return lines.map((line) => `${line}\n`).join('');
}

interface Source {
  readonly name: string;
  readonly rib: number;
  readonly fib: number;
}

function sourcesOf(context: VtyContext, family: Family): readonly Source[] {
  const routes = zebraRoutes(context, family);
  const names: readonly (readonly [ZebraProtocol, string])[] = [
    ['kernel', 'kernel'],
    ['connected', 'connected'],
    ['static', 'static'],
    ['bgp', 'ebgp'],
  ];
  return names
    .map(([protocol, name]) => {
      const of = routes.filter((route) => route.protocol === protocol);
      return { name, rib: of.length, fib: of.filter((route) => route.selected).length };
    })
    .filter((source) => source.rib > 0);
}

export function routeSummary(context: VtyContext, family: Family, json: boolean): string {
  const sources = sourcesOf(context, family);
  const rib = sources.reduce((sum, s) => sum + s.rib, 0);
  const fib = sources.reduce((sum, s) => sum + s.fib, 0);
  if (json) {
    return `${prettyJson({
      routes: sources.map((s) => ({
        fib: s.fib,
        rib: s.rib,
        fibOffLoaded: 0,
        fibTrapped: 0,
        type: s.name,
      })),
      routesTotal: rib,
      routesTotalFib: fib,
    })}\n`;
  }
  const row = (name: string, a: number, b: number): string =>
    `${name.padEnd(20)} ${String(a).padEnd(20)} ${String(b).padEnd(20)} \n`;
  return (
    'Route Source         Routes               FIB  (vrf default)\n' +
    sources.map((s) => row(s.name, s.rib, s.fib)).join('') +
    `------\n${row('Totals', rib, fib)}\n`
  );
}
