// Path masks: a constant when every item is one, else joined when the filter runs.

import { raise } from '../lexer.ts';
import type { MaskItem, Term } from './ast.ts';
import { demand, evaluateIn } from './operand.ts';
import { PathMask } from './path-mask.ts';
import { typeName } from './types.ts';
import { wrongArgument } from './unit.ts';
import type { Code, Unit } from './unit.ts';

/** `[= … =]` */
export function emitMask(unit: Unit, items: readonly MaskItem[]): Code {
  const steps = items.map((item) => emitMaskItem(unit, item));
  if (steps.every((step) => step.constant !== undefined)) {
    return unit.constant('bgpmask', new PathMask(steps.map((step) => step.constant as never)));
  }
  return { type: 'bgpmask', js: `R.joinMask([${steps.map((s) => s.js).join(', ')}])`, void: false };
}

function emitMaskItem(unit: Unit, item: MaskItem): Code {
  switch (item.kind) {
    case 'one':
    case 'any':
    case 'loop':
      return unit.constant('any', { kind: item.kind } as never);
    case 'range': {
      const low = integerIn(unit, item.from);
      const high = integerIn(unit, item.to);
      return unit.constant('any', { kind: 'range', low, high } as never);
    }
    case 'set': {
      const set = unit.emit(unit, item.term);
      if (set.type === 'empty set')
        return unit.constant('any', { kind: 'range', low: 1, high: 0 } as never);
      if (set.type !== 'int set')
        wrongArgument(item.term.at, 'PATHMASK_CONSTRUCT', 1, 'int', set.type);
      return unit.constant('any', { kind: 'set', set: set.constant } as never);
    }
    case 'term': {
      const code = unit.emit(unit, item.term);
      if (code.type === 'int set') {
        if (code.constant === undefined) {
          const set = demand(unit, code, 'int set', 'PATHMASK_CONSTRUCT', 1, item.term.at);
          return { type: 'any', js: `R.setStep(${set.js})`, void: false };
        }
        return unit.constant('any', { kind: 'set', set: code.constant } as never);
      }
      if (code.type === 'bgppath' || code.type === 'bgpmask') {
        return { type: 'any', js: `R.stepsOf(${code.js})`, void: false };
      }
      const number = demand(unit, code, 'int', 'PATHMASK_CONSTRUCT', 1, item.term.at);
      if (number.constant !== undefined) {
        const value = number.constant as number;
        return unit.constant('any', { kind: 'range', low: value, high: value } as never);
      }
      return { type: 'any', js: `R.asnStep(${number.js})`, void: false };
    }
  }
}

function integerIn(unit: Unit, term: Term): number {
  const { type, value } = evaluateIn(unit, term);
  if (type !== 'int') raise(term.at, 'type', `Integer expected, got ${typeName(type)}`);
  return value as number;
}
