// Smaller BGP listings: next hop cache, update groups, VRFs, graceful restart per neighbor and
// prefix counts. Values that only FRR's own structures have (events, queues) are printed as what
// they are for us: none.

import { networkOf, prefixContains } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import { ctime } from '../wall-clock.ts';
import { bgpEntries } from './bgp-paths.ts';
import {
  epochSec,
  FAMILIES,
  FAMILY_KEYS,
  FAMILY_TITLES,
  familyOfNeighbor,
  neighborsOf,
  routerIdOf,
} from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';
import { prettyJson } from './json.ts';
import type { Json } from './json.ts';
import { gracefulRestartKeys } from './neighbor-json.ts';
import { gracefulRestartLines } from './neighbor-text.ts';

interface TrackedNexthop {
  readonly address: IpAddress;
  readonly paths: number;
  readonly peer: IpAddress | undefined;
  /** The interface whose network holds it; absent when it is not connected. */
  readonly interface: string | undefined;
  readonly sinceMs: number;
}

/** Neighbors and the next hops of their paths, which is what FRR tracks. */
export function trackedNexthops(context: VtyContext, family: Family): readonly TrackedNexthop[] {
  const counts = new Map<IpAddress, number>();
  const neighbors = neighborsOf(context.view).filter(
    (n) => n.name.includes(':') === (family === 'ipv6'),
  );
  for (const neighbor of neighbors) counts.set(neighbor.name, 0);
  for (const entry of bgpEntries(context, family)) {
    for (const path of entry.paths) {
      if (!path.local) counts.set(path.nexthop, (counts.get(path.nexthop) ?? 0) + 1);
    }
  }
  return [...counts].map(([address, paths]) => {
    const peer = neighbors.find((n) => n.name === address);
    return {
      address,
      paths,
      peer: peer?.name,
      interface: connectedInterface(context, address),
      sinceMs: peer?.bgp.createdMs ?? context.status.startedMs,
    };
  });
}

function connectedInterface(context: VtyContext, address: IpAddress): string | undefined {
  return context.view
    .interfaces()
    .find(
      (i) =>
        i.adminUp &&
        i.linkUp &&
        i.addresses.some((a) => prefixContains(networkOf(a.address, a.length), address)),
    )?.name;
}

export function nexthopText(context: VtyContext): string {
  const lines = ['Current BGP nexthop cache:'];
  for (const nexthop of FAMILIES.flatMap((family) => trackedNexthops(context, family))) {
    const peer = nexthop.peer === undefined ? '' : `, peer ${nexthop.peer}`;
    const valid = nexthop.interface === undefined ? 'invalid' : 'valid [IGP metric 0]';
    lines.push(` ${nexthop.address} ${valid}, #paths ${nexthop.paths}${peer}`);
    lines.push(
      nexthop.interface === undefined ? '  Must be Connected' : `  if ${nexthop.interface}`,
    );
    const since = nexthop.sinceMs + context.status.wallOffsetMs;
    lines.push(`  Last update: ${ctime(since, context.offset)}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

export function nexthopJson(context: VtyContext): Json {
  const result: Record<string, Json> = {};
  for (const family of FAMILIES) {
    const cache: Record<string, Json> = {};
    for (const nexthop of trackedNexthops(context, family)) {
      const valid = nexthop.interface !== undefined;
      const since = nexthop.sinceMs + context.status.wallOffsetMs;
      cache[nexthop.address] = {
        valid,
        complete: valid,
        igpMetric: 0,
        pathCount: nexthop.paths,
        peer: nexthop.peer,
        nexthops: valid ? [{ interfaceName: nexthop.interface! }] : [],
        lastUpdate: {
          epoch: epochSec(context, nexthop.sinceMs),
          string: `${ctime(since, context.offset)}\n`,
        },
      };
    }
    result[family] = cache;
  }
  return result;
}

/** Update groups of a family: neighbors that share one outgoing stream. */
export function updateGroupsText(context: VtyContext, family: Family): string {
  const groups = new Map<number, Neighbor[]>();
  for (const neighbor of neighborsOf(context.view)) {
    const view = familyOfNeighbor(neighbor.bgp, family);
    if (neighbor.bgp.state !== 'Established' || !view?.negotiated) continue;
    if (view.updateGroup === undefined) continue;
    groups.set(view.updateGroup, [...(groups.get(view.updateGroup) ?? []), neighbor]);
  }
  return [...groups].map(([id, members]) => groupText(context, family, id, members)).join('');
}

function groupText(
  context: VtyContext,
  family: Family,
  id: number,
  members: readonly Neighbor[],
): string {
  const first = members[0]!;
  const view = familyOfNeighbor(first.bgp, family)!;
  const created = Math.min(...members.map((m) => m.bgp.establishedMs ?? m.bgp.createdMs));
  const time = ctime(created + context.status.wallOffsetMs, context.offset);
  const lines = [
    `Update-group ${id}:`,
    `  Created: ${time}`,
    ...(view.exportPolicyName === undefined
      ? []
      : [`  Outgoing route map: ${view.exportPolicyName}`]),
    '  MRAI value (seconds): 0',
    '',
    `  Update-subgroup ${id}:`,
    `    Created: ${time}`,
    `    Join events: ${members.length}`,
    '    Prune events: 0',
    '    Merge events: 0',
    '    Split events: 0',
    '    Update group switch events: 0',
    '    Peer refreshes combined: 0',
    '    Merge checks triggered: 0',
    '    Coalesce Time: 0',
    `    Version: ${view.tableVersion}`,
    '    Packet queue length: 0',
    `    Adj-out list count: ${view.sentPrefixes}`,
    '    Advertise list: empty',
    '    Flags: ',
    `    Max packet size: ${first.bgp.localCapabilities?.extendedMessage && first.bgp.neighborCapabilities?.extendedMessage ? 65_535 : 4096}`,
    '    Peers:',
    ...members.map((member) => `      - ${member.name}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

export function vrfsText(context: VtyContext): string {
  const { configured, established } = peerCounts(context);
  return (
    'Type  Id     routerId          #PeersCfg  #PeersEstb  Name                                 \n' +
    '             L3-VNI            RouterMAC              Interface\n' +
    `DFLT  0      ${routerIdOf(context).padEnd(17)} ${String(configured).padEnd(10)} ${String(established).padEnd(11)} ${'default'.padEnd(37)}\n` +
    `             ${'0'.padEnd(17)} ${'00:00:00:00:00:00'.padEnd(22)} ${'unknown'.padEnd(20)}\n` +
    '\nTotal number of VRFs (including default): 1\n'
  );
}

export function vrfsJson(context: VtyContext): Json {
  const { configured, established } = peerCounts(context);
  return {
    vrfs: {
      default: {
        type: 'DFLT',
        vrfId: 0,
        routerId: routerIdOf(context),
        numConfiguredPeers: configured,
        numEstablishedPeers: established,
        l3vni: 0,
        rmac: '00:00:00:00:00:00',
        interface: 'unknown',
      },
    },
    totalVrfs: 1,
  };
}

function peerCounts(context: VtyContext): { configured: number; established: number } {
  const neighbors = neighborsOf(context.view);
  const established = neighbors.filter((n) => n.bgp.state === 'Established').length;
  return { configured: neighbors.length, established };
}

/** `show bgp [ipv4] neighbors graceful-restart`: once per family when none is named. */
export function gracefulRestartText(context: VtyContext, repeat: number): string {
  const modes = { off: 'Disable', aware: 'Helper', on: 'Restart' } as const;
  const neighbors = neighborsOf(context.view);
  const mode = modes[neighbors[0]?.bgp.gracefulRestart.mode ?? 'aware'];
  const head = `
Codes: GR - Graceful Restart, * -  Inheriting Global GR Config,
       Restart - GR Mode-Restarting, Helper - GR Mode-Helper,
       Disable - GR Mode-Disable.

Global BGP GR Mode :  ${mode}

`;
  const body = neighbors
    .map((n) => `BGP neighbor is ${n.name}\n${gracefulRestartLines(n.bgp).join('\n')}\n\n`)
    .join('');
  return (head + body).repeat(repeat);
}

export function gracefulRestartJson(context: VtyContext): string {
  const result: Record<string, Json> = {};
  for (const neighbor of neighborsOf(context.view)) {
    result[neighbor.name] = { neighborAddr: neighbor.name, ...gracefulRestartKeys(neighbor.bgp) };
  }
  return `${prettyJson(result)}\n`;
}

const COUNTERS = [
  'Adj-in',
  'Damped',
  'Removed',
  'History',
  'Stale',
  'Valid',
  'All RIB',
  'PfxCt counted',
  'PfxCt Best Selected',
  'Useable',
] as const;

export function prefixCounts(
  context: VtyContext,
  neighbor: Neighbor,
  family: Family,
  json: boolean,
): string {
  const entries = bgpEntries(context, family, { protocol: neighbor.protocol.name });
  const paths = entries.flatMap((entry) => entry.paths);
  const values: Readonly<Record<(typeof COUNTERS)[number], number>> = {
    'Adj-in': 0,
    Damped: 0,
    Removed: 0,
    History: 0,
    Stale: paths.filter((p) => p.route.stale).length,
    Valid: paths.filter((p) => p.valid).length,
    'All RIB': paths.length,
    'PfxCt counted': paths.length,
    'PfxCt Best Selected': paths.filter((p) => p.best).length,
    Useable: paths.filter((p) => p.valid).length,
  };
  const accepted = familyOfNeighbor(neighbor.bgp, family)?.acceptedPrefixes ?? 0;
  if (json) {
    return `${prettyJson({
      prefixCountsFor: neighbor.name,
      multiProtocol: FAMILY_KEYS[family],
      pfxCounter: accepted,
      ribTableWalkCounters: values,
    })}\n`;
  }
  const rows = COUNTERS.map((name) => `${name.padStart(20)}: ${String(values[name]).padEnd(10)}\n`);
  return (
    `Prefix counts for ${neighbor.name}, ${FAMILY_TITLES[family]}\nPfxCt: ${accepted}\n\n` +
    `Counts from RIB table walk:\n\n${rows.join('')}`
  );
}
