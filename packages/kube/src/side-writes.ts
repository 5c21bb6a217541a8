// Writes that nobody waits for: events, status objects that only people read. One at a time, each
// followed by a rest in proportion to what it took, so that they never ask for more than a part of
// the server: a server under load slows them down by itself, and what matters goes first.

/** Of the time, a quarter is spent writing at most. */
const REST = 3;
const MAX_REST_MS = 1000;

export class SideWrites {
  readonly #rest: number;
  #last: Promise<unknown> = Promise.resolve();

  /** `rest`: as a multiple of the time that the write took. */
  constructor(rest = REST) {
    this.#rest = rest;
  }

  /** Runs one write when its turn has come. */
  run<T>(write: () => Promise<T>): Promise<T> {
    let tookMs = 0;
    const turn = this.#last.then(async () => {
      const startMs = performance.now();
      try {
        return await write();
      } finally {
        tookMs = performance.now() - startMs;
      }
    });
    const rest = (): Promise<void> =>
      new Promise((resolve) =>
        setTimeout(resolve, Math.min(MAX_REST_MS, this.#rest * tookMs)).unref(),
      );
    this.#last = turn.then(rest, rest);
    return turn;
  }
}
