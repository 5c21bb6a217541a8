// ExaBGP as Debian has it. It keeps no table of its own: what it received is read from the messages
// that it hands to a process, one JSON object per line.

import type { ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { end, launch, until, when } from '@rookery/lab';
import { type Path, type Peer, type PeerPlace, type Setup, familyOfPrefix } from '../peer.ts';

export const EXABGPS: readonly Peer[] = [exabgpPeer()];

function exabgpPeer(): Peer {
  let child: ChildProcess | undefined;
  let place: PeerPlace;
  const file = (name: string): string => join(place.directory, name);
  const events = (): readonly ExaEvent[] =>
    existsSync(file('events.json'))
      ? readFileSync(file('events.json'), 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('{') && line.endsWith('}'))
          .map(parseEvent)
      : [];
  const order = (line: string): void => appendFileSync(file('orders'), `${line}\n`);
  let refreshes = 0;
  return {
    name: 'ExaBGP',
    id: 'exabgp',
    programs: ['/usr/sbin/exabgp'],
    originatesOnly: true,
    cannot: {
      'refresh-sent':
        'ExaBGP 4.2.21 drops the session at a ROUTE-REFRESH ("\'RouteRefresh\' object is not iterable").',
      'shutdown-sent':
        'ExaBGP 4.2.21 cannot decode a NOTIFICATION that carries a text (it formats bytes with a string).',
      'shutdown-received': 'Its `teardown` takes a subcode and no text.',
      'gr-restart': 'ExaBGP keeps no table in which our routes could stay.',
      'llgr-helper': 'ExaBGP 4.2 does not know RFC 9494.',
      'gtsm-out': 'ExaBGP 4.2 sets TTL 255 only on connections that it makes.',
      'enhanced-refresh': 'It drops the session at a ROUTE-REFRESH, see above.',
      'software-version': 'ExaBGP 4.2 does not have the capability.',
      'gr-notification': 'ExaBGP 4.2 does not know RFC 8538.',
      interface: 'ExaBGP dials addresses only.',
      otc: 'ExaBGP 4.2 does not know RFC 9234.',
      confederation: 'ExaBGP is no router: it passes nothing on, inside or outside.',
      bfd: 'ExaBGP has no BFD.',
      'tcp-ao': 'ExaBGP has no TCP-AO.',
      roles: 'ExaBGP 4.2 does not know RFC 9234.',
      reflected: 'ExaBGP announces its own routes and passes none on.',
    },
    ttlUnchecked: true,
    remarks: {
      'gtsm-in':
        'ExaBGP 4.2 sends with TTL 255 but accepts ours of 1; what is proven is that we check.',
      'gr-helper': 'It keeps no table: what is proven is that we keep its routes while it is away.',
    },
    async version(host) {
      const { stdout } = await host.run(['exabgp', '--version']);
      return /ExaBGP : (\S+)/.exec(stdout)?.[1] ?? 'unknown';
    },
    async start(at, setup, again) {
      place = at;
      if (!again) rmSync(file('exabgp.log'), { force: true });
      for (const name of ['events.json', 'orders']) writeFileSync(file(name), '');
      chmodSync(file('events.json'), 0o666);
      const relay = file('relay.sh');
      writeFileSync(
        relay,
        `#!/bin/sh\ntail -n +1 -s 0.1 -f ${file('orders')} &\ntrap 'kill $!' EXIT\ncat > ${file('events.json')}\n`,
      );
      chmodSync(relay, 0o755);
      writeFileSync(file('exabgp.conf'), renderExabgpConf(setup, relay));
      child = launch(place, 'exabgp', [
        'env',
        ...['exabgp.daemon.user=root', 'exabgp.log.level=DEBUG', 'exabgp.api.cli=false'],
        ...['exabgp.log.destination=stdout', 'exabgp.api.ack=false'],
        ...['exabgp.tcp.bind=0.0.0.0 ::', 'exabgp.tcp.port=179'],
        ...['exabgp', file('exabgp.conf')],
      ]);
      const running = child;
      await until('exabgp runs', 10_000, () => {
        if (running.exitCode !== null) throw new Error('exabgp ended');
        return when(
          existsSync(file('exabgp.log')) &&
            /new configuration|loaded/i.test(readFileSync(file('exabgp.log'), 'utf8')),
        );
      });
    },
    stop: (signal) => end(child, signal),
    async established() {
      const last = events().findLast((event) => event.type === 'state');
      return last?.neighbor.state === 'up';
    },
    async paths(prefix) {
      return pathsIn(events(), prefix);
    },
    async askForRefresh({ remote }) {
      order(`neighbor ${remote} announce route-refresh ipv4 unicast`);
    },
    async sawRefresh() {
      const count = events().filter((event) => event.type === 'refresh').length;
      const more = count > refreshes;
      refreshes = count;
      return more;
    },
    async shutDown({ remote }, text) {
      order(`neighbor ${remote} teardown 2 ${text}`);
    },
    async story() {
      const log = existsSync(file('exabgp.log')) ? readFileSync(file('exabgp.log'), 'utf8') : '';
      const told = events().filter(
        (event) => event.type === 'notification' || event.type === 'state',
      );
      return log + told.map((event) => event.line).join('\n');
    },
  };
}

/** Some of its lines are no JSON: it does not escape what a NOTIFICATION carried. */
function parseEvent(line: string): ExaEvent {
  try {
    return { ...(JSON.parse(line) as ExaEvent), line };
  } catch {
    return { type: /"type": ?"(\w+)"/.exec(line)?.[1] ?? 'unknown', neighbor: {}, line };
  }
}

interface ExaEvent {
  readonly type: string;
  readonly line: string;
  readonly neighbor: {
    readonly state?: string;
    readonly message?: {
      readonly update?: {
        readonly attribute?: {
          readonly 'as-path'?: readonly number[];
          readonly community?: readonly (readonly [number, number])[];
          readonly 'large-community'?: readonly (readonly [number, number, number])[];
          readonly 'originator-id'?: string;
          readonly 'cluster-list'?: readonly string[];
        };
        readonly announce?: Record<string, Record<string, readonly ExaNlri[]>>;
        readonly withdraw?: Record<string, readonly ExaNlri[]>;
      };
    };
  };
}

interface ExaNlri {
  readonly nlri: string;
  readonly 'path-information'?: string;
}

/** Replays what was received since the last session came up. */
function pathsIn(events: readonly ExaEvent[], prefix: string): readonly Path[] {
  const paths = new Map<string, Path>();
  for (const { type, neighbor } of events) {
    if (type === 'state') paths.clear();
    const update = neighbor.message?.update;
    for (const nlris of Object.values(update?.withdraw ?? {})) {
      for (const one of nlris) paths.delete(`${one.nlri} ${one['path-information'] ?? ''}`);
    }
    for (const byHop of Object.values(update?.announce ?? {})) {
      // The second of two next hops (RFC 2545) is listed like one of its own.
      const hops = Object.entries(byHop).sort(([hop]) => (hop.startsWith('fe80') ? -1 : 1));
      for (const [nextHop, nlris] of hops) {
        for (const one of Array.isArray(nlris) ? nlris : []) {
          const { attribute = {} } = update ?? {};
          const key = `${one.nlri} ${one['path-information'] ?? ''}`;
          paths.set(key, {
            asPath: attribute['as-path'] ?? [],
            memberPath: [],
            communities: (attribute.community ?? []).map((c) => c.join(':')),
            largeCommunities: (attribute['large-community'] ?? []).map((c) => c.join(':')),
            nextHop,
            ...(attribute['originator-id'] === undefined
              ? {}
              : { originatorId: attribute['originator-id'] }),
            ...(attribute['cluster-list'] === undefined
              ? {}
              : { clusterList: attribute['cluster-list'] }),
          });
        }
      }
    }
  }
  return [...paths].filter(([key]) => key.startsWith(`${prefix} `)).map(([, path]) => path);
}

function renderExabgpConf(setup: Setup, relay: string): string {
  const neighbors = setup.neighbors.map((n) => {
    const routes = setup.originate
      .filter(({ prefix }) => n.families.includes(familyOfPrefix(prefix)))
      .flatMap((origin) => {
        const v6 = familyOfPrefix(origin.prefix) === 'ipv6';
        const hop = v6 || n.extendedNextHop ? '2001:db8:1::2' : n.local;
        const { communities = [], largeCommunities = [], prefix, second } = origin;
        const route = [
          `route ${prefix} next-hop ${hop}`,
          ...(communities.length > 0 ? [`community [ ${communities.join(' ')} ]`] : []),
          ...(largeCommunities.length > 0
            ? [`large-community [ ${largeCommunities.join(' ')} ]`]
            : []),
        ].join(' ');
        if (second === undefined) return [`${route};`];
        return [
          `${route} path-information 0.0.0.1;`,
          `route ${prefix} next-hop ${hop} community [ ${second} ] path-information 0.0.0.2;`,
        ];
      });
    return [
      `neighbor ${n.remote} {`,
      `router-id ${setup.routerId};`,
      `local-address ${n.local};`,
      `local-as ${n.localAs ?? setup.as};`,
      `peer-as ${n.as};`,
      `hold-time ${n.holdTimeSec ?? 9};`,
      ...(n.passive ? ['passive true;'] : []),
      ...(n.password === undefined ? [] : [`md5-password "${n.password}";`]),
      ...(n.ttlSecurity ? ['outgoing-ttl 255;', 'incoming-ttl 255;'] : []),
      ...(n.multihop === undefined ? [] : [`outgoing-ttl ${n.multihop};`]),
      `family { ${n.families.map((family) => `${family} unicast;`).join(' ')} }`,
      ...(n.extendedNextHop ? ['nexthop { ipv4 unicast ipv6; }'] : []),
      'capability {',
      'asn4 enable; route-refresh enable;',
      ...(n.extendedNextHop ? ['nexthop enable;'] : []),
      ...(n.addPath ? ['add-path send/receive;'] : []),
      ...(setup.restartTimeSec === undefined ? [] : [`graceful-restart ${setup.restartTimeSec};`]),
      '}',
      'api {',
      'processes [ relay ]; neighbor-changes;',
      'receive { parsed; update; notification; refresh; open; }',
      '}',
      `static {\n${routes.join('\n')}\n}`,
      '}',
    ].join('\n');
  });
  return `process relay { run ${relay}; encoder json; }\n${neighbors.join('\n')}\n`;
}
