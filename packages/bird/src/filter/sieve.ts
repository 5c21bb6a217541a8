// Which statements of a filter may concern a route. A policy has many terms, `if CONDITION then …`,
// and few of them match; what their conditions ask of prefix, path and communities is mostly
// membership in constant sets. So the question is turned round: each number in the route is looked up
// once and says which statements it could satisfy, however many there are. The others are not run,
// and often that alone gives the verdict. Built when the first route comes.

import type { PathAttributes } from '@rookery/bgp';
import type { AttributeOctets, ListTakers, RouteAttributes, WordTaker } from '@rookery/rib';
import { tellWords } from '@rookery/rib';
import type { NetClasses, NetTest } from './net-classes.ts';

export type Subject = keyof ListTakers;

/** What must be so for a condition to hold. */
export type Requirement =
  | { readonly subject: 'net'; readonly test: NetTest; readonly passes: boolean }
  /** Some member (its first word) lies in one of the intervals: low, high, low, high, … */
  | { readonly subject: Subject; readonly intervals: ArrayLike<number> };

export interface Requirements {
  readonly all: readonly Requirement[];
  /** The condition says no more than this. */
  readonly isExact: boolean;
  /** Evaluating the condition cannot end the filter, as a value that is void does. */
  readonly isSafe: boolean;
}

/** A statement, or several in a row. */
export interface Part {
  /** Absent: it must always be run. */
  readonly requirements: Requirements | undefined;
  /** Nothing but this verdict on whatever satisfies the requirements. */
  readonly verdict: boolean | undefined;
}

/** Of a condition that may hold for any route. */
export const NOTHING_REQUIRED: Requirements = { all: [], isExact: false, isSafe: true };

/** Longer lists of intervals are left to the condition itself. */
const MAX_INTERVALS = 1 << 14;

/** A member of the list lies in one of the intervals. */
export function memberOf(
  subject: Subject,
  intervals: ArrayLike<number>,
  isExact: boolean,
): Requirements {
  if (intervals.length > MAX_INTERVALS * 2) return NOTHING_REQUIRED;
  return { all: [{ subject, intervals }], isExact, isSafe: true };
}

/** Of `left && right`; what may end the filter before it gets to `right` hides what that requires. */
export function bothOf(
  left: Requirements | undefined,
  right: Requirements | undefined,
): Requirements | undefined {
  if (!left) return undefined;
  if (!left.isSafe || !right) return { all: left.all, isExact: false, isSafe: false };
  const isExact = left.isExact && right.isExact;
  return { all: [...left.all, ...right.all], isExact, isSafe: right.isSafe };
}

/** Hashes of blocks of numbers; a word has 32. */
const HASH_BITS = 14;
const MAX_MARKED = 2 ** (HASH_BITS - 3);

/** Words of a member; a path is its segments. */
const WIDTHS: Readonly<Record<Subject, number>> = {
  asPath: 0,
  communities: 1,
  extendedCommunities: 2,
  largeCommunities: 3,
};

export class Sieve {
  readonly #parts: readonly Part[];
  readonly #classes: NetClasses;
  /** Those that any part requires something of. */
  readonly #lists: readonly Members[];
  readonly #takers: ListTakers;
  /** By the class of the prefix, bits of the parts that it leaves open. */
  readonly #byNet: Uint32Array[] = [];
  /** Bits of the parts that may concern the route. */
  readonly #open: Uint32Array;
  #netClass = 0;

  constructor(parts: readonly Part[], classes: NetClasses) {
    this.#parts = parts;
    this.#classes = classes;
    this.#open = new Uint32Array((parts.length + 31) >>> 5);
    const subjects = Object.keys(WIDTHS) as Subject[];
    this.#lists = subjects.flatMap((subject) => Members.build(subject, parts) ?? []);
    const taker = (subject: Subject): Members | undefined =>
      this.#lists.find((members) => members.subject === subject);
    // All of the same shape, for the sake of those who look at it.
    this.#takers = {
      asPath: taker('asPath'),
      communities: taker('communities'),
      extendedCommunities: taker('extendedCommunities'),
      largeCommunities: taker('largeCommunities'),
    };
  }

  /** The verdict on a route that comes out as it went in; `undefined` when the filter must be run. */
  verdict(netClass: number, octets: AttributeOctets): boolean | undefined {
    this.#netClass = netClass;
    for (let i = 0; i < this.#lists.length; i++) this.#lists[i]!.restart();
    tellWords(octets, this.#takers);
    this.#combine();
    return this.#parts[this.#next(0)]?.verdict;
  }

  /** The first part that may concern the route; one behind the last when there is none. */
  first(netClass: number, { bgp }: RouteAttributes): number {
    this.#netClass = netClass;
    for (let i = 0; i < this.#lists.length; i++) this.#lists[i]!.look(bgp);
    this.#combine();
    return this.#next(0);
  }

  /** The next part behind the one that has just been run, and may have changed the route. */
  after(part: number, { bgp }: RouteAttributes): number {
    let isChanged = false;
    for (let i = 0; i < this.#lists.length; i++) {
      if (!this.#lists[i]!.hasSeen(bgp)) {
        this.#lists[i]!.look(bgp);
        isChanged = true;
      }
    }
    if (isChanged) this.#combine();
    return this.#next(part + 1);
  }

  #combine(): void {
    const open = this.#open;
    const byNet = (this.#byNet[this.#netClass] ??= this.#openFor(this.#netClass));
    for (let i = 0; i < open.length; i++) open[i] = byNet[i]!;
    for (let i = 0; i < this.#lists.length; i++) this.#lists[i]!.narrow(open);
  }

  #openFor(netClass: number): Uint32Array {
    const passed = this.#classes.passedIn(netClass);
    const open = new Uint32Array(this.#open.length);
    for (const [i, { requirements }] of this.#parts.entries()) {
      const isOpen = (requirements?.all ?? []).every(
        (one) => one.subject !== 'net' || passed.has(one.test) === one.passes,
      );
      if (isOpen) open[i >>> 5]! |= 1 << (i & 31);
    }
    return open;
  }

  #next(from: number): number {
    const open = this.#open;
    let word = from >>> 5;
    if (word >= open.length) return this.#parts.length;
    let bits = open[word]! & (-1 << (from & 31));
    while (bits === 0) {
      if (++word >= open.length) return this.#parts.length;
      bits = open[word]!;
    }
    return word * 32 + 31 - Math.clz32(bits & -bits);
  }
}

/**
 * What the members of one list satisfy. The numbers are cut into intervals; each has a row of bits,
 * one per part, once for every requirement that a part may have of this list.
 */
class Members implements WordTaker {
  readonly subject: Subject;
  readonly #starts: Uint32Array;
  /** Row of each interval; row 0: it satisfies nothing. */
  readonly #rowOf: Uint32Array;
  readonly #rows: Uint32Array;
  /** A bit for the hash of each block of numbers in which one satisfies something: few do. */
  readonly #marked = new Uint32Array(2 ** HASH_BITS / 32);
  readonly #blockShift: number;
  /** Bits of the parts that require less often. */
  readonly #idle: Uint32Array;
  readonly #satisfied: Uint32Array;
  /** The list that was looked at last. */
  #seen: unknown;

  private constructor(
    subject: Subject,
    idle: Uint32Array,
    starts: readonly number[],
    rowOf: readonly number[],
    rows: readonly number[],
  ) {
    this.subject = subject;
    this.#starts = Uint32Array.from(starts);
    this.#rowOf = Uint32Array.from(rowOf);
    this.#rows = Uint32Array.from(rows);
    this.#idle = idle;
    this.#satisfied = idle.slice();
    const telling = rowOf.flatMap((row, i) =>
      row === 0 ? [] : [[starts[i]!, (starts[i + 1] ?? 2 ** 32) - 1] as const],
    );
    let shift = 0;
    const marks = (): number =>
      telling.reduce((sum, [low, high]) => sum + (high >>> shift) - (low >>> shift) + 1, 0);
    while (shift < 31 && marks() > MAX_MARKED) shift++;
    this.#blockShift = shift;
    for (const [low, high] of telling) {
      for (let block = low >>> shift; block <= high >>> shift; block++) {
        const hash = hashOf(block);
        this.#marked[hash >>> 5]! |= 1 << (hash & 31);
      }
    }
  }

  /** `undefined` when no part requires anything of this list. */
  static build(subject: Subject, parts: readonly Part[]): Members | undefined {
    const size = (parts.length + 31) >>> 5;
    const marks: { readonly at: number; readonly word: number; readonly bit: number }[] = [];
    const counts = parts.map(({ requirements }, part) => {
      let count = 0;
      for (const one of requirements?.all ?? []) {
        if (one.subject !== subject) continue;
        const word = count++ * size + (part >>> 5);
        for (let i = 0; i < one.intervals.length; i += 2) {
          marks.push({ at: one.intervals[i]!, word, bit: 1 << (part & 31) });
          marks.push({ at: one.intervals[i + 1]! + 1, word, bit: 1 << (part & 31) });
        }
      }
      return count;
    });
    const most = Math.max(0, ...counts);
    if (most === 0) return undefined;
    marks.sort((x, y) => x.at - y.at);
    const idle = new Uint32Array(most * size);
    for (const [part, count] of counts.entries()) {
      for (let i = count; i < most; i++) idle[i * size + (part >>> 5)]! |= 1 << (part & 31);
    }
    const row = new Uint32Array(most * size);
    const rows = [...row];
    const known = new Map([[row.join(), 0]]);
    const starts = [0];
    const rowOf = [0];
    for (let i = 0; i < marks.length;) {
      const { at } = marks[i]!;
      // Intervals of one requirement are apart, so that each mark turns its bit over.
      for (; i < marks.length && marks[i]!.at === at; i++) row[marks[i]!.word]! ^= marks[i]!.bit;
      const key = row.join();
      const number = known.get(key) ?? rows.length;
      if (number === rows.length) {
        known.set(key, number);
        rows.push(...row);
      }
      if (at === 0) rowOf[0] = number;
      else if (at <= 0xffffffff) {
        starts.push(at);
        rowOf.push(number);
      }
    }
    return new Members(subject, idle, starts, rowOf, rows);
  }

  restart(): void {
    const satisfied = this.#satisfied;
    const idle = this.#idle;
    for (let i = 0; i < idle.length; i++) satisfied[i] = idle[i]!;
  }

  take(word: number): void {
    const hash = hashOf(word >>> this.#blockShift);
    if ((this.#marked[hash >>> 5]! & (1 << (hash & 31))) === 0) return;
    const starts = this.#starts;
    let left = 0;
    let right = starts.length - 1;
    while (left < right) {
      const middle = (left + right + 1) >>> 1;
      if (starts[middle]! <= word) left = middle;
      else right = middle - 1;
    }
    const row = this.#rowOf[left]!;
    if (row === 0) return;
    const satisfied = this.#satisfied;
    const rows = this.#rows;
    for (let i = 0; i < satisfied.length; i++) satisfied[i]! |= rows[row + i]!;
  }

  /** Takes the members of the list in these attributes. */
  look(bgp: PathAttributes | undefined): void {
    this.#seen = bgp?.[this.subject];
    this.restart();
    const width = WIDTHS[this.subject];
    if (width === 0) {
      const path = bgp?.asPath ?? [];
      for (let s = 0; s < path.length; s++) {
        const { asns } = path[s]!;
        for (let i = 0; i < asns.length; i++) this.take(asns[i]!);
      }
      return;
    }
    const list = (this.#seen as readonly number[] | undefined) ?? [];
    for (let i = 0; i < list.length; i += width) this.take(list[i]!);
  }

  hasSeen(bgp: PathAttributes | undefined): boolean {
    return this.#seen === bgp?.[this.subject];
  }

  /** Closes the parts that require something that no member is. */
  narrow(open: Uint32Array): void {
    const satisfied = this.#satisfied;
    for (let i = 0, at = 0; i < satisfied.length; i++) {
      open[at]! &= satisfied[i]!;
      if (++at === open.length) at = 0;
    }
  }
}

function hashOf(block: number): number {
  return Math.imul(block, 0x9e3779b1) >>> (32 - HASH_BITS);
}
