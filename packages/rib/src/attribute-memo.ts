// A verdict per attributes number: what an export filter that does not look at the prefix made of
// these attributes, decided once. Neither key nor outcome is kept alive by the memo; births tell when
// a number has been reused, and then the verdict is simply unknown again.

import type { AttributeStore } from './attribute-store.ts';
import { growInt32, growUint32, nextCapacity } from './columns.ts';

export class AttributeMemo {
  readonly #attributes: AttributeStore;
  #births = new Uint32Array(64);
  #outcomes = new Int32Array(64);
  #outcomeBirths = new Uint32Array(64);

  constructor(attributes: AttributeStore) {
    this.#attributes = attributes;
  }

  /** The remembered outcome: an attributes number, 0 for "rejected", -1 when unknown. */
  get(n: number): number {
    if (n >= this.#births.length || this.#births[n] === 0) return -1;
    if (this.#births[n] !== this.#attributes.birthOf(n)) return -1;
    const outcome = this.#outcomes[n]!;
    if (outcome === 0) return 0;
    return this.#outcomeBirths[n] === this.#attributes.birthOf(outcome) ? outcome : -1;
  }

  /** Remembers `outcome` (0: rejected) for the live number `n`. */
  set(n: number, outcome: number): void {
    if (n >= this.#births.length) {
      const capacity = nextCapacity(this.#births.length, n + 1);
      this.#births = growUint32(this.#births, capacity);
      this.#outcomes = growInt32(this.#outcomes, capacity);
      this.#outcomeBirths = growUint32(this.#outcomeBirths, capacity);
    }
    this.#births[n] = this.#attributes.birthOf(n);
    this.#outcomes[n] = outcome;
    this.#outcomeBirths[n] = outcome === 0 ? 0 : this.#attributes.birthOf(outcome);
  }

  /** Forgets everything, as after a change of the filter. */
  clear(): void {
    this.#births.fill(0);
  }
}
