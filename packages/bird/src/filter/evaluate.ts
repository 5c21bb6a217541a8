// Expressions whose value is needed now: `define`, option values in parentheses, `eval`.

import type { Scope } from '../scope.ts';
import type { Term } from './ast.ts';
import { emitTerm } from './emit-term.ts';
import { evaluateWith } from './evaluate-with.ts';
import type { Type, Value } from './types.ts';

/** Evaluates an expression without a route; `print` receives what called functions print. */
export function evaluateTerm(
  term: Term,
  scope: Scope,
  print: (text: string) => void = () => undefined,
): { type: Type; value: Value } {
  return evaluateWith(emitTerm, term, scope, print);
}
