// A setup in BIRD's language, for our router and for the real BIRD alike, and what both print.

import {
  type Family,
  type Neighbor,
  type Path,
  type Setup,
  familyOfPrefix,
  parseAsPath,
} from './peer.ts';

export interface BirdOptions {
  /** Routes also go to the kernel. */
  readonly kernel?: boolean;
  /** Router advertisements tell neighbors on the link about us. */
  readonly advertise?: boolean;
}

/** A route with GRACEFUL_SHUTDOWN becomes the last resort. */
const IMPORT = 'import filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; };';

/** Neighbors are called n1, n2, … in the order of the setup. */
export function renderBirdConf(setup: Setup, options: BirdOptions = {}): string {
  const families: readonly Family[] = ['ipv4', 'ipv6'];
  const lines = [
    'log stderr all;',
    'debug protocols { states, events, packets };',
    `router id ${setup.routerId};`,
    'protocol device { scan time 2; }',
    ...(options.kernel
      ? families.map(
          (family) => `protocol kernel { ${family} { export where source = RTS_BGP; }; }`,
        )
      : []),
    ...(options.advertise ? ['protocol radv { interface "eth0" { max ra interval 4; }; }'] : []),
    ...(setup.neighbors.some(({ bfd }) => bfd)
      ? ['protocol bfd { interface "*" { interval 100 ms; multiplier 3; }; }']
      : []),
    ...families.flatMap((family) => renderStatic(setup, family)),
    ...setup.neighbors.map((neighbor, i) => renderNeighbor(setup, neighbor, `n${i + 1}`)),
  ];
  return `${lines.join('\n')}\n`;
}

function renderStatic(setup: Setup, family: Family): readonly string[] {
  const routes = setup.originate.filter((origin) => familyOfPrefix(origin.prefix) === family);
  const render = (second: boolean): string =>
    routes
      .filter((origin) => !second || origin.second !== undefined)
      .map((origin) => {
        const communities = second ? [origin.second!] : (origin.communities ?? []);
        const large = second ? [] : (origin.largeCommunities ?? []);
        const set = [
          ...communities.map((text) => `bgp_community.add((${text.replace(':', ',')}));`),
          ...large.map((text) => `bgp_large_community.add((${text.replaceAll(':', ',')}));`),
        ].join(' ');
        return `  route ${origin.prefix} blackhole${set === '' ? ';' : ` { ${set} };`}`;
      })
      .join('\n');
  return [
    `protocol static own_${family} { ${family};\n${render(false)}\n}`,
    `protocol static second_${family} { ${family} { preference 190; };\n${render(true)}\n}`,
  ];
}

function renderNeighbor(setup: Setup, neighbor: Neighbor, name: string): string {
  const { link, range } = neighbor;
  const flag = (condition: boolean | undefined, text: string): readonly string[] =>
    condition === true ? [text] : [];
  const localPort = neighbor.localPort === undefined ? '' : ` port ${neighbor.localPort}`;
  const options = [
    `local ${neighbor.local}${localPort} as ${neighbor.localAs ?? setup.as};`,
    range === undefined
      ? `neighbor ${neighbor.remote}${neighbor.remotePort === undefined ? '' : ` port ${neighbor.remotePort}`} as ${neighbor.as};`
      : `neighbor range ${range} as ${neighbor.as};`,
    ...(link === undefined ? [] : [`interface "${link}";`]),
    ...(neighbor.multihop === undefined ? ['direct;'] : [`multihop ${neighbor.multihop};`]),
    `hold time ${neighbor.holdTimeSec ?? 9};`,
    'connect delay time 1; connect retry time 2; error wait time 1, 2;',
    ...flag(neighbor.passive, 'passive;'),
    ...(neighbor.password === undefined ? [] : [`password "${neighbor.password}";`]),
    ...flag(neighbor.ttlSecurity, 'ttl security;'),
    ...flag(neighbor.bfd, 'bfd on;'),
    ...(setup.confederation === undefined ? [] : [`confederation ${setup.confederation};`]),
    ...flag(neighbor.member, 'confederation member yes;'),
    ...flag(setup.gracefulNotification, 'graceful restart notification on;'),
    ...flag(neighbor.extendedMessages, 'enable extended messages;'),
    ...flag(neighbor.reflectorClient, 'rr client;'),
    ...(neighbor.role === undefined ? [] : [`local role ${neighbor.role};`]),
    ...(setup.restartTimeSec === undefined
      ? []
      : [`graceful restart on; graceful restart time ${setup.restartTimeSec};`]),
    ...(setup.longLivedSec === undefined
      ? ['long lived graceful restart off;']
      : [`long lived graceful restart on; long lived stale time ${setup.longLivedSec};`]),
    ...neighbor.families.map((family) => {
      const channel = [
        `${IMPORT} export all;`,
        ...flag(neighbor.addPath, 'add paths on;'),
        ...flag(neighbor.extendedNextHop && family === 'ipv4', 'extended next hop;'),
      ];
      return `${family} { ${channel.join(' ')} };`;
    }),
  ];
  return `protocol bgp ${name} {\n  ${options.join('\n  ')}\n}`;
}

/** Paths of BGP protocols in what `show route for PREFIX all` prints. */
export function parseBirdPaths(text: string): readonly Path[] {
  const blocks: string[][] = [];
  for (const line of text.split('\n')) {
    if (/\[\w+ [^\]]*\]/.test(line) && !/^\s+(via|Type|BGP|bgp_)/.test(line)) blocks.push([]);
    blocks.at(-1)?.push(line.trim());
  }
  return blocks
    .filter((lines) => lines.some((line) => /^(Type|source): BGP/.test(line)))
    .map((lines): Path => {
      // BGP.community, in BIRD 3 bgp_community.
      const value = (name: string): string =>
        lines
          .find((line) => line.startsWith(`BGP.${name}:`) || line.startsWith(`bgp_${name}:`))
          ?.slice(name.length + 5)
          .trim() ?? '';
      const sets = (name: string): readonly string[] =>
        [...value(name).matchAll(/\(([^)]*)\)/g)].map((set) => set[1]!.replaceAll(/,\s*/g, ':'));
      const originatorId = value('originator_id');
      const clusters = value('cluster_list');
      return {
        ...parseAsPath(value('as_path') || value('path')),
        communities: sets('community'),
        largeCommunities: sets('large_community'),
        nextHop: value('next_hop'),
        localPref: Number(value('local_pref')),
        ...(originatorId === '' ? {} : { originatorId }),
        ...(clusters === '' ? {} : { clusterList: clusters.split(' ') }),
      };
    });
}

/** How many communities a route has: printed lists end after some. */
export async function bgpCommunityCount(
  ask: (command: string) => Promise<string>,
  prefix: string,
): Promise<number> {
  // BIRD evaluates a filter per route; bisection needs no more than a dozen questions.
  let low = 0;
  let high = 16_384;
  while (low < high) {
    const middle = Math.floor((low + high + 1) / 2);
    const found = await ask(`show route ${prefix} where bgp_community.len >= ${middle}`);
    if (found.includes(prefix)) low = middle;
    else high = middle - 1;
  }
  return low;
}
