// What there is to say about one simulated seed, and about many.

import { TRAITS, simulate } from '@rookery/testkit';

export interface Report {
  readonly seed: number;
  readonly summary: string;
  readonly routers: number;
  readonly steps: number;
  readonly traits: readonly string[];
  /** Empty when all is right. */
  readonly failures: readonly string[];
}

/** Simulates a seed; what is thrown on the way is a failure like any other. */
export function reportOn(seed: number): Report {
  try {
    const { plan, quietMs, steps, traits, differences } = simulate(seed);
    const { shape, addressing, routers, sessions } = plan;
    const size = `${routers.length} routers, ${sessions.length} sessions`;
    const summary = `seed ${seed}: ${shape}, ${addressing}, ${size}, quiet after ${quietMs / 1000} s`;
    return { seed, summary, routers: routers.length, steps, traits, failures: differences };
  } catch (error) {
    const failures = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
    return { seed, summary: `seed ${seed}: died`, routers: 0, steps: 0, traits: [], failures };
  }
}

/** A failing seed with its first differences and the command that runs it again. */
export function failureText({ seed, summary, failures }: Report): string {
  return [summary, ...failures.slice(0, 4), replayOf(seed)].join('\n  ');
}

export function replayOf(seed: number): string {
  return `node test/sim/run.ts --seed ${seed} --verbose`;
}

/** How many seeds are an example of what. */
export function coverageOf(reports: readonly Report[]): ReadonlyMap<string, number> {
  const counts = new Map(TRAITS.map((trait) => [trait, 0]));
  for (const trait of reports.flatMap((report) => report.traits)) {
    counts.set(trait, (counts.get(trait) ?? 0) + 1);
  }
  return counts;
}

export function coverageText(reports: readonly Report[]): string {
  return [...coverageOf(reports)].map(([trait, seeds]) => `${trait}: ${seeds}`).join(', ');
}
