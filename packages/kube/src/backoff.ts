// Delays between attempts: the first retry is quick, since most failures are a connection that a
// restarting server closed; then exponential with jitter, so that a thousand speakers do not come
// back in step.

export interface BackoffOptions {
  /** Before the first retry. */
  readonly firstMs: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = { firstMs: 50, minMs: 500, maxMs: 30_000 };

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  constructor(options: BackoffOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Counts a failure and returns how long to wait: between half and all of the nominal delay. */
  nextDelayMs(): number {
    const { firstMs, minMs, maxMs } = this.#options;
    const nominal =
      this.#failures === 0 ? firstMs : Math.min(maxMs, minMs * 2 ** (this.#failures - 1));
    this.#failures = Math.min(this.#failures + 1, 30);
    return Math.round(nominal * (0.5 + this.#random() / 2));
  }

  get failures(): number {
    return this.#failures;
  }

  reset(): void {
    this.#failures = 0;
  }
}
