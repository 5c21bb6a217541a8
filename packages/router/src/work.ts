// Bounded slices. Anything that may touch many routes (feeds, flushes, prunes, the propagation of
// table changes) is a task that does a little at a time, so that timers and received bytes get
// their turn in between. Tasks take turns; within one engine nothing runs in parallel.

export interface TaskOwner {
  readonly name: string;
}

export interface Task {
  readonly owner: TaskOwner | undefined;
  /** Does up to about `budget` routes of work and returns how many it did; fewer means done. */
  run(budget: number): number;
}

export class WorkQueue {
  #queue: Task[] = [];
  #head = 0;
  readonly #queued = new Set<Task>();

  /** Queues a task; one that is queued already keeps its place. */
  add(task: Task): void {
    if (this.#queued.has(task)) return;
    this.#queued.add(task);
    this.#queue.push(task);
  }

  /** Forgets a task; its `run` is not called any more. */
  cancel(task: Task): void {
    this.#queued.delete(task);
  }

  has(task: Task): boolean {
    return this.#queued.has(task);
  }

  get pending(): boolean {
    return this.#queued.size > 0;
  }

  /**
   * Runs queued tasks until `budget` routes are done or nothing is left; returns how many were. A
   * task that used up its share goes to the back of the queue.
   */
  runSlice(budget: number, guard: (owner: TaskOwner | undefined, run: () => void) => void): number {
    let left = budget;
    while (left > 0 && this.#head < this.#queue.length) {
      const task = this.#queue[this.#head++]!;
      this.#compact();
      if (!this.#queued.has(task)) continue;
      this.#queued.delete(task);
      const share = left;
      let done = 0;
      guard(task.owner, () => {
        done = task.run(share);
      });
      left -= Math.max(done, 1);
      if (done >= share) this.add(task);
    }
    return budget - left;
  }

  #compact(): void {
    if (this.#head < 64 || this.#head * 2 < this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }
}
