// The routing engine: facts in, orders out, time as an argument. It owns the protocols and what they
// share, dispatches facts, runs timers and slices, and applies a new configuration as the smallest
// set of changes. It does no I/O and never waits. A failure inside one protocol is caught here,
// logged as BUG, and costs a restart of that protocol only.

import type { IpAddress } from '@rookery/net';
import type { NetCursor, Policy } from '@rookery/rib';
import { BfdBroker } from './bfd-broker.ts';
import { BgpGroups } from './bgp/groups.ts';
import type { BgpTap } from './bgp/tap.ts';
import type { BgpConfig, DebugMask, LogClass, RouterConfig, TableConfig } from './config.ts';
import type { KernelProtocol } from './protocols/kernel.ts';
import type { ProtocolOutcome, TableDumpCommand } from './control.ts';
import type { ConnectionHandler, Engine } from './engine.ts';
import type { Exporter } from './exporter.ts';
import { InterfaceTable, chooseRouterId } from './interfaces.ts';
import type { ConnectionId, Fact, InterfaceFact, Order } from './io.ts';
import { MrtMessageDump } from './mrt/message-dump.ts';
import { startTableDump } from './mrt/table-dump.ts';
import { Listeners } from './listeners.ts';
import type { AcceptedFact } from './listeners.ts';
import { ProtocolSet } from './protocol-set.ts';
import { Protocol } from './protocol.ts';
import type { ShutdownReason } from './protocol.ts';
import { BgpProtocol } from './protocols/bgp.ts';
import { dumpTables } from './protocols/mrt.ts';
import { RouterDiscovery } from './radv/router-discovery.ts';
import { Recovery } from './recovery.ts';
import { RedirectWatch } from './redirects.ts';
import { RoaTable } from './roa-table.ts';
import { withRouteChanges } from './route-changes.ts';
import type { RouteChange } from './route-changes.ts';
import { RouteTable, createStores } from './route-table.ts';
import type { Stores } from './route-table.ts';
import { EngineView } from './engine-view.ts';
import { Timers } from './timers.ts';
import { traceFlags } from './trace.ts';
import type { DaemonState, RouterView } from './view.ts';
import { WorkQueue } from './work.ts';
import type { Task } from './work.ts';

export interface RouterOptions {
  readonly config: RouterConfig;
  readonly hostname: string;
  /** Uniform in [0, 1); jitter of timers and the seed of hashes come from it. */
  readonly random: () => number;
  /** The engine's time of birth; all later times are on the same clock. */
  readonly startedAtMs: number;
  /** Unix milliseconds at `startedAtMs`. */
  readonly wallClockMs: number;
  /** What `show status` of the control API calls us. */
  readonly version?: string;
  /**
   * The present on the engine's clock, for views: consoles read them between steps, and a quiet
   * router may not have stepped for a minute. Absent: the time of the last step.
   */
  readonly presentMs?: () => number;
  /** RFC 4724 §4.1: we restarted and the kernel kept forwarding (`-R`). */
  readonly recovering?: boolean;
}

/** Routes per slice between two looks at timers and received bytes. */
const SLICE = 2000;
const BUG_WINDOW_MS = 60_000;
const BUGS_BEFORE_DISABLE = 5;

export class Router implements Engine {
  readonly random: () => number;
  readonly hostname: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly wallOffsetMs: number;
  readonly timers = new Timers();
  readonly work = new WorkQueue();
  readonly interfaces = new InterfaceTable();
  readonly exporters = new Set<Exporter>();
  readonly kernels = new Set<KernelProtocol>();
  readonly followers = new Set<Task & { readonly pending: boolean }>();
  readonly connections = new Map<ConnectionId, ConnectionHandler>();
  readonly listeners: Listeners;
  readonly bfd: BfdBroker;
  readonly discovery: RouterDiscovery;
  readonly redirects: RedirectWatch;
  readonly groups: BgpGroups;
  readonly view: RouterView;
  readonly taps = new Set<BgpTap>();
  config: RouterConfig;
  nowMs: number;
  routerId: IpAddress = '0.0.0.0';
  reconfiguredAtMs: number;
  /** True when an orderly end is complete: the platform executes the last orders and exits. */
  stopped = false;
  readonly recovery: Recovery;
  readonly #stores: Stores;
  readonly #tables = new Map<string, RouteTable>();
  readonly #roaTables = new Map<string, RoaTable>();
  readonly #set: ProtocolSet;
  readonly #present: (() => number) | undefined;
  #orders: Order[] = [];
  #nextId = 1;
  readonly #recovers: boolean;
  #booted = false;
  #interfacesKnown = false;
  #stopping = false;
  /** A reconfiguration waits for protocols that come down. */
  #reconfiguring = false;
  /** An order of this turn must not wait for a slice of long work. */
  #urgent = false;
  #messageDump: MrtMessageDump | undefined;
  /** Files that could not be written, so that each is reported once. */
  readonly #failedFiles = new Set<string>();
  readonly #bugs = new Map<string, number[]>();

  constructor(options: RouterOptions) {
    this.random = options.random;
    this.hostname = options.hostname;
    this.version = options.version ?? '0.1.0';
    this.startedAtMs = options.startedAtMs;
    this.reconfiguredAtMs = options.startedAtMs;
    this.nowMs = options.startedAtMs;
    this.wallOffsetMs = options.wallClockMs - options.startedAtMs;
    this.config = options.config;
    this.#present = options.presentMs;
    this.#stores = createStores(Math.floor(options.random() * 0x7fffffff));
    const order = (o: Order): void => this.order(o);
    const log = (c: LogClass, t: string): void => this.log(c, t);
    const nextId = (): number => this.nextId();
    this.listeners = new Listeners({ order, log, nextId, nowMs: () => this.nowMs });
    this.bfd = new BfdBroker(order, this.interfaces);
    this.discovery = new RouterDiscovery(this);
    this.redirects = new RedirectWatch(this.interfaces, log);
    this.groups = new BgpGroups(this);
    this.#set = new ProtocolSet({
      engine: this,
      roaTable: (name) => this.#roaTables.get(name),
      guard: (owner, run) => this.#guard(owner, run),
    });
    this.recovery = new Recovery(options.config.gracefulRestartWaitSec, {
      timers: this.timers,
      log,
      waiting: (withRestarting) => this.#set.recoveringChannels(withRestarting),
      onProgress: () => {
        for (const protocol of this.#set.all) if (protocol.running) protocol.onRecovered();
      },
    });
    this.#recovers = options.recovering ?? false;
    this.view = new EngineView(this);
    this.#openMessageDump();
    for (const table of options.config.tables) this.#addTable(table);
    this.#boot();
  }

  // What the platform calls

  /** Takes in what happened. Never throws because of what a fact contains. */
  handle(fact: Fact, nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    this.#guard(this.#ownerOf(fact), () => this.#dispatch(fact));
    this.#settle();
  }

  /** Fires what is due. */
  tick(nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    this.timers.run(this.nowMs, (owner, fire) => this.#guard(owner, fire));
    this.#settle();
  }

  /**
   * Orders since the last call, in the order in which they are to be executed. What many peers are
   * told is packed here, so that it is sent once for all facts that came together.
   */
  takeOrders(): Order[] {
    this.#guard(undefined, () => this.groups.flush());
    const orders = this.#orders;
    this.#orders = [];
    return orders;
  }

  /** When `tick` is due, on the engine's clock. */
  nextDeadlineMs(): number | undefined {
    return this.stopped ? undefined : this.timers.nextDeadlineMs();
  }

  /** True while long work waits: call `runSlice` between other events, without delay. */
  hasWork(): boolean {
    return this.#hasPending();
  }

  /** One bounded slice of long work. */
  runSlice(nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    this.#settle();
  }

  // What an operator calls

  /**
   * Applies a configuration. `soft`: changed filters are stored, but routes are not sent through
   * them again. `in progress` when protocols have to come down first; "Reconfigured" is logged then.
   */
  configure(
    config: RouterConfig,
    mode: 'hard' | 'soft',
    nowMs: number,
  ): 'reconfigured' | 'in progress' | 'shutting down' {
    this.nowMs = Math.max(this.nowMs, nowMs);
    if (this.#stopping) return 'shutting down';
    this.log('info', 'Reconfiguring');
    this.#applyConfig(config, mode === 'soft');
    this.reconfiguredAtMs = this.nowMs;
    this.#reconfiguring = this.#set.changing;
    const done = !this.#reconfiguring;
    if (done) this.log('info', 'Reconfigured');
    this.#settle();
    return done ? 'reconfigured' : 'in progress';
  }

  /** Applies `withRouteChanges` of the configuration in force at the cost of what differs. */
  changeRoutes(changes: readonly RouteChange[], nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    if (this.#stopping) return;
    if (this.#booted) for (const change of changes) this.#set.changeRoute(change);
    else this.config = withRouteChanges(this.config, changes);
    this.#settle();
  }

  /** Orderly end: peers are told, kernel routes are removed unless they persist. */
  shutdown(nowMs: number): void {
    this.#stop({ kind: 'daemonStopping' }, 'Shutting down', nowMs);
  }

  /** End for a successor: sessions close without a word, routes stay in the kernel. */
  gracefulRestart(nowMs: number): void {
    this.#stop({ kind: 'gracefulRestart' }, 'Shutting down for graceful restart', nowMs);
  }

  enable(names: readonly string[], message: string | undefined, nowMs: number): ProtocolOutcome[] {
    return this.#command(names, nowMs, (protocol) => {
      if (!protocol.disabled && protocol.state !== 'down') return 'already';
      protocol.message = message;
      protocol.disabled = false;
      this.log('info', `Enabling protocol ${protocol.name}`);
      if (protocol.state === 'down') this.#set.start(protocol);
      return 'done';
    });
  }

  disable(names: readonly string[], message: string | undefined, nowMs: number): ProtocolOutcome[] {
    return this.#command(names, nowMs, (protocol) => {
      if (protocol.disabled) return 'already';
      protocol.message = message;
      protocol.disabled = true;
      this.log('info', `Disabling protocol ${protocol.name}`);
      const reason: ShutdownReason =
        message === undefined ? { kind: 'disabled' } : { kind: 'disabled', message };
      protocol.shutdown(reason, () => this.#set.forgetIfDynamic(protocol));
      return 'done';
    });
  }

  restart(names: readonly string[], message: string | undefined, nowMs: number): ProtocolOutcome[] {
    return this.#command(names, nowMs, (protocol) => {
      if (protocol.disabled) return 'already';
      protocol.message = message;
      this.log('info', `Restarting protocol ${protocol.name}`);
      const reason: ShutdownReason =
        message === undefined ? { kind: 'restarted' } : { kind: 'restarted', message };
      protocol.shutdown(reason, () => this.#set.restartOrForget(protocol));
      return 'done';
    });
  }

  reload(
    names: readonly string[],
    direction: 'in' | 'out' | 'both',
    nowMs: number,
  ): ProtocolOutcome[] {
    return this.#command(names, nowMs, (protocol) => {
      if (protocol.state !== 'up') return 'not up';
      this.log('info', `Reloading protocol ${protocol.name}`);
      return protocol.reload(direction) ? 'done' : 'reload failed';
    });
  }

  /** Closes BGP sessions with Cease/Administrative Reset; they reconnect by themselves. */
  clear(names: readonly string[], nowMs: number): ProtocolOutcome[] {
    return this.#command(names, nowMs, (protocol) => {
      if (protocol.kind !== 'bgp' || protocol.state === 'down') return 'not up';
      protocol.shutdown({ kind: 'restarted' }, () => this.#set.restartOrForget(protocol));
      return 'done';
    });
  }

  /** `mrt dump`: tables to a file, in slices; false when nothing matches. */
  dumpTables(request: TableDumpCommand, nowMs: number): boolean {
    this.nowMs = Math.max(this.nowMs, nowMs);
    const { pattern, filename, policy } = request;
    const tables = dumpTables(this, pattern);
    if (tables.length === 0) return false;
    startTableDump(this, {
      owner: undefined,
      tables,
      filename,
      ...(policy === undefined ? {} : { policy }),
      alwaysAddPath: false,
      routerId: this.routerId,
      done: (outcome) => this.log('info', `MRT table dump to ${filename} ${outcome}`),
    });
    this.#settle();
    return true;
  }

  /** `undefined` names: every protocol. Lasts until the next configuration. */
  setDebug(names: readonly string[] | undefined, mask: DebugMask): void {
    for (const protocol of this.#set.all) {
      if (!names || names.includes(protocol.name)) protocol.setDebug(traceFlags(mask));
    }
  }

  // What protocols and views use

  get state(): DaemonState {
    if (this.#stopping) return 'shutting down';
    return this.#reconfiguring ? 'reconfiguring' : 'running';
  }

  /** See `RouterOptions.presentMs`. */
  get presentMs(): number {
    return Math.max(this.nowMs, this.#present?.() ?? this.nowMs);
  }

  /** In order of the configuration, dynamic ones behind the one that made them. */
  get protocols(): readonly Protocol[] {
    return this.#set.all;
  }

  bgpProtocols(): readonly BgpProtocol[] {
    return this.#set.all.filter((p): p is BgpProtocol => p instanceof BgpProtocol);
  }

  get tables(): readonly RouteTable[] {
    return [...this.#tables.values()];
  }

  get roaTables(): readonly RoaTable[] {
    return [...this.#roaTables.values()];
  }

  get stores(): Stores {
    return this.#stores;
  }

  order(order: Order): void {
    this.#orders.push(order);
  }

  log(logClass: LogClass, text: string): void {
    this.#orders.push({ kind: 'log', class: logClass, text });
  }

  table(name: string): RouteTable {
    const table = this.#tables.get(name);
    if (!table) throw new Error(`no table ${name}`);
    return table;
  }

  roaTable(name: string): RoaTable | undefined {
    return this.#roaTables.get(name);
  }

  roaCheck(table: string, net: NetCursor, asn: number): 'unknown' | 'valid' | 'invalid' {
    return this.#roaTables.get(table)?.check(net, asn) ?? 'unknown';
  }

  roaChanged(_table: string): void {
    const asks = (policy: Policy): boolean =>
      policy.kind === 'filter' && policy.text.includes('roa_check');
    for (const protocol of this.#set.all) {
      if (protocol.state !== 'up') continue;
      for (const channel of protocol.channels) {
        const { rpkiReload, importPolicy, exportPolicy } = channel.config;
        if (!rpkiReload) continue;
        if (asks(importPolicy)) protocol.reimport(channel);
        if (asks(exportPolicy)) protocol.reexport(channel);
      }
    }
  }

  nextId(): number {
    return this.#nextId++;
  }

  /** True when nothing will be known about interfaces that is not known now. */
  get interfacesSettled(): boolean {
    return this.#interfacesKnown || !this.#set.deviceRuns;
  }

  limitReached(
    protocol: Protocol,
    which: 'receive' | 'import' | 'export',
    action: 'restart' | 'disable',
  ): void {
    if (!protocol.running) return;
    const disable = action === 'disable';
    const timer = this.timers.create(protocol, () => {
      if (!protocol.running) return;
      if (disable) protocol.disabled = true;
      protocol.shutdown({ kind: 'limit', limit: which, disable }, () => {
        if (!disable) this.#set.restartOrForget(protocol);
      });
    });
    // Not from within the import of the route that was one too many.
    timer.set(this.nowMs);
  }

  /** Gives a connection to the dynamic instance for its neighbor, old or new. */
  spawnBgp(parent: Protocol, configure: () => BgpConfig, accepted: AcceptedFact): void {
    if (!this.#stopping) this.#set.spawnBgp(parent, configure, accepted);
  }

  nexthopLost(gateway: IpAddress, ifindex: number): void {
    for (const kernel of this.kernels) {
      if (kernel.nexthopLost(gateway, ifindex)) this.#urgent = true;
    }
  }

  /** A dynamic instance came down for good. */
  forget(protocol: Protocol): void {
    this.#set.forget(protocol);
  }

  // Inside

  #boot(): void {
    const { config } = this;
    if (config.routerId !== undefined) this.routerId = config.routerId;
    else {
      // The id is chosen from the interfaces, whether or not a device protocol will use them.
      this.order({ kind: 'scanInterfaces' });
      return;
    }
    this.#startProtocols();
  }

  #startProtocols(): void {
    this.#booted = true;
    if (this.#recovers) this.recovery.start(this.nowMs);
    this.#set.startAll(this.config.protocols);
    this.log('info', 'Started');
    if (!this.#set.deviceRuns) this.#explainMissingDevice();
    this.#settle();
  }

  #explainMissingDevice(): void {
    this.log(
      'warning',
      'There is no "protocol device" in the configuration: no interface is known, so no BGP ' +
        'neighbor can be reached, nothing listens for connections, and kernel routes are reported ' +
        'with an unknown ifindex. Add "protocol device { }"',
    );
  }

  #openMessageDump(): void {
    if (this.#messageDump) this.taps.delete(this.#messageDump);
    this.#messageDump = undefined;
    const { mrtDumpFile } = this.config;
    if (mrtDumpFile === undefined) return;
    this.#messageDump = new MrtMessageDump(mrtDumpFile, {
      order: (order) => this.order(order),
      wallMs: () => this.nowMs + this.wallOffsetMs,
    });
    this.taps.add(this.#messageDump);
  }

  #addTable({ name, netType }: TableConfig): void {
    if (netType === 'roa4' || netType === 'roa6') {
      if (!this.#roaTables.has(name)) this.#roaTables.set(name, new RoaTable(name, netType));
    } else if (!this.#tables.has(name)) {
      this.#tables.set(name, new RouteTable(name, netType, this.#stores));
    }
  }

  #dispatch(fact: Fact): void {
    switch (fact.kind) {
      case 'tcpConnected':
      case 'tcpConnectFailed':
      case 'tcpReceived':
      case 'tcpDrained':
      case 'tcpClosed':
        this.connections.get(fact.connection)?.handleConnection(fact);
        return;
      case 'tcpAccepted':
        this.listeners.accepted(fact);
        return;
      case 'tcpListening':
        return;
      case 'tcpListenFailed':
        this.log('error', `BGP: Cannot open listening socket: ${fact.error.message}`);
        this.listeners.failed(fact.listener, fact.error.message);
        return;
      case 'fileFailed':
        if (this.#failedFiles.has(fact.path)) return;
        this.#failedFiles.add(fact.path);
        this.log('error', `Cannot write ${fact.path}: ${fact.error.message}`);
        return;
      case 'interfacesScanned':
        this.#interfacesScanned(fact.interfaces);
        if (fact.because === 'scan') return;
        for (const kernel of this.kernels) kernel.linksChanged();
        return;
      case 'kernelScanned':
        for (const kernel of this.kernels) kernel.handleScan(fact);
        return;
      case 'kernelScanFailed':
        for (const kernel of this.kernels) kernel.handleScanFailed(fact);
        return;
      case 'kernelRouteChanged':
        for (const kernel of this.kernels) kernel.handleChange(fact);
        return;
      case 'kernelOverrun':
        this.log('warning', 'Kernel dropped some netlink messages, will resync on next scan.');
        for (const kernel of this.kernels) kernel.rescan();
        if (this.#set.deviceRuns) this.order({ kind: 'scanInterfaces' });
        return;
      case 'kernelDone':
        for (const kernel of this.kernels) kernel.handleDone(fact);
        return;
      case 'nexthopsScanned':
        for (const kernel of this.kernels) kernel.handleNexthops(fact);
        return;
      case 'discoveryReceived':
      case 'discoveryFailed':
        this.discovery.handle(fact);
        return;
      case 'bfdChanged':
        this.bfd.changed(fact, this.nowMs);
        return;
    }
  }

  #applyConfig(config: RouterConfig, soft: boolean): void {
    const before = this.config;
    this.config = config;
    if (before.mrtDumpFile !== config.mrtDumpFile) this.#openMessageDump();
    for (const table of config.tables) this.#addTable(table);
    if (!this.#booted) return;
    const idChanged = config.routerId !== undefined && config.routerId !== this.routerId;
    if (config.routerId !== undefined) this.routerId = config.routerId;
    const hadDevice = this.#set.deviceRuns;
    this.#set.applyConfig(config, soft, idChanged);
    if (!hadDevice && this.#set.deviceRuns) this.#interfacesKnown = false;
    if (this.#set.deviceRuns) return;
    this.#interfacesKnown = false;
    this.#replaceInterfaces([]);
    if (before.protocols.some((c) => c.kind === 'device')) this.#explainMissingDevice();
  }

  #interfacesScanned(interfaces: readonly InterfaceFact[]): void {
    if (!this.#booted) {
      const chosen = chooseRouterId(interfaces, this.config.routerIdFrom);
      if (!chosen) {
        this.log('fatal', 'Cannot determine router ID, please configure it manually');
        this.stopped = true;
        return;
      }
      this.log('info', `Chosen router ID ${chosen.id} according to interface ${chosen.interface}`);
      this.routerId = chosen.id;
      this.#startProtocols();
      return;
    }
    if (!this.#set.deviceRuns) return;
    this.#replaceInterfaces(interfaces);
    this.#interfacesKnown = true;
  }

  #replaceInterfaces(interfaces: readonly InterfaceFact[]): void {
    const events = this.interfaces.replace(interfaces, this.nowMs);
    this.discovery.interfacesChanged();
    if (events.length === 0) return;
    for (const protocol of this.#set.all.slice()) {
      if (!protocol.running) continue;
      this.#guard(protocol, () => {
        for (const event of events) protocol.onInterface(event);
        protocol.onInterfacesSettled();
      });
    }
  }

  #stop(reason: ShutdownReason, text: string, nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    if (this.#stopping) return;
    this.#stopping = true;
    this.log('info', text);
    let waiting = 1;
    const down = (): void => {
      if (--waiting > 0) return;
      this.log('fatal', 'Shutdown completed');
      this.stopped = true;
    };
    for (const protocol of this.#set.all.slice()) {
      waiting++;
      protocol.disabled = true;
      this.#guard(protocol, () => protocol.shutdown(reason, down));
    }
    down();
    this.#settle();
  }

  #command(
    names: readonly string[],
    nowMs: number,
    run: (protocol: Protocol) => ProtocolOutcome['outcome'],
  ): ProtocolOutcome[] {
    this.nowMs = Math.max(this.nowMs, nowMs);
    const outcomes: ProtocolOutcome[] = [];
    for (const protocol of this.#set.all.slice()) {
      if (!names.includes(protocol.name)) continue;
      let outcome: ProtocolOutcome['outcome'] = 'not up';
      this.#guard(protocol, () => {
        outcome = run(protocol);
      });
      outcomes.push({ protocol: protocol.name, outcome });
    }
    this.#settle();
    return outcomes;
  }

  #ownerOf(fact: Fact): Protocol | undefined {
    return 'connection' in fact ? this.connections.get(fact.connection)?.owner : undefined;
  }

  #hasPending(): boolean {
    if (this.work.pending || this.groups.pending) return true;
    for (const exporter of this.exporters) if (exporter.pending) return true;
    for (const follower of this.followers) if (follower.pending) return true;
    for (const table of this.#tables.values()) if (table.hasPendingNexthops) return true;
    return false;
  }

  /** What follows from the last step, up to one slice; the rest is left for `runSlice`. */
  #settle(): void {
    if (this.interfacesSettled) this.#set.beginStarted();
    const guard = (owner: { readonly name: string } | undefined, run: () => void): void =>
      this.#guard(owner, run);
    for (let left = this.#urgent ? 0 : SLICE, rounds = 0; left > 0 && rounds < 16; rounds++) {
      for (const table of this.#tables.values()) {
        if (table.hasPendingNexthops) guard(undefined, () => void table.settleNexthops(SLICE));
      }
      for (const exporter of this.exporters) if (exporter.pending) this.work.add(exporter);
      for (const follower of this.followers) if (follower.pending) this.work.add(follower);
      if (!this.work.pending) break;
      left -= this.work.runSlice(left, guard);
    }
    this.#urgent = false;
    for (const kernel of this.kernels) kernel.flushChanges();
    this.recovery.check();
    if (!this.#reconfiguring || this.#set.changing) return;
    this.#reconfiguring = false;
    this.log('info', 'Reconfigured');
    if (this.interfacesSettled) this.#set.beginStarted();
  }

  #guard(owner: { readonly name: string } | undefined, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#bug(owner, error);
    }
  }

  /** An invariant of ours is broken: the instance restarts, the daemon lives. */
  #bug(owner: { readonly name: string } | undefined, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.log('bug', `${owner ? `${owner.name}: ` : ''}${text.replaceAll('\n', ' | ')}`);
    const victims = this.groups.membersOf(owner) ?? (owner instanceof Protocol ? [owner] : []);
    for (const protocol of victims) {
      const recent = (this.#bugs.get(protocol.name) ?? []).filter(
        (at) => at > this.nowMs - BUG_WINDOW_MS,
      );
      recent.push(this.nowMs);
      this.#bugs.set(protocol.name, recent);
      const giveUp = recent.length >= BUGS_BEFORE_DISABLE;
      if (giveUp) {
        protocol.disabled = true;
        this.log('error', `${protocol.name}: failed ${recent.length} times in a minute, disabled`);
      }
      try {
        protocol.shutdown({ kind: 'bug' }, () => {
          if (this.#stopping || giveUp || this.#set.forgetIfDynamic(protocol)) return;
          this.#set.recreate(protocol);
        });
      } catch (second) {
        this.log('bug', `${protocol.name}: does not come down: ${String(second)}`);
      }
    }
  }
}
