// Outcomes as values, and the exhaustiveness check that closes every switch.

/** A value or a reason why there is none. `error` is plain data from a closed union. */
export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

/** Wraps a value. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** Wraps the reason for a refusal. */
export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** Ends a switch over a closed union; the compiler rejects the call while a case is missing. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}
