// What a table has, as a consumer wants it: walks the whole table once (the feed), then follows its
// changes, runs the export policy and hands each outcome to a sink. The sink knows what it has and
// sees only the present state of a prefix, never a history, so falling behind costs nothing but time.

import { AttributeMemo, multipathSet, rankedPaths } from '@rookery/rib';
import type { ChangeCursor, ChangeLog, Feed, Nexthop, Policy } from '@rookery/rib';
import type { LimitConfig } from './config.ts';
import { bandwidthShares } from './bandwidth.ts';
import { nexthopKey, sortNexthops } from './kernel-route.ts';
import { PolicyRunner } from './policy-runner.ts';
import type { PolicyContext } from './policy-runner.ts';
import type { RouteTable } from './route-table.ts';
import type { Task, TaskOwner } from './work.ts';

export interface ExportSink {
  /** The route of a prefix as it is now; attributes 0 means none. The sink keeps its own references. */
  exportRoute(net: number, attributes: number, source: number): void;
  /** `exportRoute` for nets[from, to); returns how many of them the sink did not have before. */
  exportRoutes?(
    nets: Int32Array,
    from: number,
    to: number,
    attributes: number,
    source: number,
  ): number;
  /** The same for nets without a route; returns how many it had, and counts them by source. */
  withdrawRoutes?(nets: Int32Array, from: number, to: number, bySource: number[]): number;
  /** What the sink was given last; 0 for none. */
  exportedAttributes(net: number): number;
  /** Whose route that was, where it matters; 0 for none. */
  exportedSource?(net: number): number;
  /** True while the sink has enough to do: it will be asked again after the next event. */
  readonly isFull?: boolean;
}

/** A sink that takes every path of a prefix, told apart by number (RFC 7911). */
export interface PathSink {
  /** One path as it is now; attributes 0 means that it is gone. */
  exportPath(net: number, pathId: number, attributes: number, source: number): void;
  /** Numbers of the paths of a prefix that the sink has. */
  exportedPaths(net: number): readonly number[];
}

export type ExportEvent =
  | 'added'
  | 'replaced'
  | 'removed'
  | 'filtered out'
  | 'rejected by protocol'
  | 'rejected [limit]';

export interface ExporterOptions {
  readonly owner: TaskOwner;
  readonly table: RouteTable;
  readonly policy: Policy;
  readonly context: PolicyContext;
  readonly sink: ExportSink;
  /** `kernel merge paths`: up to this many next hops of equally good routes become one route. */
  readonly merge?: number | undefined;
  /** Their shares follow the link bandwidth that they tell. */
  readonly weighsBandwidth?: boolean | undefined;
  /** Where the best route is refused, the next one that is accepted goes instead. */
  readonly secondary?: boolean;
  /** Given instead of the best route: every path that the policy accepts. */
  readonly pathSink?: PathSink | undefined;
  /** Refuses before the policy is asked; BGP's rules of what may be told to whom. */
  readonly refuses?: (attributes: number, source: number) => boolean;
  /** What becomes of an accepted route; 0 refuses. The outcome carries a reference. */
  readonly transform?: (accepted: number, before: number, source: number) => number;
  /**
   * A small number from 0. Given: `refuses` and `transform` depend on the source only through its
   * class, so that outcomes are computed once per attributes and class.
   */
  readonly sourceClass?: (source: number) => number;
  /** True while nothing may be exported yet: our own graceful restart (RFC 4724 §4.1). */
  readonly waits?: (() => boolean) | undefined;
  readonly onFed?: (() => void) | undefined;
  readonly onLimit?: (limit: LimitConfig) => void;
  /** Only called while `traced` is true. */
  readonly trace?: (event: ExportEvent, net: number, attributes: number, source: number) => void;
}

export interface ExportCounters {
  updatesReceived: number;
  updatesRejected: number;
  updatesFiltered: number;
  updatesAccepted: number;
  withdrawsReceived: number;
  withdrawsAccepted: number;
}

const BATCH = 256;

export class Exporter implements Task {
  readonly owner: TaskOwner;
  readonly table: RouteTable;
  readonly counters: ExportCounters = {
    updatesReceived: 0,
    updatesRejected: 0,
    updatesFiltered: 0,
    updatesAccepted: 0,
    withdrawsReceived: 0,
    withdrawsAccepted: 0,
  };
  /** Updates by source of the route: a member of a group is not told its own. */
  readonly receivedFrom: number[] = [];
  readonly filteredFrom: number[] = [];
  readonly withdrawnFrom: number[] = [];
  traced = false;
  limit: LimitConfig | undefined;
  limitHit = false;
  /** Routes that the sink has. */
  exported = 0;
  readonly #options: ExporterOptions;
  readonly #runner: PolicyRunner;
  readonly #batch = new Int32Array(BATCH);
  /** Attributes and source of the best route of each net of the batch. */
  readonly #best = new Int32Array(BATCH);
  readonly #from = new Uint16Array(BATCH);
  /** Whether the last outcome of `#judge` came with a reference. */
  #owned = false;
  /** An outcome depends on attributes, class of the prefix and class of the source: it is kept. */
  readonly #remembers: boolean;
  /** Final outcomes, 0 where the policy rejects; one memo per class of sources. */
  #memos: AttributeMemo[] = [];
  #log: ChangeLog;
  #cursor: ChangeCursor | undefined;
  /** The last one stays, and so does code compiled for its shape (ADR 0010). */
  #feed: Feed | undefined;
  #isFeeding = false;

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.owner = options.owner;
    this.table = options.table;
    this.#remembers = options.sourceClass !== undefined && !this.merges;
    this.#runner = new PolicyRunner(options.policy, options.context, !this.#remembers);
    this.#log = this.#followed();
  }

  get policy(): Policy {
    return this.#runner.policy;
  }

  get running(): boolean {
    return this.#cursor !== undefined;
  }

  get feeding(): boolean {
    return this.#isFeeding;
  }

  /** True when there is something to do for `run`. */
  get pending(): boolean {
    if (!this.#cursor || this.#options.sink.isFull || this.#waits) return false;
    return this.#isFeeding || this.#log.pending(this.#cursor) > 0;
  }

  /** Follows the table from now on, the whole of it first. */
  start(): void {
    if (this.#cursor) return;
    this.#log = this.#followed();
    this.#cursor = this.#log.subscribe();
    this.refeed();
  }

  stop(): void {
    if (!this.#cursor) return;
    this.#log.unsubscribe(this.#cursor);
    this.#cursor = undefined;
    this.#isFeeding = false;
  }

  /** True when several routes of a prefix may end up in one. */
  get merges(): boolean {
    return this.#options.merge !== undefined || this.#options.pathSink !== undefined;
  }

  /** True when the sink takes every path of a prefix, each by its number in the table. */
  get tellsPaths(): boolean {
    return this.#options.pathSink !== undefined;
  }

  /** What the sink has of a prefix. */
  inForce(net: number): number {
    return this.#options.sink.exportedAttributes(net);
  }

  /** Looks at every prefix again. */
  refeed(): void {
    if (!this.#cursor) return;
    this.#feed = this.table.rib.feed();
    this.#isFeeding = true;
  }

  /** Exports by another policy; with `refeed` at once, else from the next change on. */
  replacePolicy(policy: Policy, refeed: boolean): void {
    this.#runner.replace(policy);
    this.forgetVerdicts();
    if (refeed) this.refeed();
  }

  /** What `refuses` and `transform` say changed; the caller refeeds when it matters. */
  forgetVerdicts(): void {
    this.#memos = [];
  }

  run(budget: number): number {
    if (!this.#cursor || this.#waits) return 0;
    const { sink } = this.#options;
    let done = 0;
    while (done < budget && this.#isFeeding && !sink.isFull) {
      const feed = this.#feed!;
      const count = feed.next(this.#batch);
      this.#exportBatch(count);
      done += count;
      if (!feed.done) continue;
      this.#isFeeding = false;
      this.#options.onFed?.();
    }
    while (done < budget && this.#cursor && !this.#isFeeding && !sink.isFull) {
      const count = this.#log.read(this.#cursor, this.#batch);
      if (count === 0) break;
      this.#exportBatch(count);
      done += count;
    }
    return done;
  }

  /** What the policy makes of a path, without exporting it; for consoles. Release when `owned`. */
  verdict(net: number, path: number): { readonly attributes: number; readonly owned: boolean } {
    const { rib } = this.table;
    const before = rib.attributesOf(path);
    const source = rib.sourceOf(path);
    if (this.#options.refuses?.(before, source)) return { attributes: 0, owned: false };
    const attributes = this.#runner.run(net, before, this.#protocolOf(source));
    return { attributes, owned: this.#runner.owned };
  }

  /** True when the protocol itself refuses the path, before any policy. */
  refuses(path: number): boolean {
    const { rib } = this.table;
    return this.#options.refuses?.(rib.attributesOf(path), rib.sourceOf(path)) ?? false;
  }

  /** Exports the first `count` nets of the batch. */
  #exportBatch(count: number): void {
    const { merge, pathSink, secondary } = this.#options;
    const { rib, attributes: store } = this.table;
    const batch = this.#batch;
    const best = this.#best;
    const from = this.#from;
    if (secondary) {
      for (let i = 0; i < count; i++) this.#exportFirstAccepted(batch[i]!);
      return;
    }
    if (pathSink) {
      for (let i = 0; i < count; i++) this.#exportPaths(batch[i]!, pathSink);
      return;
    }
    rib.paths.readBest(batch, count, best, from);
    // Routes with equal attributes come in runs: an outcome that is a route serves all of its run.
    const serves = merge === undefined && !this.traced;
    const classes = this.#runner.classesOf(batch, 0, count);
    for (let i = 0; i < count;) {
      const net = batch[i]!;
      const before = best[i]!;
      if (before === 0) {
        let end = i + 1;
        while (end < count && best[end] === 0) end++;
        this.#withdrawAll(i, end);
        i = end;
        continue;
      }
      const source = from[i]!;
      const netClass = classes === undefined ? 0 : classes[i]!;
      const outcome = this.#judge(net, rib.bestPath(net), before, source, netClass);
      const owned = this.#owned;
      const end =
        outcome !== 0 && serves && netClass >= 0 ? this.#endOfRun(i, count, classes) : i + 1;
      this.counters.updatesReceived += end - i;
      this.receivedFrom[source] = (this.receivedFrom[source] ?? 0) + end - i;
      this.#deliverAll(i, end, outcome, outcome === 0 ? 0 : source);
      if (owned) store.release(outcome);
      i = end;
    }
  }

  /** Behind the nets from `start` on that the policy, and whoever told them, cannot tell apart. */
  #endOfRun(start: number, count: number, classes: Int32Array | undefined): number {
    const best = this.#best;
    const from = this.#from;
    let end = start + 1;
    while (end < count && best[end] === best[start] && from[end] === from[start]) {
      if (classes !== undefined && classes[end] !== classes[start]) break;
      end++;
    }
    return end;
  }

  /** What the sink is to have instead of a best path, 0 for nothing; with a reference if `#owned`. */
  #judge(
    net: number,
    path: number,
    before: number,
    source: number,
    netClass: number = this.#runner.classOf(net),
  ): number {
    this.#owned = false;
    const memo = netClass < 0 ? undefined : this.#memoFor(source);
    const known = memo ? memo.get(before, netClass) : -1;
    if (known > 0) return known;
    if (known === 0) return this.#refuse('filtered out', net, before, source);
    const { merge, refuses, transform } = this.#options;
    if (refuses?.(before, source)) return this.#refuse('rejected by protocol', net, before, source);
    let outcome = this.#runner.run(net, before, this.#protocolOf(source), netClass);
    this.#owned = this.#runner.owned;
    if (outcome === 0) {
      memo?.set(before, netClass, 0);
      return this.#refuse('filtered out', net, before, source);
    }
    const merged = merge === undefined ? 0 : this.#merge(net, path, outcome, merge);
    if (merged !== 0) outcome = this.#replace(outcome, merged);
    if (transform) outcome = this.#replace(outcome, transform(outcome, before, source));
    if (outcome === 0) return this.#refuse('rejected by protocol', net, before, source);
    memo?.set(before, netClass, outcome);
    return outcome;
  }

  /** `next`, which comes with a reference, takes the place of `outcome`. */
  #replace(outcome: number, next: number): number {
    if (this.#owned) this.table.attributes.release(outcome);
    this.#owned = next !== 0;
    return next;
  }

  #refuse(
    event: 'rejected by protocol' | 'filtered out',
    net: number,
    before: number,
    source: number,
  ): 0 {
    if (event === 'filtered out') {
      this.counters.updatesFiltered++;
      this.filteredFrom[source] = (this.filteredFrom[source] ?? 0) + 1;
    } else this.counters.updatesRejected++;
    if (this.traced) this.#options.trace?.(event, net, before, source);
    return 0;
  }

  #exportFirstAccepted(net: number): void {
    const { rib, attributes: store } = this.table;
    let outcome = 0;
    let source = 0;
    for (const path of rankedPaths(rib, net)) {
      source = rib.sourceOf(path);
      this.counters.updatesReceived++;
      this.receivedFrom[source] = (this.receivedFrom[source] ?? 0) + 1;
      outcome = this.#judge(net, path, rib.attributesOf(path), source);
      if (outcome !== 0) break;
    }
    this.#deliver(net, outcome, outcome === 0 ? 0 : source);
    if (outcome !== 0 && this.#owned) store.release(outcome);
  }

  #exportPaths(net: number, sink: PathSink): void {
    const { rib, attributes: store } = this.table;
    const gone = new Set(sink.exportedPaths(net));
    for (let path = rib.firstPath(net); path !== 0; path = rib.nextPath(path)) {
      if (rib.isFiltered(path)) continue;
      const before = rib.attributesOf(path);
      const source = rib.sourceOf(path);
      this.counters.updatesReceived++;
      this.receivedFrom[source] = (this.receivedFrom[source] ?? 0) + 1;
      if (this.#options.refuses?.(before, source)) {
        this.counters.updatesRejected++;
        continue;
      }
      let outcome = this.#runner.run(net, before, this.#protocolOf(source));
      let { owned } = this.#runner;
      if (outcome === 0) {
        this.counters.updatesFiltered++;
        this.filteredFrom[source] = (this.filteredFrom[source] ?? 0) + 1;
        continue;
      }
      const transformed = this.#options.transform?.(outcome, before, source);
      if (transformed !== undefined) {
        if (owned) store.release(outcome);
        outcome = transformed;
        owned = true;
      }
      if (outcome === 0) continue;
      const known = gone.delete(path);
      if (known || !this.#isLimited(net, outcome, source)) {
        this.counters.updatesAccepted++;
        if (!known) this.exported++;
        // The number of a path is its own as long as it lives, and a prefix has each only once.
        sink.exportPath(net, path, outcome, source);
      }
      if (owned) store.release(outcome);
    }
    for (const pathId of gone) {
      this.counters.withdrawsAccepted++;
      this.exported--;
      sink.exportPath(net, pathId, 0, 0);
    }
  }

  /** The memo for routes of this source; none when the outcome is found faster than looked up. */
  #memoFor(source: number): AttributeMemo | undefined {
    const { sourceClass, transform } = this.#options;
    if (!this.#remembers || (this.policy.kind !== 'filter' && !transform)) return undefined;
    const index = sourceClass!(source);
    let memo = this.#memos[index];
    if (!memo) {
      memo = new AttributeMemo(this.table.attributes);
      this.#memos[index] = memo;
    }
    return memo;
  }

  /** Delivers nets [start, end) of the batch. */
  #deliverAll(start: number, end: number, attributes: number, source: number): void {
    const { sink } = this.#options;
    if (attributes === 0 || !sink.exportRoutes || this.traced || this.limit) {
      for (let i = start; i < end; i++) this.#deliver(this.#batch[i]!, attributes, source);
      return;
    }
    this.counters.updatesAccepted += end - start;
    this.exported += sink.exportRoutes(this.#batch, start, end, attributes, source);
  }

  #withdrawAll(start: number, end: number): void {
    const { sink } = this.#options;
    if (!sink.withdrawRoutes || this.traced) {
      for (let i = start; i < end; i++) this.#deliver(this.#batch[i]!, 0, 0);
      return;
    }
    const count = sink.withdrawRoutes(this.#batch, start, end, this.withdrawnFrom);
    this.counters.withdrawsReceived += count;
    this.counters.withdrawsAccepted += count;
    this.exported -= count;
  }

  #deliver(net: number, attributes: number, source: number): void {
    const { sink, trace } = this.#options;
    const before = sink.exportedAttributes(net);
    if (attributes === 0) {
      if (before === 0) return;
      this.counters.withdrawsReceived++;
      this.counters.withdrawsAccepted++;
      const from = sink.exportedSource?.(net) ?? 0;
      this.withdrawnFrom[from] = (this.withdrawnFrom[from] ?? 0) + 1;
      if (this.traced) trace?.('removed', net, before, source);
      sink.exportRoute(net, 0, 0);
      this.exported--;
      return;
    }
    if (before === 0 && this.#isLimited(net, attributes, source)) return;
    this.counters.updatesAccepted++;
    if (this.traced && before !== attributes) {
      trace?.(before === 0 ? 'added' : 'replaced', net, attributes, source);
    }
    sink.exportRoute(net, attributes, source);
    if (before === 0) this.exported++;
  }

  /** Whether a route that the sink does not have yet must be left out; tells when a limit is hit. */
  #isLimited(net: number, attributes: number, source: number): boolean {
    if (!this.limit || this.exported < this.limit.count) return false;
    if (!this.limitHit) {
      this.limitHit = true;
      this.#options.onLimit?.(this.limit);
    }
    if (this.limit.action !== 'block') return false;
    this.counters.updatesRejected++;
    if (this.traced) this.#options.trace?.('rejected [limit]', net, attributes, source);
    return true;
  }

  /** The next hops of all equally good and accepted routes in one; 0 when there is only one. */
  #merge(net: number, best: number, accepted: number, limit: number): number {
    const { rib, attributes: store } = this.table;
    const paths = multipathSet(rib, net, limit);
    if (paths.length < 2) return 0;
    const route = store.get(accepted);
    if (route.dest !== 'unicast') return 0;
    const routes = [route];
    for (const path of paths) {
      if (path === best) continue;
      const source = rib.sourceOf(path);
      if (this.#options.refuses?.(rib.attributesOf(path), source)) continue;
      const other = this.#runner.run(net, rib.attributesOf(path), this.#protocolOf(source));
      const { owned } = this.#runner;
      if (other === 0) continue;
      const equal = store.get(other);
      if (equal.dest === 'unicast') routes.push(equal);
      if (owned) store.release(other);
    }
    const shares = this.#options.weighsBandwidth ? bandwidthShares(routes) : undefined;
    const hops = new Map<string, Nexthop>();
    for (const [i, { nexthops }] of routes.entries()) {
      for (const hop of nexthops) {
        if (hops.size >= limit || hops.has(nexthopKey(hop))) continue;
        hops.set(nexthopKey(hop), shares ? { ...hop, weight: shares[i]! } : hop);
      }
    }
    if (hops.size < 2) return 0;
    return store.intern({ ...route, nexthops: sortNexthops([...hops.values()]) });
  }

  get #waits(): boolean {
    return this.#options.waits?.() ?? false;
  }

  #followed(): ChangeLog {
    const { rib } = this.table;
    const { merge, pathSink, secondary } = this.#options;
    return merge === undefined && !pathSink && !secondary ? rib.bestChanges : rib.anyChanges;
  }

  #protocolOf(source: number): string {
    return this.table.sources.get(source)?.protocol ?? '';
  }
}
