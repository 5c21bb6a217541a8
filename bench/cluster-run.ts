// One run of the cluster bench: builds the lab, creates the services, waits for every stage, replaces
// the controller, and says what it saw and what was wrong.

import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { BIRD_CONF, furnishSandbox, Lab, MANIFESTS, NODES, until, when } from '@rookery/lab';
import type { Cluster } from '@rookery/lab';
import { announcedBy, costs, kernelRoutes, pidsOf, watchCluster } from './cluster-watch.ts';
import type { ClusterWatch, Cost, Milestone } from './cluster-watch.ts';

type Spread = ReturnType<Milestone['spread']>;

export interface ClusterFigures {
  readonly services: number;
  readonly createdSec: number;
  readonly stages: Readonly<Record<'allocated' | 'announced' | 'routed' | 'reported', Spread>>;
  /** Changes that the API stored, the creation of services and slices included. */
  readonly writes: number;
  readonly idle: ReadonlyMap<string, Cost>;
  /** When every route is in the kernel. */
  readonly routed: ReadonlyMap<string, Cost>;
  /** When all is written and it has been quiet for a while. */
  readonly rested: ReadonlyMap<string, Cost>;
  /** From the start of another controller until it gave an address. */
  readonly takeoverSec: number;
}

const SELF = [process.execPath, join(import.meta.dirname, '../dist/rookery.mjs')];
const SUBNET = '10.77.';
/** Two looks of the daemons at whether it is quiet (apps/rookery/src/memory.ts), and some more. */
const REST_MS = 25_000;

export interface ClusterTask {
  readonly services: number;
  /** Without looking at memory in quiet, before and after, which takes most of a minute. */
  readonly quick: boolean;
}

/** Runs inside the sandbox. */
export async function runCluster(
  state: string,
  task: ClusterTask,
): Promise<{ readonly figures: ClusterFigures; readonly problems: readonly string[] }> {
  furnishSandbox(state);
  const lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'rookery' });
  const cluster = lab.cluster!;
  await startDaemons(lab);
  const watch = await watchCluster(cluster, lab.hosts.router, SUBNET);
  const problems: string[] = [];
  try {
    const load = await createServices(lab, watch, state, task);
    const restart = await replaceController(lab, watch, state, problems);
    await checkKernel(lab, watch, task.services, problems);
    return { figures: { ...load, ...restart }, problems };
  } finally {
    watch.stop();
    await lab.close();
  }
}

async function startDaemons(lab: Lab): Promise<void> {
  const cluster = lab.cluster!;
  cluster.apply(MANIFESTS);
  cluster.api.apply({
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'bgp-pool', namespace: 'metallb' },
    spec: { addresses: [`${SUBNET}0.0/16`] },
  });
  await Promise.all([
    lab.router.start(BIRD_CONF.mergePaths.replace('debug protocols all;\n', '')),
    ...[...lab.nodes.values()].map((node) => node.start()),
  ]);
  await until('three sessions', 60_000, async () => {
    const shown = await lab.router.birdc('show protocols');
    return when((shown.match(/Established/g) ?? []).length === NODES.length);
  });
}

async function createServices(
  lab: Lab,
  watch: ClusterWatch,
  state: string,
  { services: count, quick }: ClusterTask,
): Promise<Omit<ClusterFigures, 'takeoverSec'>> {
  const cluster = lab.cluster!;
  const rest = (): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, quick ? 0 : REST_MS));
  await rest();
  const idle = costs(state);
  const limitMs = 60_000 + count * 50;
  const { store } = cluster.api.api;
  const firstRevision = store.revision;
  const startMs = performance.now();
  for (let i = 0; i < count; i++) {
    createService(cluster, `bulk-${i}`);
    // The daemons are served from this process: let the sockets breathe.
    if (i % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
  }
  const createdSec = (performance.now() - startMs) / 1000;
  await watch.allocated.all('an address for every service', count, limitMs);
  await watch.routed.all('a route with three next hops for every address', count, limitMs);
  const routed = costs(state);
  await watch.reported.all('a status object per service and node', count * NODES.length, limitMs);
  await rest();
  return {
    services: count,
    createdSec,
    stages: {
      allocated: watch.allocated.spread(startMs),
      announced: announcedBy(state).spread(startMs),
      routed: watch.routed.spread(startMs),
      reported: watch.reported.spread(startMs),
    },
    writes: store.revision - firstRevision,
    idle,
    routed,
    rested: costs(state),
  };
}

async function replaceController(
  lab: Lab,
  watch: ClusterWatch,
  state: string,
  problems: string[],
): Promise<Pick<ClusterFigures, 'takeoverSec'>> {
  const cluster = lab.cluster!;
  const before = new Map(watch.addresses);
  const writes = watch.serviceWrites();
  watch.takeRouteChanges();
  for (const pid of pidsOf('controller', state)) process.kill(pid, 'SIGKILL');
  await until('the controller to end', 5000, () => when(pidsOf('controller', state).length === 0));
  const startMs = performance.now();
  const controller: ChildProcess = lab.hosts.control.spawn(
    [...SELF, 'controller', '--namespace', 'metallb', '--kubeconfig', cluster.kubeconfigInside],
    { stdio: ['ignore', 'ignore', 'ignore'] },
  );
  // One more service tells that the new controller has taken over all the others.
  createService(cluster, 'last');
  await watch.allocated.all('the new controller to allocate', before.size + 1, 60_000);
  const takeoverSec = (performance.now() - startMs) / 1000;
  await watch.routed.all('its route', before.size + 1, 60_000);
  for (const [name, address] of before) {
    const after = watch.addresses.get(name);
    if (after !== address) problems.push(`${name}: ${address} became ${after}`);
  }
  const last = watch.addresses.get('last')!;
  const foreign = watch.takeRouteChanges().filter((line) => !line.includes(`${last} `));
  if (foreign.length > 0) problems.push(`${foreign.length} route changes, such as ${foreign[0]}`);
  const needless = watch.serviceWrites() - writes - 1;
  if (needless !== 0) problems.push(`${needless} writes to services that need none`);
  controller.kill();
  return { takeoverSec };
}

async function checkKernel(
  lab: Lab,
  watch: ClusterWatch,
  count: number,
  problems: string[],
): Promise<void> {
  const routes = await kernelRoutes(lab.hosts.router, SUBNET);
  if (new Set(watch.addresses.values()).size !== count + 1) {
    problems.push('an address was given twice');
  }
  for (const [name, address] of watch.addresses) {
    if (!routes.has(address)) problems.push(`${name}: ${address} is not in the router's kernel`);
  }
}

/** A service with an endpoint on each node. Node ports are left out: there are only 2,768. */
function createService(cluster: Cluster, name: string): void {
  cluster.api.apply(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: {
        type: 'LoadBalancer',
        allocateLoadBalancerNodePorts: false,
        selector: { app: 'bulk' },
        ports: [{ port: 80 }],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${name}-x`,
        namespace: 'default',
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType: 'IPv4',
      endpoints: NODES.map((node) => ({
        addresses: [node.pod],
        nodeName: node.name,
        conditions: { ready: true },
      })),
      ports: [{ port: 8080, protocol: 'TCP' }],
    },
  );
}
