// The running lab: hosts, wires, the cluster's API, pods, clients and the daemons of both ends, with
// the few verbs that the story and the tests need. It is built inside the sandbox (sandbox.ts) and
// everything in it ends with the process.

import type { ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import type { AgentRole } from './agent.ts';
import { Client } from './client.ts';
import { type Cluster, startCluster } from './cluster.ts';
import {
  type NodeDaemon,
  type Place,
  type RouterDaemon,
  realBird,
  realFrr,
  rookeryRouter,
  rookerySpeaker,
} from './daemons.ts';
import { Host } from './host.ts';
import { frrConfFor } from './post.ts';
import { type ProxiedService, proxyServices } from './service-proxy.ts';
import { type SyslogReceiver, receiveSyslog } from './syslog-receiver.ts';
import { HOST_NAMES, type HostName, NODES, type NodeName, POD_PORT, wire } from './topology.ts';

export interface LabOptions {
  /** Directory of sockets, logs and the kubeconfig; ends with the sandbox. */
  readonly state: string;
  /** The command that runs Rookery in a host. */
  readonly self: readonly string[];
  readonly router: 'rookery' | 'bird';
  readonly nodes: 'rookery' | 'frr';
  /** Configuration of real FRR nodes instead of the post's. */
  readonly frrConf?: (hostname: string) => string;
}

/** Namespaces live in the sandbox's own /run, so one prefix serves every lab. */
const PREFIX = 'lab-';

export class Lab {
  readonly options: LabOptions;
  readonly hosts: Readonly<Record<HostName, Host>>;
  readonly router: RouterDaemon;
  readonly nodes: ReadonlyMap<NodeName, NodeDaemon>;
  readonly syslog: SyslogReceiver;
  /** Present when the nodes are ours: real FRR needs no API. */
  readonly cluster: Cluster | undefined;
  /** On the nodes' own LAN, and beyond the router. */
  readonly lan: Client;
  readonly wan: Client;

  readonly #agents: readonly ChildProcess[];

  private constructor(
    parts: Omit<Lab, 'powerOff' | 'powerOn' | 'node' | 'close'>,
    agents: readonly ChildProcess[],
  ) {
    this.#agents = agents;
    this.options = parts.options;
    this.hosts = parts.hosts;
    this.router = parts.router;
    this.nodes = parts.nodes;
    this.syslog = parts.syslog;
    this.cluster = parts.cluster;
    this.lan = parts.lan;
    this.wan = parts.wan;
  }

  /** Builds everything but starts neither the router nor the nodes. */
  static async build(options: LabOptions): Promise<Lab> {
    const syslog = receiveSyslog('/dev/log');
    const hosts = Object.fromEntries(
      await Promise.all(
        HOST_NAMES.map(async (name) => [name, await Host.create(name, PREFIX)] as const),
      ),
    ) as Record<HostName, Host>;
    await wire(hosts);
    const place = (name: HostName): Place => {
      const directory = join(options.state, name);
      mkdirSync(directory, { recursive: true });
      return { host: hosts[name], directory };
    };
    const agents: ChildProcess[] = [];
    const agent = async (name: HostName, role: AgentRole, ...args: readonly string[]) => {
      const child = await startAgent(hosts[name], options.self, role, args);
      agents.push(child);
      return child;
    };
    await Promise.all(
      NODES.map((node) => agent(node.name, 'pod', node.pod, String(POD_PORT), node.name)),
    );
    const lan = await Client.start(hosts.client, () => agent('client', 'client'));
    const wan = await Client.start(hosts.isp, () => agent('isp', 'client'));
    const nodes = new Map<NodeName, NodeDaemon>();
    let cluster: Cluster | undefined;
    if (options.nodes === 'rookery') {
      cluster = await startCluster({
        directory: options.state,
        self: options.self,
        hosts,
        control: place('control'),
        vtysh: (node, args) => [
          ...options.self,
          ...['vtysh', '--vty_socket', join(options.state, node)],
          ...args,
        ],
        listen: (address, port) => listenIn(hosts.control, options.self, address, port),
      });
    }
    for (const node of NODES) {
      nodes.set(
        node.name,
        cluster
          ? rookerySpeaker(place(node.name), options.self, {
              kubeconfig: cluster.kubeconfigInside,
              nodeName: node.name,
            })
          : realFrr(place(node.name), (options.frrConf ?? frrConfFor)(node.name)),
      );
    }
    const router =
      options.router === 'rookery'
        ? rookeryRouter(place('router'), options.self)
        : realBird(place('router'));
    if (!cluster) {
      await Promise.all(
        NODES.map((node) => proxyServices(hosts[node.name], node.name, [POST_SERVICE])),
      );
    }
    return new Lab({ options, hosts, router, nodes, syslog, cluster, lan, wan }, agents);
  }

  /** Ends every process of the lab; the namespaces end with the sandbox. */
  async close(): Promise<void> {
    await Promise.all([this.router.stop(), ...[...this.nodes.values()].map((node) => node.stop())]);
    await this.cluster?.close();
    for (const agent of this.#agents) agent.kill('SIGKILL');
    this.syslog.close();
  }

  node(name: NodeName): NodeDaemon {
    return this.nodes.get(name)!;
  }

  /** Cuts the node's wire at the switch: nothing is closed, nobody is told. */
  async powerOff(name: NodeName): Promise<void> {
    await this.hosts.switch.ip(`link set ${name} down`);
  }

  async powerOn(name: NodeName): Promise<void> {
    await this.hosts.switch.ip(`link set ${name} up`);
  }
}

/** What kube-proxy would know of the post's service where there is no API: FRR announces it by itself. */
const POST_SERVICE: ProxiedService = {
  name: 'web',
  addresses: ['192.168.2.1'],
  ports: [{ protocol: 'tcp', port: 80, targetPort: POD_PORT }],
  externalTrafficPolicy: 'Local',
  endpoints: NODES.map((node) => ({ address: node.pod, nodeName: node.name })),
};

/** A socket that listens in a host: an agent there opens it and hands it over. */
async function listenIn(
  host: Host,
  self: readonly string[],
  address: string,
  port: number,
): Promise<Server> {
  const child = host.spawn([...self, 'lab-agent', 'gate', address, String(port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    child.once('message', (_ready, server) => resolve(server as Server));
    child.once('exit', (code) => reject(new Error(`${host.name}: the gate ended with ${code}`)));
  });
}

/** Starts `rookery lab-agent ROLE …` in a host and waits until it says that it is ready. */
async function startAgent(
  host: Host,
  self: readonly string[],
  role: AgentRole,
  args: readonly string[],
): Promise<ChildProcess> {
  const child = host.spawn([...self, 'lab-agent', role, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`${host.name}: ${role} ended with ${code}`)));
  });
  child.removeAllListeners('exit');
  return child;
}
