// One piece of filter text being compiled to one JavaScript function: its constants, the functions
// it calls, its variables, and what it was seen to read. The JavaScript consists of text from this
// package, generated names, numbers and indices into the constants; nothing from the configuration
// is ever pasted into it.

import type { IssueLog } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Scope } from '../scope.ts';
import type { Term } from './ast.ts';
import type { CompiledFunction } from './compile.ts';
import type { NetTest } from './net-classes.ts';
import type { Requirements } from './sieve.ts';
import type { Type, Value } from './types.ts';
import { typeName } from './types.ts';

/** A compiled expression. */
export interface Code {
  readonly type: Type;
  readonly js: string;
  /** May be `undefined` at run time. */
  readonly void: boolean;
  /** Known now; `undefined` as a value cannot be constant. */
  readonly constant?: Exclude<Value, undefined>;
  /** Without which it is not true. */
  readonly requirements?: Requirements | undefined;
}

export type Emit = (unit: Unit, term: Term) => Code;

interface Local {
  readonly type: Type;
  readonly js: string;
  readonly void: boolean;
}

export class Unit {
  readonly scope: Scope;
  readonly log: IssueLog | undefined;
  /** The compiler of expressions. */
  readonly emit: Emit;
  /** False in `define` and option values, where there is no route to look at. */
  readonly hasRoute: boolean;
  readonly constants: (Value | NetTest)[] = [];
  readonly functions: ((...args: never[]) => unknown)[] = [];
  /** Texts of everything used, by name, for comparing policies. */
  readonly uses = new Map<string, string>();
  readonly reads = { net: false, protocol: false };
  /** What it asks of the prefix where it asks no more than this. */
  readonly netTests = new Set<NetTest>();
  /** A verdict may be given inside. */
  mayExit = false;
  /** Return type: declared, or learnt from the first `return`. */
  returns: Type | undefined;
  readonly returnsDeclared: boolean;
  readonly isFunction: boolean;
  /** The function being compiled, for recursion. */
  self: { readonly name: string; readonly parameters: readonly Type[] } | undefined;
  readonly #locals: Map<string, Local>[] = [new Map()];
  #nextName = 0;

  constructor(options: {
    scope: Scope;
    log?: IssueLog | undefined;
    emit: Emit;
    hasRoute: boolean;
    isFunction?: boolean;
    returns?: Type | undefined;
  }) {
    this.scope = options.scope;
    this.log = options.log;
    this.emit = options.emit;
    this.hasRoute = options.hasRoute;
    this.isFunction = options.isFunction ?? false;
    this.returns = options.returns;
    this.returnsDeclared = options.returns !== undefined;
  }

  /** A name no other expression of this unit uses. */
  fresh(): string {
    return `v${this.#nextName++}`;
  }

  openBlock(): void {
    this.#locals.push(new Map());
  }

  closeBlock(): void {
    this.#locals.pop();
  }

  declare(name: Token, type: Type, isVoid: boolean): string {
    const block = this.#locals[this.#locals.length - 1]!;
    if (block.has(name.text)) {
      raise(name, 'duplicate-symbol', `Symbol '${name.text}' already defined`);
    }
    const js = this.fresh();
    block.set(name.text, { type, js, void: isVoid });
    return js;
  }

  local(name: string): Local | undefined {
    for (let i = this.#locals.length - 1; i >= 0; i--) {
      const found = this.#locals[i]!.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  localNames(): string[] {
    return this.#locals.flatMap((block) => [...block.keys()]);
  }

  /** Reference to a constant of any type. */
  constant(type: Type, value: Exclude<Value, undefined>): Code {
    if (typeof value === 'number' || typeof value === 'boolean') {
      return { type, js: String(value), void: false, constant: value };
    }
    let index = this.constants.indexOf(value);
    if (index < 0) index = this.constants.push(value) - 1;
    return { type, js: `K[${index}]`, void: false, constant: value };
  }

  /** A test on the prefix of the route. */
  netTest(test: NetTest): string {
    this.netTests.add(test);
    let index = this.constants.indexOf(test);
    if (index < 0) index = this.constants.push(test) - 1;
    return `S.passes(K[${index}])`;
  }

  /** Reference to a function compiled before. */
  callee(compiled: CompiledFunction): string {
    let index = this.functions.indexOf(compiled.run as never);
    if (index < 0) index = this.functions.push(compiled.run as never) - 1;
    if (compiled.reads.net) this.reads.net = true;
    if (compiled.reads.protocol) this.reads.protocol = true;
    for (const test of compiled.netTests) this.netTests.add(test);
    for (const [name, text] of compiled.uses) this.uses.set(name, text);
    this.uses.set(`function ${compiled.name}`, compiled.text);
    return `F[${index}]`;
  }

  /** Body text plus everything it uses, by which policies are compared. */
  fullText(text: string): string {
    const uses = [...this.uses].sort(([x], [y]) => (x < y ? -1 : 1));
    return [text, ...uses.map(([name, body]) => `${name} ${body}`)].join('\n');
  }
}

/** `Argument N of OP must be of type X, got type Y` */
export function wrongArgument(
  at: Token,
  op: string,
  argument: number,
  wanted: Type,
  found: Type,
  hint?: string,
): never {
  return raise(
    at,
    'type',
    `Argument ${argument} of ${op} must be of type ${typeName(wanted)}, got type ${typeName(found)}`,
    hint,
  );
}
