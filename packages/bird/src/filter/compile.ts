// Filters and functions to JavaScript: checked, emitted, and wrapped so that the result honours the
// contract of `CompiledFilter`: total, immutable, and honest about what it reads.

import type {
  CompiledFilter,
  FilterEnvironment,
  NetCursor,
  Policy,
  RouteAttributes,
} from '@rookery/rib';
import type { IssueLog } from '../issue.ts';
import type { Scope } from '../scope.ts';
import type { FunctionDefinition, Statement, Term } from './ast.ts';
import { canonicalText, digestText } from './canonical.ts';
import type { FilterSource } from './canonical.ts';
import { emitBlock, emitParts } from './emit-statement.ts';
import type { EmittedPart } from './emit-statement.ts';
import { emitTerm } from './emit-term.ts';
import { demand } from './operand.ts';
import { LIBRARY } from './library.ts';
import { NetClasses } from './net-classes.ts';
import type { NetTest } from './net-classes.ts';
import { EXIT, FilterError, Run } from './run.ts';
import { Sieve } from './sieve.ts';
import type { PrefixValue, Type } from './types.ts';
import { Unit } from './unit.ts';

export interface CompiledFunction {
  readonly name: string;
  readonly parameters: readonly Type[];
  readonly returns: Type;
  readonly mayBeVoid: boolean;
  /** It may give a verdict, and then returns `EXIT`. */
  readonly mayExit: boolean;
  readonly reads: CompiledFilter['reads'];
  readonly netTests: ReadonlySet<NetTest>;
  readonly text: string;
  /** Texts of what it uses, by name. */
  readonly uses: ReadonlyMap<string, string>;
  readonly run: (run: Run, ...args: unknown[]) => unknown;
}

/** A filter with a body. */
export function compileFilter(
  name: string,
  body: readonly Statement[],
  source: FilterSource,
  scope: Scope,
  log: IssueLog | undefined,
): Policy {
  const unit = new Unit({ scope, log, emit: emitTerm, hasRoute: true });
  return policy(name, unit, source, emitParts(unit, body));
}

/** `where CONDITION`: accepts what the condition is true for. */
export function compileWhere(
  condition: Term,
  source: FilterSource,
  scope: Scope,
  log: IssueLog | undefined,
): Policy {
  const unit = new Unit({ scope, log, emit: emitTerm, hasRoute: true });
  const code = demand(unit, emitTerm(unit, condition), 'bool', 'CONDITION', 1, condition.at);
  return policy('(unnamed)', unit, source, [
    {
      js: `if (${code.js}) { S.accepted = true; return R.EXIT; }`,
      requirements: code.requirements,
      verdict: code.requirements?.isExact ? true : undefined,
    },
    { js: 'return R.EXIT;', requirements: undefined, verdict: false },
  ]);
}

/** A function; `self` in its JavaScript is the function itself. */
export function compileFunction(
  definition: FunctionDefinition,
  source: FilterSource,
  scope: Scope,
  log: IssueLog | undefined,
): CompiledFunction {
  const name = definition.name.text;
  const parameters = definition.parameters.map((parameter) => parameter.type);
  // A recursive function without declared type is emitted twice: first to learn what it returns.
  let known = definition.returns;
  for (let pass = 0; ; pass++) {
    const unit = new Unit({
      scope,
      emit: emitTerm,
      log: pass === 0 ? undefined : log,
      hasRoute: true,
      isFunction: true,
      returns: known,
    });
    unit.self = { name, parameters };
    unit.openBlock();
    const names = definition.parameters.map((p) => unit.declare(p.name, p.type, true));
    const js = emitBlock(unit, definition.body);
    if (pass === 0) {
      known = definition.returns ?? unit.returns;
      continue;
    }
    if (definition.returns === undefined && unit.returns !== undefined) {
      log?.add(
        'warning',
        definition.name,
        'type',
        `Inferring function ${name} return type from its return value: ${unit.returns}`,
        `declare it: function ${name}(…) -> ${unit.returns}`,
      );
    }
    const text = digestText(canonicalText(source));
    return {
      name,
      parameters,
      returns: definition.returns ?? unit.returns ?? 'void',
      mayBeVoid: true,
      mayExit: unit.mayExit,
      reads: { ...unit.reads },
      netTests: unit.netTests,
      text,
      uses: unit.uses,
      run: build(unit, js, names) as CompiledFunction['run'],
    };
  }
}

/** The statements in braces after a static route. */
export function compileRouteStatements(
  body: readonly Statement[],
  source: FilterSource,
  net: PrefixValue,
  scope: Scope,
  log: IssueLog | undefined,
): { text: string; apply: (route: RouteAttributes) => RouteAttributes } {
  const unit = new Unit({ scope, log, emit: emitTerm, hasRoute: true });
  const main = build(unit, emitBlock(unit, body), []);
  const env: FilterEnvironment = {
    protocol: '',
    roaCheck: () => 'unknown',
    print: () => undefined,
    fail: () => undefined,
  };
  const classes = new NetClasses([...unit.netTests]);
  const apply = (route: RouteAttributes): RouteAttributes => {
    const run = new Run(classes).begin({ ...net }, route, env);
    try {
      main(run);
      return run.a;
    } catch {
      // A failing statement leaves the route as it was.
      return route;
    }
  };
  return { text: unit.fullText(canonicalText(source)), apply };
}

type Main = (run: Run) => unknown;

/** A function for each part: small ones are compiled sooner, and only those that are reached. */
function buildParts(unit: Unit, parts: readonly EmittedPart[]): readonly Main[] {
  const text = parts.map(({ js }) => `function (S) {\n${js}\n}`).join(',\n');
  return make(unit, `[${text}]`) as readonly Main[];
}

function build(unit: Unit, js: string, parameters: readonly string[]): Main {
  const args = ['S', ...parameters].join(', ');
  return make(unit, `function self(${args}) {\n${js}\n}`) as Main;
}

/** The value of JavaScript built from our own text, generated names and numbers; see unit.ts. */
function make(unit: Unit, js: string): unknown {
  const evaluate = new Function('R', 'K', 'F', `"use strict"; return ${js};`);
  return evaluate(LIBRARY, unit.constants, unit.functions);
}

function policy(
  name: string,
  unit: Unit,
  source: FilterSource,
  parts: readonly EmittedPart[],
): Policy {
  const text = unit.fullText(digestText(canonicalText(source)));
  const reads = { ...unit.reads };
  const classes = new NetClasses([...unit.netTests]);
  const classOf =
    unit.netTests.size > 0 ? (net: NetCursor): number => classes.classOf(net) : undefined;
  const judgements = parts.map(({ requirements, verdict }) => ({ requirements, verdict }));
  let built: Sieve | undefined;
  const sieve = (): Sieve => (built ??= new Sieve(judgements, classes));
  const functions = buildParts(unit, parts);
  const main = (run: Run): unknown => {
    const netClass = classOf ? classes.classOf(run.net) : 0;
    for (let part = sieve().first(netClass, run.a); part < functions.length;) {
      const result = functions[part]!(run);
      if (result !== undefined) return result;
      part = sieve().after(part, run.a);
    }
    return undefined;
  };
  const run = filterRunner(name, main, classes);
  const [begin] = judgements;
  // What begins with something that must be run has no verdict before.
  const tells = begin?.verdict !== undefined || (begin?.requirements?.all.length ?? 0) > 0;
  const verdict: CompiledFilter['verdict'] = tells
    ? (netClass, octets) => sieve().verdict(netClass, octets)
    : undefined;
  return { kind: 'filter', name, text, filter: { reads, classOf, verdict, run } };
}

function filterRunner(name: string, main: Main, classes: NetClasses): CompiledFilter['run'] {
  const run = new Run(classes);
  return (net: NetCursor, attributes: RouteAttributes, env: FilterEnvironment) => {
    run.begin(net, attributes, env);
    try {
      const result = main(run);
      run.finish();
      if (result === EXIT) return run.accepted ? run.a : undefined;
      env.fail(`Filter ${name} did not return accept nor reject. Make up your mind`);
    } catch (error) {
      if (error === EXIT) {
        run.finish();
        return run.accepted ? run.a : undefined;
      }
      if (error instanceof FilterError) env.fail(`filters, line ${error.line}: ${error.text}`);
      // Endless recursion, or a defect of ours: either way this route is rejected, and told.
      else env.fail(`Filter ${name} failed: ${error instanceof Error ? error.message : 'unknown'}`);
    }
    return undefined;
  };
}
