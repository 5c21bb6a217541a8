// A thread that simulates: takes the next seed of a run until none is left, reports each.

import { parentPort, workerData } from 'node:worker_threads';
import { reportOn } from './report.ts';

export interface Work {
  readonly from: number;
  readonly count: number;
  /** How many seeds were taken, by all threads together. */
  readonly taken: Int32Array;
}

const { from, count, taken } = workerData as Work;
for (;;) {
  const next = Atomics.add(taken, 0, 1);
  if (next >= count) break;
  parentPort!.postMessage(reportOn(from + next));
}
