// The speaker's work: what this node announces, derived from the cluster whenever something changes
// and applied at once. An invalid configuration leaves the last good one in force; while the API
// server is away nothing changes at all. Only services that a change touches are looked at again,
// and only their routes are changed in the engine: a service costs the same among ten and among ten
// thousand. A change of the configuration itself derives the whole anew.

import {
  announcementsFor,
  announcementText,
  announcingProtocol,
  configFor,
  NodePlan,
  originatorFor,
  renderWithheld,
  resourcesForNode,
  speakerRouterConfigFor,
  upstreamReason,
} from '@rookery/metallb';
import type {
  Config,
  ConfigIssue,
  EndpointSlice,
  Node,
  Originator,
  PlannedPrefix,
  Resources,
  Service,
  ServiceAnnouncement,
  SpeakerOptions,
} from '@rookery/metallb';
import type { RouteChange, RouterConfig } from '@rookery/router';
import type { ClusterLog } from './cluster-log.ts';
import type { ClusterChange } from './cluster-state.ts';

export interface NodeSource {
  readonly services: ReadonlyMap<string, Service>;
  readonly nodes: ReadonlyMap<string, Node>;
  slicesOf(service: string): readonly EndpointSlice[];
  resources(): { readonly resources: Resources; readonly issues: readonly unknown[] };
}

export interface NodeSink {
  /** Called only when more than routes differs. */
  apply(router: RouterConfig): void;
  /** Routes that differ in the configuration applied last. */
  change(routes: readonly RouteChange[]): void;
  /** Another decision about a service than before; undefined: it is gone. */
  decided(service: string, announcement: ServiceAnnouncement | undefined): void;
  /** The service is announced from here now, or with other addresses. */
  announced(service: Service): void;
  configured(config: Config | undefined, issue: ConfigIssue | undefined): void;
}

/** What is in force on this node, for views and status objects. */
export interface InForce {
  readonly node: Node;
  readonly config: Config;
  readonly plan: readonly PlannedPrefix[];
}

export class NodeAnnouncer {
  readonly #nodeName: string;
  readonly #source: NodeSource;
  readonly #sink: NodeSink;
  readonly #options: SpeakerOptions;
  readonly #log: ClusterLog;
  readonly #announcements = new Map<string, ServiceAnnouncement>();
  readonly #plan = new NodePlan();
  /** Prefixes about which the engine may know something else than the plan. */
  #touched = new Set<string>();
  #config: Config | undefined;
  #node: Node | undefined;
  /** Node and configuration in force, as text. */
  #configured = '';
  #originate: Originator | undefined;
  /** What was applied, but for the routes. */
  #applied = '';
  /** The configuration may differ from the one applied. */
  #stale = true;
  #issueTold = '';
  #started = false;

  constructor(
    nodeName: string,
    source: NodeSource,
    sink: NodeSink,
    options: SpeakerOptions,
    log: ClusterLog,
  ) {
    this.#nodeName = nodeName;
    this.#source = source;
    this.#sink = sink;
    this.#options = options;
    this.#log = log;
  }

  /** Begins, once the whole cluster is known. */
  start(): void {
    this.#started = true;
    this.#configure();
    this.#decideAll();
    this.#apply();
  }

  /** Reacts to a change of the cluster. */
  onChange(change: ClusterChange): void {
    if (!this.#started) return;
    const mayDiffer = change.config || change.nodes.size > 0;
    if (mayDiffer && this.#configure()) this.#decideAll();
    else for (const key of change.services) this.#decide(key);
    this.#apply();
  }

  /** Undefined until the first good configuration. */
  get inForce(): InForce | undefined {
    if (!this.#node || !this.#config) return undefined;
    return { node: this.#node, config: this.#config, plan: this.#plan.prefixes() };
  }

  /** Decisions by service, announced or not. */
  get announcements(): ReadonlyMap<string, ServiceAnnouncement> {
    return this.#announcements;
  }

  /** True when something differs that decisions depend on. */
  #configure(): boolean {
    const node = this.#source.nodes.get(this.#nodeName);
    if (!node) {
      // The object may be gone for a moment (kubelet registers again); what runs keeps running.
      this.#tellIssue({
        kind: 'transient',
        object: `Node ${this.#nodeName}`,
        message: 'the cluster has no such node',
      });
      return false;
    }
    this.#node = node;
    const { resources } = this.#source.resources();
    const config = configFor(resourcesForNode(resources, node.metadata.labels));
    if (config.ok) {
      this.#issueTold = '';
      this.#config = config.value;
      this.#sink.configured(config.value, undefined);
    } else this.#tellIssue(config.error);
    if (!this.#config) return false;
    const text = this.#textOf(node, this.#config);
    if (text === this.#configured) return false;
    this.#configured = text;
    this.#stale = true;
    return true;
  }

  /** What decisions of this node depend on: of other nodes nothing, though they change all the time. */
  #textOf(node: Node, config: Config): string {
    const { resourceVersion: _, ...metadata } = node.metadata;
    return JSON.stringify({ ...node, metadata, config }, (key, value: unknown) => {
      if (typeof value === 'bigint') return value.toString();
      if (value instanceof Map) return [...(value as Map<unknown, unknown>)];
      if (!(value instanceof Set)) return value;
      return key === 'nodes' ? value.has(this.#nodeName) : [...(value as Set<unknown>)];
    });
  }

  #tellIssue(issue: ConfigIssue): void {
    this.#sink.configured(undefined, issue);
    const text = `${issue.object} ${issue.message}`;
    if (text === this.#issueTold) return;
    this.#issueTold = text;
    this.#log.error(
      { object: issue.object, error: issue.message },
      'configuration refused; the last good one stays in force',
    );
  }

  #decideAll(): void {
    for (const key of new Set([...this.#announcements.keys(), ...this.#source.services.keys()])) {
      this.#decide(key);
    }
  }

  #decide(key: string): void {
    if (!this.#config || !this.#node) return;
    const before = this.#announcements.get(key);
    const service = this.#source.services.get(key);
    if (!service) {
      this.#replace(key, before, undefined);
      if (before?.announced) this.#tellWithdrawn(before, 'serviceDeleted', 'the Service is gone');
      return;
    }
    const slices = this.#source.slicesOf(key);
    const after = announcementsFor(service, slices, this.#node, this.#config, this.#options);
    // Most services of a cluster are none of ours.
    if (!after.announced && after.reason.kind === 'notLoadBalancer' && !before) return;
    if (before && announcementText(before) === announcementText(after)) {
      // On the same terms, though the pool may have another name.
      this.#announcements.set(key, after);
      this.#plan.replace(before, after);
      return;
    }
    this.#replace(key, before, after);
    if (after.announced) {
      this.#log.info(
        { service: key, ips: after.ips, pool: after.pool, protocol: 'bgp' },
        'service announced',
      );
      const isNews = !before?.announced || before.ips.join() !== after.ips.join();
      if (isNews) this.#sink.announced(service);
    } else {
      const why = renderWithheld(after.reason, this.#nodeName);
      this.#tellWithdrawn(after, upstreamReason(after.reason), why, before?.announced ?? false);
    }
  }

  #replace(
    key: string,
    before: ServiceAnnouncement | undefined,
    after: ServiceAnnouncement | undefined,
  ): void {
    if (after) this.#announcements.set(key, after);
    else this.#announcements.delete(key);
    for (const prefix of this.#plan.replace(before, after)) this.#touched.add(prefix);
    if (before !== after) this.#sink.decided(key, after);
  }

  #tellWithdrawn(
    announcement: ServiceAnnouncement,
    reason: string,
    why: string,
    wasAnnounced = true,
  ): void {
    const fields = { service: announcement.service, ips: announcement.ips, reason, why };
    if (wasAnnounced) this.#log.info(fields, 'service withdrawn');
    else this.#log.debug(fields, 'service not announced');
  }

  #apply(): void {
    if (this.#stale) this.#applyAll();
    const originate = this.#originate;
    if (!originate || this.#touched.size === 0) return;
    const changes = [...this.#touched].map((prefix): RouteChange => {
      const route = originate(prefix, this.#plan.peersOf(prefix));
      const protocol = announcingProtocol(prefix);
      return { protocol, net: prefix, ...(route === undefined ? {} : { route }) };
    });
    this.#touched = new Set();
    this.#sink.change(changes);
  }

  #applyAll(): void {
    if (!this.#config || !this.#node) return;
    this.#stale = false;
    this.#originate = originatorFor(this.#node, this.#config);
    const router = speakerRouterConfigFor(this.#node, this.#config, this.#plan.prefixes());
    const text = JSON.stringify(router, (key, value: unknown) =>
      key === 'routes' ? undefined : value,
    );
    if (text === this.#applied) return;
    this.#applied = text;
    this.#touched = new Set();
    this.#sink.apply(router);
  }
}
