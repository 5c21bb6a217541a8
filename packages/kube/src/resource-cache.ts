// A cache of one kind of objects, kept current by list and watch. While the API server is away the
// cache stays as it was; when it is back the difference is told, never the whole. Bookmarks keep
// the resource version fresh, so a quiet watch survives a compaction; 410 means list again.
//
// Told changes come in batches: one for a list, one for what arrived together on the watch.

import { Backoff, DEFAULT_BACKOFF } from './backoff.ts';
import type { BackoffOptions } from './backoff.ts';
import type { KubeClient, Query } from './client.ts';
import { JsonLines } from './json-lines.ts';
import { isGone, renderKubeError } from './kube-error.ts';
import type { KubeError } from './kube-error.ts';
import { asKubeObject, objectKey, pathOf } from './resource-path.ts';
import type { KubeObject, ResourceType } from './resource-path.ts';

export type Change =
  | { readonly kind: 'added'; readonly key: string; readonly object: KubeObject }
  | {
      readonly kind: 'changed';
      readonly key: string;
      readonly object: KubeObject;
      readonly previous: KubeObject;
    }
  | { readonly kind: 'removed'; readonly key: string; readonly previous: KubeObject };

export interface CacheHandlers {
  /** In order; an exception is reported as an issue and does not stop the cache. */
  readonly onChanges: (changes: readonly Change[]) => void;
  /** After the first complete list, once. */
  readonly onSynced?: () => void;
  /** Contact with the server was lost (with the reason), or found again. */
  readonly onContact?: (contact: boolean, error?: KubeError) => void;
  /** Something the server sent could not be used. */
  readonly onIssue?: (message: string) => void;
}

export interface CacheOptions {
  readonly type: ResourceType;
  /** Absent: all namespaces. */
  readonly namespace?: string;
  readonly query?: Query;
  /** managedFields are dropped unless asked for; they are half of an object's size. */
  readonly keepManagedFields?: boolean;
  /**
   * Keeps only what tells versions apart, for a caller that keeps its own form: `get`, `list` and
   * `previous` then give stubs, `object` of a change is whole.
   */
  readonly stubs?: boolean;
  readonly backoff?: BackoffOptions;
  readonly pageSize?: number;
  /** Longer than the server's bookmark interval of about a minute. */
  readonly idleTimeoutMs?: number;
}

export class ResourceCache {
  readonly #client: KubeClient;
  readonly #options: CacheOptions;
  readonly #handlers: CacheHandlers;
  readonly #backoff: Backoff;
  readonly #objects = new Map<string, KubeObject>();
  readonly #stop = new AbortController();
  readonly #path: string;
  #closeWatch: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #synced = false;
  #contact: boolean | undefined;
  #done: Promise<void> | undefined;

  constructor(client: KubeClient, options: CacheOptions, handlers: CacheHandlers) {
    this.#client = client;
    this.#options = options;
    this.#handlers = handlers;
    this.#backoff = new Backoff(options.backoff ?? DEFAULT_BACKOFF, Math.random);
    this.#path = pathOf(
      options.type,
      options.namespace === undefined ? {} : { namespace: options.namespace },
    );
  }

  /** Begins to follow the server. */
  start(): void {
    this.#done ??= this.#follow();
  }

  /** Stops; resolves when nothing more will be told. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#closeWatch?.();
    await this.#done;
  }

  /** Ends a wait before the next attempt: somebody else has reached the server. */
  retryNow(): void {
    this.#wake?.();
  }

  /** True after the first complete list. */
  get synced(): boolean {
    return this.#synced;
  }

  get(key: string): KubeObject | undefined {
    return this.#objects.get(key);
  }

  /** All objects, in no particular order. */
  list(): readonly KubeObject[] {
    return [...this.#objects.values()];
  }

  get size(): number {
    return this.#objects.size;
  }

  async #follow(): Promise<void> {
    let version: string | undefined;
    while (!this.#stop.signal.aborted) {
      if (version === undefined) {
        const listed = await this.#list();
        if (!listed.ok) {
          await this.#failed(listed.error);
          continue;
        }
        version = listed.version;
      }
      const watched = await this.#watch(version);
      version = watched.gone ? undefined : watched.version;
      if (watched.error) await this.#failed(watched.error);
      // A server that accepts a watch and ends it at once must not be asked in a tight loop.
      else if (!watched.progress) await this.#pause(this.#backoff.nextDelayMs());
    }
  }

  async #list(): Promise<
    | { readonly ok: true; readonly version: string }
    | { readonly ok: false; readonly error: KubeError }
  > {
    const found = new Map<string, KubeObject>();
    let token = '';
    for (;;) {
      const answer = await this.#client.request({
        path: this.#path,
        query: {
          ...this.#options.query,
          limit: this.#options.pageSize ?? 500,
          ...(token === '' ? {} : { continue: token }),
        },
        signal: this.#stop.signal,
      });
      if (!answer.ok) return { ok: false, error: answer.error };
      const page = readPage(answer.value);
      if (!page)
        return { ok: false, error: { kind: 'malformed', message: 'a list without items' } };
      for (const item of page.items) {
        const object = this.#accept(item);
        if (object) found.set(objectKey(object), object);
      }
      token = page.next;
      if (token === '') {
        this.#succeeded();
        this.#replace(found);
        return { ok: true, version: page.version };
      }
    }
  }

  #replace(found: ReadonlyMap<string, KubeObject>): void {
    const changes: Change[] = [];
    for (const [key, previous] of this.#objects) {
      if (found.has(key)) continue;
      this.#objects.delete(key);
      changes.push({ kind: 'removed', key, previous });
    }
    for (const object of found.values()) {
      const change = this.#put(object);
      if (change) changes.push(change);
    }
    this.#tell(changes);
    if (this.#synced) return;
    this.#synced = true;
    this.#guard(() => this.#handlers.onSynced?.());
  }

  #watch(version: string): Promise<{
    readonly version: string;
    readonly gone: boolean;
    /** Something arrived, or it lasted: no reason to slow down. */
    readonly progress: boolean;
    readonly error?: KubeError;
  }> {
    const lines = new JsonLines();
    const startedMs = performance.now();
    // Spread, so that not all clients of a server come back at the same moment.
    const timeoutSeconds = 300 + Math.floor(Math.random() * 300);
    let latest = version;
    let opened = false;
    let arrived = false;
    let failure: KubeError | undefined;
    return new Promise((resolve) => {
      this.#closeWatch = this.#client.watch(
        {
          path: this.#path,
          query: {
            ...this.#options.query,
            watch: true,
            allowWatchBookmarks: true,
            resourceVersion: version,
            timeoutSeconds,
          },
        },
        this.#options.idleTimeoutMs ?? 90_000,
        {
          onOpen: () => {
            opened = true;
            this.#setContact(true);
          },
          onData: (chunk) => {
            arrived = true;
            this.#backoff.reset();
            const changes: Change[] = [];
            for (const line of lines.push(chunk)) {
              if (!line.ok) {
                this.#issue(line.message);
                if (line.fatal) failure = { kind: 'malformed', message: line.message };
                continue;
              }
              const event = this.#readEvent(line.value);
              if (event.version !== undefined) latest = event.version;
              if (event.change) changes.push(event.change);
              if (event.error) failure = event.error;
            }
            this.#tell(changes);
            if (failure) this.#closeWatch?.();
          },
          onEnd: (ended) => {
            this.#closeWatch = undefined;
            const error = failure ?? ended;
            const gone = error !== undefined && isGone(error);
            const progress = arrived || (opened && performance.now() - startedMs > 1000);
            if (progress) this.#backoff.reset();
            const told = error && !gone && error.kind !== 'aborted' ? { error } : {};
            resolve({ version: latest, gone: gone || failure !== undefined, progress, ...told });
          },
        },
      );
      if (this.#stop.signal.aborted) this.#closeWatch();
    });
  }

  #readEvent(value: unknown): {
    readonly change?: Change;
    readonly version?: string;
    readonly error?: KubeError;
  } {
    const event = (typeof value === 'object' && value !== null ? value : {}) as {
      readonly type?: unknown;
      readonly object?: unknown;
    };
    if (event.type === 'ERROR') return { error: statusError(event.object) };
    if (event.type === 'BOOKMARK') {
      const version = versionOf(event.object);
      return version === undefined ? {} : { version };
    }
    const object = this.#accept(event.object);
    if (!object) return {};
    const version = object.metadata.resourceVersion;
    const at = version === undefined ? {} : { version };
    const key = objectKey(object);
    switch (event.type) {
      case 'ADDED':
      case 'MODIFIED': {
        const change = this.#put(object);
        return change ? { ...at, change } : at;
      }
      case 'DELETED': {
        const previous = this.#objects.get(key);
        this.#objects.delete(key);
        return previous ? { ...at, change: { kind: 'removed', key, previous } } : at;
      }
      default:
        this.#issue(`watch event of unknown type ${JSON.stringify(event.type)}`);
        return at;
    }
  }

  #put(object: KubeObject): Change | undefined {
    const key = objectKey(object);
    const previous = this.#objects.get(key);
    const { resourceVersion, uid } = object.metadata;
    const same =
      previous !== undefined &&
      resourceVersion !== undefined &&
      previous.metadata.resourceVersion === resourceVersion &&
      previous.metadata.uid === uid;
    if (same) return undefined;
    this.#objects.set(key, this.#options.stubs ? stubOf(object) : object);
    return previous === undefined
      ? { kind: 'added', key, object }
      : { kind: 'changed', key, object, previous };
  }

  #accept(value: unknown): KubeObject | undefined {
    const object = asKubeObject(value);
    if (!object) {
      this.#issue('an object without a name');
      return undefined;
    }
    if (!this.#options.keepManagedFields) {
      delete (object.metadata as { managedFields?: unknown }).managedFields;
    }
    return object;
  }

  #tell(changes: readonly Change[]): void {
    if (changes.length > 0) this.#guard(() => this.#handlers.onChanges(changes));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#issue(`handler failed: ${text}`);
    }
  }

  #issue(message: string): void {
    this.#handlers.onIssue?.(`${this.#options.type.plural}: ${message}`);
  }

  #succeeded(): void {
    this.#backoff.reset();
    this.#setContact(true);
  }

  #setContact(contact: boolean, error?: KubeError): void {
    if (this.#contact === contact) return;
    this.#contact = contact;
    this.#handlers.onContact?.(contact, error);
  }

  async #failed(error: KubeError): Promise<void> {
    if (error.kind === 'aborted') return;
    const delayMs = this.#backoff.nextDelayMs();
    // One lost connection is everyday life (a server that restarts); two in a row are worth a word.
    if (this.#backoff.failures > 1) this.#setContact(false, error);
    if (error.kind === 'malformed') this.#issue(renderKubeError(error));
    const after =
      error.kind === 'status' && error.retryAfterSec !== undefined ? error.retryAfterSec * 1000 : 0;
    await this.#pause(Math.max(delayMs, Math.min(after, 30_000)));
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#stop;
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(finish, delayMs);
      signal.addEventListener('abort', finish, { once: true });
      this.#wake = finish;
    });
  }
}

/** Name, uid and version: what the cache itself compares. */
function stubOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  } as KubeObject;
}

function readPage(
  value: unknown,
):
  | { readonly items: readonly unknown[]; readonly version: string; readonly next: string }
  | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { items, metadata } = value as {
    readonly items?: unknown;
    readonly metadata?: { readonly continue?: unknown };
  };
  if (!Array.isArray(items) && items !== null) return undefined;
  const next = metadata?.continue;
  return {
    items: items ?? [],
    version: versionOf(value) ?? '',
    next: typeof next === 'string' ? next : '',
  };
}

function versionOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { metadata } = value as { readonly metadata?: unknown };
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const { resourceVersion } = metadata as { readonly resourceVersion?: unknown };
  return typeof resourceVersion === 'string' ? resourceVersion : undefined;
}

function statusError(value: unknown): KubeError {
  const status = (typeof value === 'object' && value !== null ? value : {}) as {
    readonly code?: unknown;
    readonly reason?: unknown;
    readonly message?: unknown;
  };
  return {
    kind: 'status',
    status: typeof status.code === 'number' ? status.code : 500,
    reason: typeof status.reason === 'string' ? status.reason : 'Unknown',
    message: typeof status.message === 'string' ? status.message : 'watch ended with an error',
  };
}
