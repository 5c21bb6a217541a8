// What a kernel protocol wants in its table, by net: columns of numbers, because it is one entry per
// route. Refusals are few and have a map of their own.

import { growInt32, growUint32, growUint8, nextCapacity } from '@rookery/rib';
import type { PlatformError } from '../io.ts';

/** `pending`: an order is under way, and only its outcome tells whether the route is ours. */
export const WANT = { nothing: 0, absent: 1, pending: 2, present: 3 } as const;
export type WantState = (typeof WANT)[keyof typeof WANT];

export class KernelWants {
  readonly #errors = new Map<number, PlatformError>();
  #attributes: Int32Array = new Int32Array(64);
  #states: Uint8Array = new Uint8Array(64);
  /** Number of the last change. */
  #numbers: Uint32Array = new Uint32Array(64);
  /** Number of the form that the last change gave the route. */
  #forms: Int32Array = new Int32Array(64);
  /** 1: the route changed while the order was under way. */
  #changed: Uint8Array = new Uint8Array(64);
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

  /** Number of the last change; 0 when there was none. */
  numberOf(net: number): number {
    return net >= 0 && net < this.#limit ? this.#numbers[net]! : 0;
  }

  formOf(net: number): number {
    return net < this.#limit ? this.#forms[net]! : 0;
  }

  setForm(net: number, form: number): void {
    this.#forms[net] = form;
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
      this.#numbers[net] = 0;
      this.#changed[net] = 0;
    }
    this.#attributes[net] = attributes;
  }

  drop(net: number): void {
    if (!this.has(net)) return;
    this.#count--;
    this.#states[net] = WANT.nothing;
    this.#attributes[net] = 0;
    this.#numbers[net] = 0;
    this.#forms[net] = 0;
    this.#changed[net] = 0;
    this.#errors.delete(net);
  }

  setState(net: number, state: WantState): void {
    this.#states[net] = state;
  }

  /** A change of the net is under way. */
  setPending(net: number, number: number): void {
    this.#states[net] = WANT.pending;
    this.#numbers[net] = number;
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
    this.#numbers.fill(0);
    this.#forms.fill(0);
    this.#errors.clear();
    this.#count = 0;
    this.#limit = 0;
  }

  #grow(needed: number): void {
    const capacity = nextCapacity(this.#states.length, needed);
    this.#attributes = growInt32(this.#attributes, capacity);
    this.#states = growUint8(this.#states, capacity);
    this.#numbers = growUint32(this.#numbers, capacity);
    this.#forms = growInt32(this.#forms, capacity);
    this.#changed = growUint8(this.#changed, capacity);
  }
}
