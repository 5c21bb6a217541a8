/** A thread's entry beside the module at `base`: TypeScript in a clone, a bundle of its own in dist. */
export function workerEntry(base: string, name: string): URL {
  return new URL(`${name}${base.endsWith('.ts') ? '.ts' : '.mjs'}`, base);
}
