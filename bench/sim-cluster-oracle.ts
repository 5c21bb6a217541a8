// Who is who in a simulated cluster, and what its router must forward where by the oracle of simulated
// networks.

import type { IpAddress, Prefix } from '@rookery/net';
import { expectedTables } from '@rookery/testkit';
import type { EndPlan, NetworkPlan, RouterPlan, SessionPlan } from '@rookery/testkit';

export const ROUTER_AS = 64496;
export const NODE_AS = 64497;
export const ROUTER = '10.0.0.1';

export function addressOf(node: number): string {
  return `10.0.${1 + (node >> 8)}.${node & 255}`;
}

export interface Origin {
  readonly net: Prefix;
  /** Nodes that announce it. */
  readonly nodes: readonly number[];
}

/** Next hops of the router per network. */
export function expectedHops(
  nodeCount: number,
  origins: readonly Origin[],
): ReadonlyMap<Prefix, readonly IpAddress[]> {
  const nodes = Array.from({ length: nodeCount }, (_, i) => i);
  const netsOf = new Map(nodes.map((node) => [node, new Set<Prefix>()]));
  for (const { net, nodes: announcers } of origins) {
    for (const node of announcers) netsOf.get(node)!.add(net);
  }
  const plan: NetworkPlan = {
    seed: 0,
    shape: 'tree',
    addressing: 'ipv4',
    nets: origins.map(({ net }) => net),
    debug: [],
    routers: [
      router(0, ROUTER_AS, ROUTER, new Set()),
      ...nodes.map((node) => router(1 + node, NODE_AS, addressOf(node), netsOf.get(node)!)),
    ],
    sessions: nodes.map(session),
  };
  const result = expectedTables(plan);
  if (result.kind !== 'stable') throw new Error(`no stable outcome for ${result.net}`);
  return new Map(
    [...result.tables[0]!].map(([net, { equal }]) => [net, equal.map((route) => route.nextHop!)]),
  );
}

function router(index: number, asn: number, address: IpAddress, origins: Set<Prefix>): RouterPlan {
  return {
    index,
    asn,
    confederation: undefined,
    allowLocalAs: 0,
    routerId: address,
    ports: [{ interface: 'eth0', ifindex: 2, segment: 'lan', addresses: { ipv4: address } }],
    origins,
    med: 'deterministic',
    clusterId: undefined,
    extendedMessages: false,
    enhancedRefresh: true,
    mergePaths: true,
  };
}

function session(node: number): SessionPlan {
  const end = (index: number, address: IpAddress): EndPlan => ({
    router: index,
    addresses: { ipv4: address },
    interface: 'eth0',
    passive: false,
    rrClient: false,
    rsClient: false,
    keepFiltered: false,
    importTable: false,
    exportTable: false,
    gracefulRestart: 'aware',
    longLived: 'off',
    sendsPaths: false,
    takesPaths: false,
    holdTimeSec: 9,
    importRules: [],
    exportRules: index === 0 ? [{ when: {}, action: { kind: 'reject' } }] : [],
  });
  return {
    name: `node${node}`,
    segment: 'lan',
    kind: 'external',
    transport: 'ipv4',
    manyPaths: false,
    relations: [undefined, undefined],
    roles: false,
    ends: [end(0, ROUTER), end(1 + node, addressOf(node))],
  };
}
