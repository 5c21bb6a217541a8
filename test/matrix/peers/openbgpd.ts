// OpenBGPD as Debian has it. Its portable edition touches no kernel routes.

import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end, launch, until, when } from '@rookery/lab';
import { INSTALLED, NEWER } from '../../../tools/newer-debian.ts';
import {
  type Neighbor,
  type Path,
  type Peer,
  type PeerPlace,
  type Setup,
  type Variant,
  parseAsPath,
} from '../peer.ts';

export const OPENBGPDS: readonly Peer[] = [
  openbgpdPeer({
    id: 'openbgpd',
    from: INSTALLED,
    cannot: {
      'enhanced-refresh': 'It ignores our request, see above.',
      'extended-messages': 'OpenBGPD 7.7 does not offer the capability.',
      'extended-next-hop': 'OpenBGPD 7.7 does not know RFC 8950.',
      unnumbered: 'IPv4 routes over link-local addresses need RFC 8950.',
    },
    remarks: {
      ipv6: 'Over a session of its own: in one over IPv4 OpenBGPD 7.7 announces IPv6 with the next hop ::1.',
      'refresh-sent':
        'OpenBGPD 7.7 counts the request and then ignores it ("AID not negotiated"), also that of BIRD.',
    },
    needsIpv6Session: true,
    ignoresRefresh: true,
    knows8: false,
  }),
  openbgpdPeer({ id: 'openbgpd-newer', from: NEWER, cannot: {}, knows8: true }),
];

interface OpenbgpdVariant extends Variant {
  /** The configuration that came with version 8. */
  readonly knows8: boolean;
}

function openbgpdPeer({ from, knows8, ...differences }: OpenbgpdVariant): Peer {
  let child: ChildProcess | undefined;
  let place: PeerPlace;
  const file = (name: string): string => join(place.directory, name);
  const bgpctl = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await place.host.run(
      from.command(['/usr/sbin/bgpctl', '-s', file('bgpd.sock'), ...args]),
    );
    return stdout + stderr;
  };
  const stateOf = async (neighbor: Neighbor): Promise<NeighborJson> => {
    const address = addressOf(neighbor);
    const { neighbors = [] } = JSON.parse(await bgpctl('-j', 'show', 'neighbor', address)) as {
      readonly neighbors?: readonly NeighborJson[];
    };
    return neighbors[0] ?? {};
  };
  let refreshes = 0;
  return {
    name: 'OpenBGPD',
    ...differences,
    programs: ['/usr/sbin/bgpd', '/usr/sbin/bgpctl'].map(from.locate),
    cannot: {
      ...differences.cannot,
      'gr-helper': 'OpenBGPD announces End-of-RIB only, no forwarding state that it would keep.',
      'llgr-helper': 'OpenBGPD does not know RFC 9494.',
      'software-version': 'OpenBGPD does not have the capability.',
      'gr-notification': 'OpenBGPD keeps no routes through a restart.',
      interface: 'OpenBGPD dials addresses only.',
      confederation: 'OpenBGPD has no confederations.',
      bfd: 'OpenBGPD has no BFD.',
      'tcp-ao': 'OpenBGPD has no TCP-AO.',
    },
    async version(host) {
      const { stderr, stdout } = await host.run(from.command(['/usr/sbin/bgpd', '-V']));
      return /(\d\S*)/.exec(stdout + stderr)?.[1] ?? 'unknown';
    },
    async start(at, setup, again) {
      place = at;
      if (!again) rmSync(file('bgpd.log'), { force: true });
      rmSync(file('bgpd.sock'), { force: true });
      mkdirSync('/run/openbgpd', { recursive: true });
      writeFileSync(file('bgpd.conf'), renderOpenbgpdConf(setup, file('bgpd.sock'), knows8));
      // It refuses a file that others could write.
      chmodSync(file('bgpd.conf'), 0o600);
      child = launch(
        place,
        'bgpd',
        from.command(['/usr/sbin/bgpd', '-dv', '-f', file('bgpd.conf')]),
      );
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
    async askForRefresh(neighbor) {
      await bgpctl('neighbor', addressOf(neighbor), 'refresh');
    },
    async sawRefresh(neighbor) {
      const text = await bgpctl('show', 'neighbor', addressOf(neighbor));
      const count = Number(/Request\s+\d+\s+(\d+)/.exec(text)?.[1] ?? 0);
      const more = count > refreshes;
      refreshes = count;
      return more;
    },
    async shutDown(neighbor, text) {
      await bgpctl('neighbor', addressOf(neighbor), 'down', text);
    },
    async tryAgain(neighbor) {
      await bgpctl('neighbor', addressOf(neighbor), 'up');
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
    ...parseAsPath(path.aspath ?? ''),
    communities: (path.communities ?? []).map((c) => (c === 'GRACEFUL_SHUTDOWN' ? '65535:0' : c)),
    largeCommunities: path.large_communities ?? [],
    nextHop: path.exit_nexthop ?? '',
    ...(originatorId === undefined ? {} : { originatorId }),
    ...(clusterList === undefined ? {} : { clusterList }),
  };
}

function addressOf({ remote, link }: Neighbor): string {
  return link === undefined ? remote : `${remote}%${link}`;
}

function renderOpenbgpdConf(setup: Setup, socket: string, knows8: boolean): string {
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
      `neighbor ${addressOf(n)} {`,
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
      ...(n.extendedNextHop ? ['  announce extended nexthop yes'] : []),
      ...(n.enhancedRefresh ? ['  announce enhanced refresh yes'] : []),
      ...(n.extendedMessages ? ['  announce extended message yes'] : []),
      ...renderRole(n, knows8),
      ...(n.reflectorClient ? ['  route-reflector'] : []),
      '}',
    ]),
    'allow from any',
    'allow to any',
    '',
  ].join('\n');
}

function renderRole({ role }: Neighbor, knows8: boolean): readonly string[] {
  if (role === undefined) return [];
  return knows8 ? [`  role ${role}`, '  announce policy yes'] : [`  announce policy ${role}`];
}
