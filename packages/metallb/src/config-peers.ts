// Peers and BFD profiles: the rules of one BGPPeer, and the rules between peers that the same node
// would have to speak to. Timers follow MetalLB's table; zero is allowed, one and two seconds not.

import { err, ok, parseAddress } from '@rookery/net';
import type { Result } from '@rookery/net';
import type { BgpPeer } from './bgp-peer.ts';
import { decodeBase64Text } from './base64.ts';
import { byName } from './config-pools.ts';
import { invalid, transient } from './config.ts';
import type { ConfigIssue, Peer, Pool } from './config.ts';
import { parseDurationMs } from './duration.ts';
import type { Node, Secret } from './kubernetes.ts';
import { anySelectorMatches, checkSelectors } from './label-selector.ts';
import type { BfdProfile, Resources } from './resources.ts';

type Peers = ReadonlyMap<string, Peer>;
type BfdProfiles = ReadonlyMap<string, BfdProfile>;

/** BFD profiles by name. */
export function bfdProfilesFor(resources: Resources): Result<BfdProfiles, ConfigIssue> {
  const profiles = new Map<string, BfdProfile>();
  for (const profile of byName(resources.bfdProfiles)) {
    const { name } = profile.metadata;
    if (name === '') return invalid('BFDProfile', profile, 'missing bfd profile name');
    if (profiles.has(name)) {
      return invalid('BFDProfile', profile, `found duplicate bfd profile name ${name}`);
    }
    for (const [field, label, min, max] of BFD_RANGES) {
      const value = profile[field];
      if (value !== undefined && (!Number.isInteger(value) || value < min || value > max)) {
        const message = `invalid ${label} value: invalid value ${value}, must be in ${min}-${max} range`;
        return invalid('BFDProfile', profile, message);
      }
    }
    profiles.set(name, profile);
  }
  return ok(profiles);
}

/** Peers by name, in order of name. */
export function peersFor(resources: Resources, profiles: BfdProfiles): Result<Peers, ConfigIssue> {
  const peers = new Map<string, Peer>();
  const seen = new Set<string>();
  for (const resource of byName(resources.peers)) {
    const { name } = resource.metadata;
    const bare = peerFor(resource);
    if (!bare.ok) return invalid('BGPPeer', resource, `parsing peer ${name} ${bare.error}`);
    const withPassword = resolvePassword(bare.value, resource, resources.secrets);
    if (!withPassword.ok) return withPassword;
    const peer = withPassword.value;
    if (peer.bfdProfile !== undefined && !profiles.has(peer.bfdProfile)) {
      const message = `peer ${name} referencing non existing bfd profile ${peer.bfdProfile}`;
      return transient('BGPPeer', resource, message);
    }
    const identity = JSON.stringify({ ...peer, metadata: undefined });
    if (seen.has(identity) || peers.has(name)) {
      return invalid('BGPPeer', resource, `peer ${name} already exists`);
    }
    seen.add(identity);
    peers.set(name, peer);
  }
  return ok(peers);
}

/** Rules between peers of one node: one AS and router id per VRF, one session per neighbor. */
export function checkPeersTogether(
  peers: Peers,
  nodes: readonly Node[],
): Result<undefined, ConfigIssue> {
  const list = [...peers.values()];
  for (const [index, a] of list.entries()) {
    for (const b of list.slice(index + 1)) {
      if (!shareNode(a, b, nodes)) continue;
      const problem = conflictBetween(a, b);
      if (problem !== undefined) return invalid('BGPPeer', b, problem);
    }
  }
  return ok(undefined);
}

/** BFD echo mode does not exist for IPv6, so a pool with IPv6 must not be announced over it. */
export function checkEchoProfiles(
  pools: ReadonlyMap<string, Pool>,
  peers: Peers,
  profiles: BfdProfiles,
): Result<undefined, ConfigIssue> {
  for (const pool of pools.values()) {
    if (!pool.ranges.some((range) => range.blocks[0]!.family === 'ipv6')) continue;
    for (const advertisement of pool.bgpAdvertisements) {
      for (const peer of peers.values()) {
        const selected =
          advertisement.peers.length === 0 || advertisement.peers.includes(peer.name);
        const profile = peer.bfdProfile === undefined ? undefined : profiles.get(peer.bfdProfile);
        if (!selected || !profile?.echoMode) continue;
        return invalid(
          'BGPPeer',
          peer,
          `pool ${pool.name} has bgpadvertisement ${advertisement.name} which references peer ` +
            `${peer.name} which has bfdprofile ${peer.bfdProfile} with echo mode enabled, ` +
            'which is not supported for IPv6',
        );
      }
    }
  }
  return ok(undefined);
}

function peerFor(resource: BgpPeer): Result<Peer, string> {
  const problem = problemOf(resource);
  if (problem !== undefined) return err(problem);
  const timers = timersFor(resource);
  if (!timers.ok) return err(`invalid BGPPeer timers: ${timers.error}`);
  const connect = connectTimeFor(resource.connectTime);
  if (!connect.ok) return connect;
  const address = parseAddress(resource.peerAddress);
  const source = parseAddress(resource.sourceAddress);
  const routerId = parseAddress(resource.routerId);
  return ok({
    name: resource.metadata.name,
    metadata: resource.metadata,
    apiVersion: resource.apiVersion,
    myAsn: resource.myAsn,
    remoteAs: resource.peerAsn || (resource.dynamicAsn as 'internal' | 'external'),
    port: resource.peerPort,
    ...(resource.localAsn === 0 ? {} : { localAsn: resource.localAsn }),
    ...(address === undefined ? { interface: resource.interface } : { address }),
    ...(source === undefined ? {} : { sourceAddress: source }),
    ...(timers.value === undefined ? {} : { timers: timers.value }),
    timersFrom: resource.timersLost ? 'lost' : timers.value === undefined ? 'unset' : 'spec',
    ...(connect.value === undefined ? {} : { connectTimeSec: connect.value }),
    ...(routerId === undefined ? {} : { routerId }),
    nodeSelectors: resource.nodeSelectors,
    ...(resource.password === '' ? {} : { password: resource.password }),
    ...(resource.passwordSecret === '' ? {} : { passwordSecret: resource.passwordSecret }),
    ...(resource.bfdProfile === '' ? {} : { bfdProfile: resource.bfdProfile }),
    gracefulRestart: resource.enableGracefulRestart,
    ebgpMultihop: resource.ebgpMultiHop,
    ...(resource.vrf === '' ? {} : { vrf: resource.vrf }),
    disableMp: resource.disableMp,
    dualStack: resource.dualStackAddressFamily,
  });
}

function problemOf(peer: BgpPeer): string | undefined {
  if (peer.myAsn === 0) return 'missing local ASN';
  if (!isAsn(peer.myAsn)) return `invalid local ASN ${peer.myAsn}`;
  if (peer.peerAsn === 0 && peer.dynamicAsn === '') return 'missing peer ASN and dynamicASN';
  if (peer.peerAsn !== 0 && peer.dynamicAsn !== '') return 'both peer ASN and dynamicASN specified';
  if (peer.dynamicAsn === '' ? !isAsn(peer.peerAsn) : !DYNAMIC_ASN.has(peer.dynamicAsn)) {
    return peer.dynamicAsn === ''
      ? `invalid peer ASN ${peer.peerAsn}`
      : `invalid dynamicASN ${peer.dynamicAsn}`;
  }
  if (peer.localAsn !== 0 && !isAsn(peer.localAsn)) return `invalid localASN ${peer.localAsn}`;
  if (peer.peerAsn === peer.myAsn && peer.ebgpMultiHop) {
    return 'invalid ebgp-multihop parameter set for an ibgp peer';
  }
  if (peer.peerAddress === '' && peer.interface === '') {
    return 'peer has no Address or Interface specified';
  }
  if (peer.peerAddress !== '' && peer.interface !== '') {
    return 'peer has both Address and Interface specified';
  }
  if (peer.peerAddress !== '' && parseAddress(peer.peerAddress) === undefined) {
    return `invalid BGPPeer address "${peer.peerAddress}"`;
  }
  if (!Number.isInteger(peer.peerPort) || peer.peerPort < 1 || peer.peerPort > 65535) {
    return `invalid peer port ${peer.peerPort}`;
  }
  if (peer.routerId !== '' && !isRouterId(peer.routerId)) {
    return `invalid router ID "${peer.routerId}"`;
  }
  if (peer.sourceAddress !== '' && parseAddress(peer.sourceAddress) === undefined) {
    return `invalid source IP "${peer.sourceAddress}"`;
  }
  const selectors = checkSelectors(peer.nodeSelectors, 'nodeSelectors');
  if (!selectors.ok) return selectors.error;
  const object = `"${peer.metadata.namespace}"/"${peer.metadata.name}"`;
  if (peer.password !== '' && peer.passwordSecret !== '') {
    return `can not have both password and secret ref set in peer config ${object}`;
  }
  if (/[\r\n]/.test(peer.password))
    return `password for peer ${object} contains invalid characters`;
  if (/[\s]/.test(peer.interface))
    return `interface for peer ${object} contains invalid characters`;
  if (/[\s]/.test(peer.vrf)) return `VRF name for peer ${object} contains invalid characters`;
  return undefined;
}

/** Both timers, or none; the missing one follows from the other (a third, or three times). */
function timersFor(resource: BgpPeer): Result<Peer['timers'], string> {
  if (resource.timersLost) return ok(undefined);
  const { holdTime, keepaliveTime } = resource;
  if (holdTime === undefined && keepaliveTime === undefined) return ok(undefined);
  const hold = holdTime === undefined ? undefined : parseDurationMs(holdTime);
  const keepalive = keepaliveTime === undefined ? undefined : parseDurationMs(keepaliveTime);
  if (holdTime !== undefined && (hold === undefined || hold < 0)) {
    return err(`invalid hold time "${holdTime}"`);
  }
  if (keepaliveTime !== undefined && (keepalive === undefined || keepalive < 0)) {
    return err(`invalid keepaliveTime "${keepaliveTime}"`);
  }
  const holdMs = hold ?? keepalive! * 3;
  const keepaliveMs = keepalive ?? holdMs / 3;
  const holdTimeSec = Math.floor(holdMs / 1000);
  if (holdTimeSec !== 0 && holdTimeSec < 3) {
    return err(`invalid hold time "${holdTime ?? `${holdTimeSec}s`}": must be 0 or >=3s`);
  }
  if (holdTimeSec > 65535) return err(`invalid hold time "${holdTime}": must be at most 65535s`);
  if (keepaliveMs > holdMs) {
    return err(
      `invalid keepaliveTime "${keepaliveTime}", must be lower than holdTime "${holdTime}"`,
    );
  }
  return ok({ holdTimeSec, keepaliveTimeSec: Math.floor(keepaliveMs / 1000) });
}

function connectTimeFor(text: string | undefined): Result<number | undefined, string> {
  if (text === undefined) return ok(undefined);
  const ms = parseDurationMs(text);
  if (ms === undefined || ms % 1000 !== 0 || ms < 1000 || ms > 65_535_000) {
    return err(`invalid connectTime "${text}": must be whole seconds between 1s and 65535s`);
  }
  return ok(ms / 1000);
}

function resolvePassword(
  peer: Peer,
  resource: BgpPeer,
  secrets: readonly Secret[],
): Result<Peer, ConfigIssue> {
  if (resource.passwordSecret === '') return ok(peer);
  const object = `"${resource.metadata.namespace}"/"${resource.metadata.name}"`;
  const secret = secrets.find((candidate) => candidate.metadata.name === resource.passwordSecret);
  if (!secret) {
    return transient('BGPPeer', resource, `secret ref not found for peer config ${object}`);
  }
  const where = `"${secret.metadata.namespace}"/"${secret.metadata.name}"`;
  if (secret.type !== 'kubernetes.io/basic-auth') {
    return invalid(
      'BGPPeer',
      resource,
      `secret type mismatch on ${where}, type "kubernetes.io/basic-auth" is expected`,
    );
  }
  const encoded = secret.data['password'];
  if (encoded === undefined) {
    return invalid('BGPPeer', resource, `password not specified in the secret ${where}`);
  }
  const password = decodeBase64Text(encoded);
  if (password === undefined || /[\r\n]/.test(password)) {
    const message = `password secret for peer ${object} contains invalid characters`;
    return invalid('BGPPeer', resource, message);
  }
  return ok({ ...peer, password });
}

/** With no node known yet (start of the webhook), assume that two peers meet. */
function shareNode(a: Peer, b: Peer, nodes: readonly Node[]): boolean {
  if (nodes.length === 0) return true;
  return nodes.some(
    ({ metadata: { labels } }) =>
      anySelectorMatches(a.nodeSelectors, labels) && anySelectorMatches(b.nodeSelectors, labels),
  );
}

function conflictBetween(a: Peer, b: Peer): string | undefined {
  if (a.routerId !== b.routerId) {
    return `peers ${a.name} and ${b.name}: all the BGP peers of a node must have the same router ID`;
  }
  if (a.vrf !== b.vrf) return undefined;
  if (a.myAsn !== b.myAsn) {
    return (
      `peers ${a.name} and ${b.name} have different myAsn (${a.myAsn}, ${b.myAsn}): all the BGP ` +
      'peers of a node must have the same one in the same VRF'
    );
  }
  const neighbor = a.address ?? a.interface;
  if (neighbor !== (b.address ?? b.interface)) return undefined;
  return `peers ${a.name} and ${b.name}: duplicate BGPPeer with ${neighbor} in the same VRF`;
}

function isAsn(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 0xffffffff;
}

/** RFC 6286: four octets, not zero, and written as an IPv4 address. */
function isRouterId(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && !address.includes(':') && address !== '0.0.0.0';
}

const DYNAMIC_ASN: ReadonlySet<string> = new Set(['internal', 'external']);

const BFD_RANGES = [
  ['detectMultiplier', 'detect multiplier', 2, 255],
  ['receiveIntervalMs', 'receive interval', 10, 60_000],
  ['transmitIntervalMs', 'transmit interval', 10, 60_000],
  ['minimumTtl', 'minimum ttl', 1, 254],
  ['echoIntervalMs', 'echo interval', 10, 60_000],
] as const;
