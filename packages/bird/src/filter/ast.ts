// Syntax trees of the filter language. Words are left unresolved: whether `x` is a variable, a
// constant, an attribute or an enum is decided by the compiler, which knows the scope.

import type { Token } from '../lexer.ts';
import type { PrefixValue, Type } from './types.ts';

export type EcKind = 'rt' | 'ro' | 'generic' | 'unknown';

export type Term = { readonly at: Token } & (
  | { readonly kind: 'num'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'bytes'; readonly value: string }
  | { readonly kind: 'ip'; readonly value: string }
  | { readonly kind: 'rd'; readonly value: string }
  | { readonly kind: 'prefix'; readonly value: PrefixValue }
  /** `+empty+`, `-empty-`, `--empty--`, `---empty---`. */
  | { readonly kind: 'empty'; readonly type: 'bgppath' | 'clist' | 'eclist' | 'lclist' }
  | { readonly kind: 'word'; readonly name: string; readonly quoted: boolean }
  | { readonly kind: 'not'; readonly operand: Term }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly left: Term; readonly right: Term }
  | { readonly kind: 'pair'; readonly left: Term; readonly right: Term }
  | {
      readonly kind: 'ec';
      readonly ec: EcKind;
      /** The raw type word of `unknown 0xNNNN`. */
      readonly raw: number;
      readonly key: Term;
      readonly data: Term;
    }
  | { readonly kind: 'lc'; readonly parts: readonly [Term, Term, Term] }
  | { readonly kind: 'set'; readonly items: readonly SetItem[] }
  | { readonly kind: 'prefixSet'; readonly items: readonly PrefixPattern[] }
  | { readonly kind: 'mask'; readonly items: readonly MaskItem[] }
  | {
      readonly kind: 'method';
      readonly on: Term;
      readonly name: string;
      readonly args: readonly Term[] | undefined;
    }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Term[] }
);

export type BinaryOp =
  | '+'
  | '-'
  | '*'
  | '/'
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '~'
  | '!~'
  | '&&'
  | '||';

/** A component of a set item: a value, a range or `*`. */
export type Span =
  | { readonly kind: 'any' }
  | { readonly kind: 'span'; readonly from: Term; readonly to: Term | undefined };

export type SetItem = { readonly at: Token } & (
  | { readonly kind: 'span'; readonly span: Span }
  | { readonly kind: 'pair'; readonly parts: readonly Span[]; readonly to?: readonly Span[] }
  | { readonly kind: 'lc'; readonly parts: readonly Span[]; readonly to?: readonly Span[] }
  | {
      readonly kind: 'ec';
      readonly ec: EcKind;
      readonly raw: number;
      readonly key: Span;
      readonly data: Span;
    }
);

export interface PrefixPattern {
  readonly prefix: PrefixValue;
  readonly low: number;
  readonly high: number;
}

export type MaskItem =
  | { readonly kind: 'one' }
  | { readonly kind: 'any' }
  | { readonly kind: 'loop' }
  | { readonly kind: 'term'; readonly term: Term }
  | { readonly kind: 'range'; readonly from: Term; readonly to: Term }
  | { readonly kind: 'set'; readonly term: Term };

export type Statement = { readonly at: Token } & (
  | { readonly kind: 'block'; readonly body: readonly Statement[] }
  | {
      readonly kind: 'declare';
      readonly type: Type;
      readonly name: Token;
      readonly init: Term | undefined;
    }
  | { readonly kind: 'assign'; readonly target: Term; readonly value: Term }
  | {
      readonly kind: 'if';
      readonly condition: Term;
      readonly yes: Statement;
      readonly no: Statement | undefined;
    }
  | { readonly kind: 'case'; readonly subject: Term; readonly branches: readonly CaseBranch[] }
  | {
      readonly kind: 'for';
      readonly type: Type;
      readonly name: Token;
      readonly over: Term;
      readonly body: Statement;
    }
  | { readonly kind: 'return'; readonly value: Term | undefined }
  | {
      readonly kind: 'verdict';
      readonly verdict: 'accept' | 'reject' | 'error';
      readonly message: readonly Term[];
    }
  | { readonly kind: 'print'; readonly newline: boolean; readonly parts: readonly Term[] }
  | { readonly kind: 'unset'; readonly target: Term }
  | { readonly kind: 'expression'; readonly term: Term }
  | { readonly kind: 'empty' }
);

export interface CaseBranch {
  /** Empty: `else:`. */
  readonly items: readonly SetItem[];
  readonly body: readonly Statement[];
}

export interface FunctionDefinition {
  readonly name: Token;
  readonly parameters: readonly { readonly type: Type; readonly name: Token }[];
  readonly returns: Type | undefined;
  readonly body: readonly Statement[];
}
