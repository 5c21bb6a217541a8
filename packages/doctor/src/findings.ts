// What is wrong, why, and what cures it. Each finding has a stable id, the evidence from both ends
// and a fix that can be pasted. Findings are pure functions of the facts: the same facts, the same
// findings, in order of how much they hurt.

import type { IpAddress } from '@rookery/net';
import { prefixContains } from '@rookery/net';
import type { EndFacts, Facts, RouteFacts, ServiceFacts, SessionFacts } from './facts.ts';

export type Severity = 'broken' | 'degraded' | 'risk';

export interface Finding {
  /** Stable: area.problem. */
  readonly id: string;
  readonly severity: Severity;
  /** What it is about: "node2", "default/web", "br-lan". */
  readonly subject: string;
  /** One sentence with the evidence. */
  readonly text: string;
  /** What to do, as a command or a line of configuration. */
  readonly fix: string;
}

/** All findings, worst first. */
export function findingsFor(facts: Facts): readonly Finding[] {
  const findings = [
    ...unreachableEnds(facts),
    ...routerListens(facts),
    ...facts.nodes.flatMap((node) => sessionFindings(node, facts)),
    ...facts.services.flatMap((service) => serviceFindings(service, facts)),
    ...redirectFindings(facts),
  ];
  return findings.sort((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity));
}

/** The node's session with the router as the router sees it. */
export function sessionOfRouter(facts: Facts, node: EndFacts): SessionFacts | undefined {
  return facts.router.sessions.find((session) => session.neighbor === node.address);
}

/** The same session as the node sees it. */
export function sessionOfNode(facts: Facts, node: EndFacts): SessionFacts | undefined {
  return node.sessions.find((session) => session.neighbor === facts.router.address);
}

const WORST_FIRST: readonly Severity[] = ['broken', 'degraded', 'risk'];

function unreachableEnds({ router, nodes }: Facts): readonly Finding[] {
  return [router, ...nodes]
    .filter((end) => !end.reachable)
    .map((end) => ({
      id: 'end.unreachable',
      severity: end === router ? ('broken' as const) : ('degraded' as const),
      subject: end.name,
      text: `${end.name} does not answer on its control socket.`,
      fix: `See whether the daemon runs on ${end.name}, and its log.`,
    }));
}

function routerListens({ router }: Facts): readonly Finding[] {
  if (!router.reachable || router.knowsInterfaces) return [];
  return [
    {
      id: 'router.no-device',
      severity: 'broken',
      subject: router.name,
      text: 'The router knows no interface: its configuration has no device protocol, so no neighbor is ever found and nothing listens on port 179.',
      fix: 'Add to bird.conf:  protocol device { }',
    },
  ];
}

function sessionFindings(node: EndFacts, facts: Facts): readonly Finding[] {
  const ours = sessionOfRouter(facts, node);
  const theirs = sessionOfNode(facts, node);
  if (facts.router.reachable && !ours) {
    const as = theirs?.localAs ?? 'ASN';
    return [
      {
        id: 'session.unknown-peer',
        severity: 'degraded',
        subject: node.name,
        text: `The router has no neighbor for ${node.name} (${node.address}); it turns that node away.`,
        fix: `Add to bird.conf:  protocol bgp ${node.name} from metallb { neighbor ${node.address} as ${as}; }`,
      },
    ];
  }
  if (ours && ours.state !== 'Established') return [sessionDown(node, ours, theirs)];
  if (ours?.holdTimeSec === 0 && ours.bfd !== 'Up') {
    return [
      {
        id: 'session.hold-zero',
        severity: 'risk',
        subject: node.name,
        text: `The session with ${node.name} has hold time 0 and no BFD: a dead node would keep its share of the traffic for ever.`,
        fix: 'Set holdTime on the BGPPeer, e.g. 9s, or a bfdProfile on both ends.',
      },
    ];
  }
  return [];
}

function sessionDown(
  node: EndFacts,
  ours: SessionFacts,
  theirs: SessionFacts | undefined,
): Finding {
  const router = `router: ${ours.state}${ours.lastError ? ` (${ours.lastError})` : ''}`;
  const remote = theirs
    ? `${node.name}: ${theirs.state}${theirs.lastError ? ` (${theirs.lastError})` : ''}`
    : `${node.name}: no session configured`;
  const [id, fix] = diagnoseDown(node, ours, theirs);
  return {
    id,
    severity: 'degraded',
    subject: node.name,
    text: `Session down. ${router}; ${remote}.`,
    fix,
  };
}

function diagnoseDown(
  node: EndFacts,
  ours: SessionFacts,
  theirs: SessionFacts | undefined,
): readonly [id: string, fix: string] {
  const errors = `${ours.lastError ?? ''} ${theirs?.lastError ?? ''}`;
  if (/Link down/i.test(theirs?.lastError ?? '')) {
    return [
      'session.node-cut-off',
      `${node.name} itself says that its link is down: see its cable and switch port.`,
    ];
  }
  if (/Hold timer expired|BFD session down/i.test(errors)) {
    return [
      'session.node-silent',
      `${node.name} stopped talking: see whether it has power and a link.`,
    ];
  }
  if (/Bad peer AS/i.test(errors) || (theirs && theirs.localAs !== ours.neighborAs)) {
    return [
      'session.bad-as',
      `The router expects AS ${ours.neighborAs}, ${node.name} is AS ${theirs?.localAs ?? 'unknown'}: make bird.conf and BGPPeer agree.`,
    ];
  }
  if (!theirs) {
    return [
      'session.no-bgppeer',
      `Create a BGPPeer with peerAddress of the router that selects ${node.name}.`,
    ];
  }
  return [
    'session.down',
    `Compare both ends: birdc show protocols all ${ours.protocol}; vtysh -c "show bgp neighbors".`,
  ];
}

function serviceFindings(service: ServiceFacts, facts: Facts): readonly Finding[] {
  if (service.addresses.length === 0) {
    return [
      {
        id: 'service.no-address',
        severity: 'broken',
        subject: service.name,
        text: service.allocationError ?? `${service.name} has no address yet.`,
        fix: 'Check the pools (autoAssign, free addresses, serviceAllocation) and the annotation metallb.io/address-pool.',
      },
    ];
  }
  if (Object.values(service.endpoints).every((count) => count === 0)) {
    return [
      {
        id: 'service.no-endpoints',
        severity: 'broken',
        subject: service.name,
        text: `${service.name} has an address but no ready endpoint.`,
        fix: 'kubectl get endpointslices and the pods behind the selector.',
      },
    ];
  }
  if (service.announcedBy.length === 0) {
    return [
      {
        id: 'service.not-announced',
        severity: 'broken',
        subject: service.name,
        text: `${service.name} has ${service.addresses.join(', ')} but no node announces it.`,
        fix: `Create a BGPAdvertisement that names the pool ${service.pool ?? ''}.`,
      },
    ];
  }
  return service.addresses.flatMap((address) => addressFindings(service, address, facts));
}

function addressFindings(
  service: ServiceFacts,
  address: IpAddress,
  facts: Facts,
): readonly Finding[] {
  if (!facts.router.reachable) return [];
  const route = routeTo(facts.router, address);
  if (!route || route.paths.length === 0) {
    return [
      {
        id: 'route.not-received',
        severity: 'broken',
        subject: service.name,
        text: `${address} is announced by ${service.announcedBy.join(', ')} but the router has no route to it.`,
        fix: 'See the sessions above, and the import filter: birdc show route filtered.',
      },
    ];
  }
  if (route.kernel.length === 0) {
    return [
      {
        id: 'kernel.not-installed',
        severity: 'broken',
        subject: service.name,
        text: `The router knows ${route.paths.length} path(s) to ${address}, its kernel has none: packets go nowhere.`,
        fix: 'In bird.conf, protocol kernel, ipv4 channel:  export all;',
      },
    ];
  }
  if (route.paths.length > route.kernel.length) {
    return [
      {
        id: 'kernel.single-nexthop',
        severity: 'risk',
        subject: service.name,
        text: `${route.paths.length} nodes offer ${address}, the kernel uses ${route.kernel.join(', ')}: the others carry nothing.`,
        fix: 'In bird.conf, protocol kernel:  merge paths on;',
      },
    ];
  }
  return [];
}

/** A client on the nodes' own wire is redirected to one node and keeps it, dead or alive. */
function redirectFindings({ router, nodes }: Facts): readonly Finding[] {
  return router.redirects
    .filter(({ networks }) =>
      nodes.some((node) => networks.some((network) => prefixContains(network, node.address))),
    )
    .map((link) => ({
      id: 'path.redirects',
      severity: 'risk' as const,
      subject: link.interface,
      text: `Clients on ${link.interface} share a subnet with the nodes and ICMP redirects are on: such a client pins itself to one node for 300 s, even a dead one.`,
      fix: `sysctl -w net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.${link.interface}.send_redirects=0`,
    }));
}

/** The route of exactly this address. */
export function routeTo(end: EndFacts, address: IpAddress): RouteFacts | undefined {
  const suffix = address.includes(':') ? '/128' : '/32';
  return end.routes.find((route) => route.prefix === address + suffix);
}
