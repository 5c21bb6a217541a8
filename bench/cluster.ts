// The cluster path in the lab: many LoadBalancer services created at once, until every one has an
// address, is announced by three speakers and stands in the router's kernel; then the controller is
// killed and started again, which may change no address and touch no route. Figures are printed,
// and what is wrong ends it with status 1.
//
//   npm run bench -- cluster            5,000 services (or: node bench/cluster.ts 500)

import type { ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  BIRD_CONF,
  enterSandbox,
  furnishSandbox,
  Lab,
  MANIFESTS,
  NODES,
  sandboxState,
  until,
  when,
} from '@rookery/lab';

const count = Number(process.argv.at(-1)) || 5000;
const state = sandboxState();
if (!state) process.exit(await enterSandbox([process.argv[1]!, String(count)]));
furnishSandbox(state);
const self = [process.execPath, join(import.meta.dirname, '../dist/rookery.mjs')];
const lab = await Lab.build({ state, self, router: 'rookery', nodes: 'rookery' });
const cluster = lab.cluster!;
const problems: string[] = [];
cluster.apply(MANIFESTS);
cluster.api.apply({
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name: 'bgp-pool', namespace: 'metallb' },
  spec: { addresses: ['10.77.0.0/16'] },
} as never);
await Promise.all([
  lab.router.start(BIRD_CONF.mergePaths.replace('debug protocols all;\n', '')),
  ...[...lab.nodes.values()].map((node) => node.start()),
]);
await until('three sessions', 60_000, async () =>
  when(
    ((await lab.router.birdc('show protocols')).match(/Established/g) ?? []).length ===
      NODES.length,
  ),
);
const idle = costs();

const startedMs = performance.now();
for (let i = 0; i < count; i++) {
  const name = `bulk-${i}`;
  cluster.api.apply(serviceNamed(name) as never, sliceFor(name) as never);
  // Daemons in this machine's other processes are served from here: let the sockets breathe.
  if (i % 20 === 19) await new Promise((resolve) => setImmediate(resolve));
}
const createdMs = performance.now() - startedMs;
const limitMs = 30_000 + count * 30;
await until('an address for every service', limitMs, () => when(addresses().size === count), 50);
const allocatedMs = performance.now() - startedMs;
await until(
  'a route with three next hops for every address',
  limitMs,
  async () => when((await kernel()).size === count),
  200,
);
const routedMs = performance.now() - startedMs;
const before = addresses();
const routes = await kernel();
if (new Set(before.values()).size !== count) problems.push('an address was given twice');
for (const [name, address] of before) {
  if (!routes.has(address)) problems.push(`${name}: ${address} is not in the router's kernel`);
}
const loaded = costs();

const flaps: string[] = [];
const monitor: ChildProcess = lab.hosts.router.spawn(['ip', 'monitor', 'route'], {
  stdio: ['ignore', 'pipe', 'ignore'],
});
monitor.stdout!.on('data', (chunk: Buffer) =>
  flaps.push(...(chunk.toString().match(/^.*10\.77\..*$/gm) ?? [])),
);
const [old] = pidsOf('controller');
process.kill(old!, 'SIGKILL');
await until('the controller to end', 5000, () => when(!pidsOf('controller').includes(old!)));
const restartedMs = performance.now();
const controller = lab.hosts.control.spawn(
  [...self, 'controller', '--namespace', 'metallb', '--kubeconfig', cluster.kubeconfigInside],
  { stdio: ['ignore', 'ignore', 'ignore'] },
);
// One more service tells that the new controller has taken over all the others.
cluster.api.apply(serviceNamed('last') as never, sliceFor('last') as never);
await until('the new controller to allocate', 60_000, () => when(addresses().has('last')), 10);
const takeoverMs = performance.now() - restartedMs;
await until('its route', 60_000, async () => when((await kernel()).size === count + 1), 50);
const after = addresses();
for (const [name, address] of before) {
  if (after.get(name) !== address) problems.push(`${name}: ${address} became ${after.get(name)}`);
}
const foreign = flaps.filter((line) => !line.includes(after.get('last')!));
if (foreign.length > 0) problems.push(`${foreign.length} route changes, such as ${foreign[0]}`);

console.log(`${count} services at once, three speakers, one router:`);
console.log(`  created in the API        ${(createdMs / 1000).toFixed(2)} s`);
console.log(`  all have an address       ${(allocatedMs / 1000).toFixed(2)} s`);
console.log(`  all in the router's kernel ${(routedMs / 1000).toFixed(2)} s`);
console.log(`  controller killed; the next allocates after ${(takeoverMs / 1000).toFixed(2)} s`);
console.log('resident memory idle -> loaded, CPU time spent between:');
for (const [role, cost] of loaded) {
  const from = idle.get(role);
  const cpuSec = cost.cpuSec - (from?.cpuSec ?? 0);
  console.log(`  ${role.padEnd(10)} ${from?.rssMib} -> ${cost.rssMib} MiB, ${cpuSec.toFixed(2)} s`);
}
console.log(
  problems.length === 0
    ? 'every address unique, each in the kernel, none changed, no route touched'
    : `WRONG: ${problems.slice(0, 5).join('; ')} (${problems.length} problems)`,
);
monitor.kill();
controller.kill();
await lab.close();
process.exit(problems.length === 0 ? 0 : 1);

/** Node ports are left out: there are only 2,768. */
function serviceNamed(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      selector: { app: 'bulk' },
      ports: [{ port: 80 }],
    },
  };
}

function sliceFor(service: string): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-x`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: 'IPv4',
    endpoints: NODES.map((node) => ({
      addresses: [node.pod],
      nodeName: node.name,
      conditions: { ready: true },
    })),
    ports: [{ port: 8080, protocol: 'TCP' }],
  };
}

/** Address of every service of ours that has one. */
function addresses(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const service of cluster.list('Service')) {
    const { name = '' } = service.metadata;
    if (!name.startsWith('bulk-') && name !== 'last') continue;
    const status = service['status'] as {
      readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] };
    };
    const ip = status?.loadBalancer?.ingress?.[0]?.ip;
    if (ip !== undefined) found.set(name, ip);
  }
  return found;
}

/** Addresses with a next hop over each node, in the router's kernel. */
async function kernel(): Promise<ReadonlySet<string>> {
  const { stdout } = await lab.hosts.router.run([
    'ip',
    '-o',
    '-4',
    'route',
    'show',
    'proto',
    'bird',
  ]);
  return new Set(
    stdout.split('\n').flatMap((line) => {
      const address = /^(10\.77\.\d+\.\d+) /.exec(line)?.[1];
      const hops = line.match(/nexthop via/g)?.length;
      return address === undefined || hops !== NODES.length ? [] : [address];
    }),
  );
}

function pidsOf(role: string): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      if (!words[0]!.endsWith('node') || !words.includes(role)) return [];
      // Another lab may run on this machine.
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      return environment.includes(`ROOKERY_LAB_STATE=${state}\0`) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

function costs(): ReadonlyMap<string, { readonly rssMib: string; readonly cpuSec: number }> {
  const found = new Map<string, { rssMib: string; cpuSec: number }>();
  for (const role of ['controller', 'speaker', 'router']) {
    const [pid] = pidsOf(role);
    if (pid === undefined) continue;
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    found.set(role, {
      rssMib: (Number(kib) / 1024).toFixed(0),
      cpuSec: (Number(fields[11]) + Number(fields[12])) / 100,
    });
  }
  return found;
}
