// What a kernel protocol wants in its table, by net: columns of numbers, because it is one entry per
// route. Refusals are few and have a map of their own.

import type { PlatformError } from '../io.ts';

/** `pending`: an order is under way, and only its outcome tells whether the route is ours. */
export const WANT = { nothing: 0, absent: 1, pending: 2, present: 3 } as const;
export type WantState = (typeof WANT)[keyof typeof WANT];

export class KernelWants {
  readonly #errors = new Map<number, PlatformError>();
  #attributes = new Int32Array(64);
  #states = new Uint8Array(64);
  /** Sequence number of the last order. */
  #seqs = new Int32Array(64);
  /** 1: the route changed while the order was under way. */
  #changed = new Uint8Array(64);
  #count = 0;
  #limit = 0;

  get count(): number {
    return this.#count;
  }

  /** Nets that the kernel refused last time. */
  get refused(): ReadonlyMap<number, PlatformError> {
    return this.#errors;
  }

  has(net: number): boolean {
    return this.stateOf(net) !== WANT.nothing;
  }

  /** Attributes number wanted; 0 for none. */
  attributesOf(net: number): number {
    return net >= 0 && net < this.#limit ? this.#attributes[net]! : 0;
  }

  stateOf(net: number): WantState {
    return net >= 0 && net < this.#limit ? (this.#states[net]! as WantState) : WANT.nothing;
  }

  seqOf(net: number): number {
    return net >= 0 && net < this.#limit ? this.#seqs[net]! : 0;
  }

  hasChanged(net: number): boolean {
    return net >= 0 && net < this.#limit && this.#changed[net] === 1;
  }

  /** Wants attributes for a net; one that is new is absent from the kernel. References: caller's. */
  want(net: number, attributes: number): void {
    if (net >= this.#states.length) this.#grow(net + 1);
    if (net >= this.#limit) this.#limit = net + 1;
    if (this.#states[net] === WANT.nothing) {
      this.#count++;
      this.#states[net] = WANT.absent;
      this.#seqs[net] = 0;
      this.#changed[net] = 0;
    }
    this.#attributes[net] = attributes;
  }

  drop(net: number): void {
    if (!this.has(net)) return;
    this.#count--;
    this.#states[net] = WANT.nothing;
    this.#attributes[net] = 0;
    this.#seqs[net] = 0;
    this.#changed[net] = 0;
    this.#errors.delete(net);
  }

  setState(net: number, state: WantState): void {
    this.#states[net] = state;
  }

  /** An order for the net is under way. */
  setPending(net: number, seq: number): void {
    this.#states[net] = WANT.pending;
    this.#seqs[net] = seq;
    this.#changed[net] = 0;
  }

  setChanged(net: number, changed: boolean): void {
    this.#changed[net] = changed ? 1 : 0;
  }

  setError(net: number, error: PlatformError | undefined): void {
    if (error) this.#errors.set(net, error);
    else if (this.#errors.size > 0) this.#errors.delete(net);
  }

  /** Every net that is wanted; changes meanwhile are seen or not. */
  *nets(): Iterable<number> {
    for (let net = 0; net < this.#limit; net++) {
      if (this.#states[net] !== WANT.nothing) yield net;
    }
  }

  clear(): void {
    this.#states.fill(WANT.nothing);
    this.#attributes.fill(0);
    this.#seqs.fill(0);
    this.#errors.clear();
    this.#count = 0;
    this.#limit = 0;
  }

  #grow(needed: number): void {
    let capacity = this.#states.length;
    while (capacity < needed) capacity *= 2;
    const attributes = new Int32Array(capacity);
    attributes.set(this.#attributes);
    this.#attributes = attributes;
    const states = new Uint8Array(capacity);
    states.set(this.#states);
    this.#states = states;
    const seqs = new Int32Array(capacity);
    seqs.set(this.#seqs);
    this.#seqs = seqs;
    const changed = new Uint8Array(capacity);
    changed.set(this.#changed);
    this.#changed = changed;
  }
}
