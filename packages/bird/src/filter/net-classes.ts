// All tests that a filter makes on the prefix, answered at once. A test is a list of patterns
// `P{low,high}`; prefixes that pass the same tests are of one class, and finding the class of a
// prefix takes one search, however many tests there are. The patterns cut the address space into
// intervals; for each of those a row says which class a prefix of each length is in that begins
// there. Built when the first prefix comes: a configuration is also read just to be checked.

import type { PrefixPattern } from './ast.ts';
import type { PrefixValue } from './types.ts';

/** Passes when one of its patterns does. */
export type NetTest = readonly PrefixPattern[];

export class NetClasses {
  readonly #tests: readonly NetTest[];
  readonly #classes: ClassList;
  #v4: Intervals | undefined;
  #v6: Intervals | undefined;

  constructor(tests: readonly NetTest[]) {
    this.#tests = tests;
    this.#classes = new ClassList(tests);
  }

  /** Equal for prefixes that pass the same tests; 0 when they pass none. */
  classOf(net: PrefixValue): number {
    if (net.family === 'ipv4') return intervalClass4((this.#v4 ??= this.#build('ipv4')), net);
    return intervalClass6((this.#v6 ??= this.#build('ipv6')), net);
  }

  /** The tests that prefixes of a class pass. */
  passedIn(netClass: number): ReadonlySet<NetTest> {
    return this.#classes.passed[netClass]!;
  }

  #build(family: 'ipv4' | 'ipv6'): Intervals {
    return family === 'ipv4'
      ? buildIntervals(IPV4, this.#tests, this.#classes)
      : buildIntervals(IPV6, this.#tests, this.#classes);
  }
}

/** Intervals of one family, by their first addresses. */
interface Intervals {
  /** First addresses, ascending; one word each for IPv4, four for IPv6. */
  readonly starts: Uint32Array;
  /** Where the row of each interval begins in `classes`. */
  readonly rows: Uint32Array;
  /** One class per prefix length. */
  readonly classes: Uint32Array;
  /** The last interval that begins at or before each block of addresses; blocks are equally large. */
  readonly blocks: Uint32Array;
  readonly blockShift: number;
}

/** Addresses of a family as they are while intervals are built: small ones need no big numbers. */
interface Addresses<A> {
  readonly family: 'ipv4' | 'ipv6';
  readonly bits: number;
  readonly zero: A;
  /** One behind the last address. */
  readonly end: A;
  readonly of: (prefix: PrefixValue) => A;
  /** The first address of the prefix of this length that contains it. */
  readonly cut: (address: A, length: number) => A;
  /** The first address behind the prefix that begins there. */
  readonly behind: (address: A, length: number) => A;
  readonly word: (address: A, index: number) => number;
}

const IPV4: Addresses<number> = {
  family: 'ipv4',
  bits: 32,
  zero: 0,
  end: 2 ** 32,
  of: ({ a }) => a,
  cut: (address, length) => (length === 0 ? 0 : (address & (-1 << (32 - length))) >>> 0),
  behind: (address, length) => address + 2 ** (32 - length),
  word: (address) => address,
};

const IPV6: Addresses<bigint> = {
  family: 'ipv6',
  bits: 128,
  zero: 0n,
  end: 1n << 128n,
  of: ({ a, b, c, d }) => (BigInt(a) << 96n) | (BigInt(b) << 64n) | (BigInt(c) << 32n) | BigInt(d),
  cut: (address, length) => (address >> BigInt(128 - length)) << BigInt(128 - length),
  behind: (address, length) => address + (1n << BigInt(128 - length)),
  word: (address, index) => Number((address >> BigInt(96 - 32 * index)) & 0xffffffffn),
};

/** A test passes for prefixes of `low` to `high` bits within address/length; low >= length. */
interface Entry<A> {
  readonly test: number;
  readonly address: A;
  readonly length: number;
  readonly low: number;
  readonly high: number;
}

function intervalClass4(intervals: Intervals, net: PrefixValue): number {
  const { starts, blocks, blockShift, rows, classes } = intervals;
  const key = net.a;
  const block = blockShift === 32 ? 0 : key >>> blockShift;
  let left = blocks[block]!;
  let right = blocks[block + 1]!;
  while (left < right) {
    const middle = (left + right + 1) >>> 1;
    if (starts[middle]! <= key) left = middle;
    else right = middle - 1;
  }
  return classes[rows[left]! + net.length]!;
}

function intervalClass6(intervals: Intervals, net: PrefixValue): number {
  const { starts, blocks, blockShift, rows, classes } = intervals;
  const block = blockShift === 32 ? 0 : net.a >>> blockShift;
  let left = blocks[block]!;
  let right = blocks[block + 1]!;
  while (left < right) {
    const middle = (left + right + 1) >>> 1;
    if (beginsBy(starts, middle * 4, net)) left = middle;
    else right = middle - 1;
  }
  return classes[rows[left]! + net.length]!;
}

/** The address at `at` is not behind that of the prefix. */
function beginsBy(starts: Uint32Array, at: number, net: PrefixValue): boolean {
  if (starts[at] !== net.a) return starts[at]! < net.a;
  if (starts[at + 1] !== net.b) return starts[at + 1]! < net.b;
  if (starts[at + 2] !== net.c) return starts[at + 2]! < net.c;
  return starts[at + 3]! <= net.d;
}

function entriesOf<A extends number | bigint>(
  { family, bits, of, cut }: Addresses<A>,
  tests: readonly NetTest[],
): Entry<A>[] {
  const entries: Entry<A>[] = [];
  for (const [test, patterns] of tests.entries()) {
    for (const { prefix, low, high } of patterns) {
      if (prefix.family !== family) continue;
      const { length } = prefix;
      const address = of(prefix);
      const last = Math.min(high, bits);
      if (length <= last)
        entries.push({ test, address, length, low: Math.max(low, length), high: last });
      // Shorter than the pattern: the one prefix of that length which contains it.
      for (let n = low; n < length && n <= last; n++) {
        entries.push({ test, address: cut(address, n), length: n, low: n, high: n });
      }
    }
  }
  return entries.sort((x, y) =>
    x.address === y.address ? x.length - y.length : x.address < y.address ? -1 : 1,
  );
}

function buildIntervals<A extends number | bigint>(
  addresses: Addresses<A>,
  tests: readonly NetTest[],
  classes: ClassList,
): Intervals {
  const { bits, zero, end, behind, word } = addresses;
  const rows = new RowBuilder(bits, classes);
  const marks: { readonly start: A; row: number }[] = [];
  const mark = (start: A, row: number): void => {
    const last = marks.at(-1);
    if (last?.start === start) last.row = row;
    else marks.push({ start, row });
  };
  const open: { readonly end: A; readonly row: number }[] = [{ end, row: 0 }];
  mark(zero, 0);
  const close = (until: A): void => {
    while (open.length > 1 && open.at(-1)!.end <= until) {
      const closed = open.pop()!;
      mark(closed.end, open.at(-1)!.row);
    }
  };
  for (const entry of entriesOf(addresses, tests)) {
    close(entry.address);
    const row = rows.extend(open.at(-1)!.row, entry);
    mark(entry.address, row);
    open.push({ end: behind(entry.address, entry.length), row });
  }
  close(end);
  if (marks.at(-1)!.start === end) marks.pop();
  const width = bits / 32;
  const starts = new Uint32Array(marks.length * width);
  for (const [i, { start }] of marks.entries()) {
    for (let w = 0; w < width; w++) starts[i * width + w] = word(start, w);
  }
  return {
    starts,
    rows: Uint32Array.from(marks, ({ row }) => row * (bits + 1)),
    classes: rows.finish(),
    ...buildBlocks(starts, width),
  };
}

/** About as many blocks as intervals, 65,536 at most. */
function buildBlocks(starts: Uint32Array, width: number): Pick<Intervals, 'blocks' | 'blockShift'> {
  const count = starts.length / width;
  const blockBits = Math.min(16, Math.ceil(Math.log2(count)));
  const blocks = new Uint32Array(2 ** blockBits + 1).fill(count - 1);
  for (let block = 0, at = 0; block < 2 ** blockBits; block++) {
    const first = block * 2 ** (32 - blockBits);
    const isBefore = (i: number): boolean =>
      starts[i * width]! < first ||
      (starts[i * width] === first &&
        starts.subarray(i * width + 1, (i + 1) * width).every((w) => w === 0));
    while (at + 1 < count && isBefore(at + 1)) at++;
    blocks[block] = at;
  }
  return { blocks, blockShift: 32 - blockBits };
}

/** Rows of classes by prefix length; equal ones are shared. Row 0: no test passes. */
class RowBuilder {
  readonly #classes: ClassList;
  readonly #rows: Uint32Array[];
  readonly #extended = new Map<string, number>();

  constructor(bits: number, classes: ClassList) {
    this.#classes = classes;
    this.#rows = [new Uint32Array(bits + 1)];
  }

  /** The row in which a test passes too. */
  extend(row: number, { test, low, high }: Omit<Entry<never>, 'address'>): number {
    const key = `${row} ${test} ${low} ${high}`;
    const known = this.#extended.get(key);
    if (known !== undefined) return known;
    const extended = this.#rows[row]!.map((members, length) =>
      length >= low && length <= high ? this.#classes.join(members, test) : members,
    );
    const number = this.#rows.push(extended) - 1;
    this.#extended.set(key, number);
    return number;
  }

  finish(): Uint32Array {
    const size = this.#rows[0]!.length;
    const all = new Uint32Array(this.#rows.length * size);
    for (const [i, row] of this.#rows.entries()) all.set(row, i * size);
    return all;
  }
}

/** Classes by the tests that their members pass; class 0 passes none. */
class ClassList {
  readonly passed: ReadonlySet<NetTest>[] = [new Set()];
  readonly #tests: readonly NetTest[];
  readonly #members: (readonly number[])[] = [[]];
  readonly #numbers = new Map<string, number>([['', 0]]);
  readonly #joined = new Map<number, number>();

  constructor(tests: readonly NetTest[]) {
    this.#tests = tests;
  }

  /** The class of prefixes that pass one test more. */
  join(netClass: number, test: number): number {
    const key = netClass * this.#tests.length + test;
    const known = this.#joined.get(key);
    if (known !== undefined) return known;
    const members = [...new Set(this.#members[netClass]).add(test)].sort((x, y) => x - y);
    const name = members.join(' ');
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.passed.push(new Set(members.map((i) => this.#tests[i]!))) - 1;
      this.#members.push(members);
      this.#numbers.set(name, number);
    }
    this.#joined.set(key, number);
    return number;
  }
}
