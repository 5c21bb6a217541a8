// What a scenario asks of either end, and what it may ask a peer afterwards, in words that every
// daemon has. One file per daemon below peers/ renders a setup and reads the daemon's state.

import type { Host } from '@rookery/lab';
import type { Installation } from '../../tools/newer-debian.ts';
import type { FeatureId } from './features.ts';

export type Family = 'ipv4' | 'ipv6';

/** One end of the two: an AS, its neighbors and what it announces. */
export interface Setup {
  readonly as: number;
  readonly routerId: string;
  readonly neighbors: readonly Neighbor[];
  readonly originate: readonly Origin[];
  /** Seconds that a neighbor keeps our routes while we restart; absent: no graceful restart. */
  readonly restartTimeSec?: number;
  /** A NOTIFICATION keeps routes, too (RFC 8538). */
  readonly gracefulNotification?: boolean;
  /** The AS of the confederation of which `as` is a member. */
  readonly confederation?: number;
  /** Seconds of the long-lived phase after that (RFC 9494). */
  readonly longLivedSec?: number;
}

export interface Neighbor {
  readonly local: string;
  readonly remote: string;
  readonly as: number;
  readonly families: readonly Family[];
  /** Differs from the AS of the setup. */
  readonly localAs?: number;
  readonly passive?: boolean;
  readonly password?: string;
  readonly ttlSecurity?: boolean;
  readonly multihop?: number;
  /** Interface of a link-local neighbor. */
  readonly link?: string;
  readonly addPath?: boolean;
  readonly extendedNextHop?: boolean;
  readonly extendedMessages?: boolean;
  readonly role?: 'customer' | 'provider';
  readonly reflectorClient?: boolean;
  readonly holdTimeSec?: number;
  readonly bfd?: boolean;
  readonly enhancedRefresh?: boolean;
  /** In another member AS of our confederation. */
  readonly member?: boolean;
  readonly remotePort?: number;
  readonly localPort?: number;
  /** The peer's end only: it knows `link` and no address. */
  readonly byInterface?: boolean;
  /** Our end only: any neighbor of this prefix (`remote` is then unused). */
  readonly range?: string;
}

export interface Origin {
  readonly prefix: string;
  readonly communities?: readonly string[];
  readonly largeCommunities?: readonly string[];
  /** A second path of the same prefix, told apart by this community. */
  readonly second?: string;
}

/** A path to a prefix as a daemon holds it. */
export interface Path {
  /** Without the members of a confederation. */
  readonly asPath: readonly number[];
  readonly memberPath: readonly number[];
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  readonly nextHop: string;
  /** Not every daemon tells. */
  readonly localPref?: number;
  readonly originatorId?: string;
  readonly clusterList?: readonly string[];
}

/** What differs between two versions of a daemon. */
export interface Variant
  extends
    Pick<Peer, 'id' | 'cannot'>,
    Partial<Pick<Peer, 'remarks' | 'needsIpv6Session' | 'ignoresRefresh' | 'softwareVersion'>> {
  readonly from: Installation;
}

export interface Peer {
  readonly name: string;
  /** Tells versions apart: name of its machines, directories and tests. */
  readonly id: string;
  readonly programs: readonly string[];
  /** Cells that this daemon cannot fill, each with the reason that the table prints. */
  readonly cannot: Partial<Record<FeatureId, string>>;
  /** It can only announce several paths of its own, not pass on those of others. */
  readonly originatesOnly?: boolean;
  /** It neither shows nor logs a NOTIFICATION that refused its OPEN. */
  readonly silentOnRefusal?: boolean;
  /** With GTSM it sends with the full TTL, but does not look at ours. */
  readonly ttlUnchecked?: boolean;
  /** Over IPv4 sessions it announces IPv6 with a next hop that nobody can use. */
  readonly needsIpv6Session?: boolean;
  /** It counts our ROUTE-REFRESH and sends nothing. */
  readonly ignoresRefresh?: boolean;
  /** How it begins what it says in the software version capability. */
  readonly softwareVersion?: string;
  /** Remarks to cells that work. */
  readonly remarks?: Partial<Record<FeatureId, string>>;
  version(host: Host): Promise<string>;
  /** Starts the daemon; `again` is true for a restart that the setup calls graceful. */
  start(place: PeerPlace, setup: Setup, again?: boolean): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  established(neighbor: Neighbor): Promise<boolean>;
  /** Paths that neighbors sent. */
  paths(prefix: string): Promise<readonly Path[]>;
  /** For daemons that do not print long lists in full. */
  communityCount?(prefix: string): Promise<number>;
  /** Makes the daemon send ROUTE-REFRESH. */
  askForRefresh(neighbor: Neighbor): Promise<void>;
  /** Whether ROUTE-REFRESH messages arrived. */
  sawRefresh(neighbor: Neighbor): Promise<boolean>;
  shutDown(neighbor: Neighbor, text: string): Promise<void>;
  /** For daemons that wait for minutes after errors. */
  tryAgain?(neighbor: Neighbor): Promise<void>;
  /** Ends the session with a Cease that is no Hard Reset; it comes back by itself. */
  resetSoftly?(neighbor: Neighbor): Promise<void>;
  bfdUp?(neighbor: Neighbor): Promise<boolean>;
  /** Everything the daemon says about notifications: state and log. */
  story(): Promise<string>;
}

export interface PeerPlace {
  readonly host: Host;
  /** Readable by every user: most daemons change theirs. */
  readonly directory: string;
}

/** Both paths out of what most daemons print: members are in parentheses. */
export function parseAsPath(text: string): Pick<Path, 'asPath' | 'memberPath'> {
  const numbers = (part: string): readonly number[] => (part.match(/\d+/g) ?? []).map(Number);
  const members = /\(([^)]*)\)/.exec(text);
  return {
    asPath: numbers(text.replace(members?.[0] ?? '', '')),
    memberPath: numbers(members?.[1] ?? ''),
  };
}

export function familyOfPrefix(prefix: string): Family {
  return prefix.includes(':') ? 'ipv6' : 'ipv4';
}
