// ServiceBGPStatus objects of one node: to which peers each of its services is announced, by
// configuration (not by session state), as MetalLB defines them. Written behind the announcements,
// gathered over a moment; what somebody else changes or deletes is put right. Only services about
// which something was told are looked at, and of the objects only what is compared is kept.

import { randomBytes } from 'node:crypto';
import { isNotFound, pathOf, renderKubeError, ResourceCache } from '@rookery/kube';
import type { Change, KubeClient, KubeObject, ResourceType, SideWrites } from '@rookery/kube';
import type { ClusterLog } from './cluster-log.ts';

const STATUSES: ResourceType = {
  group: 'metallb.io',
  version: 'v1beta1',
  plural: 'servicebgpstatuses',
};

const SETTLE_MS = 200;
const RETRY_MS = 5000;

export interface BgpStatusOptions {
  readonly namespace: string;
  readonly node: string;
  readonly podName?: string;
}

/** One object as it is known to be stored. */
interface Known {
  readonly name: string;
  /** Joined by commas. */
  readonly peers: string;
  readonly version: number;
}

type Written = { readonly ok: true } | { readonly ok: false; readonly error: string };

const DONE: Written = { ok: true };

export class BgpStatusWriter {
  readonly #client: KubeClient;
  readonly #options: BgpStatusOptions;
  readonly #log: ClusterLog;
  readonly #side: SideWrites;
  readonly #cache: ResourceCache;
  /** Peers by "namespace/service", joined by commas. */
  readonly #wanted = new Map<string, string>();
  /** Objects by service; more than one is somebody's mistake. */
  readonly #known = new Map<string, readonly Known[]>();
  readonly #serviceOf = new Map<string, string>();
  /** Services to look at. */
  readonly #due = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #stopped = false;
  #owner: unknown;

  constructor(
    client: KubeClient,
    options: BgpStatusOptions,
    deps: { readonly log: ClusterLog; readonly side: SideWrites },
  ) {
    this.#client = client;
    this.#options = options;
    this.#log = deps.log;
    this.#side = deps.side;
    this.#cache = new ResourceCache(
      client,
      {
        type: STATUSES,
        namespace: options.namespace,
        query: { labelSelector: `metallb.io/node=${options.node}` },
        stubs: true,
      },
      {
        onChanges: (changes) => this.#observe(changes),
        onSynced: () => this.#soon(0),
      },
    );
  }

  /** Begins, once `want` has told all services: objects of others are removed. */
  start(): void {
    this.#cache.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#cache.stop();
  }

  /** Peers of "namespace/service"; without peers it has no object. */
  want(service: string, peers: readonly string[]): void {
    if (peers.length > 0) this.#wanted.set(service, peers.join());
    else this.#wanted.delete(service);
    this.#due.add(service);
    this.#soon(SETTLE_MS);
  }

  #observe(changes: readonly Change[]): void {
    for (const change of changes) {
      const { name } = (change.kind === 'removed' ? change.previous : change.object).metadata;
      const before = this.#serviceOf.get(name);
      if (change.kind === 'removed') {
        if (before === undefined) continue;
        this.#forget(before, name);
        this.#due.add(before);
        continue;
      }
      const { service, known } = readStatus(change.object);
      if (before !== undefined && before !== service) this.#forget(before, name);
      this.#remember(service, known);
      this.#due.add(service);
    }
    this.#soon(SETTLE_MS);
  }

  /** An older version than the one that our own write answered says nothing. */
  #remember(service: string, known: Known): void {
    const all = this.#known.get(service) ?? [];
    const same = all.find((one) => one.name === known.name);
    if (same && same.version > known.version) return;
    this.#known.set(service, [...all.filter((one) => one !== same), known]);
    this.#serviceOf.set(known.name, service);
  }

  #forget(service: string, name: string): void {
    const rest = (this.#known.get(service) ?? []).filter((one) => one.name !== name);
    if (rest.length > 0) this.#known.set(service, rest);
    else this.#known.delete(service);
    this.#serviceOf.delete(name);
  }

  #soon(delayMs: number): void {
    if (this.#stopped || !this.#cache.synced || this.#due.size === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#running) void this.#writeDue();
    }, delayMs);
  }

  async #writeDue(): Promise<void> {
    this.#running = true;
    for (const service of this.#due) {
      if (this.#stopped) break;
      const written = await this.#write(service);
      if (written.ok) continue;
      this.#log.debug({ error: written.error }, 'ServiceBGPStatus not written');
      this.#due.add(service);
      this.#soon(RETRY_MS);
      break;
    }
    this.#running = false;
  }

  async #write(service: string): Promise<Written> {
    this.#due.delete(service);
    const peers = this.#wanted.get(service);
    const [first, ...more] = this.#known.get(service) ?? [];
    for (const { name } of peers === undefined && first ? [first, ...more] : more) {
      const removed = await this.#remove(service, name);
      if (!removed.ok) return removed;
    }
    if (peers === undefined || first?.peers === peers) return DONE;
    const name = first?.name ?? `bgp-${randomBytes(4).toString('hex').slice(0, 5)}`;
    if (!first) {
      const created = await this.#create(service, name);
      if (!created.ok) return created;
    }
    return this.#putStatus(service, name, peers);
  }

  async #create(service: string, name: string): Promise<Written> {
    const { namespace, node } = this.#options;
    const [serviceNamespace = '', serviceName = ''] = service.split('/');
    const owner = await this.#ownerReference();
    return this.#send(service, {
      method: 'POST',
      path: pathOf(STATUSES, { namespace }),
      body: {
        apiVersion: 'metallb.io/v1beta1',
        kind: 'ServiceBGPStatus',
        metadata: {
          name,
          namespace,
          labels: {
            'metallb.io/node': node,
            'metallb.io/service-name': serviceName,
            'metallb.io/service-namespace': serviceNamespace,
          },
          ...(owner === undefined ? {} : { ownerReferences: [owner] }),
        },
        spec: {},
      },
    });
  }

  #putStatus(service: string, name: string, peers: string): Promise<Written> {
    const { namespace, node } = this.#options;
    const [serviceNamespace, serviceName] = service.split('/');
    return this.#send(service, {
      method: 'PATCH',
      path: pathOf(STATUSES, { namespace, name, subresource: 'status' }),
      query: { fieldManager: 'metallb-speaker', force: true },
      contentType: 'application/apply-patch+yaml',
      body: {
        apiVersion: 'metallb.io/v1beta1',
        kind: 'ServiceBGPStatus',
        metadata: { name, namespace },
        status: { node, serviceName, serviceNamespace, peers: peers.split(',') },
      },
    });
  }

  async #remove(service: string, name: string): Promise<Written> {
    const path = pathOf(STATUSES, { namespace: this.#options.namespace, name });
    const gone = await this.#side.run(() => this.#client.request({ method: 'DELETE', path }));
    if (!gone.ok && !isNotFound(gone.error))
      return { ok: false, error: renderKubeError(gone.error) };
    this.#forget(service, name);
    return DONE;
  }

  /** The answer is how the object is stored. */
  async #send(service: string, request: Parameters<KubeClient['request']>[0]): Promise<Written> {
    const answer = await this.#side.run(() => this.#client.request(request));
    if (!answer.ok) return { ok: false, error: renderKubeError(answer.error) };
    this.#remember(service, readStatus(answer.value as KubeObject).known);
    return DONE;
  }

  async #ownerReference(): Promise<unknown> {
    const { podName, namespace } = this.#options;
    if (this.#owner !== undefined || podName === undefined) return this.#owner;
    const path = pathOf({ group: '', version: 'v1', plural: 'pods' }, { namespace, name: podName });
    const pod = await this.#client.request({ path });
    const uid = pod.ok ? (pod.value as Partial<KubeObject>).metadata?.uid : undefined;
    if (uid === undefined) return undefined;
    this.#owner = { apiVersion: 'v1', kind: 'Pod', name: podName, uid };
    return this.#owner;
  }
}

function readStatus(object: KubeObject): { readonly service: string; readonly known: Known } {
  const { name, resourceVersion, labels } = object.metadata as KubeObject['metadata'] & {
    readonly labels?: Readonly<Record<string, string>>;
  };
  const status = object['status'] as { readonly peers?: unknown } | undefined;
  const peers = Array.isArray(status?.peers) ? status.peers.map(String) : [];
  return {
    service: `${labels?.['metallb.io/service-namespace']}/${labels?.['metallb.io/service-name']}`,
    known: { name, peers: peers.join(), version: Number(resourceVersion) },
  };
}
