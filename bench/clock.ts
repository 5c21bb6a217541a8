// The clock of the load tool, and what the kernel's stamps mean on it.

/** Milliseconds of the machine's monotonic clock, equal in all processes. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * What to take from a time of day, in milliseconds, to have it on the clock of `nowMs`; right to a few
 * microseconds, until somebody sets the time of day. Looks at the moments at which a millisecond ends;
 * the process may be held up at some of them, which makes the difference too small.
 */
export function timeOfDayOffsetMs(): number {
  let offset = -Infinity;
  for (let i = 0; i < 5; i++) {
    const before = Date.now();
    let after = before;
    while (after === before) after = Date.now();
    offset = Math.max(offset, after - nowMs());
  }
  return offset;
}
