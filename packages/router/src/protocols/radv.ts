// protocol radv: tells hosts, and routers that look for us, that there is a router on the link
// (RFC 4861). Which interfaces, and what is said there, is configuration; when it is said is
// radv/discovery-link.ts. No channel: routes are not advertised (RFC 4191 §2.3).

import type { ProtocolConfig, RadvConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { matchesPatterns } from '../interfaces.ts';
import { Protocol } from '../protocol.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class RadvProtocol extends Protocol {
  readonly kind = 'radv';
  declare config: RadvConfig;
  /** Interfaces on which we advertise, with what was configured for each. */
  readonly #joined = new Map<string, RadvConfig['interfaces'][number]>();

  constructor(engine: Engine, config: RadvConfig) {
    super(engine, config);
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'radv') return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    if (this.running) this.onInterfacesSettled();
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  override onInterfacesSettled(): void {
    const { discovery, interfaces } = this.engine;
    for (const name of this.#joined.keys()) {
      if (interfaces.byName(name)) continue;
      this.#joined.delete(name);
      discovery.leave(this, name);
    }
    for (const fact of interfaces.all()) {
      const wanted = fact.flags.loopback
        ? undefined
        : this.config.interfaces.find(({ patterns }) => matchesPatterns(patterns, fact));
      if (wanted === this.#joined.get(fact.name)) continue;
      if (wanted) {
        this.#joined.set(fact.name, wanted);
        discovery.join({ owner: this, interface: fact.name, config: wanted.options });
      } else {
        this.#joined.delete(fact.name);
        discovery.leave(this, fact.name);
      }
    }
  }

  protected onStart(): 'up' {
    this.onInterfacesSettled();
    return 'up';
  }

  protected override onDown(): void {
    this.#joined.clear();
    this.engine.discovery.leave(this);
  }
}
