// Our own graceful restart (RFC 4724 §4.1): after a restart in which the kernel went on forwarding,
// routes of the former life stay there until the neighbors that take part have sent theirs again,
// or until the wait is over. Until then no neighbor is told anything, and kernel protocols with
// `graceful restart` change nothing: a choice among half of the routes would only be taken back.
// Then a scan removes what nobody announced.

import type { LogClass } from './config.ts';
import type { Timer, Timers } from './timers.ts';

export interface RecoveryDeps {
  readonly timers: Timers;
  readonly log: (logClass: LogClass, text: string) => void;
  /** Channels whose neighbor has not finished. */
  readonly waiting: () => number;
  /** Recovery is over: exports begin, kernel tables are compared again. */
  readonly onDone: () => void;
}

export class Recovery {
  readonly #deps: RecoveryDeps;
  readonly #timer: Timer;
  readonly #totalMs: number;
  #active = false;

  constructor(waitSec: number, deps: RecoveryDeps) {
    this.#deps = deps;
    this.#totalMs = waitSec * 1000;
    this.#timer = deps.timers.create(undefined, () => this.#finish());
  }

  get active(): boolean {
    return this.#active;
  }

  start(nowMs: number): void {
    this.#active = true;
    this.#timer.set(nowMs + this.#totalMs);
    this.#deps.log('info', 'Graceful restart started');
  }

  /** Looks whether everybody has finished; call it after each step. */
  check(): void {
    if (this.#active && this.#deps.waiting() === 0) this.#finish();
  }

  view(): { waitingChannels: number; wait: { dueMs: number; totalMs: number } } | undefined {
    const dueMs = this.#timer.deadlineMs;
    if (!this.#active || dueMs === undefined) return undefined;
    return { waitingChannels: this.#deps.waiting(), wait: { dueMs, totalMs: this.#totalMs } };
  }

  #finish(): void {
    this.#active = false;
    this.#timer.clear();
    this.#deps.log('info', 'Graceful restart done');
    this.#deps.onDone();
  }
}
