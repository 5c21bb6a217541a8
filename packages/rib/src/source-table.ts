// Where routes come from: protocol instances, and for BGP the peer behind each. Sources are dense
// numbers from 1; the decision process reads the columns, consoles read the facts.

import { parseWords } from '@rookery/net';
import type { IpAddress, Words } from '@rookery/net';

/** How two BGP paths are compared; BIRD's protocol options of the same name. */
export interface BestPathOptions {
  readonly pathMetric: boolean;
  readonly medMetric: boolean;
  readonly deterministicMed: boolean;
  readonly igpMetric: boolean;
  readonly preferOlder: boolean;
  readonly defaultMed: number;
  readonly defaultLocalPref: number;
}

/** BIRD's defaults. */
export const DEFAULT_BEST_PATH_OPTIONS: BestPathOptions = {
  pathMetric: true,
  medMetric: false,
  deterministicMed: false,
  igpMetric: true,
  preferOlder: false,
  defaultMed: 0,
  defaultLocalPref: 100,
};

export interface PeerFacts {
  /** `confederation`: another member AS of our confederation (RFC 5065). */
  readonly type: 'external' | 'internal' | 'confederation';
  readonly remoteAs: number;
  /** BGP Identifier as an unsigned number; 0 before the session is up. */
  readonly routerId: number;
  readonly address: IpAddress;
  readonly options: BestPathOptions;
}

export interface SourceFacts {
  /** Name of the protocol instance, e.g. "bgp1". */
  readonly protocol: string;
  /** Kind of the protocol, e.g. "bgp", "static"; paths of one kind are comparable. */
  readonly kind: string;
  readonly peer?: PeerFacts;
}

/** Source numbers are 16 bits wide in the path columns. */
export const MAX_SOURCES = 65_535;

export const OPTION = {
  pathMetric: 1,
  medMetric: 2,
  deterministicMed: 4,
  igpMetric: 8,
  preferOlder: 16,
  /** `defaultMed` is not 0: a path without MED competes in MED. */
  defaultMed: 32,
} as const;

export class SourceTable {
  readonly #facts: (SourceFacts | undefined)[] = [undefined];
  readonly #free: number[] = [];
  readonly #kinds = new Map<string, number>();
  /** Columns for the decision process, indexed by source. */
  readonly kind: number[] = [0];
  /** 1 for an external peer: preferred over internal and confederation peers. */
  readonly external: number[] = [0];
  readonly routerId: number[] = [0];
  /** OPTION bits. */
  readonly options: number[] = [0];
  readonly defaultMed: number[] = [0];
  readonly defaultLocalPref: number[] = [0];
  /** 1 for BGP peers. */
  readonly isPeer: number[] = [0];
  /** The peer's address; empty for sources that are no BGP peers. */
  readonly address: Words[] = [[]];

  /** Every source number is below this. */
  get limit(): number {
    return this.#facts.length;
  }

  /** A number for the source; `undefined` when all 65,535 are in use. */
  add(facts: SourceFacts): number | undefined {
    const source = this.#free.pop() ?? this.#facts.length;
    if (source > MAX_SOURCES) return undefined;
    this.update(source, facts);
    return source;
  }

  /** Replaces the facts, e.g. when a session came up and the router id is known. */
  update(source: number, facts: SourceFacts): void {
    const { peer } = facts;
    const options = peer?.options;
    this.#facts[source] = facts;
    this.kind[source] = this.#kindNumber(facts.kind);
    this.external[source] = peer?.type === 'external' ? 1 : 0;
    this.routerId[source] = peer?.routerId ?? 0;
    this.options[source] = options ? optionBits(options) : 0;
    this.defaultMed[source] = options?.defaultMed ?? 0;
    this.defaultLocalPref[source] = options?.defaultLocalPref ?? 100;
    this.isPeer[source] = peer ? 1 : 0;
    this.address[source] = peer ? (parseWords(peer.address) ?? []) : [];
  }

  /** Frees the number. No table and no update group may have routes of it any more. */
  remove(source: number): void {
    if (this.#facts[source] === undefined) return;
    this.#facts[source] = undefined;
    this.#free.push(source);
  }

  get(source: number): SourceFacts | undefined {
    return this.#facts[source];
  }

  #kindNumber(kind: string): number {
    const known = this.#kinds.get(kind);
    if (known !== undefined) return known;
    const number = this.#kinds.size + 1;
    this.#kinds.set(kind, number);
    return number;
  }
}

function optionBits(options: BestPathOptions): number {
  return (
    (options.pathMetric ? OPTION.pathMetric : 0) |
    (options.medMetric ? OPTION.medMetric : 0) |
    (options.deterministicMed ? OPTION.deterministicMed : 0) |
    (options.igpMetric ? OPTION.igpMetric : 0) |
    (options.preferOlder ? OPTION.preferOlder : 0) |
    (options.defaultMed === 0 ? 0 : OPTION.defaultMed)
  );
}
