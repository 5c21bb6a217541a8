// Path masks `[= 65000 * [1,2] 7..9 ? =]` against AS paths. Matching walks the path once while
// keeping the set of mask positions reached so far, so it is linear in path times mask and needs no
// backtracking. A member of an AS_SET matches when any of its numbers does.

import type { AsPathSegment } from '@rookery/bgp';
import { SEGMENT } from '@rookery/bgp';
import { formatIntervalSet, setHasWord } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';

export type MaskStep =
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  | { readonly kind: 'range'; readonly low: number; readonly high: number }
  | { readonly kind: 'set'; readonly set: IntervalSet }
  /** The step before may repeat. */
  | { readonly kind: 'loop' };

const MAX_ASN = 2 ** 32 - 1;

export class PathMask {
  readonly steps: readonly MaskStep[];
  /** Numbers that a step takes: low to high, and in the set where there is one. */
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  readonly #sets: readonly (IntervalSet | undefined)[];
  /** 1 for a step that may take the next number too. */
  readonly #repeats: Uint8Array;
  /** 1 for a step that need not take anything: `*`, and the `+` behind a step. */
  readonly #optional: Uint8Array;
  /** Marks of the numbers without which no path matches; see `marksOf`. */
  readonly needed: number;
  /** 1 for a step that may come next; the last one is the end. Belongs to one match at a time. */
  readonly #reached: Uint8Array;

  constructor(steps: readonly MaskStep[]) {
    this.steps = steps;
    this.#low = Float64Array.from(steps, (step) => ('low' in step ? step.low : 0));
    // The `+` itself takes nothing.
    this.#high = Float64Array.from(steps, (step) =>
      'high' in step ? step.high : step.kind === 'loop' ? -1 : MAX_ASN,
    );
    this.#sets = steps.map((step) => (step.kind === 'set' ? step.set : undefined));
    this.#repeats = Uint8Array.from(steps, ({ kind }, i) =>
      Number(kind === 'any' || steps[i + 1]?.kind === 'loop'),
    );
    this.#optional = Uint8Array.from(steps, ({ kind }) =>
      Number(kind === 'any' || kind === 'loop'),
    );
    const single = steps.map((step) =>
      step.kind === 'range' && step.low === step.high ? markOf(step.low) : 0,
    );
    this.needed = single.reduce((x, y) => x | y, 0);
    this.#reached = new Uint8Array(steps.length + 1);
  }

  /** Intervals of numbers: a path that matches has a member in each of them. */
  get members(): readonly Float64Array[] {
    return this.steps.flatMap((step) => {
      if (step.kind === 'range') return [Float64Array.of(step.low, step.high)];
      return step.kind === 'set' ? [step.set.intervals] : [];
    });
  }

  /** Does the mask match the whole path? */
  matches(path: readonly AsPathSegment[]): boolean {
    const reached = this.#reached;
    const end = this.steps.length;
    for (let at = 1; at <= end; at++) reached[at] = 0;
    reached[0] = 1;
    this.#skip();
    for (const { type, asns } of path) {
      const isSet = type === SEGMENT.asSet || type === SEGMENT.confedSet;
      const size = isSet ? asns.length : 1;
      for (let i = 0; i < asns.length; i += size) {
        if (!this.#consume(asns, i, i + size)) return false;
      }
    }
    return reached[end] === 1;
  }

  /** Takes one member of the path, any of asns[from, to); false when nothing may come next. */
  #consume(asns: readonly number[], from: number, to: number): boolean {
    const reached = this.#reached;
    const end = this.steps.length;
    reached[end] = 0;
    let alive = false;
    // Backwards, since a step that matches is followed by the next one.
    for (let at = end - 1; at >= 0; at--) {
      if (reached[at] === 0) continue;
      if (this.#takes(at, asns, from, to)) {
        alive = true;
        reached[at + 1] = 1;
        reached[at] = this.#repeats[at]!;
      } else reached[at] = 0;
    }
    if (alive) this.#skip();
    return alive;
  }

  #takes(at: number, asns: readonly number[], from: number, to: number): boolean {
    const [low, high, set] = [this.#low[at]!, this.#high[at]!, this.#sets[at]];
    for (let i = from; i < to; i++) {
      const asn = asns[i]!;
      if (asn >= low && asn <= high && (!set || setHasWord(set, asn))) return true;
    }
    return false;
  }

  /** Goes on past what is optional, without taking anything. */
  #skip(): void {
    const reached = this.#reached;
    const optional = this.#optional;
    for (let at = 0; at < optional.length; at++) {
      if (reached[at] === 1 && optional[at] === 1) reached[at + 1] = 1;
    }
  }
}

/** The marks of all numbers in a path: what has not all marks of a mask cannot match it. */
export function marksOf(path: readonly AsPathSegment[]): number {
  let marks = 0;
  for (const { asns } of path) for (const asn of asns) marks |= markOf(asn);
  return marks;
}

/** One of 32 bits. */
function markOf(asn: number): number {
  return 1 << (Math.imul(asn, 0x9e3779b1) >>> 27);
}

/** `[= 1 2 * =]` */
export function formatPathMask(mask: PathMask): string {
  return `[= ${mask.steps.map((step) => `${formatStep(step)} `).join('')}=]`;
}

function formatStep(step: MaskStep): string {
  switch (step.kind) {
    case 'any':
      return '*';
    case 'one':
      return '?';
    case 'loop':
      return '+';
    case 'range':
      return step.low === step.high ? String(step.low) : `${step.low}..${step.high}`;
    case 'set':
      return formatIntervalSet(step.set);
  }
}
