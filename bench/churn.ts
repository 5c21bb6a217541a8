// Churn: a few prefixes of the table go and come back, round after round, and the time from the
// moment at which a generator sends them until the last of them has reached the receiver.

import { setTimeout as pause } from 'node:timers/promises';
import type { TestBed } from './network.ts';
import { quantilesOf } from './quantiles.ts';
import type { Side } from './run.ts';
import { CHURN_PREFIXES } from './side.ts';
import { seededRandom } from './table.ts';

/** A generator and a receiver, on two sides of what is measured. */
export interface LoadPair {
  readonly bed: TestBed;
  readonly source: Side;
  readonly sink: Side;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const LIMIT_MS = 3000;
/**
 * Between two echoes: users have daemons whose code has left the caches meanwhile. Every gap is another
 * one, or echoes would fall in step with what a machine does at regular times.
 */
const GAP_MS = { least: 2, most: 9 } as const;

/** Throws when an echo does not come. */
export async function measureChurn(
  { bed, source, sink }: LoadPair,
  rounds: number,
): Promise<Readonly<Record<'withdraw' | 'announce', Latency>>> {
  const took = { withdraw: [] as number[], announce: [] as number[] };
  const random = seededRandom(rounds, 8, 8);
  bed.acknowledgeAtOnce(true);
  await sink.ask({ command: 'stamp', on: true });
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['withdraw', 'announce'] as const) {
      const { startMs } = await source.ask({ command: 'churn', kind, round });
      const { reachedMs } = await sink.ask({
        command: 'expect',
        kind: kind === 'withdraw' ? 'withdrawn' : 'announced',
        count: CHURN_PREFIXES,
        quietMs: 0,
        limitMs: LIMIT_MS,
      });
      if (reachedMs === undefined) throw new Error(`churn round ${round} was not complete`);
      took[kind].push((reachedMs as number) - (startMs as number));
      await pause(GAP_MS.least + (random() % (GAP_MS.most - GAP_MS.least)));
    }
  }
  await sink.ask({ command: 'stamp', on: false });
  bed.acknowledgeAtOnce(false);
  return { withdraw: latencyOf(took.withdraw), announce: latencyOf(took.announce) };
}

function latencyOf(tookMs: readonly number[]): Latency {
  const at = quantilesOf(tookMs);
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
