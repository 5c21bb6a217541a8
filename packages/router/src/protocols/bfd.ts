// protocol bfd: lets other protocols use BFD, with the options of its interface blocks, and runs the
// sessions it is configured with itself. The sessions live on the platform; see bfd-broker.ts.

import type { BfdClient } from '../bfd-broker.ts';
import type { BfdConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import { Protocol } from '../protocol.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

export class BfdProtocol extends Protocol {
  readonly kind = 'bfd';
  declare config: BfdConfig;
  #own: OwnSession[] = [];
  readonly #traceSession = (text: string): void => this.trace('events', text);

  constructor(engine: Engine, config: BfdConfig) {
    super(engine, config);
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'bfd') return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    this.#releaseOwn();
    this.engine.bfd.serve(next, this.#traceSession);
    this.#requestOwn();
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  override onInterfacesSettled(): void {
    // Which options fit depends on the interfaces that there are.
    this.engine.bfd.serve(this.config, this.#traceSession);
    for (const session of this.#own) this.#place(session);
  }

  protected onStart(): 'up' {
    this.engine.bfd.serve(this.config, this.#traceSession);
    this.#requestOwn();
    return 'up';
  }

  protected override onDown(): void {
    this.#releaseOwn();
    this.engine.bfd.retire(this.name);
  }

  #requestOwn(): void {
    this.#own = this.config.neighbors.map((neighbor) => ({
      neighbor,
      client: { name: this.name, bfdChanged: () => {} },
      link: undefined,
    }));
    for (const session of this.#own) this.#place(session);
  }

  /** A direct session lives on the link of its neighbor, and waits for it. */
  #place(session: OwnSession): void {
    const { neighbor, client } = session;
    const { address, multihop, local, interface: named } = neighbor;
    const found = multihop ? undefined : this.engine.interfaces.neighbor(address, named);
    const link = named ?? (found && found !== 'local' ? found.interface.name : undefined);
    if (link !== session.link) this.engine.bfd.release(client);
    session.link = link;
    if (link === undefined && !multihop) return;
    this.engine.bfd.request(
      {
        remote: address,
        multihop,
        ...(local === undefined ? {} : { local }),
        ...(link === undefined ? {} : { interface: link }),
      },
      client,
    );
  }

  #releaseOwn(): void {
    for (const { client } of this.#own) this.engine.bfd.release(client);
    this.#own = [];
  }
}

interface OwnSession {
  readonly neighbor: BfdConfig['neighbors'][number];
  readonly client: BfdClient;
  link: string | undefined;
}
