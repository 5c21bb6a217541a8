// The loop around an engine, shared by router and speaker: facts in, orders out, one deadline timer,
// slices of background work in turns of their own. One turn handles every fact that is there and
// executes all resulting orders in one call, so that kernel writes become one batch. An exception
// out of the engine is a bug: it is logged, and the daemon goes on serving.

import type { Fact, LogClass, Order } from '@rookery/router';

/** What the loop needs of an engine. */
export interface LoopEngine {
  handle(fact: Fact, nowMs: number): void;
  /** Fires what is due. */
  tick(nowMs: number): void;
  takeOrders(): readonly Order[];
  nextDeadlineMs(): number | undefined;
  hasWork(): boolean;
  /** A bounded piece of background work. */
  runSlice(nowMs: number): void;
}

export interface LoopDeps {
  readonly engine: LoopEngine;
  /** Executes orders; may deliver facts while it does. */
  readonly execute: (orders: readonly Order[]) => void;
  readonly log: (logClass: LogClass, text: string) => void;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
  /** After a turn in which something happened. */
  readonly onTurn?: () => void;
  /** Sees every fact before the engine does. */
  readonly onFact?: (fact: Fact, nowMs: number) => void;
}

export interface LoopMetrics {
  readonly turns: number;
  readonly facts: number;
  readonly longestTurnMs: number;
  /** How late the deadline timer fired at worst: the lag of the event loop. */
  readonly longestLagMs: number;
  readonly bugs: number;
}

/** A turn longer than this is worth a warning, as BIRD's watchdog gives. */
const slowTurnMs = 5000;
/** Yields to timers and sockets at the latest after this. */
const turnBudgetMs = 20;
/** Longest delay that setTimeout takes. */
const maxDelayMs = 0x7fffffff;

export class EngineLoop {
  readonly #deps: LoopDeps;
  #facts: Fact[] = [];
  #running = false;
  #stopped = false;
  #resumeQueued = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueMs: number | undefined;
  #metrics = { turns: 0, facts: 0, longestTurnMs: 0, longestLagMs: 0, bugs: 0 };

  constructor(deps: LoopDeps) {
    this.#deps = deps;
  }

  get metrics(): LoopMetrics {
    return this.#metrics;
  }

  /** True while facts wait for a later turn. */
  get isBehind(): boolean {
    return this.#facts.length > 0;
  }

  /** Something happened; handled before this returns, or in a later turn. */
  deliver(fact: Fact): void {
    if (this.#stopped) return;
    const isLater = this.#running || this.#resumeQueued;
    this.#facts.push(isLater ? lastingFact(fact) : fact);
    if (!isLater) this.#turn();
  }

  /** Runs a command against the engine and executes the orders that follow. */
  run<T>(command: () => T): T {
    if (this.#running || this.#stopped) return command();
    this.#running = true;
    try {
      return command();
    } finally {
      this.#running = false;
      this.#turn();
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #turn(slice = false): void {
    if (this.#stopped) return;
    const { engine, nowMs } = this.#deps;
    const startMs = nowMs();
    this.#running = true;
    // The first fact settles what a tick would, unless a deadline has passed.
    const isDue = (engine.nextDeadlineMs() ?? Infinity) <= startMs;
    if (isDue || this.#facts.length === 0) this.#guard(() => engine.tick(startMs));
    if (slice && this.#facts.length === 0) this.#guard(() => engine.runSlice(nowMs()));
    let handled = 0;
    let leftOver = false;
    for (;;) {
      while (handled < this.#facts.length && !leftOver) {
        const fact = this.#facts[handled++]!;
        const factMs = nowMs();
        this.#deps.onFact?.(fact, factMs);
        this.#guard(() => engine.handle(fact, factMs));
        leftOver = nowMs() - startMs > turnBudgetMs && handled < this.#facts.length;
      }
      let orders: readonly Order[] = [];
      this.#guard(() => (orders = engine.takeOrders()));
      if (orders.length > 0) this.#guard(() => this.#deps.execute(orders));
      else if (leftOver || handled === this.#facts.length) break;
    }
    this.#facts = leftOver ? this.#facts.slice(handled) : [];
    this.#running = false;
    this.#account(startMs, handled);
    // Sockets that became readable together follow this fact one by one: they are handled in one turn,
    // so that what peers are told because of them is sent to each of them once.
    this.#schedule(leftOver || handled > 0);
    this.#guard(() => this.#deps.onTurn?.());
  }

  #schedule(again: boolean): void {
    const { engine, nowMs } = this.#deps;
    if ((again || engine.hasWork()) && !this.#resumeQueued) {
      this.#resumeQueued = true;
      setImmediate(() => {
        this.#resumeQueued = false;
        this.#turn(true);
      });
    }
    const dueMs = engine.nextDeadlineMs();
    if (dueMs === this.#timerDueMs) return;
    clearTimeout(this.#timer);
    this.#timerDueMs = dueMs;
    if (dueMs === undefined) return;
    // Rounded up, since setTimeout may fire a millisecond early.
    const delay = Math.min(maxDelayMs, Math.max(0, Math.ceil(dueMs - nowMs())));
    this.#timer = setTimeout(() => {
      this.#timerDueMs = undefined;
      this.#metrics.longestLagMs = Math.max(this.#metrics.longestLagMs, nowMs() - dueMs);
      if (!this.#resumeQueued) this.#turn();
    }, delay);
  }

  #account(startMs: number, facts: number): void {
    const tookMs = this.#deps.nowMs() - startMs;
    this.#metrics.turns++;
    this.#metrics.facts += facts;
    this.#metrics.longestTurnMs = Math.max(this.#metrics.longestTurnMs, tookMs);
    if (tookMs > slowTurnMs) {
      this.#deps.log('warning', `I/O loop cycle took ${tookMs.toFixed(3)} ms for ${facts} events`);
    }
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#metrics.bugs++;
      this.#deps.log('bug', describeBug(error));
    }
  }
}

/** The same fact, with octets of its own: those it shows are overwritten by the next read. */
function lastingFact(fact: Fact): Fact {
  if (fact.kind !== 'tcpReceived') return fact;
  return { kind: 'tcpReceived', connection: fact.connection, bytes: fact.bytes.slice() };
}

/** One line: what was thrown and where. */
export function describeBug(error: unknown): string {
  if (!(error instanceof Error)) return `Internal error: ${String(error)}`;
  const [, ...frames] = (error.stack ?? '').split('\n');
  const where = frames.slice(0, 3).map((frame) => frame.trim().replace(/^at /, ''));
  return `Internal error: ${error.message} (${where.join(' < ')})`;
}
