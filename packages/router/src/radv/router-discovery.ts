// Router Discovery (RFC 4861) for whoever needs it: `protocol radv`, whose hosts want a router, and
// BGP sessions without addresses, which find their neighbor by it. Users of one interface share its
// socket and its timers.

import type { Fact } from '../io.ts';
import type { TimerOwner } from '../timers.ts';
import { DiscoveryLink } from './discovery-link.ts';
import type { DiscoveryDeps, DiscoveryUser } from './discovery-link.ts';

export type DiscoveryFact = Extract<
  Fact,
  { readonly kind: 'discoveryReceived' | 'discoveryFailed' }
>;

export class RouterDiscovery {
  readonly #deps: DiscoveryDeps;
  readonly #links = new Map<string, DiscoveryLink>();

  constructor(deps: DiscoveryDeps) {
    this.#deps = deps;
  }

  /** Once per owner and interface; a second time replaces the first. */
  join(user: DiscoveryUser): void {
    let link = this.#links.get(user.interface);
    if (!link) {
      link = new DiscoveryLink(user.interface, this.#deps);
      this.#links.set(user.interface, link);
    }
    link.join(user);
  }

  /** From one interface, or from all. */
  leave(owner: TimerOwner, interfaceName?: string): void {
    for (const [name, link] of this.#links) {
      if (interfaceName !== undefined && name !== interfaceName) continue;
      if (link.leave(owner)) this.#links.delete(name);
    }
  }

  interfacesChanged(): void {
    for (const link of this.#links.values()) link.refresh();
  }

  handle(fact: DiscoveryFact): void {
    const link = this.#links.get(fact.interface);
    if (fact.kind === 'discoveryReceived') link?.received(fact);
    else link?.failed(fact);
  }
}
