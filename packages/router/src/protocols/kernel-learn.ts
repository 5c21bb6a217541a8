// What other programs have in a kernel table: remembered, so that a conflict can name its cause, and
// with `learn` taken into the channel's table.

import type { Channel } from '../channel.ts';
import type { KernelConfig } from '../config.ts';
import type { KernelRoute } from '../io.ts';
import { PROTOCOL_KERNEL } from '../kernel-route.ts';
import type { Protocol } from '../protocol.ts';

export class KernelLearner {
  readonly #protocol: Protocol & { readonly config: KernelConfig };
  readonly #channel: Channel;
  /** By network and metric, from the last scan and later events. */
  readonly #aliens = new Map<string, KernelRoute>();
  readonly #learned = new Set<number>();
  /** Nets learned in the scan that is being read. */
  readonly #seen = new Set<number>();

  constructor(protocol: Protocol & { readonly config: KernelConfig }, channel: Channel) {
    this.#protocol = protocol;
    this.#channel = channel;
  }

  aliens(): Iterable<KernelRoute> {
    return this.#aliens.values();
  }

  /** The route of another program in the place of ours. */
  rivalOf(route: KernelRoute): KernelRoute | undefined {
    return this.#aliens.get(alienKey(route));
  }

  beginScan(): void {
    this.#aliens.clear();
    this.#seen.clear();
  }

  /** A route found by the scan. */
  found(route: KernelRoute): void {
    const { engine, config } = this.#protocol;
    this.#aliens.set(alienKey(route), route);
    const unknown = route.nexthops.find((n) => !engine.interfaces.byIndex(n.ifindex));
    if (route.dest === 'unicast' && unknown) {
      engine.log(
        'error',
        `KRT: Received route ${route.net} with unknown ifindex ${unknown.ifindex}`,
      );
      return;
    }
    if (route.protocol === PROTOCOL_KERNEL && config.learn !== 'all') {
      return this.#protocol.trace('packets', `${route.net}: ignored`);
    }
    if (config.learn === 'off') {
      return this.#protocol.trace('packets', `${route.net}: [alien] ignored`);
    }
    const net = this.#learn(route, 'alien');
    if (net >= 0) this.#seen.add(net);
  }

  /** What the scan did not find is learned no longer. */
  endScan(): void {
    if (this.#protocol.config.learn === 'off') return;
    this.#protocol.trace('events', 'Pruning inherited routes');
    for (const net of this.#learned) if (!this.#seen.has(net)) this.#forget(net);
  }

  added(route: KernelRoute): void {
    this.#aliens.set(alienKey(route), route);
    if (this.#protocol.config.learn !== 'off') this.#learn(route, 'alien async');
  }

  removed(route: KernelRoute): void {
    this.#aliens.delete(alienKey(route));
    if (this.#protocol.config.learn === 'off') return;
    const net = this.#channel.table.prefixes.findText(route.net);
    if (net < 0 || !this.#learned.has(net)) return;
    this.#protocol.trace('packets', `${route.net}: [alien async] removed`);
    this.#forget(net);
  }

  /** The protocol is down, and its routes are gone with it. */
  clear(): void {
    for (const net of this.#learned) this.#channel.table.prefixes.release(net);
    this.#learned.clear();
  }

  #learn(route: KernelRoute, word: 'alien' | 'alien async'): number {
    const { engine, config } = this.#protocol;
    if (route.protocol === PROTOCOL_KERNEL && config.learn !== 'all') return -1;
    const { table } = this.#channel;
    const nexthops = [];
    for (const nexthop of route.nexthops) {
      const fact = engine.interfaces.byIndex(nexthop.ifindex);
      if (!fact) return -1;
      nexthops.push({ ...nexthop, interface: fact.name });
    }
    const net = table.prefixes.internText(route.net);
    if (net < 0) return -1;
    const known = this.#learned.has(net);
    if (!known) {
      table.prefixes.retain(net);
      this.#learned.add(net);
    }
    const attributes = table.attributes.intern({
      source: 'inherit',
      scope: 'universe',
      dest: route.dest,
      nexthops,
      preference: config.channel.preference,
      kernel: {
        source: route.protocol,
        metric: route.metric,
        ...(route.prefsrc === undefined ? {} : { prefsrc: route.prefsrc }),
        ...(route.realm === undefined ? {} : { realm: route.realm }),
        ...(route.metrics === undefined ? {} : { metrics: route.metrics }),
      },
    });
    this.#protocol.trace('packets', `${route.net}: [${word}] ${known ? 'seen' : 'created'}`);
    this.#channel.importRoute(net, attributes);
    table.attributes.release(attributes);
    return net;
  }

  #forget(net: number): void {
    this.#learned.delete(net);
    this.#channel.withdrawRoute(net);
    this.#channel.table.prefixes.release(net);
  }
}

function alienKey(route: KernelRoute): string {
  return `${route.net} ${route.metric}`;
}
