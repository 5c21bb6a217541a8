// protocol device: asks the platform for the machine's interfaces, at start and every `scan time`,
// and is the reason why the engine knows any. Events from the kernel arrive between scans. Without
// an instance that is up the interface table stays empty (bird.md §3.1).

import type { DeviceConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { Protocol } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class DeviceProtocol extends Protocol {
  readonly kind = 'device';
  declare config: DeviceConfig;
  readonly #scanTimer: Timer;

  constructor(engine: Engine, config: DeviceConfig) {
    super(engine, config);
    this.#scanTimer = engine.timers.create(this, () => this.#scan());
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'device') return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    this.#schedule();
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  protected onStart(): 'up' {
    this.#scan();
    return 'up';
  }

  protected override onDown(): void {
    this.#scanTimer.clear();
  }

  #scan(): void {
    this.trace('events', 'Scanning interfaces');
    this.engine.order({ kind: 'scanInterfaces' });
    this.#schedule();
  }

  #schedule(): void {
    const seconds = this.config.scanTimeSec;
    if (seconds > 0) this.#scanTimer.set(this.engine.nowMs + seconds * 1000);
    else this.#scanTimer.clear();
  }
}
