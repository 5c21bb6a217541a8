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
  /[ \t]*include[ \t]*(?:"([^"\n]*)"|'([^'\n]*)')[ \t]*;[ \t]*(?:#[^\n]*)?\r?(?=\n|$)/y;
const INCLUDE_WORD = /[ \t]*include\b[^\n]*/y;
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED = /'([A-Za-z0-9_.:-]*)'/y;
const HEX_NUM = /0x[0-9a-fA-F]+/y;
const NUM = /[0-9]+/y;
const IP4 = /[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/y;
const IP6 = /(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9a-fA-F]{0,4})/y;
const RD =
  /(?:[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+|(?:[012]:)?[0-9]+:[0-9]+)(?![0-9a-fA-F]|:[0-9a-fA-F:]|\.[0-9])/y;
const BYTES =
  /(?:hex:(?:[0-9a-fA-F]{2}(?::?[0-9a-fA-F]{2})*)?|(?:[0-9a-fA-F]{2}){16,}|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){15,})(?![0-9a-zA-Z_:])/y;
const PUNCT = /\[=|=\]|\.\.|!=|!~|<=|>=|&&|\|\||->|else:|[=~<>!+\-*/.,;:()[\]{}?%]/y;

function lexInto(tokens: Token[], file: string, text: string, context: LexContext): void {
  context.log.addSource(file, text);
  let at = 0;
  let line = 1;
  let lineStart = 0;
  let lineHasToken = false;
  const here = (): Position => ({ file, line, column: at - lineStart + 1 });
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  const report = (message: string, hint?: string): void =>
    context.log.add('error', here(), 'lexical', message, hint);
  const push = (kind: TokenKind, length: number, value: string, num = 0, quoted = false): void => {
    tokens.push({
      kind,
      text: value,
      value: num,
      quoted,
      file,
      line,
      column: at - lineStart + 1,
    });
    at += length;
    lineHasToken = true;
  };

  while (at < text.length) {
    const c = text[at]!;
    if (c === '\n') {
      at++;
      line++;
      lineStart = at;
      lineHasToken = false;
      continue;
    }
    if (!lineHasToken && context.io !== undefined) {
      const start = at;
      at = lineStart;
      const directive = take(INCLUDE_LINE);
      if (directive !== undefined) {
        INCLUDE_LINE.lastIndex = lineStart;
        const match = INCLUDE_LINE.exec(text)!;
        at = lineStart + directive.search(/["']/) + 1;
        includeFiles(tokens, match[1] ?? match[2]!, file, here(), context);
        at = lineStart + directive.length;
        continue;
      }
      const malformed = take(INCLUDE_WORD);
      if (malformed !== undefined) {
        at = lineStart + malformed.search(/\S/);
        report(
          'Invalid include directive',
          'write it on a line of its own: include "path or pattern";',
        );
        at = lineStart + malformed.length;
        continue;
      }
      at = start;
    }
    const space = take(SPACE);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    if (c === '#') {
      at += take(LINE_COMMENT)!.length;
      continue;
    }
    if (c === '/' && text[at + 1] === '*') {
      const end = text.indexOf('*/', at + 2);
      const nested = text.indexOf('/*', at + 2);
      if (nested >= 0 && (end < 0 || nested < end)) {
        const start = at;
        for (const ch of text.slice(at, nested)) {
          at++;
          if (ch === '\n') {
            line++;
            lineStart = at;
          }
        }
        report('Comment nesting not supported', 'end the outer comment first');
        at = start;
        line -= text.slice(start, nested).split('\n').length - 1;
      }
      const stop = end < 0 ? text.length : end + 2;
      if (end < 0) report('Unterminated comment', 'a comment that starts with /* ends with */');
      for (let i = at; i < stop; i++) {
        if (text[i] === '\n') {
          line++;
          lineStart = i + 1;
        }
      }
      at = stop;
      continue;
    }
    if (c === '"') {
      const end = text.indexOf('"', at + 1);
      const newline = text.indexOf('\n', at);
      if (end < 0 || (newline >= 0 && newline < end)) {
        report('Unterminated string', 'a string ends with " on the line where it starts');
        // Most likely only the quote is missing: take the line up to its `;`.
        const rest = text.slice(at + 1, newline < 0 ? text.length : newline).replace(/;?\s*$/, '');
        push('text', rest.length + 1, rest);
        continue;
      }
      push('text', end + 1 - at, text.slice(at + 1, end));
      continue;
    }
    if (c === "'") {
      const quoted = take(QUOTED);
      if (quoted === undefined) {
        report('Unterminated symbol', "a quoted name is 'letters, digits, _ . : -'");
        const newline = text.indexOf('\n', at);
        at = newline < 0 ? text.length : newline;
        continue;
      }
      push('word', quoted.length, quoted.slice(1, -1), 0, true);
      continue;
    }
    if (lexNumberLike(take, push, report)) continue;
    const word = take(WORD);
    if (word !== undefined) {
      if (word === 'else' && text[at + 4] === ':') push('punct', 5, 'else:');
      else {
        if (word.length > 64) report('Symbol too long', 'names have at most 64 characters');
        push('word', word.length, word);
      }
      continue;
    }
    const punct = take(PUNCT);
    if (punct !== undefined) {
      push('punct', punct.length, punct);
      continue;
    }
    report('Unknown character', `remove ${JSON.stringify(c)}`);
    at++;
  }
}

/** Addresses, route distinguishers, byte strings and numbers; true when one was taken. */
function lexNumberLike(
  take: (pattern: RegExp) => string | undefined,
  push: (kind: TokenKind, length: number, value: string, num?: number) => void,
  report: (message: string, hint?: string) => void,
): boolean {
  const bytes = take(BYTES);
  if (bytes !== undefined) {
    push('bytes', bytes.length, bytes.replace(/^hex:/, '').replaceAll(':', '').toLowerCase());
    return true;
  }
  const rd = take(RD);
  if (rd !== undefined) {
    push('rd', rd.length, rd);
    return true;
  }
  const v6 = take(IP6);
  if (v6 !== undefined) {
    const address = parseAddress(v6);
    if (address === undefined) report('Invalid IPv6 address');
    // `::ffff:1.2.3.4` and 1.2.3.4 are one value in the language.
    const mapped = address?.startsWith('::ffff:') ? address.slice(7) : undefined;
    if (mapped?.includes('.')) push('ip4', v6.length, mapped);
    else push('ip6', v6.length, address ?? '::');
    return true;
  }
  const v4 = take(IP4);
  if (v4 !== undefined) {
    const address = parseAddress(v4);
    if (address === undefined) report(`Invalid IPv4 address ${v4}`);
    push('ip4', v4.length, address ?? '0.0.0.0');
    return true;
  }
  const num = take(HEX_NUM) ?? take(NUM);
  if (num === undefined) return false;
  const value = Number(num);
  if (value > 0xffffffff) report('Number out of range', 'numbers go from 0 to 4294967295');
  push('num', num.length, num, Math.min(value, 0xffffffff));
  return true;
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
