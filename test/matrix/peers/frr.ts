// FRR as Debian has it: zebra and bgpd.

import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, launch, until, when } from '@rookery/lab';
import { INSTALLED, NEWER } from '../../../tools/newer-debian.ts';
import {
  type Family,
  type Neighbor,
  type Path,
  type Peer,
  type PeerPlace,
  type Setup,
  type Variant,
  familyOfPrefix,
  parseAsPath,
} from '../peer.ts';

/** Communities that FRR names. */
const WELL_KNOWN: Readonly<Record<string, string>> = {
  llgrStale: '65535:6',
  gracefulShutdown: '65535:0',
};
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

export const FRRS: readonly Peer[] = [
  frrPeer({
    id: 'frr',
    from: INSTALLED,
    cannot: { 'software-version': 'FRR 8.4 does not have the capability.' },
    bfdctl: true,
  }),
  frrPeer({
    id: 'frr-newer',
    from: NEWER,
    cannot: {},
    bfdctl: false,
    softwareVersion: 'FRRouting/',
  }),
];

interface FrrVariant extends Variant {
  /** Its bfdd may be told where to keep its socket. */
  readonly bfdctl: boolean;
}

function frrPeer({ from, bfdctl, ...differences }: FrrVariant): Peer {
  const children: ChildProcess[] = [];
  let place: PeerPlace;
  const file = (name: string): string => join(place.directory, name);
  const vtysh = async (command: string): Promise<string> => {
    const commands = command.split('\n').flatMap((one) => ['-c', one]);
    const argv = ['/usr/bin/vtysh', '--vty_socket', place.directory, ...commands];
    return (await place.host.run(from.command(argv))).stdout;
  };
  const neighborState = async (neighbor: Neighbor): Promise<NeighborJson> => {
    const all = JSON.parse(await vtysh('show bgp neighbors json')) as Record<string, NeighborJson>;
    return all[nameOf(neighbor)] ?? {};
  };
  let refreshes = 0;
  return {
    name: 'FRR',
    ...differences,
    programs: [from.locate('/usr/lib/frr/bgpd')],
    cannot: { ...differences.cannot, 'tcp-ao': 'FRR has no TCP-AO.' },
    async version(host) {
      const { stdout } = await host.run(from.command(['/usr/lib/frr/bgpd', '--version']));
      return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
    },
    async start(at, setup, again) {
      place = at;
      if (!again) for (const name of ['bgpd.log', 'zebra.log']) rmSync(file(name), { force: true });
      writeFileSync(
        file('frr.conf'),
        renderFrrConf(setup, differences.softwareVersion !== undefined),
      );
      writeFileSync(file('zebra.conf'), '');
      const daemon = (name: string, conf: string, ...more: readonly string[]): readonly string[] =>
        from.command([
          `/usr/lib/frr/${name}`,
          ...['-A', '127.0.0.1', '-f', file(conf), '-i', file(`${name}.pid`)],
          ...['--vty_socket', place.directory, '-z', file('zserv.api'), '--log', 'stdout'],
          ...more,
        ]);
      for (const name of ['bgpd.vty', 'bgpd.pid', 'bfdd.vty', 'bfdd.pid'])
        rmSync(file(name), { force: true });
      await until('no bgpd', 5000, () => when(children.length === 0 || again === true));
      if (children.length === 0) {
        for (const name of ['zebra.pid', 'zserv.api']) rmSync(file(name), { force: true });
        children.push(launch(place, 'zebra', daemon('zebra', 'zebra.conf')));
        await until('zebra is up', 10_000, () => when(existsSync(file('zserv.api'))));
      }
      if (setup.neighbors.some(({ bfd }) => bfd)) {
        const socket = bfdctl ? ['--bfdctl', file('bfdd.sock')] : [];
        const bfdd = daemon('bfdd', 'zebra.conf', ...socket);
        children.push(launch(place, 'bfdd', bfdd));
        await until('bfdd is up', 10_000, () => when(existsSync(file('bfdd.vty'))));
      }
      children.push(launch(place, 'bgpd', daemon('bgpd', 'frr.conf')));
      await until('bgpd is up', 10_000, async () =>
        when((await vtysh('show bgp summary')).includes('BGP router identifier')),
      );
    },
    async stop(signal) {
      await Promise.all(children.splice(0).map((child) => end(child, signal)));
    },
    async established(neighbor) {
      return (await neighborState(neighbor)).bgpState === 'Established';
    },
    async paths(prefix) {
      const family = familyOfPrefix(prefix);
      const text = await vtysh(`show bgp ${family} unicast ${prefix} json`);
      const found = JSON.parse(text) as { readonly paths?: readonly PathJson[] };
      return (found.paths ?? [])
        .filter(
          (path) => path.peer.peerId !== '::' && path.peer.peerId !== '0.0.0.0' && !path.sourced,
        )
        .map(pathOf);
    },
    async askForRefresh({ remote }) {
      await vtysh(`clear bgp ipv4 unicast ${remote} soft in`);
    },
    async sawRefresh(neighbor) {
      const count = (await neighborState(neighbor)).messageStats?.routeRefreshRecv ?? 0;
      const more = count > refreshes;
      refreshes = count;
      return more;
    },
    async shutDown({ remote }, text) {
      await vtysh(`configure terminal\nrouter bgp\nneighbor ${remote} shutdown message ${text}`);
    },
    async resetSoftly({ remote }) {
      await vtysh(`clear bgp ${remote}`);
    },
    async bfdUp() {
      const [session] = JSON.parse(await vtysh('show bfd peers json')) as readonly {
        readonly status: string;
      }[];
      return session?.status === 'up';
    },
    async story() {
      const logs = ['zebra.log', 'bgpd.log']
        .filter((name) => existsSync(file(name)))
        .map((name) => readFileSync(file(name), 'utf8'));
      return [await vtysh('show bgp neighbors'), ...logs].join('');
    },
  };
}

interface NeighborJson {
  readonly bgpState?: string;
  readonly messageStats?: { readonly routeRefreshRecv: number };
}

interface PathJson {
  readonly sourced?: boolean;
  readonly peer: { readonly peerId: string };
  readonly aspath: { readonly string: string };
  readonly community?: { readonly list: readonly string[]; readonly string: string };
  readonly largeCommunity?: { readonly list: readonly string[] };
  readonly nexthops: readonly { readonly ip: string; readonly used?: boolean }[];
  readonly originatorId?: string;
  readonly clusterList?: { readonly list: readonly string[] };
}

function pathOf(path: PathJson): Path {
  return {
    ...parseAsPath(path.aspath.string),
    communities: (path.community?.list ?? []).map((name) => WELL_KNOWN[name] ?? name),
    largeCommunities: path.largeCommunity?.list ?? [],
    nextHop: path.nexthops[0]?.ip ?? '',
    ...(path.originatorId === undefined ? {} : { originatorId: path.originatorId }),
    ...(path.clusterList === undefined ? {} : { clusterList: path.clusterList.list }),
  };
}

function renderFrrConf(setup: Setup, tellsVersion: boolean): string {
  const each = (lines: (neighbor: Neighbor) => readonly (string | false)[]): readonly string[] =>
    setup.neighbors.flatMap((n) =>
      lines(n)
        .filter((line) => line !== false)
        .map((line) => `neighbor ${nameOf(n)} ${line}`),
    );
  return [
    'hostname peer',
    'log stdout debugging',
    'debug bgp neighbor-events',
    'debug bgp updates',
    // Before their use: a map that comes later takes effect seconds after the session is up.
    ...setup.originate.flatMap(({ communities = [], largeCommunities = [] }, i) => [
      ...chunksOf(communities, 50).flatMap((chunk, at, all) => [
        `route-map ORIGIN${i} permit ${at + 1}`,
        `set community ${chunk.join(' ')} additive`,
        ...(at + 1 < all.length || largeCommunities.length > 0 ? ['on-match next'] : []),
      ]),
      ...(largeCommunities.length > 0 || communities.length === 0
        ? [`route-map ORIGIN${i} permit 1000`]
        : []),
      ...(largeCommunities.length > 0 ? [`set large-community ${largeCommunities.join(' ')}`] : []),
    ]),
    `router bgp ${setup.as}`,
    `bgp router-id ${setup.routerId}`,
    'no bgp ebgp-requires-policy',
    'no bgp default ipv4-unicast',
    'no bgp network import-check',
    ...(setup.restartTimeSec === undefined
      ? []
      : [
          'bgp graceful-restart',
          'bgp graceful-restart preserve-fw-state',
          `bgp graceful-restart restart-time ${setup.restartTimeSec}`,
          ...(setup.gracefulNotification ? ['no bgp hard-administrative-reset'] : []),
        ]),
    ...(setup.confederation === undefined
      ? []
      : [
          `bgp confederation identifier ${setup.confederation}`,
          ...setup.neighbors.flatMap(({ as, member }) =>
            member ? [`bgp confederation peers ${as}`] : [],
          ),
        ]),
    ...(setup.longLivedSec === undefined
      ? []
      : [`bgp long-lived-graceful-restart stale-time ${setup.longLivedSec}`]),
    ...each((n) => [
      `${n.byInterface ? 'interface ' : ''}remote-as ${n.as}`,
      `timers ${Math.floor((n.holdTimeSec ?? 9) / 3)} ${n.holdTimeSec ?? 9}`,
      'timers connect 1',
      'advertisement-interval 0',
      n.link === undefined && `update-source ${n.local}`,
      n.link !== undefined && !n.byInterface && `interface ${n.link}`,
      n.bfd === true && 'bfd',
      tellsVersion && 'capability software-version',
      n.passive === true && 'passive',
      n.password !== undefined && `password ${n.password}`,
      n.ttlSecurity === true && 'ttl-security hops 1',
      n.multihop !== undefined && `ebgp-multihop ${n.multihop}`,
      n.extendedNextHop === true && 'capability extended-nexthop',
      n.role !== undefined && `local-role ${n.role}`,
      n.localAs !== undefined && `local-as ${n.localAs}`,
    ]),
    ...FAMILIES.flatMap((family) => [
      `address-family ${family} unicast`,
      ...setup.originate.flatMap(({ prefix }, i) =>
        familyOfPrefix(prefix) === family ? [`network ${prefix} route-map ORIGIN${i}`] : [],
      ),
      ...each((n) =>
        n.families.includes(family)
          ? [
              'activate',
              n.addPath === true && 'addpath-tx-all-paths',
              n.reflectorClient === true && 'route-reflector-client',
            ]
          : [],
      ),
      'exit-address-family',
    ]),
    'exit',
    '',
  ].join('\n');
}

/** How FRR calls a neighbor. */
function nameOf({ remote, link, byInterface }: Neighbor): string {
  return byInterface ? link! : remote;
}

function chunksOf<T>(values: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_, i) =>
    values.slice(i * size, (i + 1) * size),
  );
}
