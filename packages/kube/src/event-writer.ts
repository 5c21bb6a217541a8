// Writes Kubernetes events (core/v1, which kubectl describe reads). The same event again raises the
// count of the first instead of adding one; an object that chatters is limited. Writing is best
// effort and never waited for: an event that cannot be written after a few tries is dropped.

import { randomBytes } from 'node:crypto';
import { Backoff, DEFAULT_BACKOFF } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isNotFound, renderKubeError } from './kube-error.ts';
import { pathOf } from './resource-path.ts';
import { SideWrites } from './side-writes.ts';

export interface EventTarget {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
}

export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface EventWriterOptions {
  /** "metallb-controller" or "metallb-speaker": the source that kubectl shows. */
  readonly component: string;
  /** Node name, for a speaker. */
  readonly host?: string;
  /** Absent: a line of its own. */
  readonly side?: SideWrites;
  readonly onIssue?: (message: string) => void;
}

interface Known {
  readonly path: string;
  count: number;
}

const EVENTS = { group: '', version: 'v1', plural: 'events' };
/** As client-go: a burst of 25 per object, then one every five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;
/** Of client-go's 4096 a quarter: half a kilobyte each in every node's speaker. */
const MAX_KNOWN = 1024;
const MAX_QUEUE = 1000;
const ATTEMPTS = 4;

export class EventWriter {
  readonly #client: KubeClient;
  readonly #options: EventWriterOptions;
  readonly #side: SideWrites;
  readonly #known = new Map<string, Known>();
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();
  readonly #queue: (() => Promise<void>)[] = [];
  #draining: Promise<void> | undefined;
  #stopped = false;

  constructor(client: KubeClient, options: EventWriterOptions) {
    this.#client = client;
    this.#options = options;
    this.#side = options.side ?? new SideWrites();
  }

  /** Queues one event about an object. */
  write(target: EventTarget, note: EventNote): void {
    if (this.#stopped || this.#queue.length >= MAX_QUEUE || !this.#admit(target)) return;
    this.#queue.push(() => this.#put(target, note));
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything queued is written or dropped. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  /** Drops what is queued. */
  stop(): void {
    this.#stopped = true;
    this.#queue.length = 0;
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) await next();
    this.#draining = undefined;
  }

  async #put(target: EventTarget, note: EventNote): Promise<void> {
    const identity = JSON.stringify([
      target.kind,
      target.metadata.namespace,
      target.metadata.name,
      target.metadata.uid,
      note,
    ]);
    const known = this.#known.get(identity);
    const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    if (known) {
      known.count++;
      const patched = await this.#attempt({
        method: 'PATCH' as const,
        path: known.path,
        contentType: 'application/merge-patch+json' as const,
        body: { count: known.count, lastTimestamp: now },
      });
      if (patched !== 'missing') return;
    }
    const namespace = target.metadata.namespace || 'default';
    const name = `${target.metadata.name}.${randomBytes(8).toString('hex')}`;
    const path = pathOf(EVENTS, { namespace });
    const { component, host } = this.#options;
    const written = await this.#attempt({
      method: 'POST' as const,
      path,
      body: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace },
        involvedObject: {
          apiVersion: target.apiVersion,
          kind: target.kind,
          name: target.metadata.name,
          ...(target.metadata.namespace ? { namespace: target.metadata.namespace } : {}),
          ...(target.metadata.uid ? { uid: target.metadata.uid } : {}),
          ...(target.metadata.resourceVersion
            ? { resourceVersion: target.metadata.resourceVersion }
            : {}),
        },
        type: note.type,
        reason: note.reason,
        message: note.message.slice(0, 1024),
        source: { component, ...(host === undefined ? {} : { host }) },
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
        reportingComponent: component,
        reportingInstance: host ?? '',
      },
    });
    if (written !== 'done') return;
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(identity, { path: pathOf(EVENTS, { namespace, name }), count: 1 });
  }

  async #attempt(
    request: Parameters<KubeClient['request']>[0],
  ): Promise<'done' | 'missing' | 'dropped'> {
    const backoff = new Backoff(DEFAULT_BACKOFF, Math.random);
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#side.run(() => this.#client.request(request));
      if (answer.ok) return 'done';
      if (isNotFound(answer.error)) return 'missing';
      const retry = answer.error.kind === 'unreachable' && attempt < ATTEMPTS && !this.#stopped;
      if (!retry) {
        this.#options.onIssue?.(`event not written: ${renderKubeError(answer.error)}`);
        return 'dropped';
      }
      await new Promise((resolve) => setTimeout(resolve, backoff.nextDelayMs()));
    }
  }

  #admit(target: EventTarget): boolean {
    const key = `${target.kind}/${target.metadata.namespace ?? ''}/${target.metadata.name}`;
    const nowMs = performance.now();
    const bucket = this.#buckets.get(key) ?? { tokens: BURST, atMs: nowMs };
    bucket.tokens = Math.min(BURST, bucket.tokens + (nowMs - bucket.atMs) / REFILL_MS);
    bucket.atMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MAX_KNOWN) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
