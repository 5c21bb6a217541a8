// Canonical text of a stretch of tokens: one space between tokens where the lexer needs or a reader
// expects one, comments and line breaks gone, literals in canonical spelling. Two policies are the
// same when these texts (with those of everything they call) are, and printing what was parsed and
// parsing it again gives the same tokens.

import type { Token } from '../lexer.ts';

/** Tokens `start` to `end` (exclusive) of a file. */
export interface FilterSource {
  readonly tokens: readonly Token[];
  readonly start: number;
  readonly end: number;
}

/** One line of text for a range of tokens. */
export function canonicalText(source: FilterSource): string {
  let text = '';
  let before: Token | undefined;
  for (let i = source.start; i < source.end; i++) {
    const token = source.tokens[i]!;
    if (before !== undefined && needsSpace(before, token)) text += ' ';
    text += tokenText(token);
    before = token;
  }
  return text;
}

const TIGHT_AFTER: ReadonlySet<string> = new Set(['(', '.', '/', '%']);
const TIGHT_BEFORE: ReadonlySet<string> = new Set([')', '.', ',', ';', '/', '%', ']']);

/** Words that are not the name of what follows in parentheses. */
const SPACED_WORDS: ReadonlySet<string> = new Set(
  'if case in return where then else do print printn accept reject error eval id as'.split(' '),
);

/** Whether a space goes between two tokens. */
export function needsSpace(before: Token, after: Token): boolean {
  if (after.kind === 'punct' && TIGHT_BEFORE.has(after.text)) return false;
  if (before.kind === 'punct') {
    if (TIGHT_AFTER.has(before.text) || before.text === '[' || before.text === '..') return false;
    return true;
  }
  if (after.kind !== 'punct') return true;
  if (after.text === '..') return false;
  // A call or a method keeps its parenthesis close; a prefix pattern its suffix.
  if (after.text === '(') return before.kind !== 'word' || SPACED_WORDS.has(before.text);
  return true;
}

/** The token as it would be written. */
export function tokenText(token: Token): string {
  switch (token.kind) {
    case 'text':
      return `"${token.text}"`;
    case 'num':
      return String(token.value);
    case 'bytes':
      return `hex:${token.text.replace(/..(?=.)/g, '$&:')}`;
    case 'word':
      return token.quoted && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(token.text)
        ? `'${token.text}'`
        : token.text;
    default:
      return token.text;
  }
}

/** Long texts are compared by digest, so that a policy with a large set stays small. */
export function digestText(text: string): string {
  if (text.length <= 4096) return text;
  // FNV-1a over UTF-16 units, twice with different offsets: 64 bits.
  let x = 0x811c9dc5;
  let y = 0x1b873593;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    x = Math.imul(x ^ unit, 0x01000193);
    y = Math.imul(y ^ unit, 0x85ebca6b) ^ (y >>> 15);
  }
  const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
  return `#${text.length}:${hex(x)}${hex(y)}`;
}
