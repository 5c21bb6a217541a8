// protocol kernel: keeps one kernel table equal to what its channel exports, and with `learn` takes
// in what others put there. Desired state against observed state: an order for each difference, a
// full comparison at every scan, so whatever goes wrong is mended at the next one. Routes of other
// programs are never touched. Semantics and log lines as in bird.md §5.3 and §6.

import type { Family } from '@rookery/net';
import type { RouteAttributes } from '@rookery/rib';
import { Channel } from '../channel.ts';
import type { ExportSink } from '../channel.ts';
import type { KernelConfig, ProtocolConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import type { Fact, KernelRoute, PlatformError } from '../io.ts';
import {
  PROTOCOL_BIRD,
  PROTOCOL_KERNEL,
  PROTOCOL_REDIRECT,
  isOfNoInterest,
  kernelRouteFor,
  metricOf,
  sameInKernel,
} from '../kernel-route.ts';
import { isUp } from '../interfaces.ts';
import type { InterfaceEvent } from '../interfaces.ts';
import { Protocol } from '../protocol.ts';
import { KernelWants, WANT } from './kernel-wants.ts';
import type { ShutdownReason } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { KernelSyncView, ProtocolView } from '../view.ts';

/** Orders under way. */
const MAX_PENDING = 4096;

export class KernelProtocol extends Protocol implements ExportSink {
  readonly kind = 'kernel';
  declare config: KernelConfig;
  readonly channel: Channel;
  readonly #scanTimer: Timer;
  readonly #wants = new KernelWants();
  /** Net by sequence number of the order. */
  readonly #pending = new Map<number, number>();
  /** The last route made, and what it was made of. */
  #template: KernelRoute | undefined;
  #templateOf: RouteAttributes | undefined;
  /** The template that was looked at for redirects last. */
  #noted: KernelRoute | undefined;
  /** Routes of other programs by network and metric, from the last scan and later events. */
  readonly #aliens = new Map<string, KernelRoute>();
  readonly #learned = new Set<number>();
  readonly #warned = new Set<number>();
  #scanned = false;
  #rescanOnceFed = false;
  #lastScanMs: number | undefined;

  constructor(engine: Engine, config: KernelConfig) {
    super(engine, config);
    this.#scanTimer = engine.timers.create(this, () => this.#scan());
    this.channel = new Channel(this, config.channel, {
      sink: this,
      merge: config.mergePaths,
      waits: () => this.config.gracefulRestart && engine.recovery.active,
      onFed: () => {
        if (this.#rescanOnceFed) this.#scan();
      },
    });
    this.channels = [this.channel];
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
    if (next.mergePaths !== config.mergePaths) {
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
    this.#aliens.clear();
    const seen = new Set<number>();
    const seenLearned = new Set<number>();
    for (const route of fact.routes) {
      if (isOfNoInterest(route)) continue;
      if (route.protocol === PROTOCOL_BIRD) this.#compareOwn(route, seen);
      else this.#inspectAlien(route, seenLearned);
    }
    if (this.config.learn !== 'off') this.#pruneLearned(seenLearned);
    this.trace('events', `Pruning table ${this.config.channel.table}`);
    this.#scanned = true;
    for (const net of this.#wants.nets()) {
      if (seen.has(net)) continue;
      if (this.#wants.stateOf(net) === WANT.pending) continue;
      if (this.flags.packets) this.trace('packets', `${this.#text(net)}: installing`);
      this.#wants.setState(net, WANT.absent);
      this.#install(net);
    }
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
    const key = alienKey(route);
    if (fact.change === 'removed') {
      this.#aliens.delete(key);
      if (this.config.learn !== 'off') this.#unlearn(route);
      const net = this.channel.table.prefixes.findText(route.net);
      // The place is free: what the kernel refused because of this route can go in now.
      if (this.#wants.refused.has(net) && this.#scanned) this.#install(net);
      return;
    }
    this.#aliens.set(key, route);
    if (this.config.learn !== 'off') this.#learn(route, 'alien async');
  }

  handleDone(results: Extract<Fact, { readonly kind: 'kernelDone' }>['results']): void {
    const wants = this.#wants;
    for (const { seq, error } of results) {
      const net = this.#pending.get(seq);
      if (net === undefined) continue;
      this.#pending.delete(seq);
      const wanted = wants.seqOf(net) === seq;
      if (error) {
        // ESRCH on removal: it is gone already, which is what we wanted.
        if (error.code === 'ESRCH' && !wanted) continue;
        this.engine.log('warning', `Netlink: ${error.message}`);
      }
      if (!wanted) continue;
      wants.setState(net, error ? WANT.absent : WANT.present);
      wants.setError(net, error);
      if (error) this.#explain(net, this.#routeOf(net, wants.attributesOf(net)), error);
      else if (this.#warned.size > 0) this.#warned.delete(net);
      if (wants.hasChanged(net)) this.#install(net);
    }
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
    const wants = this.#wants;
    const { table } = this.channel;
    const before = wants.attributesOf(net);
    if (attributes === 0) {
      if (before === 0) return;
      const state = wants.stateOf(net);
      wants.drop(net);
      this.#warned.delete(net);
      if (state !== WANT.absent) this.#remove(net, before);
      table.attributes.release(before);
      table.prefixes.release(net);
      return;
    }
    table.attributes.retain(attributes);
    wants.want(net, attributes);
    if (before === 0) table.prefixes.retain(net);
    else table.attributes.release(before);
    // Before the first scan nobody knows what is there; the scan installs what is missing.
    if (this.#scanned) this.#install(net);
  }

  exportedAttributes(net: number): number {
    return this.#wants.attributesOf(net);
  }

  /** The kernel is slower than the table: what waits for it waits as a change, not as an order. */
  get isFull(): boolean {
    return this.#pending.size >= MAX_PENDING;
  }

  /** True when the kernel refused the route last time. */
  hasSyncError(net: number): boolean {
    return this.#wants.refused.has(net);
  }

  view(): ProtocolView {
    const failed: { net: string; message: string }[] = [];
    for (const [net, { message }] of this.#wants.refused) {
      failed.push({ net: this.#text(net), message });
    }
    const kernel: KernelSyncView = {
      kernelTable: this.config.kernelTable,
      wanted: this.#wants.count,
      failed,
      ...(this.#lastScanMs === undefined ? {} : { lastScanMs: this.#lastScanMs }),
    };
    return { ...this.commonView(), kernel };
  }

  /** What others have in this table, for consoles. */
  aliens(): Iterable<KernelRoute> {
    return this.#aliens.values();
  }

  /** What we want there and believe to be there, for consoles. */
  *installed(): Iterable<{ readonly route: KernelRoute; readonly attributes: RouteAttributes }> {
    for (const net of this.#wants.nets()) {
      if (this.#wants.stateOf(net) !== WANT.present) continue;
      const number = this.#wants.attributesOf(net);
      yield { route: this.#routeOf(net, number), attributes: this.#attributes(number) };
    }
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
    if (event.kind !== 'up' || !isUp(fact)) return;
    // The kernel dropped what pointed to the interface when it went down.
    for (const net of Array.from(this.#wants.refused.keys())) {
      if (!this.#scanned || !this.#wants.has(net)) continue;
      const { nexthops } = this.#attributes(this.#wants.attributesOf(net));
      if (nexthops.some((n) => n.ifindex === fact.ifindex)) this.#install(net);
    }
  }

  protected onStart(): 'up' {
    this.channel.open();
    return 'up';
  }

  protected override onShutdown(reason: ShutdownReason): 'flush' {
    const keep = this.config.persist || reason.kind === 'gracefulRestart';
    if (!keep) this.trace('events', 'Flushing kernel routes');
    const { attributes, prefixes } = this.channel.table;
    for (const net of this.#wants.nets()) {
      const number = this.#wants.attributesOf(net);
      if (!keep && this.#wants.stateOf(net) !== WANT.absent) this.#remove(net, number);
      attributes.release(number);
      prefixes.release(net);
    }
    this.#wants.clear();
    return 'flush';
  }

  protected override onDown(): void {
    this.#scanTimer.clear();
    this.#scanned = false;
    for (const net of this.#learned) this.channel.table.prefixes.release(net);
    this.#learned.clear();
    this.#pending.clear();
    this.#warned.clear();
  }

  #scan(): void {
    if (!this.running) return;
    this.#rescanOnceFed = false;
    this.engine.order({
      kind: 'scanKernel',
      table: this.config.kernelTable,
      family: this.family,
    });
    this.#schedule();
  }

  #schedule(): void {
    const seconds = this.config.scanTimeSec;
    if (seconds > 0) this.#scanTimer.set(this.engine.nowMs + seconds * 1000);
    else this.#scanTimer.clear();
  }

  #concerns(table: number, family: Family): boolean {
    return this.running && table === this.config.kernelTable && family === this.family;
  }

  #compareOwn(route: KernelRoute, seen: Set<number>): void {
    const net = this.channel.table.prefixes.findText(route.net);
    const wants = this.#wants;
    const wanted = wants.attributesOf(net);
    const metric =
      wanted === 0
        ? this.config.metric
        : metricOf(this.family, this.#attributes(wanted), this.config.metric);
    // Another metric is another daemon's or another instance's route.
    if (metric !== route.metric && metric !== 0) return;
    if (wanted === 0) {
      // What a former life left behind may be announced again (RFC 4724 §4.1).
      if (!this.channel.fed || this.engine.recovery.active)
        return this.trace('packets', `${route.net}: ignored`);
      this.trace('packets', `${route.net}: deleting`);
      this.#order({ kind: 'kernelRemove', seq: this.engine.nextId(), route }, net);
      return;
    }
    if (seen.has(net)) return this.trace('packets', `${route.net}: already seen`);
    seen.add(net);
    if (wants.stateOf(net) === WANT.pending) return this.trace('packets', `${route.net}: seen`);
    wants.setState(net, WANT.present);
    if (sameInKernel(this.#routeOf(net, wanted), route)) {
      wants.setError(net, undefined);
      return this.trace('packets', `${route.net}: seen`);
    }
    this.trace('packets', `${route.net}: updating`);
    this.#install(net);
  }

  #inspectAlien(route: KernelRoute, seenLearned: Set<number>): void {
    if (route.protocol === PROTOCOL_REDIRECT) {
      this.trace('packets', `${route.net}: [redirect] deleting`);
      this.#order({ kind: 'kernelRemove', seq: this.engine.nextId(), route }, -1);
      return;
    }
    this.#aliens.set(alienKey(route), route);
    const unknown = route.nexthops.find((n) => !this.engine.interfaces.byIndex(n.ifindex));
    if (route.dest === 'unicast' && unknown) {
      this.engine.log(
        'error',
        `KRT: Received route ${route.net} with unknown ifindex ${unknown.ifindex}`,
      );
      return;
    }
    if (route.protocol === PROTOCOL_KERNEL && this.config.learn !== 'all') {
      return this.trace('packets', `${route.net}: ignored`);
    }
    if (this.config.learn === 'off') {
      return this.trace('packets', `${route.net}: [alien] ignored`);
    }
    const net = this.#learn(route, 'alien');
    if (net >= 0) seenLearned.add(net);
  }

  #learn(route: KernelRoute, word: 'alien' | 'alien async'): number {
    if (route.protocol === PROTOCOL_KERNEL && this.config.learn !== 'all') return -1;
    const { table } = this.channel;
    const nexthops = [];
    for (const nexthop of route.nexthops) {
      const fact = this.engine.interfaces.byIndex(nexthop.ifindex);
      if (!fact) return -1;
      nexthops.push({ ...nexthop, interface: fact.name });
    }
    const net = table.prefixes.internText(route.net);
    if (net < 0) return -1;
    const known = this.#learned.has(net);
    if (!known) {
      table.prefixes.retain(net);
      this.#learned.add(net);
    }
    const attributes = table.attributes.intern({
      source: 'inherit',
      scope: 'universe',
      dest: route.dest,
      nexthops,
      preference: this.config.channel.preference,
      kernel: {
        source: route.protocol,
        metric: route.metric,
        ...(route.prefsrc === undefined ? {} : { prefsrc: route.prefsrc }),
        ...(route.realm === undefined ? {} : { realm: route.realm }),
        ...(route.metrics === undefined ? {} : { metrics: route.metrics }),
      },
    });
    this.trace('packets', `${route.net}: [${word}] ${known ? 'seen' : 'created'}`);
    this.channel.importRoute(net, attributes);
    table.attributes.release(attributes);
    return net;
  }

  #unlearn(route: KernelRoute): void {
    const net = this.channel.table.prefixes.findText(route.net);
    if (net < 0 || !this.#learned.delete(net)) return;
    this.trace('packets', `${route.net}: [alien async] removed`);
    this.channel.withdrawRoute(net);
    this.channel.table.prefixes.release(net);
  }

  #pruneLearned(seen: ReadonlySet<number>): void {
    this.trace('events', 'Pruning inherited routes');
    for (const net of this.#learned) {
      if (seen.has(net)) continue;
      this.#learned.delete(net);
      this.channel.withdrawRoute(net);
      this.channel.table.prefixes.release(net);
    }
  }

  #install(net: number): void {
    const wants = this.#wants;
    const state = wants.stateOf(net);
    if (state === WANT.pending) return wants.setChanged(net, true);
    const route = this.#routeOf(net, wants.attributesOf(net));
    if (this.#template !== this.#noted) {
      this.#noted = this.#template;
      this.engine.redirects.noteInstalled(route);
    }
    const seq = this.engine.nextId();
    wants.setPending(net, seq);
    // Replacing is only safe once the route is known to be ours: the kernel would replace a
    // stranger's route of the same metric just as gladly.
    this.#order({ kind: 'kernelInstall', seq, route, replace: state === WANT.present }, net);
  }

  #remove(net: number, attributes: number): void {
    const route = this.#routeOf(net, attributes);
    this.#order({ kind: 'kernelRemove', seq: this.engine.nextId(), route }, net);
  }

  #order(
    order:
      | { kind: 'kernelInstall'; seq: number; route: KernelRoute; replace: boolean }
      | { kind: 'kernelRemove'; seq: number; route: KernelRoute },
    net: number,
  ): void {
    this.#pending.set(order.seq, net);
    this.engine.order(order);
  }

  /** One sentence per route that the kernel keeps refusing: who is in the way, and the cure. */
  #explain(net: number, route: KernelRoute, error: PlatformError): void {
    if (error.code !== 'EEXIST' || this.#warned.has(net)) return;
    this.#warned.add(net);
    const alien = this.#aliens.get(alienKey(route));
    const owner = alien ? `proto ${protocolName(alien.protocol)}` : 'another program';
    this.log(
      'warning',
      `${route.net} stays out of the kernel: ${owner} has a route there with the same metric ` +
        `${route.metric}, and routes of others are never replaced. Remove that route ` +
        `(ip route show ${route.net}) or set another "metric" in protocol kernel ${this.name}`,
    );
  }

  #attributes(attributes: number): RouteAttributes {
    return this.channel.table.attributes.get(attributes);
  }

  /** Routes through the same next hops follow each other: all but the prefix is made once. */
  #routeOf(net: number, attributes: number): KernelRoute {
    const forwarding = this.channel.table.attributes.forwarding(attributes);
    if (this.#templateOf !== forwarding || !this.#template) {
      const target = { table: this.config.kernelTable, metric: this.config.metric };
      this.#template = kernelRouteFor(this.family, this.#text(net), forwarding, target);
      this.#templateOf = forwarding;
      return this.#template;
    }
    return { ...this.#template, net: this.#text(net) };
  }

  #text(net: number): string {
    return this.channel.table.prefixes.textOf(net);
  }
}

function alienKey(route: KernelRoute): string {
  return `${route.net} ${route.metric}`;
}

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  0: 'unspec',
  1: 'redirect',
  2: 'kernel',
  3: 'boot',
  4: 'static',
  9: 'ra',
  11: 'zebra',
  16: 'dhcp',
  18: 'keepalived',
  42: 'babel',
  186: 'bgp',
  188: 'ospf',
};

function protocolName(protocol: number): string {
  return PROTOCOL_NAMES[protocol] ?? String(protocol);
}
