// Gathers what the doctor compares: the control state of the router and of every speaker, and what
// the cluster wants. An end that does not answer within a moment is reported as unreachable.

import { request } from 'node:http';
import type { ControlState, SessionState } from '@rookery/console';
import type { EndFacts, Facts, ServiceFacts, SessionFacts } from '@rookery/doctor';
import type { KubeObject } from '@rookery/kube-embedded';
import { networkOf } from '@rookery/net';
import type { Lab } from './lab.ts';
import { NODES, ROUTER_LAN } from './topology.ts';

const ANSWER_WITHIN_MS = 1000;
const ALLOCATION_FAILED = 'AllocationFailed';

/** Asks all ends at once. */
export async function gatherFacts(lab: Lab): Promise<Facts> {
  const [router, ...nodes] = await Promise.all([
    askState(lab.router.controlSocket),
    ...NODES.map((node) => askState(lab.node(node.name).controlSocket)),
  ]);
  const states = NODES.map((node, i) => ({ node, state: nodes[i] }));
  return {
    atMs: Date.now(),
    router: endFacts('router', ROUTER_LAN, router),
    nodes: states.map(({ node, state }) => endFacts(node.name, node.address, state)),
    services: (lab.cluster?.list('Service') ?? []).flatMap((service) =>
      serviceFacts(lab, service, states),
    ),
  };
}

/** GET /v1/state on a Unix socket; `undefined` when it does not answer. */
export function askState(socketPath: string | undefined): Promise<ControlState | undefined> {
  if (socketPath === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const req = request(
      { socketPath, path: '/v1/state', timeout: ANSWER_WITHIN_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve(JSON.parse(text) as ControlState));
        response.on('error', () => resolve(undefined));
      },
    );
    req.on('timeout', () => req.destroy());
    req.on('error', () => resolve(undefined));
    req.end();
  });
}

function endFacts(name: string, address: string, state: ControlState | undefined): EndFacts {
  if (!state) {
    return {
      name,
      address,
      reachable: false,
      knowsInterfaces: false,
      sessions: [],
      routes: [],
      redirects: [],
    };
  }
  const kernel = new Map(state.kernel.map((route) => [route.net, route.gateways]));
  const isHostRoute = (net: string): boolean => net.endsWith(net.includes(':') ? '/128' : '/32');
  return {
    name,
    address,
    reachable: true,
    routerId: state.routerId,
    knowsInterfaces: state.protocols.some((p) => p.kind === 'device' && p.state === 'up'),
    sessions: state.sessions.flatMap((session) => sessionFacts(session, state.atMs)),
    routes: state.networks
      .filter(({ net }) => isHostRoute(net))
      .map(({ net, routes }) => ({
        prefix: net,
        paths: routes.filter((route) => !route.unresolved).flatMap((route) => route.gateways),
        kernel: kernel.get(net) ?? [],
      })),
    redirects: state.interfaces
      .filter((link) => link.sendRedirects === true)
      .map((link) => ({
        interface: link.name,
        networks: link.addresses.map((cidr) => {
          const [host = '', length = ''] = cidr.split('/');
          return networkOf(host, Number(length));
        }),
      })),
  };
}

function sessionFacts(session: SessionState, atMs: number): readonly SessionFacts[] {
  if (session.neighbor === undefined) return [];
  const { holdTimeSec, holdDueMs, lastError, bfd } = session;
  return [
    {
      protocol: session.protocol,
      neighbor: session.neighbor,
      neighborAs: session.neighborAs,
      localAs: session.localAs,
      state: session.state,
      sinceMs: session.sinceMs,
      received: session.receivedPrefixes,
      sent: session.sentPrefixes,
      ...(holdTimeSec === undefined ? {} : { holdTimeSec }),
      ...(holdDueMs === undefined
        ? {}
        : { holdRemainingSec: Math.max(0, holdDueMs - atMs) / 1000 }),
      ...(lastError === undefined ? {} : { lastError }),
      ...(bfd === undefined ? {} : { bfd }),
    },
  ];
}

interface ServiceShape {
  readonly spec?: {
    readonly type?: string;
    readonly externalTrafficPolicy?: 'Local' | 'Cluster';
    readonly ports?: readonly { readonly port: number; readonly protocol?: string }[];
    readonly selector?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] };
  };
}

function serviceFacts(
  lab: Lab,
  object: KubeObject,
  states: readonly {
    readonly node: (typeof NODES)[number];
    readonly state: ControlState | undefined;
  }[],
): readonly ServiceFacts[] {
  const { spec, status } = object as unknown as ServiceShape;
  if (spec?.type !== 'LoadBalancer') return [];
  const namespace = object.metadata.namespace ?? 'default';
  const serviceName = object.metadata.name ?? '';
  const name = `${namespace}/${serviceName}`;
  const pool = object.metadata.annotations?.['metallb.io/ip-allocated-from-pool'];
  const failure = lab
    .cluster!.events({ kind: 'Service', namespace, name: serviceName })
    .findLast((event) => event.reason === ALLOCATION_FAILED);
  const addresses = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  const servedByWeb = spec.selector?.['app'] === 'web';
  return [
    {
      name,
      addresses,
      ports: (spec.ports ?? []).map(({ port, protocol }) => `${port}/${protocol ?? 'TCP'}`),
      externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
      endpoints: Object.fromEntries(NODES.map((node) => [node.name, servedByWeb ? 1 : 0])),
      announcedBy: states
        .filter(({ state }) => state?.announcements.some((a) => a.services.includes(name)))
        .map(({ node }) => node.name),
      ...(pool === undefined ? {} : { pool }),
      ...(addresses.length === 0 && failure ? { allocationError: failure.message } : {}),
    },
  ];
}
