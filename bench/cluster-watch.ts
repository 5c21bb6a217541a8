// What is seen of a cluster from outside while services are created: the API's store tells of
// addresses and status objects, the router's kernel of routes, the speakers' logs of announcements,
// /proc of time and memory. Nothing is polled while the clock runs, since every look would cost the
// API time: it lives in this process.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NODES, Unmet } from '@rookery/lab';
import type { Cluster, Host } from '@rookery/lab';
import { quantilesOf } from './quantiles.ts';

/** When something first held for each of a known number of things. */
export class Milestone {
  readonly #atMs = new Map<string, number>();
  readonly #waiting: { readonly count: number; readonly reached: () => void }[] = [];

  reach(key: string, atMs = performance.now()): void {
    if (this.#atMs.has(key)) return;
    this.#atMs.set(key, atMs);
    for (const { count, reached } of this.#waiting) if (this.#atMs.size >= count) reached();
  }

  has(key: string): boolean {
    return this.#atMs.has(key);
  }

  get size(): number {
    return this.#atMs.size;
  }

  /** Resolves when so many have reached it; throws `Unmet` when they do not in time. */
  async all(what: string, count: number, limitMs: number): Promise<void> {
    if (this.#atMs.size >= count) return;
    const missing = (): Unmet =>
      new Unmet(`${what}: ${this.#atMs.size} of ${count} within ${limitMs / 1000} s`);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(missing()), limitMs);
      this.#waiting.push({ count, reached: () => (clearTimeout(timer), resolve()) });
    });
  }

  /** Seconds since `startMs`: half of them, 99 of 100, all. */
  spread(startMs: number): { readonly p50: number; readonly p99: number; readonly last: number } {
    const at = quantilesOf([...this.#atMs.values()].map((ms) => (ms - startMs) / 1000));
    return { p50: at(0.5), p99: at(0.99), last: at(1) };
  }
}

export interface ClusterWatch {
  /** By name of the service. */
  readonly allocated: Milestone;
  /** By address: a route with a next hop over every node. */
  readonly routed: Milestone;
  /** By service and node. */
  readonly reported: Milestone;
  /** Address of every service that has one. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Writes to services other than their creation: a restart may cause none. */
  readonly serviceWrites: () => number;
  /** Kernel routes that came, went or changed since the last call. */
  readonly takeRouteChanges: () => readonly string[];
  stop(): void;
}

/** Begins to watch; `subnet` is the text with which every address of interest begins. */
export async function watchCluster(
  cluster: Cluster,
  router: Host,
  subnet: string,
): Promise<ClusterWatch> {
  const allocated = new Milestone();
  const routed = new Milestone();
  const reported = new Milestone();
  const addresses = new Map<string, string>();
  let serviceWrites = 0;
  const changes: string[] = [];
  const { store } = cluster.api.api;
  const stopServices = store.subscribe('/services', ({ type, object }) => {
    if (type === 'MODIFIED') serviceWrites++;
    const { name = '' } = object.metadata;
    const ip = ingressOf(object['status']);
    if (!ip?.startsWith(subnet)) return;
    addresses.set(name, ip);
    allocated.reach(name);
  });
  const stopStatuses = store.subscribe('metallb.io/servicebgpstatuses', ({ object }) => {
    const status = object['status'] as { readonly node?: string; readonly serviceName?: string };
    if (status?.node !== undefined) reported.reach(`${status.serviceName} ${status.node}`);
  });
  const monitor = router.spawn(['ip', '-o', '-rcvbuf', '16777216', 'monitor', 'route'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  createInterface({ input: monitor.stdout! }).on('line', (line) => {
    const address = /^(?:Deleted )?([\d.]+) /.exec(line)?.[1];
    if (!address?.startsWith(subnet)) return;
    changes.push(line);
    if (hopsOf(line) === NODES.length && !line.startsWith('Deleted')) routed.reach(address);
  });
  return {
    allocated,
    routed,
    reported,
    addresses,
    serviceWrites: () => serviceWrites,
    takeRouteChanges: () => changes.splice(0),
    stop() {
      stopServices();
      stopStatuses();
      monitor.kill();
    },
  };
}

/** Addresses with a next hop over each node, in the router's kernel as it is now. */
export async function kernelRoutes(router: Host, subnet: string): Promise<ReadonlySet<string>> {
  const { stdout } = await router.run(['ip', '-o', '-4', 'route', 'show', 'proto', 'bird']);
  return new Set(
    stdout
      .split('\n')
      .filter((line) => line.startsWith(subnet) && hopsOf(line) === NODES.length)
      .map((line) => line.split(' ')[0]!),
  );
}

/** When each service was announced by the last of the nodes, from the speakers' logs. */
export function announcedBy(state: string): Milestone {
  const last = new Map<string, { nodes: number; atMs: number }>();
  for (const node of NODES) {
    const seen = new Set<string>();
    for (const line of readFileSync(join(state, node.name, 'speaker.log'), 'utf8').split('\n')) {
      if (!line.includes('"service announced"')) continue;
      const { service, ts } = JSON.parse(line) as { service: string; ts: string };
      if (seen.has(service)) continue;
      seen.add(service);
      const entry = last.get(service) ?? { nodes: 0, atMs: 0 };
      const atMs = Date.parse(ts) - performance.timeOrigin;
      last.set(service, { nodes: entry.nodes + 1, atMs: Math.max(entry.atMs, atMs) });
    }
  }
  const milestone = new Milestone();
  for (const [service, { nodes, atMs }] of last) {
    if (nodes === NODES.length) milestone.reach(service, atMs);
  }
  return milestone;
}

export interface Cost {
  readonly rssMib: number;
  readonly cpuSec: number;
}

/** Time and memory of each kind of process; a speaker's are the mean of all. */
export function costs(state: string): ReadonlyMap<string, Cost> {
  const { user, system } = process.cpuUsage();
  const found = new Map<string, Cost>([
    ['API', { rssMib: process.memoryUsage.rss() / 1048576, cpuSec: (user + system) / 1e6 }],
  ]);
  for (const role of ['controller', 'speaker', 'router']) {
    const each = pidsOf(role, state).map(costOf);
    if (each.length === 0) continue;
    const mean = (pick: (cost: Cost) => number): number =>
      each.reduce((sum, cost) => sum + pick(cost), 0) / each.length;
    found.set(role, { rssMib: mean((c) => c.rssMib), cpuSec: mean((c) => c.cpuSec) });
  }
  return found;
}

/** Processes of this lab (another may run on the machine) with that subcommand. */
export function pidsOf(role: string, state: string): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (!words[0]!.endsWith('node') || !words.includes(role)) return [];
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      return environment.includes(`ROOKERY_LAB_STATE=${state}\0`) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

function costOf(pid: number): Cost {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return {
    rssMib: Number(kib) / 1024,
    cpuSec: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

function ingressOf(status: unknown): string | undefined {
  const { loadBalancer } = (status ?? {}) as {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] };
  };
  return loadBalancer?.ingress?.[0]?.ip;
}

function hopsOf(line: string): number {
  return line.match(/nexthop via/g)?.length ?? 0;
}
