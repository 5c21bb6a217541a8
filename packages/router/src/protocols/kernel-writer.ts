// The changes of one kernel protocol on their way: gathered into batches, numbered, and matched with
// the answers. A change keeps its number for good, so that the answer to an older change of the same
// net is known as such.

import type { Family } from '@rookery/net';
import type { PrefixStore } from '@rookery/rib';
import type { Engine } from '../engine.ts';
import type { Fact, KernelRoute, KernelRouteShape, PlatformError } from '../io.ts';
import { RouteBatch } from '../kernel-batch.ts';
import type { KernelChange } from '../kernel-batch.ts';

/** Changes per order: enough to share the work of a system call, few enough to leave it soon. */
const BATCH = 1024;
const NO_NET = -1;

export type KernelDone = Extract<Fact, { readonly kind: 'kernelDone' }>;

export class KernelWriter {
  readonly #engine: Pick<Engine, 'order' | 'nextId'>;
  readonly #family: Family;
  /** Nets and first number of each batch, by the sequence number of its order. */
  readonly #ordered = new Map<number, { readonly nets: Int32Array; readonly first: number }>();
  #batch: RouteBatch;
  #nets = new Int32Array(BATCH);
  #numbered = 1;
  #pending = 0;

  constructor(engine: Pick<Engine, 'order' | 'nextId'>, family: Family) {
    this.#engine = engine;
    this.#family = family;
    this.#batch = new RouteBatch(family);
  }

  /** Changes without an answer. */
  get pending(): number {
    return this.#pending;
  }

  /** The number that the next change will have. */
  get nextNumber(): number {
    return this.#numbered;
  }

  /** Returns the number of the change, which is never 0. */
  change(
    change: KernelChange,
    prefixes: PrefixStore,
    net: number,
    shape: KernelRouteShape,
  ): number {
    this.#batch.add(change, prefixes, net, shape);
    return this.#appended(net);
  }

  /** Removes a route that no net of ours stands for. */
  removeRoute(route: KernelRoute): void {
    this.#batch.addRoute('remove', route);
    this.#appended(NO_NET);
  }

  /** Orders what was gathered. */
  flush(): void {
    const batch = this.#batch;
    if (batch.count === 0) return;
    const seq = this.#engine.nextId();
    const first = this.#numbered - batch.count;
    this.#ordered.set(seq, { nets: this.#nets.slice(0, batch.count), first });
    this.#engine.order({ kind: 'kernelRoutes', seq, batch });
    this.#batch = new RouteBatch(this.#family);
  }

  /** Calls `visit` for every change that the answer is about; one without a net has -1. */
  answered(
    { seq, failures }: KernelDone,
    visit: (net: number, number: number, error: PlatformError | undefined) => void,
  ): void {
    const ordered = this.#ordered.get(seq);
    if (!ordered) return;
    this.#ordered.delete(seq);
    const { nets, first } = ordered;
    this.#pending -= nets.length;
    let next = 0;
    for (let i = 0; i < nets.length; i++) {
      const failed = failures[next]?.index === i ? failures[next++] : undefined;
      visit(nets[i]!, first + i, failed?.error);
    }
  }

  /** Answers that are still to come mean nothing any more. */
  forget(): void {
    this.#ordered.clear();
    this.#pending = 0;
  }

  #appended(net: number): number {
    this.#pending++;
    this.#nets[this.#batch.count - 1] = net;
    const number = this.#numbered++;
    if (this.#batch.count === BATCH) this.flush();
    return number;
  }
}
