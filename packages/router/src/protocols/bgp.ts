// protocol bgp: one neighbor. Runs the session machine of packages/bgp, owns its connections, finds
// out whether the neighbor is on a link of ours, listens, and asks for BFD. What a session does to
// routes is in bgp/session-routes.ts.

import {
  HEADER_LENGTH,
  MESSAGE,
  birdSessionState,
  countSent,
  createPeer,
  encodeRouteRefresh,
  isRefresh,
  REFRESH_NAMES,
  negotiatedOf,
  hearUpdate,
  peerDeadline,
  reconfigurePeer,
  stepPeer,
} from '@rookery/bgp';
import type {
  RefreshKind,
  ConnectionRole,
  Negotiated,
  PeerState,
  SessionAction,
  SessionEvent,
  SessionIdentity,
} from '@rookery/bgp';
import { copyBytes, familyOf, networkOf, prefixContains } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import { samePolicy } from '@rookery/rib';
import type { BfdClient } from '../bfd-broker.ts';
import { bgpChannelView, bgpView } from '../bgp/bgp-view.ts';
import {
  bfdNeedFor,
  derivedConfig,
  dialTargetFor,
  linkOf,
  listenNeedFor,
  localAddressOf,
  presenceOf,
  segmentOptionsFor,
  tcpKeyFor,
} from '../bgp/neighbor.ts';
import {
  sameBgpConfig,
  sameChannelSession,
  sameExportOptions,
  sameChannelExport,
} from '../bgp/same-config.ts';
import { endpointsOf, fellSilent, stopReasonFor } from '../bgp/session-facts.ts';
import { HERE_WE_ARE, locatedConfig } from '../bgp/unnumbered.ts';
import { SessionRoutes } from '../bgp/session-routes.ts';
import type { BgpFamily } from '../bgp/session-routes.ts';
import { Wires } from '../bgp/wires.ts';
import type { Wire } from '../bgp/wires.ts';
import type { Channel } from '../channel.ts';
import type { BgpChannelConfig, BgpConfig, ProtocolConfig } from '../config.ts';
import type { ConnectionFact, ConnectionHandler, Engine } from '../engine.ts';
import type { BfdState } from '../io.ts';
import { reloadFrom } from '../import-table.ts';
import type { AcceptedFact, ListenClient } from '../listeners.ts';
import { Protocol } from '../protocol.ts';
import type { ShutdownReason } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

/** Octets that may wait in the platform before a session gets no more UPDATEs. */
const SEND_LIMIT = 1024 * 1024;
/** What has waited so long for the kernel waits for the neighbor. */
const QUEUE_IS_OLD_MS = 1000;

export class BgpProtocol extends Protocol implements ListenClient, BfdClient, ConnectionHandler {
  readonly kind = 'bgp';
  declare config: BgpConfig;
  readonly parent: BgpProtocol | undefined;
  readonly owner = this;
  readonly routes: SessionRoutes;
  peer: PeerState;
  lastNegotiated: Negotiated | undefined;
  lastMss: number | undefined;
  /** The last OPEN in each direction. */
  readonly opens: { sent?: Uint8Array; received?: Uint8Array } = {};
  readonly createdMs: number;
  #begun = false;
  readonly #wires: Wires;
  #knocking: AcceptedFact | undefined;
  readonly #timer: Timer;
  #dynamicCount = 0;
  #listening = false;
  #vanishing = false;

  constructor(engine: Engine, config: BgpConfig, parent?: BgpProtocol) {
    super(engine, config);
    this.parent = parent;
    this.#wires = new Wires(engine, this);
    this.createdMs = engine.nowMs;
    this.#timer = engine.timers.create(this, () => this.#step({ kind: 'timerExpired' }));
    this.routes = new SessionRoutes(this, config.channels);
    this.channels = this.routes.families.map((f) => f.channel);
    this.peer = createPeer(config, this.#identity(), engine.nowMs);
  }

  get key(): ListenClient['key'] {
    const { neighborAddress, neighborRange } = this.config;
    const key = tcpKeyFor(this.config);
    if (!key) return undefined;
    const peer =
      neighborRange ??
      networkOf(neighborAddress!, familyOf(neighborAddress!) === 'ipv4' ? 32 : 128);
    return { peer, key };
  }

  get families(): readonly BgpFamily[] {
    return this.routes.families;
  }

  /** True when this instance only makes others, one per neighbor that calls. */
  get isRange(): boolean {
    return this.config.neighborRange !== undefined && this.config.neighborAddress === undefined;
  }

  /** The connection of the session, or of the attempt that is furthest. */
  get wire(): Wire | undefined {
    return this.#wires.of(this.peer.established) ?? this.#wires.foremost;
  }

  get sessionWord(): ReturnType<typeof birdSessionState> {
    return birdSessionState(this.peer);
  }

  /** The router id that this instance uses. */
  get localId(): IpAddress {
    return this.config.routerId ?? this.engine.routerId;
  }

  /** What a new configuration of the range means for this instance. */
  derivedFrom(range: BgpConfig): BgpConfig {
    const { neighborAddress = '', interface: link } = this.config;
    return derivedConfig(range, this.name, neighborAddress, link);
  }

  /** The interfaces are known: look for the neighbor. Called once per start. */
  begin(): void {
    if (this.#begun || !this.running) return;
    this.#begun = true;
    if (this.isRange) {
      this.#updateListening(true);
      return;
    }
    this.#seek();
    const presence = presenceOf(this.config, this.engine.interfaces);
    // The link may have come or gone while the instance was down.
    if (presence !== 'present') this.#step({ kind: 'neighborLost', because: presence });
    else if (this.peer.absent) this.#step({ kind: 'neighborFound' });
    this.peer = reconfigurePeer(this.peer, this.config, this.#identity());
    this.#updateListening(presence === 'present');
    this.#step({ kind: 'start' });
    this.#requestBfd();
  }

  reconfigure(change: ProtocolConfig, soft: boolean): boolean {
    if (change.kind !== 'bgp') return false;
    const next = locatedConfig(change, this.config.neighborAddress);
    if (!sameBgpConfig(this.config, next)) return false;
    if (next.channels.length !== this.families.length) return false;
    for (const [i, { channel }] of this.families.entries()) {
      if (!sameChannelSession(channel.config as BgpChannelConfig, next.channels[i]!)) return false;
    }
    const rulesChanged = !sameExportOptions(this.config, next);
    this.config = next;
    this.flags = traceFlags(next.debug);
    for (const [i, family] of this.families.entries()) {
      const before = family.channel.config as BgpChannelConfig;
      const after = next.channels[i]!;
      const policyChanged = !samePolicy(before.exportPolicy, after.exportPolicy);
      if (!family.channel.reconfigure(after, soft, next.debug)) return false;
      if (soft && policyChanged) continue;
      if (policyChanged || rulesChanged || !sameChannelExport(before, after)) {
        this.routes.exportChanged(family);
      }
      family.membership?.group.retrace();
    }
    this.peer = reconfigurePeer(this.peer, next, this.#identity());
    if (this.#begun && !this.isRange) this.#requestBfd();
    return true;
  }

  view(): ProtocolView {
    const common = this.commonView();
    const negotiated = negotiatedOf(this.peer);
    const channels = this.families.map((family, i) =>
      bgpChannelView(
        family,
        common.channels[i]!,
        negotiated,
        this.routes.owedToRecovery(family) !== 'nothing',
      ),
    );
    return { ...common, channels, bgp: bgpView(this) };
  }

  override onInterfacesSettled(): void {
    if (!this.#begun || this.isRange) {
      if (this.isRange && this.#begun) this.#updateListening(true);
      return;
    }
    this.routes.forgetVerdicts();
    const presence = presenceOf(this.config, this.engine.interfaces);
    this.#updateListening(presence === 'present');
    this.peer = reconfigurePeer(this.peer, this.config, this.#identity());
    if (presence === 'present') {
      if (this.peer.absent) this.#step({ kind: 'neighborFound' });
    } else if (this.peer.absent !== presence) {
      this.#step({ kind: 'neighborLost', because: presence });
    }
    this.#requestBfd();
  }

  override onRecovered(): void {
    this.peer = reconfigurePeer(this.peer, this.config, this.#identity());
  }

  /** Every route of a channel again: from its import table, or by route refresh. */
  override reimport(channel: Channel): boolean {
    const negotiated = negotiatedOf(this.peer);
    const family = this.families.find((f) => f.channel === channel);
    if (!negotiated || !family?.negotiated) return true;
    this.routes.forgetVerdicts();
    if (channel.importTable) {
      reloadFrom(channel.importTable, channel);
      return true;
    }
    if (!negotiated.routeRefresh) return false;
    this.trace('packets', `Sending ${REFRESH_NAMES.request}`);
    // Without demarcation nobody tells which old routes the peer left out; those stay, as in BIRD.
    this.#send(this.peer.established!, encodeRouteRefresh(family.family, 'request'));
    countSent(this.peer, 'routeRefresh', 1, this.engine.nowMs);
    return true;
  }

  override reexport(channel: Channel): void {
    const group = this.families.find((f) => f.channel === channel)?.membership?.group;
    if (!group) return;
    group.exporter.refeed();
    this.engine.work.add(group.exporter);
  }

  override reload(direction: 'in' | 'out' | 'both'): boolean {
    if (direction !== 'in') {
      for (const family of this.families) {
        const { membership } = family;
        if (membership) membership.group.refresh(membership, false);
        // A soft reconfiguration has left the former export policy in force until now.
        this.routes.exportChanged(family);
      }
    }
    return direction === 'out' || this.channels.every((channel) => this.reimport(channel));
  }

  // ListenClient

  accepts(fact: AcceptedFact): number {
    if (!this.running || !this.#begun) return 0;
    const { neighborAddress, neighborRange, localAddress, interface: link } = this.config;
    if (localAddress !== undefined && fact.local !== localAddress) return 0;
    // Known for link-local addresses, which other links may have as well.
    const scope = fact.interface;
    if (scope !== undefined && link !== undefined && scope !== link) return 0;
    if (neighborAddress !== undefined) return neighborAddress === fact.remote ? 2 : 0;
    return neighborRange !== undefined && prefixContains(neighborRange, fact.remote) ? 1 : 0;
  }

  accepted(fact: AcceptedFact): void {
    if (this.isRange) return this.#spawn(fact);
    this.#knocking = fact;
    this.engine.connections.set(fact.connection, this);
    this.lastMss = fact.mss ?? this.lastMss;
    this.#step({ kind: 'tcpAccepted', ...endpointsOf(fact) });
    this.#knocking = undefined;
  }

  listenFailed(_message: string): void {
    this.#listening = false;
    this.log('error', 'Cannot open listening socket');
  }

  // BfdClient

  bfdChanged(state: BfdState, before: BfdState | undefined): void {
    if (state === 'Up') this.#step({ kind: 'bfdUp' });
    // RFC 5882 §3.2: a neighbor that takes its BFD session down by hand has not failed.
    else if (before === 'Up' && state !== 'AdminDown') this.#step({ kind: 'bfdDown' });
  }

  // ConnectionHandler

  handleConnection(fact: ConnectionFact): void {
    const role = this.#wires.roleOf(fact.connection);
    if (!role) return;
    switch (fact.kind) {
      case 'tcpConnected':
        this.lastMss = fact.mss ?? this.lastMss;
        this.#step({ kind: 'tcpConnected', ...endpointsOf(fact) });
        return;
      case 'tcpConnectFailed':
        this.#wires.drop(role);
        this.#step({
          kind: 'tcpConnectFailed',
          error: fact.error,
          refusedHere: fact.refusedHere === true,
        });
        return;
      case 'tcpReceived':
        this.#received(role, fact.bytes);
        return;
      case 'tcpDrained': {
        const wire = this.#wires.of(role)!;
        wire.queuedBytes = 0;
        if (!wire.isBlocked) return;
        wire.isBlocked = false;
        this.#step({ kind: 'sendQueueChanged', connection: role, waiting: false });
        return;
      }
      case 'tcpClosed': {
        const orderly = fact.error === undefined || fact.error.code === 'EOF';
        this.#wires.drop(role);
        this.#step(
          orderly
            ? { kind: 'tcpClosed', connection: role }
            : { kind: 'tcpClosed', connection: role, error: fact.error },
        );
        return;
      }
      case 'tcpAccepted':
        return;
    }
  }

  // Life cycle

  protected onStart(): 'start' {
    return 'start';
  }

  protected override onShutdown(reason: ShutdownReason): 'flush' {
    if (!this.#begun || this.peer.phase === 'down') return 'flush';
    this.#stopping = true;
    this.#step({ kind: 'stop', reason: stopReasonFor(reason) });
    this.#stopping = false;
    return 'flush';
  }

  override limitReached(
    which: 'receive' | 'import' | 'export',
    action: 'restart' | 'disable',
  ): void {
    // Not from within the import of the route that was one too many.
    const timer = this.engine.timers.create(this, () => {
      if (!this.running) return;
      this.#step({ kind: 'stop', reason: { kind: 'limitReached', limit: which, action } });
    });
    timer.set(this.engine.nowMs);
  }

  protected override onDown(): void {
    this.#begun = false;
    this.#timer.clear();
    this.#updateListening(false);
    this.engine.bfd.release(this);
    this.engine.discovery.leave(this);
    for (const role of ['outgoing', 'incoming'] as const) this.#wires.close(role, true);
    this.routes.reset();
  }

  #stopping = false;

  /** One event through the machine, and what it asks for. */
  #step(event: SessionEvent): void {
    const before = this.engine.taps.size > 0 ? this.sessionWord : undefined;
    const { state, actions } = stepPeer(this.peer, event, this.engine.nowMs, this.engine.random);
    this.peer = state;
    for (const action of actions) this.#perform(action);
    if (before !== undefined) this.#tellState(before);
    this.#rearm();
    if (this.parent) this.#vanishWhenIdle();
  }

  #rearm(): void {
    const deadline = peerDeadline(this.peer);
    if (deadline === undefined) this.#timer.clear();
    else this.#timer.set(deadline);
  }

  #tellState(before: string): void {
    const { sessionWord } = this;
    if (sessionWord === before) return;
    for (const tap of this.engine.taps) tap.stateChanged(this, before, sessionWord);
  }

  /** A dynamic instance lives as long as its connection, or as routes are kept for its return. */
  #vanishWhenIdle(): void {
    if (this.#vanishing || !this.#isIdle()) return;
    this.#vanishing = true;
    const timer = this.engine.timers.create(this, () => {
      this.#vanishing = false;
      // It may have been given its first connection meanwhile.
      if (this.#isIdle()) this.shutdown({ kind: 'removed' }, () => this.engine.forget(this));
    });
    timer.set(this.engine.nowMs);
  }

  #isIdle(): boolean {
    const connected = !this.#wires.isEmpty || this.#knocking !== undefined;
    return this.running && !connected && !this.routes.keepsStale;
  }

  #perform(action: SessionAction): void {
    switch (action.kind) {
      case 'connect':
        return this.#wires.dial(dialTargetFor(this.config, this.engine.interfaces));
      case 'sendMessage':
        return this.#send(action.connection, action.bytes);
      case 'closeTransport':
        return this.#wires.close(action.connection, action.reset);
      case 'acceptTransport':
        return this.#wires.adopt(this.#knocking!.connection, segmentOptionsFor(this.config));
      case 'rejectTransport': {
        const { connection } = this.#knocking!;
        this.engine.connections.delete(connection);
        this.engine.order({ kind: 'tcpClose', connection });
        return;
      }
      case 'extendedMessagesAgreed':
        this.#wires.of(action.connection)?.reader.allowExtended();
        return;
      case 'sessionUp':
        this.lastNegotiated = action.negotiated;
        this.routes.sessionUp(action.negotiated);
        this.setState('up');
        this.routes.beginExport();
        return;
      case 'sessionDown':
        if (action.retention.families.length === 0 && fellSilent(action.reason)) this.#pathLost();
        this.routes.sessionDown(this.#stopping ? { families: [] } : action.retention);
        if (this.state === 'up' && !this.#stopping) this.setState('start');
        return;
      case 'instanceStopping':
        return this.setState('stop');
      case 'instanceStopped':
        return this.#instanceStopped(action.after);
      case 'updateReceived':
        return this.#updateReceived(action.bytes, action.start, action.end);
      case 'refreshReceived':
        return this.routes.refreshReceived(action.subtype, action.family);
      case 'log':
        if (action.level === 'events' || action.level === 'packets' || action.level === 'states') {
          this.trace(action.level, action.text);
        } else this.log(action.level, action.text);
    }
  }

  #pathLost(): void {
    const link = linkOf(this.config, this.engine.interfaces);
    if (link) this.engine.nexthopLost(this.config.neighborAddress!, link.ifindex);
  }

  #send(role: ConnectionRole, bytes: Uint8Array): void {
    const wire = this.#wires.of(role);
    if (!wire) return;
    this.#wires.send(wire, bytes);
    this.#noteQueue(role, wire);
    const type = bytes[HEADER_LENGTH - 1];
    if (type === MESSAGE.open) this.opens.sent = bytes;
    if (this.engine.taps.size === 0) return;
    if (type !== MESSAGE.open && type !== MESSAGE.notification) return;
    for (const tap of this.engine.taps) tap.messageSeen(this, 'sent', bytes, 0, bytes.length);
  }

  /**
   * RFC 9687 §3: the neighbor does not take what it is sent. Most of what is sent is with the kernel
   * before this turn ends, so that a short queue says nothing yet; KEEPALIVEs ask again.
   */
  #noteQueue(role: ConnectionRole, wire: Wire): void {
    if (wire.isBlocked) return;
    const isOld = this.engine.nowMs - wire.queuedAtMs > QUEUE_IS_OLD_MS;
    if (!isOld && wire.queuedBytes <= SEND_LIMIT) return;
    wire.isBlocked = true;
    this.#step({ kind: 'sendQueueChanged', connection: role, waiting: true });
  }

  #received(role: ConnectionRole, bytes: Uint8Array): void {
    const wire = this.#wires.of(role);
    if (!wire) return;
    const { reader } = wire;
    // Routes, or a message, may end the connection.
    const isOver = (): boolean => this.#wires.of(role) !== wire;
    reader.push(bytes);
    for (;;) {
      const what = reader.next();
      if (what !== 'message') {
        this.routes.apply();
        if (isOver()) return;
        if (what === 'more') return this.#rearm();
        const notification = reader.notification!;
        this.#step({ kind: 'framingFailed', connection: role, notification });
        return;
      }
      const { bytes: from, start, end } = reader;
      const type = from[start + HEADER_LENGTH - 1]!;
      if (type === MESSAGE.open) this.opens.received = copyBytes(from, start, end);
      for (const tap of this.engine.taps) tap.messageSeen(this, 'received', from, start, end);
      if (hearUpdate(this.peer, role, type, this.engine.nowMs)) {
        this.#updateReceived(from, start, end);
      } else {
        this.routes.apply();
        if (isOver()) return;
        this.#step({ kind: 'messageReceived', connection: role, bytes: from, start, end });
      }
      if (isOver()) return;
    }
  }

  #updateReceived(bytes: Uint8Array, start: number, end: number): void {
    if (this.flags.packets) this.trace('packets', 'Got UPDATE');
    const result = this.routes.update(bytes, start, end);
    const rejected = result?.kind === 'reset';
    // Lines about its routes follow the line about the message.
    if (rejected || this.flags.packets) this.routes.apply();
    if (!rejected || this.peer.established === undefined) return;
    this.#step({ kind: 'updateRejected', fault: result.fault, message: bytes.slice(start, end) });
  }

  #instanceStopped(then: 'restart' | 'disable' | 'stay'): void {
    if (then === 'stay' || this.#stopping) {
      // `shutdown` of the base goes on when the machine has come to rest.
      if (this.#stopping) return;
      this.flush();
      return;
    }
    this.routes.closeAll();
    if (then === 'disable') {
      this.disabled = true;
      this.flush();
      return;
    }
    this.setState('flush');
    this.setState('down');
    this.trace('states', 'Starting');
    this.setState('start');
  }

  // Neighbor and addresses

  #identity(): SessionIdentity {
    const { config } = this;
    const localAddress = localAddressOf(config, this.engine.interfaces);
    return {
      routerId: this.localId,
      hostname: this.engine.hostname,
      softwareVersion: `Rookery/${this.engine.version}`,
      neighborAddress:
        config.neighborAddress ?? config.neighborRange ?? `the router on ${config.interface}`,
      ...(config.interface === undefined ? {} : { interface: config.interface }),
      ...(localAddress === undefined ? {} : { localAddress }),
      restarting: this.engine.recovery.active && config.gracefulRestart === 'on',
    };
  }

  /** The neighbor of an unnumbered session has to be found, and to find us. */
  #seek(): void {
    const { unnumbered, interface: link } = this.config;
    if (!unnumbered || link === undefined) return;
    this.engine.discovery.join({
      owner: this,
      interface: link,
      config: HERE_WE_ARE,
      heard: (address) => this.#found(address),
    });
  }

  #found(address: IpAddress): void {
    if (address === this.config.neighborAddress || this.peer.established !== undefined) return;
    this.trace('events', `Neighbor found at ${address}`);
    if (!this.peer.absent) this.#step({ kind: 'neighborLost', because: 'neighbor' });
    this.#updateListening(false);
    this.engine.bfd.release(this);
    this.config = locatedConfig(this.config, address);
    this.onInterfacesSettled();
  }

  #updateListening(wanted: boolean): void {
    const need = wanted && !this.parent && listenNeedFor(this.config, this.engine.interfaces);
    if (!!need === this.#listening) return;
    this.#listening = !!need;
    if (need) this.engine.listeners.acquire(need, this);
    else this.engine.listeners.release(this);
  }

  #requestBfd(): void {
    if (!this.running) return;
    const need = bfdNeedFor(this.config, this.engine.interfaces);
    if (need) this.engine.bfd.request(need, this);
    else this.engine.bfd.release(this);
  }

  #spawn(fact: AcceptedFact): void {
    const { dynamicName, dynamicNameDigits } = this.config;
    const configure = (): BgpConfig => {
      const number = String(++this.#dynamicCount).padStart(dynamicNameDigits, '0');
      return derivedConfig(this.config, `${dynamicName}${number}`, fact.remote, fact.interface);
    };
    this.engine.spawnBgp(this, configure, fact);
  }

  // What update groups ask

  sendRoom(): number {
    const wire = this.#wires.of(this.peer.established);
    return wire ? SEND_LIMIT - wire.queuedBytes : 0;
  }

  nothingKept(): void {
    if (this.parent) this.#vanishWhenIdle();
  }

  sendUpdates(buffers: readonly Uint8Array[], messages: number, endOfRib: boolean): void {
    const role = this.peer.established;
    const wire = this.#wires.of(role);
    if (!role || !wire) return;
    if (this.flags.packets) {
      const marks = (kind: RefreshKind): readonly string[] =>
        buffers.filter((bytes) => isRefresh(bytes, kind)).map(() => REFRESH_NAMES[kind]);
      const updates = Array<string>(Math.min(messages, 16)).fill('UPDATE');
      const words = [...marks('begin'), ...updates, ...marks('end')];
      if (endOfRib) words.push('END-OF-RIB');
      for (const word of words) this.trace('packets', `Sending ${word}`);
    }
    for (const bytes of buffers) this.#send(role, bytes);
    countSent(this.peer, 'update', messages + (endOfRib ? 1 : 0), this.engine.nowMs);
  }
}
