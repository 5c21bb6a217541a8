// Waiting and checking, for the story and for the tests: conditions with a deadline, never a sleep.

/** Thrown when a condition did not become true in time; says what was seen last. */
export class Unmet extends Error {}

/** Polls until `probe` returns a value other than `undefined`, or throws `Unmet`. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined> | T | undefined,
  everyMs = 50,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const seen = last instanceof Error ? ` (last error: ${last.message})` : '';
      throw new Unmet(`${what}: not within ${(timeoutMs / 1000).toFixed(1)} s${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Turns a truth value into what `until` waits for. */
export function when(condition: boolean): true | undefined {
  return condition ? true : undefined;
}

/** Throws `Unmet` with the text unless the condition holds. */
export function check(condition: boolean, text: string): void {
  if (!condition) throw new Unmet(text);
}
