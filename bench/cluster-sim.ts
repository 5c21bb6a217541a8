// The cluster under virtual time: one router and up to 500 nodes in this process, with the engine and
// MetalLB's decisions of real daemons, and up to 10,000 services. What a service and what a node
// cost must stay the same from the smallest cluster to the largest. After each step the router's
// kernel is compared with what the oracle of `test/sim` computes; what differs ends it with status 1.
//
//   node bench/cluster-sim.ts [SERVICES NODES]      a grid of sizes unless told

import { spawnSync } from 'node:child_process';
import { SimCluster } from './sim-cluster.ts';

const SERVICES = [10, 100, 1000, 10_000];
const NODES = [3, 50, 500];
const HEAD = [
  'services',
  'nodes',
  'KiB per node',
  'start, CPU ms per node',
  'allocate, us per service',
  'decide, us per service and node',
  'announce, us per service',
  'bytes per service',
  'in the kernel after, virtual ms',
  'a dead node out of it after, virtual s',
];

const [services, nodes] = process.argv.slice(2).map(Number);
if (services !== undefined && nodes !== undefined) runOne(services, nodes);
else process.exitCode = runGrid();

/** A process for each size: memory of one must not count for the next. */
function runGrid(): number {
  console.log(rowOf(HEAD));
  console.log(rowOf(HEAD.map(() => '---')));
  let failed = 0;
  for (const nodeCount of NODES) {
    for (const serviceCount of SERVICES) {
      const argv = ['--expose-gc', process.argv[1]!, String(serviceCount), String(nodeCount)];
      const { status } = spawnSync(process.execPath, argv, { stdio: 'inherit' });
      if (status !== 0) failed++;
    }
  }
  return failed > 0 ? 1 : 0;
}

function runOne(serviceCount: number, nodeCount: number): void {
  const warm = warmedUp();
  const emptyBytes = memory();
  const cluster = new SimCluster(nodeCount);
  const measure = (run: () => void): { cpuUs: number; virtualMs: number } => {
    const fromMs = cluster.clock.nowMs;
    const from = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(from);
    return { cpuUs: user + system, virtualMs: cluster.clock.nowMs - fromMs };
  };
  // What a node needs for its first service counts for the node.
  const start = measure(() => {
    cluster.connect();
    cluster.allocate(cluster.fewest);
    cluster.decide();
    cluster.announce();
  });
  const idleBytes = memory();
  const allocation = measure(() => cluster.allocate(serviceCount));
  const decision = measure(() => cluster.decide());
  const announcement = measure(() => cluster.announce());
  const fullBytes = memory();
  const problems = [...warm.problems(), ...cluster.problems()];
  const crash = measure(() => cluster.crash());
  problems.push(...cluster.problems());
  cluster.bootAgain();
  problems.push(...cluster.problems());
  const figures = [
    (idleBytes - emptyBytes) / 1024 / nodeCount,
    start.cpuUs / 1000 / nodeCount,
    allocation.cpuUs / serviceCount,
    decision.cpuUs / serviceCount / nodeCount,
    announcement.cpuUs / serviceCount,
    (fullBytes - idleBytes) / serviceCount,
    announcement.virtualMs,
    crash.virtualMs / 1000,
  ];
  const texts = figures.map((figure) => figure.toFixed(figure < 10 ? 1 : 0));
  console.log(rowOf([String(serviceCount), String(nodeCount), ...texts]));
  for (const problem of problems.slice(0, 5)) console.log(`WRONG: ${problem}`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

/** The first services would pay for the compiler; this cluster stays, so as not to blur memory. */
function warmedUp(): SimCluster {
  const cluster = new SimCluster(10);
  cluster.connect();
  for (let i = 0; i < 20; i++) {
    cluster.allocate(100);
    cluster.decide();
    cluster.announce();
  }
  return cluster;
}

function memory(): number {
  // Buffers go in a later round than what holds them.
  for (let round = 0; round < 4; round++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
