// protocol static with a ROA channel: fills a table of route origin authorisations. Whoever checks
// against it by `roa_check` is run through his filters again when it changes (bird.md §3.4, §3.8).

import type { ProtocolConfig, StaticConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { Protocol } from '../protocol.ts';
import { fitsRoaTable } from '../roa-table.ts';
import type { RoaTable } from '../roa-table.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class StaticRoaProtocol extends Protocol {
  readonly kind = 'static';
  declare config: StaticConfig;
  readonly #table: RoaTable;

  constructor(engine: Engine, config: StaticConfig, table: RoaTable) {
    super(engine, config);
    this.#table = table;
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'static' || next.channel.table !== this.config.channel.table) return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    if (this.running) this.#fill();
    return true;
  }

  view(): ProtocolView {
    const staticRoutes = this.config.routes.map((route) => ({
      route,
      active: this.running,
      viaActive: [],
    }));
    return { ...this.commonView(), staticRoutes };
  }

  protected onStart(): 'up' {
    this.#fill();
    return 'up';
  }

  protected override onDown(): void {
    this.#table.removeAllOf(this.name);
    this.engine.roaChanged(this.#table.name);
  }

  #fill(): void {
    const table = this.#table;
    table.removeAllOf(this.name);
    for (const { net, roa } of this.config.routes) {
      if (!roa || !fitsRoaTable(table, net)) {
        this.log('error', `Route ${net} incompatible with channel type`);
        continue;
      }
      const { maxLength, asn } = roa;
      table.add({
        net,
        maxLength,
        asn,
        protocol: this.name,
        changedMs: this.engine.nowMs,
        source: 'static',
        preference: this.config.channel.preference,
      });
    }
    this.engine.roaChanged(table.name);
  }
}
