// A channel connects a protocol to a table: import policy and limits on the way in, an exporter on
// the way out, the counters that consoles show, and the trace lines of BIRD. A channel that is
// opened again is a new source to the table, so that what is left of the old one can be removed in
// slices while the new one is filling.

import { CHANGE, PATH_FLAG, samePolicy } from '@rookery/rib';
import type { ChannelConfig, DebugMask, LimitConfig } from './config.ts';
import { Exporter } from './exporter.ts';
import type { ExportCounters, ExportEvent, ExportSink, ExporterOptions } from './exporter.ts';
import { PolicyRunner } from './policy-runner.ts';
import type { PolicyContext } from './policy-runner.ts';
import type { Protocol } from './protocol.ts';
import type { RouteTable } from './route-table.ts';
import { traceFlags } from './trace.ts';
import type { TraceFlags } from './trace.ts';
import type { ChannelView, LimitView, RouteChangeStats } from './view.ts';
import type { Task } from './work.ts';

export type { ExportSink } from './exporter.ts';

export interface ChannelOptions {
  /** Absent: the channel exports nothing, or its protocol exports by other means. */
  readonly sink?: ExportSink;
  /** Next hops per route at most, when equally good routes are merged. */
  readonly merge?: number | undefined;
  readonly weighsBandwidth?: ExporterOptions['weighsBandwidth'];
  readonly waits?: ExporterOptions['waits'];
  readonly onFed?: ExporterOptions['onFed'];
  /** Keeps routes as they came, see import-table.ts. */
  readonly importTable?: boolean;
  /** Name in logs and consoles; the net type unless given. */
  readonly name?: string;
}

export interface ImportCounters {
  updatesReceived: number;
  updatesRejected: number;
  updatesFiltered: number;
  updatesIgnored: number;
  updatesAccepted: number;
  withdrawsReceived: number;
  withdrawsRejected: number;
  withdrawsIgnored: number;
  withdrawsAccepted: number;
}

/** In place of the class of a prefix that has been dealt with. */
const TAKEN = -2;

export class Channel {
  readonly protocol: Protocol;
  readonly name: string;
  readonly table: RouteTable;
  config: ChannelConfig;
  flags: TraceFlags;
  state: ChannelView['state'] = 'down';
  /** Source number in the table while open; 0 otherwise. */
  source = 0;
  imported: ImportCounters = noImports();
  readonly exporter: Exporter | undefined;
  readonly importTable: RouteTable | undefined;
  readonly #runner: PolicyRunner;
  /** Routes of one update that the import policy cannot tell apart. */
  #alike = new Int32Array(64);
  #alikeIds = new Int32Array(64);
  #receiveHit = false;
  #importHit = false;

  constructor(protocol: Protocol, config: ChannelConfig, options: ChannelOptions) {
    this.protocol = protocol;
    this.config = config;
    this.name = options.name ?? config.netType;
    this.flags = traceFlags(config.debug, protocol.config.debug);
    this.table = protocol.engine.table(config.table);
    this.importTable = options.importTable ? this.table.sibling('import') : undefined;
    const context = policyContextFor(protocol, this.table);
    this.#runner = new PolicyRunner(config.importPolicy, context);
    if (!options.sink) return;
    this.exporter = new Exporter({
      owner: protocol,
      table: this.table,
      policy: config.exportPolicy,
      context,
      sink: options.sink,
      merge: options.merge,
      weighsBandwidth: options.weighsBandwidth,
      waits: options.waits,
      onFed: options.onFed,
      refuses: (_attributes, source) => source === this.source,
      onLimit: (limit) => this.exportLimitReached(limit),
      trace: (event, net, attributes) => this.traceExport(event, net, attributes),
    });
    this.exporter.limit = config.exportLimit;
  }

  /** True when the initial feed is done, so that what is not exported is not wanted. */
  get fed(): boolean {
    return this.state === 'up' && !this.exporter?.feeding;
  }

  /** Registers the source and starts the feed. */
  open(): void {
    const { sources } = this.table;
    const added = sources.add({ protocol: this.protocol.name, kind: this.protocol.kind });
    if (added === undefined) {
      this.protocol.log('error', 'too many sources of routes; the channel stays down');
      return;
    }
    this.source = added;
    this.state = 'up';
    this.imported = noImports();
    this.#receiveHit = this.#importHit = false;
    if (!this.exporter) return;
    this.exporter.traced = this.flags.routes || this.flags.filters;
    this.exporter.start();
    this.protocol.engine.exporters.add(this.exporter);
    this.protocol.engine.work.add(this.exporter);
  }

  /** Stops exporting, removes every route of this source in slices, then calls `done`. */
  close(done: () => void): void {
    if (this.state === 'down') return done();
    if (this.exporter) {
      this.exporter.stop();
      this.exporter.exported = 0;
      this.protocol.engine.exporters.delete(this.exporter);
    }
    this.state = 'flushing';
    const { source } = this;
    this.source = 0;
    this.flush(source, () => {
      // Opened again meanwhile, under another source.
      if (this.source === 0) this.state = 'down';
      done();
    });
  }

  /** Removes the routes of a source, which nobody fills any more, and frees its number. */
  flush(source: number, done: () => void): void {
    this.markStale(source);
    this.sweep(source, () => {
      this.table.sources.remove(source);
      done();
    });
  }

  /** Whatever the source does not announce again goes with the next `sweep`. */
  markStale(source: number): void {
    this.table.rib.markStale(source);
    this.importTable?.rib.markStale(source);
  }

  /** Removes what is still marked stale of a source. */
  sweep(source: number, done: () => void): void {
    const { engine } = this.protocol;
    if (this.flags.routes) this.#traceStale(source);
    const sweep = this.table.rib.sweepStale(source);
    const importSweep = this.importTable?.rib.sweepStale(source);
    let finished = false;
    const task: Task = {
      owner: this.protocol,
      run: (budget) => {
        if (finished) return 0;
        finished = sweep.step(budget) && (importSweep?.step(budget) ?? true);
        if (!finished) return budget;
        done();
        return 0;
      },
    };
    // Most sources have a handful of routes: those are gone before anything else happens.
    const { imported, filtered } = this.#received.rib.counts(source);
    if (imported + filtered > 256) engine.work.add(task);
    else while (!finished) task.run(256);
  }

  /**
   * A route from the protocol, before the import policy. The caller keeps its reference to
   * `attributes`. `pathId` tells routes of one prefix apart.
   */
  importRoute(net: number, attributes: number, pathId = 0): void {
    const { imported, config } = this;
    imported.updatesReceived++;
    if (config.receiveLimit && this.#receiveLimited(net, pathId, config.receiveLimit)) return;
    this.importTable?.rib.apply(net, this.source, pathId, attributes, this.protocol.engine.nowMs);
    const outcome = this.#runner.run(net, attributes, this.protocol.name);
    const { owned } = this.#runner;
    if (outcome === 0) {
      imported.updatesFiltered++;
      if (this.flags.filters) this.#traceImport('filtered out', net, attributes, pathId);
      if (config.importKeepFiltered) this.#apply(net, attributes, pathId, true);
      else this.#remove(net, pathId);
      return;
    }
    if (config.importLimit && this.#importLimited(net, pathId, config.importLimit)) {
      if (owned) this.table.attributes.release(outcome);
      return;
    }
    const change = this.#apply(net, outcome, pathId, false);
    if (change === 0) imported.updatesIgnored++;
    else imported.updatesAccepted++;
    if (this.flags.routes) this.#traceChange(change, net, outcome, pathId);
    if (owned) this.table.attributes.release(outcome);
  }

  /**
   * `importRoute` for nets[from, to), routes with equal attributes, each with its path id. Prefixes
   * that the policy cannot tell apart go together, whatever stands between them.
   */
  importRoutes(
    nets: Int32Array,
    pathIds: Int32Array,
    from: number,
    to: number,
    attributes: number,
  ): void {
    const { importLimit, receiveLimit } = this.config;
    const classes = this.#runner.classesOf(nets, from, to);
    if (classes?.[0] === -1 || importLimit || receiveLimit || this.#isTraced) {
      for (let i = from; i < to; i++) this.importRoute(nets[i]!, attributes, pathIds[i]!);
      return;
    }
    const count = to - from;
    this.imported.updatesReceived += count;
    this.#applyBatch(this.importTable, nets, pathIds, from, to, attributes, 0);
    if (!classes) {
      this.#importAlike(nets, pathIds, from, to, attributes, 0);
      return;
    }
    if (this.#alike.length < count) {
      this.#alike = new Int32Array(count * 2);
      this.#alikeIds = new Int32Array(count * 2);
    }
    const [alike, alikeIds] = [this.#alike, this.#alikeIds];
    for (let first = 0; first < count; first++) {
      const netClass = classes[first]!;
      if (netClass === TAKEN) continue;
      let size = 0;
      for (let i = first; i < count; i++) {
        if (classes[i] !== netClass) continue;
        alike[size] = nets[from + i]!;
        alikeIds[size++] = pathIds[from + i]!;
        classes[i] = TAKEN;
      }
      this.#importAlike(alike, alikeIds, 0, size, attributes, netClass);
    }
  }

  /** Routes with equal attributes whose prefixes are of one class. */
  #importAlike(
    nets: Int32Array,
    pathIds: Int32Array,
    from: number,
    to: number,
    attributes: number,
    netClass: number,
  ): void {
    const { imported } = this;
    const { importKeepFiltered } = this.config;
    const count = to - from;
    const outcome = this.#runner.run(nets[from]!, attributes, this.protocol.name, netClass);
    const { owned } = this.#runner;
    if (outcome === 0) {
      imported.updatesFiltered += count;
      const kept = importKeepFiltered ? attributes : 0;
      this.#applyBatch(this.table, nets, pathIds, from, to, kept, PATH_FLAG.filtered);
      return;
    }
    const changed = this.#applyBatch(this.table, nets, pathIds, from, to, outcome, 0);
    imported.updatesAccepted += changed;
    imported.updatesIgnored += count - changed;
    if (owned) this.table.attributes.release(outcome);
  }

  /** `withdrawRoute` for nets[from, to), each with its path id. */
  withdrawRoutes(nets: Int32Array, pathIds: Int32Array, from: number, to: number): void {
    if (this.#isTraced) {
      for (let i = from; i < to; i++) this.withdrawRoute(nets[i]!, pathIds[i]!);
      return;
    }
    this.#applyBatch(this.importTable, nets, pathIds, from, to, 0, 0);
    const removed = this.#applyBatch(this.table, nets, pathIds, from, to, 0, 0);
    this.imported.withdrawsReceived += to - from;
    this.imported.withdrawsAccepted += removed;
    this.imported.withdrawsIgnored += to - from - removed;
  }

  /** A negative net is one that is in no table. */
  withdrawRoute(net: number, pathId = 0): void {
    this.imported.withdrawsReceived++;
    if (net >= 0 && this.#remove(net, pathId)) this.imported.withdrawsAccepted++;
    else this.imported.withdrawsIgnored++;
    if (net >= 0)
      this.importTable?.rib.apply(net, this.source, pathId, 0, this.protocol.engine.nowMs);
  }

  /** Sends everything through the export policy again. */
  refeed(): void {
    if (!this.exporter?.running) return;
    this.exporter.refeed();
    this.protocol.engine.work.add(this.exporter);
  }

  /** Takes a new configuration; `false` when only a restart of the protocol can. */
  reconfigure(next: ChannelConfig, soft: boolean, protocolDebug: DebugMask): boolean {
    const before = this.config;
    if (next.table !== before.table || next.netType !== before.netType) return false;
    const name = `${this.protocol.name}.${this.name}`;
    const importChanged =
      !samePolicy(before.importPolicy, next.importPolicy) ||
      next.preference !== before.preference ||
      next.importKeepFiltered !== before.importKeepFiltered;
    const exportChanged = !samePolicy(before.exportPolicy, next.exportPolicy);
    this.config = next;
    this.flags = traceFlags(next.debug, protocolDebug);
    if (this.exporter) {
      this.exporter.traced = this.flags.routes || this.flags.filters;
      this.exporter.limit = next.exportLimit;
    }
    if (importChanged) this.#runner.replace(next.importPolicy);
    if (exportChanged) this.replaceExportPolicy(next, soft);
    const { engine } = this.protocol;
    if (!importChanged && !exportChanged) return true;
    if (this.state !== 'up') return true;
    if (soft) {
      if (importChanged) engine.log('info', `Channel ${name} changed import`);
      if (exportChanged) engine.log('info', `Channel ${name} changed export`);
      return true;
    }
    engine.log('info', `Reloading channel ${name}`);
    if (importChanged && !this.protocol.reimport(this)) return false;
    return true;
  }

  /** Overridden in effect by protocols that export through groups. */
  replaceExportPolicy(next: ChannelConfig, soft: boolean): void {
    if (!this.exporter) return;
    this.exporter.replacePolicy(next.exportPolicy, !soft);
    if (!soft && this.exporter.running) this.protocol.engine.work.add(this.exporter);
  }

  /** Changes the facts of the source, once the peer is known better. */
  describeSource(facts: Parameters<RouteTable['sources']['update']>[1]): void {
    if (this.source !== 0) this.table.sources.update(this.source, facts);
  }

  exportLimitReached(limit: LimitConfig): void {
    this.#limitReached('export', limit);
  }

  traceExport(event: ExportEvent, net: number, attributes: number): void {
    const wanted = event === 'filtered out' ? this.flags.filters : this.flags.routes;
    if (!wanted) return;
    this.protocol.engine.log(
      'trace',
      `${this.protocol.name}.${this.name} < ${event} ${this.#describe(net, attributes, 0)}`,
    );
  }

  view(): ChannelView {
    const counts = this.source === 0 ? undefined : this.table.rib.counts(this.source);
    const updates: RouteChangeStats = {
      importUpdates: {
        received: this.imported.updatesReceived,
        rejected: this.imported.updatesRejected,
        filtered: this.imported.updatesFiltered,
        ignored: this.imported.updatesIgnored,
        accepted: this.imported.updatesAccepted,
      },
      importWithdraws: {
        received: this.imported.withdrawsReceived,
        rejected: this.imported.withdrawsRejected,
        ignored: this.imported.withdrawsIgnored,
        accepted: this.imported.withdrawsAccepted,
      },
      ...exportStatsOf(this.exporter?.counters),
    };
    const limits: {
      receive?: LimitView;
      import?: LimitView;
      export?: LimitView;
    } = {};
    const { receiveLimit, importLimit, exportLimit } = this.config;
    if (receiveLimit) limits.receive = { ...receiveLimit, hit: this.#receiveHit };
    if (importLimit) limits.import = { ...importLimit, hit: this.#importHit };
    if (exportLimit) limits.export = { ...exportLimit, hit: this.exporter?.limitHit ?? false };
    return {
      name: this.name,
      state: this.state,
      config: this.config,
      counts: {
        imported: counts?.imported ?? 0,
        filtered: counts?.filtered ?? 0,
        exported: this.exporter?.exported ?? 0,
        preferred: counts?.preferred ?? 0,
      },
      updates,
      limits,
    };
  }

  /** The table that knows best what was received. */
  get #received(): RouteTable {
    return this.importTable ?? this.table;
  }

  #apply(net: number, attributes: number, pathId: number, filtered: boolean): number {
    return this.table.rib.apply(
      net,
      this.source,
      pathId,
      attributes,
      this.protocol.engine.nowMs,
      filtered ? PATH_FLAG.filtered : 0,
    );
  }

  #applyBatch(
    table: RouteTable | undefined,
    nets: Int32Array,
    pathIds: Int32Array,
    from: number,
    to: number,
    attributes: number,
    flags: number,
  ): number {
    const { nowMs } = this.protocol.engine;
    if (!table) return 0;
    return table.rib.applyBatch(nets, pathIds, from, to, this.source, attributes, nowMs, flags);
  }

  get #isTraced(): boolean {
    return this.flags.routes || this.flags.filters;
  }

  #remove(net: number, pathId: number): boolean {
    const { rib } = this.table;
    const path = rib.findPath(net, this.source, pathId);
    if (path === 0) return false;
    const attributes = rib.attributesOf(path);
    if (this.flags.routes) {
      const word = rib.bestPath(net) !== path ? 'removed' : this.#hasOther(net, path);
      this.#traceImport(word, net, attributes, pathId);
    }
    rib.apply(net, this.source, pathId, 0, this.protocol.engine.nowMs);
    return true;
  }

  #hasOther(net: number, path: number): string {
    const { rib } = this.table;
    for (let other = rib.firstPath(net); other !== 0; other = rib.nextPath(other)) {
      if (other !== path && !rib.isFiltered(other)) return 'removed [replaced]';
    }
    return 'removed [sole]';
  }

  #receiveLimited(net: number, pathId: number, limit: LimitConfig): boolean {
    const { rib } = this.#received;
    if (rib.findPath(net, this.source, pathId) !== 0) return false;
    const counts = rib.counts(this.source);
    if (counts.imported + counts.filtered < limit.count) return false;
    if (!this.#receiveHit) {
      this.#receiveHit = true;
      this.#limitReached('receive', limit);
    }
    if (limit.action === 'warn') return false;
    this.imported.updatesRejected++;
    return true;
  }

  #importLimited(net: number, pathId: number, limit: LimitConfig): boolean {
    const { rib } = this.table;
    const known = rib.findPath(net, this.source, pathId);
    if (known !== 0 && !rib.isFiltered(known)) return false;
    if (rib.counts(this.source).imported < limit.count) return false;
    if (!this.#importHit) {
      this.#importHit = true;
      this.#limitReached('import', limit);
    }
    if (limit.action === 'warn') return false;
    this.imported.updatesRejected++;
    if (this.flags.routes) this.#traceImport('ignored [limit]', net, 0, pathId);
    return true;
  }

  #limitReached(which: 'receive' | 'import' | 'export', limit: LimitConfig): void {
    this.protocol.engine.log(
      'warning',
      `Protocol ${this.protocol.name} hits route ${which} limit (${limit.count}), action: ${limit.action}`,
    );
    if (limit.action === 'restart' || limit.action === 'disable') {
      this.protocol.limitReached(which, limit.action);
    }
  }

  #traceChange(change: number, net: number, attributes: number, pathId: number): void {
    const word = (change & CHANGE.added) !== 0 ? 'added' : change === 0 ? 'ignored' : 'updated';
    const { rib } = this.table;
    const best = rib.bestPath(net) === rib.findPath(net, this.source, pathId);
    this.#traceImport(best && change !== 0 ? `${word} [best]` : word, net, attributes, pathId);
  }

  #traceImport(event: string, net: number, attributes: number, pathId: number): void {
    this.protocol.engine.log(
      'trace',
      `${this.protocol.name}.${this.name} > ${event} ${this.#describe(net, attributes, pathId)}`,
    );
  }

  /** Lines for the first few routes that are about to be removed; the rest is silence, as in BIRD. */
  #traceStale(source: number): void {
    const { rib } = this.table;
    const { imported, filtered } = rib.counts(source);
    if (imported + filtered > 256) return;
    const paths = new Int32Array(256);
    const walk = rib.walkSource(source, { staleOnly: true });
    while (!walk.done) {
      const count = walk.next(paths);
      for (let i = 0; i < count; i++) {
        const path = paths[i]!;
        const net = rib.netOf(path);
        const word = rib.bestPath(net) !== path ? 'removed' : this.#hasOther(net, path);
        this.#traceImport(word, net, rib.attributesOf(path), rib.pathIdOf(path));
      }
    }
  }

  #describe(net: number, attributes: number, pathId: number): string {
    const dest = attributes === 0 ? 'unicast' : this.table.attributes.get(attributes).dest;
    const word = dest === 'prohibit' ? 'prohibited' : dest;
    return `${this.table.prefixes.textOf(net)} ${pathId}L ${this.source}G ${word}`;
  }
}

/** Export counters as consoles show them; zeros without any. */
export function exportStatsOf(
  counters: ExportCounters | undefined,
): Pick<RouteChangeStats, 'exportUpdates' | 'exportWithdraws'> {
  return {
    exportUpdates: {
      received: counters?.updatesReceived ?? 0,
      rejected: counters?.updatesRejected ?? 0,
      filtered: counters?.updatesFiltered ?? 0,
      accepted: counters?.updatesAccepted ?? 0,
    },
    exportWithdraws: {
      received: counters?.withdrawsReceived ?? 0,
      accepted: counters?.withdrawsAccepted ?? 0,
    },
  };
}

/** What policies of a protocol may use of the engine. */
export function policyContextFor(protocol: Protocol, table: RouteTable): PolicyContext {
  const { engine } = protocol;
  return {
    prefixes: table.prefixes,
    attributes: table.attributes,
    roaCheck: (name, net, asn) => engine.roaCheck(name, net, asn),
    print: (text) => engine.log('info', text),
    fail: (text) => engine.log('error', text),
  };
}

function noImports(): ImportCounters {
  return {
    updatesReceived: 0,
    updatesRejected: 0,
    updatesFiltered: 0,
    updatesIgnored: 0,
    updatesAccepted: 0,
    withdrawsReceived: 0,
    withdrawsRejected: 0,
    withdrawsIgnored: 0,
    withdrawsAccepted: 0,
  };
}
