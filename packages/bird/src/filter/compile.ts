import type { CompiledFilter, Policy, RouteAttributes } from '@rookery/rib';
import type { IssueLog } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Scope } from '../scope.ts';
import type { FunctionDefinition, Statement, Term } from './ast.ts';
import type { FilterSource } from './canonical.ts';
import type { PrefixValue, Type } from './types.ts';

export interface CompiledFunction {
  readonly name: string;
  readonly returns: Type;
  readonly filter?: CompiledFilter;
}

const no = (source: FilterSource): never =>
  raise(source.tokens[source.start]!, 'unsupported', 'filters are not supported by rookery yet');

export function compileFilter(
  _name: string,
  _body: readonly Statement[],
  source: FilterSource,
  _scope: Scope,
  _log: IssueLog,
): Policy {
  return no(source);
}
export function compileWhere(_term: Term, source: FilterSource, _scope: Scope): Policy {
  return no(source);
}
export function compileFunction(
  _d: FunctionDefinition,
  source: FilterSource,
  _scope: Scope,
  _log: IssueLog,
): CompiledFunction {
  return no(source);
}
export function compileRouteStatements(
  _body: readonly Statement[],
  source: FilterSource,
  _net: PrefixValue,
  _scope: Scope,
  _log: IssueLog,
): { text: string; apply: (route: RouteAttributes) => RouteAttributes } {
  return no(source);
}
