// The lab's cluster: the embedded API with the objects of a running cluster in it, the gate through
// which the hosts reach it, our controller, and what a cluster does by itself: an EndpointSlice for
// every service and proxy rules on every node.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import {
  type ApiServer,
  type ExecProcess,
  type ExecRequest,
  type KubeObject,
  createApiServer,
  metallbCrds,
} from '@rookery/kube-embedded';
import { parseAllDocuments } from 'yaml';
import { clusterObjects, webEndpoints } from './cluster-objects.ts';
import { type Place, end, launch } from './daemons.ts';
import type { Host } from './host.ts';
import { type ProxiedService, proxyServices } from './service-proxy.ts';
import { CONTROL_ADDRESS, type HostName, NODES } from './topology.ts';

export interface ObjectKey {
  readonly kind: 'Service' | 'BGPPeer' | 'IPAddressPool' | 'Node';
  readonly namespace: string;
  readonly name: string;
}

export interface ClusterEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
}

export interface Cluster {
  readonly api: ApiServer;
  /** For the user and kubectl, on loopback. */
  readonly kubeconfig: string;
  /** For the daemons in the hosts, through the gate. */
  readonly kubeconfigInside: string;
  /** Creates or replaces the objects of a YAML text. */
  apply(yaml: string): void;
  get(key: ObjectKey): KubeObject | undefined;
  /** Merges annotations; a controller sees one change. */
  annotate(key: ObjectKey, annotations: Readonly<Record<string, string>>): void;
  remove(key: ObjectKey): void;
  /** Events about an object, oldest first. */
  events(key: ObjectKey): readonly ClusterEvent[];
  list(kind: ObjectKey['kind']): readonly KubeObject[];
  /** The API goes away: no new connection, and those that exist are cut. */
  readonly interruptApi: () => void;
  readonly restoreApi: () => void;
  close(): Promise<void>;
}

export interface ClusterOptions {
  readonly directory: string;
  readonly self: readonly string[];
  readonly hosts: Readonly<Record<HostName, Host>>;
  readonly control: Place;
  /** The command that answers `vtysh …` on a node. */
  readonly vtysh: (node: string, args: readonly string[]) => readonly string[];
  /** A socket that listens in the control host. */
  readonly listen: (address: string, port: number) => Promise<Server>;
}

const API_PORT = 6443;
/** kube-proxy gathers changes as well; a whole ruleset per change would drown the lab. */
const PROXY_SYNC_MS = 50;

/** Starts the API with everything that a cluster has before the post begins. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const api = await createApiServer({
    // It ends with the process anyway.
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    certificateDirectory: options.directory,
    extraNames: [CONTROL_ADDRESS],
    exec: (request) => execInPod(options, request),
    logs: (request) => readLog(options.directory, request.nodeName, request.container),
  });
  const nowText = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  api.apply(
    ...(metallbCrds() as KubeObject[]),
    ...(clusterObjects(nowText) as unknown as KubeObject[]),
  );
  const kubeconfig = join(options.directory, 'kubeconfig');
  const kubeconfigInside = join(options.directory, 'kubeconfig-inside');
  writeFileSync(kubeconfig, await api.kubeconfig(), { mode: 0o600 });
  const inside = await api.kubeconfig({ url: `https://${CONTROL_ADDRESS}:${API_PORT}` });
  writeFileSync(kubeconfigInside, inside, { mode: 0o600 });
  const server = await options.listen(CONTROL_ADDRESS, API_PORT);
  const gate = openGate(api, server);
  const stopProxying = actAsCluster(api, options.hosts);
  const controller = launch(options.control, 'controller', [
    ...options.self,
    ...['controller', '--namespace', 'metallb', '--kubeconfig', kubeconfigInside],
  ]);
  const resource = (key: Pick<ObjectKey, 'kind'>) =>
    api.api.registry.findKind(...GROUP_VERSION[key.kind], key.kind)!;
  const get = (key: ObjectKey): KubeObject | undefined =>
    api.api.find(resource(key), key.kind === 'Node' ? '' : key.namespace, key.name);
  return {
    api,
    kubeconfig,
    kubeconfigInside,
    get,
    apply(yaml) {
      api.apply(...parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject));
    },
    annotate(key, annotations) {
      const live = get(key)!;
      const all = { ...live.metadata.annotations, ...annotations };
      api.apply({ ...live, metadata: { ...live.metadata, annotations: all } });
    },
    remove(key) {
      api.api.delete(resource(key), key.namespace, key.name);
    },
    events(key) {
      return eventsAbout(api, key);
    },
    list: (kind) => api.api.store.list(STORE_KEY[kind]),
    interruptApi: () => gate.shut(),
    restoreApi: () => gate.open(),
    async close() {
      stopProxying();
      await end(controller);
      gate.shut();
      server.close();
      await api.close();
    },
  };
}

const GROUP_VERSION: Readonly<Record<ObjectKey['kind'], [group: string, version: string]>> = {
  Service: ['', 'v1'],
  Node: ['', 'v1'],
  BGPPeer: ['metallb.io', 'v1beta2'],
  IPAddressPool: ['metallb.io', 'v1beta1'],
};

/** Keys of the API's store: group and plural. */
const STORE_KEY = {
  Service: '/services',
  Node: '/nodes',
  Event: '/events',
  BGPPeer: 'metallb.io/bgppeers',
  IPAddressPool: 'metallb.io/ipaddresspools',
} as const;

interface EventObject {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly note?: string;
  readonly involvedObject?: {
    readonly kind?: string;
    readonly name?: string;
    readonly namespace?: string;
  };
  readonly regarding?: {
    readonly kind?: string;
    readonly name?: string;
    readonly namespace?: string;
  };
}

function eventsAbout(api: ApiServer, key: ObjectKey): readonly ClusterEvent[] {
  return api.api.store
    .list(STORE_KEY.Event)
    .map((object) => object as unknown as EventObject)
    .filter((event) => {
      const about = event.involvedObject ?? event.regarding;
      return about?.kind === key.kind && about.name === key.name;
    })
    .map((event) => ({
      type: event.type ?? '',
      reason: event.reason ?? '',
      message: event.message ?? event.note ?? '',
    }));
}

/** Endpoint slices for services that select the web pods, and proxy rules for all of them. */
function actAsCluster(api: ApiServer, hosts: Readonly<Record<HostName, Host>>): () => void {
  const allReady: ReadonlySet<string> = new Set(NODES.map((node) => node.name));
  const proxied = new Map<string, readonly ProxiedService[]>();
  let timer: NodeJS.Timeout | undefined;
  const proxyAll = (): void => {
    timer = undefined;
    const services = [...proxied.values()].flat();
    for (const node of NODES) {
      // A host that is being taken down has no rules to lose.
      void proxyServices(hosts[node.name], node.name, services).catch(() => {});
    }
  };
  const unsubscribe = api.api.store.subscribe(STORE_KEY.Service, ({ type, object }) => {
    const spec = object['spec'] as ServiceSpec | undefined;
    if (type === 'ADDED' && spec?.selector?.['app'] === 'web') {
      api.apply(webEndpoints(object.metadata.name!, allReady) as unknown as KubeObject);
    }
    const name = object.metadata.name!;
    const before = proxied.get(name) ?? [];
    const after = type === 'DELETED' ? [] : proxiedService(object);
    // Most writes to a service concern its status alone: no rule differs.
    if (JSON.stringify(after) === JSON.stringify(before)) return;
    if (after.length > 0) proxied.set(name, after);
    else proxied.delete(name);
    timer ??= setTimeout(proxyAll, PROXY_SYNC_MS);
  });
  return unsubscribe;
}

interface ServiceSpec {
  readonly type?: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly externalTrafficPolicy?: 'Local' | 'Cluster';
  readonly ports?: readonly {
    readonly port: number;
    readonly targetPort?: number | string;
    readonly protocol?: string;
  }[];
}

function proxiedService(object: KubeObject): readonly ProxiedService[] {
  const spec = (object['spec'] ?? {}) as ServiceSpec;
  const status = object['status'] as
    | { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
    | undefined;
  const addresses = (status?.loadBalancer?.ingress ?? []).flatMap((i) => i.ip ?? []);
  if (spec.type !== 'LoadBalancer' || spec.selector?.['app'] !== 'web') return [];
  return [
    {
      name: object.metadata.name!,
      addresses: addresses.filter((address) => !address.includes(':')),
      ports: (spec.ports ?? []).map((port) => ({
        protocol: port.protocol === 'UDP' ? ('udp' as const) : ('tcp' as const),
        port: port.port,
        targetPort: typeof port.targetPort === 'number' ? port.targetPort : port.port,
      })),
      externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
      endpoints: NODES.map((node) => ({ address: node.pod, nodeName: node.name })),
    },
  ];
}

/** `kubectl exec` into a pod of the lab runs the command in the namespace of the pod's node. */
function execInPod(options: ClusterOptions, request: ExecRequest): ExecProcess {
  const host = options.hosts[request.nodeName as HostName];
  const [program = '', ...args] = request.command;
  const argv = program === 'vtysh' ? options.vtysh(request.nodeName, args) : request.command;
  const child = host
    ? host.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'] })
    : spawn('false', { stdio: ['pipe', 'pipe', 'pipe'] });
  return {
    stdin: child.stdin,
    stdout: child.stdout!,
    stderr: child.stderr,
    exitCode: new Promise((resolve) => {
      child.once('error', () => resolve(127));
      child.once('close', (code) => resolve(code));
    }),
    kill: () => child.kill(),
  };
}

function readLog(directory: string, nodeName: string, container: string): string {
  const name =
    container === 'controller' ? join('control', 'controller.log') : join(nodeName, 'speaker.log');
  const path = join(directory, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The API's port in the control host, which can be shut to play an outage. */
function openGate(api: ApiServer, server: Server): { open(): void; shut(): void } {
  const sockets = new Set<Socket>();
  let isOpen = true;
  server.on('connection', (socket) => {
    if (!isOpen) return socket.destroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A TLS record that waits for an ACK costs 40 ms.
    socket.setNoDelay(true);
    api.serve(socket);
  });
  return {
    open(): void {
      isOpen = true;
    },
    shut(): void {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
  };
}
