// What one node tells its peers, all services together: per prefix and peer the union of what the
// services' announcements ask for. An aggregate stands as long as one service is inside it. Kept
// current service by service: a change costs the same in a small cluster and in a large one.

import { familyOf } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import { termsText } from './announcements.ts';
import type { AnnouncedPrefix, ServiceAnnouncement } from './announcements.ts';
import { compareCommunities, renderCommunity } from './community.ts';
import type { Community } from './community.ts';

export interface PlannedPrefix {
  readonly prefix: Prefix;
  readonly family: Family;
  /** "namespace/name", sorted. */
  readonly services: readonly string[];
  readonly pool: string;
  /** By name of the peer, in order of name. */
  readonly peers: ReadonlyMap<string, PlannedAttributes>;
}

export interface PlannedAttributes {
  /** 0: not set. */
  readonly localPref: number;
  readonly communities: readonly Community[];
}

/** One view of an announced address, for consoles and status objects. */
export interface AnnouncedAddress {
  readonly service: string;
  readonly ip: IpAddress;
}

/** Services that ask for a prefix on the same terms. */
interface Share {
  readonly terms: string;
  readonly announced: AnnouncedPrefix;
  readonly pool: string;
  readonly services: Set<string>;
}

export class NodePlan {
  readonly #shares = new Map<Prefix, Share[]>();

  /** Puts what a service announces into the place of what it did; the prefixes that this concerns. */
  replace(
    before: ServiceAnnouncement | undefined,
    after: ServiceAnnouncement | undefined,
  ): ReadonlySet<Prefix> {
    const touched = new Set<Prefix>();
    if (before?.announced) {
      for (const announced of before.prefixes) {
        this.#drop(before.service, announced);
        touched.add(announced.prefix);
      }
    }
    if (after?.announced) {
      for (const announced of after.prefixes) {
        this.#add(after.service, announced, after.pool);
        touched.add(announced.prefix);
      }
    }
    return touched;
  }

  /** What each peer is told about a prefix; empty when nobody asks for it. */
  peersOf(prefix: Prefix): ReadonlyMap<string, PlannedAttributes> {
    const peers = new Map<string, PlannedAttributes>();
    for (const { announced } of this.#shares.get(prefix) ?? []) {
      for (const peer of announced.peers) {
        peers.set(peer, mergeAttributes(peers.get(peer), announced));
      }
    }
    return peers.size < 2 ? peers : new Map([...peers].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Everything, sorted by prefix text, IPv4 first. */
  prefixes(): readonly PlannedPrefix[] {
    return [...this.#shares]
      .map(([prefix, shares]) => ({
        prefix,
        family: familyOf(prefix),
        services: [...new Set(shares.flatMap((share) => [...share.services]))].toSorted(),
        pool: shares[0]!.pool,
        peers: this.peersOf(prefix),
      }))
      .toSorted((a, b) =>
        a.family === b.family ? (a.prefix < b.prefix ? -1 : 1) : a.family === 'ipv4' ? -1 : 1,
      );
  }

  #add(service: string, announced: AnnouncedPrefix, pool: string): void {
    const shares = this.#shares.get(announced.prefix) ?? [];
    this.#shares.set(announced.prefix, shares);
    const terms = termsText(announced);
    const share = shares.find((candidate) => candidate.terms === terms);
    if (share) share.services.add(service);
    else shares.push({ terms, announced, pool, services: new Set([service]) });
  }

  #drop(service: string, announced: AnnouncedPrefix): void {
    const shares = this.#shares.get(announced.prefix) ?? [];
    const terms = termsText(announced);
    const at = shares.findIndex((candidate) => candidate.terms === terms);
    if (at < 0) return;
    shares[at]!.services.delete(service);
    if (shares[at]!.services.size === 0) shares.splice(at, 1);
    if (shares.length === 0) this.#shares.delete(announced.prefix);
  }
}

/** Merges all announcements of a node. */
export function planFor(announcements: Iterable<ServiceAnnouncement>): NodePlan {
  const plan = new NodePlan();
  for (const announcement of announcements) plan.replace(undefined, announcement);
  return plan;
}

/** Communities are a union; of two local preferences the higher stands, whatever the order. */
function mergeAttributes(
  a: PlannedAttributes | undefined,
  b: PlannedAttributes,
): PlannedAttributes {
  if (a === undefined) return { localPref: b.localPref, communities: b.communities };
  const communities = new Map<string, Community>();
  for (const community of [...a.communities, ...b.communities]) {
    communities.set(`${community.kind} ${renderCommunity(community)}`, community);
  }
  return {
    localPref: Math.max(a.localPref, b.localPref),
    communities: [...communities.values()].toSorted(compareCommunities),
  };
}
