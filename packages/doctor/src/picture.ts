// Both ends in one picture: what the live page draws and `rookery doctor` prints. A verdict as one
// sentence, each session with both ends in one row, each service with its path from the router's
// kernel to the endpoints, and the reason wherever the path breaks.

import type { IpAddress } from '@rookery/net';
import type { EndFacts, Facts, ServiceFacts } from './facts.ts';
import { type Finding, findingsFor, routeTo, sessionOfNode, sessionOfRouter } from './findings.ts';

export interface Picture {
  /** Unix milliseconds of the facts. */
  readonly atMs: number;
  readonly verdict: { readonly level: 'good' | 'degraded' | 'broken'; readonly sentence: string };
  readonly router: {
    readonly name: string;
    readonly address: IpAddress;
    readonly routerId?: IpAddress;
    readonly reachable: boolean;
  };
  readonly nodes: readonly NodePicture[];
  readonly services: readonly ServicePicture[];
  readonly findings: readonly Finding[];
}

/** One node and its session, both ends side by side. */
export interface NodePicture {
  readonly name: string;
  readonly address: IpAddress;
  /** In service: the session is up on the router's side. */
  readonly up: boolean;
  readonly router: SessionEnd | undefined;
  readonly node: SessionEnd | undefined;
}

export interface SessionEnd {
  readonly protocol: string;
  readonly state: string;
  readonly sinceMs: number;
  readonly holdTimeSec?: number;
  readonly holdRemainingSec?: number;
  readonly lastError?: string;
  readonly received: number;
  readonly sent: number;
}

export interface ServicePicture {
  readonly name: string;
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly string[];
  readonly pool?: string;
  readonly externalTrafficPolicy: 'Local' | 'Cluster';
  /** Every node, with how far a packet for this service gets through it. */
  readonly paths: readonly PathPicture[];
  readonly reachable: boolean;
  /** Why not, or why not through every node: the first finding about it. */
  readonly reason?: string;
}

export interface PathPicture {
  readonly node: string;
  readonly announced: boolean;
  /** The router holds a path through this node. */
  readonly inTable: boolean;
  /** The router's kernel sends packets this way. */
  readonly inKernel: boolean;
  readonly endpoints: number;
}

/** Draws the picture of the facts. */
export function pictureFor(facts: Facts): Picture {
  const findings = findingsFor(facts);
  const nodes = facts.nodes.map((node) => nodePicture(node, facts));
  const services = facts.services.map((service) => servicePicture(service, facts, findings));
  return {
    atMs: facts.atMs,
    verdict: verdictFor(nodes, services, findings),
    router: {
      name: facts.router.name,
      address: facts.router.address,
      reachable: facts.router.reachable,
      ...(facts.router.routerId === undefined ? {} : { routerId: facts.router.routerId }),
    },
    nodes,
    services,
    findings,
  };
}

function nodePicture(node: EndFacts, facts: Facts): NodePicture {
  const router = sessionOfRouter(facts, node);
  return {
    name: node.name,
    address: node.address,
    up: router?.state === 'Established',
    router,
    node: sessionOfNode(facts, node),
  };
}

function servicePicture(
  service: ServiceFacts,
  facts: Facts,
  findings: readonly Finding[],
): ServicePicture {
  const routes = service.addresses.map((address) => routeTo(facts.router, address));
  const uses = (node: EndFacts, where: 'paths' | 'kernel'): boolean =>
    routes.some((route) => route?.[where].includes(node.address) ?? false);
  const paths = facts.nodes.map((node): PathPicture => ({
    node: node.name,
    announced: service.announcedBy.includes(node.name),
    inTable: uses(node, 'paths'),
    inKernel: uses(node, 'kernel'),
    endpoints: service.endpoints[node.name] ?? 0,
  }));
  const reason = findings.find((finding) => finding.subject === service.name)?.text;
  return {
    name: service.name,
    addresses: service.addresses,
    ports: service.ports,
    externalTrafficPolicy: service.externalTrafficPolicy,
    paths,
    reachable: paths.some((path) => path.inKernel),
    ...(service.pool === undefined ? {} : { pool: service.pool }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function verdictFor(
  nodes: readonly NodePicture[],
  services: readonly ServicePicture[],
  findings: readonly Finding[],
): Picture['verdict'] {
  const unreachable = services.filter((service) => !service.reachable);
  const down = nodes.filter((node) => !node.up);
  if (services.length > 0 && unreachable.length > 0) {
    const names = unreachable.map((service) => service.name).join(', ');
    const first = findings[0];
    return {
      level: 'broken',
      sentence: `${names} cannot be reached.${first ? ` ${first.text}` : ''}`,
    };
  }
  if (down.length > 0) {
    const names = down.map((node) => node.name).join(', ');
    const rest = nodes.length - down.length;
    return {
      level: rest === 0 ? 'broken' : 'degraded',
      sentence:
        rest === 0
          ? `No node has a session with the router. ${findings[0]?.text ?? ''}`.trim()
          : `${names} ${down.length === 1 ? 'is' : 'are'} out of service; ${plural(rest, 'node')} ${rest === 1 ? 'carries' : 'carry'} the traffic.`,
    };
  }
  const risks = findings.length;
  const reach =
    services.length === 0
      ? `${plural(nodes.length, 'session')} up, no service yet.`
      : `${plural(services.length, 'service')} reachable through ${plural(nodes.length, 'node')}.`;
  return risks === 0
    ? { level: 'good', sentence: reach }
    : { level: 'degraded', sentence: `${reach} ${plural(risks, 'finding')} to look at.` };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
