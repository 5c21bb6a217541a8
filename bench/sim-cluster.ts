// A cluster in memory: a router with `merge paths` and nodes whose speakers decide by MetalLB's rules,
// each with an engine of its own, on one LAN under virtual time. A service has endpoints on three
// nodes and `externalTrafficPolicy: Local`, so as many nodes announce it in a large cluster as in a
// small one.

import {
  Allocator,
  NodePlan,
  announcementsFor,
  announcingProtocol,
  configFor,
  convergeService,
  originatorFor,
  readEndpointSlice,
  readResources,
  readService,
  speakerRouterConfigFor,
} from '@rookery/metallb';
import type {
  Config,
  EndpointSlice,
  Node,
  Originator,
  RawResources,
  Service,
} from '@rookery/metallb';
import type { Result } from '@rookery/net';
import type { RouteChange, RouterConfig } from '@rookery/router';
import {
  ALL,
  NONE,
  SimHost,
  SimNetwork,
  SimRouter,
  VirtualClock,
  bgpChannelConfig,
  bgpConfig,
  channelConfig,
  deviceConfig,
  kernelConfig,
  lanInterface,
  routerConfig,
  seededRandom,
} from '@rookery/testkit';
import { NODE_AS, ROUTER, ROUTER_AS, addressOf, expectedHops } from './sim-cluster-oracle.ts';

const ENDPOINTS = 3;
const STEP_MS = 10;

interface ClusterNode {
  readonly node: Node;
  readonly sim: SimRouter;
  readonly plan: NodePlan;
  readonly originate: Originator;
  /** Decided and not yet announced. */
  changes: RouteChange[];
}

interface ClusterService {
  readonly service: Service;
  readonly slice: EndpointSlice;
  readonly announcers: readonly number[];
}

export class SimCluster {
  readonly clock = new VirtualClock();
  readonly #network = new SimNetwork(this.clock, seededRandom(1));
  readonly #config: Config;
  readonly #router: SimRouter;
  readonly #nodes: ClusterNode[] = [];
  readonly #services: ClusterService[] = [];
  readonly #allocator = new Allocator();
  #decided = 0;
  #crashed: number | undefined;

  constructor(nodeCount: number) {
    const indexes = Array.from({ length: nodeCount }, (_, i) => i);
    const { resources } = readResources({ ...METALLB, nodes: indexes.map(nodeJson) });
    this.#config = need(configFor(resources));
    this.#allocator.setPools(this.#config.pools);
    this.#router = this.#add('router', ROUTER, routerConfigFor(indexes));
    for (const [i, node] of resources.nodes.entries()) {
      const config = speakerRouterConfigFor(node, this.#config, []);
      const sim = this.#add(`node${i}`, addressOf(i), config);
      const originate = originatorFor(node, this.#config);
      this.#nodes.push({ node, sim, plan: new NodePlan(), originate, changes: [] });
    }
  }

  #add(name: string, address: string, config: RouterConfig): SimRouter {
    const host = this.#network.add(new SimHost(name));
    host.plug(lanInterface('eth0', 2, [`${address}/16`]), 'lan');
    return new SimRouter(this.#network, host, config, seededRandom(this.#nodes.length + 2));
  }

  /** Until the router has a session with every node. */
  connect(): void {
    this.#until('sessions', () => {
      const protocols = this.#router.router.view.protocols();
      return protocols.filter((p) => p.bgp?.state === 'Established').length === this.#nodes.length;
    });
  }

  /** So many services that each node announces at least one. */
  get fewest(): number {
    return Math.ceil(this.#nodes.length / ENDPOINTS);
  }

  /** More services appear, all at once; each is given an address. */
  allocate(count: number): void {
    const { pools } = this.#config;
    for (let left = count, i = this.#services.length; left > 0; left--, i++) {
      const announcers = [0, 1, 2].map((k) => (i + k * this.fewest) % this.#nodes.length);
      const service = need(readService(serviceJson(i)));
      const { ingress } = convergeService(service, this.#allocator, pools.size);
      const slice = need(readEndpointSlice(sliceJson(i, announcers)));
      this.#services.push({ service: { ...service, ingressIps: ingress }, slice, announcers });
    }
  }

  /** Each speaker looks at each service that is new. */
  decide(): void {
    const news = this.#services.slice(this.#decided);
    this.#decided = this.#services.length;
    for (const each of this.#nodes) {
      for (const { service, slice } of news) {
        const announcement = announcementsFor(service, [slice], each.node, this.#config);
        for (const net of each.plan.replace(undefined, announcement)) {
          const route = each.originate(net, each.plan.peersOf(net));
          each.changes.push({ protocol: announcingProtocol(net), net, ...(route && { route }) });
        }
      }
    }
  }

  /** Until the router's kernel forwards all services to all their nodes. */
  announce(): void {
    for (const each of this.#nodes) {
      const { changes } = each;
      if (changes.length === 0) continue;
      each.changes = [];
      each.sim.command((router, nowMs) => router.changeRoutes(changes, nowMs));
    }
    this.#untilHops('announced');
  }

  /** The first node loses power, until the router's kernel no longer uses it. */
  crash(): void {
    this.#crashed = 0;
    this.#nodes[0]!.sim.powerOff();
    this.#untilHops('noticed');
  }

  bootAgain(): void {
    this.#crashed = undefined;
    const { node, sim, plan } = this.#nodes[0]!;
    sim.boot(speakerRouterConfigFor(node, this.#config, plan.prefixes()));
    this.#untilHops('back');
  }

  /** Where the router's kernel differs from what the oracle computes; for a sample in large clusters. */
  problems(): string[] {
    const every = Math.ceil((this.#services.length * this.#nodes.length) / 100_000);
    const sample = this.#services.filter((_, i) => i % every === 0);
    const actual = new Map(
      this.#router.fib.all().map(({ net, nexthops }) => [net, nexthops.map((n) => n.gateway!)]),
    );
    const origins = sample.map(({ service, announcers }) => ({
      net: `${service.ingressIps[0]}/32`,
      nodes: announcers.filter((node) => node !== this.#crashed),
    }));
    const expected = expectedHops(this.#nodes.length, origins);
    const found = actual.size === this.#services.length ? [] : [`${actual.size} routes`];
    for (const { net } of origins) {
      const [has, wants] = [actual.get(net) ?? [], expected.get(net)!].map((hops) =>
        hops.toSorted().join(),
      );
      if (has !== wants) found.push(`${net} goes to ${has}, not to ${wants}`);
    }
    return found;
  }

  #untilHops(what: string): void {
    const total = this.#services
      .flatMap(({ announcers }) => announcers)
      .filter((node) => node !== this.#crashed).length;
    this.#until(what, () => {
      const hops = this.#router.fib.all().reduce((sum, route) => sum + route.nexthops.length, 0);
      return hops === total;
    });
  }

  #until(what: string, condition: () => boolean): void {
    const end = this.clock.nowMs + 120_000;
    while (!condition()) {
      if (this.clock.nowMs > end) throw new Error(`${what}: not within two minutes`);
      this.clock.advance(STEP_MS);
    }
  }
}

/** The post's router: takes everything, tells nothing, shares traffic. */
function routerConfigFor(nodes: readonly number[]): RouterConfig {
  const quiet = { debug: [] };
  return routerConfig(
    [
      deviceConfig(quiet),
      kernelConfig('ipv4', ALL, {
        ...quiet,
        channel: channelConfig('ipv4', 10, { ...quiet, exportPolicy: ALL }),
        mergePaths: 64,
      }),
      ...nodes.map((i) =>
        bgpConfig(
          `node${i}`,
          addressOf(i),
          { local: ROUTER_AS, remote: NODE_AS },
          {
            ...quiet,
            passive: true,
            channels: [bgpChannelConfig('ipv4', { ...quiet, exportPolicy: NONE })],
          },
        ),
      ),
    ],
    { routerId: ROUTER },
  );
}

const inNamespace = (name: string): object => ({ name, namespace: 'metallb-system' });
const METALLB: RawResources = {
  pools: [{ metadata: inNamespace('pool'), spec: { addresses: ['10.77.0.0/16'] } }],
  bgpAdvertisements: [{ metadata: inNamespace('all'), spec: {} }],
  peers: [
    {
      apiVersion: 'metallb.io/v1beta2',
      metadata: inNamespace('router'),
      spec: {
        myASN: NODE_AS,
        peerASN: ROUTER_AS,
        peerAddress: ROUTER,
        holdTime: '9s',
        keepaliveTime: '3s',
        connectTime: '1s',
      },
    },
  ],
};

function nodeJson(i: number): object {
  return {
    metadata: { name: `node${i}`, labels: { 'kubernetes.io/hostname': `node${i}` } },
    status: { addresses: [{ type: 'InternalIP', address: addressOf(i) }] },
  };
}

function serviceJson(i: number): object {
  return {
    metadata: { name: `service${i}`, namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      clusterIP: `10.96.${i >> 8}.${i & 255}`,
      ports: [{ protocol: 'TCP', port: 80 }],
    },
    status: { loadBalancer: {} },
  };
}

function sliceJson(i: number, nodes: readonly number[]): object {
  return {
    metadata: {
      name: `service${i}-x`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': `service${i}` },
    },
    endpoints: nodes.map((node) => ({
      nodeName: `node${node}`,
      addresses: [`10.244.${node >> 8}.${node & 255}`],
      conditions: { ready: true },
    })),
  };
}

function need<T>(result: Result<T, { readonly message: string }>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}
