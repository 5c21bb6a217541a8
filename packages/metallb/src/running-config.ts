// What MetalLB would have rendered for its FRR on this node, as data: `show running-config` on a
// node prints it. Names and sequence numbers are those of the generation that the post ran
// (0.14.9): one `ID-pl-<family>` list per neighbor, its sequence shared by both families. Timers
// are those in force, so that what is printed is what happens.

import { familyOf } from '@rookery/net';
import type { Family } from '@rookery/net';
import type {
  RunningBfdProfile,
  RunningBgpInstance,
  RunningNeighbor,
  RunningPrefixList,
  RunningRouteMap,
  SpeakerRunningConfig,
} from '@rookery/router';
import { peersOfNode } from './announcements.ts';
import { renderCommunity } from './community.ts';
import type { Config, Peer } from './config.ts';
import type { Node } from './kubernetes.ts';
import type { PlannedPrefix } from './node-plan.ts';
import type { BfdProfile } from './resources.ts';
import { timersFor } from './timers.ts';

export interface RunningFacts {
  readonly hostname: string;
  /** FRR's level word, e.g. "informational". */
  readonly logLevel: string;
  readonly logTarget: SpeakerRunningConfig['logTarget'];
  readonly ipForwarding: boolean;
  readonly ipv6Forwarding: boolean;
}

/** The FRR configuration that stands for this node's sessions and announcements. */
export function runningConfigFor(
  node: Node,
  config: Config,
  plan: readonly PlannedPrefix[],
  facts: RunningFacts,
): SpeakerRunningConfig {
  const peers = peersOfNode(config, node);
  const filters = peers.map((peer) => filtersFor(peer, plan));
  return {
    ...facts,
    instances: instancesFor(peers, plan),
    prefixLists: filters.flatMap((filter) => filter.prefixLists),
    routeMaps: filters.flatMap((filter) => filter.routeMaps),
    bfdProfiles: [...config.bfdProfiles.values()].map(runningBfdProfile),
  };
}

/** FRR's word for a log level of the speaker. */
export function frrLogLevel(level: string): string {
  const words: Readonly<Record<string, string>> = {
    all: 'debugging',
    debug: 'debugging',
    info: 'informational',
    warn: 'warnings',
    error: 'error',
    none: 'emergencies',
  };
  return words[level] ?? 'informational';
}

function instancesFor(
  peers: readonly Peer[],
  plan: readonly PlannedPrefix[],
): readonly RunningBgpInstance[] {
  const groups = new Map<string, Peer[]>();
  for (const peer of peers) {
    const key = `${peer.myAsn} ${peer.vrf ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), peer]);
  }
  return [...groups.values()].map((group) => {
    const first = group[0]!;
    const names = new Set(group.map((peer) => peer.name));
    const networks = (family: Family): readonly string[] =>
      plan
        .filter((planned) => planned.family === family)
        .filter((planned) => [...planned.peers.keys()].some((name) => names.has(name)))
        .map((planned) => planned.prefix);
    return {
      localAs: first.myAsn,
      ...(first.vrf === undefined ? {} : { vrf: first.vrf }),
      ...(first.routerId === undefined ? {} : { routerId: first.routerId }),
      neighbors: group.map(neighborFor),
      networks: { ipv4: networks('ipv4'), ipv6: networks('ipv6') },
    };
  });
}

function neighborFor(peer: Peer): RunningNeighbor {
  const id = neighborId(peer);
  const timers = timersFor(peer);
  const single = peer.disableMp && peer.address !== undefined ? familyOf(peer.address) : undefined;
  const families: readonly Family[] = single === undefined ? ['ipv4', 'ipv6'] : [single];
  return {
    ...(peer.address === undefined ? { interface: peer.interface! } : { address: peer.address }),
    remoteAs: peer.remoteAs,
    ...(peer.ebgpMultihop ? { ebgpMultihop: 255 } : {}),
    ...(peer.localAsn === undefined ? {} : { localAs: peer.localAsn }),
    ...(peer.port === 179 ? {} : { port: peer.port }),
    ...(peer.timersFrom === 'unset'
      ? {}
      : { timers: { keepaliveSec: timers.keepaliveTimeSec, holdSec: timers.holdTimeSec } }),
    ...(peer.connectTimeSec === undefined ? {} : { connectTimeSec: peer.connectTimeSec }),
    hasPassword: peer.password !== undefined,
    ...(peer.sourceAddress === undefined ? {} : { updateSource: peer.sourceAddress }),
    gracefulRestart: peer.gracefulRestart,
    bfd: peer.bfdProfile !== undefined,
    ...(peer.bfdProfile === undefined ? {} : { bfdProfile: peer.bfdProfile }),
    disableConnectedCheck:
      peer.address?.includes(':') === true &&
      !peer.ebgpMultihop &&
      !peer.dualStack &&
      peer.remoteAs !== 'internal' &&
      peer.remoteAs !== peer.myAsn,
    families: families.map((family) => ({
      family,
      routeMapIn: `${id}-in`,
      routeMapOut: `${id}-out`,
    })),
  };
}

type PrefixEntry = RunningPrefixList['entries'][number];
type MapEntry = RunningRouteMap['entries'][number];

/** The prefix lists and route maps of one neighbor. */
function filtersFor(
  peer: Peer,
  plan: readonly PlannedPrefix[],
): {
  readonly prefixLists: readonly RunningPrefixList[];
  readonly routeMaps: readonly RunningRouteMap[];
} {
  const id = neighborId(peer);
  const sent = plan.filter((planned) => planned.peers.has(peer.name));
  const prefixLists: RunningPrefixList[] = [];
  const entries: MapEntry[] = [];
  for (const group of attributeGroups(peer, sent)) {
    for (const family of FAMILIES) {
      const prefixes = group.prefixes.filter((prefix) => familyOf(prefix) === family);
      if (prefixes.length === 0) continue;
      const name = `${id}-${group.label}-${word(family)}-${group.suffix}`;
      prefixLists.push({ family, name, entries: prefixes.map(permit) });
      entries.push(mapEntry(entries.length + 1, family, name, [group.set], true));
    }
  }
  const allowed = `${id}-pl-${peer.address?.includes(':') ? 'ipv6' : 'ipv4'}`;
  let seq = 0;
  for (const family of FAMILIES) {
    const prefixes = sent.filter((planned) => planned.family === family);
    const listed: PrefixEntry[] =
      prefixes.length === 0
        ? [{ seq: ++seq, action: 'deny', prefix: 'any' }]
        : prefixes.map(({ prefix }) => ({ seq: ++seq, action: 'permit', prefix }));
    prefixLists.push({ family, name: allowed, entries: listed });
    entries.push(mapEntry(entries.length + 1, family, allowed, [], false));
  }
  const deny: MapEntry = { seq: 20, action: 'deny', matches: [], sets: [], onMatchNext: false };
  return {
    prefixLists,
    routeMaps: [
      { name: `${id}-in`, entries: [deny] },
      { name: `${id}-out`, entries },
    ],
  };
}

interface AttributeGroup {
  readonly label: string;
  readonly suffix: string;
  readonly set: string;
  readonly prefixes: string[];
}

function attributeGroups(peer: Peer, sent: readonly PlannedPrefix[]): readonly AttributeGroup[] {
  const groups = new Map<string, AttributeGroup>();
  const add = (label: string, suffix: string, set: string, prefix: string): void => {
    const group = groups.get(set) ?? { label, suffix, set, prefixes: [] };
    group.prefixes.push(prefix);
    groups.set(set, group);
  };
  for (const { prefix, peers } of sent) {
    const { localPref } = peers.get(peer.name)!;
    if (localPref === 0) continue;
    add(`${localPref}`, 'localpref-prefixes', `local-preference ${localPref}`, prefix);
  }
  for (const { prefix, peers } of sent) {
    for (const community of peers.get(peer.name)!.communities) {
      const text = renderCommunity(community);
      const large = community.kind === 'large';
      const set = `${large ? 'large-community' : 'community'} ${text} additive`;
      add(large ? `large:${text}` : text, 'community-prefixes', set, prefix);
    }
  }
  return [...groups.values()];
}

function mapEntry(
  seq: number,
  family: Family,
  list: string,
  sets: readonly string[],
  onMatchNext: boolean,
): MapEntry {
  const matches = [`${word(family)} address prefix-list ${list}`];
  return { seq, action: 'permit', matches, sets, onMatchNext };
}

function permit(prefix: string, index: number): PrefixEntry {
  return { seq: index + 1, action: 'permit', prefix };
}

function word(family: Family): string {
  return family === 'ipv4' ? 'ip' : 'ipv6';
}

function neighborId(peer: Peer): string {
  const base = peer.address ?? peer.interface!;
  return peer.vrf === undefined ? base : `${base}-${peer.vrf}`;
}

function runningBfdProfile(profile: BfdProfile): RunningBfdProfile {
  return {
    name: profile.metadata.name,
    ...(profile.receiveIntervalMs === undefined
      ? {}
      : { receiveIntervalMs: profile.receiveIntervalMs }),
    ...(profile.transmitIntervalMs === undefined
      ? {}
      : { transmitIntervalMs: profile.transmitIntervalMs }),
    ...(profile.detectMultiplier === undefined
      ? {}
      : { detectMultiplier: profile.detectMultiplier }),
    ...(profile.echoIntervalMs === undefined ? {} : { echoIntervalMs: profile.echoIntervalMs }),
    echoMode: profile.echoMode,
    passiveMode: profile.passiveMode,
    ...(profile.minimumTtl === undefined ? {} : { minimumTtl: profile.minimumTtl }),
  };
}

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
