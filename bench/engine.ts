// npm run bench -- engine: the router without sockets and kernel. One process, processor time by
// phase, memory by route. For profiles: node --cpu-prof bench/engine.ts [PREFIXES] [RECEIVERS].

import { EngineLoad, generatorNextHop } from './engine-load.ts';
import { encodeAnnouncements, encodeTable, encodeWithdrawals } from './stream.ts';
import { createPolicy } from './policy.ts';
import { quantilesOf } from './quantiles.ts';
import { createRouteSet } from './table.ts';

const [prefixes = 1_000_000, receivers = 1, generators = 1, kernel = 0, v6 = 0] = process.argv
  .slice(2, 7)
  .map(Number);
const on = process.argv[7] as 'import' | 'export' | undefined;
const family = v6 ? 'ipv6' : 'ipv4';
const routes = createRouteSet({ family, count: prefixes, seed: 1 });
const streams = Array.from({ length: generators }, (_, i) =>
  encodeTable(routes, i, generatorNextHop(family, i)),
);
const withdrawals = encodeWithdrawals(routes, routes.lengths.keys());
const policy = on && { on, text: createPolicy(routes).text };
const load = new EngineLoad(family, generators, receivers, { kernel: kernel > 0, policy });
globalThis.gc?.();
const before = process.memoryUsage();
measure('load', () => {
  for (const [i, stream] of streams.entries()) load.receive(i, receivers, stream);
});
globalThis.gc?.();
const after = process.memoryUsage();
const perRoute = (a: number, b: number): string => ((b - a) / prefixes).toFixed(1);
console.log(
  `bytes per route: ${perRoute(before.arrayBuffers, after.arrayBuffers)} in typed arrays, ` +
    `${perRoute(before.heapUsed, after.heapUsed)} on the heap; RSS ${(after.rss / 2 ** 20).toFixed(0)} MiB`,
);
const took: number[] = [];
for (let round = 0; round < 400; round++) {
  const chosen = Array.from({ length: 10 }, (_, i) => (round * 7919 + i * 104_729) % prefixes);
  const nextHop = generatorNextHop(family, 0);
  for (const bytes of [
    encodeWithdrawals(routes, chosen),
    encodeAnnouncements(routes, 0, nextHop, chosen),
  ]) {
    const startMs = performance.now();
    load.receive(0, receivers, bytes);
    load.settle();
    took.push(performance.now() - startMs);
  }
}
const at = quantilesOf(took);
console.log(`churn, 10 prefixes: p50 ${at(0.5).toFixed(3)} ms, p99 ${at(0.99).toFixed(3)} ms`);
measure('withdraw', () => {
  for (let i = 0; i < generators; i++) load.receive(i, receivers, withdrawals);
});

function measure(name: string, run: () => void): void {
  const cpu = process.cpuUsage();
  run();
  load.settle();
  const { user, system } = process.cpuUsage(cpu);
  const { updates, sends, orders, bytes } = load.counts;
  console.log(
    `${name}: ${((user + system) / 1e6).toFixed(3)} s CPU (${(user / 1e6).toFixed(3)} user), ` +
      `${updates} UPDATEs, ${sends} sends, ${orders} orders, ${bytes} bytes`,
  );
}
