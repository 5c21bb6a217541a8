// protocol mrt: dumps tables to files every so often (RFC 6396). The file's name is a strftime
// pattern that the platform fills in when the dump begins; %N is the table. No channel: the dump
// reads the tables as consoles do.

import type { MrtConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { matchesGlob } from '../interfaces.ts';
import { startTableDump } from '../mrt/table-dump.ts';
import { Protocol } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class MrtProtocol extends Protocol {
  readonly kind = 'mrt';
  declare config: MrtConfig;
  readonly #timer: Timer;
  #dumping = false;

  constructor(engine: Engine, config: MrtConfig) {
    super(engine, config);
    this.#timer = engine.timers.create(this, () => this.#dump());
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'mrt') return false;
    const rescheduled = next.periodSec !== this.config.periodSec;
    this.config = next;
    this.flags = traceFlags(next.debug);
    if (rescheduled && this.running) this.#schedule();
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  protected onStart(): 'up' {
    this.#schedule();
    return 'up';
  }

  protected override onDown(): void {
    this.#timer.clear();
  }

  #schedule(): void {
    this.#timer.set(this.engine.nowMs + this.config.periodSec * 1000);
  }

  #dump(): void {
    this.#schedule();
    if (this.#dumping) return this.log('warning', 'The last dump still runs, skipping one');
    const tables = dumpTables(this.engine, this.config.table);
    if (tables.length === 0) return;
    this.#dumping = true;
    this.trace('events', 'RIB table dump started');
    startTableDump(this.engine, {
      owner: this,
      tables,
      filename: this.config.filename,
      policy: this.config.policy,
      alwaysAddPath: this.config.alwaysAddPath,
      routerId: this.config.routerId ?? this.engine.routerId,
      done: (outcome) => {
        this.#dumping = false;
        this.trace('events', `RIB table dump ${outcome}`);
      },
    });
  }
}

/** Tables of IPv4 and IPv6 routes that a name or glob means. */
export function dumpTables(engine: Engine, pattern: string): string[] {
  return engine.view
    .tables()
    .filter(({ netType }) => netType === 'ipv4' || netType === 'ipv6')
    .map(({ name }) => name)
    .filter((name) => matchesGlob(pattern, name));
}
