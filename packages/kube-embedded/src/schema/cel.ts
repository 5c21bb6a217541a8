// A subset of the Common Expression Language, enough for the rules that custom resources carry:
// literals, lists, fields, indexes, operators, the conditional, has(), size(), duration(), string
// functions and the macros all, exists, exists_one, filter, map. Errors are values (text), and as in
// CEL an error on one side of && or || counts only when the other side does not decide.

import { isObject, sameJson } from '../object.ts';

/** Evaluates to a value, or to a CelError. */
type Node = (scope: Scope) => unknown;
type Scope = Record<string, unknown>;

/** A compiled rule: true, false, or the text of an evaluation error. */
export type CelProgram = (scope: Scope) => boolean | string;

class CelError {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

class Duration {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}

/** Compiles an expression; a text answer says why it does not compile. */
export function compileCel(source: string): CelProgram | string {
  const parser = new Parser(source);
  const node = parser.parse();
  if (node instanceof CelError) return node.text;
  return (scope) => {
    const result = node(scope);
    if (typeof result === 'boolean') return result;
    return result instanceof CelError ? result.text : 'the rule did not evaluate to a boolean';
  };
}

const tokenPattern =
  /\s*(?:(\d+\.\d+|\d+)u?|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(&&|\|\||==|!=|<=|>=|[-+*/%!<>?:.,()[\]]))/y;

interface Token {
  kind: 'number' | 'string' | 'name' | 'operator' | 'end';
  text: string;
}

const binaryPower: Record<string, number> = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '<': 3,
  '<=': 3,
  '>': 3,
  '>=': 3,
  in: 3,
  '+': 4,
  '-': 4,
  '*': 5,
  '/': 5,
  '%': 5,
};

class Parser {
  readonly #tokens: Token[] = [];
  #at = 0;
  #fault: CelError | undefined;

  constructor(source: string) {
    tokenPattern.lastIndex = 0;
    while (tokenPattern.lastIndex < source.trimEnd().length) {
      const start = tokenPattern.lastIndex;
      const match = tokenPattern.exec(source);
      if (!match) {
        this.#fault = new CelError(
          `unexpected character at ${start}: ${source.slice(start, start + 12)}`,
        );
        break;
      }
      if (match[1] !== undefined) this.#tokens.push({ kind: 'number', text: match[1] });
      else if (match[2] !== undefined)
        this.#tokens.push({ kind: 'string', text: unquote(match[2]) });
      else if (match[3] !== undefined) this.#tokens.push({ kind: 'name', text: match[3] });
      else this.#tokens.push({ kind: 'operator', text: match[4] ?? '' });
    }
  }

  parse(): Node | CelError {
    const node = this.#conditional();
    if (this.#peek().kind !== 'end') this.#fail(`unexpected "${this.#peek().text}"`);
    return this.#fault ?? node;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: 'end of expression' };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at += 1;
    return token;
  }

  #isOperator(text: string): boolean {
    const token = this.#peek();
    return token.kind === 'operator' && token.text === text;
  }

  #accept(text: string): boolean {
    if (!this.#isOperator(text)) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) this.#fail(`expected "${text}" before "${this.#peek().text}"`);
  }

  #fail(text: string): Node {
    this.#fault ??= new CelError(text);
    return () => new CelError(text);
  }

  #conditional(): Node {
    const test = this.#binary(0);
    if (!this.#accept('?')) return test;
    const yes = this.#conditional();
    this.#expect(':');
    const no = this.#conditional();
    return (scope) => {
      const value = test(scope);
      if (value instanceof CelError) return value;
      return value === true ? yes(scope) : no(scope);
    };
  }

  #binary(minimum: number): Node {
    let left = this.#unary();
    for (;;) {
      const token = this.#peek();
      const power =
        token.kind === 'operator' || token.text === 'in' ? binaryPower[token.text] : undefined;
      if (power === undefined || power <= minimum || this.#fault) return left;
      this.#at += 1;
      left = operate(token.text, left, this.#binary(power));
    }
  }

  #unary(): Node {
    if (this.#accept('!')) {
      const operand = this.#unary();
      return (scope) => {
        const value = operand(scope);
        return typeof value === 'boolean' ? !value : mismatch('!', value);
      };
    }
    if (this.#accept('-')) {
      const operand = this.#unary();
      return (scope) => {
        const value = operand(scope);
        return typeof value === 'number' ? -value : mismatch('-', value);
      };
    }
    return this.#postfix(this.#primary());
  }

  #postfix(start: Node): Node {
    let node = start;
    for (;;) {
      if (this.#accept('.')) {
        const name = this.#next();
        if (name.kind !== 'name') return this.#fail(`expected a field name before "${name.text}"`);
        node = this.#accept('(') ? this.#method(node, name.text) : selectField(node, name.text);
      } else if (this.#accept('[')) {
        const index = this.#conditional();
        this.#expect(']');
        node = selectIndex(node, index);
      } else return node;
    }
  }

  #primary(): Node {
    const token = this.#next();
    if (token.kind === 'number') return constant(Number(token.text));
    if (token.kind === 'string') return constant(token.text);
    if (token.kind === 'name') {
      if (token.text === 'true' || token.text === 'false') return constant(token.text === 'true');
      if (token.text === 'null') return constant(null);
      if (this.#accept('(')) return this.#call(token.text);
      const name = token.text;
      return (scope) =>
        Object.hasOwn(scope, name)
          ? scope[name]
          : new CelError(`undeclared reference to '${name}'`);
    }
    if (token.text === '(') {
      const inner = this.#conditional();
      this.#expect(')');
      return inner;
    }
    if (token.text === '[') {
      const items = this.#arguments(']');
      return (scope) => items.map((item) => item(scope));
    }
    return this.#fail(`unexpected "${token.text}"`);
  }

  #arguments(close: string): Node[] {
    const list: Node[] = [];
    while (!this.#fault && !this.#isOperator(close)) {
      list.push(this.#conditional());
      if (!this.#accept(',')) break;
    }
    this.#expect(close);
    return list;
  }

  #call(name: string): Node {
    const [first] = this.#arguments(')');
    if (first === undefined) return this.#fail(`${name}() needs an argument`);
    if (name === 'has') {
      return (scope) => {
        const value = first(scope);
        return !(value instanceof CelError) && value !== undefined && value !== null;
      };
    }
    const apply = functions[name];
    if (!apply) return this.#fail(`undeclared reference to '${name}'`);
    return (scope) => lift(first(scope), apply);
  }

  #method(target: Node, name: string): Node {
    const macro = macros[name];
    if (macro) {
      const variable = this.#next();
      if (variable.kind !== 'name') return this.#fail(`${name}() needs a variable name`);
      this.#expect(',');
      const body = this.#conditional();
      this.#expect(')');
      return (scope) =>
        lift(target(scope), (value) => {
          const items = Array.isArray(value)
            ? value
            : isObject(value)
              ? Object.keys(value)
              : undefined;
          if (!items) return mismatch(name, value);
          return macro(items, (item) => body({ ...scope, [variable.text]: item }));
        });
    }
    const [argument] = this.#arguments(')');
    const unary = functions[name];
    if (unary && !argument) return (scope) => lift(target(scope), unary);
    const method = methods[name];
    if (!method || !argument) return this.#fail(`undeclared reference to '${name}'`);
    return (scope) =>
      lift(target(scope), (value) => lift(argument(scope), (other) => method(value, other)));
  }
}

function operate(operator: string, left: Node, right: Node): Node {
  if (operator === '&&' || operator === '||') {
    const deciding = operator === '||';
    return (scope) => {
      const a = left(scope);
      if (a === deciding) return deciding;
      const b = right(scope);
      if (b === deciding) return deciding;
      if (a instanceof CelError) return a;
      return b instanceof CelError ? b : !deciding;
    };
  }
  return (scope) => lift(left(scope), (a) => lift(right(scope), (b) => combine(operator, a, b)));
}

function combine(operator: string, a: unknown, b: unknown): unknown {
  if (operator === '==') return equal(a, b);
  if (operator === '!=') return !equal(a, b);
  if (operator === 'in') {
    if (Array.isArray(b)) return b.some((item) => equal(item, a));
    return isObject(b) ? Object.hasOwn(b, String(a)) : mismatch('in', b);
  }
  const x = a instanceof Duration ? a.ms : a;
  const y = b instanceof Duration ? b.ms : b;
  if (typeof x !== typeof y || (typeof x !== 'number' && typeof x !== 'string'))
    return mismatch(operator, a);
  if (operator === '<') return x < (y as typeof x);
  if (operator === '<=') return x <= (y as typeof x);
  if (operator === '>') return x > (y as typeof x);
  if (operator === '>=') return x >= (y as typeof x);
  if (typeof x === 'string') return operator === '+' ? x + String(y) : mismatch(operator, a);
  const other = y as number;
  const wrap = (value: number) => (a instanceof Duration ? new Duration(value) : value);
  if (operator === '+') return wrap(x + other);
  if (operator === '-') return wrap(x - other);
  if (operator === '*') return x * other;
  if (other === 0) return new CelError('division by zero');
  return operator === '/' ? Math.trunc(x / other) : x % other;
}

const functions: Record<string, (value: unknown) => unknown> = {
  size: (value) => {
    if (typeof value === 'string') return [...value].length;
    if (Array.isArray(value)) return value.length;
    return isObject(value) ? Object.keys(value).length : mismatch('size', value);
  },
  duration: (value) =>
    typeof value === 'string' ? parseDuration(value) : mismatch('duration', value),
  string: (value) => String(value),
  int: (value) =>
    Number.isFinite(Number(value)) ? Math.trunc(Number(value)) : mismatch('int', value),
  getSeconds: (value) =>
    value instanceof Duration ? Math.trunc(value.ms / 1000) : mismatch('getSeconds', value),
  getMilliseconds: (value) =>
    value instanceof Duration ? value.ms : mismatch('getMilliseconds', value),
  lowerAscii: (value) =>
    typeof value === 'string' ? value.toLowerCase() : mismatch('lowerAscii', value),
};

const methods: Record<string, (value: unknown, argument: unknown) => unknown> = {
  startsWith: (value, argument) => texts(value, argument, (a, b) => a.startsWith(b)),
  endsWith: (value, argument) => texts(value, argument, (a, b) => a.endsWith(b)),
  contains: (value, argument) => texts(value, argument, (a, b) => a.includes(b)),
  split: (value, argument) => texts(value, argument, (a, b) => a.split(b)),
  matches: (value, argument) =>
    texts(value, argument, (a, b) => {
      try {
        return new RegExp(b, 'u').test(a);
      } catch (error) {
        return new CelError(String(error));
      }
    }),
};

const macros: Record<string, (items: unknown[], body: (item: unknown) => unknown) => unknown> = {
  all: (items, body) => items.every((item) => body(item) === true),
  exists: (items, body) => items.some((item) => body(item) === true),
  exists_one: (items, body) => items.filter((item) => body(item) === true).length === 1,
  filter: (items, body) => items.filter((item) => body(item) === true),
  map: (items, body) => items.map(body),
};

function texts(a: unknown, b: unknown, apply: (a: string, b: string) => unknown): unknown {
  return typeof a === 'string' && typeof b === 'string'
    ? apply(a, b)
    : mismatch('text function', a);
}

function selectField(target: Node, name: string): Node {
  return (scope) =>
    lift(target(scope), (value) =>
      isObject(value) && Object.hasOwn(value, name)
        ? value[name]
        : new CelError(`no such key: ${name}`),
    );
}

function selectIndex(target: Node, index: Node): Node {
  return (scope) =>
    lift(target(scope), (value) =>
      lift(index(scope), (key) => {
        const found = Array.isArray(value)
          ? value[Number(key)]
          : isObject(value)
            ? value[String(key)]
            : undefined;
        return found === undefined ? new CelError(`no such key: ${String(key)}`) : found;
      }),
    );
}

function lift(value: unknown, apply: (value: unknown) => unknown): unknown {
  return value instanceof CelError ? value : apply(value);
}

function constant(value: unknown): Node {
  return () => value;
}

function equal(a: unknown, b: unknown): boolean {
  if (a instanceof Duration && b instanceof Duration) return a.ms === b.ms;
  return sameJson(a, b);
}

function mismatch(operation: string, value: unknown): CelError {
  return value instanceof CelError ? value : new CelError(`no such overload for ${operation}`);
}

const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

function parseDuration(text: string): Duration | CelError {
  if (text === '0') return new Duration(0);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  const sign = text.startsWith('-') ? -1 : 1;
  const body = text.replace(/^[-+]/, '');
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== body) {
    return new CelError(`invalid duration: ${text}`);
  }
  const ms = parts.reduce((sum, part) => sum + Number(part[1]) * (unitMs[part[2] ?? ''] ?? 0), 0);
  return new Duration(sign * ms);
}

function unquote(text: string): string {
  return text
    .slice(1, -1)
    .replaceAll(/\\(.)/g, (_all, char: string) =>
      char === 'n' ? '\n' : char === 't' ? '\t' : char,
    );
}
