// A routing table as protocols see it: the RIB's table with the stores it shares with the others of
// its family, and next hops that are resolved through it and watched for change.

import { parseWords, familyOf } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import { AttributeStore, PrefixStore, SourceTable, Table } from '@rookery/rib';
import type { ChangeCursor, Dest, Nexthop } from '@rookery/rib';
import type { NetType } from './config.ts';

/** Stores shared by all tables of an engine. */
export interface Stores {
  readonly prefixes: Readonly<Record<Family, PrefixStore>>;
  readonly attributes: AttributeStore;
  readonly sources: SourceTable;
}

export function createStores(seed: number): Stores {
  return {
    prefixes: {
      ipv4: new PrefixStore('ipv4', { seed }),
      ipv6: new PrefixStore('ipv6', { seed: seed ^ 0x5bd1e995 }),
    },
    attributes: new AttributeStore({ seed }),
    sources: new SourceTable(),
  };
}

export interface Resolution {
  readonly dest: Dest;
  readonly nexthops: readonly Nexthop[];
  /** Metric of the route used; `undefined` when it has none. */
  readonly igpMetric: number | undefined;
}

interface Watched {
  readonly address: IpAddress;
  readonly listeners: Set<() => void>;
  found: Resolution | undefined;
}

export class RouteTable {
  readonly name: string;
  readonly netType: NetType;
  readonly family: Family;
  readonly rib: Table;
  readonly prefixes: PrefixStore;
  readonly attributes: AttributeStore;
  readonly sources: SourceTable;
  readonly #stores: Stores;
  readonly #watched = new Map<IpAddress, Watched>();
  #cursor: ChangeCursor | undefined;
  readonly #scratch = new Int32Array(256);

  constructor(name: string, netType: NetType, stores: Stores) {
    this.name = name;
    this.netType = netType;
    this.#stores = stores;
    this.family = netType === 'ipv6' || netType === 'roa6' ? 'ipv6' : 'ipv4';
    this.prefixes = stores.prefixes[this.family];
    this.attributes = stores.attributes;
    this.sources = stores.sources;
    this.rib = new Table({
      name,
      prefixes: this.prefixes,
      attributes: this.attributes,
      sources: this.sources,
    });
  }

  /** An empty table with the same stores: numbers mean the same in both. */
  sibling(name: string): RouteTable {
    return new RouteTable(name, this.netType, this.#stores);
  }

  /**
   * Where a packet to `address` goes by this table, through routes that do not resolve recursively
   * themselves; `undefined` when nowhere. Gateways of the route used replace the address; a device
   * route makes the address itself the gateway.
   */
  resolveNexthop(address: IpAddress): Resolution | undefined {
    if (familyOf(address) !== this.family) return undefined;
    const words = parseWords(address)!;
    const { rib } = this;
    const net = this.prefixes.longestMatch(words, (candidate) => {
      const path = rib.bestPath(candidate);
      return path !== 0 && !this.#isRecursive(rib.attributesOf(path));
    });
    if (net < 0) return undefined;
    const route = this.attributes.get(rib.attributesOf(rib.bestPath(net)));
    if (route.dest !== 'unicast') {
      return { dest: route.dest, nexthops: [], igpMetric: route.igpMetric };
    }
    const nexthops = route.nexthops.map((hop) =>
      hop.gateway === undefined ? { ...hop, gateway: address } : hop,
    );
    return { dest: 'unicast', nexthops, igpMetric: route.igpMetric };
  }

  /** Calls `onChange` whenever `resolveNexthop(address)` gives something else. Returns the end. */
  watchNexthop(address: IpAddress, onChange: () => void): () => void {
    let watched = this.#watched.get(address);
    if (!watched) {
      watched = { address, listeners: new Set(), found: this.resolveNexthop(address) };
      this.#watched.set(address, watched);
    }
    watched.listeners.add(onChange);
    this.#cursor ??= this.rib.bestChanges.subscribe();
    return () => {
      watched.listeners.delete(onChange);
      if (watched.listeners.size > 0) return;
      this.#watched.delete(address);
      if (this.#watched.size > 0 || !this.#cursor) return;
      this.rib.bestChanges.unsubscribe(this.#cursor);
      this.#cursor = undefined;
    };
  }

  /** Grows with every change of a best path. */
  get version(): number {
    return this.rib.version;
  }

  get hasPendingNexthops(): boolean {
    return this.#cursor !== undefined && this.rib.bestChanges.pending(this.#cursor) > 0;
  }

  /** Looks at watched next hops again after changes; returns how many changes were read. */
  settleNexthops(budget: number): number {
    if (!this.#cursor) return 0;
    let read = 0;
    while (read < budget) {
      const count = this.rib.bestChanges.read(this.#cursor, this.#scratch);
      if (count === 0) break;
      read += count;
    }
    if (read === 0) return 0;
    for (const watched of Array.from(this.#watched.values())) {
      const found = this.resolveNexthop(watched.address);
      if (sameResolution(found, watched.found)) continue;
      watched.found = found;
      for (const listener of Array.from(watched.listeners)) listener();
    }
    return read;
  }

  /** RFC 4271 §5.1.3: a route that itself resolved recursively does not resolve others. */
  #isRecursive(attributes: number): boolean {
    const route = this.attributes.get(attributes);
    if (route.unresolved) return true;
    const nextHop = route.bgp?.nextHop;
    if (route.source !== 'bgp' || nextHop === undefined) return false;
    return !route.nexthops.some((hop) => hop.gateway === nextHop) || route.igpMetric !== undefined;
  }
}

function sameResolution(a: Resolution | undefined, b: Resolution | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.dest === b.dest &&
    a.igpMetric === b.igpMetric &&
    a.nexthops.length === b.nexthops.length &&
    a.nexthops.every((hop, i) => {
      const other = b.nexthops[i]!;
      return (
        hop.gateway === other.gateway &&
        hop.ifindex === other.ifindex &&
        hop.interface === other.interface &&
        hop.weight === other.weight &&
        hop.onlink === other.onlink
      );
    })
  );
}
