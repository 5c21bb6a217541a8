// What an operator may ask of a running router, beyond what the engine does by itself: reading the
// configuration file, undo with and without a timer, queueing while a change is in progress, and
// following the log. The last good configuration stays whatever the file says.

import type { ConfigureReply, ConfigureRequest, Router, RouterControl } from '@rookery/router';
import type { LoadedConfig } from './config-file.ts';
import type { EngineLoop } from './daemon.ts';
import type { Logging } from './logging.ts';

export interface RouterControlDeps {
  readonly router: Router;
  readonly loop: EngineLoop;
  readonly logging: Logging;
  readonly nowMs: () => number;
  readonly load: (file: string) => LoadedConfig;
  /** A configuration is in force now. */
  readonly onApplied: (loaded: GoodConfig) => void;
}

export type GoodConfig = Extract<LoadedConfig, { ok: true }>;

export class DaemonControl implements RouterControl {
  readonly #deps: RouterControlDeps;
  #file: string;
  #current: GoodConfig;
  #previous: GoodConfig | undefined;
  #queued: { readonly loaded: GoodConfig; readonly mode: 'hard' | 'soft' } | undefined;
  #undoTimer: NodeJS.Timeout | undefined;
  #undoDueMs: number | undefined;

  constructor(deps: RouterControlDeps, file: string, current: GoodConfig) {
    this.#deps = deps;
    this.#file = file;
    this.#current = current;
  }

  get configFile(): string {
    return this.#file;
  }

  get undoDueMs(): number | undefined {
    return this.#undoDueMs;
  }

  get current(): GoodConfig {
    return this.#current;
  }

  enable(names: readonly string[], message?: string): ReturnType<RouterControl['enable']> {
    return this.#command((router, nowMs) => router.enable(names, message, nowMs));
  }

  disable(names: readonly string[], message?: string): ReturnType<RouterControl['disable']> {
    return this.#command((router, nowMs) => router.disable(names, message, nowMs));
  }

  restart(names: readonly string[], message?: string): ReturnType<RouterControl['restart']> {
    return this.#command((router, nowMs) => router.restart(names, message, nowMs));
  }

  reload(
    names: readonly string[],
    direction: 'in' | 'out' | 'both',
  ): ReturnType<RouterControl['reload']> {
    return this.#command((router, nowMs) => router.reload(names, direction, nowMs));
  }

  clear(names: readonly string[]): ReturnType<RouterControl['clear']> {
    return this.#command((router, nowMs) => router.clear(names, nowMs));
  }

  setDebug(...args: Parameters<RouterControl['setDebug']>): void {
    this.#command((router) => router.setDebug(...args));
  }

  dumpTables(command: Parameters<RouterControl['dumpTables']>[0]): boolean {
    return this.#command((router, nowMs) => router.dumpTables(command, nowMs));
  }

  shutdown(): void {
    this.#command((router, nowMs) => router.shutdown(nowMs));
  }

  gracefulRestart(): void {
    this.#command((router, nowMs) => router.gracefulRestart(nowMs));
  }

  subscribeLog(...args: Parameters<RouterControl['subscribeLog']>): () => void {
    return this.#deps.logging.follow(...args);
  }

  configure(request: ConfigureRequest, done: (reply: ConfigureReply) => void): void {
    switch (request.kind) {
      case 'check': {
        const file = request.file ?? this.#file;
        const loaded = this.#deps.load(file);
        return done(loaded.ok ? { kind: 'valid', file } : rejected(file, loaded));
      }
      case 'load':
        return done(this.#load(request));
      case 'undo':
        return done(this.#undo());
      case 'confirm':
        if (this.#undoDueMs === undefined) return done({ kind: 'nothing to do' });
        this.#clearUndo();
        return done({ kind: 'confirmed' });
    }
  }

  /** SIGHUP: as `configure`, with the outcome in the log. */
  configureBySignal(): void {
    const { logging } = this.#deps;
    logging.write('info', 'Reconfiguration requested by SIGHUP');
    this.configure({ kind: 'load', soft: false }, (reply) => {
      if (reply.kind === 'rejected') logging.write('error', reply.message);
    });
  }

  /** After each turn: a queued configuration follows the one in progress. */
  settle(): void {
    if (!this.#queued || this.#deps.router.state !== 'running') return;
    const { loaded, mode } = this.#queued;
    this.#queued = undefined;
    this.#apply(loaded, mode);
  }

  #load(request: Extract<ConfigureRequest, { kind: 'load' }>): ConfigureReply {
    const file = request.file ?? this.#file;
    if (this.#deps.router.state === 'shutting down') return { kind: 'shutting down', file };
    const loaded = this.#deps.load(file);
    if (!loaded.ok) return rejected(file, loaded);
    this.#file = file;
    for (const warning of loaded.warnings) this.#deps.logging.write('warning', warning);
    const mode = request.soft ? 'soft' : 'hard';
    this.#clearUndo();
    if (request.timeoutSec !== undefined) this.#armUndo(request.timeoutSec);
    if (this.#deps.router.state === 'reconfiguring') {
      this.#queued = { loaded, mode };
      return { kind: 'queued', file };
    }
    return { kind: this.#apply(loaded, mode), file };
  }

  #apply(loaded: GoodConfig, mode: 'hard' | 'soft'): ReturnType<Router['configure']> {
    const outcome = this.#command((router, nowMs) => router.configure(loaded.config, mode, nowMs));
    if (outcome === 'shutting down') return outcome;
    this.#previous = this.#current;
    this.#current = loaded;
    this.#deps.onApplied(loaded);
    return outcome;
  }

  #undo(): ConfigureReply {
    this.#clearUndo();
    if (this.#queued) {
      this.#queued = undefined;
      return { kind: 'unqueued' };
    }
    if (!this.#previous) return { kind: 'nothing to do' };
    const outcome = this.#apply(this.#previous, 'hard');
    this.#previous = undefined;
    return { kind: outcome };
  }

  #armUndo(seconds: number): void {
    this.#undoDueMs = this.#deps.nowMs() + seconds * 1000;
    this.#undoTimer = setTimeout(() => {
      this.#deps.logging.write('info', 'Config timeout expired, starting undo');
      this.#undo();
    }, seconds * 1000);
  }

  #clearUndo(): void {
    clearTimeout(this.#undoTimer);
    this.#undoTimer = undefined;
    this.#undoDueMs = undefined;
  }

  #command<T>(command: (router: Router, nowMs: number) => T): T {
    const { router, loop, nowMs } = this.#deps;
    return loop.run(() => command(router, nowMs()));
  }
}

function rejected(
  file: string,
  loaded: Extract<LoadedConfig, { ok: false }>,
): Extract<ConfigureReply, { kind: 'rejected' }> {
  return { kind: 'rejected', file, message: loaded.message };
}
