// Statements of the filter language: bodies of filters and functions, and the attribute statements
// of static routes.

import type { Cursor } from '../cursor.ts';
import { suggestWord } from '../issue.ts';
import type { Token } from '../lexer.ts';
import type { CaseBranch, FunctionDefinition, Statement, Term } from './ast.ts';
import { parsePostfix, parseSetItems, parseTerm } from './parse-term.ts';
import { ENUM_TYPES, SET_TYPE_WORDS, TYPE_WORDS } from './types.ts';
import type { EnumType, Type } from './types.ts';

const STATEMENT_WORDS = [
  'if',
  'case',
  'for',
  'return',
  'accept',
  'reject',
  'error',
  'print',
  'printn',
  'unset',
  'else',
  'then',
];

/** `[TYPE NAME;]* { … }` of a filter. */
export function parseFilterBody(c: Cursor): Statement[] {
  const body: Statement[] = [];
  while (!c.isPunct('{')) {
    if (!isTypeAhead(c)) c.unexpected();
    body.push(parseDeclaration(c));
  }
  return [...body, ...parseStatementBlock(c)];
}

/** `{ statement* }` */
export function parseStatementBlock(c: Cursor): Statement[] {
  c.expectPunct('{');
  const body: Statement[] = [];
  while (!c.acceptPunct('}')) body.push(parseStatement(c));
  return body;
}

/** A function after the word `function`. */
export function parseFunction(c: Cursor): FunctionDefinition {
  const name = c.expectName([], 'write: function NAME (TYPE ARG; TYPE ARG) { … }');
  c.expectPunct('(');
  const parameters: { type: Type; name: Token }[] = [];
  if (!c.acceptPunct(')')) {
    do {
      parameters.push({ type: parseType(c), name: c.expectName() });
      if (c.isPunct(',')) {
        c.unexpected(["';'", "')'"], "arguments of a definition are separated by ';', not ','");
      }
    } while (c.acceptPunct(';'));
    if (!c.isPunct(')')) c.unexpected(["';'", "')'"]);
    c.next();
  }
  const returns = c.acceptPunct('->') ? parseType(c) : undefined;
  return { name, parameters, returns, body: parseFilterBody(c) };
}

/** A type: `int`, `prefix set`, `enum rts`. */
export function parseType(c: Cursor): Type {
  const at = c.token;
  if (c.isWord('enum')) {
    c.next();
    const word = c.token.text;
    for (const [type, { words }] of Object.entries(ENUM_TYPES)) {
      if (!words.includes(word)) continue;
      c.next();
      return c.acceptWord('set') ? 'enum set' : (type as EnumType);
    }
    return c.unexpected();
  }
  const type = at.kind === 'word' && !at.quoted ? typeWord(at.text) : undefined;
  if (type === undefined) {
    const near = suggestWord(at.text, Object.keys(TYPE_WORDS));
    return c.unexpected([], near === undefined ? undefined : `did you mean ${near}?`);
  }
  c.next();
  const set = Object.hasOwn(SET_TYPE_WORDS, at.text) ? SET_TYPE_WORDS[at.text] : undefined;
  return set !== undefined && c.acceptWord('set') ? set : type;
}

function typeWord(word: string): Type | undefined {
  return Object.hasOwn(TYPE_WORDS, word) ? TYPE_WORDS[word] : undefined;
}

/** `TYPE NAME`: two words, the first a type. */
function isTypeAhead(c: Cursor): boolean {
  const at = c.token;
  if (at.kind !== 'word' || at.quoted || c.ahead().kind !== 'word') return false;
  return at.text === 'enum' || typeWord(at.text) !== undefined;
}

function parseDeclaration(c: Cursor): Statement {
  const at = c.token;
  const type = parseType(c);
  const name = c.expectName();
  const init = c.acceptPunct('=') ? parseTerm(c) : undefined;
  c.expectSemicolon();
  return { kind: 'declare', at, type, name, init };
}

function parseStatement(c: Cursor): Statement {
  const at = c.token;
  if (c.isPunct('{')) return { kind: 'block', at, body: parseStatementBlock(c) };
  if (c.acceptPunct(';')) return { kind: 'empty', at };
  if (at.kind !== 'word') return c.unexpected();
  if (isTypeAhead(c)) return parseDeclaration(c);
  // A word followed by `=` or `.` is a variable or an attribute, whatever else it means.
  const isValue = ['=', '.'].includes(c.ahead().text) && c.ahead().kind === 'punct';
  if (!at.quoted && !isValue) {
    switch (at.text) {
      case 'if':
        return parseIf(c);
      case 'case':
        return parseCase(c);
      case 'for':
        return parseFor(c);
      case 'return': {
        c.next();
        const value = c.isPunct(';') ? undefined : parseTerm(c);
        c.expectSemicolon();
        return { kind: 'return', at, value };
      }
      case 'accept':
      case 'reject':
      case 'error': {
        c.next();
        const message = c.isPunct(';') ? [] : parseTermList(c);
        c.expectSemicolon();
        return { kind: 'verdict', at, verdict: at.text, message };
      }
      case 'print':
      case 'printn': {
        c.next();
        const parts = parseTermList(c);
        c.expectSemicolon();
        return { kind: 'print', at, newline: at.text === 'print', parts };
      }
      case 'unset': {
        c.next();
        c.expectPunct('(');
        const target = parsePostfix(c);
        c.expectPunct(')');
        c.expectSemicolon();
        return { kind: 'unset', at, target };
      }
    }
  }
  return parseExpressionStatement(c);
}

function parseTermList(c: Cursor): Term[] {
  const terms = [parseTerm(c)];
  while (c.acceptPunct(',')) terms.push(parseTerm(c));
  return terms;
}

function parseIf(c: Cursor): Statement {
  const at = c.next();
  const condition = parseTerm(c);
  c.expectWord('then', 'write: if CONDITION then STATEMENT');
  const yes = parseStatement(c);
  const otherwise = c.acceptWord('else') ? parseStatement(c) : undefined;
  return { kind: 'if', at, condition, yes, no: otherwise };
}

function parseCase(c: Cursor): Statement {
  const at = c.next();
  const subject = parseTerm(c);
  c.expectPunct('{');
  const branches: CaseBranch[] = [];
  while (!c.acceptPunct('}')) {
    let items: CaseBranch['items'] = [];
    if (!c.acceptPunct('else:')) {
      if (c.isWord('else') && c.ahead().text === ':') {
        c.next();
        c.unexpected([], "no space between 'else' and ':'");
      }
      items = parseSetItems(c);
      c.expectPunct(':');
    }
    const body: Statement[] = [];
    while (!c.isPunct('}') && !c.isPunct('else:') && !isCaseLabel(c)) body.push(parseStatement(c));
    branches.push({ items, body });
  }
  return { kind: 'case', at, subject, branches };
}

/** A statement never starts with a value, and a label ends with ':' before any ';'. */
function isCaseLabel(c: Cursor): boolean {
  if (['num', 'ip4', 'ip6', 'rd'].includes(c.token.kind)) return true;
  if (c.isPunct('(')) return true;
  if (c.token.kind !== 'word') return false;
  for (let i = 0; ; i++) {
    const token = c.ahead(i);
    if (token.kind === 'end') return false;
    if (token.kind !== 'punct') continue;
    if (token.text === ':') return true;
    if ([';', '{', '}', '='].includes(token.text)) return false;
  }
}

function parseFor(c: Cursor): Statement {
  const at = c.next();
  const type = parseType(c);
  const name = c.expectName();
  c.expectWord('in');
  const over = parseTerm(c);
  c.expectWord('do', 'write: for TYPE NAME in LIST do STATEMENT');
  return { kind: 'for', at, type, name, over, body: parseStatement(c) };
}

/** An assignment, a method that changes its object, or a call. */
function parseExpressionStatement(c: Cursor): Statement {
  const at = c.token;
  if (!at.quoted && !c.isKnown(at.text) && c.ahead().kind === 'word') {
    const near = suggestWord(at.text, STATEMENT_WORDS);
    if (near !== undefined) c.unexpected([], `did you mean ${near}?`);
  }
  const term = parsePostfix(c);
  if (c.acceptPunct('=')) {
    const value = parseTerm(c);
    c.expectSemicolon();
    return { kind: 'assign', at, target: term, value };
  }
  if (c.isPunct('[') || c.isPunct('~')) c.unexpected();
  c.expectSemicolon();
  return { kind: 'expression', at, term };
}
