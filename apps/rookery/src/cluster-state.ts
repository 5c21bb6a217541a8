// What the cluster says, typed and current: caches of every kind that load balancing looks at, read
// at this boundary. An object that cannot be read is named once in the log and its last good form
// stays in force, so that a bad update withdraws nothing. Changes that touch nothing we look at
// (heartbeats, foreign status) are not told.

import { renderKubeError, ResourceCache } from '@rookery/kube';
import type { Change, KubeClient, KubeError, KubeObject, ResourceType } from '@rookery/kube';
import {
  CONFIG_KINDS,
  keyOf,
  readEndpointSlice,
  readNode,
  readResources,
  readService,
} from '@rookery/metallb';
import type {
  ConfigKind,
  EndpointSlice,
  Metadata,
  Node,
  RawResources,
  Resources,
  Service,
  ShapeIssue,
} from '@rookery/metallb';
import type { Result } from '@rookery/net';
import type { ClusterLog } from './cluster-log.ts';

export interface ClusterOptions {
  /** MetalLB's own namespace: configuration and secrets are read there only. */
  readonly namespace: string;
  /** A speaker needs endpoint slices, a controller namespaces. */
  readonly role: 'controller' | 'speaker';
}

/** What differs since the last call, by what depends on it. */
export interface ClusterChange {
  /** Pools, peers, advertisements, profiles, communities, secrets, namespaces. */
  readonly config: boolean;
  /** Names of nodes that differ. */
  readonly nodes: ReadonlySet<string>;
  /** Keys of services that differ, directly or in their endpoints. */
  readonly services: ReadonlySet<string>;
}

export interface ClusterHandlers {
  readonly onSynced: () => void;
  /** Not before `onSynced`. */
  readonly onChange: (change: ClusterChange) => void;
}

type RawKind = ConfigKind | 'secrets' | 'namespaces';

const CORE: Readonly<Record<'services' | 'nodes' | 'secrets' | 'namespaces', ResourceType>> = {
  services: { group: '', version: 'v1', plural: 'services' },
  nodes: { group: '', version: 'v1', plural: 'nodes' },
  secrets: { group: '', version: 'v1', plural: 'secrets' },
  namespaces: { group: '', version: 'v1', plural: 'namespaces' },
};
const SLICES: ResourceType = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' };

export class ClusterState {
  readonly #client: KubeClient;
  readonly #options: ClusterOptions;
  readonly #handlers: ClusterHandlers;
  readonly #log: ClusterLog;
  readonly #services = new Map<string, Service>();
  readonly #nodes = new Map<string, Node>();
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #slicesByService = new Map<string, readonly EndpointSlice[]>();
  readonly #raw = new Map<RawKind, ResourceCache>();
  readonly #caches: ResourceCache[] = [];
  #contactLost = new Set<string>();
  #synced = false;

  constructor(
    client: KubeClient,
    options: ClusterOptions,
    deps: { readonly log: ClusterLog; readonly handlers: ClusterHandlers },
  ) {
    this.#client = client;
    this.#options = options;
    this.#handlers = deps.handlers;
    this.#log = deps.log;
  }

  /** Opens all caches. */
  start(): void {
    const { namespace, role } = this.#options;
    for (const [kind, { plural, version }] of Object.entries(CONFIG_KINDS)) {
      this.#followRaw(kind as ConfigKind, { group: 'metallb.io', version, plural }, namespace);
    }
    this.#followRaw('secrets', CORE.secrets, namespace, {
      fieldSelector: 'type=kubernetes.io/basic-auth',
    });
    if (role === 'controller') this.#followRaw('namespaces', CORE.namespaces);
    this.#follow(CORE.nodes, undefined, (changes) => this.#onNodes(changes));
    this.#follow(CORE.services, undefined, (changes) => this.#onServices(changes));
    if (role === 'speaker') this.#follow(SLICES, undefined, (changes) => this.#onSlices(changes));
    for (const cache of this.#caches) cache.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.stop()));
  }

  get synced(): boolean {
    return this.#synced;
  }

  get services(): ReadonlyMap<string, Service> {
    return this.#services;
  }

  get nodes(): ReadonlyMap<string, Node> {
    return this.#nodes;
  }

  slicesOf(service: string): readonly EndpointSlice[] {
    return this.#slicesByService.get(service) ?? [];
  }

  /** Objects of one configuration kind as the server gave them. */
  rawObjects(kind: RawKind): readonly KubeObject[] {
    return this.#raw.get(kind)?.list() ?? [];
  }

  /** All configuration objects, typed; the unreadable ones are listed. */
  resources(): { readonly resources: Resources; readonly issues: readonly ShapeIssue[] } {
    const raw: RawResources = Object.fromEntries(
      [...this.#raw].map(([kind, cache]) => [kind, cache.list()]),
    );
    const read = readResources(raw);
    return { ...read, resources: { ...read.resources, nodes: [...this.#nodes.values()] } };
  }

  /** Takes what a write answered, so that the next look does not see the past. */
  adoptService(json: unknown): void {
    const read = readService(json);
    if (!read.ok) return;
    const key = keyOf(read.value);
    const known = this.#services.get(key);
    if (known && isOlder(read.value.metadata, known.metadata)) return;
    if (known) this.#services.set(key, read.value);
  }

  #followRaw(
    kind: RawKind,
    type: ResourceType,
    namespace?: string,
    query?: Readonly<Record<string, string>>,
  ): void {
    const cache = this.#open(
      type,
      namespace,
      (changes) => {
        if (changes.some(isWish)) this.#tell({ config: true });
      },
      // Who wrote which field of a peer tells whether its zero timers were anybody's wish.
      { keepManagedFields: kind === 'peers', ...(query === undefined ? {} : { query }) },
    );
    this.#raw.set(kind, cache);
  }

  #follow(
    type: ResourceType,
    namespace: string | undefined,
    onChanges: (changes: readonly Change[]) => void,
  ): void {
    this.#open(type, namespace, onChanges, { stubs: true });
  }

  #open(
    type: ResourceType,
    namespace: string | undefined,
    onChanges: (changes: readonly Change[]) => void,
    more: {
      readonly keepManagedFields?: boolean;
      readonly stubs?: boolean;
      readonly query?: Readonly<Record<string, string>>;
    },
  ): ResourceCache {
    const cache = new ResourceCache(
      this.#client,
      { type, ...(namespace === undefined ? {} : { namespace }), ...more },
      {
        onChanges,
        onSynced: () => this.#onSynced(),
        onIssue: (message) => this.#log.warn({ message }, 'the API server sent something unusable'),
        onContact: (contact, error) => this.#onContact(type.plural, contact, error),
      },
    );
    this.#caches.push(cache);
    return cache;
  }

  #onSynced(): void {
    if (this.#synced || !this.#caches.every((cache) => cache.synced)) return;
    this.#synced = true;
    this.#handlers.onSynced();
  }

  /** One sentence for all caches together, when contact is lost and when it is found. */
  #onContact(plural: string, contact: boolean, error: KubeError | undefined): void {
    const before = this.#contactLost.size;
    if (contact) {
      this.#contactLost.delete(plural);
      for (const cache of this.#caches) cache.retryNow();
    } else this.#contactLost.add(plural);
    if (!contact && before === 0) {
      const problem =
        error?.kind === 'status'
          ? 'the API server refuses to list what is needed'
          : 'lost contact with the API server';
      this.#log.warn(
        { resource: plural, error: error && renderKubeError(error) },
        `${problem}; the last known state stays in force, retrying`,
      );
    } else if (contact && before === 1 && this.#contactLost.size === 0) {
      this.#log.info({}, 'contact with the API server again');
    }
  }

  #onNodes(changes: readonly Change[]): void {
    const nodes = new Set<string>();
    for (const change of changes) {
      if (this.#update(this.#nodes, change, readNode)) nodes.add(change.key);
    }
    if (nodes.size > 0) this.#tell({ nodes });
  }

  #onServices(changes: readonly Change[]): void {
    const services = new Set<string>();
    for (const change of changes) {
      if (this.#update(this.#services, change, readService)) services.add(change.key);
    }
    if (services.size > 0) this.#tell({ services });
  }

  #onSlices(changes: readonly Change[]): void {
    const services = new Set<string>();
    for (const change of changes) {
      const before = this.#slices.get(change.key);
      if (!this.#update(this.#slices, change, readEndpointSlice)) continue;
      const after = this.#slices.get(change.key);
      for (const slice of [before, after]) {
        if (!slice || slice.serviceName === '') continue;
        const service = `${slice.metadata.namespace}/${slice.serviceName}`;
        const others = this.slicesOf(service).filter((one) => one !== before && one !== after);
        const group = slice === after ? [...others, slice] : others;
        if (group.length === 0) this.#slicesByService.delete(service);
        else this.#slicesByService.set(service, group);
        services.add(service);
      }
    }
    if (services.size > 0) this.#tell({ services });
  }

  /** Stores the typed form; true when it differs in something that we look at. */
  #update<T extends { readonly metadata: Metadata }>(
    store: Map<string, T>,
    change: Change,
    read: (json: unknown) => Result<T, ShapeIssue>,
  ): boolean {
    const previous = store.get(change.key);
    if (change.kind === 'removed') return store.delete(change.key);
    const result = read(change.object);
    if (!result.ok) {
      this.#log.warn(
        { object: result.error.object, problem: result.error.message },
        previous
          ? 'unreadable object; its last good form stays in force'
          : 'unreadable object ignored',
      );
      return false;
    }
    if (previous && isOlder(result.value.metadata, previous.metadata)) return false;
    store.set(change.key, result.value);
    return previous === undefined || textOf(previous) !== textOf(result.value);
  }

  #tell(change: Partial<ClusterChange>): void {
    if (!this.#synced) return;
    this.#handlers.onChange({ config: false, nodes: new Set(), services: new Set(), ...change });
  }
}

/** Status is what somebody reports, such as how full a pool is; only the rest configures. */
function isWish(change: Change): boolean {
  return change.kind !== 'changed' || wishText(change.previous) !== wishText(change.object);
}

function wishText(object: KubeObject): string {
  return JSON.stringify({
    ...object,
    status: undefined,
    metadata: { ...object.metadata, resourceVersion: '' },
  });
}

/** Everything but the version, which every write moves. */
function textOf(object: { readonly metadata: Metadata }): string {
  return JSON.stringify({ ...object, metadata: { ...object.metadata, resourceVersion: '' } });
}

/** Resource versions of one object are numbers in every API server there is; if not, trust arrival. */
function isOlder(a: Metadata, b: Metadata): boolean {
  if (a.uid !== b.uid) return false;
  const [x, y] = [Number(a.resourceVersion), Number(b.resourceVersion)];
  return Number.isSafeInteger(x) && Number.isSafeInteger(y) && x < y;
}
