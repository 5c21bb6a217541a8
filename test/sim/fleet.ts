// Simulates a range of seeds, with a thread per core.

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Report } from './report.ts';
import type { Work } from './worker.ts';

/** Reports in order of the seeds; `seen` is called for each as it comes. */
export async function simulateMany(
  from: number,
  count: number,
  seen: (report: Report) => void = () => {},
): Promise<readonly Report[]> {
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const work: Work = { from, count, taken };
  const reports: Report[] = [];
  const threads = Array.from({ length: Math.min(availableParallelism(), count) }, () => {
    const worker = new Worker(join(import.meta.dirname, 'worker.ts'), { workerData: work });
    worker.on('message', (report: Report) => {
      reports.push(report);
      seen(report);
    });
    return new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => resolve());
    });
  });
  await Promise.all(threads);
  return reports.toSorted((a, b) => a.seed - b.seed);
}
