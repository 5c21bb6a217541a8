// An engine with everything it needs to run in a process: clock, loop, Linux platform. Router and
// speaker differ in where their configuration comes from and who may talk to them; this is what they
// share. Nothing happens before `open`.

import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { openPlatform } from '@rookery/linux';
import type { Platform } from '@rookery/linux';
import { Router } from '@rookery/router';
import type { Fact, Order, RouterConfig } from '@rookery/router';
import { describeBug, EngineLoop } from './daemon.ts';
import type { Logging } from './logging.ts';
import { rookeryVersion } from './version.ts';

export interface EngineHostOptions {
  readonly config: RouterConfig;
  readonly logging: Pick<Logging, 'write'>;
  /** RFC 4724: the kernel kept forwarding while we were away. */
  readonly recovering?: boolean;
  /** After each turn of the engine. */
  readonly onTurn: () => void;
  /** Sees every fact before the engine does. */
  readonly onFact?: (fact: Fact, nowMs: number) => void;
}

export interface EngineHost {
  readonly router: Router;
  readonly loop: EngineLoop;
  readonly nowMs: () => number;
  /** Opens netlink and executes the first orders; a sentence when that fails. */
  open(): string | undefined;
  /** Executes what is left and closes sockets. */
  close(): Promise<void>;
}

export function createEngineHost(options: EngineHostOptions): EngineHost {
  const { config, logging } = options;
  // Routes live in typed arrays; what the engine makes besides dies young and is little. A nursery
  // that grows (to 32 MiB) would only be resident memory.
  setFlagsFromString('--semi-space-growth-factor=1');
  // The way of a route leads through many small functions: V8 may inline twice as much of it as it
  // would by itself.
  setFlagsFromString('--max-inlined-bytecode-size=1000');
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=2000');
  const nowMs = (): number => performance.now();
  const router = new Router({
    config,
    hostname: config.hostname ?? hostname(),
    random: Math.random,
    presentMs: nowMs,
    startedAtMs: nowMs(),
    wallClockMs: Date.now(),
    version: rookeryVersion,
    recovering: options.recovering ?? false,
  });
  let platform: Platform | undefined;
  /** A console may be served before the platform is open. */
  const early: Order[] = [];
  const log: Logging['write'] = (logClass, text) => logging.write(logClass, text);
  const loop = new EngineLoop({
    engine: router,
    execute: (orders) => {
      if (platform) platform.execute(orders);
      else early.push(...orders);
    },
    log,
    nowMs,
    onTurn: options.onTurn,
    ...(options.onFact === undefined ? {} : { onFact: options.onFact }),
  });
  return {
    router,
    loop,
    nowMs,
    open: () => {
      const opened = openPlatform({
        emit: (fact) => loop.deliver(fact),
        isBehind: () => loop.isBehind,
        log,
      });
      if (!opened.ok) return `Cannot open netlink: ${opened.error.message}`;
      platform = opened.value;
      // Whatever escapes is a bug of ours; sessions and routes of others must survive it.
      process.on('uncaughtException', (error) => logging.write('bug', describeBug(error)));
      platform.execute(early.splice(0));
      loop.run(() => undefined);
      return undefined;
    },
    close: async () => {
      loop.stop();
      await platform?.close();
    },
  };
}
