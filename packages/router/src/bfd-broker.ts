// Who wants BFD for which neighbor. Protocols ask here; the broker keeps one request per neighbor
// and interface, picks the options that the `bfd` protocol configures for the interface, and hands
// the session itself to the platform, where packets are never late. Without a `bfd` protocol a
// request waits silently, as in BIRD.

import { familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { BfdAuthentication, BfdConfig, BfdInterfaceConfig } from './config.ts';
import { matchesPatterns } from './interfaces.ts';
import type { InterfaceTable } from './interfaces.ts';
import type { BfdSessionDetails, BfdState, Fact, Order } from './io.ts';

export interface BfdNeed {
  readonly remote: IpAddress;
  readonly local?: IpAddress;
  readonly interface?: string;
  readonly multihop: boolean;
  /** Set on the session by the protocol that asks; absent fields come from the bfd protocol. */
  readonly options?: Partial<BfdInterfaceConfig>;
}

export interface BfdClient {
  readonly name: string;
  /** States as `believedState` has them. */
  bfdChanged(state: BfdState, before: BfdState | undefined): void;
}

export interface BfdEntry {
  need: BfdNeed;
  readonly clients: Set<BfdClient>;
  /** Name of the `bfd` protocol that serves it; set together with `options`. */
  server: string | undefined;
  options: BfdInterfaceConfig | undefined;
  state: BfdState | undefined;
  sinceMs: number;
  everUp: boolean;
  upEvents: number;
  downEvents: number;
  /** What the platform last said about the session besides its state. */
  details: BfdSessionDetails | undefined;
}

/**
 * What a client should believe of a session. RFC 5882 §3.2: AdminDown at either end says nothing
 * about the path.
 */
export function believedState(entry: BfdEntry): BfdState | undefined {
  if (entry.state === 'Up' || entry.state === undefined) return entry.state;
  return entry.details?.remoteState === 'AdminDown' ? 'AdminDown' : entry.state;
}

/** BIRD's defaults for `interface` blocks. */
const DEFAULT_OPTIONS: BfdInterfaceConfig = {
  minRxIntervalUs: 10_000,
  minTxIntervalUs: 100_000,
  idleTxIntervalUs: 1_000_000,
  multiplier: 5,
  passive: false,
};

export class BfdBroker {
  readonly #entries = new Map<string, BfdEntry>();
  readonly #order: (order: Order) => void;
  readonly #interfaces: InterfaceTable;
  readonly #servers = new Map<string, BfdServer>();

  constructor(order: (order: Order) => void, interfaces: InterfaceTable) {
    this.#order = order;
    this.#interfaces = interfaces;
  }

  /** A `bfd` protocol runs, or has another configuration. */
  serve(config: BfdConfig, trace: (text: string) => void): void {
    this.#servers.set(config.name, { config, trace });
    for (const entry of this.#entries.values()) this.#apply(entry);
  }

  /** A `bfd` protocol ended; another one may take its sessions. */
  retire(name: string): void {
    this.#servers.delete(name);
    for (const entry of this.#entries.values()) this.#apply(entry);
  }

  request(need: BfdNeed, client: BfdClient): void {
    const key = keyOf(need);
    let entry = this.#entries.get(key);
    if (!entry) {
      entry = {
        need,
        clients: new Set(),
        server: undefined,
        options: undefined,
        state: undefined,
        sinceMs: 0,
        everUp: false,
        upEvents: 0,
        downEvents: 0,
        details: undefined,
      };
      this.#entries.set(key, entry);
    }
    entry.clients.add(client);
    const moved = entry.need.local !== need.local;
    entry.need = need;
    this.#apply(entry, moved);
  }

  release(client: BfdClient): void {
    for (const [key, entry] of this.#entries) {
      if (!entry.clients.delete(client) || entry.clients.size > 0) continue;
      this.#entries.delete(key);
      if (entry.options) this.#release(entry);
    }
  }

  changed(fact: Extract<Fact, { readonly kind: 'bfdChanged' }>, nowMs: number): void {
    const entry = this.entryFor(fact);
    if (!entry) return;
    const [before, believed] = [entry.state, believedState(entry)];
    if (fact.session) entry.details = fact.session;
    entry.state = fact.state;
    if (before !== fact.state) {
      const from = before ?? 'Down';
      if (from !== fact.state) {
        const { remote, state } = fact;
        this.#trace(entry, `Session to ${remote} changed state from ${from} to ${state}`);
      }
      entry.sinceMs = nowMs;
      if (fact.state === 'Up') {
        entry.everUp = true;
        entry.upEvents++;
      } else if (before === 'Up') entry.downEvents++;
    }
    const now = believedState(entry)!;
    if (now === believed) return;
    for (const client of Array.from(entry.clients)) client.bfdChanged(now, believed);
  }

  entryFor(fact: Extract<Fact, { readonly kind: 'bfdChanged' }>): BfdEntry | undefined {
    for (const entry of this.#entries.values()) {
      const { remote, interface: link, multihop } = entry.need;
      if (remote !== fact.remote || entry.options === undefined) continue;
      if (fact.multihop !== undefined && fact.multihop !== multihop) continue;
      if (fact.interface !== undefined && link !== undefined && fact.interface !== link) continue;
      return entry;
    }
    return undefined;
  }

  stateFor(client: BfdClient): BfdEntry | undefined {
    for (const entry of this.#entries.values()) if (entry.clients.has(client)) return entry;
    return undefined;
  }

  /** Sessions that the platform runs. */
  sessions(): readonly BfdEntry[] {
    return [...this.#entries.values()].filter((e) => e.options !== undefined);
  }

  #apply(entry: BfdEntry, moved = false): void {
    const { need } = entry;
    const found = this.#serverFor(need);
    const options = found?.options;
    if (!options) {
      if (!entry.options) return;
      this.#release(entry);
      entry.state = undefined;
      entry.details = undefined;
      entry.options = undefined;
      entry.server = undefined;
      return;
    }
    const same = sameOptions(options, entry.options) && !moved;
    const added = entry.options === undefined;
    entry.server = found.server.config.name;
    entry.options = options;
    if (same) return;
    if (added) this.#trace(entry, `Session to ${need.remote} added`);
    this.#order({
      kind: 'bfdRequest',
      remote: need.remote,
      ...(need.local === undefined ? {} : { local: need.local }),
      ...(need.interface === undefined ? {} : { interface: need.interface }),
      multihop: need.multihop,
      options,
    });
  }

  #release(entry: BfdEntry): void {
    this.#trace(entry, `Session to ${entry.need.remote} removed`);
    this.#order(releaseOrder(entry.need));
  }

  #trace(entry: BfdEntry, text: string): void {
    if (entry.server !== undefined) this.#servers.get(entry.server)?.trace(text);
  }

  #serverFor(
    need: BfdNeed,
  ): { readonly server: BfdServer; readonly options: BfdInterfaceConfig } | undefined {
    for (const server of this.#servers.values()) {
      if (!accepts(server.config, need)) continue;
      const options = this.#optionsFor(server.config, need);
      return options && { server, options };
    }
    return undefined;
  }

  /** `undefined` while the interface is not there. */
  #optionsFor(config: BfdConfig, need: BfdNeed): BfdInterfaceConfig | undefined {
    const { interface: link, multihop } = need;
    const fact = link === undefined ? undefined : this.#interfaces.byName(link);
    if (link !== undefined && !fact) return undefined;
    const base = multihop
      ? config.multihop
      : config.interfaces.find((i) => fact && matchesPatterns(i.patterns, fact))?.options;
    return { ...(base ?? DEFAULT_OPTIONS), ...need.options };
  }
}

interface BfdServer {
  readonly config: BfdConfig;
  readonly trace: (text: string) => void;
}

function accepts({ accept }: BfdConfig, need: BfdNeed): boolean {
  if (accept?.family !== undefined && accept.family !== familyOf(need.remote)) return false;
  return accept?.hops === undefined || (accept.hops === 'multihop') === need.multihop;
}

function keyOf(need: BfdNeed): string {
  return `${need.remote} ${need.interface ?? ''} ${need.multihop}`;
}

function releaseOrder(need: BfdNeed): Order {
  return {
    kind: 'bfdRelease',
    remote: need.remote,
    multihop: need.multihop,
    ...(need.interface === undefined ? {} : { interface: need.interface }),
  };
}

function sameOptions(
  a: BfdInterfaceConfig | undefined,
  b: BfdInterfaceConfig | undefined,
): boolean {
  if (!a || !b) return a === b;
  return (
    a.minRxIntervalUs === b.minRxIntervalUs &&
    a.minTxIntervalUs === b.minTxIntervalUs &&
    a.idleTxIntervalUs === b.idleTxIntervalUs &&
    a.multiplier === b.multiplier &&
    a.passive === b.passive &&
    a.minTtl === b.minTtl &&
    a.echo?.txIntervalUs === b.echo?.txIntervalUs &&
    a.echo?.rxIntervalUs === b.echo?.rxIntervalUs &&
    sameKeys(a.authentication, b.authentication)
  );
}

function sameKeys(a: BfdAuthentication | undefined, b: BfdAuthentication | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.kind === b.kind &&
    a.keys.length === b.keys.length &&
    a.keys.every((key, i) => key.id === b.keys[i]!.id && key.secret === b.keys[i]!.secret)
  );
}
