// Objects and their history on SQLite. One global revision counts every change; the change log lets
// a watch continue from an older revision until that part was compacted away. Objects are also kept
// parsed in memory, so that reads cost no SQL; writes go to both in one transaction.
// Objects handed out are shared: callers must not change them.

import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { KubeObject } from '../object.ts';

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface Change {
  revision: number;
  type: ChangeType;
  /** "group/plural" */
  resource: string;
  object: KubeObject;
  /** The object before a MODIFIED change: a selector may have matched it and no longer does. */
  previous: KubeObject | undefined;
}

export interface StoreOptions {
  /** Path of the database file, or ':memory:'. */
  file: string;
  /** Changes kept for watches that continue from an older revision. */
  historyLimit?: number;
}

const schemaSql = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS changes (
    revision INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL,
    body TEXT NOT NULL, previous TEXT);
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
`;

/** `json`: the object as text, made once for everybody who passes it on. */
type Listener = (change: Change, json: string) => void;

export class Store {
  readonly #db: DatabaseSync;
  readonly #historyLimit: number;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #everyListener = new Set<Listener>();
  #changes: Change[] = [];
  #revision = 1;
  #compactedRevision = 0;
  readonly #putObject: StatementSync;
  readonly #dropObject: StatementSync;
  readonly #putChange: StatementSync;

  constructor(options: StoreOptions) {
    this.#historyLimit = options.historyLimit ?? 5000;
    this.#db = new DatabaseSync(options.file);
    this.#db.exec(schemaSql);
    this.#putObject = this.#db.prepare(
      'INSERT OR REPLACE INTO objects (resource, namespace, name, revision, body) VALUES (?, ?, ?, ?, ?)',
    );
    this.#dropObject = this.#db.prepare(
      'DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?',
    );
    this.#putChange = this.#db.prepare(
      'INSERT INTO changes (revision, type, resource, body, previous) VALUES (?, ?, ?, ?, ?)',
    );
    this.#load();
  }

  /** The revision of the newest change. */
  get revision(): number {
    return this.#revision;
  }

  /** A watch may continue from this revision or a later one. */
  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  get(resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(slotOf(namespace, name));
  }

  /** Objects of a resource in order of namespace and name; one namespace, or all when ''. */
  list(resource: string, namespace = ''): KubeObject[] {
    const slots = this.#objects.get(resource);
    if (!slots) return [];
    const keys = [...slots.keys()].sort();
    const prefix = `${namespace}/`;
    const wanted = namespace === '' ? keys : keys.filter((key) => key.startsWith(prefix));
    return wanted.flatMap((key) => slots.get(key) ?? []);
  }

  resources(): string[] {
    return [...this.#objects.keys()];
  }

  /** Stores a new or changed object under the next revision, which is written into its metadata. */
  put(resource: string, object: KubeObject): KubeObject {
    const slot = slotFor(object);
    const previous = this.#objects.get(resource)?.get(slot);
    const revision = this.#revision + 1;
    const stored = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(revision) },
    };
    const type = previous ? 'MODIFIED' : 'ADDED';
    this.#commit({ revision, type, resource, object: stored, previous });
    return stored;
  }

  /** Removes an object; the DELETED change carries its last state under a revision of its own. */
  remove(resource: string, object: KubeObject): KubeObject {
    const revision = this.#revision + 1;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    this.#commit({ revision, type: 'DELETED', resource, object: last, previous: object });
    return last;
  }

  /** Changes of one resource after a revision, oldest first, or 'compacted' when no longer known. */
  changesSince(resource: string, revision: number): Change[] | 'compacted' {
    if (revision < this.#compactedRevision) return 'compacted';
    return this.#changes.filter(
      (change) => change.revision > revision && change.resource === resource,
    );
  }

  subscribe(resource: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(resource) ?? new Set();
    this.#listeners.set(resource, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  subscribeAll(listener: Listener): () => void {
    this.#everyListener.add(listener);
    return () => this.#everyListener.delete(listener);
  }

  setting(name: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM settings WHERE name = ?').get(name);
    return typeof row?.['value'] === 'string' ? row['value'] : undefined;
  }

  saveSetting(name: string, value: string): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)')
      .run(name, value);
  }

  /** Forgets changes before a revision; watches that ask for them get 410 Expired. */
  compact(revision: number): void {
    if (revision <= this.#compactedRevision) return;
    this.#compactedRevision = Math.min(revision, this.#revision);
    this.#changes = this.#changes.filter((change) => change.revision > this.#compactedRevision);
    this.#db.prepare('DELETE FROM changes WHERE revision <= ?').run(this.#compactedRevision);
    this.saveSetting('compacted', String(this.#compactedRevision));
  }

  close(): void {
    this.#listeners.clear();
    this.#everyListener.clear();
    this.#db.close();
  }

  #commit(change: Change): void {
    const { object, resource, revision } = change;
    const body = JSON.stringify(object);
    const previous = change.type === 'MODIFIED' ? JSON.stringify(change.previous) : null;
    const namespace = object.metadata.namespace ?? '';
    const name = object.metadata.name ?? '';
    this.#db.exec('BEGIN');
    try {
      if (change.type === 'DELETED') this.#dropObject.run(resource, namespace, name);
      else this.#putObject.run(resource, namespace, name, revision, body);
      this.#putChange.run(revision, change.type, resource, body, previous);
      this.#db.exec('COMMIT');
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
    this.#revision = revision;
    const slots = this.#objects.get(resource) ?? new Map<string, KubeObject>();
    this.#objects.set(resource, slots);
    if (change.type === 'DELETED') slots.delete(slotFor(object));
    else slots.set(slotFor(object), object);
    this.#changes.push(change);
    if (this.#changes.length > this.#historyLimit * 1.2) {
      this.compact(this.#changes[this.#changes.length - this.#historyLimit]?.revision ?? 0);
    }
    for (const listener of this.#listeners.get(resource) ?? []) listener(change, body);
    for (const listener of this.#everyListener) listener(change, body);
  }

  #load(): void {
    for (const row of this.#db.prepare('SELECT resource, revision, body FROM objects').all()) {
      const resource = String(row['resource']);
      const object = JSON.parse(String(row['body'])) as KubeObject;
      const slots = this.#objects.get(resource) ?? new Map<string, KubeObject>();
      this.#objects.set(resource, slots);
      slots.set(slotFor(object), object);
      this.#revision = Math.max(this.#revision, Number(row['revision']));
    }
    const changes = this.#db.prepare('SELECT * FROM changes ORDER BY revision').all();
    this.#changes = changes.map((row) => ({
      revision: Number(row['revision']),
      type: String(row['type']) as ChangeType,
      resource: String(row['resource']),
      object: JSON.parse(String(row['body'])) as KubeObject,
      previous:
        row['previous'] === null ? undefined : (JSON.parse(String(row['previous'])) as KubeObject),
    }));
    this.#revision = Math.max(this.#revision, this.#changes.at(-1)?.revision ?? 0);
    this.#compactedRevision = Number(this.setting('compacted') ?? 0);
    this.#revision = Math.max(this.#revision, this.#compactedRevision);
  }
}

function slotFor(object: KubeObject): string {
  return slotOf(object.metadata.namespace ?? '', object.metadata.name ?? '');
}

function slotOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
