// Which endpoints of a service take traffic, anywhere and on one node. `ready` absent counts as
// ready; a terminating endpoint that still serves counts too. An address listed more than once is
// healthy when one of its entries is.

import type { Endpoint, EndpointSlice } from './kubernetes.ts';

/** True when the endpoint takes traffic. */
export function isServing(endpoint: Endpoint): boolean {
  return endpoint.ready !== false || endpoint.serving === true;
}

/** True when some endpoint takes traffic; with `nodeName` only endpoints of that node count. */
export function hasServingEndpoint(slices: readonly EndpointSlice[], nodeName?: string): boolean {
  return slices.some((slice) =>
    slice.endpoints.some(
      (endpoint) =>
        (nodeName === undefined || endpoint.nodeName === nodeName) && isServing(endpoint),
    ),
  );
}

/** How many distinct addresses take traffic on this node. */
export function countServingEndpoints(slices: readonly EndpointSlice[], nodeName: string): number {
  const addresses = new Set<string>();
  for (const endpoint of slices.flatMap((slice) => slice.endpoints)) {
    if (endpoint.nodeName !== nodeName || !isServing(endpoint)) continue;
    for (const address of endpoint.addresses) addresses.add(address);
  }
  return addresses.size;
}
