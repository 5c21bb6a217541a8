// Outcomes of a policy per attributes number and class of prefixes: what a filter made of these
// attributes is decided once. Neither key nor outcome is kept alive by the memo; births tell when a
// number has been reused, and then the outcome is simply unknown again. One row per place: what
// collides is decided anew. Grows with what is alive, not with what has ever been.

import type { AttributeStore } from './attribute-store.ts';

/** Words of a row: attributes number, its birth, class of the prefix, outcome, its birth. */
const ROW = 5;
const MIN_ROWS = 64;
const MAX_ROWS = 2 ** 18;

export class AttributeMemo {
  readonly #attributes: AttributeStore;
  #rows = new Uint32Array(MIN_ROWS * ROW);
  #mask = MIN_ROWS - 1;
  #used = 0;

  constructor(attributes: AttributeStore) {
    this.#attributes = attributes;
  }

  /** The remembered outcome: a live attributes number, 0 for "rejected", -1 when unknown. */
  get(n: number, netClass: number): number {
    const rows = this.#rows;
    const row = this.#rowOf(n, netClass);
    if (rows[row] !== n || rows[row + 2] !== netClass) return -1;
    if (rows[row + 1] !== this.#attributes.birthOf(n)) return -1;
    const outcome = rows[row + 3]!;
    if (outcome === 0) return 0;
    // A dead one would not outlast the next set that is made, before anybody holds it.
    const same = rows[row + 4] === this.#attributes.birthOf(outcome);
    return same && this.#attributes.isLive(outcome) ? outcome : -1;
  }

  /** Remembers `outcome` (0: rejected) for the live number `n`. */
  set(n: number, netClass: number, outcome: number): void {
    if (this.#used * 2 > this.#mask && this.#mask < MAX_ROWS - 1) this.#resize();
    const rows = this.#rows;
    const row = this.#rowOf(n, netClass);
    if (rows[row] === 0) this.#used++;
    rows[row] = n;
    rows[row + 1] = this.#attributes.birthOf(n);
    rows[row + 2] = netClass;
    rows[row + 3] = outcome;
    rows[row + 4] = outcome === 0 ? 0 : this.#attributes.birthOf(outcome);
  }

  /** Forgets everything, as after a change of the filter. */
  clear(): void {
    this.#rows.fill(0);
    this.#used = 0;
  }

  #rowOf(n: number, netClass: number): number {
    return ((n ^ Math.imul(netClass, 0x9e3779b1)) & this.#mask) * ROW;
  }

  /** Makes room for four times what is alive. */
  #resize(): void {
    const old = this.#rows;
    let live = 0;
    for (let row = 0; row < old.length; row += ROW) if (this.#isAlive(old, row)) live++;
    let count = MIN_ROWS;
    while (count < live * 4 && count < MAX_ROWS) count *= 2;
    this.#rows = new Uint32Array(count * ROW);
    this.#mask = count - 1;
    this.#used = 0;
    for (let row = 0; row < old.length; row += ROW) {
      if (this.#isAlive(old, row)) this.#take(old, row);
    }
  }

  #isAlive(rows: Uint32Array, row: number): boolean {
    return rows[row] !== 0 && rows[row + 1] === this.#attributes.birthOf(rows[row]!);
  }

  #take(old: Uint32Array, row: number): void {
    const at = this.#rowOf(old[row]!, old[row + 2]!);
    if (this.#rows[at] === 0) this.#used++;
    for (let word = 0; word < ROW; word++) this.#rows[at + word] = old[row + word]!;
  }
}
