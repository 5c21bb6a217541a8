// ServiceBGPStatus objects of one node: to which peers each of its services is announced, by
// configuration (not by session state), as MetalLB defines them. Written behind the announcements,
// gathered over a moment; what somebody else changes or deletes is put right at the next look.

import { randomBytes } from 'node:crypto';
import { applyObject, deleteObject, pathOf, renderKubeError, ResourceCache } from '@rookery/kube';
import type { KubeClient, KubeObject, ResourceType } from '@rookery/kube';
import type { ClusterLog } from './cluster-log.ts';

const STATUSES: ResourceType = {
  group: 'metallb.io',
  version: 'v1beta1',
  plural: 'servicebgpstatuses',
};
export type WantedPeers = () => ReadonlyMap<string, readonly string[]>;

const SETTLE_MS = 200;
const RETRY_MS = 5000;

export interface BgpStatusOptions {
  readonly namespace: string;
  readonly node: string;
  readonly podName?: string;
}

export class BgpStatusWriter {
  readonly #client: KubeClient;
  readonly #options: BgpStatusOptions;
  readonly #log: ClusterLog;
  readonly #cache: ResourceCache;
  #wanted: () => ReadonlyMap<string, readonly string[]> = () => new Map();
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #stopped = false;
  #owner: unknown;

  constructor(client: KubeClient, options: BgpStatusOptions, log: ClusterLog) {
    this.#client = client;
    this.#options = options;
    this.#log = log;
    this.#cache = new ResourceCache(
      client,
      {
        type: STATUSES,
        namespace: options.namespace,
        query: { labelSelector: `metallb.io/node=${options.node}` },
      },
      { onChanges: () => this.#soon(SETTLE_MS), onSynced: () => this.#soon(0) },
    );
  }

  start(): void {
    this.#cache.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#cache.stop();
  }

  /**
   * Peers by "namespace/service"; services without peers have no object. A function is asked when
   * the moment to write has come, so that a change costs nothing per service.
   */
  want(peers: ReadonlyMap<string, readonly string[]> | WantedPeers): void {
    this.#wanted = typeof peers === 'function' ? peers : () => peers;
    this.#soon(SETTLE_MS);
  }

  #soon(delayMs: number): void {
    if (this.#stopped || !this.#cache.synced) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#running) void this.#reconcile();
    }, delayMs);
  }

  async #reconcile(): Promise<void> {
    this.#running = true;
    let failed: string | undefined;
    const missing = new Map(this.#wanted());
    for (const object of this.#cache.list()) {
      const status = readStatus(object);
      const peers = missing.get(status.service);
      const name = object.metadata.name;
      if (peers === undefined || peers.length === 0) failed = (await this.#remove(name)) ?? failed;
      else if (status.peers.join() !== peers.join()) {
        failed = (await this.#putStatus(name, status.service, peers)) ?? failed;
      }
      missing.delete(status.service);
    }
    for (const [service, peers] of missing) {
      if (peers.length > 0) failed = (await this.#create(service, peers)) ?? failed;
    }
    this.#running = false;
    if (failed === undefined) return;
    this.#log.debug({ error: failed }, 'ServiceBGPStatus not written');
    this.#soon(RETRY_MS);
  }

  async #create(service: string, peers: readonly string[]): Promise<string | undefined> {
    const name = `bgp-${randomBytes(4).toString('hex').slice(0, 5)}`;
    const { namespace, node } = this.#options;
    const [serviceNamespace = '', serviceName = ''] = service.split('/');
    const owner = await this.#ownerReference();
    const made = await this.#client.request({
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
    if (!made.ok) return renderKubeError(made.error);
    return this.#putStatus(name, service, peers);
  }

  async #putStatus(
    name: string,
    service: string,
    peers: readonly string[],
  ): Promise<string | undefined> {
    const { namespace, node } = this.#options;
    const [serviceNamespace, serviceName] = service.split('/');
    const written = await applyObject(
      this.#client,
      { type: STATUSES, namespace, name, subresource: 'status' },
      {
        apiVersion: 'metallb.io/v1beta1',
        kind: 'ServiceBGPStatus',
        metadata: { name, namespace },
        status: { node, serviceName, serviceNamespace, peers },
      },
      'metallb-speaker',
    );
    return written.ok ? undefined : renderKubeError(written.error);
  }

  async #remove(name: string): Promise<string | undefined> {
    const { namespace } = this.#options;
    const gone = await deleteObject(this.#client, { type: STATUSES, namespace, name });
    return gone.ok ? undefined : renderKubeError(gone.error);
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

function readStatus(object: KubeObject): {
  readonly service: string;
  readonly peers: readonly string[];
} {
  const labels = (object.metadata as { readonly labels?: Readonly<Record<string, string>> }).labels;
  const status = object['status'] as { readonly peers?: unknown } | undefined;
  return {
    service: `${labels?.['metallb.io/service-namespace']}/${labels?.['metallb.io/service-name']}`,
    peers: Array.isArray(status?.peers) ? status.peers.map(String) : [],
  };
}
