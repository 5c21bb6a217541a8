// The speaker's work: what this node announces, derived from the cluster whenever something changes
// and applied at once. An invalid configuration leaves the last good one in force; while the API
// server is away nothing changes at all. Only services that a change touches are looked at again.

import {
  announcementsFor,
  announcementText,
  configFor,
  planFor,
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
  PlannedPrefix,
  Resources,
  Service,
  ServiceAnnouncement,
  SpeakerOptions,
} from '@rookery/metallb';
import type { RouterConfig } from '@rookery/router';
import type { ClusterLog } from './cluster-log.ts';
import type { ClusterChange } from './cluster-state.ts';

export interface NodeSource {
  readonly services: ReadonlyMap<string, Service>;
  readonly nodes: ReadonlyMap<string, Node>;
  slicesOf(service: string): readonly EndpointSlice[];
  resources(): { readonly resources: Resources; readonly issues: readonly unknown[] };
}

export interface NodeSink {
  /** Called only when something differs. */
  apply(router: RouterConfig): void;
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
  #config: Config | undefined;
  #node: Node | undefined;
  #plan: readonly PlannedPrefix[] = [];
  #applied = '';
  /** What is announced may differ from what was applied. */
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
    if (change.config || change.nodes.size > 0) {
      this.#configure();
      this.#decideAll();
    } else {
      for (const key of change.services) this.#decide(key);
    }
    this.#apply();
  }

  /** Undefined until the first good configuration. */
  get inForce(): InForce | undefined {
    if (!this.#node || !this.#config) return undefined;
    return { node: this.#node, config: this.#config, plan: this.#plan };
  }

  /** Decisions by service, announced or not. */
  get announcements(): ReadonlyMap<string, ServiceAnnouncement> {
    return this.#announcements;
  }

  #configure(): void {
    const node = this.#source.nodes.get(this.#nodeName);
    if (!node) {
      // The object may be gone for a moment (kubelet registers again); what runs keeps running.
      this.#tellIssue({
        kind: 'transient',
        object: `Node ${this.#nodeName}`,
        message: 'the cluster has no such node',
      });
      return;
    }
    this.#node = node;
    const { resources } = this.#source.resources();
    const config = configFor(resourcesForNode(resources, node.metadata.labels));
    if (!config.ok) {
      this.#tellIssue(config.error);
      return;
    }
    this.#issueTold = '';
    this.#config = config.value;
    this.#stale = true;
    this.#sink.configured(config.value, undefined);
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
      this.#announcements.delete(key);
      if (before?.announced) {
        this.#stale = true;
        this.#tellWithdrawn(before, 'serviceDeleted', 'the Service is gone');
      }
      return;
    }
    const slices = this.#source.slicesOf(key);
    const after = announcementsFor(service, slices, this.#node, this.#config, this.#options);
    // Most services of a cluster are none of ours.
    if (!after.announced && after.reason.kind === 'notLoadBalancer' && !before) return;
    this.#announcements.set(key, after);
    if (before && announcementText(before) === announcementText(after)) return;
    if (before?.announced || after.announced) this.#stale = true;
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
    if (!this.#config || !this.#node || !this.#stale) return;
    this.#stale = false;
    this.#plan = planFor(this.#announcements.values());
    const router = speakerRouterConfigFor(this.#node, this.#config, this.#plan);
    const text = JSON.stringify(router);
    if (text === this.#applied) return;
    this.#applied = text;
    this.#sink.apply(router);
  }
}
