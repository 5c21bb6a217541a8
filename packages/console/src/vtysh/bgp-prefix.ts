// `show bgp … PREFIX`: one entry of the BGP table with all its paths, who was sent it, and why the
// best path is the best. Also the body of `show bgp … detail`.

import { networkOf } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import { ctime } from '../wall-clock.ts';
import { bgpEntries, SELECTION_REASONS } from './bgp-paths.ts';
import type { BgpEntry, BgpPath } from './bgp-paths.ts';
import { headText } from './bgp-table.ts';
import { epochSec, neighborsOf, routerIdOf, tableOf } from './context.ts';
import type { VtyContext } from './context.ts';
import { prettyJson } from './json.ts';
import type { Json } from './json.ts';

/** Text or JSON for a prefix, or for the longest match of an address, given as text. */
export function prefixReply(
  context: VtyContext,
  family: Family,
  target: string,
  json: boolean,
): string {
  const entry = findEntry(context, family, target);
  if (!entry) return json ? '{\n}\n' : '% Network not in table\n';
  return json
    ? `${prettyJson(entryJson(context, family, entry))}\n`
    : entryText(context, family, entry);
}

function findEntry(context: VtyContext, family: Family, target: string): BgpEntry | undefined {
  const host = family === 'ipv4' ? 32 : 128;
  const net = target.includes('/')
    ? ({ kind: 'exact', prefix: target } as const)
    : ({ kind: 'for', prefix: networkOf(target, host) } as const);
  return bgpEntries(context, family, { net })[0];
}

/** Every entry in the long form. */
export function detailText(context: VtyContext, family: Family): string {
  const entries = bgpEntries(context, family);
  if (entries.length === 0) return 'No BGP prefixes displayed, 0 exist\n';
  const paths = entries.reduce((sum, entry) => sum + entry.paths.length, 0);
  const body = entries.map((entry) => entryText(context, family, entry)).join('');
  const count = `Displayed  ${entries.length} routes and ${paths} total paths`;
  return `${headText(context, family)}${body}\n${count}\n`;
}

function entryText(context: VtyContext, family: Family, entry: BgpEntry): string {
  const version = tableOf(context.view, family)?.version ?? 0;
  const best = entry.paths.findIndex((path) => path.best);
  const bestText = best < 0 ? 'no best path' : `best #${best + 1}`;
  const peers = advertisedTo(context, family, entry.net);
  const lines = [
    `BGP routing table entry for ${entry.net}, version ${version}`,
    `Paths: (${entry.paths.length} available, ${bestText}, table default)`,
    ...(peers.length === 0
      ? ['  Not advertised to any peer']
      : ['  Advertised to non peer-group peers:', `  ${peers.join(' ')}`]),
    ...entry.paths.flatMap((path) => pathLines(context, path)),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function advertisedTo(context: VtyContext, family: Family, net: Prefix): readonly IpAddress[] {
  return neighborsOf(context.view)
    .filter(({ protocol, bgp }) => {
      const channel = protocol.channels.find((c) => c.config.netType === family);
      if (!channel || bgp.state !== 'Established') return false;
      const query = { kind: 'exported', protocol: protocol.name, channel: channel.name } as const;
      return (
        bgpEntries(context, family, { export: query, net: { kind: 'exact', prefix: net } }).length >
        0
      );
    })
    .map((neighbor) => neighbor.name);
}

function pathLines(context: VtyContext, path: BgpPath): string[] {
  const { bgp } = path.route.attributes;
  const words = [
    `Origin ${path.origin}`,
    ...(path.metric === undefined ? [] : [`metric ${path.metric}`]),
    ...(path.localPref === undefined ? [] : [`localpref ${path.localPref}`]),
    ...(path.weight === 0 ? [] : [`weight ${path.weight}`]),
    ...(path.valid ? ['valid'] : []),
    ...(path.local ? ['sourced', 'local'] : [path.internal ? 'internal' : 'external']),
    ...(path.best ? [`best (${SELECTION_REASONS[path.route.reason]})`] : []),
  ];
  const communities = communityTexts(bgp?.communities ?? []);
  const large = largeTexts(bgp?.largeCommunities ?? []);
  const stale = path.route.stale ? ', (stale)' : '';
  return [
    `  ${path.path === '' ? 'Local' : path.path}${stale}`,
    `    ${path.nexthop}${path.valid ? '' : ' (inaccessible)'} from ${peerText(context, path)}`,
    `      ${words.join(', ')}`,
    ...(communities.length === 0 ? [] : [`      Community: ${communities.join(' ')}`]),
    ...(large.length === 0 ? [] : [`      Large Community: ${large.join(' ')}`]),
    `      Last update: ${ctime(updatedUnixMs(context, path), context.offset)}`,
  ];
}

function peerText(context: VtyContext, path: BgpPath): string {
  if (path.local) return `${path.nexthop} (${routerIdOf(context)})`;
  return `${path.peer ?? '0.0.0.0'} (${peerId(context, path)})`;
}

function peerId(context: VtyContext, path: BgpPath): IpAddress {
  const protocol = context.view.protocols().find((p) => p.name === path.route.protocol);
  return path.route.attributes.bgp?.originatorId ?? protocol?.bgp?.neighborId ?? '0.0.0.0';
}

function updatedUnixMs(context: VtyContext, path: BgpPath): number {
  return path.route.changedMs + context.status.wallOffsetMs;
}

const WELL_KNOWN: Readonly<Record<number, string>> = {
  0xffff0000: 'graceful-shutdown',
  0xffff0006: 'llgr-stale',
  0xffff0007: 'no-llgr',
  0xffff029a: 'blackhole',
  0xffffff01: 'no-export',
  0xffffff02: 'no-advertise',
  0xffffff03: 'local-AS',
  0xffffff04: 'no-peer',
};

export function communityTexts(values: readonly number[]): string[] {
  return values.map((v) => WELL_KNOWN[v] ?? `${v >>> 16}:${v & 0xffff}`);
}

export function largeTexts(words: readonly number[]): string[] {
  const texts: string[] = [];
  for (let i = 0; i + 2 < words.length; i += 3) {
    texts.push(`${words[i]}:${words[i + 1]}:${words[i + 2]}`);
  }
  return texts;
}

function entryJson(context: VtyContext, family: Family, entry: BgpEntry): Json {
  const peers = advertisedTo(context, family, entry.net);
  const version = tableOf(context.view, family)?.version ?? 0;
  return {
    prefix: entry.net,
    version,
    advertisedTo:
      peers.length === 0 ? undefined : Object.fromEntries(peers.map((peer) => [peer, {}])),
    paths: entry.paths.map((path) => pathJson(context, path, version)),
  };
}

function pathJson(context: VtyContext, path: BgpPath, version: number): Json {
  const { bgp } = path.route.attributes;
  const segments = path.local ? [] : (bgp?.asPath ?? []);
  const communities = communityTexts(bgp?.communities ?? []);
  const large = largeTexts(bgp?.largeCommunities ?? []);
  const types = ['', 'as-set', 'as-sequence', 'as-confed-sequence', 'as-confed-set'];
  const list = (items: readonly string[]): Json | undefined =>
    items.length === 0 ? undefined : { string: items.join(' '), list: items };
  const updated = path.route.changedMs;
  return {
    aspath: {
      string: path.path === '' ? 'Local' : path.path,
      segments: segments.map((s) => ({ type: types[s.type]!, list: s.asns })),
      // RFC 4271 §9.1.2.2: a set counts as one; RFC 5065 §5.3: confederation segments do not count.
      length: segments.reduce(
        (n, s) => n + (s.type === 2 ? s.asns.length : s.type === 1 ? 1 : 0),
        0,
      ),
    },
    origin: path.origin,
    metric: path.metric,
    locPrf: path.localPref,
    weight: path.weight === 0 ? undefined : path.weight,
    valid: path.valid,
    version,
    sourced: path.local ? true : undefined,
    local: path.local ? true : undefined,
    bestpath: path.best
      ? { overall: true, selectionReason: SELECTION_REASONS[path.route.reason] }
      : undefined,
    community: list(communities),
    largeCommunity: list(large),
    lastUpdate: {
      epoch: epochSec(context, updated),
      string: `${ctime(updatedUnixMs(context, path), context.offset)}\n`,
    },
    nexthops: [
      {
        ip: path.nexthop,
        hostname: path.local ? context.status.hostname : undefined,
        afi: path.nexthop.includes(':') ? 'ipv6' : 'ipv4',
        metric: path.route.attributes.igpMetric ?? 0,
        accessible: path.valid,
        used: true,
      },
    ],
    peer: path.local
      ? { peerId: path.nexthop, routerId: routerIdOf(context) }
      : {
          peerId: path.peer ?? '0.0.0.0',
          routerId: peerId(context, path),
          type: path.internal ? 'internal' : 'external',
        },
  };
}
