// Text to tokens: BIRD's lexical rules (comments, strings, apostrophe symbols, addresses, route
// distinguishers, byte strings) and `include`, which works on whole lines and therefore belongs
// here. Files come through an injected reader, so the package stays free of I/O. Keywords are not
// recognised here: a word is a keyword only where the grammar looks for one.

import { parseAddress } from '@rookery/net';
import { IssueSignal } from './issue.ts';
import type { IssueLog, Position } from './issue.ts';

export type TokenKind = 'word' | 'num' | 'ip4' | 'ip6' | 'rd' | 'bytes' | 'text' | 'punct' | 'end';

export interface Token extends Position {
  readonly kind: TokenKind;
  /** Word without apostrophes, string without quotes, canonical address, operator. */
  readonly text: string;
  /** Of a number. */
  readonly value: number;
  /** Written with apostrophes: never a keyword. */
  readonly quoted: boolean;
}

/** Where configuration text comes from. */
export interface ConfigIo {
  /** The text of a file, or the operating system's words for why not. */
  readonly readFile: (path: string) => { readonly text: string } | { readonly error: string };
  /** Files (not directories) matching a pattern, sorted; an error when its directory is missing. */
  readonly glob: (
    pattern: string,
  ) => { readonly paths: readonly string[] } | { readonly error: string };
  /** Predefined integers (`ipt_main`, `ipp_bird`, …) beyond the standard ones. */
  readonly constants?: Readonly<Record<string, number>>;
}

const INCLUDE_DEPTH = 8;
const NO_FILE = 'No such file or directory';

/** All tokens of a file and of what it includes, ending with an `end` token. */
export function lexConfig(file: string, io: ConfigIo, log: IssueLog): Token[] {
  const tokens: Token[] = [];
  const read = io.readFile(file);
  if ('error' in read) {
    const at = { file, line: 0, column: 0 };
    log.add('error', at, 'include', `Unable to open configuration file ${file}: ${read.error}`);
  } else {
    lexInto(tokens, file, read.text, { io, log, depth: 0 });
  }
  const last = tokens[tokens.length - 1];
  tokens.push(endToken(file, last === undefined || last.file !== file ? 1 : last.line));
  return tokens;
}

/** Tokens of one line of CLI input: no includes. Lexical errors go to `log`. */
export function lexText(name: string, text: string, log: IssueLog): Token[] {
  const tokens: Token[] = [];
  lexInto(tokens, name, text, { io: undefined, log, depth: 0 });
  tokens.push({ ...endToken(name, 1), column: text.length + 1 });
  return tokens;
}

interface LexContext {
  readonly io: ConfigIo | undefined;
  readonly log: IssueLog;
  readonly depth: number;
}

function endToken(file: string, line: number): Token {
  return { kind: 'end', text: '', value: 0, quoted: false, file, line, column: 0 };
}

const SPACE = /[ \t\r\f\v]+/y;
const LINE_COMMENT = /#[^\n]*/y;
const INCLUDE_LINE =
  /include[ \t]*(?:"([^"\n]*)"|'([^'\n]*)')[ \t]*;[ \t]*(?:#[^\n]*)?\r?(?=\n|$)/y;
const INCLUDE_WORD = /include\b[^\n]*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED = /'([A-Za-z0-9_.:-]*)'/y;
const HEX_NUM = /0x[0-9a-fA-F]+/y;
const NUM = /[0-9]+/y;
/** What a number, an address or a byte string may begin with. */
const NUMBER_START = /[0-9a-fA-Fh:]/;
const WORD_START = /[A-Za-z_]/;
const PLAIN_NUM = /[0-9]{1,9}(?![0-9a-fA-F:.x])/y;
const MAX_NUM = 0xffffffff;
const IP4 = /[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/y;
const IP6 = /(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9a-fA-F]{0,4})/y;
const RD =
  /(?:[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+|(?:[012]:)?[0-9]+:[0-9]+)(?![0-9a-fA-F]|:[0-9a-fA-F:]|\.[0-9])/y;
const BYTES =
  /(?:hex:(?:[0-9a-fA-F]{2}(?::?[0-9a-fA-F]{2})*)?|(?:[0-9a-fA-F]{2}){16,}|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){15,})(?![0-9a-zA-Z_:])/y;
const PUNCT = /\[=|=\]|\.\.|!=|!~|<=|>=|&&|\|\||->|else:|[=~<>!+\-*/.,;:()[\]{}?%]/y;

function lexInto(tokens: Token[], file: string, text: string, context: LexContext): void {
  context.log.addSource(file, text);
  new Scanner(tokens, file, text, context).run();
}

/** A position in one file, and a method for each kind of thing that may stand there. */
class Scanner {
  readonly #tokens: Token[];
  readonly #file: string;
  readonly #text: string;
  readonly #context: LexContext;
  #at = 0;
  #line = 1;
  #lineStart = 0;
  /** `include` counts only as the first thing on a line. */
  #lineHasToken = false;

  constructor(tokens: Token[], file: string, text: string, context: LexContext) {
    this.#tokens = tokens;
    this.#file = file;
    this.#text = text;
    this.#context = context;
  }

  run(): void {
    while (this.#at < this.#text.length) {
      if (!this.#take(this.#text[this.#at]!)) {
        this.#report('Unknown character', `remove ${JSON.stringify(this.#text[this.#at])}`);
        this.#at++;
      }
    }
  }

  /** Takes whatever begins with this character. */
  #take(first: string): boolean {
    if (first <= ' ') return this.#takeBlank();
    if (first === '"') return this.#takeString();
    if (first === "'") return this.#takeQuoted();
    if (first === 'i' && this.#takeInclude()) return true;
    if ((first === '#' || first === '/') && this.#takeComment()) return true;
    if (NUMBER_START.test(first) && this.#takeNumberLike()) return true;
    if (WORD_START.test(first)) return this.#takeWord();
    const punct = this.#match(PUNCT);
    if (punct === undefined) return false;
    this.#push('punct', punct.length, punct);
    return true;
  }

  /** One line feed, or other white space. */
  #takeBlank(): boolean {
    if (this.#text[this.#at] === '\n') {
      this.#advance(1);
      return true;
    }
    const space = this.#match(SPACE);
    if (space === undefined) return false;
    this.#at += space.length;
    return true;
  }

  /** `include "pattern";` on a line of its own, in files. */
  #takeInclude(): boolean {
    if (this.#lineHasToken || this.#context.io === undefined) return false;
    INCLUDE_LINE.lastIndex = this.#at;
    const match = INCLUDE_LINE.exec(this.#text);
    if (match !== null) {
      const start = this.#at;
      this.#at = start + match[0].search(/["']/) + 1;
      const at = this.#here();
      includeFiles(this.#tokens, match[1] ?? match[2]!, this.#file, at, this.#context);
      this.#at = start + match[0].length;
      return true;
    }
    const malformed = this.#match(INCLUDE_WORD);
    if (malformed === undefined) return false;
    this.#report(
      'Invalid include directive',
      'write it on a line of its own: include "path or pattern";',
    );
    this.#at += malformed.length;
    return true;
  }

  #takeComment(): boolean {
    const comment = this.#match(LINE_COMMENT);
    if (comment !== undefined) {
      this.#at += comment.length;
      return true;
    }
    const { length } = this.#text;
    if (!this.#text.startsWith('/*', this.#at)) return false;
    const end = this.#text.indexOf('*/', this.#at + 2);
    const stop = end < 0 ? length : end + 2;
    if (end < 0) this.#report('Unterminated comment', 'a comment that starts with /* ends with */');
    const nested = this.#text.indexOf('/*', this.#at + 2);
    if (nested >= 0 && nested < stop) {
      this.#advance(nested - this.#at);
      this.#report('Comment nesting not supported', 'end the outer comment first');
    }
    this.#advance(stop - this.#at);
    return true;
  }

  #takeString(): boolean {
    if (this.#text[this.#at] !== '"') return false;
    const start = this.#at + 1;
    const end = this.#text.indexOf('"', start);
    const newline = this.#text.indexOf('\n', start);
    if (end >= 0 && (newline < 0 || end < newline)) {
      this.#push('text', end + 2 - start, this.#text.slice(start, end));
      return true;
    }
    this.#report('Unterminated string', 'a string ends with " on the line where it starts');
    // Most likely only the quote is missing: take the line up to its `;`.
    const line = this.#text.slice(start, newline < 0 ? this.#text.length : newline);
    const rest = line.replace(/;?\s*$/, '');
    this.#push('text', rest.length + 1, rest);
    return true;
  }

  #takeQuoted(): boolean {
    if (this.#text[this.#at] !== "'") return false;
    const quoted = this.#match(QUOTED);
    if (quoted !== undefined) {
      this.#push('word', quoted.length, quoted.slice(1, -1), 0, true);
      return true;
    }
    this.#report('Unterminated symbol', "a quoted name is 'letters, digits, _ . : -'");
    const newline = this.#text.indexOf('\n', this.#at);
    this.#at = newline < 0 ? this.#text.length : newline;
    return true;
  }

  /** Addresses, route distinguishers, byte strings and numbers. */
  #takeNumberLike(): boolean {
    // Nothing but a number is that short, and most numbers are.
    const plain = this.#match(PLAIN_NUM);
    if (plain !== undefined) {
      this.#push('num', plain.length, plain, Number(plain));
      return true;
    }
    const bytes = this.#match(BYTES);
    if (bytes !== undefined) {
      const hex = bytes.replace(/^hex:/, '').replaceAll(':', '').toLowerCase();
      this.#push('bytes', bytes.length, hex);
      return true;
    }
    const rd = this.#match(RD);
    if (rd !== undefined) {
      this.#push('rd', rd.length, rd);
      return true;
    }
    return this.#takeAddress() || this.#takeNumber();
  }

  #takeAddress(): boolean {
    const v6 = this.#match(IP6);
    if (v6 !== undefined) {
      const address = parseAddress(v6);
      if (address === undefined) this.#report('Invalid IPv6 address');
      // `::ffff:1.2.3.4` and 1.2.3.4 are one value in the language.
      const mapped = address?.startsWith('::ffff:') ? address.slice(7) : undefined;
      if (mapped?.includes('.')) this.#push('ip4', v6.length, mapped);
      else this.#push('ip6', v6.length, address ?? '::');
      return true;
    }
    const v4 = this.#match(IP4);
    if (v4 === undefined) return false;
    const address = parseAddress(v4);
    if (address === undefined) this.#report(`Invalid IPv4 address ${v4}`);
    this.#push('ip4', v4.length, address ?? '0.0.0.0');
    return true;
  }

  #takeNumber(): boolean {
    const num = this.#match(HEX_NUM) ?? this.#match(NUM);
    if (num === undefined) return false;
    const value = Number(num);
    if (value > MAX_NUM) {
      this.#report('Number out of range', `numbers go from 0 to ${MAX_NUM}`);
    }
    this.#push('num', num.length, num, Math.min(value, MAX_NUM));
    return true;
  }

  #takeWord(): boolean {
    const word = this.#match(WORD);
    if (word === undefined) return false;
    if (word === 'else' && this.#text[this.#at + 4] === ':') {
      this.#push('punct', 5, 'else:');
      return true;
    }
    if (word.length > 64) this.#report('Symbol too long', 'names have at most 64 characters');
    this.#push('word', word.length, word);
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text)?.[0];
  }

  #push(kind: TokenKind, length: number, text: string, value = 0, quoted = false): void {
    this.#tokens.push({ kind, text, value, quoted, ...this.#here() });
    this.#at += length;
    this.#lineHasToken = true;
  }

  #report(message: string, hint?: string): void {
    this.#context.log.add('error', this.#here(), 'lexical', message, hint);
  }

  #here(): Position {
    return { file: this.#file, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  /** Moves over text that may hold line feeds. */
  #advance(count: number): void {
    const stop = this.#at + count;
    for (let i = this.#text.indexOf('\n', this.#at); i >= 0 && i < stop;) {
      this.#line++;
      this.#lineStart = i + 1;
      this.#lineHasToken = false;
      i = this.#text.indexOf('\n', i + 1);
    }
    this.#at = stop;
  }
}

function includeFiles(
  tokens: Token[],
  pattern: string,
  from: string,
  at: Position,
  context: LexContext,
): void {
  const io = context.io!;
  if (context.depth >= INCLUDE_DEPTH) {
    context.log.add('error', at, 'include', 'Max include depth reached', 'is there a loop?');
    return;
  }
  const path = resolvePath(from, pattern);
  let paths: readonly string[] = [path];
  if (/[*?[]/.test(pattern)) {
    const found = io.glob(path);
    if ('error' in found) {
      const message = `Unable to match pattern ${path}: ${found.error}`;
      context.log.add('error', at, 'include', message, 'does the directory exist?');
      return;
    }
    paths = found.paths;
  }
  for (const file of paths) {
    const read = io.readFile(file);
    if ('error' in read) {
      const message = `Unable to open included file ${file}: ${read.error || NO_FILE}`;
      const hint = 'paths are relative to the including file; a pattern may match nothing';
      context.log.add('error', at, 'include', message, hint);
      continue;
    }
    lexInto(tokens, file, read.text, { ...context, depth: context.depth + 1 });
  }
}

/** Includes are relative to the directory of the including file. */
function resolvePath(from: string, path: string): string {
  if (path.startsWith('/')) return path;
  const slash = from.lastIndexOf('/');
  return slash < 0 ? path : from.slice(0, slash + 1) + path;
}

/** Raises an issue at a token; caught at the next statement boundary. */
export function raise(
  at: Position,
  code: IssueSignal['code'],
  message: string,
  hint?: string,
): never {
  throw new IssueSignal(at, code, message, hint);
}
