// Deadlines as plain numbers: milliseconds of the clock that is passed in, `undefined` for "never".

export type Deadline = number | undefined;

/** The nearest of several deadlines. */
export function earliest(...deadlines: readonly Deadline[]): Deadline {
  let nearest: Deadline;
  for (const deadline of deadlines) {
    if (deadline !== undefined && (nearest === undefined || deadline < nearest)) nearest = deadline;
  }
  return nearest;
}

/** True when the deadline exists and has come. */
export function isDue(deadline: Deadline, nowMs: number): boolean {
  return deadline !== undefined && deadline <= nowMs;
}
