// Between our routes and the kernel's: what a route of ours looks like there, whether what the
// kernel has is what we want, and which routes of the kernel are none of our business. Behaviour
// as in bird.md §6.

import { isLinkLocal } from '@rookery/net';
import type { Family } from '@rookery/net';
import type { Nexthop, RouteAttributes } from '@rookery/rib';
import type { KernelNexthop, KernelRoute, KernelRouteShape } from './io.ts';

/** rtm_protocol of routes that we install: `bird`, so that either daemon adopts the other's. */
export const PROTOCOL_BIRD = 12;
export const PROTOCOL_REDIRECT = 1;
export const PROTOCOL_KERNEL = 2;
const SCOPE_LINK = 253;
/** The kernel's own metric for IPv6 routes that name none. */
const DEFAULT_IPV6_METRIC = 1024;

/** Routes as they go into kernel table `table`; `metric` 0 takes the route's own. */
export function kernelShapeFor(
  family: Family,
  attributes: RouteAttributes,
  target: { readonly table: number; readonly metric: number },
): KernelRouteShape {
  const own = attributes.kernel;
  const direct = family === 'ipv4' && attributes.nexthops.some((n) => n.gateway === undefined);
  return {
    family,
    table: target.table,
    protocol: PROTOCOL_BIRD,
    metric: metricOf(family, attributes, target.metric),
    dest: attributes.dest,
    scope: attributes.dest === 'unicast' && direct ? SCOPE_LINK : 0,
    nexthops: attributes.nexthops,
    ...(own?.prefsrc === undefined ? {} : { prefsrc: own.prefsrc }),
    ...(own?.realm === undefined ? {} : { realm: own.realm }),
    ...(own?.metrics === undefined ? {} : { metrics: own.metrics }),
  };
}

/** `metric` of the protocol, or with 0 `krt_metric` of the route, or the kernel's default. */
export function metricOf(family: Family, attributes: RouteAttributes, metric: number): number {
  if (metric !== 0) return metric;
  return attributes.kernel?.metric ?? (family === 'ipv6' ? DEFAULT_IPV6_METRIC : 0);
}

/**
 * True when packets fare the same with what the kernel has as with what we want. Who knows the
 * `nexthopsKey` of either spares its making.
 */
export function sameInKernel(
  wanted: KernelRouteShape,
  found: KernelRouteShape,
  wantedNexthops = nexthopsKey(wanted.nexthops),
  foundNexthops = nexthopsKey(found.nexthops),
): boolean {
  if (wanted.dest !== found.dest) return false;
  if (wanted.prefsrc !== undefined && wanted.prefsrc !== found.prefsrc) return false;
  if ((wanted.realm ?? 0) !== (found.realm ?? 0)) return false;
  for (const [name, value] of Object.entries(wanted.metrics ?? {})) {
    if (found.metrics?.[name] !== value) return false;
  }
  return wanted.dest !== 'unicast' || wantedNexthops === foundNexthops;
}

/** Multicast, loopback and link-local networks, other TOS and cloned routes: skipped silently. */
export function isOfNoInterest(route: KernelRoute): boolean {
  if ((route.tos ?? 0) !== 0) return true;
  const address = route.net.slice(0, route.net.indexOf('/'));
  if (route.family === 'ipv6') {
    return isLinkLocal(address) || address.startsWith('ff') || route.net === '::1/128';
  }
  const first = Number.parseInt(route.net, 10);
  return first === 127 || (first >= 224 && first <= 239);
}

/** Next hops in the order that makes equal sets equal: by gateway text, then interface. */
export function sortNexthops(nexthops: readonly Nexthop[]): readonly Nexthop[] {
  return nexthops.toSorted((a, b) => compareText(nexthopKey(a), nexthopKey(b)));
}

/** Identity of a next hop within a route, without its weight. */
export function nexthopKey(nexthop: KernelNexthop): string {
  return `${gatewayKey(nexthop.gateway)} ${nexthop.ifindex}`;
}

/** Identity of a set of next hops: in any order, with the weights where there is a choice. */
export function nexthopsKey(nexthops: readonly KernelNexthop[]): string {
  const weigh = (hop: KernelNexthop): string =>
    `${nexthopKey(hop)} ${nexthops.length > 1 ? (hop.weight ?? 1) : 1} ${hop.onlink ?? false}`;
  return nexthops.map(weigh).toSorted().join();
}

/** Numeric order for IPv4 as text: every octet three digits wide. */
function gatewayKey(gateway: string | undefined): string {
  if (gateway === undefined) return '';
  if (gateway.includes(':')) return gateway;
  return gateway
    .split('.')
    .map((octet) => octet.padStart(3, '0'))
    .join('.');
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
