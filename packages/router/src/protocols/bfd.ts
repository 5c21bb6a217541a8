// protocol bfd: lets other protocols use BFD, with the options of its interface blocks, and runs the
// sessions it is configured with itself. The sessions live on the platform; see bfd-broker.ts.

import type { BfdClient } from '../bfd-broker.ts';
import type { BfdConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import type { BfdState } from '../io.ts';
import { Protocol } from '../protocol.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class BfdProtocol extends Protocol {
  readonly kind = 'bfd';
  declare config: BfdConfig;
  #clients: BfdClient[] = [];

  constructor(engine: Engine, config: BfdConfig) {
    super(engine, config);
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'bfd') return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    this.#releaseOwn();
    this.engine.bfd.configure(next);
    this.#requestOwn();
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  /** Called for every change of a session, whoever asked for it. */
  sessionChanged(remote: string, from: BfdState, to: BfdState): void {
    this.trace('events', `Session to ${remote} changed state from ${from} to ${to}`);
  }

  protected onStart(): 'up' {
    this.engine.bfd.configure(this.config);
    this.#requestOwn();
    return 'up';
  }

  protected override onDown(): void {
    this.#releaseOwn();
    this.engine.bfd.configure(undefined);
  }

  #requestOwn(): void {
    for (const neighbor of this.config.neighbors) {
      const client: BfdClient = { name: this.name, bfdChanged: () => {} };
      this.#clients.push(client);
      this.engine.bfd.request(
        {
          remote: neighbor.address,
          multihop: neighbor.multihop,
          ...(neighbor.local === undefined ? {} : { local: neighbor.local }),
          ...(neighbor.interface === undefined ? {} : { interface: neighbor.interface }),
        },
        client,
      );
    }
  }

  #releaseOwn(): void {
    for (const client of this.#clients) this.engine.bfd.release(client);
    this.#clients = [];
  }
}
