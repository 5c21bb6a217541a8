// What one node tells its peers, all services together: per prefix and peer the union of what the
// services' announcements ask for. An aggregate stands as long as one service is inside it.

import { familyOf } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { ServiceAnnouncement } from './announcements.ts';
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

/** Merges all announcements of a node; sorted by prefix text, IPv4 first. */
export function planFor(announcements: Iterable<ServiceAnnouncement>): readonly PlannedPrefix[] {
  const byPrefix = new Map<
    Prefix,
    { services: Set<string>; pool: string; peers: Map<string, PlannedAttributes> }
  >();
  for (const announcement of announcements) {
    if (!announcement.announced) continue;
    for (const announced of announcement.prefixes) {
      const entry = byPrefix.get(announced.prefix) ?? {
        services: new Set(),
        pool: announcement.pool,
        peers: new Map<string, PlannedAttributes>(),
      };
      entry.services.add(announcement.service);
      for (const peer of announced.peers) {
        entry.peers.set(peer, mergeAttributes(entry.peers.get(peer), announced));
      }
      byPrefix.set(announced.prefix, entry);
    }
  }
  return [...byPrefix]
    .map(([prefix, entry]) => ({
      prefix,
      family: familyOf(prefix),
      services: [...entry.services].toSorted(),
      pool: entry.pool,
      peers: new Map([...entry.peers].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    }))
    .toSorted((a, b) =>
      a.family === b.family ? (a.prefix < b.prefix ? -1 : 1) : a.family === 'ipv4' ? -1 : 1,
    );
}

/** Communities are a union; of two local preferences the higher stands, whatever the order. */
function mergeAttributes(
  a: PlannedAttributes | undefined,
  b: PlannedAttributes,
): PlannedAttributes {
  const communities = new Map<string, Community>();
  for (const community of [...(a?.communities ?? []), ...b.communities]) {
    communities.set(`${community.kind} ${renderCommunity(community)}`, community);
  }
  return {
    localPref: Math.max(a?.localPref ?? 0, b.localPref),
    communities: [...communities.values()].toSorted(compareCommunities),
  };
}
