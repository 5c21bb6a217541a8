// GoBGP as Debian has it.

import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PEER } from '../bench.ts';
import { end, launch, until, when } from '@rookery/lab';
import { INSTALLED, NEWER } from '../../../tools/newer-debian.ts';
import {
  type Neighbor,
  type Path,
  type Peer,
  type PeerPlace,
  type Setup,
  type Variant,
  familyOfPrefix,
} from '../peer.ts';

const CLOSED =
  'table inet closed { chain in { type filter hook input priority 0; tcp dport 179 drop; tcp sport 179 drop; }; }';

export const GOBGPS: readonly Peer[] = [
  gobgpPeer({
    id: 'gobgp',
    from: INSTALLED,
    cannot: { 'software-version': 'GoBGP 3.10 does not have the capability.' },
  }),
  gobgpPeer({ id: 'gobgp-newer', from: NEWER, cannot: {}, softwareVersion: 'GoBGP/' }),
];

function gobgpPeer({ from, ...differences }: Variant): Peer {
  let child: ChildProcess | undefined;
  let place: PeerPlace;
  const file = (name: string): string => join(place.directory, name);
  const gobgp = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr, status } = await place.host.run(
      from.command(['/usr/bin/gobgp', ...args]),
    );
    return status === 0 ? stdout : stdout + stderr;
  };
  const stateOf = async ({ remote }: Neighbor): Promise<NeighborJson> => {
    const all = JSON.parse(await gobgp('-j', 'neighbor')) as readonly NeighborJson[];
    return all.find((n) => n.state?.neighbor_address?.split('%')[0] === remote) ?? {};
  };
  let refreshes = 0;
  return {
    name: 'GoBGP',
    ...differences,
    programs: ['/usr/bin/gobgpd', '/usr/bin/gobgp'].map(from.locate),
    cannot: {
      ...differences.cannot,
      'refresh-received':
        'GoBGP has no command that sends ROUTE-REFRESH: `softresetin` evaluates its Adj-RIB-In again.',
      'extended-messages': 'GoBGP does not offer the capability.',
      bfd: 'GoBGP has no BFD.',
      'enhanced-refresh': 'GoBGP does not offer the capability.',
      'gr-notification':
        'GoBGP speaks again without the F bit, so that what was kept must go (RFC 4724 §4.2).',
      interface:
        'GoBGP looks for the neighbor on its link once, at its start, and gives up if there is none.',
      otc: 'GoBGP does not know RFC 9234.',
      'tcp-ao': 'GoBGP has no TCP-AO.',
      roles: 'GoBGP does not know RFC 9234.',
    },
    silentOnRefusal: true,
    remarks: {
      'wrong-as':
        'GoBGP neither shows nor logs which NOTIFICATION refused its OPEN; it tries again.',
    },
    async version(host) {
      const { stdout } = await host.run(from.command(['/usr/bin/gobgpd', '--version']));
      return /(\d\S*)/.exec(stdout)?.[1] ?? 'unknown';
    },
    async start(at, setup, again) {
      place = at;
      if (!again) rmSync(file('gobgpd.log'), { force: true });
      writeFileSync(
        file('gobgpd.toml'),
        renderGobgpConf(setup, differences.softwareVersion !== undefined),
      );
      const argv = [
        '/usr/bin/gobgpd',
        '-t',
        'toml',
        '-f',
        file('gobgpd.toml'),
        '-l',
        'debug',
        '-p',
      ];
      // It wants an unnumbered neighbor to be in the kernel's neighbor table already.
      for (const { link, remote } of setup.neighbors) {
        if (link === undefined) continue;
        const hello = `require('dgram').createSocket('udp6').send('', 9, '${remote}%${link}', () => process.exit())`;
        await place.host.run([process.execPath, '-e', hello]);
        await until('the neighbor is known', 5000, async () =>
          when((await place.host.run(['ip', '-6', 'neigh'])).stdout.includes(`${remote} dev`)),
        );
      }
      // Routes are given to it once it runs; a session that is quicker would see it without them.
      await place.host.run(['nft', '-f', '-'], { input: CLOSED });
      child = launch(place, 'gobgpd', from.command([...argv, ...(again ? ['-r'] : [])]));
      await until('gobgpd answers', 10_000, async () =>
        when((await gobgp('global')).includes(`AS:        ${setup.as}`)),
      );
      const linkLocal = setup.neighbors.some(({ link }) => link !== undefined);
      for (const { prefix, communities = [], largeCommunities = [] } of setup.originate) {
        const answer = await gobgp(
          ...['global', 'rib', 'add', '-a', familyOfPrefix(prefix), prefix],
          // Left alone, it announces IPv6 over IPv4 sessions with ::ffff:192.0.2.2, which nobody uses,
          // and 3.36 announces IPv4 over a link-local session without any.
          ...(familyOfPrefix(prefix) === 'ipv6' || linkLocal ? ['nexthop', PEER.v6] : []),
          ...(communities.length > 0 ? ['community', communities.join(',')] : []),
          ...(largeCommunities.length > 0 ? ['large-community', largeCommunities.join(',')] : []),
        );
        if (answer !== '') throw new Error(`gobgp rib add: ${answer}`);
      }
      await place.host.run(['nft', 'delete', 'table', 'inet', 'closed']);
    },
    stop: (signal) => end(child, signal),
    async established(neighbor) {
      return (await stateOf(neighbor)).state?.session_state === 6;
    },
    async paths(prefix) {
      const text = await gobgp('-j', 'global', 'rib', '-a', familyOfPrefix(prefix), prefix);
      if (!/^[[{]/.test(text)) return [];
      const found = JSON.parse(text) as Record<string, readonly PathJson[]>;
      return (Object.values(found)[0] ?? [])
        .filter((path) => path['source-id'] !== undefined || path['neighbor-ip'] !== undefined)
        .map(pathOf);
    },
    async askForRefresh({ remote }) {
      await Promise.reject(new Error(`GoBGP cannot ask ${remote}`));
    },
    async sawRefresh(neighbor) {
      const count = Number((await stateOf(neighbor)).state?.messages?.received?.refresh ?? 0);
      const more = count > refreshes;
      refreshes = count;
      return more;
    },
    async shutDown({ remote }, text) {
      await gobgp('neighbor', remote, 'shutdown', '--reason', text);
    },
    async story() {
      const log = existsSync(file('gobgpd.log')) ? readFileSync(file('gobgpd.log'), 'utf8') : '';
      return (await gobgp('neighbor')) + log;
    },
  };
}

interface NeighborJson {
  readonly state?: {
    readonly neighbor_address?: string;
    readonly session_state?: number;
    readonly messages?: { readonly received?: { readonly refresh?: number | string } };
  };
}

interface PathJson {
  readonly 'source-id'?: string;
  readonly 'neighbor-ip'?: string;
  readonly attrs: readonly AttributeJson[];
}

interface AttributeJson {
  readonly type: number;
  readonly nexthop?: string;
  readonly as_paths?: readonly {
    readonly segment_type: number;
    readonly asns: readonly number[];
  }[];
  readonly communities?: readonly number[];
  readonly value?: unknown;
}

function pathOf({ attrs }: PathJson): Path {
  const find = (type: number): AttributeJson | undefined => attrs.find((a) => a.type === type);
  const asnsOf = (types: readonly number[]): readonly number[] =>
    (find(2)?.as_paths ?? []).flatMap((s) => (types.includes(s.segment_type) ? s.asns : []));
  const large = (find(32)?.value ?? []) as readonly Record<string, number>[];
  const originatorId = find(9)?.value as string | undefined;
  const clusterList = find(10)?.value as readonly string[] | undefined;
  return {
    asPath: asnsOf([1, 2]),
    memberPath: asnsOf([3, 4]),
    communities: (find(8)?.communities ?? []).map((c) => `${c >>> 16}:${c & 0xffff}`),
    largeCommunities: large.map((c) => `${c['ASN']}:${c['LocalData1']}:${c['LocalData2']}`),
    nextHop: find(3)?.nexthop ?? find(14)?.nexthop ?? '',
    ...(originatorId === undefined ? {} : { originatorId }),
    ...(clusterList === undefined ? {} : { clusterList }),
  };
}

function renderGobgpConf(setup: Setup, tellsVersion: boolean): string {
  return [
    '[global.config]',
    `as = ${setup.as}`,
    `router-id = "${setup.routerId}"`,
    ...(setup.confederation === undefined
      ? []
      : [
          '[global.confederation.config]',
          'enabled = true',
          `identifier = ${setup.confederation}`,
          `member-as-list = [${setup.neighbors
            .filter((n) => n.member)
            .map(({ as }) => as)
            .join()}]`,
        ]),
    ...setup.neighbors.flatMap((n) => renderNeighbor(setup, n, tellsVersion)),
    '',
  ].join('\n');
}

function renderNeighbor(setup: Setup, n: Neighbor, tellsVersion: boolean): readonly string[] {
  const holdTimeSec = n.holdTimeSec ?? 9;
  const graceful = setup.restartTimeSec !== undefined;
  return [
    '[[neighbors]]',
    '[neighbors.config]',
    n.link === undefined ? `neighbor-address = "${n.remote}"` : `neighbor-interface = "${n.link}"`,
    `peer-as = ${n.as}`,
    ...(n.password === undefined ? [] : [`auth-password = "${n.password}"`]),
    ...(n.localAs === undefined ? [] : [`local-as = ${n.localAs}`]),
    ...(tellsVersion ? ['send-software-version = true'] : []),
    '[neighbors.transport.config]',
    ...(n.link === undefined ? [`local-address = "${n.local}"`] : []),
    `passive-mode = ${n.passive === true}`,
    '[neighbors.timers.config]',
    `hold-time = ${holdTimeSec}`,
    `keepalive-interval = ${Math.floor(holdTimeSec / 3)}`,
    'connect-retry = 1',
    'idle-hold-time-after-reset = 1',
    ...(n.ttlSecurity
      ? ['[neighbors.ttl-security.config]', 'enabled = true', 'ttl-min = 255']
      : []),
    ...(n.multihop === undefined
      ? []
      : ['[neighbors.ebgp-multihop.config]', 'enabled = true', `multihop-ttl = ${n.multihop}`]),
    ...(n.reflectorClient
      ? [
          '[neighbors.route-reflector.config]',
          'route-reflector-client = true',
          `route-reflector-cluster-id = "${setup.routerId}"`,
        ]
      : []),
    ...(graceful
      ? [
          '[neighbors.graceful-restart.config]',
          'enabled = true',
          `restart-time = ${setup.restartTimeSec}`,
          ...(setup.longLivedSec === undefined ? [] : ['long-lived-enabled = true']),
        ]
      : []),
    ...n.families.flatMap((family) => [
      '[[neighbors.afi-safis]]',
      '[neighbors.afi-safis.config]',
      `afi-safi-name = "${family}-unicast"`,
      ...(graceful ? ['[neighbors.afi-safis.mp-graceful-restart.config]', 'enabled = true'] : []),
      ...(setup.longLivedSec === undefined
        ? []
        : [
            '[neighbors.afi-safis.long-lived-graceful-restart.config]',
            'enabled = true',
            `restart-time = ${setup.longLivedSec}`,
          ]),
      ...(n.addPath
        ? ['[neighbors.afi-safis.add-paths.config]', 'receive = true', 'send-max = 8']
        : []),
    ]),
  ];
}
