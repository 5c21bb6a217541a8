// The main thread's end of the thread that writes routes. It is started by the first large batch, so
// that a daemon with few routes has none; until it is up, and for small changes while it has nothing
// to do, the main thread writes itself, which is quicker. A thread that dies is a bug of ours: what it
// had is written by the main thread, and so is everything after it.

import { Worker } from 'node:worker_threads';
import type { LogClass, Order } from '@rookery/router';
import type { Failure } from './netlink/socket.ts';
import type { RouteWorkerData, RoutesWritten } from './route-worker.ts';
import { workerEntry } from './worker-entry.ts';

export type RouteOrder = Extract<Order, { kind: 'kernelRoutes' | 'kernelNexthop' }>;

export interface RouteThreadDeps {
  readonly socket: RouteWorkerData;
  readonly done: (seq: number, failures: readonly Failure[]) => void;
  /** Nothing is under way any more, and the socket is free. */
  readonly idle: () => void;
  readonly died: (unwritten: readonly RouteOrder[]) => void;
  readonly report: (logClass: LogClass, text: string) => void;
}

/** Changes that are worth a message to the thread, and the thread. */
const LARGE = 512;

export class RouteThread {
  readonly #deps: RouteThreadDeps;
  readonly #underWay = new Map<number, RouteOrder>();
  #worker: Worker | undefined;
  #state: 'none' | 'starting' | 'up' | 'dead' = 'none';

  constructor(deps: RouteThreadDeps) {
    this.#deps = deps;
  }

  /** True while the thread uses the socket. */
  get busy(): boolean {
    return this.#underWay.size > 0;
  }

  /** Takes the order, or leaves it to the main thread. */
  take(order: RouteOrder): boolean {
    if (this.#state === 'none' && isLarge(order)) this.#start();
    if (this.#state !== 'up' || (!isLarge(order) && !this.busy)) return false;
    this.#underWay.set(order.seq, order);
    this.#worker!.postMessage(order);
    // An answer that is to come keeps the process alive, an idle thread does not.
    this.#worker!.ref();
    return true;
  }

  close(): void {
    this.#state = 'dead';
    void this.#worker?.terminate();
  }

  #start(): void {
    this.#state = 'starting';
    const worker = new Worker(workerEntry(import.meta.url, 'route-worker'), {
      name: 'routes',
      execArgv: [],
      workerData: this.#deps.socket,
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 },
    });
    this.#worker = worker;
    worker.unref();
    worker.on('online', () => (this.#state = 'up'));
    worker.on('message', ({ seq, failures }: RoutesWritten) => {
      this.#underWay.delete(seq);
      this.#deps.done(seq, failures);
      if (this.busy) return;
      worker.unref();
      this.#deps.idle();
    });
    worker.on('error', (error: Error) =>
      this.#deps.report('bug', `Internal error: the route thread ended: ${error.message}`),
    );
    worker.on('exit', () => {
      this.#state = 'dead';
      const unwritten = [...this.#underWay.values()];
      this.#underWay.clear();
      this.#deps.died(unwritten);
    });
  }
}

function isLarge(order: RouteOrder): boolean {
  return order.kind === 'kernelRoutes' && order.batch.count >= LARGE;
}
