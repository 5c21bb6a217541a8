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
import type { ShutdownReason } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { KernelSyncView, ProtocolView } from '../view.ts';

interface Wanted {
  attributes: number;
  /** `pending`: an order is under way, and only its outcome tells whether the route is ours. */
  state: 'absent' | 'pending' | 'present';
  /** Sequence number of the last order. */
  seq: number;
  /** The route changed while the order was under way. */
  changed: boolean;
  error: PlatformError | undefined;
}

export class KernelProtocol extends Protocol implements ExportSink {
  readonly kind = 'kernel';
  declare config: KernelConfig;
  readonly channel: Channel;
  readonly #scanTimer: Timer;
  readonly #wanted = new Map<number, Wanted>();
  readonly #pending = new Map<number, { readonly net: number; readonly route: KernelRoute }>();
  /** Routes of other programs by network and metric, from the last scan and later events. */
  readonly #aliens = new Map<string, KernelRoute>();
  readonly #learned = new Set<number>();
  readonly #warned = new Set<number>();
  /** Nets that the kernel refused last time. */
  readonly #failed = new Set<number>();
  #scanned = false;
  #lastScanMs: number | undefined;

  constructor(engine: Engine, config: KernelConfig) {
    super(engine, config);
    this.#scanTimer = engine.timers.create(this, () => this.#scan());
    this.channel = new Channel(this, config.channel, {
      sink: this,
      merge: config.mergePaths,
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
    for (const [net, wanted] of this.#wanted) {
      if (seen.has(net)) continue;
      if (wanted.state === 'pending') continue;
      if (this.flags.packets) this.trace('packets', `${this.#text(net)}: installing`);
      wanted.state = 'absent';
      this.#install(net, wanted);
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
      const wanted = this.#wanted.get(net);
      // The place is free: what the kernel refused because of this route can go in now.
      if (wanted?.error && this.#scanned) this.#install(net, wanted);
      return;
    }
    this.#aliens.set(key, route);
    if (this.config.learn !== 'off') this.#learn(route, 'alien async');
  }

  handleDone(results: Extract<Fact, { readonly kind: 'kernelDone' }>['results']): void {
    for (const { seq, error } of results) {
      const pending = this.#pending.get(seq);
      if (!pending) continue;
      this.#pending.delete(seq);
      const { net, route } = pending;
      const found = this.#wanted.get(net);
      const wanted = found?.seq === seq ? found : undefined;
      if (error) {
        // ESRCH on removal: it is gone already, which is what we wanted.
        if (error.code === 'ESRCH' && !wanted) continue;
        this.engine.log('warning', `Netlink: ${error.message}`);
      }
      if (!wanted) continue;
      wanted.state = error ? 'absent' : 'present';
      this.#setError(net, wanted, error);
      if (error) this.#explain(net, route, error);
      else this.#warned.delete(net);
      if (wanted.changed) this.#install(net, wanted);
    }
  }

  /** A dump is needed soon: notifications were lost. */
  rescan(): void {
    this.#scan();
  }

  exportRoute(net: number, attributes: number): void {
    const wanted = this.#wanted.get(net);
    if (attributes === 0) {
      if (!wanted) return;
      this.#wanted.delete(net);
      this.#warned.delete(net);
      this.#failed.delete(net);
      if (wanted.state !== 'absent') this.#remove(net, wanted.attributes);
      this.channel.table.attributes.release(wanted.attributes);
      this.channel.table.prefixes.release(net);
      return;
    }
    const { table } = this.channel;
    table.attributes.retain(attributes);
    if (wanted) {
      table.attributes.release(wanted.attributes);
      wanted.attributes = attributes;
      if (this.#scanned) this.#install(net, wanted);
      return;
    }
    const created: Wanted = {
      attributes,
      state: 'absent',
      seq: 0,
      changed: false,
      error: undefined,
    };
    table.prefixes.retain(net);
    this.#wanted.set(net, created);
    // Before the first scan nobody knows what is there; the scan installs what is missing.
    if (this.#scanned) this.#install(net, created);
  }

  exportedAttributes(net: number): number {
    return this.#wanted.get(net)?.attributes ?? 0;
  }

  /** True when the kernel refused the route last time. */
  hasSyncError(net: number): boolean {
    return this.#failed.has(net);
  }

  view(): ProtocolView {
    const failed: { net: string; message: string }[] = [];
    for (const net of this.#failed) {
      failed.push({ net: this.#text(net), message: this.#wanted.get(net)?.error?.message ?? '' });
    }
    const kernel: KernelSyncView = {
      kernelTable: this.config.kernelTable,
      wanted: this.#wanted.size,
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
    for (const [net, wanted] of this.#wanted) {
      if (wanted.state !== 'present') continue;
      const attributes = this.channel.table.attributes.get(wanted.attributes);
      yield { route: this.#routeOf(net, wanted.attributes), attributes };
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
    for (const net of this.#failed) {
      const wanted = this.#wanted.get(net);
      if (!wanted || !this.#scanned) continue;
      const { nexthops } = this.channel.table.attributes.get(wanted.attributes);
      if (nexthops.some((n) => n.ifindex === fact.ifindex)) this.#install(net, wanted);
    }
  }

  protected onStart(): 'up' {
    this.channel.open();
    return 'up';
  }

  protected override onShutdown(reason: ShutdownReason): 'flush' {
    const keep = this.config.persist || reason.kind === 'gracefulRestart';
    if (!keep) this.trace('events', 'Flushing kernel routes');
    for (const [net, wanted] of this.#wanted) {
      if (!keep && wanted.state !== 'absent') this.#remove(net, wanted.attributes);
      this.channel.table.attributes.release(wanted.attributes);
      this.channel.table.prefixes.release(net);
    }
    this.#wanted.clear();
    this.#failed.clear();
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
    const wanted = net < 0 ? undefined : this.#wanted.get(net);
    const metric = wanted
      ? metricOf(this.family, this.#attributes(wanted.attributes), this.config.metric)
      : this.config.metric;
    // Another metric is another daemon's or another instance's route.
    if (metric !== route.metric && metric !== 0) return;
    if (!wanted) {
      // What a former life left behind may be announced again (RFC 4724 §4.1).
      if (!this.channel.fed || this.engine.recovery.active)
        return this.trace('packets', `${route.net}: ignored`);
      this.trace('packets', `${route.net}: deleting`);
      this.#order({ kind: 'kernelRemove', seq: this.engine.nextId(), route }, net);
      return;
    }
    if (seen.has(net)) return this.trace('packets', `${route.net}: already seen`);
    seen.add(net);
    if (wanted.state === 'pending') return this.trace('packets', `${route.net}: seen`);
    wanted.state = 'present';
    if (sameInKernel(this.#routeOf(net, wanted.attributes), route)) {
      this.#setError(net, wanted, undefined);
      return this.trace('packets', `${route.net}: seen`);
    }
    this.trace('packets', `${route.net}: updating`);
    this.#install(net, wanted);
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

  #install(net: number, wanted: Wanted): void {
    wanted.changed = wanted.state === 'pending';
    if (wanted.changed) return;
    const route = this.#routeOf(net, wanted.attributes);
    // Replacing is only safe once the route is known to be ours: the kernel would replace a
    // stranger's route of the same metric just as gladly.
    const replace = wanted.state === 'present';
    wanted.seq = this.engine.nextId();
    wanted.state = 'pending';
    this.engine.redirects.noteInstalled(route);
    this.#order({ kind: 'kernelInstall', seq: wanted.seq, route, replace }, net);
  }

  #setError(net: number, wanted: Wanted, error: PlatformError | undefined): void {
    wanted.error = error;
    if (error) this.#failed.add(net);
    else this.#failed.delete(net);
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
    this.#pending.set(order.seq, { net, route: order.route });
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

  #routeOf(net: number, attributes: number): KernelRoute {
    return kernelRouteFor(this.family, this.#text(net), this.#attributes(attributes), {
      table: this.config.kernelTable,
      metric: this.config.metric,
    });
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
