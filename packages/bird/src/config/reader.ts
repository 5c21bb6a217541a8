// Reads option values: booleans, numbers, durations, texts, addresses, masks, patterns. Values may
// be literals, defined constants or parenthesised expressions, as everywhere in the language.

import type { IpAddress } from '@rookery/net';
import { formatV4 } from '@rookery/net';
import type { DebugFlag, DebugMask, InterfacePattern } from '@rookery/router';
import type { Cursor } from '../cursor.ts';
import { evaluateTerm } from '../filter/evaluate.ts';
import { formatPrefixValue } from '../filter/scalar-text.ts';
import { parseNet, parseTerm } from '../filter/parse-term.ts';
import type { Type, Value } from '../filter/types.ts';
import { typeName } from '../filter/types.ts';
import type { IssueLog } from '../issue.ts';
import { suggestWord } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import type { Scope } from '../scope.ts';

const DEBUG_FLAGS: readonly DebugFlag[] = [
  'states',
  'routes',
  'filters',
  'interfaces',
  'events',
  'packets',
];

export class Reader {
  readonly c: Cursor;
  readonly scope: Scope;
  readonly log: IssueLog;

  constructor(c: Cursor, scope: Scope, log: IssueLog) {
    this.c = c;
    this.scope = scope;
    this.log = log;
  }

  /** `on|yes|off|no|NUM|(expr)`; nothing at all means on. */
  bool(): boolean {
    const { c } = this;
    if (c.acceptWord('on') || c.acceptWord('yes')) return true;
    if (c.acceptWord('off') || c.acceptWord('no')) return false;
    if (c.isPunct(';') || c.isPunct('}')) return true;
    if (c.token.kind === 'num') return c.next().value !== 0;
    if (c.isPunct('(') || this.isConstant()) {
      const { type, value } = this.value();
      if (type === 'bool') return value === true;
      if (type === 'int') return value !== 0;
    }
    return true;
  }

  /** An integer within a range; `what` names it in the message. */
  num(low = 0, high = 0xffffffff, what = 'Number'): number {
    const at = this.c.token;
    const value = this.expect('int', ['NUM']) as number;
    if (value < low || value > high) {
      raise(at, 'range', `${what} must be in range ${low}-${high}`, `${value} is out of range`);
    }
    return value;
  }

  /** A number that fits 16 bits. */
  word16(): number {
    const at = this.c.token;
    const value = this.num();
    if (value > 0xffff) raise(at, 'range', `Value ${value} out of range (0-65535)`);
    return value;
  }

  text(): string {
    return this.expect('string', ['TEXT']) as string;
  }

  ip(): IpAddress {
    return this.expect('ip', ['IP4', 'IP6']) as string;
  }

  /** A router id: a number, an IPv4 address or a constant of either type. */
  quad(): IpAddress {
    const at = this.c.token;
    const { type, value } = this.value();
    if (type === 'int' || type === 'quad') return formatV4(value as number);
    if (type === 'ip' && !(value as string).includes(':')) return value as string;
    return this.wrongType(at, ['NUM', 'IP4']);
  }

  prefix(): string {
    return formatPrefixValue(parseNet(this.c));
  }

  /** `10 ms`, `1 s`, `500 us`, in microseconds. */
  durationUs(): number {
    const value = this.num();
    const unit = this.c.token;
    if (this.c.acceptWord('s')) return value * 1_000_000;
    if (this.c.acceptWord('ms')) return value * 1000;
    if (this.c.acceptWord('us')) return value;
    return raise(
      unit,
      'syntax',
      `syntax error, unexpected ${this.c.describe(unit)}, expecting S or MS or US`,
      'give a unit: 10 ms, 1 s, 500 us',
    );
  }

  /** `all | off | { states, routes }` */
  debugMask(): DebugMask {
    const { c } = this;
    if (c.acceptWord('all')) return DEBUG_FLAGS;
    if (c.acceptWord('off')) return [];
    c.expectPunct('{', 'write: debug all, debug off or debug { states, events }');
    const flags = new Set<string>();
    do {
      const flag = c.token;
      if (!DEBUG_FLAGS.some((known) => c.isWord(known))) {
        const near = suggestWord(flag.text, DEBUG_FLAGS);
        c.unexpected(
          [],
          `flags are ${DEBUG_FLAGS.join(', ')}${near ? `; did you mean ${near}?` : ''}`,
        );
      }
      flags.add(c.next().text);
    } while (c.acceptPunct(','));
    c.expectPunct('}');
    return DEBUG_FLAGS.filter((flag) => flags.has(flag));
  }

  /** `"eth*", -"wg*", "br*" 192.168.0.0/16` */
  patterns(): InterfacePattern[] {
    const patterns: InterfacePattern[] = [];
    do patterns.push(this.pattern());
    while (this.c.acceptPunct(','));
    return patterns;
  }

  private pattern(): InterfacePattern {
    const { c } = this;
    const exclude = c.acceptPunct('-');
    const glob =
      c.token.kind === 'text' || this.constantType() === 'string' ? this.text() : undefined;
    const hasNet = c.token.kind === 'ip4' || c.token.kind === 'ip6';
    if (glob === undefined && !hasNet) {
      c.unexpected(['TEXT', 'IP4', 'IP6'], 'interfaces are named in quotes: interface "eth*"');
    }
    let prefix: string | undefined;
    if (hasNet) {
      if (c.ahead().text === '/') prefix = this.prefix();
      else {
        const address = c.next();
        prefix = `${address.text}/${address.kind === 'ip4' ? 32 : 128}`;
      }
    }
    return {
      exclude,
      ...(glob === undefined ? {} : { glob }),
      ...(prefix === undefined ? {} : { prefix }),
    };
  }

  /** A literal, a constant or `( expression )`. */
  value(): { type: Type; value: Value } {
    const { c } = this;
    const at = c.token;
    switch (at.kind) {
      case 'num':
        c.next();
        return { type: 'int', value: at.value };
      case 'text':
        c.next();
        return { type: 'string', value: at.text };
      case 'bytes':
        c.next();
        return { type: 'bytestring', value: at.text };
      case 'ip4':
      case 'ip6':
        c.next();
        return { type: 'ip', value: at.text };
      case 'word': {
        const symbol = this.scope.lookup(at.text);
        if (symbol?.kind !== 'constant') return c.unexpected();
        c.next();
        return symbol;
      }
      default:
        if (!c.isPunct('(')) return c.unexpected();
        c.next();
        return this.parenthesised();
    }
  }

  /** The type of the constant at the cursor, if it is one. */
  constantType(): Type | undefined {
    if (this.c.token.kind !== 'word') return undefined;
    const symbol = this.scope.lookup(this.c.token.text);
    return symbol?.kind === 'constant' ? symbol.type : undefined;
  }

  isConstant(): boolean {
    return this.constantType() !== undefined;
  }

  /** A name that must belong to a symbol of some kind. */
  known<K extends string>(kind: K): Token {
    const { c } = this;
    const at = c.token;
    const symbol = at.kind === 'word' ? this.scope.lookup(at.text) : undefined;
    if (symbol === undefined) {
      const names = this.scope.names(kind as never);
      const near = at.kind === 'word' ? suggestWord(at.text, names) : undefined;
      const hint =
        near === undefined ? `define this ${kind} before it is used` : `did you mean ${near}?`;
      return c.unexpected(['CF_SYM_KNOWN'], hint);
    }
    if (symbol.kind !== kind && symbol.kind !== 'broken') {
      const wanted = kind === 'routing table' ? 'Table' : kind[0]!.toUpperCase() + kind.slice(1);
      raise(at, 'semantic', `${wanted} name expected`, `${at.text} is a ${symbol.kind}`);
    }
    return c.next();
  }

  private parenthesised(): { type: Type; value: Value } {
    const term = parseTerm(this.c);
    this.c.expectPunct(')');
    return evaluateTerm(term, this.scope);
  }

  private expect(type: Type, expecting: readonly string[]): Value {
    const at = this.c.token;
    if (at.kind === 'punct' && at.text !== '(') this.c.unexpected(expecting);
    if (at.kind === 'word' && !this.isConstant()) {
      const near = suggestWord(at.text, this.scope.names('constant'));
      this.c.unexpected([], near === undefined ? undefined : `did you mean ${near}?`);
    }
    const found = this.value();
    if (found.type === type) return found.value;
    return this.wrongType(at, expecting, found.type);
  }

  private wrongType(at: Token, expecting: readonly string[], found?: Type): never {
    const name = at.kind === 'word' ? 'CF_SYM_KNOWN' : this.c.describe(at);
    const what = found === undefined ? '' : `this is a ${typeName(found)}`;
    return raise(
      at,
      'type',
      `syntax error, unexpected ${name}${expecting.length > 0 ? `, expecting ${expecting.join(' or ')}` : ''}`,
      what === '' ? undefined : what,
    );
  }
}
