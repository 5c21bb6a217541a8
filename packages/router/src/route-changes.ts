// Single routes of static protocols in the place of others. For a front end that knows what differs
// (a speaker whose services come and go) this says at the cost of one route what a whole
// configuration would say; `withRouteChanges` is that configuration.

import type { RouterConfig, StaticRoute } from './config.ts';

export interface RouteChange {
  /** Name of a static protocol. */
  readonly protocol: string;
  readonly net: string;
  /** In the place of every route to `net`; absent: none. */
  readonly route?: StaticRoute;
}

/** The configuration that is in force when the changes are. */
export function withRouteChanges(
  config: RouterConfig,
  changes: readonly RouteChange[],
): RouterConfig {
  const protocols = config.protocols.map((protocol) => {
    if (protocol.kind !== 'static') return protocol;
    const own = changes.filter((change) => change.protocol === protocol.name);
    if (own.length === 0) return protocol;
    const byNet = new Map(own.map(({ net, route }) => [net, route]));
    return { ...protocol, routes: routesWith(protocol.routes, byNet) };
  });
  return { ...config, protocols };
}

export function routesWith(
  routes: readonly StaticRoute[],
  changes: ReadonlyMap<string, StaticRoute | undefined>,
): readonly StaticRoute[] {
  const kept = routes.filter((route) => !changes.has(route.net));
  return [...kept, ...[...changes.values()].filter((route) => route !== undefined)];
}
