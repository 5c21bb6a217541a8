// The one name space of a configuration: constants, filters, functions, protocols, templates,
// tables, custom attributes. Kept on the result of a parse so that the console can evaluate
// expressions and filters against the running configuration.

import type { NetType } from '@rookery/router';
import type { SymbolConfig } from '@rookery/router';
import type { CompiledFunction } from './filter/compile.ts';
import type { Type, Value } from './filter/types.ts';
import { raise } from './lexer.ts';
import type { Token } from './lexer.ts';
import type { Policy } from '@rookery/rib';

export type ScopeSymbol = { readonly name: string } & (
  | {
      readonly kind: 'constant';
      readonly type: Type;
      readonly value: Value;
      /** Canonical text of the value (or a digest when long), for comparing policies. */
      readonly text: string;
    }
  | { readonly kind: 'filter'; readonly policy: Policy }
  | { readonly kind: 'function'; readonly compiled: CompiledFunction }
  | { readonly kind: 'protocol'; readonly protocolType: string }
  | { readonly kind: 'template'; readonly protocolType: string }
  | { readonly kind: 'routing table'; readonly netType: NetType; readonly sorted: boolean }
  | { readonly kind: 'custom attribute'; readonly type: Type }
  /** Its definition had an error that has been reported: silence consequences. */
  | { readonly kind: 'broken' }
);

export class Scope {
  readonly #symbols = new Map<string, ScopeSymbol>();
  readonly #predefined = new Set<string>();

  lookup(name: string): ScopeSymbol | undefined {
    return this.#symbols.get(name);
  }

  has(name: string): boolean {
    return this.#symbols.has(name);
  }

  /** Adds a symbol at the place where it is defined. */
  define(at: Token, symbol: ScopeSymbol): void {
    const old = this.#symbols.get(symbol.name);
    if (old !== undefined && old.kind !== 'broken') {
      raise(
        at,
        'duplicate-symbol',
        `Symbol '${symbol.name}' already defined`,
        `there is already a ${old.kind} of this name; protocols, filters and tables share names`,
      );
    }
    this.#symbols.set(symbol.name, symbol);
  }

  /** Replaces or adds without the duplicate check. */
  set(symbol: ScopeSymbol): void {
    this.#symbols.set(symbol.name, symbol);
  }

  predefine(symbol: ScopeSymbol): void {
    this.#symbols.set(symbol.name, symbol);
    this.#predefined.add(symbol.name);
  }

  names(kind?: ScopeSymbol['kind']): string[] {
    return [...this.#symbols.values()]
      .filter((symbol) => kind === undefined || symbol.kind === kind)
      .map((symbol) => symbol.name);
  }

  /** What `show symbols` lists, in order of definition. */
  toSymbols(): SymbolConfig[] {
    return [...this.#symbols.values()].flatMap((symbol) =>
      symbol.kind === 'broken' ? [] : [{ name: symbol.name, kind: symbol.kind }],
    );
  }

  isPredefined(name: string): boolean {
    return this.#predefined.has(name);
  }
}
