// Deadlines of the engine: a binary heap of timers with lazy removal. A timer belongs to an owner
// (a protocol), so that a failure while it fires is charged to that owner alone. Time is an
// argument; nothing here reads a clock.

import { Heap } from '@rookery/net';

export interface TimerOwner {
  readonly name: string;
}

export interface Timer {
  /** Absolute, in the engine's milliseconds; `undefined` when not armed. */
  readonly deadlineMs: number | undefined;
  /** Arms or re-arms the timer. */
  set(deadlineMs: number): void;
  clear(): void;
}

interface Entry {
  at: number;
  order: number;
  timer: HeapTimer;
}

class HeapTimer implements Timer {
  deadlineMs: number | undefined;
  readonly owner: TimerOwner | undefined;
  readonly fire: (nowMs: number) => void;
  readonly #timers: Timers;

  constructor(timers: Timers, owner: TimerOwner | undefined, fire: (nowMs: number) => void) {
    this.#timers = timers;
    this.owner = owner;
    this.fire = fire;
    this.deadlineMs = undefined;
  }

  set(deadlineMs: number): void {
    if (this.deadlineMs === deadlineMs) return;
    this.deadlineMs = deadlineMs;
    this.#timers.push(this, deadlineMs);
  }

  clear(): void {
    this.deadlineMs = undefined;
  }
}

/** All timers of one engine; equal deadlines fire in the order in which they were armed. */
export class Timers {
  readonly #heap = new Heap<Entry>(precedes);
  #order = 0;

  /** A timer that is not armed yet. */
  create(owner: TimerOwner | undefined, fire: (nowMs: number) => void): Timer {
    return new HeapTimer(this, owner, fire);
  }

  /** The earliest deadline, or `undefined` when nothing is armed. */
  nextDeadlineMs(): number | undefined {
    for (;;) {
      const top = this.#heap.peek();
      if (!top) return undefined;
      if (top.timer.deadlineMs === top.at) return top.at;
      this.#heap.pop();
    }
  }

  /**
   * Fires everything due, through `guard` so that one owner's failure stays its own. A timer that
   * re-arms itself for now or earlier fires again only in the next run.
   */
  run(nowMs: number, guard: (owner: TimerOwner | undefined, fire: () => void) => void): void {
    const limit = this.#order;
    const later: Entry[] = [];
    for (;;) {
      const top = this.#heap.peek();
      if (!top || top.at > nowMs) break;
      this.#heap.pop();
      const { timer } = top;
      if (timer.deadlineMs !== top.at) continue;
      if (top.order >= limit) {
        later.push(top);
        continue;
      }
      timer.deadlineMs = undefined;
      guard(timer.owner, () => timer.fire(nowMs));
    }
    for (const entry of later) this.#heap.push(entry);
  }

  /** @internal */
  push(timer: HeapTimer, at: number): void {
    this.#heap.push({ at, order: this.#order++, timer });
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
