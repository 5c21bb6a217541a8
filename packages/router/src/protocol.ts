// A protocol instance: the life cycle that all kinds share, with the log lines of BIRD.
//
//   down ──start──► start ──► up
//    ▲                 │       │ shutdown
//    └── flush ◄─── stop ◄─────┘        (stop only where a peer has to be told first)
//
// A kind overrides the hooks; it never sets `state` itself. Flushing removes the routes of the
// instance from its tables in slices; only then is it down and may be started again or forgotten.

import type { Channel } from './channel.ts';
import type { DebugFlag, LogClass, ProtocolConfig } from './config.ts';
import type { Engine } from './engine.ts';
import type { InterfaceEvent } from './interfaces.ts';
import { traceFlags } from './trace.ts';
import type { TraceFlags } from './trace.ts';
import type { ProtocolKind, ProtocolState, ProtocolView } from './view.ts';

/** Why an instance is being shut down; BGP tells its peer accordingly. */
export type ShutdownReason =
  | { readonly kind: 'disabled'; readonly message?: string }
  | { readonly kind: 'restarted'; readonly message?: string }
  | { readonly kind: 'removed' }
  | { readonly kind: 'reconfigured' }
  | {
      readonly kind: 'limit';
      readonly limit: 'receive' | 'import' | 'export';
      readonly disable: boolean;
    }
  | { readonly kind: 'daemonStopping' }
  | { readonly kind: 'gracefulRestart' }
  | { readonly kind: 'bug' };

/** What the engine does when an instance has come down. */
export type AfterDown = (protocol: Protocol) => void;

export abstract class Protocol {
  abstract readonly kind: ProtocolKind;
  readonly engine: Engine;
  readonly name: string;
  config: ProtocolConfig;
  flags: TraceFlags;
  disabled: boolean;
  message: string | undefined;
  sinceMs: number;
  channels: readonly Channel[] = [];
  #state: ProtocolState = 'down';
  #afterDown: AfterDown | undefined;

  constructor(engine: Engine, config: ProtocolConfig) {
    this.engine = engine;
    this.name = config.name;
    this.config = config;
    this.flags = traceFlags(config.debug);
    this.disabled = config.disabled;
    this.sinceMs = engine.nowMs;
  }

  get state(): ProtocolState {
    return this.#state;
  }

  get running(): boolean {
    return this.#state === 'start' || this.#state === 'up';
  }

  /** Announces the instance; it stays down until `start`. */
  initialize(): void {
    this.trace('states', `Initializing${this.disabled ? ' [disabled]' : ''}`);
  }

  start(): void {
    if (this.#state !== 'down' || this.disabled) return;
    this.trace('states', 'Starting');
    this.setState(this.onStart());
    this.onStarted();
  }

  /** Brings the instance down; `then` runs when its routes are gone. Total over all states. */
  shutdown(reason: ShutdownReason, then: AfterDown): void {
    this.#afterDown = then;
    if (this.#state === 'down') return this.#finish();
    if (this.#state === 'stop' || this.#state === 'flush') return;
    this.trace('states', 'Shutting down');
    if (this.onShutdown(reason) === 'stop') {
      if (this.running) this.setState('stop');
    } else this.flush();
  }

  /** Called when the peer, if any, has been told: removes routes, then goes down. */
  flush(): void {
    if (this.#state === 'down' || this.#state === 'flush') return;
    this.setState('flush');
    let waiting = 1;
    const done = (): void => {
      if (--waiting > 0) return;
      this.onDown();
      this.setState('down');
      this.#finish();
    };
    for (const channel of this.channels) {
      waiting++;
      channel.close(done);
    }
    done();
  }

  setState(state: ProtocolState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.sinceMs = this.engine.nowMs;
    this.trace('states', `State changed to ${state}`);
  }

  /** Changes how much is traced, until the next configuration. */
  setDebug(flags: TraceFlags): void {
    this.flags = flags;
    for (const channel of this.channels) channel.flags = flags;
  }

  trace(flag: DebugFlag, text: string, separator = ': '): void {
    if (this.flags[flag]) this.engine.log('trace', `${this.name}${separator}${text}`);
  }

  log(logClass: LogClass, text: string): void {
    this.engine.log(logClass, `${this.name}: ${text}`);
  }

  /** The configuration with what was changed in it since. */
  configInForce(): ProtocolConfig {
    return this.config;
  }

  /**
   * Takes over a new configuration of the same kind without restarting; `false` when it cannot.
   * `soft`: filters are stored, but routes are not run through them again.
   */
  abstract reconfigure(next: ProtocolConfig, soft: boolean): boolean;
  abstract view(): ProtocolView;

  protected abstract onStart(): 'start' | 'up';

  /** After the first state change; for what must be logged behind it. */
  protected onStarted(): void {}

  /** `'stop'` when the kind calls `flush` itself later. */
  protected onShutdown(_reason: ShutdownReason): 'stop' | 'flush' {
    return 'flush';
  }

  protected onDown(): void {}

  /** Interfaces changed; called for every running instance. */
  onInterface(_event: InterfaceEvent): void {}

  /** After all events of one change. */
  onInterfacesSettled(): void {}

  /** Our graceful restart is over. */
  onRecovered(): void {}

  /** Runs imports or exports again; `false` when the neighbor cannot resend. */
  reload(direction: 'in' | 'out' | 'both'): boolean {
    for (const channel of this.channels) {
      if (direction !== 'in') channel.refeed();
    }
    if (direction === 'out') return true;
    return this.channels.every((channel) => this.reimport(channel));
  }

  /** Sends the routes of a channel through its import policy again; `false` when it cannot. */
  reimport(_channel: Channel): boolean {
    return true;
  }

  /** Sends the table through the export policy of a channel again. */
  reexport(channel: Channel): void {
    channel.refeed();
  }

  /** A limit with action restart or disable was reached. */
  limitReached(which: 'receive' | 'import' | 'export', action: 'restart' | 'disable'): void {
    this.engine.limitReached(this, which, action);
  }

  protected commonView(): Pick<
    ProtocolView,
    | 'name'
    | 'kind'
    | 'state'
    | 'disabled'
    | 'sinceMs'
    | 'description'
    | 'message'
    | 'routerId'
    | 'vrf'
    | 'channels'
  > {
    const { description, routerId, vrf } = this.config;
    return {
      name: this.name,
      kind: this.kind,
      state: this.#state,
      disabled: this.disabled,
      sinceMs: this.sinceMs,
      channels: this.channels.map((channel) => channel.view()),
      ...(description === undefined ? {} : { description }),
      ...(this.message === undefined ? {} : { message: this.message }),
      ...(routerId === undefined ? {} : { routerId }),
      ...(vrf === undefined ? {} : { vrf }),
    };
  }

  #finish(): void {
    const then = this.#afterDown;
    this.#afterDown = undefined;
    then?.(this);
  }
}
