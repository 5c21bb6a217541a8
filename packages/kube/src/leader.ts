// Leader election on a coordination.k8s.io/v1 Lease, so that two controllers never allocate at the
// same time. The holder renews; another takes over when the lease has not changed for its duration,
// measured by its own clock since it last saw a change (clocks of machines are never compared).

import type { KubeClient } from './client.ts';
import { isConflict, isNotFound, renderKubeError } from './kube-error.ts';
import { pathOf } from './resource-path.ts';

export interface LeaderOptions {
  readonly namespace: string;
  readonly name: string;
  /** Unique per process. */
  readonly identity: string;
  readonly leaseDurationMs?: number;
  /** Give up leading when renewal fails for this long; less than the lease's duration. */
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
  readonly nowMs?: () => number;
  readonly onIssue?: (message: string) => void;
}

const LEASES = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases' };

interface LeaseView {
  readonly holder: string;
  readonly version: string | undefined;
  readonly transitions: number;
  /** Changes whenever the holder renews. */
  readonly mark: string;
}

export class LeaderElection {
  readonly #client: KubeClient;
  readonly #options: Required<Omit<LeaderOptions, 'onIssue'>>;
  readonly #onIssue: (message: string) => void;
  #observed: { readonly mark: string; readonly atMs: number } | undefined;
  #leading = false;
  #renewedMs = 0;

  constructor(client: KubeClient, options: LeaderOptions) {
    this.#client = client;
    this.#onIssue = options.onIssue ?? (() => undefined);
    this.#options = {
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryMs: 2000,
      nowMs: () => performance.now(),
      ...options,
    };
  }

  get leading(): boolean {
    return this.#leading;
  }

  /**
   * Runs until aborted. `onLead` when leadership begins; `onLose` when it ends: whoever led must
   * stop writing at once.
   */
  async run(
    signal: AbortSignal,
    events: { readonly onLead: () => void; readonly onLose: () => void },
  ): Promise<void> {
    const { retryMs, renewDeadlineMs, nowMs } = this.#options;
    while (!signal.aborted) {
      const held = await this.tryHold();
      if (held) this.#renewedMs = nowMs();
      if (held && !this.#leading) {
        this.#leading = true;
        events.onLead();
      } else if (this.#leading && !held && nowMs() - this.#renewedMs > renewDeadlineMs) {
        this.#leading = false;
        events.onLose();
      }
      await pause(retryMs, signal);
    }
    if (this.#leading) await this.release();
    this.#leading = false;
  }

  /** One attempt to take or renew the lease; false when somebody else holds it, or on an error. */
  async tryHold(): Promise<boolean> {
    const { namespace, name, identity } = this.#options;
    const path = pathOf(LEASES, { namespace, name });
    const answer = await this.#client.request({ path, timeoutMs: 5000 });
    if (!answer.ok && !isNotFound(answer.error)) {
      this.#onIssue(renderKubeError(answer.error));
      return false;
    }
    if (!answer.ok) return this.#write(undefined);
    const lease = readLease(answer.value);
    if (this.#observed?.mark !== lease.mark) {
      this.#observed = { mark: lease.mark, atMs: this.#options.nowMs() };
    }
    const expired = this.#options.nowMs() - this.#observed.atMs > this.#options.leaseDurationMs;
    if (lease.holder !== '' && lease.holder !== identity && !expired) return false;
    return this.#write(lease);
  }

  /** Lets the next one take over without waiting. */
  async release(): Promise<void> {
    const { namespace, name, identity } = this.#options;
    const path = pathOf(LEASES, { namespace, name });
    const answer = await this.#client.request({ path, timeoutMs: 2000 });
    if (!answer.ok || readLease(answer.value).holder !== identity) return;
    await this.#client.request({
      method: 'PATCH',
      path,
      timeoutMs: 2000,
      contentType: 'application/merge-patch+json',
      body: { spec: { holderIdentity: '' } },
    });
  }

  async #write(lease: LeaseView | undefined): Promise<boolean> {
    const { namespace, name, identity, leaseDurationMs } = this.#options;
    const now = new Date().toISOString().replace('Z', '000Z');
    const taken = lease?.holder !== identity;
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.round(leaseDurationMs / 1000)),
      renewTime: now,
      ...(taken ? { acquireTime: now, leaseTransitions: (lease?.transitions ?? -1) + 1 } : {}),
    };
    const answer = await this.#client.request(
      lease === undefined
        ? {
            method: 'POST',
            path: pathOf(LEASES, { namespace }),
            timeoutMs: 5000,
            body: {
              apiVersion: 'coordination.k8s.io/v1',
              kind: 'Lease',
              metadata: { name, namespace },
              spec,
            },
          }
        : {
            method: 'PATCH',
            path: pathOf(LEASES, { namespace, name }),
            timeoutMs: 5000,
            contentType: 'application/merge-patch+json',
            // The version makes the write fail if somebody else was faster.
            body: { metadata: { resourceVersion: lease.version }, spec },
          },
    );
    if (!answer.ok && !isConflict(answer.error)) this.#onIssue(renderKubeError(answer.error));
    return answer.ok;
  }
}

function readLease(value: unknown): LeaseView {
  const { metadata, spec } = value as {
    readonly metadata?: { readonly resourceVersion?: string };
    readonly spec?: {
      readonly holderIdentity?: string;
      readonly leaseTransitions?: number;
      readonly renewTime?: string;
    };
  };
  return {
    holder: spec?.holderIdentity ?? '',
    version: metadata?.resourceVersion,
    transitions: spec?.leaseTransitions ?? 0,
    mark: `${spec?.holderIdentity} ${spec?.renewTime} ${metadata?.resourceVersion}`,
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
  });
}
