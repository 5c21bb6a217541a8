// What the BFD tests of both directions share: how long a node's power loss takes to leave the
// router's kernel, and how long its return.

import assert from 'node:assert/strict';
import { type Lab, NODES, type NodeName, until, when } from '@rookery/lab';
import { kernelNextHops } from './network.ts';

export const VIP = '192.168.2.1';

/** 300 ms x 3, a transmission that was just missed, and what a busy machine adds. */
export const DETECTION_LIMIT_MS = 1500;

/** Waits until the service's route has exactly these next hops; milliseconds that it took. */
export async function nextHops(
  lab: Lab,
  wanted: readonly string[],
  timeoutMs: number,
): Promise<number> {
  const startMs = performance.now();
  await until(
    `next hops ${wanted.join(', ') || 'none'}`,
    timeoutMs,
    async () => {
      const found = await kernelNextHops(lab, VIP);
      return when(found.size === wanted.length && wanted.every((address) => found.has(address)));
    },
    20,
  );
  return performance.now() - startMs;
}

/** Cuts a node off; milliseconds until the router's kernel no longer uses it. */
export async function losePower(lab: Lab, victim: NodeName): Promise<number> {
  const rest = NODES.filter((node) => node.name !== victim).map((node) => node.address);
  const startMs = performance.now();
  await lab.powerOff(victim);
  await nextHops(lab, rest, 5000);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < DETECTION_LIMIT_MS, `${victim}: ${tookMs.toFixed(0)} ms`);
  return tookMs;
}
