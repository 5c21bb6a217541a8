// Figures of the cluster path, in the lab: service created -> route in the router's kernel over 200
// services, and the resident memory of the daemons. Prints them; judges nothing.
//
//   node bench/lab-figures.ts

import { type ChildProcess } from 'node:child_process';
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
  SERVICE,
  until,
  when,
} from '@rookery/lab';
import { quantilesOf } from './quantiles.ts';

const SERVICES = 200;

const state = sandboxState();
if (!state) process.exit(await enterSandbox([process.argv[1]!]));
furnishSandbox(state);
const lab = await Lab.build({
  state,
  self: [process.execPath, join(import.meta.dirname, '../dist/rookery.mjs')],
  router: 'rookery',
  nodes: 'rookery',
});
lab.cluster!.apply(MANIFESTS);
await Promise.all([
  lab.router.start(BIRD_CONF.mergePaths.replace('debug protocols all;\n', '')),
  ...[...lab.nodes.values()].map((node) => node.start()),
]);
await until('three sessions', 40_000, async () =>
  when(
    ((await lab.router.birdc('show protocols')).match(/Established/g) ?? []).length ===
      NODES.length,
  ),
);

const idle = memory();
const firstSeenMs = watchKernel();
const allocated: number[] = [];
const latencies: number[] = [];
for (let i = 0; i < SERVICES; i++) {
  const name = `svc-${i}`;
  const startedMs = performance.now();
  lab.cluster!.apply(SERVICE.replace('name: web', `name: ${name}`));
  const address = await until(`${name}: an address`, 5000, () => addressOf(name), 1);
  allocated.push(performance.now() - startedMs);
  const seenMs = await until(`${name}: a route`, 5000, () => firstSeenMs.get(address), 1);
  latencies.push(seenMs - startedMs);
}
console.log(`${SERVICES} services, one after the other:`);
show('created -> address in its status', allocated);
show("created -> route in the router's kernel", latencies);
const loaded = memory();
console.log('resident memory, idle and with 200 services:');
for (const [name, mib] of loaded)
  console.log(`  ${name.padEnd(10)} ${idle.get(name)} MiB  ${mib} MiB`);
await lab.close();
process.exit(0);

function show(what: string, values: readonly number[]): void {
  const valueAt = quantilesOf(values);
  const at = (share: number): string => valueAt(share).toFixed(1);
  console.log(
    `  ${what.padEnd(40)} p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)}  max ${at(1)} ms`,
  );
}

function addressOf(name: string): string | undefined {
  const service = lab.cluster!.get({ kind: 'Service', namespace: 'default', name });
  const status = service?.['status'] as
    | { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
    | undefined;
  return status?.loadBalancer?.ingress?.[0]?.ip;
}

/** When each host route first appeared in the router's kernel. */
function watchKernel(): ReadonlyMap<string, number> {
  const seen = new Map<string, number>();
  const monitor: ChildProcess = lab.hosts.router.spawn(['ip', 'monitor', 'route'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  monitor.stdout!.on('data', (chunk: Buffer) => {
    const nowMs = performance.now();
    for (const [, address] of chunk.toString().matchAll(/^(192\.168\.2\.\d+) /gm)) {
      if (!seen.has(address!)) seen.set(address!, nowMs);
    }
  });
  process.once('exit', () => monitor.kill());
  return seen;
}

/** VmRSS of our daemons, in MiB. */
function memory(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const role = command.find((word) => ['router', 'speaker', 'controller'].includes(word));
      if (!role || !command[0]!.endsWith('node') || found.has(role)) continue;
      const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      if (kib) found.set(role, (Number(kib) / 1024).toFixed(0));
    } catch {
      // The process ended while we looked.
    }
  }
  return found;
}
