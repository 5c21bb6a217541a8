// `show bgp ipv4 unicast` and its relatives per neighbor: the table in FRR's columns, and the JSON
// that bgpd writes by hand (hence its spacing).

import type { Family, Prefix } from '@rookery/net';
import { bgpEntries, SELECTION_REASONS } from './bgp-paths.ts';
import type { BgpEntry, BgpPath } from './bgp-paths.ts';
import { localAsOf, routerIdOf, tableOf } from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';
import { compactJson } from './json.ts';
import type { Json } from './json.ts';

const LEGEND = `Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
               i internal, r RIB-failure, S Stale, R Removed
Nexthop codes: @NNN nexthop's vrf id, < announce-nh-self
Origin codes:  i - IGP, e - EGP, ? - incomplete
RPKI validation codes: V valid, I invalid, N Not found

    Network          Next Hop            Metric LocPrf Weight Path
`;

/** The whole table of a family. */
export function tableText(context: VtyContext, family: Family): string {
  const entries = bgpEntries(context, family);
  if (entries.length === 0) return 'No BGP prefixes displayed, 0 exist\n';
  const paths = entries.reduce((sum, entry) => sum + entry.paths.length, 0);
  const count = `Displayed  ${entries.length} routes and ${paths} total paths`;
  return `${headText(context, family)}${LEGEND}${rowsText(entries)}\n${count}\n`;
}

export function headText(context: VtyContext, family: Family): string {
  const version = tableOf(context.view, family)?.version ?? 0;
  return (
    `BGP table version is ${version}, local router ID is ${routerIdOf(context)}, vrf id 0\n` +
    `Default local pref 100, local AS ${localAsOf(context.view)}\n`
  );
}

function rowsText(entries: readonly BgpEntry[]): string {
  return entries
    .flatMap((entry) => entry.paths.map((path, i) => rowText(path, i === 0 ? entry.net : '')))
    .join('');
}

/** Validation, status and origin-of-path characters, prefix, next hop, then the numbers. */
function rowText(path: BgpPath, net: Prefix): string {
  const valid = path.route.stale ? 'S' : path.valid ? '*' : ' ';
  const status = ` ${valid}${path.best ? '>' : ' '}${path.internal ? 'i' : ' '}`;
  const number = (value: number | undefined, width: number): string =>
    (value === undefined ? '' : String(value)).padStart(width);
  const asPath = path.path === '' ? '' : `${path.path} `;
  return (
    status +
    column(net, 17, 21) +
    column(path.nexthop, 16, 37) +
    `${number(path.metric, 10)}${number(path.localPref, 7)}${number(path.weight, 7)} ` +
    `${asPath}${originLetter(path)}\n`
  );
}

/** A value that does not fit goes on a line of its own. */
function column(value: string, width: number, indent: number): string {
  return value.length < width ? value.padEnd(width) : `${value}\n${' '.repeat(indent)}`;
}

function originLetter(path: BgpPath): string {
  return path.origin === 'IGP' ? 'i' : path.origin === 'EGP' ? 'e' : '?';
}

/** The JSON of a table, or of the accepted routes of one neighbor. */
export function tableJson(
  context: VtyContext,
  family: Family,
  entries: readonly BgpEntry[],
): string {
  const head = {
    vrfId: 0,
    vrfName: 'default',
    tableVersion: tableOf(context.view, family)?.version ?? 0,
    routerId: routerIdOf(context),
    defaultLocPrf: 100,
    localAS: localAsOf(context.view),
  };
  const lines = Object.entries(head).map(
    ([key, value]) => ` "${key}": ${JSON.stringify(value)},\n`,
  );
  const routes = entries.map(
    (entry) => `"${entry.net}": ${compactJson(entry.paths.map((p) => pathJson(context, p)))}\n`,
  );
  return `{\n${lines.join('')} "routes": { ${routes.join(',')} }  } \n`;
}

function pathJson(context: VtyContext, path: BgpPath): Json {
  const [prefix, length] = path.net.split('/');
  return {
    valid: path.valid ? true : undefined,
    bestpath: path.best ? true : undefined,
    selectionReason: path.best ? SELECTION_REASONS[path.route.reason] : undefined,
    stale: path.route.stale ? true : undefined,
    pathFrom: path.internal ? 'internal' : 'external',
    prefix: prefix!,
    prefixLen: Number(length),
    network: path.net,
    version: tableOf(context.view, path.net.includes(':') ? 'ipv6' : 'ipv4')?.version ?? 0,
    metric: path.metric,
    locPrf: path.localPref,
    weight: path.weight,
    peerId: path.peer ?? '(unspec)',
    path: path.path,
    origin: path.origin,
    nexthops: [
      {
        ip: path.nexthop,
        hostname: path.local ? context.status.hostname : undefined,
        afi: path.nexthop.includes(':') ? 'ipv6' : 'ipv4',
        scope: path.nexthop.includes(':') && !path.local ? 'global' : undefined,
        used: true,
      },
    ],
  };
}

/** What this neighbor was sent; nothing at all when that is nothing. */
function advertised(context: VtyContext, neighbor: Neighbor, family: Family): readonly BgpEntry[] {
  const channel = neighbor.protocol.channels.find((c) => c.config.netType === family);
  if (!channel) return [];
  const query = {
    kind: 'exported',
    protocol: neighbor.protocol.name,
    channel: channel.name,
  } as const;
  return bgpEntries(context, family, { export: query });
}

export function advertisedText(context: VtyContext, neighbor: Neighbor, family: Family): string {
  const entries = advertised(context, neighbor, family);
  if (entries.length === 0) return '';
  const total = `Total number of prefixes ${entries.length}\n`;
  return `${headText(context, family)}${LEGEND}${rowsText(entries)}\n${total}`;
}

export function advertisedJson(context: VtyContext, neighbor: Neighbor, family: Family): string {
  const entries = advertised(context, neighbor, family);
  const routes: Record<string, Json> = {};
  for (const { net, paths } of entries) routes[net] = advertisedPathJson(net, paths[0]!);
  const head: { [key: string]: Json } = {
    bgpTableVersion: tableOf(context.view, family)?.version ?? 0,
    bgpLocalRouterId: routerIdOf(context),
    defaultLocPrf: 100,
    localAS: localAsOf(context.view),
    bgpStatusCodes: {
      suppressed: 's',
      damped: 'd',
      history: 'h',
      valid: '*',
      best: '>',
      multipath: '=',
      internal: 'i',
      ribFailure: 'r',
      stale: 'S',
      removed: 'R',
    },
    bgpOriginCodes: { igp: 'i', egp: 'e', incomplete: '?' },
  };
  const body = {
    ...(entries.length > 0 && head),
    advertisedRoutes: routes,
    totalPrefixCounter: entries.length,
    filteredPrefixCounter: 0,
  };
  return `${compactJson(body)}\n`;
}

function advertisedPathJson(net: Prefix, path: BgpPath): Json {
  const [addrPrefix, length] = net.split('/');
  return {
    addrPrefix: addrPrefix!,
    prefixLen: Number(length),
    network: net,
    nextHop: path.nexthop,
    metric: path.metric,
    locPrf: path.localPref,
    weight: path.weight,
    path: path.path,
    bgpOriginCode: originLetter(path),
    origin: path.origin,
    valid: path.valid,
    best: path.best,
    appliedStatusSymbols: { '*': path.valid, '>': path.best },
  };
}

/** Routes of a neighbor that passed its import policy. */
export function acceptedEntries(
  context: VtyContext,
  neighbor: Neighbor,
  family: Family,
): readonly BgpEntry[] {
  return bgpEntries(context, family, { protocol: neighbor.protocol.name });
}

export function acceptedText(context: VtyContext, neighbor: Neighbor, family: Family): string {
  const entries = acceptedEntries(context, neighbor, family);
  if (entries.length === 0) return '';
  const paths = entries.reduce((sum, entry) => sum + entry.paths.length, 0);
  const count = `Displayed  ${entries.length} routes and ${paths} total paths`;
  return `${headText(context, family)}${LEGEND}${rowsText(entries)}\n${count}\n`;
}
