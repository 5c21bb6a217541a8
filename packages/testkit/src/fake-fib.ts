// The kernel's routing tables as a routing daemon sees them through netlink: exclusive create,
// replace, delete, scan, next hop objects and groups of them, routes and objects that vanish with
// their interface, and other programs that own routes of their own. Not a forwarding plane; `lookup`
// only says which route would be used.

import { parsePrefix, prefixContains } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type {
  InterfaceFact,
  KernelNexthop,
  KernelNexthopObject,
  KernelRoute,
  PlatformError,
} from '@rookery/router';

export class FakeFib {
  /** False: a kernel that was built without next hop objects. */
  hasNexthops = true;
  /** Changes of routes since the start. */
  changes = 0;
  readonly #routes = new Map<string, KernelRoute>();
  readonly #nexthops = new Map<number, KernelNexthopObject>();
  readonly #interfaces: () => readonly InterfaceFact[];

  constructor(interfaces: () => readonly InterfaceFact[]) {
    this.#interfaces = interfaces;
  }

  /** RTM_NEWROUTE; `undefined` when it worked, the kernel's error otherwise. */
  install(route: KernelRoute, replace: boolean): PlatformError | undefined {
    const key = keyOf(route);
    this.changes++;
    if (this.#routes.has(key) && !replace) return failure('EEXIST', 'File exists');
    if (route.nexthopId !== undefined) {
      if (!this.#nexthops.has(route.nexthopId)) return failure('EINVAL', 'Invalid argument');
      this.#routes.set(key, route);
      return undefined;
    }
    for (const nexthop of route.nexthops) {
      const fact = this.#interfaces().find((i) => i.ifindex === nexthop.ifindex);
      if (!fact) return failure('ENODEV', 'No such device');
      if (!fact.adminUp) return failure('ENETDOWN', 'Network is down');
    }
    if (route.dest === 'unicast' && route.nexthops.length === 0) {
      return failure('EINVAL', 'Invalid argument');
    }
    this.#routes.set(key, route);
    return undefined;
  }

  /** RTM_DELROUTE of exactly this network, metric and owner. */
  remove(route: KernelRoute): PlatformError | undefined {
    const key = keyOf(route);
    this.changes++;
    const found = this.#routes.get(key);
    if (!found || found.protocol !== route.protocol) return failure('ESRCH', 'No such process');
    this.#routes.delete(key);
    return undefined;
  }

  /** RTM_NEWNEXTHOP, exclusive. */
  addNexthop(object: KernelNexthopObject): PlatformError | undefined {
    if (!this.hasNexthops) return failure('EOPNOTSUPP', 'Operation not supported');
    if (this.#nexthops.has(object.id)) return failure('EEXIST', 'File exists');
    const link = this.#interfaces().find((i) => i.ifindex === object.hop?.ifindex);
    if (object.hop && !link?.linkUp) return failure('ENETDOWN', 'Network is down');
    for (const { id } of object.members ?? []) {
      if (!this.#nexthops.get(id)?.hop) return failure('EINVAL', 'Invalid argument');
    }
    this.#nexthops.set(object.id, object);
    return undefined;
  }

  /** RTM_DELNEXTHOP: groups go on without it, routes that have nothing else are flushed. */
  removeNexthop(id: number): PlatformError | undefined {
    if (!this.#nexthops.delete(id)) return failure('ENOENT', 'No such file or directory');
    for (const [key, route] of this.#routes) if (route.nexthopId === id) this.#routes.delete(key);
    for (const group of [...this.#nexthops.values()]) {
      const members = group.members?.filter((member) => member.id !== id);
      if (!members || members.length === group.members!.length) continue;
      if (members.length === 0) this.removeNexthop(group.id);
      else this.#nexthops.set(group.id, { ...group, members });
    }
    return undefined;
  }

  nexthops(): readonly KernelNexthopObject[] {
    return [...this.#nexthops.values()];
  }

  scan(table: number, family: Family): readonly KernelRoute[] {
    return this.all().filter((r) => r.table === table && r.family === family);
  }

  /** Routes with the next hops that they stand for now. */
  all(): readonly KernelRoute[] {
    return Array.from(this.#routes.values(), (route) =>
      route.nexthopId === undefined ? route : { ...route, nexthops: this.#hopsOf(route.nexthopId) },
    );
  }

  /** Routes of one owner, by default rtm_protocol 12 (bird), as "NET via GW[,GW] metric N". */
  owned(protocol = 12): readonly string[] {
    return this.all()
      .filter((r) => r.protocol === protocol)
      .map(
        (r) =>
          `${r.net} ${r.dest === 'unicast' ? `via ${r.nexthops.map((n) => n.gateway ?? n.interface).join(',')}` : r.dest} metric ${r.metric}`,
      )
      .toSorted();
  }

  /** The kernel flushes routes through an interface that goes down, without telling IPv4 users. */
  interfaceDown(ifindex: number): void {
    this.linkDown(ifindex);
    for (const [key, route] of this.#routes) {
      if (route.nexthops.some((n) => n.ifindex === ifindex)) this.#routes.delete(key);
    }
  }

  /** Without a carrier next hop objects are deleted, and nobody is told. */
  linkDown(ifindex: number): void {
    for (const { id, hop } of [...this.#nexthops.values()]) {
      if (hop?.ifindex === ifindex) this.removeNexthop(id);
    }
  }

  /** Longest prefix first, then lowest metric. */
  lookup(address: IpAddress): KernelRoute | undefined {
    let best: KernelRoute | undefined;
    for (const route of this.all()) {
      if (!prefixContains(route.net, address)) continue;
      if (!best || betterFor(route, best)) best = route;
    }
    return best;
  }

  #hopsOf(id: number): readonly KernelNexthop[] {
    const { hop, members = [] } = this.#nexthops.get(id)!;
    if (hop) return [hop];
    return members.map((member) => {
      const { hop: one } = this.#nexthops.get(member.id)!;
      return member.weight === 1 ? one! : { ...one!, weight: member.weight };
    });
  }
}

function betterFor(a: KernelRoute, b: KernelRoute): boolean {
  const byLength = parsePrefix(a.net)!.length - parsePrefix(b.net)!.length;
  return byLength !== 0 ? byLength > 0 : a.metric < b.metric;
}

function keyOf(route: KernelRoute): string {
  return `${route.family} ${route.table} ${route.net} ${route.metric} ${route.tos ?? 0}`;
}

function failure(code: string, message: string): PlatformError {
  return { operation: 'netlink', code, message };
}
