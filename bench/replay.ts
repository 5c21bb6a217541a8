// What a receiver holds, from the octets that it was sent: decoded after the clock stopped, so that
// receiving costs nothing while it runs. Checks every prefix: announced by somebody, with the AS path
// and ORIGIN of a peer that may have been chosen, communities untouched, a next hop that is usable.

import { FIRST_POLICY_MED } from './policy.ts';
import type { BenchPolicy } from './policy.ts';
import { attributesOf } from './table.ts';
import type { GroupAttributes, RouteSet } from './table.ts';
import type { Session } from './session.ts';

export interface CheckOptions {
  readonly routes: RouteSet;
  /** In front of every path; `undefined` in the self-test, which has no daemon. */
  readonly dutAs: number | undefined;
  /** Generators that announce a group. */
  readonly announcers: (group: number) => readonly number[];
  /** Acceptable next hops of a generator's route, as octets in hex. */
  readonly nextHops: (peer: number) => readonly string[];
  /** What the daemon does to routes; absent: it passes on all of them. */
  readonly policy?: BenchPolicy | undefined;
  readonly policyOn?: 'import' | 'export' | undefined;
}

export interface CheckResult {
  /** Distinct prefixes held at the end. */
  readonly held: number;
  /** When all were there for the first time, and when the last change came; shared clock. */
  readonly fullMs: number | undefined;
  readonly emptyMs: number | undefined;
  readonly lastMs: number;
  /** UPDATEs that announced or withdrew anything. */
  readonly messages: number;
  /** What is wrong; empty when the table is right. */
  readonly problems: readonly string[];
}

const MAX_PROBLEMS = 5;

export class Replay {
  readonly #session: Session;
  readonly #options: CheckOptions;
  /** Prefixes that the receiver must have. */
  readonly wanted: number;
  /** Where the attributes of each prefix are in `#log`; 0: not held. */
  readonly #attributesAt: Float64Array;
  readonly #attributesEnd: Float64Array;
  #log = new Uint8Array(0);
  #done = 0;
  #at = 0;
  #held = 0;
  #unknown = 0;
  #lastOffers = { group: -1, prefixClass: 0, offers: [] as readonly Offer[] };

  constructor(session: Session, options: CheckOptions) {
    this.#session = session;
    this.#options = options;
    const { count } = options.routes;
    this.#attributesAt = new Float64Array(count);
    this.#attributesEnd = new Float64Array(count);
    let wanted = count;
    if (options.policy) {
      for (let i = 0; i < count; i++) if (this.#offers(i).length === 0) wanted--;
    }
    this.wanted = wanted;
  }

  /** Takes in what arrived since the last call. */
  advance(): Omit<CheckResult, 'problems'> {
    const { chunks, times } = this.#session;
    const added = chunks.slice(this.#done);
    const base = this.#log.length;
    const log = new Uint8Array(base + added.reduce((sum, c) => sum + c.length, 0));
    log.set(this.#log);
    const ends: number[] = [];
    let end = base;
    for (const chunk of added) {
      log.set(chunk, end);
      end += chunk.length;
      ends.push(end);
    }
    this.#log = log;
    let fullMs: number | undefined;
    let emptyMs: number | undefined;
    let lastMs = 0;
    let messages = 0;
    let chunk = 0;
    while (this.#at + 19 <= end) {
      const at = this.#at;
      const length = (log[at + 16]! << 8) | log[at + 17]!;
      if (at + length > end) break;
      this.#at = at + length;
      while (ends[chunk]! < this.#at) chunk++;
      if (log[at + 18] !== 2 || !this.#update(at + 19, at + length)) continue;
      messages++;
      lastMs = times[this.#done + chunk]!;
      if (this.#held === this.wanted) fullMs ??= lastMs;
      if (this.#held === 0) emptyMs ??= lastMs;
    }
    this.#done = chunks.length;
    return { held: this.#held, fullMs, emptyMs, lastMs, messages };
  }

  /** Compares what is held with what was sent. */
  problems(): readonly string[] {
    const { routes } = this.#options;
    const problems: string[] = [];
    if (this.#unknown > 0) problems.push(`${this.#unknown} prefixes that nobody announced`);
    let last = { at: 0, offers: [] as readonly Offer[], verdict: undefined as string | undefined };
    for (let i = 0; i < routes.count && problems.length < MAX_PROBLEMS; i++) {
      const at = this.#attributesAt[i]!;
      const offers = this.#offers(i);
      const wanted = offers.length > 0;
      if ((at !== 0) !== wanted)
        problems.push(`${this.#name(i)} ${wanted ? 'missing' : 'present'}`);
      if (at === 0 || !wanted) continue;
      // Prefixes of one message belong to one group unless the daemon mixed them up.
      if (at !== last.at || offers !== last.offers) {
        last = { at, offers, verdict: this.#judge(at, this.#attributesEnd[i]!, offers) };
      }
      if (last.verdict !== undefined) problems.push(`${this.#name(i)} ${last.verdict}`);
    }
    return problems;
  }

  /** True when the UPDATE named a prefix. */
  #update(start: number, end: number): boolean {
    const b = this.#log;
    let named = 0;
    const withdrawnEnd = start + 2 + ((b[start]! << 8) | b[start + 1]!);
    named += this.#prefixes(start + 2, withdrawnEnd, 0, 0);
    const from = withdrawnEnd + 2;
    const to = from + ((b[withdrawnEnd]! << 8) | b[withdrawnEnd + 1]!);
    if (to < end) named += this.#prefixes(to, end, from, to);
    if (this.#options.routes.family === 'ipv4') return named > 0;
    for (const { type, value, valueEnd } of walkAttributes(b, from, to)) {
      if (type === 15) named += this.#prefixes(value + 3, valueEnd, 0, 0);
      else if (type === 14) named += this.#prefixes(value + 5 + b[value + 3]!, valueEnd, from, to);
    }
    return named > 0;
  }

  #prefixes(from: number, to: number, attributesAt: number, attributesEnd: number): number {
    const b = this.#log;
    let count = 0;
    for (let at = from; at < to; count++) {
      const length = b[at++]!;
      let high = 0;
      let low = 0;
      for (let bit = 0; bit < length; bit += 8, at++) {
        if (bit < 32) high |= b[at]! << (24 - bit);
        else if (bit < 64) low |= b[at]! << (56 - bit);
      }
      const i = this.#options.routes.find(high, low, length);
      if (i < 0) {
        this.#unknown++;
        continue;
      }
      if ((this.#attributesAt[i] !== 0) !== (attributesAt !== 0)) {
        this.#held += attributesAt === 0 ? -1 : 1;
      }
      this.#attributesAt[i] = attributesAt;
      this.#attributesEnd[i] = attributesEnd;
    }
    return count;
  }

  /** What the receiver may hold; the same list for prefixes of a group that are treated alike. */
  #offers(prefix: number): readonly Offer[] {
    const { routes, announcers, policy } = this.#options;
    const group = routes.group[prefix]!;
    const prefixClass = policy?.classOf(prefix) ?? 0;
    const last = this.#lastOffers;
    if (last.group === group && last.prefixClass === prefixClass) return last.offers;
    const offers: Offer[] = [];
    for (const peer of announcers(group)) {
      const a = policy
        ? policy.outcome(peer, group, prefixClass)
        : attributesOf(routes, peer, group);
      if (a) offers.push({ peer, a });
    }
    this.#lastOffers = { group, prefixClass, offers };
    return offers;
  }

  #judge(from: number, to: number, offers: readonly Offer[]): string | undefined {
    const { dutAs, nextHops, policy, policyOn } = this.#options;
    const exportMed = policy !== undefined && policyOn === 'export';
    const got = readAttributes(this.#log, from, to);
    const rank = (a: GroupAttributes): number => a.asPath.length * 4 + a.origin;
    const best = Math.min(...offers.map(({ a }) => rank(a)));
    const verdicts = offers.map(({ peer, a }) => {
      const path = dutAs === undefined ? a.asPath : [dutAs, ...a.asPath];
      if (got.asPath !== path.join(' ')) return `has the AS path ${got.asPath}`;
      if (rank(a) !== best) return `took a worse path, ${got.asPath}`;
      if (got.origin !== a.origin) return `has the ORIGIN ${got.origin}`;
      if (got.communities !== inOrder(a.communities, 1)) {
        return `has communities ${got.communities}`;
      }
      if (got.largeCommunities !== inOrder(a.largeCommunities, 3)) {
        return `has large communities ${got.largeCommunities}`;
      }
      // Of others' MEDs an external peer hears nothing.
      if (exportMed && got.med !== medOf(a)) return `has the MED ${got.med}`;
      if (!nextHops(peer).includes(got.nextHop)) return `has the next hop ${got.nextHop}`;
      return undefined;
    });
    return verdicts.includes(undefined) ? undefined : verdicts[0];
  }

  #name(i: number): string {
    const { routes } = this.#options;
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return `prefix ${hex(routes.high[i]!)}.${hex(routes.low[i]!)}/${routes.lengths[i]}`;
  }
}

/** What a peer's announcement looks like behind the policy. */
interface Offer {
  readonly peer: number;
  readonly a: GroupAttributes;
}

/** A MED that the export policy set; only that goes to an external peer. */
function medOf({ med }: GroupAttributes): number | undefined {
  return med !== undefined && med >= FIRST_POLICY_MED ? med : undefined;
}

interface ReadAttributes {
  asPath: string;
  origin: number;
  med: number | undefined;
  nextHop: string;
  communities: string;
  largeCommunities: string;
}

function readAttributes(b: Uint8Array, from: number, to: number): ReadAttributes {
  const read: ReadAttributes = {
    asPath: '',
    origin: -1,
    med: undefined,
    nextHop: '',
    communities: '',
    largeCommunities: '',
  };
  for (const { type, value, valueEnd } of walkAttributes(b, from, to)) {
    if (type === 1) read.origin = b[value]!;
    else if (type === 2) read.asPath = wordsOf(b, value + 2, valueEnd).join(' ');
    else if (type === 3) read.nextHop = hexOf(b, value, valueEnd);
    else if (type === 4) read.med = wordsOf(b, value, valueEnd)[0];
    else if (type === 8) read.communities = inOrder(wordsOf(b, value, valueEnd), 1);
    else if (type === 32) read.largeCommunities = inOrder(wordsOf(b, value, valueEnd), 3);
    else if (type === 14) read.nextHop = hexOf(b, value + 4, value + 20);
  }
  return read;
}

function* walkAttributes(
  b: Uint8Array,
  from: number,
  to: number,
): Iterable<{ type: number; value: number; valueEnd: number }> {
  for (let at = from; at < to;) {
    const long = (b[at]! & 16) !== 0;
    const length = long ? (b[at + 2]! << 8) | b[at + 3]! : b[at + 2]!;
    const value = at + (long ? 4 : 3);
    yield { type: b[at + 1]!, value, valueEnd: value + length };
    at = value + length;
  }
}

function wordsOf(b: Uint8Array, from: number, to: number): number[] {
  const list: number[] = [];
  for (let at = from; at + 4 <= to; at += 4) {
    list.push(((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0);
  }
  return list;
}

/** Communities as text; the order says nothing, and some speakers sort. */
function inOrder(words: readonly number[], width: number): string {
  const elements = Array.from({ length: words.length / width }, (_, i) =>
    words.slice(i * width, (i + 1) * width).join(':'),
  );
  return elements.sort().join(' ');
}

/** Octets as text, to compare next hops by. */
export function hexOf(b: Uint8Array, from = 0, to: number = b.length): string {
  return Buffer.from(b.subarray(from, to)).toString('hex');
}
