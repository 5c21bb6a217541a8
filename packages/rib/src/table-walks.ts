// Long walks over a table in slices: feeding a consumer, visiting or removing the routes of one
// source. Each step is bounded, the table may change between steps.

import { EPOCH_SHIFT } from './path-columns.ts';
import type { Table } from './table.ts';

/** Paths looked at per wanted result: looking is far cheaper than what is done with a hit. */
const LOOKS_PER_RESULT = 64;

/** Every net that had a path when the walk began; changes meanwhile are in the change logs. */
export class Feed {
  readonly #table: Table;
  readonly #limit: number;
  #net = 0;

  constructor(table: Table) {
    this.#table = table;
    this.#limit = table.prefixes.limit;
  }

  get done(): boolean {
    return this.#net >= this.#limit;
  }

  /** Fills `out` with nets; returns how many. May return 0 before `done`. */
  next(out: Int32Array): number {
    const table = this.#table;
    const end = Math.min(this.#limit, this.#net + out.length * LOOKS_PER_RESULT);
    let count = 0;
    let net = this.#net;
    for (; net < end && count < out.length; net++) {
      if (table.firstPath(net) !== 0) out[count++] = net;
    }
    this.#net = net;
    return count;
  }
}

/** The paths of a source, or only the stale ones. */
export class SourceWalk {
  readonly #table: Table;
  readonly #source: number;
  readonly #staleOnly: boolean;
  /** Positions move up when the table grows: a path may be seen twice, none is missed. */
  #at = 0;

  constructor(table: Table, source: number, staleOnly: boolean) {
    this.#table = table;
    this.#source = source;
    this.#staleOnly = staleOnly;
  }

  get done(): boolean {
    return this.#at >= this.#table.paths.positions;
  }

  /** Fills `out` with path numbers; returns how many. May return 0 before `done`. */
  next(out: Int32Array): number {
    const table = this.#table;
    const { paths } = table;
    const end = Math.min(paths.positions, this.#at + out.length * LOOKS_PER_RESULT);
    let count = 0;
    let at = this.#at;
    for (; at < end && count < out.length; at++) {
      const path = paths.pathAt(at);
      if (path === 0 || paths.sourceOf(path) !== this.#source) continue;
      if (this.#staleOnly && !table.isStale(path)) continue;
      out[count++] = path;
    }
    this.#at = at;
    return count;
  }
}

/** Removes the routes of a source that were stale when it was made. */
export class Sweep {
  readonly source: number;
  readonly #table: Table;
  readonly #epoch: number;
  #at = 0;
  #removed = 0;

  constructor(table: Table, source: number) {
    this.#table = table;
    this.source = source;
    this.#epoch = table.epochOf(source);
  }

  /** Routes removed so far. */
  get removed(): number {
    return this.#removed;
  }

  /** Removes at most `maxPaths` routes; true when the sweep is complete. */
  step(maxPaths: number): boolean {
    const table = this.#table;
    const { paths } = table;
    const end = Math.min(paths.positions, this.#at + maxPaths * LOOKS_PER_RESULT);
    // Epochs from ours to the current one are fresh, or were marked after this sweep began.
    const kept = (table.epochOf(this.source) - this.#epoch) & 7;
    let at = this.#at;
    for (let left = maxPaths; at < end && left > 0; at++) {
      const path = paths.pathAt(at);
      if (path === 0 || paths.sourceOf(path) !== this.source) continue;
      if ((((paths.flagsOf(path) >>> EPOCH_SHIFT) - this.#epoch) & 7) <= kept) continue;
      table.removePath(path);
      this.#removed++;
      left--;
    }
    this.#at = at;
    if (at < paths.positions) return false;
    table.sweptUpTo(this.source, this.#epoch);
    return true;
  }
}
