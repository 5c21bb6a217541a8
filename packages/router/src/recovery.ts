// Our own graceful restart (RFC 4724 §4.1): after a restart in which the kernel went on forwarding,
// routes of the former life stay there until the neighbors that take part have sent theirs again,
// or until the wait is over. Until then no neighbor is told anything, and kernel protocols with
// `graceful restart` change nothing: a choice among half of the routes would only be taken back.
// Then a scan removes what nobody announced. A neighbor that restarts as well waits for us: others are
// told without its routes, but the kernel keeps them until they come, too.

import type { LogClass } from './config.ts';
import type { Timer, Timers } from './timers.ts';

export interface RecoveryDeps {
  readonly timers: Timers;
  readonly log: (logClass: LogClass, text: string) => void;
  /** Channels whose neighbor has not finished; counted with those that restart as well, or without. */
  readonly waiting: (withRestarting: boolean) => number;
  /** Exports begin; when recovery is over, kernel tables are compared again. */
  readonly onProgress: () => void;
}

export class Recovery {
  readonly #deps: RecoveryDeps;
  readonly #timer: Timer;
  readonly #totalMs: number;
  #phase: 'over' | 'collecting' | 'settling' = 'over';

  constructor(waitSec: number, deps: RecoveryDeps) {
    this.#deps = deps;
    this.#totalMs = waitSec * 1000;
    this.#timer = deps.timers.create(undefined, () => this.#finish());
  }

  /** Nobody is told anything. */
  get active(): boolean {
    return this.#phase === 'collecting';
  }

  /** Kernel tables stay as they are. */
  get keepsKernel(): boolean {
    return this.#phase !== 'over';
  }

  start(nowMs: number): void {
    this.#phase = 'collecting';
    this.#timer.set(nowMs + this.#totalMs);
    this.#deps.log('info', 'Graceful restart started');
  }

  /** Looks whether everybody has finished; call it after each step. */
  check(): void {
    if (this.#phase === 'over') return;
    if (this.#deps.waiting(true) === 0) return this.#finish();
    if (this.#phase === 'settling' || this.#deps.waiting(false) > 0) return;
    this.#phase = 'settling';
    this.#deps.onProgress();
  }

  view(): { waitingChannels: number; wait: { dueMs: number; totalMs: number } } | undefined {
    const dueMs = this.#timer.deadlineMs;
    if (!this.keepsKernel || dueMs === undefined) return undefined;
    return { waitingChannels: this.#deps.waiting(true), wait: { dueMs, totalMs: this.#totalMs } };
  }

  #finish(): void {
    this.#phase = 'over';
    this.#timer.clear();
    this.#deps.log('info', 'Graceful restart done');
    this.#deps.onProgress();
  }
}
