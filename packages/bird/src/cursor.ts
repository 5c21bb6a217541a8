// A position in a token list with BIRD's way of complaining: `syntax error, unexpected X, expecting
// Y`. The grammar is spread over the parsers that share a cursor; recovery skips to the next `;` or
// closing brace so that one file yields all its errors.

import type { IssueSignal } from './issue.ts';
import { raise } from './lexer.ts';
import type { Token } from './lexer.ts';
import { KEYWORDS } from './keywords.ts';

export class Cursor {
  readonly tokens: readonly Token[];
  index = 0;
  /** Tells words that are defined symbols from unknown ones in messages. */
  readonly isKnown: (name: string) => boolean;

  constructor(tokens: readonly Token[], isKnown: (name: string) => boolean) {
    this.tokens = tokens;
    this.isKnown = isKnown;
  }

  get token(): Token {
    return this.tokens[this.index]!;
  }

  get previous(): Token {
    return this.tokens[Math.max(0, this.index - 1)]!;
  }

  ahead(count = 1): Token {
    return this.tokens[Math.min(this.index + count, this.tokens.length - 1)]!;
  }

  next(): Token {
    const token = this.token;
    if (token.kind !== 'end') this.index++;
    return token;
  }

  isPunct(text: string): boolean {
    return this.token.kind === 'punct' && this.token.text === text;
  }

  isWord(text: string): boolean {
    return this.token.kind === 'word' && !this.token.quoted && this.token.text === text;
  }

  acceptPunct(text: string): boolean {
    if (!this.isPunct(text)) return false;
    this.index++;
    return true;
  }

  acceptWord(text: string): boolean {
    if (!this.isWord(text)) return false;
    this.index++;
    return true;
  }

  expectPunct(text: string, hint?: string): Token {
    if (!this.isPunct(text)) this.unexpected([`'${text}'`], hint);
    return this.next();
  }

  expectWord(text: string, hint?: string): Token {
    if (!this.isWord(text)) this.unexpected([text.toUpperCase()], hint);
    return this.next();
  }

  /** A `;`, or an error that says which line lacks it. */
  expectSemicolon(): void {
    if (this.acceptPunct(';')) return;
    const before = this.previous;
    this.unexpected(["';'"], `add ';' after '${shown(before)}' at the end of line ${before.line}`);
  }

  /** A name, keyword or not. */
  expectName(expecting: readonly string[] = [], hint?: string): Token {
    if (this.token.kind !== 'word') this.unexpected(expecting, hint);
    return this.next();
  }

  /** `syntax error, unexpected X[, expecting Y or Z]` at the current token. */
  unexpected(expecting: readonly string[] = [], hint?: string): never {
    const token = this.token;
    const wanted = expecting.length === 0 ? '' : `, expecting ${expecting.join(' or ')}`;
    const message = `syntax error, unexpected ${this.describe(token)}${wanted}`;
    raise(token, 'syntax', message, hint ?? this.guessHint(token));
  }

  /** The grammar's name of a token, as the messages spell it. */
  describe(token: Token): string {
    switch (token.kind) {
      case 'end':
        return 'END';
      case 'num':
        return 'NUM';
      case 'ip4':
        return 'IP4';
      case 'ip6':
        return 'IP6';
      case 'rd':
        return 'VPN_RD';
      case 'bytes':
        return 'BYTETEXT';
      case 'text':
        return 'TEXT';
      case 'punct':
        return token.text === 'else:' ? 'ELSECOL' : `'${token.text}'`;
      case 'word':
        if (this.isKnown(token.text)) return 'CF_SYM_KNOWN';
        if (!token.quoted && KEYWORDS.has(token.text)) return token.text.toUpperCase();
        return /^[A-Z]+_[A-Z0-9_]+$/.test(token.text) ? 'ENUM' : 'CF_SYM_UNDEFINED';
    }
  }

  /** Skips to just after the next `;` on this brace level, or to the `}` that closes it. */
  recover(signal?: IssueSignal): void {
    let depth = 0;
    const missing = signal?.message.includes("expecting ';'") === true;
    // Only the `;` was forgotten: what follows on a new line or closes the block is sound.
    if (missing && (this.isPunct('}') || this.token.line !== this.previous.line)) return;
    for (;;) {
      const token = this.token;
      if (token.kind === 'end') return;
      if (token.kind === 'punct') {
        if (token.text === '{') depth++;
        else if (token.text === '}') {
          if (depth === 0) return;
          depth--;
          if (depth === 0) {
            this.index++;
            this.acceptPunct(';');
            return;
          }
        } else if (token.text === ';' && depth === 0) {
          this.index++;
          return;
        }
      }
      this.index++;
    }
  }

  private guessHint(token: Token): string | undefined {
    const before = this.previous;
    if (token.kind === 'end') return "the file ends too early: is a '}' missing?";
    if (token.kind === 'punct' && token.text === '-' && before.kind === 'word') {
      return `a name with a dash needs apostrophes: '${this.dashedName()}'`;
    }
    if (token.kind === 'punct' && token.text === '->')
      return 'return types need BIRD 2.14 or later';
    return undefined;
  }

  private dashedName(): string {
    let name = this.previous.text;
    for (let i = this.index; i < this.tokens.length; i++) {
      const token = this.tokens[i]!;
      const last = this.tokens[i - 1]!;
      const adjoins = token.line === last.line && token.column === last.column + last.text.length;
      if (!adjoins || !/^[-.:\w]+$/.test(token.text)) break;
      name += token.text;
    }
    return name;
  }
}

function shown(token: Token): string {
  if (token.kind === 'text') return `"${token.text}"`;
  return token.text;
}
