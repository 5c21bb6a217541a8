// Address order for consoles: a radix sort of net numbers by address and then length. Made when a
// view asks for order; tables themselves are unordered.

/** Sorts `nets` by the words (network order) and then by length; returns the sorted numbers. */
export function sortNets(
  nets: Int32Array,
  words: Int32Array,
  width: 1 | 4,
  lengths: Uint8Array,
): Int32Array {
  if (nets.length < 2048) return sortFew(nets, words, width, lengths);
  let from = nets;
  let to: Int32Array = new Int32Array(nets.length);
  const swap = (): void => {
    const sorted = to;
    to = from === nets ? new Int32Array(nets.length) : from;
    from = sorted;
  };
  const counts = new Int32Array(65_537);
  const passes = 1 + width * 2;
  for (let pass = 0; pass < passes; pass++) {
    // Least significant first: length, then the halves of the words from last to first.
    const word = width - 1 - ((pass - 1) >> 1);
    const shift = (pass & 1) === 1 ? 0 : 16;
    const digit = (net: number): number =>
      pass === 0 ? lengths[net]! : (words[net * width + word]! >>> shift) & 0xffff;
    counts.fill(0);
    for (let i = 0; i < from.length; i++) counts[digit(from[i]!) + 1]!++;
    for (let i = 0; i < 65_536; i++) counts[i + 1]! += counts[i]!;
    for (let i = 0; i < from.length; i++) {
      const net = from[i]!;
      to[counts[digit(net)]!++] = net;
    }
    swap();
  }
  return from;
}

function sortFew(
  nets: Int32Array,
  words: Int32Array,
  width: number,
  lengths: Uint8Array,
): Int32Array {
  return nets.slice().sort((a, b) => {
    for (let i = 0; i < width; i++) {
      const left = words[a * width + i]! >>> 0;
      const right = words[b * width + i]! >>> 0;
      if (left !== right) return left - right;
    }
    return lengths[a]! - lengths[b]!;
  });
}
