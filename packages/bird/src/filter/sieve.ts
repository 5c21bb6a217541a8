// Which statements of a filter may concern a route. A policy has many terms, `if CONDITION then …`,
// and few of them match; what their conditions ask of prefix, path and communities is mostly
// membership in constant sets. So the question is turned round: each number in the route is looked up
// once and says which statements it could satisfy, however many there are. The others are not run,
// and often that alone gives the verdict. Built when the first route comes.

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

const SUBJECTS: readonly Subject[] = [
  'asPath',
  'communities',
  'extendedCommunities',
  'largeCommunities',
];
const WIDTHS = { communities: 1, extendedCommunities: 2, largeCommunities: 3 } as const;
const LISTS = ['communities', 'extendedCommunities', 'largeCommunities'] as const;

export class Sieve {
  readonly #parts: readonly Part[];
  readonly #classes: NetClasses;
  readonly #size: number;
  readonly #members: { readonly [K in Subject]?: Members };
  readonly #byNet: Uint32Array[] = [];
  /** Bits of the parts that may concern the route. */
  readonly #open: Uint32Array;
  #netClass = 0;
  /** The lists that were looked at last. */
  readonly #seen: { [K in Subject]?: unknown } = {};

  constructor(parts: readonly Part[], classes: NetClasses) {
    this.#parts = parts;
    this.#classes = classes;
    this.#size = (parts.length + 31) >>> 5;
    this.#open = new Uint32Array(this.#size);
    const members: { [K in Subject]?: Members } = {};
    for (const subject of SUBJECTS) {
      const built = Members.build(subject, parts);
      if (built) members[subject] = built;
    }
    this.#members = members;
  }

  /** The verdict on a route that comes out as it went in; `undefined` when the filter must be run. */
  verdict(netClass: number, octets: AttributeOctets): boolean | undefined {
    this.#netClass = netClass;
    for (const subject of SUBJECTS) this.#members[subject]?.restart();
    tellWords(octets, this.#members);
    this.#combine();
    return this.#parts[this.#next(0)]?.verdict;
  }

  /** The first part that may concern the route; one behind the last when there is none. */
  first(netClass: number, attributes: RouteAttributes): number {
    this.#netClass = netClass;
    for (const subject of SUBJECTS) this.#look(subject, attributes);
    this.#combine();
    return this.#next(0);
  }

  /** The next part behind the one that has just been run, and may have changed the route. */
  after(part: number, attributes: RouteAttributes): number {
    let isChanged = false;
    for (const subject of SUBJECTS) {
      if (this.#members[subject] && this.#seen[subject] !== attributes.bgp?.[subject]) {
        this.#look(subject, attributes);
        isChanged = true;
      }
    }
    if (isChanged) this.#combine();
    return this.#next(part + 1);
  }

  #look(subject: Subject, { bgp }: RouteAttributes): void {
    const members = this.#members[subject];
    if (!members) return;
    this.#seen[subject] = bgp?.[subject];
    members.restart();
    if (subject === 'asPath') {
      for (const { asns } of bgp?.asPath ?? []) for (const asn of asns) members.take(asn);
    } else {
      const list = bgp?.[subject] ?? [];
      for (let i = 0; i < list.length; i += WIDTHS[subject]) members.take(list[i]!);
    }
  }

  #combine(): void {
    const open = this.#open;
    const byNet = (this.#byNet[this.#netClass] ??= this.#openFor(this.#netClass));
    for (let i = 0; i < open.length; i++) open[i] = byNet[i]!;
    this.#members.asPath?.narrow(open);
    for (const subject of LISTS) this.#members[subject]?.narrow(open);
  }

  #openFor(netClass: number): Uint32Array {
    const passed = this.#classes.passedIn(netClass);
    const open = new Uint32Array(this.#size);
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
  readonly #starts: Uint32Array;
  /** Row of each interval; row 0: it satisfies nothing. */
  readonly #rowOf: Uint32Array;
  readonly #rows: Uint32Array;
  /** Bits of the parts that require less often. */
  readonly #idle: Uint32Array;
  readonly #satisfied: Uint32Array;

  private constructor(
    starts: Uint32Array,
    rowOf: Uint32Array,
    rows: Uint32Array,
    idle: Uint32Array,
  ) {
    this.#starts = starts;
    this.#rowOf = rowOf;
    this.#rows = rows;
    this.#idle = idle;
    this.#satisfied = idle.slice();
  }

  /** `undefined` when no part requires anything of this list. */
  static build(subject: Subject, parts: readonly Part[]): Members | undefined {
    const size = (parts.length + 31) >>> 5;
    const marks: { at: number; word: number; bit: number }[] = [];
    let rounds = 0;
    const taken: number[] = [];
    for (const [part, { requirements }] of parts.entries()) {
      taken[part] = 0;
      for (const one of requirements?.all ?? []) {
        if (one.subject !== subject) continue;
        const word = taken[part]! * size + (part >>> 5);
        rounds = Math.max(rounds, ++taken[part]!);
        for (let i = 0; i < one.intervals.length; i += 2) {
          marks.push({ at: one.intervals[i]!, word, bit: 1 << (part & 31) });
          marks.push({ at: one.intervals[i + 1]! + 1, word, bit: 1 << (part & 31) });
        }
      }
    }
    if (rounds === 0) return undefined;
    marks.sort((x, y) => x.at - y.at);
    const idle = new Uint32Array(rounds * size);
    for (const part of parts.keys()) {
      for (let round = taken[part]!; round < rounds; round++) {
        idle[round * size + (part >>> 5)]! |= 1 << (part & 31);
      }
    }
    const row = new Uint32Array(rounds * size);
    const rows: number[] = [...row];
    const known = new Map<string, number>([[row.join(), 0]]);
    const starts = [0];
    const rowOf = [0];
    for (let i = 0; i < marks.length;) {
      const { at } = marks[i]!;
      // Intervals of one requirement are apart, so that each mark turns its bit over.
      for (; i < marks.length && marks[i]!.at === at; i++) row[marks[i]!.word]! ^= marks[i]!.bit;
      const key = row.join();
      let number = known.get(key);
      if (number === undefined) {
        number = rows.length;
        known.set(key, number);
        for (const bits of row) rows.push(bits);
      }
      if (at > 0xffffffff) break;
      if (at === 0) rowOf[0] = number;
      else {
        starts.push(at);
        rowOf.push(number);
      }
    }
    const typed = (list: readonly number[]): Uint32Array => Uint32Array.from(list);
    return new Members(typed(starts), typed(rowOf), typed(rows), idle);
  }

  restart(): void {
    const [satisfied, idle] = [this.#satisfied, this.#idle];
    for (let i = 0; i < idle.length; i++) satisfied[i] = idle[i]!;
  }

  take(word: number): void {
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
    const [satisfied, rows] = [this.#satisfied, this.#rows];
    for (let i = 0; i < satisfied.length; i++) satisfied[i]! |= rows[row + i]!;
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
