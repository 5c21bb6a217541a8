// A parser with a bug behind three comparisons, which only a fuzzer that is led by coverage finds:
// the proof that ours is.

/** Throws for input that begins with "bug!". */
export function planted(input: Uint8Array): void {
  if (input[0] !== 0x62) return;
  if (input[1] !== 0x75) return;
  if (input[2] !== 0x67) return;
  if (input[3] === 0x21) throw new Error('planted');
}
