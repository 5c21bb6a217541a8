import { raise } from '../lexer.ts';
import type { Scope } from '../scope.ts';
import type { Term } from './ast.ts';
import type { Type, Value } from './types.ts';

export function evaluateTerm(term: Term, scope: Scope): { type: Type; value: Value } {
  switch (term.kind) {
    case 'num':
      return { type: 'int', value: term.value };
    case 'text':
      return { type: 'string', value: term.value };
    case 'ip':
      return { type: 'ip', value: term.value };
    case 'prefix':
      return { type: 'prefix', value: term.value };
    case 'word': {
      const symbol = scope.lookup(term.name);
      if (symbol?.kind === 'constant') return symbol;
    }
  }
  return raise(term.at, 'unsupported', 'this expression is not supported by rookery yet');
}
