// BFD as the platform offers it: starts the BFD thread with the first request, hands orders over and
// brings facts back. A thread that dies is a bug of ours, not a failure of a path: clients are told
// AdminDown (RFC 5882 §3.2), and another thread takes over.

import { Worker } from 'node:worker_threads';
import type { Fact, LogClass } from '@rookery/router';
import { keyOf } from './bfd-messages.ts';
import type { BfdOrder, BfdRequest, FromBfdWorker, ToBfdWorker } from './bfd-messages.ts';

export interface BfdServiceDeps {
  readonly emit: (fact: Fact) => void;
  readonly log: (logClass: LogClass, text: string) => void;
}

const RESTART_MS = 1000;
/** Closing is sending one packet per session. */
const CLOSE_MS = 1000;
/** TypeScript in a clone, a bundle of its own in dist. */
const workerEntry = new URL(
  `bfd-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.mjs'}`,
  import.meta.url,
);

export class BfdService {
  readonly #deps: BfdServiceDeps;
  readonly #requests = new Map<string, BfdRequest>();
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(deps: BfdServiceDeps) {
    this.#deps = deps;
  }

  execute(order: BfdOrder): void {
    const key = keyOf(order);
    if (order.kind === 'bfdRequest') this.#requests.set(key, order);
    else if (!this.#requests.delete(key)) return;
    if (this.#worker) this.#tell({ kind: 'order', order });
    else if (!this.#restart && !this.#closing) this.#start();
  }

  /** Neighbors are told that this is no failure; resolves when the sockets are closed. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    this.#tell({ kind: 'close' });
    const impatience = setTimeout(() => void worker.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(impatience);
  }

  #start(): void {
    this.#restart = undefined;
    const worker = new Worker(workerEntry, {
      name: 'bfd',
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 },
    });
    this.#worker = worker;
    worker.on('message', (message: FromBfdWorker) => {
      if (message.kind === 'log') this.#deps.log(message.class, message.text);
      else message.facts.forEach((fact) => this.#deps.emit(fact));
    });
    worker.on('error', (error: Error) =>
      this.#deps.log('bug', `Internal error: the BFD thread ended: ${error.message}`),
    );
    worker.on('exit', () => this.#ended());
    for (const order of this.#requests.values()) this.#tell({ kind: 'order', order });
  }

  #tell(message: ToBfdWorker): void {
    this.#worker?.postMessage(message);
  }

  #ended(): void {
    this.#worker = undefined;
    if (this.#closing) return;
    for (const { remote, multihop, interface: link } of this.#requests.values()) {
      this.#deps.emit({
        kind: 'bfdChanged',
        remote,
        multihop,
        ...(link === undefined ? {} : { interface: link }),
        state: 'AdminDown',
      });
    }
    this.#restart = setTimeout(() => this.#start(), RESTART_MS);
  }
}
