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

export type PathMask = readonly MaskStep[];

/** Does the mask match the whole path? */
export function pathMaskMatches(mask: PathMask, path: readonly AsPathSegment[]): boolean {
  let reached = closure(mask, new Set([0]));
  for (const segment of path) {
    const isSet = segment.type === SEGMENT.asSet || segment.type === SEGMENT.confedSet;
    const units = isSet ? [segment.asns] : segment.asns.map((asn) => [asn]);
    for (const unit of units) {
      const next = new Set<number>();
      for (const at of reached) {
        const step = mask[at];
        if (step === undefined || !accepts(step, unit)) continue;
        if (step.kind === 'any') next.add(at);
        else {
          next.add(at + 1);
          if (mask[at + 1]?.kind === 'loop') next.add(at);
        }
      }
      if (next.size === 0) return false;
      reached = closure(mask, next);
    }
  }
  return reached.has(mask.length);
}

/** Positions reachable without consuming: past `*`, and past the `+` that follows a step. */
function closure(mask: PathMask, from: Set<number>): Set<number> {
  for (const at of from) {
    const kind = mask[at]?.kind;
    if (kind === 'any' || kind === 'loop') from.add(at + 1);
  }
  return from;
}

function accepts(step: MaskStep, asns: readonly number[]): boolean {
  switch (step.kind) {
    case 'any':
    case 'one':
      return true;
    case 'range':
      return asns.some((asn) => asn >= step.low && asn <= step.high);
    case 'set':
      return asns.some((asn) => setHasWord(step.set, asn));
    case 'loop':
      return false;
  }
}

/** `[= 1 2 * =]` */
export function formatPathMask(mask: PathMask): string {
  return `[= ${mask.map(formatStep).join(' ')}${mask.length > 0 ? ' ' : ''}=]`;
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
