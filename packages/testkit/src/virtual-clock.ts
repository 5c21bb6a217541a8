// Virtual time: a queue of callbacks by due time, run one after the other. Nothing here sleeps;
// hours pass as fast as the callbacks run. Callbacks due at the same time run in the order in
// which they were scheduled, so a run is a pure function of its inputs.

import { Heap } from '@rookery/net';

export interface Scheduled {
  cancel(): void;
}

interface Entry {
  atMs: number;
  order: number;
  run: (() => void) | undefined;
}

export class VirtualClock {
  #nowMs: number;
  #order = 0;
  readonly #heap = new Heap<Entry>(precedes);

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` when the clock has moved on by `delayMs`; negative delays count as zero. */
  after(delayMs: number, run: () => void): Scheduled {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#heap.push(entry);
    return {
      cancel: () => {
        entry.run = undefined;
      },
    };
  }

  /** Moves time forward by `durationMs`, running everything that falls due on the way. */
  advance(durationMs: number): void {
    this.advanceUntil(() => false, durationMs);
  }

  /**
   * Runs callbacks until `condition` holds or `limitMs` have passed; returns whether it holds.
   * The condition is looked at after each callback.
   */
  advanceUntil(condition: () => boolean, limitMs: number): boolean {
    const end = this.#nowMs + limitMs;
    if (condition()) return true;
    for (;;) {
      const top = this.#heap.peek();
      if (!top || top.atMs > end) break;
      this.#heap.pop();
      if (!top.run) continue;
      this.#nowMs = top.atMs;
      const { run } = top;
      top.run = undefined;
      run();
      if (condition()) return true;
    }
    this.#nowMs = end;
    return condition();
  }
}

/** A small seeded generator (mulberry32): 0 ≤ x < 1, the same sequence for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function precedes(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
