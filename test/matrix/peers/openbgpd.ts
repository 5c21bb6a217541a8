// OpenBGPD as Debian has it. Its portable edition touches no kernel routes.

import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, launch, until, when } from '@rookery/lab';
import type { Neighbor, Path, Peer, PeerPlace, Setup } from '../peer.ts';

export function openbgpdPeer(): Peer {
  let child: ChildProcess | undefined;
  let place: PeerPlace;
  const file = (name: string): string => join(place.directory, name);
  const bgpctl = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await place.host.run(['bgpctl', '-s', file('bgpd.sock'), ...args]);
    return stdout + stderr;
  };
  const stateOf = async ({ remote }: Neighbor): Promise<NeighborJson> => {
    const { neighbors = [] } = JSON.parse(await bgpctl('-j', 'show', 'neighbor', remote)) as {
      readonly neighbors?: readonly NeighborJson[];
    };
    return neighbors[0] ?? {};
  };
  let refreshes = 0;
  return {
    name: 'OpenBGPD',
    programs: ['/usr/sbin/bgpd', '/usr/sbin/bgpctl'],
    cannot: {
      'gr-helper': 'OpenBGPD announces End-of-RIB only, no forwarding state that it would keep.',
      'llgr-helper': 'OpenBGPD 7.7 does not know RFC 9494.',
      'extended-messages': 'OpenBGPD 7.7 does not offer the capability.',
      'extended-next-hop': 'OpenBGPD 7.7 does not know RFC 8950.',
      bfd: 'OpenBGPD has no BFD.',
      unnumbered: 'IPv4 routes over link-local addresses need RFC 8950.',
    },
    needsIpv6Session: true,
    remarks: {
      ipv6: 'Over a session of its own: in one over IPv4 OpenBGPD 7.7 announces IPv6 with the next hop ::1.',
      'refresh-sent':
        'OpenBGPD 7.7 counts the request and then ignores it ("AID not negotiated"), also that of BIRD.',
    },
    async version(host) {
      const { stderr, stdout } = await host.run(['bgpd', '-V']);
      return /(\d\S*)/.exec(stdout + stderr)?.[1] ?? 'unknown';
    },
    async start(at, setup, again) {
      place = at;
      if (!again) rmSync(file('bgpd.log'), { force: true });
      rmSync(file('bgpd.sock'), { force: true });
      mkdirSync('/run/openbgpd', { recursive: true });
      writeFileSync(file('bgpd.conf'), renderOpenbgpdConf(setup, file('bgpd.sock')));
      // It refuses a file that others could write.
      chmodSync(file('bgpd.conf'), 0o600);
      child = launch(place, 'bgpd', ['/usr/sbin/bgpd', '-dv', '-f', file('bgpd.conf')]);
      await until('bgpd answers', 10_000, async () =>
        when((await bgpctl('show')).includes('Neighbor')),
      );
    },
    stop: (signal) => end(child, signal),
    async established(neighbor) {
      return (await stateOf(neighbor)).state === 'Established';
    },
    async paths(prefix) {
      const { rib = [] } = JSON.parse(await bgpctl('-j', 'show', 'rib', 'detail', 'in')) as {
        readonly rib?: readonly PathJson[];
      };
      // Asked for one prefix it shows one path only.
      return rib
        .filter((path) => path.prefix === prefix && path.neighbor.description !== 'LOCAL')
        .map(pathOf);
    },
    async askForRefresh({ remote }) {
      await bgpctl('neighbor', remote, 'refresh');
    },
    async sawRefresh(neighbor) {
      const text = await bgpctl('show', 'neighbor', neighbor.remote);
      const count = Number(/Request\s+\d+\s+(\d+)/.exec(text)?.[1] ?? 0);
      const more = count > refreshes;
      refreshes = count;
      return more;
    },
    async shutDown({ remote }, text) {
      await bgpctl('neighbor', remote, 'down', text);
    },
    async story() {
      const log = existsSync(file('bgpd.log')) ? readFileSync(file('bgpd.log'), 'utf8') : '';
      return (
        log +
        (await bgpctl('show', 'neighbor')) +
        (await bgpctl('-j', 'show', 'rib', 'detail', 'in'))
      );
    },
  };
}

interface NeighborJson {
  readonly state?: string;
}

interface PathJson {
  readonly prefix: string;
  readonly neighbor: { readonly description?: string };
  readonly aspath?: string;
  readonly exit_nexthop?: string;
  readonly true_nexthop?: string;
  readonly communities?: readonly string[];
  readonly large_communities?: readonly string[];
  readonly attributes?: readonly {
    readonly originator?: string;
    readonly cluster_list?: readonly string[];
    readonly cluster_ids?: readonly string[];
  }[];
}

function pathOf(path: PathJson): Path {
  const attributes = path.attributes ?? [];
  const originatorId = attributes.find((a) => a.originator !== undefined)?.originator;
  const clusterList = attributes.map((a) => a.cluster_ids ?? a.cluster_list).find(Boolean);
  return {
    asPath: (path.aspath ?? '').split(' ').filter(Boolean).map(Number),
    communities: path.communities ?? [],
    largeCommunities: path.large_communities ?? [],
    nextHop: path.exit_nexthop ?? '',
    ...(originatorId === undefined ? {} : { originatorId }),
    ...(clusterList === undefined ? {} : { clusterList }),
  };
}

function renderOpenbgpdConf(setup: Setup, socket: string): string {
  return [
    `AS ${setup.as}`,
    `router-id ${setup.routerId}`,
    `socket "${socket}"`,
    'fib-update no',
    'holdtime min 3',
    'connect-retry 1',
    // Next hops on the link count only when something qualifies them.
    'nexthop qualify via default',
    ...setup.originate.map(({ prefix, communities = [], largeCommunities = [] }) => {
      const set = [
        ...communities.map((text) => `community ${text}`),
        ...largeCommunities.map((text) => `large-community ${text}`),
      ].join(' ');
      return `network ${prefix}${set === '' ? '' : ` set { ${set} }`}`;
    }),
    ...setup.neighbors.flatMap((n) => [
      `neighbor ${n.remote}${n.link === undefined ? '' : `%${n.link}`} {`,
      `  remote-as ${n.as}`,
      `  holdtime ${n.holdTimeSec ?? 9}`,
      ...(n.link === undefined ? [`  local-address ${n.local}`] : []),
      ...(['IPv4', 'IPv6'] as const).map((name) => {
        const wanted = n.families.includes(name === 'IPv4' ? 'ipv4' : 'ipv6');
        return `  announce ${name} ${wanted ? 'unicast' : 'none'}`;
      }),
      ...(n.passive ? ['  passive'] : []),
      ...(n.password === undefined ? [] : [`  tcp md5sig password ${n.password}`]),
      ...(n.ttlSecurity ? ['  ttl-security yes'] : []),
      ...(n.multihop === undefined ? [] : [`  multihop ${n.multihop}`]),
      ...(n.addPath ? ['  announce add-path recv yes', '  announce add-path send all'] : []),
      ...(n.role === undefined ? [] : [`  announce policy ${n.role}`]),
      ...(n.reflectorClient ? ['  route-reflector'] : []),
      '}',
    ]),
    'allow from any',
    'allow to any',
    '',
  ].join('\n');
}
