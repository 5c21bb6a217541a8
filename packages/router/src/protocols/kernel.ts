// protocol kernel: keeps one kernel table equal to what its channel exports, and with `learn` takes
// in what others put there. Desired state against observed state: an order for each difference, a
// full comparison at every scan, so whatever goes wrong is mended at the next one. Routes of other
// programs are never touched. Semantics and log lines as in bird.md §5.3 and §6.

import type { Family, IpAddress } from '@rookery/net';
import type { RouteAttributes } from '@rookery/rib';
import { Channel } from '../channel.ts';
import type { ExportSink } from '../channel.ts';
import type { KernelConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import type { Fact, KernelRoute } from '../io.ts';
import { PROTOCOL_BIRD, PROTOCOL_REDIRECT, isOfNoInterest } from '../kernel-route.ts';
import { isUp } from '../interfaces.ts';
import type { InterfaceEvent } from '../interfaces.ts';
import { Protocol } from '../protocol.ts';
import { KernelLearner } from './kernel-learn.ts';
import { KernelRoutes } from './kernel-routes.ts';
import { KernelScan } from './kernel-scan.ts';
import { WANT } from './kernel-wants.ts';
import type { KernelDone } from './kernel-writer.ts';
import type { ShutdownReason } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { KernelSyncView, ProtocolView } from '../view.ts';

/** Changes under way: as many in one call of the kernel as may be, and the same again behind it. */
const MAX_PENDING = 32_768;
/** After next hops vanished, routes that still want them are looked for this late, or later. */
const RESTORE_MS = 100;

export class KernelProtocol extends Protocol implements ExportSink {
  readonly kind = 'kernel';
  declare config: KernelConfig;
  readonly channel: Channel;
  readonly #scanTimer: Timer;
  readonly #restoreTimer: Timer;
  readonly #routes: KernelRoutes;
  readonly #learner: KernelLearner;
  #rescanOnceFed = false;
  #lastScanMs: number | undefined;
  /** The scan that is being compared, and the number of the first change after its order. */
  #reading: KernelScan | undefined;
  #orderedBefore = 0;

  constructor(engine: Engine, config: KernelConfig) {
    super(engine, config);
    this.#scanTimer = engine.timers.create(this, () => this.#scan());
    this.#restoreTimer = engine.timers.create(this, () => this.#restore());
    this.channel = new Channel(this, config.channel, {
      sink: this,
      merge: config.mergePaths,
      weighsBandwidth: config.linkBandwidthWeights,
      waits: () => this.config.gracefulRestart && engine.recovery.keepsKernel,
      onFed: () => {
        if (this.#rescanOnceFed) this.#scan();
      },
    });
    this.channels = [this.channel];
    this.#learner = new KernelLearner(this, this.channel);
    this.#routes = new KernelRoutes({
      protocol: this,
      table: this.channel.table,
      rivalOf: (route) => this.#learner.rivalOf(route),
      disturbed: () => this.#restoreSoon(),
    });
  }

  get family(): Family {
    return this.channel.table.family;
  }

  /** The engine starts the first scan of all kernel protocols together, after the interfaces. */
  firstScan(): void {
    this.#scan();
  }

  reconfigure(next: ProtocolConfig, soft: boolean): boolean {
    if (next.kind !== 'kernel') return false;
    const { config } = this;
    if (
      next.kernelTable !== config.kernelTable ||
      next.metric !== config.metric ||
      next.learn !== config.learn
    ) {
      return false;
    }
    if (
      next.mergePaths !== config.mergePaths ||
      next.linkBandwidthWeights !== config.linkBandwidthWeights
    ) {
      this.engine.log('info', `Cannot reconfigure channel ${this.name}.${this.channel.name}`);
      return false;
    }
    if (!this.channel.reconfigure(next.channel, soft, next.debug)) return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    if (next.scanTimeSec !== config.scanTimeSec) this.#schedule();
    return true;
  }

  /** A fact about this protocol's table and family. */
  handleScan(fact: Extract<Fact, { readonly kind: 'kernelScanned' }>): void {
    if (!this.#concerns(fact.table, fact.family)) return;
    this.trace('events', 'Scanning routing table');
    this.#lastScanMs = this.engine.nowMs;
    this.#learner.beginScan();
    if (this.#reading) this.engine.work.cancel(this.#reading);
    const { limit } = this.channel.table.prefixes;
    this.#reading = new KernelScan(fact.routes, limit, this.#orderedBefore, {
      owner: this,
      found: (route, scan) => this.#found(route, scan),
      prune: () => {
        this.#learner.endScan();
        this.trace('events', `Pruning table ${this.config.channel.table}`);
        this.#routes.writing = true;
      },
      wanted: () => this.#routes.wants.nets(),
      missing: (net, scan) => this.#missing(net, scan),
      done: () => (this.#reading = undefined),
    });
    // What a former life left behind is adopted before anything of ours is written.
    if (this.#routes.writing) this.engine.work.add(this.#reading);
    else this.#reading.run(Infinity);
  }

  handleScanFailed(fact: Extract<Fact, { readonly kind: 'kernelScanFailed' }>): void {
    if (!this.#concerns(fact.table, fact.family)) return;
    this.log(
      'error',
      `The routing table of the kernel could not be read (${fact.error.message}); ` +
        `it is tried again in ${this.config.scanTimeSec} s`,
    );
  }

  handleChange(fact: Extract<Fact, { readonly kind: 'kernelRouteChanged' }>): void {
    const { route } = fact;
    if (!this.#concerns(route.table, route.family) || isOfNoInterest(route)) return;
    if (route.protocol === PROTOCOL_BIRD) return;
    if (fact.change === 'new') return this.#learner.added(route);
    this.#learner.removed(route);
    const net = this.channel.table.prefixes.findText(route.net);
    // The place is free: what the kernel refused because of this route can go in now.
    if (this.hasSyncError(net) && this.#routes.writing) this.#routes.install(net);
  }

  handleDone(fact: KernelDone): void {
    this.#routes.handleDone(fact);
  }

  handleNexthops(fact: Extract<Fact, { readonly kind: 'nexthopsScanned' }>): void {
    this.#routes.handleNexthops(fact);
  }

  /** Packets to a next hop are lost: the kernel is told in one message. False: nothing to tell. */
  nexthopLost(gateway: IpAddress, ifindex: number): boolean {
    return this.#routes.nexthopLost(gateway, ifindex);
  }

  /** The kernel deletes next hop objects on a link that is down, and says nothing. */
  linksChanged(): void {
    if (this.#routes.nexthops.size > 0) this.#scanNexthops();
  }

  /** A dump is needed soon: notifications were lost. */
  rescan(): void {
    this.#scan();
  }

  /** What nobody announced again can go. */
  override onRecovered(): void {
    if (this.channel.fed) this.#scan();
    else this.#rescanOnceFed = true;
  }

  exportRoute(net: number, attributes: number): void {
    this.#routes.want(net, attributes);
  }

  exportedAttributes(net: number): number {
    return this.#routes.wants.attributesOf(net);
  }

  /** The kernel is slower than the table: what waits for it waits as a change, not as an order. */
  get isFull(): boolean {
    return this.#routes.writer.pending >= MAX_PENDING;
  }

  /** Orders the changes of this turn; the engine calls it when the turn ends. */
  flushChanges(): void {
    this.#routes.writer.flush();
  }

  /** True when the kernel refused the route last time. */
  hasSyncError(net: number): boolean {
    return this.#routes.wants.refused.has(net);
  }

  view(): ProtocolView {
    const failed: { net: string; message: string }[] = [];
    for (const [net, { message }] of this.#routes.wants.refused) {
      failed.push({ net: this.#text(net), message });
    }
    const kernel: KernelSyncView = {
      kernelTable: this.config.kernelTable,
      wanted: this.#routes.wants.count,
      failed,
      ...(this.#lastScanMs === undefined ? {} : { lastScanMs: this.#lastScanMs }),
    };
    return { ...this.commonView(), kernel };
  }

  /** What others have in this table, for consoles. */
  aliens(): Iterable<KernelRoute> {
    return this.#learner.aliens();
  }

  /** What we want there and believe to be there, for consoles. */
  installed(): Iterable<{ readonly route: KernelRoute; readonly attributes: RouteAttributes }> {
    return this.#routes.installed();
  }

  override onInterface(event: InterfaceEvent): void {
    const { interface: fact } = event;
    if (event.kind === 'up') this.trace('interfaces', `< interface ${fact.name} goes up`, ' ');
    if (event.kind === 'down') this.trace('interfaces', `< interface ${fact.name} goes down`, ' ');
    if (event.kind === 'linkChanged') {
      this.trace('interfaces', `< interface ${fact.name} changes link`, ' ');
    }
    if (event.kind === 'mtuChanged') {
      this.trace('interfaces', `< interface ${fact.name} changes MTU`, ' ');
    }
    if (event.kind === 'linkChanged' && fact.linkUp) this.#restoreSoon();
    if (event.kind !== 'up' || !isUp(fact)) return;
    // The kernel dropped what pointed to the interface when it went down.
    for (const net of Array.from(this.#routes.wants.refused.keys())) {
      if (!this.#routes.writing || !this.#routes.wants.has(net)) continue;
      const { nexthops } = this.#routes.profileOf(net).plain.shape;
      if (nexthops.some((n) => n.ifindex === fact.ifindex)) this.#routes.install(net);
    }
  }

  protected onStart(): 'up' {
    this.engine.kernels.add(this);
    this.channel.open();
    return 'up';
  }

  protected override onShutdown(reason: ShutdownReason): 'flush' {
    const keep = this.config.persist || reason.kind === 'gracefulRestart';
    if (!keep) this.trace('events', 'Flushing kernel routes');
    this.#routes.letGo(keep);
    this.engine.kernels.delete(this);
    return 'flush';
  }

  protected override onDown(): void {
    this.#scanTimer.clear();
    this.#restoreTimer.clear();
    this.#rescanOnceFed = false;
    if (this.#reading) this.engine.work.cancel(this.#reading);
    this.#reading = undefined;
    this.#learner.clear();
  }

  #scan(): void {
    if (!this.running) return;
    this.#rescanOnceFed = false;
    this.flushChanges();
    this.#orderedBefore = this.#routes.writer.nextNumber;
    this.#scanNexthops();
    this.engine.order({
      kind: 'scanKernel',
      table: this.config.kernelTable,
      family: this.family,
    });
    this.#schedule();
  }

  #scanNexthops(): void {
    this.engine.order({ kind: 'scanNexthops', seq: this.engine.nextId() });
  }

  #schedule(): void {
    const seconds = this.config.scanTimeSec;
    if (seconds > 0) this.#scanTimer.set(this.engine.nowMs + seconds * 1000);
    else this.#scanTimer.clear();
  }

  #concerns(table: number, family: Family): boolean {
    return this.running && table === this.config.kernelTable && family === this.family;
  }

  #found(route: KernelRoute, scan: KernelScan): number {
    if (isOfNoInterest(route)) return -1;
    if (route.protocol === PROTOCOL_BIRD) return this.#compareOwn(route, scan);
    if (route.protocol === PROTOCOL_REDIRECT) {
      this.trace('packets', `${route.net}: [redirect] deleting`);
      this.#routes.writer.removeRoute(route);
    } else this.#learner.found(route);
    return -1;
  }

  #missing(net: number, scan: KernelScan): void {
    if (!this.#routes.isJudgedBy(scan, net)) return;
    if (this.flags.packets) this.trace('packets', `${this.#text(net)}: installing`);
    this.#routes.wants.setState(net, WANT.absent);
    this.#routes.install(net);
  }

  #compareOwn(route: KernelRoute, scan: KernelScan): number {
    const net = this.channel.table.prefixes.findText(route.net);
    const wanted = this.#routes.wants.has(net);
    const metric = wanted ? this.#routes.profileOf(net).plain.shape.metric : this.config.metric;
    // Another metric is another daemon's or another instance's route.
    if (metric !== route.metric && metric !== 0) return -1;
    const say = (what: string): void => {
      if (this.flags.packets) this.trace('packets', `${route.net}: ${what}`);
    };
    if (wanted) {
      if (scan.hasSeen(net)) say('already seen');
      else say(this.#routes.compare(net, route, scan) ? 'updating' : 'seen');
      return net;
    }
    // What a former life left behind may be announced again (RFC 4724 §4.1).
    if (!this.channel.fed || this.engine.recovery.keepsKernel) say('ignored');
    else {
      say('deleting');
      this.#routes.writer.removeRoute(route);
    }
    return -1;
  }

  #restoreSoon(): void {
    this.#restoreTimer.set(this.engine.nowMs + RESTORE_MS);
  }

  #restore(): void {
    // The tables have not settled: who lost a next hop may be about to lose the route.
    if (this.channel.exporter!.pending || this.engine.work.pending) return this.#restoreSoon();
    this.#routes.restore();
  }

  #text(net: number): string {
    return this.channel.table.prefixes.textOf(net);
  }
}
