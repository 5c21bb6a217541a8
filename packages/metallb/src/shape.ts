// Reads JSON of unknown shape (what the API server sent) into typed data. A field of the wrong type
// becomes one problem that names its path; the reader then answers as if the field were absent, so
// that one pass finds every problem of an object. Deliberately not a schema language: the CRD
// schemas of the API server have refused most nonsense before it gets here.

import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';

/** An object that cannot be used, with every reason found. */
export interface ShapeIssue {
  /** "Service default/web". */
  readonly object: string;
  /** "spec.ports[0].port: expected a number, found a string; …" */
  readonly message: string;
}

/** Reads fields of one JSON object and remembers what was wrong. */
export class ShapeReader {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #problems: string[];

  constructor(value: unknown, path: string, problems: string[]) {
    this.#path = path;
    this.#problems = problems;
    if (isRecord(value)) this.#value = value;
    else {
      this.#value = {};
      problems.push(`${path || 'object'}: expected an object, found ${nameOfType(value)}`);
    }
  }

  get problems(): readonly string[] {
    return this.#problems;
  }

  has(key: string): boolean {
    return this.#read(key) !== undefined;
  }

  text(key: string): string | undefined {
    const value = this.#read(key);
    if (value === undefined || typeof value === 'string') return value;
    return this.#wrong(key, 'a string', value);
  }

  number(key: string): number | undefined {
    const value = this.#read(key);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    return this.#wrong(key, 'a number', value);
  }

  flag(key: string): boolean | undefined {
    const value = this.#read(key);
    if (value === undefined || typeof value === 'boolean') return value;
    return this.#wrong(key, 'true or false', value);
  }

  /** A string or a number (Kubernetes' IntOrString) as text. */
  textOrNumber(key: string): string | undefined {
    const value = this.#read(key);
    return typeof value === 'number' ? String(value) : this.text(key);
  }

  texts(key: string): readonly string[] {
    const items = this.#items(key);
    // As it was parsed: a copy would have room for more, thousands of times.
    if (items.every(isText)) return items;
    for (const [index, item] of items.entries()) {
      if (!isText(item)) this.#wrong(`${key}[${index}]`, 'a string', item);
    }
    return items.filter(isText);
  }

  /** String values by string keys (labels, annotations, selectors). */
  textMap(key: string): Readonly<Record<string, string>> {
    const value = this.#read(key);
    if (value === undefined) return NOTHING;
    if (!isRecord(value)) {
      this.#wrong(key, 'an object', value);
      return NOTHING;
    }
    const entries = Object.entries(value);
    for (const [name, entry] of entries) {
      if (!isText(entry)) this.#wrong(`${key}[${JSON.stringify(name)}]`, 'a string', entry);
    }
    const texts = entries.filter((entry): entry is [string, string] => isText(entry[1]));
    return texts.length === entries.length
      ? (value as Readonly<Record<string, string>>)
      : Object.fromEntries(texts);
  }

  /** The nested object, or undefined when absent. */
  object(key: string): ShapeReader | undefined {
    const value = this.#read(key);
    if (value === undefined) return undefined;
    return new ShapeReader(value, this.#join(key), this.#problems);
  }

  /** Elements of a list of objects; an absent list is empty. */
  objects<T>(key: string, read: (element: ShapeReader) => T): readonly T[] {
    return this.#items(key).map((item, index) =>
      read(new ShapeReader(item, this.#join(`${key}[${index}]`), this.#problems)),
    );
  }

  /** The value as it is, for fields that nobody interprets here. */
  raw(key: string): unknown {
    return this.#read(key);
  }

  #items(key: string): readonly unknown[] {
    const value = this.#read(key);
    if (value === undefined) return NONE;
    if (Array.isArray(value)) return value;
    this.#wrong(key, 'a list', value);
    return NONE;
  }

  /** JSON null means absent, as everywhere in the Kubernetes API. */
  #read(key: string): unknown {
    const value = Object.hasOwn(this.#value, key) ? this.#value[key] : undefined;
    return value === null ? undefined : value;
  }

  #wrong(key: string, expected: string, found: unknown): undefined {
    this.#problems.push(`${this.#join(key)}: expected ${expected}, found ${nameOfType(found)}`);
    return undefined;
  }

  #join(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}

/** Runs `read` over one object and turns collected problems into one issue. */
export function readShape<T>(
  json: unknown,
  kind: string,
  read: (reader: ShapeReader) => T,
): Result<T, ShapeIssue> {
  const problems: string[] = [];
  const value = read(new ShapeReader(json, '', problems));
  if (problems.length === 0) return ok(value);
  return err({ object: `${kind} ${nameOfObject(json)}`, message: problems.join('; ') });
}

/** "namespace/name", "name", or "(unnamed)" of any JSON value. */
export function nameOfObject(json: unknown): string {
  const metadata = isRecord(json) && isRecord(json['metadata']) ? json['metadata'] : {};
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : '(unnamed)';
  const namespace = metadata['namespace'];
  return typeof namespace === 'string' && namespace !== '' ? `${namespace}/${name}` : name;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** Of every absent map and list there is one. */
const NOTHING: Readonly<Record<string, string>> = Object.freeze({});
const NONE: readonly never[] = Object.freeze([]);
