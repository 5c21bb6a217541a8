// How cost grows: the same load with more routes, and with more peers, through a whole daemon with
// real sockets. What a unit costs (a route; a route told to a peer) must stay flat; the report says
// where it bends. More services and nodes are the subject of cluster.ts and of the simulation.

import type { Daemon } from './daemons.ts';
import { runOnce } from './run.ts';
import type { ScalingPoint } from './scaling-report.ts';
import type { Scenario } from './scenarios.ts';

const ROUTES = [10_000, 100_000, 1_000_000, 4_000_000];
const PEERS = [1, 10, 100, 500];
const ROUTES_PER_PEER = 200;
const base = { family: 'ipv4', receivers: 1, settleMs: 4000, targets: [] } as const;

/** Measures every point once; `report` hears of each. */
export async function measureScaling(
  daemon: Daemon,
  limitMs: number,
  report: (point: ScalingPoint) => void,
): Promise<void> {
  const scenarioOf = { routes: routesScenario, peers: peersScenario };
  for (const [curve, sizes] of [
    ['routes', ROUTES],
    ['peers', PEERS],
  ] as const) {
    for (const size of sizes) {
      const scenario = scenarioOf[curve](size);
      const { figures, problems } = await runOnce(daemon, scenario, 1, limitMs);
      const units = curve === 'routes' ? size : size * scenario.prefixes;
      report({ curve, size, units, figures, problems });
    }
  }
}

function routesScenario(size: number): Scenario {
  return { ...base, name: 'scaling', what: `${size} routes`, prefixes: size, generators: 1 };
}

/** Each peer announces its share, and is told the shares of all others. */
function peersScenario(size: number): Scenario {
  return {
    ...base,
    name: 'scaling',
    what: `${size} peers`,
    prefixes: size * ROUTES_PER_PEER,
    generators: size,
    disjoint: size > 1,
  };
}
