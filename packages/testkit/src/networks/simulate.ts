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
import type { OracleResult } from './oracle.ts';
import type { NetworkPlan } from './plan.ts';
import { drawNetwork } from './topology.ts';
import { noteStale, traitsOf } from './traits.ts';
import type { PassingTrait } from './traits.ts';

/** After the faults, at most so long until every table is right. */
const QUIET_LIMIT_MS = 900_000;
/** And so long it must stay right. */
const STEADY_MS = 20_000;
/** Far more events than the largest network needs: beyond that routes chase each other for ever. */
const STEP_LIMIT = 1_000_000;

export interface SimulateOptions {
  /** What every router writes to its log; nothing by default. */
  readonly debug?: DebugMask;
  /** Runs after the repair, before anything is compared: for a check of the check. */
  readonly beforeCheck?: (routers: readonly SimRouter[]) => void;
  /** Sees each piece of bytes that a router sends; what it returns is sent instead. */
  readonly tamper?: (from: string, to: string, bytes: Uint8Array) => Uint8Array;
}

export interface Simulation {
  readonly plan: NetworkPlan;
  readonly sims: readonly SimRouter[];
  /** What this network is an example of. */
  readonly traits: readonly string[];
  readonly events: readonly string[];
  /** Things that happened in it: bytes that arrived, timers that ran out. */
  readonly steps: number;
  /** Virtual time of the last fault, and from then until all was right. */
  readonly troubleMs: number;
  readonly quietMs: number;
  /** Empty when all is right. */
  readonly differences: readonly string[];
}

export function simulate(seed: number, options: SimulateOptions = {}): Simulation {
  const life = new Life(seed, options);
  life.strike();
  const troubleMs = life.clock.nowMs;
  const wrong = life.settle(options);
  return {
    plan: life.plan,
    sims: life.sims,
    traits: [...traitsOf(life.plan, life.faults), ...life.witnessed],
    events: life.faults.log,
    steps: life.steps,
    troubleMs,
    quietMs: life.clock.nowMs - troubleMs,
    differences: wrong,
  };
}

class Life {
  readonly plan: NetworkPlan;
  readonly clock = new VirtualClock();
  readonly sims: readonly SimRouter[];
  readonly faults: Faults;
  /** Traits that show on the way only. */
  readonly witnessed = new Set<PassingTrait>();
  steps = 0;
  readonly #draw: Draw;

  constructor(seed: number, options: SimulateOptions) {
    this.plan = drawNetwork(seed);
    this.plan.debug = options.debug ?? [];
    const network = new SimNetwork(this.clock, seededRandom(seed));
    if (options.tamper) network.tamper = options.tamper;
    this.sims = this.plan.routers.map((router) => {
      const host = network.add(new SimHost(`r${router.index}`));
      for (const { fact, segment } of interfacesFor(router)) host.plug(fact, segment);
      const random = seededRandom(seed + router.index);
      return new SimRouter(network, host, configFor(this.plan, router), random);
    });
    this.#draw = new Draw(seed + 1_000_003);
    this.faults = new Faults(this.plan, network, this.sims, this.#draw);
  }

  strike(): void {
    const draw = this.#draw;
    this.#pass(draw.between(0, 20_000));
    for (let left = draw.between(5, 20); left > 0; left--) {
      this.faults.strike();
      this.#pass(draw.chance(0.3) ? draw.between(0, 20) : draw.between(0, 8000));
      for (const { router } of this.sims) noteStale(router.view, this.witnessed);
    }
    this.faults.heal();
  }

  /** Waits until everything is right and stays so; returns what is not. */
  settle({ beforeCheck }: SimulateOptions): string[] {
    const expected = expectedTables(this.plan);
    // A network that nobody could be right about is a mistake of the generator.
    if (expected.kind === 'no stable outcome') return [`no stable outcome for ${expected.net}`];
    beforeCheck?.(this.sims);
    const end = this.clock.nowMs + QUIET_LIMIT_MS;
    while (this.clock.nowMs < end && !this.#restless) {
      this.#pass(5000);
      if (!this.#isRight(expected)) continue;
      this.#pass(STEADY_MS);
      if (this.#isRight(expected)) return this.#bugs();
    }
    const restless = this.#restless ? [`no rest after ${this.steps} steps`] : [];
    return [...restless, ...this.#bugs(), ...differences(this.plan, this.sims, expected, 40)];
  }

  #isRight(expected: Extract<OracleResult, { readonly kind: 'stable' }>): boolean {
    return differences(this.plan, this.sims, expected, 1).length === 0;
  }

  /** What an engine itself holds to be impossible. */
  #bugs(): string[] {
    return this.sims.flatMap(({ log, host }) =>
      log.filter((line) => line.class === 'bug').map((line) => `${host.name} log: ${line.text}`),
    );
  }

  get #restless(): boolean {
    return this.steps > STEP_LIMIT;
  }

  /** Lets time pass, as long as the network does not run wild. */
  #pass(durationMs: number): void {
    this.clock.advanceUntil(() => ++this.steps > STEP_LIMIT, durationMs);
  }
}
