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
import type { Fact, KernelRoute, PlatformError } from '../io.ts';
import {
  PROTOCOL_BIRD,
  PROTOCOL_REDIRECT,
  isOfNoInterest,
  kernelShapeFor,
  sameInKernel,
} from '../kernel-route.ts';
import { isUp } from '../interfaces.ts';
import type { InterfaceEvent } from '../interfaces.ts';
import { Protocol } from '../protocol.ts';
import { KernelForms, serves } from './kernel-forms.ts';
import type { KernelForm, KernelProfile } from './kernel-forms.ts';
import { KernelLearner } from './kernel-learn.ts';
import { GONE, KernelNexthops } from './kernel-nexthops.ts';
import { KernelScan } from './kernel-scan.ts';
import { KernelWants, WANT } from './kernel-wants.ts';
import type { WantState } from './kernel-wants.ts';
import { KernelWriter } from './kernel-writer.ts';
import type { KernelDone } from './kernel-writer.ts';
import type { ShutdownReason } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { KernelSyncView, ProtocolView } from '../view.ts';

/** Changes under way. */
const MAX_PENDING = 16_384;
/** More routes than this that refer to one object are removed with it, not one by one. */
const BULK_ROUTES = 1000;
/** After next hops vanished, routes that still want them are looked for this late, or later. */
const RESTORE_MS = 100;

export class KernelProtocol extends Protocol implements ExportSink {
  readonly kind = 'kernel';
  declare config: KernelConfig;
  readonly channel: Channel;
  readonly #scanTimer: Timer;
  readonly #restoreTimer: Timer;
  readonly #wants = new KernelWants();
  readonly #writer: KernelWriter;
  readonly #nexthops: KernelNexthops;
  readonly #forms: KernelForms;
  readonly #learner: KernelLearner;
  /** The form that was looked at for redirects last. */
  #noted: KernelForm | undefined;
  readonly #warned = new Set<number>();
  #scanned = false;
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
      waits: () => this.config.gracefulRestart && engine.recovery.active,
      onFed: () => {
        if (this.#rescanOnceFed) this.#scan();
      },
    });
    this.channels = [this.channel];
    this.#learner = new KernelLearner(this, this.channel);
    this.#writer = new KernelWriter(engine, this.family);
    this.#nexthops = new KernelNexthops({ engine, flush: () => this.flushChanges() });
    this.#forms = new KernelForms(this.channel.table.attributes, this.#nexthops, (forwarding) =>
      kernelShapeFor(this.family, forwarding, {
        table: this.config.kernelTable,
        metric: this.config.metric,
      }),
    );
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
        this.#scanned = true;
      },
      wanted: () => this.#wants.nets(),
      missing: (net) => this.#missing(net),
    });
    // What a former life left behind is adopted before anything of ours is written.
    if (this.#scanned) this.engine.work.add(this.#reading);
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
    if (this.#wants.refused.has(net) && this.#scanned) this.#install(net);
  }

  handleDone(fact: KernelDone): void {
    if (this.#nexthops.answered(fact)) this.#restoreSoon();
    this.#writer.answered(fact, (net, number, error) => this.#changed(net, number, error));
  }

  handleNexthops(fact: Extract<Fact, { readonly kind: 'nexthopsScanned' }>): void {
    if (this.#nexthops.scanned(fact)) this.#restoreSoon();
  }

  /** Packets to a next hop are lost: the kernel is told in one message. False: nothing to tell. */
  nexthopLost(gateway: IpAddress, ifindex: number): boolean {
    const used = this.#nexthops.lose(gateway, ifindex);
    if (used) this.#restoreSoon();
    return used;
  }

  /** The kernel deletes next hop objects on a link that is down, and says nothing. */
  linksChanged(): void {
    if (this.#nexthops.size > 0) this.#scanNexthops();
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
    if (before !== 0) this.#count(before, -1);
    if (attributes === 0) {
      if (before === 0) return;
      const state = this.#stateOf(net);
      const form = wants.formOf(net);
      wants.drop(net);
      this.#warned.delete(net);
      if (state !== WANT.absent) this.#remove(net, this.#forms.get(form)!);
      this.#forms.release(form);
      table.attributes.release(before);
      table.prefixes.release(net);
      return;
    }
    table.attributes.retain(attributes);
    wants.want(net, attributes);
    this.#count(attributes, 1);
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
    return this.#writer.pending >= MAX_PENDING;
  }

  /** Orders the changes of this turn; the engine calls it when the turn ends. */
  flushChanges(): void {
    this.#writer.flush();
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
    return this.#learner.aliens();
  }

  /** What we want there and believe to be there, for consoles. */
  *installed(): Iterable<{ readonly route: KernelRoute; readonly attributes: RouteAttributes }> {
    for (const net of this.#wants.nets()) {
      if (this.#stateOf(net) !== WANT.present) continue;
      const { shape } = this.#forms.get(this.#wants.formOf(net))!;
      const attributes = this.channel.table.attributes.get(this.#wants.attributesOf(net));
      yield { route: { ...shape, net: this.#text(net) }, attributes };
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
    if (event.kind === 'linkChanged' && fact.linkUp) this.#restoreSoon();
    if (event.kind !== 'up' || !isUp(fact)) return;
    // The kernel dropped what pointed to the interface when it went down.
    for (const net of Array.from(this.#wants.refused.keys())) {
      if (!this.#scanned || !this.#wants.has(net)) continue;
      const { nexthops } = this.#profileOf(net).plain.shape;
      if (nexthops.some((n) => n.ifindex === fact.ifindex)) this.#install(net);
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
    const { attributes, prefixes } = this.channel.table;
    for (const net of this.#wants.nets()) {
      const number = this.#wants.attributesOf(net);
      if (!keep && this.#stateOf(net) !== WANT.absent) {
        const form = this.#forms.get(this.#wants.formOf(net))!;
        if (!form.object || form.users <= BULK_ROUTES) this.#remove(net, form);
      }
      attributes.release(number);
      prefixes.release(net);
    }
    this.flushChanges();
    if (!keep) this.#nexthops.removeAll();
    this.engine.kernels.delete(this);
    return 'flush';
  }

  protected override onDown(): void {
    this.#scanTimer.clear();
    this.#restoreTimer.clear();
    this.#scanned = false;
    this.#rescanOnceFed = false;
    if (this.#reading) this.engine.work.cancel(this.#reading);
    this.#learner.clear();
    this.#wants.clear();
    this.#forms.clear();
    this.#nexthops.clear();
    this.#writer.forget();
    this.#warned.clear();
  }

  #scan(): void {
    if (!this.running) return;
    this.#rescanOnceFed = false;
    this.flushChanges();
    this.#orderedBefore = this.#writer.nextNumber;
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
      this.#writer.removeRoute(route);
    } else this.#learner.found(route);
    return -1;
  }

  #missing(net: number): void {
    if (!this.#isJudgedBy(this.#reading!, net)) return;
    if (this.flags.packets) this.trace('packets', `${this.#text(net)}: installing`);
    this.#wants.setState(net, WANT.absent);
    this.#install(net);
  }

  /** False when the net has changed since the scan was ordered. */
  #isJudgedBy(scan: KernelScan, net: number): boolean {
    const wants = this.#wants;
    return wants.stateOf(net) !== WANT.pending && wants.numberOf(net) < scan.before;
  }

  #compareOwn(route: KernelRoute, scan: KernelScan): number {
    const net = this.channel.table.prefixes.findText(route.net);
    const wants = this.#wants;
    const profile = wants.has(net) ? this.#profileOf(net) : undefined;
    const metric = profile ? profile.plain.shape.metric : this.config.metric;
    // Another metric is another daemon's or another instance's route.
    if (metric !== route.metric && metric !== 0) return -1;
    if (!profile) {
      // What a former life left behind may be announced again (RFC 4724 §4.1).
      if (!this.channel.fed || this.engine.recovery.active) {
        this.trace('packets', `${route.net}: ignored`);
        return -1;
      }
      this.trace('packets', `${route.net}: deleting`);
      this.#writer.removeRoute(route);
      return -1;
    }
    if (scan.hasSeen(net)) {
      this.trace('packets', `${route.net}: already seen`);
      return net;
    }
    const judged = this.#isJudgedBy(scan, net) && !this.#hasLostObject(net);
    if (judged) {
      this.#setForm(net, this.#formFound(profile, route));
      wants.setState(net, WANT.present);
    }
    const { shape, nexthops } = profile.plain;
    if (!judged || sameInKernel(shape, route, nexthops, scan.nexthopsOf(route))) {
      if (judged) wants.setError(net, undefined);
      if (this.flags.packets) this.trace('packets', `${route.net}: seen`);
      return net;
    }
    this.trace('packets', `${route.net}: updating`);
    this.#write('replace', net, this.#forms.formFor(profile));
    return net;
  }

  /** The form of a route that the scan found, as far as next hop objects are concerned. */
  #formFound(profile: KernelProfile, { nexthopId }: KernelRoute): KernelForm {
    const object = nexthopId === undefined ? undefined : this.#nexthops.adopt(nexthopId);
    return object ? this.#forms.formReferring(profile, object) : profile.plain;
  }

  /** Makes the kernel's route of a wanted net what it is to be, if it is not. */
  #install(net: number): void {
    const wants = this.#wants;
    if (wants.stateOf(net) === WANT.pending) return wants.setChanged(net, true);
    const state = this.#stateOf(net);
    const profile = this.#profileOf(net);
    if (state === WANT.present && serves(this.#forms.get(wants.formOf(net))!, profile)) return;
    // Replacing is only safe once the route is known to be ours: the kernel would replace a
    // stranger's route of the same metric just as gladly.
    const change = state === WANT.present ? 'replace' : 'add';
    this.#write(change, net, this.#forms.formFor(profile));
  }

  #write(change: 'add' | 'replace', net: number, form: KernelForm): void {
    if (form !== this.#noted) {
      this.#noted = form;
      this.engine.redirects.noteInstalled({ ...form.shape, net: this.#text(net) });
    }
    const { prefixes } = this.channel.table;
    this.#wants.setPending(net, this.#writer.change(change, prefixes, net, form.shape));
    this.#setForm(net, form);
  }

  #remove(net: number, form: KernelForm): void {
    this.#writer.change('remove', this.channel.table.prefixes, net, form.shape);
  }

  /** The kernel's answer to one change. */
  #changed(net: number, number: number, error: PlatformError | undefined): void {
    const wants = this.#wants;
    const wanted = wants.numberOf(net) === number;
    if (!error) {
      if (!wanted) return;
      wants.setState(net, WANT.present);
      wants.setError(net, undefined);
      if (this.#warned.size > 0) this.#warned.delete(net);
      if (wants.hasChanged(net)) this.#install(net);
      return;
    }
    // ESRCH on removal: it is gone already, which is what we wanted.
    if (error.code === 'ESRCH' && !wanted) return;
    if (wanted && this.#hasLostObject(net)) {
      wants.setState(net, WANT.absent);
      return this.#install(net);
    }
    this.engine.log('warning', `Netlink: ${error.message}`);
    if (!wanted) return;
    wants.setState(net, WANT.absent);
    wants.setError(net, error);
    this.#explain(net, error);
    if (wants.hasChanged(net)) this.#install(net);
  }

  /** One sentence per route that the kernel keeps refusing: who is in the way, and the cure. */
  #explain(net: number, error: PlatformError): void {
    if (error.code !== 'EEXIST' || this.#warned.has(net)) return;
    this.#warned.add(net);
    const route = { ...this.#profileOf(net).plain.shape, net: this.#text(net) };
    const alien = this.#learner.rivalOf(route);
    const owner = alien ? `proto ${protocolName(alien.protocol)}` : 'another program';
    this.log(
      'warning',
      `${route.net} stays out of the kernel: ${owner} has a route there with the same metric ` +
        `${route.metric}, and routes of others are never replaced. Remove that route ` +
        `(ip route show ${route.net}) or set another "metric" in protocol kernel ${this.name}`,
    );
  }

  #restoreSoon(): void {
    this.#restoreTimer.set(this.engine.nowMs + RESTORE_MS);
  }

  /** Writes again what a next hop object took along or misled, once the table has settled. */
  #restore(): void {
    if (this.channel.exporter!.pending || this.engine.work.pending) return this.#restoreSoon();
    for (const net of this.#wants.nets()) {
      const object = this.#forms.get(this.#wants.formOf(net))?.object;
      if (object && (object.nexthops !== GONE || this.#hasLink(net))) this.#install(net);
    }
  }

  /** True when packets could leave by one of the next hops wanted. */
  #hasLink(net: number): boolean {
    const { nexthops } = this.#profileOf(net).plain.shape;
    return nexthops.some(({ ifindex }) => this.engine.interfaces.byIndex(ifindex)?.linkUp);
  }

  /** The state of a net; a route is gone with its next hop object. */
  #stateOf(net: number): WantState {
    const state = this.#wants.stateOf(net);
    return state === WANT.present && this.#hasLostObject(net) ? WANT.absent : state;
  }

  #hasLostObject(net: number): boolean {
    return this.#forms.get(this.#wants.formOf(net))?.object?.nexthops === GONE;
  }

  #setForm(net: number, form: KernelForm): void {
    const before = this.#wants.formOf(net);
    // The new one first: the two may share an object.
    this.#wants.setForm(net, this.#forms.retain(form));
    this.#forms.release(before);
  }

  #count(attributes: number, change: 1 | -1): void {
    for (const use of this.#forms.profileOf(attributes).uses) use.routes += change;
  }

  /** What is wanted for a net. */
  #profileOf(net: number): KernelProfile {
    return this.#forms.profileOf(this.#wants.attributesOf(net));
  }

  #text(net: number): string {
    return this.channel.table.prefixes.textOf(net);
  }
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
