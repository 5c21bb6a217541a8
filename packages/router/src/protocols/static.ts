// protocol static: configured routes, announced while at least one of their next hops is usable.
// Reconfiguration is a comparison of route lists, so a speaker that announces services through it
// may change them a hundred times a minute without touching anything else (bird.md §3.4).

import type { RouteAttributes, Nexthop } from '@rookery/rib';
import { Channel } from '../channel.ts';
import { believedState } from '../bfd-broker.ts';
import type { BfdClient } from '../bfd-broker.ts';
import type { ProtocolConfig, StaticConfig, StaticNexthop, StaticRoute } from '../config.ts';
import type { Engine } from '../engine.ts';
import { isUp } from '../interfaces.ts';
import { sortNexthops } from '../kernel-route.ts';
import { Protocol } from '../protocol.ts';
import { routesWith } from '../route-changes.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView, StaticRouteView } from '../view.ts';

interface Entry {
  readonly route: StaticRoute;
  readonly net: number;
  readonly pathId: number;
  /** Attributes number in force; 0 while dormant. */
  attributes: number;
  viaActive: readonly boolean[];
  unwatch: (() => void) | undefined;
  bfd: readonly BfdClient[];
}

export class StaticProtocol extends Protocol {
  readonly kind = 'static';
  declare config: StaticConfig;
  readonly channel: Channel;
  #entries = new Map<string, Entry>();
  /** What differs from `config`, by network: a change of one route must not copy the others. */
  readonly #changes = new Map<string, StaticRoute | undefined>();

  constructor(engine: Engine, config: StaticConfig) {
    super(engine, config);
    this.channel = new Channel(this, config.channel, {});
    this.channels = [this.channel];
  }

  reconfigure(next: ProtocolConfig, soft: boolean): boolean {
    if (next.kind !== 'static' || next.igpTable !== this.config.igpTable) return false;
    const preferenceChanged = next.channel.preference !== this.config.channel.preference;
    const sameRoutes = next.routes === this.config.routes && this.#changes.size === 0;
    if (!this.channel.reconfigure(next.channel, soft, next.debug)) return false;
    const linkRuleChanged = next.checkLink !== this.config.checkLink;
    this.config = next;
    this.#changes.clear();
    this.flags = traceFlags(next.debug);
    if (this.running && !sameRoutes) this.#replaceRoutes();
    if (preferenceChanged || linkRuleChanged) this.#refresh();
    return true;
  }

  override configInForce(): StaticConfig {
    if (this.#changes.size === 0) return this.config;
    return { ...this.config, routes: routesWith(this.config.routes, this.#changes) };
  }

  /** Puts a route into the place of those to the same network. */
  changeRoute(net: string, route: StaticRoute | undefined): void {
    this.#changes.set(net, route);
    // Now and then, so that networks which came and went are forgotten.
    if (this.#changes.size > this.config.routes.length + MAX_CHANGES) {
      this.config = this.configInForce();
      this.#changes.clear();
    }
    if (!this.running) return;
    if (route) this.#place(route, 0, this.#entries);
    for (let copy = route ? 1 : 0, old; (old = this.#entries.get(keyOf(net, copy))); copy++) {
      this.#entries.delete(keyOf(net, copy));
      this.#withdraw(old);
    }
  }

  override onInterfacesSettled(): void {
    this.#refresh();
  }

  view(): ProtocolView {
    const staticRoutes = this.running
      ? [...this.#entries.values()].map((entry): StaticRouteView => ({
          route: entry.route,
          active: entry.attributes !== 0,
          viaActive: entry.viaActive,
        }))
      : this.configInForce().routes.map((route) => ({
          route,
          active: false,
          viaActive: route.via.map(() => false),
        }));
    return { ...this.commonView(), staticRoutes };
  }

  protected onStart(): 'up' {
    this.channel.open();
    this.#replaceRoutes();
    return 'up';
  }

  protected override onShutdown(): 'flush' {
    for (const entry of this.#entries.values()) this.#forget(entry);
    this.#entries.clear();
    return 'flush';
  }

  override reimport(): boolean {
    for (const entry of this.#entries.values()) {
      if (entry.attributes !== 0) {
        this.channel.importRoute(entry.net, entry.attributes, entry.pathId);
      }
    }
    return true;
  }

  #replaceRoutes(): void {
    const before = this.#entries;
    this.#entries = new Map();
    const copies = new Map<string, number>();
    for (const route of this.configInForce().routes) {
      // The same network may be configured more than once: candidates, told apart by number.
      const copy = copies.get(route.net) ?? 0;
      copies.set(route.net, copy + 1);
      this.#place(route, copy, before);
    }
    for (const entry of before.values()) this.#withdraw(entry);
  }

  /** Takes the route's predecessor out of `before` and puts the route among the entries. */
  #place(route: StaticRoute, copy: number, before: Map<string, Entry>): void {
    const key = keyOf(route.net, copy);
    const old = before.get(key);
    before.delete(key);
    if (old && sameStaticRoute(old.route, route)) {
      this.#entries.set(key, old);
      return;
    }
    const net = this.channel.table.prefixes.internText(route.net);
    if (net < 0) {
      this.log('error', `Route ${route.net} incompatible with channel type`);
      return;
    }
    this.channel.table.prefixes.retain(net);
    const entry: Entry = {
      route,
      net,
      pathId: copy,
      attributes: 0,
      viaActive: NONE,
      unwatch: undefined,
      bfd: NONE,
    };
    this.#entries.set(key, entry);
    this.#watch(entry);
    // A change in place: the new route replaces the old one without a withdrawal between.
    this.#apply(entry, old !== undefined);
    if (old) this.#forget(old);
  }

  #withdraw(entry: Entry): void {
    if (entry.attributes !== 0) this.channel.withdrawRoute(entry.net, entry.pathId);
    this.#forget(entry);
  }

  #watch(entry: Entry): void {
    const { route } = entry;
    const refresh = (): void => this.#apply(entry, entry.attributes !== 0);
    if (route.recursive !== undefined) {
      const igp = this.#igpTable();
      entry.unwatch = igp.watchNexthop(route.recursive, refresh);
    }
    if (route.via.length === 0) return;
    entry.bfd = route.via
      .filter((via) => via.bfd && via.gateway !== undefined)
      .map((via) => {
        const client: BfdClient = {
          name: this.name,
          bfdChanged: (state, before) => {
            if (before === 'Up' && state === 'Down') this.#pathLost(via);
            refresh();
          },
        };
        this.engine.bfd.request(
          {
            remote: via.gateway!,
            multihop: false,
            ...(via.interface === undefined ? {} : { interface: via.interface }),
          },
          client,
        );
        return client;
      });
  }

  #pathLost({ gateway, interface: link }: StaticNexthop): void {
    const found = this.engine.interfaces.neighbor(gateway!, link);
    if (found && found !== 'local') this.engine.nexthopLost(gateway!, found.interface.ifindex);
  }

  #refresh(): void {
    if (!this.running) return;
    for (const entry of this.#entries.values()) this.#apply(entry, entry.attributes !== 0);
  }

  /** Announces, updates or withdraws the route as its next hops are now. */
  #apply(entry: Entry, announced: boolean): void {
    if (!this.running && this.state !== 'down') return;
    const built = this.#attributesFor(entry);
    const { attributes: store } = this.channel.table;
    if (!built) {
      if (announced) this.channel.withdrawRoute(entry.net, entry.pathId);
      if (entry.attributes !== 0) store.release(entry.attributes);
      entry.attributes = 0;
      return;
    }
    const attributes = store.intern(built);
    const same = attributes === entry.attributes;
    if (entry.attributes !== 0) store.release(entry.attributes);
    entry.attributes = attributes;
    if (!same) this.channel.importRoute(entry.net, attributes, entry.pathId);
  }

  #attributesFor(entry: Entry): RouteAttributes | undefined {
    const { route } = entry;
    const base = {
      source: 'static' as const,
      scope: 'universe' as const,
      preference: this.channel.config.preference,
    };
    let attributes: RouteAttributes;
    if (route.via.length > 0) {
      const hops = route.via.map((via, i) => this.#nexthopFor(via, entry, i));
      entry.viaActive = hops.map((hop) => hop !== undefined);
      const usable = hops.filter((hop) => hop !== undefined);
      if (usable.length === 0) return undefined;
      const weighed = usable.length > 1 ? usable : usable.map(withoutWeight);
      attributes = { ...base, dest: 'unicast', nexthops: sortNexthops(weighed) };
    } else if (route.recursive !== undefined) {
      const found = this.#igpTable().resolveNexthop(route.recursive);
      attributes = found
        ? {
            ...base,
            dest: found.dest,
            nexthops: found.nexthops,
            ...(found.igpMetric === undefined ? {} : { igpMetric: found.igpMetric }),
          }
        : { ...base, dest: 'unreachable', nexthops: [], unresolved: true };
    } else {
      attributes = { ...base, dest: route.dest, nexthops: [] };
    }
    return route.set ? route.set.apply(attributes) : attributes;
  }

  #nexthopFor(via: StaticNexthop, entry: Entry, index: number): Nexthop | undefined {
    const { interfaces } = this.engine;
    const weight = via.weight > 1 ? { weight: via.weight } : {};
    if (via.gateway === undefined) {
      const fact = interfaces.byName(via.interface ?? '');
      if (!fact || !isUp(fact) || (this.config.checkLink && !fact.linkUp)) return undefined;
      return { interface: fact.name, ifindex: fact.ifindex, ...weight };
    }
    if (via.onlink && via.interface !== undefined) {
      const fact = interfaces.byName(via.interface);
      if (!fact || !isUp(fact)) return undefined;
      const { name, ifindex } = fact;
      return { gateway: via.gateway, interface: name, ifindex, onlink: true, ...weight };
    }
    const found = interfaces.neighbor(via.gateway, via.interface);
    if (!found || found === 'local') return undefined;
    if (this.config.checkLink && !found.interface.linkUp) return undefined;
    if (via.bfd) {
      const position = entry.route.via.slice(0, index).filter((v) => v.bfd).length;
      const client = entry.bfd[position];
      const session = client && this.engine.bfd.stateFor(client);
      const state = session && believedState(session);
      // RFC 5882 §3.2: AdminDown says nothing about the path.
      if (client && state !== 'Up' && state !== 'AdminDown') return undefined;
    }
    const { name, ifindex } = found.interface;
    return { gateway: via.gateway, interface: name, ifindex, ...weight };
  }

  #igpTable() {
    return this.config.igpTable === undefined
      ? this.channel.table
      : this.engine.table(this.config.igpTable);
  }

  #forget(entry: Entry): void {
    entry.unwatch?.();
    for (const client of entry.bfd) this.engine.bfd.release(client);
    if (entry.attributes !== 0) this.channel.table.attributes.release(entry.attributes);
    entry.attributes = 0;
    this.channel.table.prefixes.release(entry.net);
  }
}

/** True when both say the same; a hand-written comparison, because `set` holds a function. */
export function sameStaticRoute(a: StaticRoute, b: StaticRoute): boolean {
  if (a === b) return true;
  return (
    a.net === b.net &&
    a.dest === b.dest &&
    a.recursive === b.recursive &&
    a.set?.text === b.set?.text &&
    a.roa?.maxLength === b.roa?.maxLength &&
    a.roa?.asn === b.roa?.asn &&
    a.via.length === b.via.length &&
    a.via.every((via, i) => {
      const other = b.via[i]!;
      return (
        via.gateway === other.gateway &&
        via.interface === other.interface &&
        via.weight === other.weight &&
        via.onlink === other.onlink &&
        via.bfd === other.bfd
      );
    })
  );
}

function keyOf(net: string, copy: number): string {
  return `${net} ${copy}`;
}

function withoutWeight(nexthop: Nexthop): Nexthop {
  const { weight: _weight, ...rest } = nexthop;
  return rest;
}

/** A route without next hops shares its lists with all others. */
const NONE: readonly never[] = [];

/** As many changes beyond the number of configured routes are kept apart. */
const MAX_CHANGES = 1000;
