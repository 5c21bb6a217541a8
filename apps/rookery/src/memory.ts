// Memory goes back to the system: what a start or a burst needed and a quiet daemon does not. V8
// collects when it wants to allocate, so a daemon that is quiet would keep its garbage for ever.

import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { trimMemory } from '@rookery/linux';

const TRIM_AFTER_MS = 200;
/** How long is looked, and up to which time of the main thread is quiet: nobody waits then. */
const START = { lookMs: 300, quietUs: 10_000 };
const LATER = { lookMs: 10_000, quietUs: 50_000 };
/** Nothing has just come either: changes that keep coming would be held up. */
const LULL = { lookMs: 250, quietUs: 1500 };
/** Less than this since the last time left nothing behind. */
const WORTH_US = 500_000;

/**
 * Collects, and drops pages that come back when they are used. Takes tens of milliseconds. A `regular`
 * collection leaves the nursery as large as it has grown; a `last-resort` also drops compiled code.
 */
export function giveMemoryBack(flavor: 'regular' | 'last-resort' = 'regular'): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  collect({ type: 'major', execution: 'sync', flavor });
  // V8's own threads free what was collected.
  setTimeout(trimMemory, TRIM_AFTER_MS).unref();
}

/**
 * The next collections come when the heap has grown fourfold. V8 takes every buffer that is sent for
 * an object: with its own limit it marks the ten MiB of real objects twice during a full table.
 */
export function collectSeldom(): void {
  setFlagsFromString('--heap-growing-percent=300');
}

/** Gives memory back whenever work is followed by quiet, for the first time soon after the start. */
export async function giveMemoryBackWhenQuiet(): Promise<never> {
  while ((await usedUsIn(START.lookMs)) > START.quietUs);
  giveMemoryBack();
  for (let spentUs = 0; ;) {
    const usedUs = await usedUsIn(LATER.lookMs);
    spentUs += usedUs;
    if (usedUs > LATER.quietUs || spentUs < WORTH_US) continue;
    const justUsedUs = await usedUsIn(LULL.lookMs);
    spentUs += justUsedUs;
    if (justUsedUs > LULL.quietUs) continue;
    giveMemoryBack();
    spentUs = 0;
  }
}

async function usedUsIn(lookMs: number): Promise<number> {
  const beforeUs = processorUs();
  await pause(lookMs, undefined, { ref: false });
  return processorUs() - beforeUs;
}

function processorUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
