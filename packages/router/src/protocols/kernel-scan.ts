// What a scan found, against what is wanted: route by route, then the nets that were not found. In
// slices, because a full table takes as long as loading it. What has changed since the scan was
// ordered is not judged by it.

import type { KernelRoute } from '../io.ts';
import { nexthopsKey } from '../kernel-route.ts';
import type { Task, TaskOwner } from '../work.ts';

export interface KernelScanDeps {
  readonly owner: TaskOwner;
  /** A route in the table; returns the net when it is in the place of ours, else -1. */
  readonly found: (route: KernelRoute, scan: KernelScan) => number;
  /** Every route was looked at. */
  readonly prune: () => void;
  /** Nets that are wanted, and what to do with one that has no route. */
  readonly wanted: () => Iterable<number>;
  readonly missing: (net: number, scan: KernelScan) => void;
  readonly done: () => void;
}

export class KernelScan implements Task {
  readonly owner: TaskOwner;
  /** Changes from this number on came after the scan. */
  readonly before: number;
  readonly #deps: KernelScanDeps;
  readonly #routes: readonly KernelRoute[];
  readonly #seen: Uint8Array;
  /** By next hop object: routes that refer to it all say the same. */
  readonly #nexthops = new Map<number, string>();
  #at = 0;
  #nets: Iterator<number> | undefined;

  constructor(routes: readonly KernelRoute[], nets: number, before: number, deps: KernelScanDeps) {
    this.owner = deps.owner;
    this.before = before;
    this.#routes = routes;
    this.#seen = new Uint8Array(nets);
    this.#deps = deps;
  }

  /** True when the net had a route before. */
  hasSeen(net: number): boolean {
    return this.#seen[net] === 1;
  }

  nexthopsOf({ nexthopId, nexthops }: KernelRoute): string {
    if (nexthopId === undefined) return nexthopsKey(nexthops);
    let key = this.#nexthops.get(nexthopId);
    if (key === undefined) this.#nexthops.set(nexthopId, (key = nexthopsKey(nexthops)));
    return key;
  }

  run(budget: number): number {
    let left = budget;
    for (; left > 0 && this.#at < this.#routes.length; left--) {
      const net = this.#deps.found(this.#routes[this.#at++]!, this);
      if (net >= 0) this.#seen[net] = 1;
    }
    if (left > 0 && !this.#nets) {
      this.#deps.prune();
      this.#nets = this.#deps.wanted()[Symbol.iterator]();
    }
    for (; left > 0; left--) {
      const next = this.#nets!.next();
      if (next.done) {
        this.#deps.done();
        return budget - left;
      }
      if (!this.hasSeen(next.value)) this.#deps.missing(next.value, this);
    }
    return budget;
  }
}
