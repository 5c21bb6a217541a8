// What share of measured values is at or below which of them.

/**
 * By share, 0 to 1: the least of the values that so many of them do not exceed (nearest rank); 1 is
 * the greatest. NaN where there are none.
 */
export function quantilesOf(values: readonly number[]): (share: number) => number {
  const sorted = values.toSorted((a, b) => a - b);
  return (share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
