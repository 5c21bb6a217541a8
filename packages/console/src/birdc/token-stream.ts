// A cursor over the tokens of one command, and the error texts of the parser: bison's wording,
// because scripts match it, followed by a hint for people.

import type { CommandScope, SymbolClass } from './command.ts';
import type { Token } from './lex-command.ts';

/** Thrown inside the parser only; `parseCommand` turns it into a value. */
export class CommandError extends Error {}

export class TokenStream {
  private readonly line: string;
  private readonly tokens: readonly Token[];
  private readonly scope: CommandScope;
  private readonly usage: string;
  private index = 0;

  constructor(line: string, tokens: readonly Token[], scope: CommandScope, usage: string) {
    this.line = line;
    this.tokens = tokens;
    this.scope = scope;
    this.usage = usage;
  }

  peek(): Token {
    return this.tokens[this.index]!;
  }

  next(): Token {
    const token = this.tokens[this.index]!;
    if (token.kind !== 'end') this.index++;
    return token;
  }

  /** Takes the word when it is next. */
  accept(word: string): boolean {
    const token = this.peek();
    const hit = (token.kind === 'word' || token.kind === 'char') && token.value === word;
    if (hit) this.index++;
    return hit;
  }

  expect(word: string, ...expected: readonly string[]): void {
    if (!this.accept(word)) this.fail(expected.length > 0 ? expected : [tokenName(word)]);
  }

  /** The line must end here. `also` are further tokens that would have been right. */
  expectEnd(...also: readonly string[]): void {
    if (this.peek().kind !== 'end') this.fail(['END', ...also]);
  }

  /** Text from the next token to the end of the line. */
  restText(): string {
    return this.line.slice(this.peek().at);
  }

  /** Skips tokens up to `length` characters after the start of the next one. */
  skipText(length: number): void {
    const until = this.peek().at + length;
    while (this.peek().kind !== 'end' && this.peek().at < until) this.index++;
  }

  /** A defined symbol of the class; anything else is an error naming what was expected. */
  symbol(wanted: SymbolClass, noun: string, expected: readonly string[]): string {
    const token = this.peek();
    const known = isName(token) && this.scope.classOf(token.value) !== undefined;
    if (!known) {
      const name = isName(token) && !isKeyword(token.value) ? token.value : undefined;
      this.fail(expected, name === undefined ? undefined : `there is no ${noun} "${name}"`);
    }
    if (this.scope.classOf(token.value) !== wanted) {
      throw new CommandError(`${noun[0]!.toUpperCase()}${noun.slice(1)} name required`);
    }
    this.next();
    return token.value;
  }

  /** A syntax error at the next token. bison lists at most four expected tokens. */
  fail(expected: readonly string[] = [], hint?: string): never {
    const wanted =
      expected.length > 0 && expected.length <= 4 ? `, expecting ${expected.join(' or ')}` : '';
    const help = [hint, this.usage === '' ? undefined : `usage: ${this.usage}`].filter(Boolean);
    const tail = help.length > 0 ? ` (${help.join('; ')})` : '';
    throw new CommandError(`syntax error, unexpected ${this.describeNext()}${wanted}${tail}`);
  }

  private describeNext(): string {
    const token = this.peek();
    switch (token.kind) {
      case 'end':
        return 'END';
      case 'text':
        return 'TEXT';
      case 'number':
        return 'NUM';
      case 'address':
        return token.value.includes(':') ? 'IP6' : 'IP4';
      case 'char':
        return `'${token.value}'`;
      case 'word':
        if (isKeyword(token.value)) return token.value.toUpperCase();
        return this.scope.classOf(token.value) ? 'CF_SYM_KNOWN' : 'CF_SYM_UNDEFINED';
      case 'quoted symbol':
        return this.scope.classOf(token.value) ? 'CF_SYM_KNOWN' : 'CF_SYM_UNDEFINED';
    }
  }
}

export function isName(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'quoted symbol';
}

function tokenName(word: string): string {
  return /^\w+$/.test(word) ? word.toUpperCase() : `'${word}'`;
}

/** Words of the command grammar that are keywords of the language, so never symbols. */
const KEYWORDS = new Set(
  (
    'show status memory protocols interfaces summary symbols table filter function protocol ' +
    'template all route for in import export preexport noexport exported primary filtered stats ' +
    'count where static bfd sessions ospf rip babel neighbors interface address dev direct ' +
    'multihop configure soft timeout check confirm undo enable disable restart reload out debug ' +
    'off states routes filters events packets mrtdump mrt dump to echo eval down graceful ' +
    'restrict timeformat resources sockets attributes accept reject true false if then else'
  ).split(' '),
);

export function isKeyword(word: string): boolean {
  return KEYWORDS.has(word);
}
