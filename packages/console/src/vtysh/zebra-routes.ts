// Routes as FRR's zebra would list them: connected networks from the addresses of interfaces that
// are up (the kernel has no route for a /32 address), everything else from the kernel's main
// table, with the protocol letter that its origin deserves.

import { networkOf } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { InterfaceView, KernelRouteView } from '@rookery/router';
import { comparePrefixes } from './bgp-paths.ts';
import type { VtyContext } from './context.ts';

export type ZebraProtocol = 'kernel' | 'connected' | 'static' | 'bgp';

export interface ZebraRoute {
  readonly net: Prefix;
  readonly protocol: ZebraProtocol;
  readonly distance: number;
  readonly metric: number;
  readonly selected: boolean;
  readonly sinceMs: number;
  readonly nexthops: readonly ZebraNexthop[];
  /** A route that drops: "unreachable (blackhole)" and so on. */
  readonly drop: string | undefined;
  readonly nexthopId: number;
}

export interface ZebraNexthop {
  readonly gateway: IpAddress | undefined;
  readonly interface: string;
  readonly ifindex: number;
  readonly source: IpAddress | undefined;
  readonly weight: number;
  readonly onlink: boolean;
}

/** Sorted by prefix; of several routes to one prefix the selected one comes last. */
export function zebraRoutes(context: VtyContext, family: Family): readonly ZebraRoute[] {
  const connected = connectedRoutes(context.view.interfaces(), family);
  const known = new Set(connected.map((route) => route.net));
  const others = context.view
    .kernelRoutes(family)
    .filter((k) => !isConnectedCopy(k, known))
    .map((k) => kernelRoute(k));
  const all = [...connected, ...others].toSorted((a, b) => comparePrefixes(a.net, b.net));
  return all.map((route, i) => ({ ...route, selected: isSelected(all, i) }));
}

/** Networks of addresses on interfaces that are up; loopback's own network is left out. */
function connectedRoutes(interfaces: readonly InterfaceView[], family: Family): ZebraRoute[] {
  const routes: ZebraRoute[] = [];
  // Highest index first, so that the lowest is last and thus selected, as zebra does.
  for (const iface of interfaces.toSorted((a, b) => b.ifindex - a.ifindex)) {
    if (!iface.adminUp || !iface.linkUp) continue;
    for (const { address, length, opposite } of iface.addresses) {
      if (address.includes(':') !== (family === 'ipv6')) continue;
      if (address.startsWith('127.') || address === '::1') continue;
      routes.push({
        net: networkOf(opposite ?? address, length),
        protocol: 'connected',
        distance: 0,
        metric: 0,
        selected: true,
        sinceMs: iface.sinceMs,
        nexthops: [
          {
            gateway: undefined,
            interface: iface.name,
            ifindex: iface.ifindex,
            source: undefined,
            weight: 1,
            onlink: false,
          },
        ],
        drop: undefined,
        nexthopId: 0,
      });
    }
  }
  return routes;
}

/** rtm_protocol 2 is the kernel's own copy of an address's network; other tables are not shown. */
function isConnectedCopy({ route }: KernelRouteView, known: ReadonlySet<Prefix>): boolean {
  return route.protocol === 2 && (known.has(route.net) || route.scope === 253);
}

const DISTANCES = { bgp: 20, static: 1, kernel: 0 } as const;
const DROPS = {
  unicast: undefined,
  blackhole: 'unreachable (blackhole)',
  unreachable: 'unreachable (ICMP unreachable)',
  prohibit: 'unreachable (ICMP admin-prohibited)',
} as const;

function kernelRoute({ route, sinceMs, ours }: KernelRouteView): ZebraRoute {
  const protocol = ours === 'bgp' || ours === 'static' ? ours : 'kernel';
  return {
    net: route.net,
    protocol,
    distance: DISTANCES[protocol],
    metric: protocol === 'kernel' ? route.metric : 0,
    selected: true,
    sinceMs,
    nexthops: route.nexthops.map((hop) => ({
      gateway: hop.gateway,
      interface: hop.interface ?? `ifindex ${hop.ifindex}`,
      ifindex: hop.ifindex,
      source: route.prefsrc,
      weight: hop.weight ?? 1,
      onlink: hop.onlink === true,
    })),
    drop: DROPS[route.dest],
    nexthopId: route.nexthopId ?? 0,
  };
}

/** The lowest distance, then metric; among equals the last one. */
function isSelected(all: readonly ZebraRoute[], index: number): boolean {
  const own = all[index]!;
  return all.every((other, i) => {
    if (other.net !== own.net || i === index) return true;
    const difference = other.distance - own.distance || other.metric - own.metric;
    return difference > 0 || (difference === 0 && i < index);
  });
}
