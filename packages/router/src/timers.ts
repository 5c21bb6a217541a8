// Deadlines of the engine: a binary heap of timers with lazy removal. A timer belongs to an owner
// (a protocol), so that a failure while it fires is charged to that owner alone. Time is an
// argument; nothing here reads a clock.

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
  readonly #heap: Entry[] = [];
  #order = 0;

  /** A timer that is not armed yet. */
  create(owner: TimerOwner | undefined, fire: (nowMs: number) => void): Timer {
    return new HeapTimer(this, owner, fire);
  }

  /** The earliest deadline, or `undefined` when nothing is armed. */
  nextDeadlineMs(): number | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (!top) return undefined;
      if (top.timer.deadlineMs === top.at) return top.at;
      this.#pop();
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
      const top = this.#heap[0];
      if (!top || top.at > nowMs) break;
      this.#pop();
      const { timer } = top;
      if (timer.deadlineMs !== top.at) continue;
      if (top.order >= limit) {
        later.push(top);
        continue;
      }
      timer.deadlineMs = undefined;
      guard(timer.owner, () => timer.fire(nowMs));
    }
    for (const entry of later) this.#insert(entry);
  }

  /** @internal */
  push(timer: HeapTimer, at: number): void {
    this.#insert({ at, order: this.#order++, timer });
  }

  #insert(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!precedes(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && precedes(heap[child + 1]!, heap[child]!)) child++;
      if (!precedes(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
