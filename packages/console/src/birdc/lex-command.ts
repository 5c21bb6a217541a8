// The lexer of a birdc command line: BIRD's configuration lexer as far as a line needs it. Tokens
// keep their offset, because filter expressions are handed on as text. Words are case-sensitive
// and never abbreviated (the birdc client expands abbreviations itself).

import { parseAddress } from '@rookery/net';

export interface Token {
  readonly kind: 'word' | 'quoted symbol' | 'text' | 'number' | 'address' | 'char' | 'end';
  /** The word, the symbol or text without quotes, the canonical address, the character. */
  readonly value: string;
  readonly at: number;
  readonly end: number;
}

export type Lexed =
  | { readonly ok: true; readonly tokens: readonly Token[] }
  | { readonly ok: false; readonly message: string };

/** Splits a line; the last token is always `end`. */
export function lexCommand(line: string): Lexed {
  const tokens: Token[] = [];
  let at = 0;
  while (at < line.length) {
    const rest = line.slice(at);
    const skipped = /^(?:\s+|#.*|\/\*.*?\*\/)/.exec(rest);
    if (skipped) {
      at += skipped[0].length;
      continue;
    }
    const lexed = lexToken(rest, at);
    if (typeof lexed === 'string') return { ok: false, message: lexed };
    tokens.push(lexed);
    at = lexed.end;
  }
  tokens.push({ kind: 'end', value: '', at: line.length, end: line.length });
  return { ok: true, tokens };
}

/** One token at the start of `rest`, or the text of an error. */
function lexToken(rest: string, at: number): Token | string {
  const make = (kind: Token['kind'], value: string, length: number): Token => ({
    kind,
    value,
    at,
    end: at + length,
  });
  const first = rest[0]!;
  if (first === '"' || first === "'") {
    const close = rest.indexOf(first, 1);
    if (close < 0) return first === '"' ? 'Unterminated string' : 'Unterminated symbol';
    return make(first === '"' ? 'text' : 'quoted symbol', rest.slice(1, close), close + 1);
  }
  const address = /^(?:\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:.]*)/.exec(rest)?.[0];
  const canonical = address === undefined ? undefined : parseAddress(address);
  if (canonical !== undefined) return make('address', canonical, address!.length);
  const number = /^(?:0x[0-9a-fA-F]+|\d+)/.exec(rest)?.[0];
  if (number !== undefined) return make('number', String(Number(number)), number.length);
  const word = /^[A-Za-z_][A-Za-z0-9_]*/.exec(rest)?.[0];
  if (word !== undefined) return make('word', word, word.length);
  return make('char', first, 1);
}
