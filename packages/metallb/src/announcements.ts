// Should this node announce this service, and how? The order of the tests is MetalLB's; the first
// that fails gives the reason, a value of a closed union that log, event, page and doctor share.
// Every node decides alone; there is no leader. Upstream's word for a reason, where it has a
// coarser one, is in `upstreamReason`.

import { assertNever, familyOf, networkOf, parseAddress } from '@rookery/net';
import type { IpAddress, Prefix } from '@rookery/net';
import { poolOffering } from './allocator.ts';
import { renderCommunity } from './community.ts';
import type { Community } from './community.ts';
import { areLocalPrefsCompatible } from './config-advertisements.ts';
import type { BgpAdvertisement, Config, Peer, Pool } from './config.ts';
import { handlesClass } from './converge.ts';
import { hasServingEndpoint } from './endpoints.ts';
import { EXCLUDE_LABEL, keyOf } from './kubernetes.ts';
import type { EndpointSlice, Node, Service } from './kubernetes.ts';
import { anySelectorMatches } from './label-selector.ts';

export type WithheldReason =
  | { readonly kind: 'notLoadBalancer' }
  | { readonly kind: 'otherClass'; readonly loadBalancerClass: string }
  | { readonly kind: 'noIPAllocated' }
  | { readonly kind: 'invalidIP'; readonly ip: string }
  | { readonly kind: 'ipNotAllowed'; readonly ips: readonly IpAddress[] }
  | { readonly kind: 'poolWithoutAdvertisement'; readonly pool: string }
  | {
      readonly kind: 'nodeNotSelected';
      readonly pool: string;
      readonly advertisements: readonly string[];
    }
  | { readonly kind: 'noMatchingAdvertisement'; readonly pool: string }
  | { readonly kind: 'conflictingAdvertisements'; readonly advertisements: readonly string[] }
  | { readonly kind: 'nodeNetworkUnavailable' }
  | { readonly kind: 'nodeLabeledExcludeBalancers' }
  | { readonly kind: 'noLocalEndpoints' }
  | { readonly kind: 'noEndpoints' }
  | { readonly kind: 'noPeers'; readonly advertisements: readonly string[] };

/** One prefix as this node announces it for one service. */
export interface AnnouncedPrefix {
  readonly prefix: Prefix;
  /** Names of peers that get it, sorted; all of them exist on this node. */
  readonly peers: readonly string[];
  /** 0: not set. */
  readonly localPref: number;
  /** Sorted. */
  readonly communities: readonly Community[];
  /** The BGPAdvertisement that asked for it. */
  readonly advertisement: string;
}

export type ServiceAnnouncement = {
  /** "namespace/name". */
  readonly service: string;
  readonly ips: readonly IpAddress[];
} & (
  | {
      readonly announced: true;
      readonly pool: string;
      readonly prefixes: readonly AnnouncedPrefix[];
    }
  | { readonly announced: false; readonly reason: WithheldReason }
);

export interface SpeakerOptions {
  readonly lbClass: string;
  /** `--ignore-exclude-lb`. */
  readonly ignoreExcludeLabel: boolean;
}

/** Decides for one service on one node. `slices`: all EndpointSlices of the service. */
export function announcementsFor(
  service: Service,
  slices: readonly EndpointSlice[],
  node: Node,
  config: Config,
  options: SpeakerOptions = { lbClass: '', ignoreExcludeLabel: false },
): ServiceAnnouncement {
  const key = keyOf(service);
  const parsed = service.ingressIps.map(parseAddress);
  const ips = parsed.filter((ip) => ip !== undefined).slice();
  const withheld = (reason: WithheldReason): ServiceAnnouncement => ({
    service: key,
    ips,
    announced: false,
    reason,
  });
  if (service.type !== 'LoadBalancer') return withheld({ kind: 'notLoadBalancer' });
  if (!handlesClass(service, options.lbClass)) {
    return withheld({ kind: 'otherClass', loadBalancerClass: service.loadBalancerClass ?? '' });
  }
  if (service.ingressIps.length === 0) return withheld({ kind: 'noIPAllocated' });
  const bad = parsed.indexOf(undefined);
  if (bad >= 0) return withheld({ kind: 'invalidIP', ip: service.ingressIps[bad]! });
  const pool = poolOffering(config.pools, ips);
  if (!pool) return withheld({ kind: 'ipNotAllowed', ips });
  const selected = selectAdvertisements(service, node, pool);
  if (!selected.ok) return withheld(selected.reason);
  const unfit = whyNodeUnfit(service, slices, node, options);
  if (unfit) return withheld(unfit);
  const peers = peersOfNode(config, node);
  const prefixes = selected.advertisements.flatMap((advertisement) =>
    ips.map((ip) => announcedPrefix(ip, advertisement, peers)),
  );
  const reaching = prefixes.filter((prefix) => prefix.peers.length > 0);
  if (reaching.length === 0) {
    return withheld({ kind: 'noPeers', advertisements: namesOf(selected.advertisements) });
  }
  // Kept for every service: no list with room for more.
  return { service: key, ips, announced: true, pool: pool.name, prefixes: reaching.slice() };
}

/** Peers whose nodeSelectors include this node, in order of name. */
export function peersOfNode(config: Config, node: Node): readonly Peer[] {
  return [...config.peers.values()].filter((peer) =>
    anySelectorMatches(peer.nodeSelectors, node.metadata.labels),
  );
}

/** Names of the peers that are sent at least one prefix of this announcement, sorted. */
export function peersOfAnnouncement(announcement: ServiceAnnouncement): readonly string[] {
  if (!announcement.announced) return [];
  return [...new Set(announcement.prefixes.flatMap((prefix) => prefix.peers))].toSorted();
}

/** The word that MetalLB logs for this reason. */
export function upstreamReason(reason: WithheldReason): string {
  switch (reason.kind) {
    case 'poolWithoutAdvertisement':
    case 'nodeNotSelected':
    case 'noPeers':
      return 'notOwner';
    case 'otherClass':
      return 'notLoadBalancer';
    default:
      return reason.kind;
  }
}

/** The reason as one sentence, with what to look at. */
export function renderWithheld(reason: WithheldReason, nodeName: string): string {
  switch (reason.kind) {
    case 'notLoadBalancer':
      return 'the Service is not of type LoadBalancer';
    case 'otherClass':
      return `loadBalancerClass "${reason.loadBalancerClass}" belongs to another controller`;
    case 'noIPAllocated':
      return 'the controller has not allocated an address yet';
    case 'invalidIP':
      return `"${reason.ip}" in the status is not an address`;
    case 'ipNotAllowed':
      return `${reason.ips.join(', ')} lies in no IPAddressPool`;
    case 'poolWithoutAdvertisement':
      return `no BGPAdvertisement selects pool ${reason.pool}`;
    case 'nodeNotSelected':
      return `node ${nodeName} matches no nodeSelectors of ${reason.advertisements.join(', ')}`;
    case 'noMatchingAdvertisement':
      return `no BGPAdvertisement of pool ${reason.pool} selects this Service by serviceSelectors`;
    case 'conflictingAdvertisements':
      return `${reason.advertisements.join(' and ')} ask for different localPref`;
    case 'nodeNetworkUnavailable':
      return `node ${nodeName} has condition NetworkUnavailable`;
    case 'nodeLabeledExcludeBalancers':
      return `node ${nodeName} carries the label ${EXCLUDE_LABEL}`;
    case 'noLocalEndpoints':
      return `externalTrafficPolicy is Local and no endpoint on node ${nodeName} takes traffic`;
    case 'noEndpoints':
      return 'no endpoint of the Service takes traffic';
    case 'noPeers':
      return `${reason.advertisements.join(', ')} names no BGPPeer that node ${nodeName} has`;
    default:
      return assertNever(reason);
  }
}

/** Canonical text of what is announced, to see whether anything changed. */
export function announcementText(announcement: ServiceAnnouncement): string {
  if (!announcement.announced) return `withheld ${JSON.stringify(announcement.reason)}`;
  return announcement.prefixes
    .map((announced) => `${announced.prefix} ${termsText(announced)}`)
    .toSorted()
    .join('; ');
}

/** To whom and with which attributes a prefix is announced, as canonical text. */
export function termsText(announced: AnnouncedPrefix): string {
  const communities = announced.communities.map(renderCommunity).join(',');
  return `to ${announced.peers.join(',')} lp ${announced.localPref} c ${communities}`;
}

type Selection =
  | { readonly ok: true; readonly advertisements: readonly BgpAdvertisement[] }
  | { readonly ok: false; readonly reason: WithheldReason };

function selectAdvertisements(service: Service, node: Node, pool: Pool): Selection {
  const refuse = (reason: WithheldReason): Selection => ({ ok: false, reason });
  const all = pool.bgpAdvertisements;
  if (all.length === 0) return refuse({ kind: 'poolWithoutAdvertisement', pool: pool.name });
  const here = all.filter((advertisement) => advertisement.nodes.has(node.metadata.name));
  if (here.length === 0) {
    return refuse({ kind: 'nodeNotSelected', pool: pool.name, advertisements: namesOf(all) });
  }
  const matching = here.filter((advertisement) =>
    anySelectorMatches(advertisement.serviceSelectors, service.metadata.labels),
  );
  if (matching.length === 0) return refuse({ kind: 'noMatchingAdvertisement', pool: pool.name });
  for (const [index, a] of matching.entries()) {
    const b = matching.slice(index + 1).find((other) => !areLocalPrefsCompatible(a, other, pool));
    if (b) return refuse({ kind: 'conflictingAdvertisements', advertisements: [a.name, b.name] });
  }
  return { ok: true, advertisements: matching };
}

function whyNodeUnfit(
  service: Service,
  slices: readonly EndpointSlice[],
  node: Node,
  options: SpeakerOptions,
): WithheldReason | undefined {
  if (node.networkUnavailable) return { kind: 'nodeNetworkUnavailable' };
  if (Object.hasOwn(node.metadata.labels, EXCLUDE_LABEL) && !options.ignoreExcludeLabel) {
    return { kind: 'nodeLabeledExcludeBalancers' };
  }
  if (service.externalTrafficPolicy === 'Local') {
    return hasServingEndpoint(slices, node.metadata.name)
      ? undefined
      : { kind: 'noLocalEndpoints' };
  }
  return hasServingEndpoint(slices) ? undefined : { kind: 'noEndpoints' };
}

function announcedPrefix(
  ip: IpAddress,
  advertisement: BgpAdvertisement,
  peers: readonly Peer[],
): AnnouncedPrefix {
  const length =
    familyOf(ip) === 'ipv4' ? advertisement.aggregationLength : advertisement.aggregationLengthV6;
  return {
    prefix: networkOf(ip, length),
    peers: peers
      .map((peer) => peer.name)
      .filter((name) => advertisement.peers.length === 0 || advertisement.peers.includes(name))
      .slice(),
    localPref: advertisement.localPref,
    communities: advertisement.communities,
    advertisement: advertisement.name,
  };
}

function namesOf(advertisements: readonly BgpAdvertisement[]): readonly string[] {
  return advertisements.map((advertisement) => advertisement.name);
}
