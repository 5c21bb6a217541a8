// The kernel's main table as a speaker sees it: for `show ip route` only. A speaker runs no kernel
// protocol, so that it never installs, replaces or prunes anything on a node that is not its own.

import type { Family } from '@rookery/net';
import type { Fact, KernelRoute, KernelRouteView, Order } from '@rookery/router';

const MAIN_TABLE = 254;
const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];

export class KernelWatch {
  readonly #routes: Record<Family, Map<string, KernelRouteView>> = {
    ipv4: new Map(),
    ipv6: new Map(),
  };

  /** Orders that bring the whole table. */
  scan(): readonly Order[] {
    return FAMILIES.map((family) => ({ kind: 'scanKernel', table: MAIN_TABLE, family }));
  }

  /** Takes in what concerns the table; true when it has to be scanned again. */
  observe(fact: Fact, nowMs: number): boolean {
    switch (fact.kind) {
      case 'kernelScanned': {
        if (fact.table !== MAIN_TABLE) return false;
        const before = this.#routes[fact.family];
        const after = new Map<string, KernelRouteView>();
        for (const route of fact.routes) {
          const key = keyOf(route);
          after.set(key, { route, sinceMs: before.get(key)?.sinceMs ?? nowMs });
        }
        this.#routes[fact.family] = after;
        return false;
      }
      case 'kernelRouteChanged': {
        const { route, change } = fact;
        if (route.table !== MAIN_TABLE) return false;
        const routes = this.#routes[route.family];
        if (change === 'new') routes.set(keyOf(route), { route, sinceMs: nowMs });
        else routes.delete(keyOf(route));
        return false;
      }
      case 'kernelOverrun':
        return true;
      default:
        return false;
    }
  }

  routes(family: Family): readonly KernelRouteView[] {
    return [...this.#routes[family].values()];
  }
}

function keyOf(route: KernelRoute): string {
  return `${route.net} ${route.metric} ${route.tos ?? 0} ${route.protocol}`;
}
