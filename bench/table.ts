// The routing table that every daemon is given: seeded, so that generator, receiver and check know
// the same one without talking. Shape of the public table of the mid 2020s: six prefixes of ten are
// /24, an attribute set is shared by about seven prefixes, AS paths are 2-6 long. Attributes of a
// group depend on the announcing peer, all but the origin AS.

export interface TableOptions {
  readonly family: 'ipv4' | 'ipv6';
  readonly count: number;
  readonly seed: number;
  /** Every prefix this long, e.g. 32 for a route server's customers. */
  readonly length?: number;
}

/** Prefix i is words[a, b] (the top 64 bits) / length; groups are runs of prefixes. */
export interface RouteSet {
  readonly family: 'ipv4' | 'ipv6';
  readonly seed: number;
  readonly count: number;
  readonly high: Int32Array;
  readonly low: Int32Array;
  readonly lengths: Uint8Array;
  /** Group of a prefix. */
  readonly group: Int32Array;
  /** First prefix of each group, and one more. */
  readonly starts: readonly number[];
  /** Number of the prefix, or -1. */
  find(high: number, low: number, length: number): number;
}

/** What one peer says about one group. */
export interface GroupAttributes {
  readonly origin: number;
  readonly asPath: readonly number[];
  readonly med: number | undefined;
  readonly aggregated: boolean;
  readonly communities: readonly number[];
  readonly largeCommunities: readonly number[];
}

export const FIRST_GENERATOR_AS = 65001;

const WEIGHTS_V4 = [
  [8, 2],
  [10, 4],
  [12, 30],
  [14, 120],
  [15, 200],
  [16, 1350],
  [17, 850],
  [18, 1400],
  [19, 2500],
  [20, 4400],
  [21, 5200],
  [22, 11000],
  [23, 9600],
  [24, 60000],
] as const;
const WEIGHTS_V6 = [
  [29, 3500],
  [32, 12500],
  [33, 1500],
  [36, 3600],
  [40, 9500],
  [42, 2500],
  [44, 9500],
  [46, 2800],
  [47, 2600],
  [48, 46440],
] as const;
const TOP_V6 = [0x2001, 0x2400, 0x2402, 0x2404, 0x2406, 0x2600, 0x2604, 0x2620, 0x2a00, 0x2a02];
const PATH_LENGTHS = [2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6];

/** A small generator of numbers; equal arguments give equal sequences. */
export function seededRandom(a: number, b: number, c: number): () => number {
  let state = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b)) | 0;
  state = (state ^ Math.imul(c + 1, 0xc2b2ae35)) | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/** Makes the table; about a second for a million prefixes. */
export function createRouteSet(options: TableOptions): RouteSet {
  const { family, count, seed } = options;
  const random = seededRandom(seed, 77, family === 'ipv4' ? 4 : 6);
  const high = new Int32Array(count);
  const low = new Int32Array(count);
  const lengths = new Uint8Array(count);
  const group = new Int32Array(count);
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(count * 2 + 16)));
  const mask = slots.length - 1;
  const starts: number[] = [];
  const slotOf = (h: number, l: number, length: number): number => {
    let at = (mix(h, l, length) & mask) >>> 0;
    for (;;) {
      const found = slots[at]! - 1;
      if (found < 0) return at;
      if (high[found] === h && low[found] === l && lengths[found] === length) return at;
      at = (at + 1) & mask;
    }
  };
  let made = 0;
  while (made < count) {
    const size = Math.min(groupSize(random), count - made);
    const base = random();
    const top = TOP_V6[random() % TOP_V6.length]!;
    starts.push(made);
    for (let i = 0; i < size;) {
      const length = options.length ?? drawLength(random, family);
      let h = random() % 4 ? (base & 0xfffc0000) | (random() >>> 14) : random();
      let l = 0;
      if (family === 'ipv6') {
        h = (top << 16) | (base & 0xffff);
        l = length > 32 ? random() & (-1 << (64 - length)) : 0;
        if (length < 32 || random() % 4 === 0) h = (top << 16) | (random() & 0xffff);
      }
      h &= length >= 32 ? -1 : -1 << (32 - length);
      if (family === 'ipv4' && isReserved(h)) continue;
      const at = slotOf(h, l, length);
      if (slots[at] !== 0) continue;
      high[made] = h;
      low[made] = l;
      lengths[made] = length;
      group[made] = starts.length - 1;
      slots[at] = ++made;
      i++;
    }
  }
  starts.push(count);
  return {
    family,
    seed,
    count,
    high,
    low,
    lengths,
    group,
    starts,
    find: (h, l, length) => slots[slotOf(h, l, length)]! - 1,
  };
}

/** What generator `peer` (from 0) announces for a group. */
export function attributesOf(routes: RouteSet, peer: number, group: number): GroupAttributes {
  const common = seededRandom(routes.seed, 1_000_003, group);
  const random = seededRandom(routes.seed, peer + 11, group);
  const origin = randomAs(common());
  const hops = PATH_LENGTHS[random() % PATH_LENGTHS.length]!;
  const asPath = [FIRST_GENERATOR_AS + peer];
  for (let i = 1; i < hops - 1; i++) {
    // A few transit networks carry most paths.
    const skew = ((random() % 1000) * (random() % 1000) * (random() % 1000)) / 1e9;
    asPath.push(randomAs(seededRandom(4242, Math.floor(900 * skew), 1)()));
  }
  asPath.push(origin);
  const communities: number[] = [];
  const communityCount = Math.min(12, Math.floor(-4.6 * Math.log(1 - random() / 2 ** 32)));
  for (let i = 0; i < communityCount; i++) {
    communities.push((((1000 + (random() % 800) * 70) << 16) | (random() % 4000)) >>> 0);
  }
  // Ascending, as most speakers send them: some sort what they pass on.
  const largeCommunities: number[] = [];
  if (random() % 100 < 8) {
    let owner = 3000;
    for (let i = random() % 3; i >= 0; i--) {
      owner += 1 + (random() % 60_000);
      largeCommunities.push(owner, random() % 70_000, random() % 70_000);
    }
  }
  return {
    origin: random() % 10 ? 0 : 2,
    asPath,
    med: random() % 100 < 15 ? random() % 1000 : undefined,
    aggregated: random() % 100 < 4,
    communities: communities.sort((x, y) => x - y),
    largeCommunities,
  };
}

function groupSize(random: () => number): number {
  const x = random() % 100;
  if (x < 45) return 1;
  if (x < 65) return 2 + (random() % 2);
  if (x < 85) return 4 + (random() % 5);
  return x < 95 ? 9 + (random() % 22) : 31 + (random() % 70);
}

function drawLength(random: () => number, family: 'ipv4' | 'ipv6'): number {
  const weights = family === 'ipv4' ? WEIGHTS_V4 : WEIGHTS_V6;
  let x = random() % weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [length, weight] of weights) {
    if (x < weight) return length;
    x -= weight;
  }
  return 24;
}

/** Networks that a daemon may refuse by itself, and those that the test network uses. */
function isReserved(high: number): boolean {
  const first = high >>> 24;
  if (first === 0 || first === 10 || first === 127 || first >= 224) return true;
  return first === 100 || first === 169 || first === 172 || first === 192 || first === 198;
}

function randomAs(x: number): number {
  return x % 100 < 55 ? 1000 + (x % 22_000) : 131_072 + (x % 270_000);
}

function mix(high: number, low: number, length: number): number {
  let h = Math.imul(high ^ Math.imul(low, 0x85ebca77) ^ length, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae3d);
  return h ^ (h >>> 13);
}
