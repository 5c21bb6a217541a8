// A binary heap: the earliest of many entries in O(1), in and out in O(log n). Order is the caller's;
// it must be strict and total for runs to be repeatable, so equal deadlines need a tie-break.

export class Heap<T> {
  readonly #entries: T[] = [];
  readonly #precedes: (a: T, b: T) => boolean;

  constructor(precedes: (a: T, b: T) => boolean) {
    this.#precedes = precedes;
  }

  /** The entry that precedes all others, or `undefined` when there is none. */
  peek(): T | undefined {
    return this.#entries[0];
  }

  push(entry: T): void {
    const heap = this.#entries;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#precedes(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Removes what `peek` returns. */
  pop(): T | undefined {
    const heap = this.#entries;
    const top = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#precedes(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#precedes(heap[child]!, last)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
