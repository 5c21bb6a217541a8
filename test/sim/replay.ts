/** The command that runs a seed again and shows what happened. */
export function replayOf(seed: number): string {
  return `node test/sim/run.ts --seed ${seed} --verbose`;
}
