// The kernel's routing tables as a routing daemon sees them through netlink: exclusive create,
// replace, delete, scan, routes that vanish with their interface, and other programs that own
// routes of their own. Not a forwarding plane; `lookup` only says which route would be used.

import { parsePrefix, prefixContains } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { InterfaceFact, KernelRoute, PlatformError } from '@rookery/router';

export class FakeFib {
  readonly #routes = new Map<string, KernelRoute>();
  readonly #interfaces: () => readonly InterfaceFact[];

  constructor(interfaces: () => readonly InterfaceFact[]) {
    this.#interfaces = interfaces;
  }

  /** RTM_NEWROUTE; `undefined` when it worked, the kernel's error otherwise. */
  install(route: KernelRoute, replace: boolean): PlatformError | undefined {
    const key = keyOf(route);
    if (this.#routes.has(key) && !replace) return failure('EEXIST', 'File exists');
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
    const found = this.#routes.get(key);
    if (!found || found.protocol !== route.protocol) return failure('ESRCH', 'No such process');
    this.#routes.delete(key);
    return undefined;
  }

  scan(table: number, family: Family): readonly KernelRoute[] {
    return this.all().filter((r) => r.table === table && r.family === family);
  }

  all(): readonly KernelRoute[] {
    return [...this.#routes.values()];
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
    for (const [key, route] of this.#routes) {
      if (route.nexthops.some((n) => n.ifindex === ifindex)) this.#routes.delete(key);
    }
  }

  /** Longest prefix first, then lowest metric. */
  lookup(address: IpAddress): KernelRoute | undefined {
    let best: KernelRoute | undefined;
    for (const route of this.#routes.values()) {
      if (!prefixContains(route.net, address)) continue;
      if (!best || betterFor(route, best)) best = route;
    }
    return best;
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
