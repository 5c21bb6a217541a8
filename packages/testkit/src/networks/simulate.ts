// One seed, one network, one life: it starts, things go wrong, everything is repaired, and when it
// is quiet each table must be what the oracle says. The same seed lives the same life.

import type { DebugMask } from '@rookery/router';
import { SimHost, SimNetwork } from '../sim-network.ts';
import { SimRouter } from '../sim-router.ts';
import { VirtualClock, seededRandom } from '../virtual-clock.ts';
import { differences } from './compare.ts';
import { configFor, interfacesFor } from './configs.ts';
import { Draw } from './draw.ts';
import { Faults } from './faults.ts';
import { expectedTables } from './oracle.ts';
import type { NetworkPlan, Shape } from './plan.ts';
import { drawNetwork } from './topology.ts';

/** After the faults, at most so long until every table is right. */
const QUIET_LIMIT_MS = 900_000;
/** And so long it must stay right. */
const STEADY_MS = 20_000;

/** Far more events than the largest network needs: beyond that routes chase each other for ever. */
const STEP_LIMIT = 1_000_000;

/** A network that never rests; the message names the virtual time at which it was given up. */
export class RestlessNetwork extends Error {
  constructor(atMs: number) {
    super(`routes still chase each other at ${atMs / 1000} s`);
  }
}

export interface SimulateOptions {
  /** What every router writes to its log; nothing by default. */
  readonly debug?: DebugMask;
  /** Runs after the repair, before anything is compared: for a check of the check. */
  readonly beforeCheck?: (routers: readonly SimRouter[]) => void;
  /** Sees each piece of bytes that a router sends; what it returns is sent instead. */
  readonly tamper?: (from: string, to: string, bytes: Uint8Array) => Uint8Array;
}

export interface Simulation {
  readonly seed: number;
  readonly shape: Shape;
  readonly routers: number;
  readonly sessions: number;
  /** Virtual time of the last fault, and from then until all was right. */
  readonly troubleMs: number;
  readonly quietMs: number;
  readonly events: readonly string[];
  /** Empty when all is right. */
  readonly differences: readonly string[];
  readonly plan: NetworkPlan;
  readonly sims: readonly SimRouter[];
}

export function simulate(seed: number, options: SimulateOptions = {}): Simulation {
  const plan = drawNetwork(seed);
  plan.debug = options.debug ?? [];
  const clock = new VirtualClock();
  const network = new SimNetwork(clock, seededRandom(seed));
  if (options.tamper) network.tamper = options.tamper;
  const sims = plan.routers.map((router) => {
    const host = network.add(new SimHost(`r${router.index}`));
    for (const { fact, segment } of interfacesFor(router)) host.plug(fact, segment);
    return new SimRouter(network, host, configFor(plan, router), seededRandom(seed + router.index));
  });
  let steps = 0;
  const pass = (durationMs: number): void => {
    const restless = (): boolean => ++steps > STEP_LIMIT;
    if (clock.advanceUntil(restless, durationMs)) throw new RestlessNetwork(clock.nowMs);
  };
  const draw = new Draw(seed + 1_000_003);
  const faults = new Faults(plan, network, sims, draw);
  pass(draw.between(0, 20_000));
  for (let left = draw.between(5, 20); left > 0; left--) {
    faults.strike();
    pass(draw.chance(0.3) ? draw.between(0, 20) : draw.between(0, 8000));
  }
  faults.heal();
  const troubleMs = clock.nowMs;
  const expected = expectedTables(plan);
  const result = (found: readonly string[]): Simulation => ({
    seed,
    shape: plan.shape,
    routers: plan.routers.length,
    sessions: plan.sessions.length,
    troubleMs,
    quietMs: clock.nowMs - troubleMs,
    events: faults.log,
    differences: found,
    plan,
    sims,
  });
  // A network that nobody could be right about is a mistake of the generator.
  if (expected.kind === 'no stable outcome') return result([`no stable outcome: ${expected.net}`]);
  options.beforeCheck?.(sims);
  let wrong = true;
  while (wrong && clock.nowMs - troubleMs < QUIET_LIMIT_MS) {
    pass(5000);
    wrong = differences(plan, sims, expected, 1).length > 0;
    if (!wrong) {
      pass(STEADY_MS);
      wrong = differences(plan, sims, expected, 1).length > 0;
    }
  }
  const bugs = sims.flatMap((sim) =>
    sim.log
      .filter((line) => line.class === 'bug')
      .map((line) => `${sim.host.name} log: ${line.text}`),
  );
  return result([...bugs, ...(wrong ? differences(plan, sims, expected, 40) : [])]);
}
