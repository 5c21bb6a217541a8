// protocol bgp: one neighbor. Runs the session machine of packages/bgp, owns its connections, finds
// out whether the neighbor is on a link of ours, and connects the session to channels: importer on
// the way in, update group on the way out. Graceful restart of the neighbor (RFC 4724, 8538, 9494)
// is handled here because it is about routes that outlive a session.

import {
  FrameReader,
  birdSessionState,
  countSent,
  createPeer,
  encodeRouteRefresh,
  negotiatedOf,
  peerDeadline,
  reconfigurePeer,
  stepPeer,
} from '@rookery/bgp';
import type {
  ConnectionRole,
  DownReason,
  Endpoints,
  FamilyRetention,
  Negotiated,
  PeerState,
  Retention,
  SessionAction,
  SessionEvent,
  SessionIdentity,
} from '@rookery/bgp';
import { familyOf, isLinkLocal, networkOf, parseWords, prefixContains } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { BfdClient } from '../bfd-broker.ts';
import type { ExportRules } from '../bgp/export-rules.ts';
import type { GroupClient, GroupNeeds, Membership } from '../bgp/groups.ts';
import { Importer } from '../bgp/importer.ts';
import { sameBgpConfig } from '../bgp/same-config.ts';
import { markLongLived } from '../bgp/stale-routes.ts';
import { bgpChannelView, bgpView } from '../bgp/bgp-view.ts';
import { Channel } from '../channel.ts';
import type { BgpChannelConfig, BgpConfig, ProtocolConfig } from '../config.ts';
import type { ConnectionFact, ConnectionHandler, Engine } from '../engine.ts';
import type { InterfaceFact, BfdState, ConnectionId } from '../io.ts';
import type { AcceptedFact, ListenClient } from '../listeners.ts';
import { Protocol } from '../protocol.ts';
import type { ShutdownReason } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';

interface Wire {
  readonly id: ConnectionId;
  readonly reader: FrameReader;
  /** Octets given to the platform since it last said that all are with the kernel. */
  queuedBytes: number;
}

/** A channel of the session and what hangs on it. */
export interface BgpFamily {
  readonly family: Family;
  readonly channel: Channel;
  /** Both sides speak it, in this session. */
  negotiated: boolean;
  membership: Membership | undefined;
  endOfRibReceived: boolean;
  /** Routes of the last session are being kept. */
  stale: 'no' | 'regular' | 'long-lived';
  readonly staleTimer: Timer;
  staleUntilMs: number;
  retention: FamilyRetention | undefined;
}

/** Octets that may wait in the platform before a session gets no more UPDATEs. */
const SEND_LIMIT = 1024 * 1024;
const BGP_TOS = 0xc0;

export class BgpProtocol extends Protocol implements ListenClient, BfdClient, ConnectionHandler {
  readonly kind = 'bgp';
  declare config: BgpConfig;
  readonly parent: BgpProtocol | undefined;
  readonly owner = this;
  readonly families: readonly BgpFamily[];
  peer: PeerState;
  lastNegotiated: Negotiated | undefined;
  lastMss: number | undefined;
  readonly createdMs: number;
  #begun = false;
  #importer: Importer | undefined;
  readonly #wires: Record<ConnectionRole, Wire | undefined> = {
    outgoing: undefined,
    incoming: undefined,
  };
  #knocking: AcceptedFact | undefined;
  readonly #timer: Timer;
  #dynamicCount = 0;
  #listening = false;
  #vanishing = false;

  constructor(engine: Engine, config: BgpConfig, parent?: BgpProtocol) {
    super(engine, config);
    this.parent = parent;
    this.createdMs = engine.nowMs;
    this.#timer = engine.timers.create(this, () => this.#step({ kind: 'timerExpired' }));
    this.families = config.channels.map((c) => this.#createFamily(c));
    this.channels = this.families.map((f) => f.channel);
    this.peer = createPeer(config, this.#identity(), engine.nowMs);
  }

  get key(): ListenClient['key'] {
    const { password, neighborAddress, neighborRange } = this.config;
    if (password === undefined) return undefined;
    const peer =
      neighborRange ??
      networkOf(neighborAddress!, familyOf(neighborAddress!) === 'ipv4' ? 32 : 128);
    return { peer, secret: password };
  }

  /** True when this instance only makes others, one per neighbor that calls. */
  get isRange(): boolean {
    return this.config.neighborRange !== undefined && this.config.neighborAddress === undefined;
  }

  /** The connection of the session, or of the attempt that is furthest. */
  get wire(): Wire | undefined {
    const role = this.peer.established;
    return role ? this.#wires[role] : (this.#wires.incoming ?? this.#wires.outgoing);
  }

  get sessionWord(): ReturnType<typeof birdSessionState> {
    return birdSessionState(this.peer);
  }

  /** The router id that this instance uses. */
  get localId(): IpAddress {
    return this.config.routerId ?? this.engine.routerId;
  }

  /** The interfaces are known: look for the neighbor. Called once per start. */
  begin(): void {
    if (this.#begun || !this.running) return;
    this.#begun = true;
    if (this.isRange) {
      this.#updateListening(true);
      return;
    }
    const presence = this.#presence();
    if (presence !== 'present') this.#step({ kind: 'neighborLost', because: presence });
    this.peer = reconfigurePeer(this.peer, this.config, this.#identity());
    this.#updateListening(presence === 'present');
    this.#step({ kind: 'start' });
    this.#requestBfd();
  }

  reconfigure(next: ProtocolConfig, soft: boolean): boolean {
    if (next.kind !== 'bgp' || !sameBgpConfig(this.config, next)) return false;
    if (next.channels.length !== this.families.length) return false;
    const limitsOrRules = !sameExportOptions(this.config, next);
    const before = this.config;
    this.config = next;
    this.flags = traceFlags(next.debug);
    for (const [i, { channel }] of this.families.entries()) {
      const nextChannel = next.channels[i]!;
      if (!sameChannelSession(channel.config as BgpChannelConfig, nextChannel)) {
        this.config = before;
        return false;
      }
      const old = channel.config as BgpChannelConfig;
      const policyChanged = old.exportPolicy !== nextChannel.exportPolicy;
      if (!channel.reconfigure(nextChannel, soft)) {
        this.config = before;
        return false;
      }
      const { membership } = this.families[i]!;
      if (!membership || (soft && policyChanged)) continue;
      if (policyChanged || limitsOrRules || !sameNextHopOptions(old, nextChannel)) {
        const negotiated = negotiatedOf(this.peer);
        if (negotiated) {
          this.engine.groups.change(membership, this.#needsFor(this.families[i]!, negotiated));
        }
      }
    }
    this.peer = reconfigurePeer(this.peer, next, this.#identity());
    for (const { membership } of this.families) membership?.group.retrace();
    return true;
  }

  view(): ProtocolView {
    const common = this.commonView();
    const negotiated = negotiatedOf(this.peer);
    const channels = this.families.map((family, i) =>
      bgpChannelView(family, common.channels[i]!, negotiated),
    );
    return { ...common, channels, bgp: bgpView(this) };
  }

  override onInterfacesSettled(): void {
    if (!this.#begun || this.isRange) {
      if (this.isRange && this.#begun) this.#updateListening(true);
      return;
    }
    this.#importer?.forgetVerdicts();
    const presence = this.#presence();
    this.#updateListening(presence === 'present');
    this.peer = reconfigurePeer(this.peer, this.config, this.#identity());
    if (presence === 'present') {
      if (!this.peer.neighborPresent) this.#step({ kind: 'neighborFound' });
    } else if (this.peer.neighborPresent) this.#step({ kind: 'neighborLost', because: presence });
    this.#requestBfd();
  }

  /** Every route of a channel again: by route refresh, when the neighbor can. */
  override reimport(channel: Channel): boolean {
    const negotiated = negotiatedOf(this.peer);
    const family = this.families.find((f) => f.channel === channel);
    if (!negotiated || !family?.negotiated) return true;
    this.#importer?.forgetVerdicts();
    if (!negotiated.routeRefresh) return false;
    this.trace('packets', 'Sending ROUTE-REFRESH');
    // Without demarcation nobody tells which old routes the peer left out; those stay, as in BIRD.
    this.#send(this.peer.established!, encodeRouteRefresh(family.family, 'request'));
    countSent(this.peer, 'routeRefresh', 1, this.engine.nowMs);
    return true;
  }

  override reload(direction: 'in' | 'out' | 'both'): boolean {
    if (direction !== 'in') {
      for (const { membership } of this.families) {
        if (membership) membership.group.refresh(membership, false);
      }
    }
    return direction === 'out' || this.channels.every((channel) => this.reimport(channel));
  }

  // ListenClient

  accepts(fact: AcceptedFact): number {
    if (!this.running || !this.#begun) return 0;
    const { neighborAddress, neighborRange, localAddress, interface: link } = this.config;
    if (localAddress !== undefined && fact.local !== localAddress) return 0;
    if (neighborAddress !== undefined) {
      if (neighborAddress !== fact.remote) return 0;
      const scoped = isLinkLocal(neighborAddress) && link !== undefined;
      return scoped && fact.interface !== undefined && fact.interface !== link ? 0 : 2;
    }
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
    else if (before === 'Up') this.#step({ kind: 'bfdDown' });
  }

  // ConnectionHandler

  handleConnection(fact: ConnectionFact): void {
    const role = this.#roleOf(fact.connection);
    if (!role) return;
    switch (fact.kind) {
      case 'tcpConnected':
        this.lastMss = fact.mss ?? this.lastMss;
        this.#step({ kind: 'tcpConnected', ...endpointsOf(fact) });
        return;
      case 'tcpConnectFailed':
        this.#dropWire(role);
        this.#step({ kind: 'tcpConnectFailed', error: fact.error });
        return;
      case 'tcpReceived':
        this.#received(role, fact.bytes);
        return;
      case 'tcpDrained': {
        const wire = this.#wires[role]!;
        if (wire.queuedBytes === 0) return;
        wire.queuedBytes = 0;
        this.#step({ kind: 'sendQueueChanged', connection: role, waiting: false });
        return;
      }
      case 'tcpClosed': {
        const orderly = fact.error === undefined || fact.error.code === 'EOF';
        this.#dropWire(role);
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
    for (const role of ['outgoing', 'incoming'] as const) {
      const wire = this.#wires[role];
      if (!wire) continue;
      this.engine.order({ kind: 'tcpClose', connection: wire.id, reset: true });
      this.#dropWire(role);
    }
    for (const family of this.families) {
      family.staleTimer.clear();
      family.stale = 'no';
    }
    this.#closeSession();
  }

  #stopping = false;

  /** One event through the machine, and what it asks for. */
  #step(event: SessionEvent): void {
    const { state, actions } = stepPeer(this.peer, event, this.engine.nowMs, this.engine.random);
    this.peer = state;
    for (const action of actions) this.#perform(action);
    const deadline = peerDeadline(this.peer);
    if (deadline === undefined) this.#timer.clear();
    else this.#timer.set(deadline);
    if (this.parent) this.#vanishWhenIdle();
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
    const { incoming, outgoing } = this.#wires;
    if (incoming || outgoing || this.#knocking || !this.running) return false;
    return this.families.every((family) => family.stale === 'no');
  }

  #perform(action: SessionAction): void {
    switch (action.kind) {
      case 'connect':
        return this.#connect();
      case 'sendMessage':
        return this.#send(action.connection, action.bytes);
      case 'closeTransport': {
        const wire = this.#wires[action.connection];
        if (!wire) return;
        this.engine.order({ kind: 'tcpClose', connection: wire.id, reset: action.reset });
        this.#dropWire(action.connection);
        return;
      }
      case 'acceptTransport': {
        const { connection } = this.#knocking!;
        this.#wires.incoming = { id: connection, reader: new FrameReader(), queuedBytes: 0 };
        this.engine.order({ kind: 'tcpConfigure', connection, options: this.#segmentOptions() });
        return;
      }
      case 'rejectTransport': {
        const { connection } = this.#knocking!;
        this.engine.connections.delete(connection);
        this.engine.order({ kind: 'tcpClose', connection });
        return;
      }
      case 'extendedMessagesAgreed':
        this.#wires[action.connection]?.reader.allowExtended();
        return;
      case 'sessionUp':
        return this.#sessionUp(action.negotiated);
      case 'sessionDown':
        return this.#sessionDown(action.reason, action.retention);
      case 'instanceStopping':
        return this.setState('stop');
      case 'instanceStopped':
        return this.#instanceStopped(action.reason, action.after);
      case 'updateReceived':
        return this.#updateReceived(action.bytes, action.start, action.end);
      case 'refreshReceived':
        return this.#refreshReceived(action.subtype, action.family);
      case 'log':
        if (action.level === 'events' || action.level === 'packets' || action.level === 'states') {
          this.trace(action.level, action.text);
        } else this.log(action.level, action.text);
    }
  }

  #connect(): void {
    const id = this.engine.nextId();
    this.#wires.outgoing = { id, reader: new FrameReader(), queuedBytes: 0 };
    this.engine.connections.set(id, this);
    const { config } = this;
    const local = config.localAddress ?? this.#neighborLocal();
    const link = config.interface ?? this.#link()?.name;
    const needsLink = config.neighborAddress !== undefined && isLinkLocal(config.neighborAddress);
    this.engine.order({
      kind: 'tcpConnect',
      connection: id,
      remote: config.neighborAddress!,
      remotePort: config.neighborPort,
      options: {
        ...this.#segmentOptions(),
        ...(local === undefined ? {} : { local }),
        ...(needsLink && link !== undefined ? { interface: link } : {}),
        ...(config.vrf === undefined ? {} : { vrf: config.vrf }),
        ...(config.password === undefined ? {} : { md5Key: config.password }),
      },
    });
  }

  /** RFC 5082 with `ttl security`, else as far as the neighbor may be away. */
  #segmentOptions(): { ttl: number; minTtl?: number; tos: number } {
    const { ttlSecurity, multihop } = this.config;
    if (ttlSecurity) return { ttl: 255, minTtl: 256 - (multihop ?? 1), tos: BGP_TOS };
    return { ttl: multihop ?? 1, tos: BGP_TOS };
  }

  #send(role: ConnectionRole, bytes: Uint8Array): void {
    const wire = this.#wires[role];
    if (!wire) return;
    this.engine.order({ kind: 'tcpSend', connection: wire.id, bytes });
    wire.queuedBytes += bytes.length;
  }

  #received(role: ConnectionRole, bytes: Uint8Array): void {
    const wire = this.#wires[role];
    if (!wire) return;
    const { reader } = wire;
    reader.push(bytes);
    for (;;) {
      const what = reader.next();
      if (what === 'more') return;
      if (what === 'fault') {
        const notification = reader.notification!;
        this.#step({ kind: 'framingFailed', connection: role, notification });
        return;
      }
      const { bytes: from, start, end } = reader;
      this.#step({ kind: 'messageReceived', connection: role, bytes: from, start, end });
      // The message may have ended the connection.
      if (this.#wires[role] !== wire) return;
    }
  }

  #updateReceived(bytes: Uint8Array, start: number, end: number): void {
    if (this.flags.packets) this.trace('packets', 'Got UPDATE');
    const result = this.#importer?.update(bytes, start, end);
    if (!result || result.kind === 'done') return;
    if (result.kind === 'endOfRib') return this.#endOfRibReceived(result.family);
    this.#step({ kind: 'updateRejected', fault: result.fault, message: bytes.slice(start, end) });
  }

  #refreshReceived(subtype: 'request' | 'begin' | 'end', family: Family): void {
    const target = this.families.find((f) => f.family === family && f.negotiated);
    if (!target) return;
    const { channel, membership } = target;
    const negotiated = negotiatedOf(this.peer);
    if (subtype === 'request') {
      if (membership) membership.group.refresh(membership, negotiated!.enhancedRouteRefresh);
    } else if (subtype === 'begin') channel.table.rib.markStale(channel.source);
    else channel.sweep(channel.source, () => {});
  }

  // Sessions

  #sessionUp(negotiated: Negotiated): void {
    this.lastNegotiated = negotiated;
    const families: BgpFamily[] = [];
    for (const family of this.families) {
      family.negotiated = negotiated.families.some((f) => f.family === family.family);
      family.endOfRibReceived = false;
      if (!family.negotiated) {
        this.#dropStale(family);
        continue;
      }
      families.push(family);
      this.#openChannel(family, negotiated);
    }
    this.#importer?.close();
    this.#importer =
      families.length === 0
        ? undefined
        : new Importer({
            engine: this.engine,
            config: this.config,
            negotiated,
            peerAddress: negotiated.endpoints.remote,
            interface: this.#link()?.name,
            routerId: this.localId,
            families: families.map((f) => this.#importFamily(f, negotiated)),
            complain: (text) => this.log('remote', text),
          });
    this.setState('up');
    for (const family of families) {
      family.membership = this.engine.groups.join(
        this.#clientFor(family),
        this.#needsFor(family, negotiated),
      );
    }
  }

  #openChannel(family: BgpFamily, negotiated: Negotiated): void {
    const { channel } = family;
    if (channel.source === 0) channel.open();
    const { config } = this;
    channel.describeSource({
      protocol: this.name,
      kind: 'bgp',
      peer: {
        type: config.confederationMember
          ? 'confederation'
          : negotiated.peerType === 'internal'
            ? 'internal'
            : 'external',
        remoteAs: negotiated.peerAs,
        routerId: parseWords(negotiated.peerId)?.[0] ?? 0,
        address: negotiated.endpoints.remote,
        options: config,
      },
    });
    const { reflectorClients } = this.engine.groups;
    if (config.rrClient) reflectorClients.add(channel.source);
    else reflectorClients.delete(channel.source);
    if (family.stale === 'no') return;
    // RFC 4724 §4.2: a neighbor that did not keep its forwarding state has no use for old routes.
    const preserved =
      family.stale === 'regular'
        ? negotiated.remote.gracefulRestart?.families
        : negotiated.remote.longLived?.families;
    const kept = preserved?.some((f) => f.family === family.family && f.forwardingPreserved);
    if (!kept) this.#dropStale(family);
  }

  #sessionDown(reason: DownReason, retention: Retention): void {
    for (const family of this.families) {
      if (!family.negotiated) continue;
      this.#leaveGroup(family);
      const kept = this.#stopping
        ? undefined
        : retention.families.find((f) => f.family === family.family);
      if (kept) this.#keepStale(family, kept);
      else {
        this.#forgetStale(family);
        this.#closeChannel(family);
      }
      family.negotiated = false;
    }
    this.#closeSession();
    void reason;
    if (this.state === 'up' && !this.#stopping) this.setState('start');
  }

  #closeSession(): void {
    this.#importer?.close();
    this.#importer = undefined;
    for (const family of this.families) this.#leaveGroup(family);
  }

  #leaveGroup(family: BgpFamily): void {
    if (!family.membership) return;
    this.engine.groups.leave(family.membership);
    family.membership = undefined;
  }

  #closeChannel({ channel }: BgpFamily): void {
    if (channel.source === 0) return;
    this.engine.groups.reflectorClients.delete(channel.source);
    channel.close(() => {});
  }

  #instanceStopped(_reason: DownReason, then: 'restart' | 'disable' | 'stay'): void {
    if (then === 'stay' || this.#stopping) {
      // `shutdown` of the base goes on when the machine has come to rest.
      if (this.#stopping) return;
      this.flush();
      return;
    }
    for (const family of this.families) {
      this.#forgetStale(family);
      this.#closeChannel(family);
    }
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

  // Graceful restart of the neighbor

  #keepStale(family: BgpFamily, retention: FamilyRetention): void {
    const { channel } = family;
    channel.table.rib.markStale(channel.source);
    family.retention = retention;
    family.stale = 'regular';
    if (retention.restartTimeSec > 0) this.#staleFor(family, retention.restartTimeSec);
    else this.#restartTimeout(family);
  }

  #staleFor(family: BgpFamily, seconds: number): void {
    family.staleUntilMs = this.engine.nowMs + seconds * 1000;
    family.staleTimer.set(family.staleUntilMs);
  }

  #restartTimeout(family: BgpFamily): void {
    const llgr = family.retention?.llgrStaleTimeSec ?? 0;
    if (family.stale === 'regular' && llgr > 0) {
      this.trace('events', 'Neighbor graceful restart timeout; LLGR');
      family.stale = 'long-lived';
      markLongLived(family.channel, this.engine, () => !family.negotiated);
      this.#staleFor(family, llgr);
      return;
    }
    const text =
      family.stale === 'long-lived'
        ? 'Long-lived stale timeout'
        : 'Neighbor graceful restart timeout';
    this.trace('events', text);
    this.#dropStale(family);
  }

  #endOfRibReceived(family: Family): void {
    if (this.flags.packets) this.trace('packets', 'Got END-OF-RIB');
    const target = this.families.find((f) => f.family === family && f.negotiated);
    if (!target) return;
    target.endOfRibReceived = true;
    if (target.stale === 'no') return;
    this.trace('events', 'Neighbor graceful restart done');
    this.#dropStale(target);
  }

  /** What was kept and not sent again goes. */
  #dropStale(family: BgpFamily): void {
    if (family.stale === 'no') return;
    this.#forgetStale(family);
    if (this.parent) this.#vanishWhenIdle();
    const { channel } = family;
    if (channel.source === 0) return;
    if (this.state === 'up' && family.negotiated) channel.sweep(channel.source, () => {});
    else this.#closeChannel(family);
  }

  #forgetStale(family: BgpFamily): void {
    family.staleTimer.clear();
    family.stale = 'no';
    family.retention = undefined;
  }

  // Neighbor and addresses

  /** The link to a single-hop neighbor. */
  #link(): InterfaceFact | undefined {
    const { neighborAddress, interface: link, multihop } = this.config;
    if (neighborAddress === undefined || multihop !== undefined) return undefined;
    const found = this.engine.interfaces.neighbor(neighborAddress, link);
    return found && found !== 'local' ? found.interface : undefined;
  }

  #neighborLocal(): IpAddress | undefined {
    const { neighborAddress, interface: link, multihop } = this.config;
    if (neighborAddress === undefined || multihop !== undefined) return undefined;
    const found = this.engine.interfaces.neighbor(neighborAddress, link);
    return found && found !== 'local' ? found.local.address : undefined;
  }

  #presence(): 'present' | 'neighbor' | 'link' {
    if (this.config.multihop !== undefined) return 'present';
    const link = this.#link();
    if (!link) return 'neighbor';
    return this.config.checkLink && !link.linkUp ? 'link' : 'present';
  }

  #identity(): SessionIdentity {
    const { config } = this;
    const localAddress = config.localAddress ?? this.#neighborLocal();
    return {
      routerId: this.localId,
      hostname: this.engine.hostname,
      neighborAddress: config.neighborAddress ?? config.neighborRange ?? '',
      ...(config.interface === undefined ? {} : { interface: config.interface }),
      ...(localAddress === undefined ? {} : { localAddress }),
    };
  }

  #updateListening(wanted: boolean): void {
    const { config } = this;
    const somewhere = this.engine.interfaces.all().length > 0 || config.multihop !== undefined;
    // Port 0: a speaker that only dials (MetalLB runs bgpd -p 0).
    const listen = wanted && somewhere && !this.parent && config.localPort !== 0;
    if (listen === this.#listening) return;
    this.#listening = listen;
    if (!listen) return this.engine.listeners.release(this);
    const family = familyOf(config.neighborAddress ?? config.neighborRange!);
    this.engine.listeners.acquire(
      {
        family,
        port: config.localPort,
        ...(config.strictBind && config.localAddress !== undefined
          ? { address: config.localAddress }
          : {}),
        ...(config.vrf === undefined ? {} : { vrf: config.vrf }),
      },
      this,
    );
  }

  #requestBfd(): void {
    const { bfd, neighborAddress, multihop, localAddress } = this.config;
    if (!bfd || neighborAddress === undefined || !this.running) return;
    const { graceful: _graceful, ...options } = bfd;
    const link = this.#link()?.name;
    const local = localAddress ?? this.#neighborLocal();
    if (multihop === undefined && link === undefined) return this.engine.bfd.release(this);
    this.engine.bfd.request(
      {
        remote: neighborAddress,
        multihop: multihop !== undefined,
        options,
        ...(link === undefined ? {} : { interface: link }),
        ...(local === undefined ? {} : { local }),
      },
      this,
    );
  }

  #spawn(fact: AcceptedFact): void {
    const { config } = this;
    this.#dynamicCount++;
    const digits = String(this.#dynamicCount).padStart(config.dynamicNameDigits, '0');
    const { neighborRange: _range, ...rest } = config;
    const child: BgpConfig = {
      ...rest,
      name: `${config.dynamicName}${digits}`,
      neighborAddress: fact.remote,
      passive: true,
    };
    this.engine.spawnBgp(this, child, fact);
  }

  // Connections and channels

  #roleOf(connection: ConnectionId): ConnectionRole | undefined {
    if (this.#wires.outgoing?.id === connection) return 'outgoing';
    return this.#wires.incoming?.id === connection ? 'incoming' : undefined;
  }

  #dropWire(role: ConnectionRole): void {
    const wire = this.#wires[role];
    if (!wire) return;
    this.engine.connections.delete(wire.id);
    this.#wires[role] = undefined;
  }

  #createFamily(config: BgpChannelConfig): BgpFamily {
    const family: BgpFamily = {
      family: config.netType === 'ipv6' ? 'ipv6' : 'ipv4',
      channel: new Channel(this, config, {}),
      negotiated: false,
      membership: undefined,
      endOfRibReceived: false,
      stale: 'no',
      staleTimer: this.engine.timers.create(this, () => this.#restartTimeout(family)),
      staleUntilMs: 0,
      retention: undefined,
    };
    return family;
  }

  #importFamily(family: BgpFamily, negotiated: Negotiated) {
    const agreed = negotiated.families.find((f) => f.family === family.family)!;
    const config = family.channel.config as BgpChannelConfig;
    return {
      family: family.family,
      channel: family.channel,
      addPathRx: agreed.addPathRx,
      extendedNextHop: agreed.extendedNextHop,
      igp:
        config.igpTable === undefined ? family.channel.table : this.engine.table(config.igpTable),
    };
  }

  #clientFor(family: BgpFamily): GroupClient {
    return {
      protocol: this,
      channel: family.channel,
      traced: () => family.channel.flags.routes || family.channel.flags.filters,
      sendRoom: () =>
        SEND_LIMIT - (this.#wires[this.peer.established ?? 'outgoing']?.queuedBytes ?? SEND_LIMIT),
      sendUpdates: (buffers, messages, endOfRib) => this.#sendUpdates(buffers, messages, endOfRib),
      moved: (membership) => {
        family.membership = membership;
      },
    };
  }

  #sendUpdates(buffers: readonly Uint8Array[], messages: number, endOfRib: boolean): void {
    const role = this.peer.established;
    const wire = role && this.#wires[role];
    if (!role || !wire) return;
    if (this.flags.packets) {
      for (let i = 0; i < Math.min(messages, 16); i++) this.trace('packets', 'Sending UPDATE');
      if (endOfRib) this.trace('packets', 'Sending END-OF-RIB');
    }
    for (const bytes of buffers) this.#send(role, bytes);
    countSent(this.peer, 'update', messages + (endOfRib ? 1 : 0), this.engine.nowMs);
    if (wire.queuedBytes > SEND_LIMIT) {
      this.#step({ kind: 'sendQueueChanged', connection: role, waiting: true });
    }
  }

  #needsFor(family: BgpFamily, negotiated: Negotiated): GroupNeeds {
    const { config } = this;
    const channel = family.channel.config as BgpChannelConfig;
    const agreed = negotiated.families.find((f) => f.family === family.family)!;
    const rules: ExportRules = {
      family: family.family,
      localAs: config.localAs,
      peerType: negotiated.peerType,
      confederation: config.confederation,
      confederationMember: config.confederationMember,
      rrClient: config.rrClient,
      rsClient: config.rsClient,
      clusterId: config.rrClusterId ?? this.localId,
      localRole: config.localRole,
      nextHopSelf: channel.nextHopSelf,
      nextHopKeep: keepScopeOf(config, channel),
      ...this.#ownNextHop(family.family, channel, negotiated.endpoints),
      interface: this.#link()?.name,
      defaultLocalPref: config.defaultLocalPref,
      allowBgpMed: config.allowBgpMed,
      allowBgpLocalPref: config.allowBgpLocalPref,
      interpretCommunities: config.interpretCommunities,
      longLived: negotiated.longLived,
    };
    return {
      rules,
      config: channel,
      as4: negotiated.as4,
      maxMessageBytes: negotiated.extendedMessages ? 65_535 : 4096,
      extendedNextHop: agreed.extendedNextHop && familyOf(negotiated.endpoints.local) === 'ipv6',
    };
  }

  /** What `next hop self` says for a family: our address on the link or of the session. */
  #ownNextHop(
    family: Family,
    channel: BgpChannelConfig,
    endpoints: Endpoints,
  ): Pick<ExportRules, 'ownNextHop' | 'ownLinkLocal'> {
    const link = this.#link();
    const linkLocal = link && this.engine.interfaces.addressOn(link, 'ipv6', true);
    if (channel.nextHopAddress !== undefined) {
      return { ownNextHop: channel.nextHopAddress, ownLinkLocal: undefined };
    }
    const session = endpoints.local;
    if (familyOf(session) === family) {
      if (family === 'ipv4') return { ownNextHop: session, ownLinkLocal: undefined };
      const global = isLinkLocal(session)
        ? link && this.engine.interfaces.addressOn(link, 'ipv6')
        : session;
      // RFC 2545 §3: the link-local address is added when the peer is on the link.
      return { ownNextHop: global ?? session, ownLinkLocal: global ? linkLocal : undefined };
    }
    if (family === 'ipv4' && channel.extendedNextHop) {
      return { ownNextHop: session, ownLinkLocal: linkLocal };
    }
    const other = link ?? this.#interfaceOf(session);
    const address = other && this.engine.interfaces.addressOn(other, family);
    return { ownNextHop: address, ownLinkLocal: family === 'ipv6' ? linkLocal : undefined };
  }

  #interfaceOf(address: IpAddress): InterfaceFact | undefined {
    return this.engine.interfaces
      .all()
      .find((fact) => fact.addresses.some((a) => a.address === address));
  }
}

/** BIRD: a reflector keeps next hops of internal routes, a route server keeps all. */
function keepScopeOf(config: BgpConfig, channel: BgpChannelConfig): ExportRules['nextHopKeep'] {
  if (channel.nextHopKeep !== 'off') return channel.nextHopKeep;
  if (config.rsClient) return 'all';
  return config.rrClient ? 'ibgp' : 'off';
}

function endpointsOf(fact: {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly interface?: string;
}): Endpoints {
  const { local, localPort, remote, remotePort } = fact;
  const link = fact.interface;
  return {
    local,
    localPort,
    remote,
    remotePort,
    ...(link === undefined ? {} : { interface: link }),
  };
}

function stopReasonFor(
  reason: ShutdownReason,
): Extract<SessionEvent, { readonly kind: 'stop' }>['reason'] {
  switch (reason.kind) {
    case 'disabled':
      return reason.message === undefined
        ? { kind: 'adminShutdown' }
        : { kind: 'adminShutdown', text: reason.message };
    case 'restarted':
      return reason.message === undefined
        ? { kind: 'adminReset' }
        : { kind: 'adminReset', text: reason.message };
    case 'removed':
      return { kind: 'deconfigured' };
    case 'reconfigured':
      return { kind: 'configChanged' };
    case 'limit':
    case 'daemonStopping':
      return { kind: 'adminShutdown' };
    case 'gracefulRestart':
      return { kind: 'gracefulRestart' };
    case 'bug':
      return { kind: 'adminReset' };
  }
}

/** Options of the whole protocol that change only what is exported. */
function sameExportOptions(a: BgpConfig, b: BgpConfig): boolean {
  return (
    a.defaultLocalPref === b.defaultLocalPref &&
    a.allowBgpMed === b.allowBgpMed &&
    a.interpretCommunities === b.interpretCommunities
  );
}

function sameNextHopOptions(a: BgpChannelConfig, b: BgpChannelConfig): boolean {
  return (
    a.nextHopSelf === b.nextHopSelf &&
    a.nextHopKeep === b.nextHopKeep &&
    a.nextHopAddress === b.nextHopAddress
  );
}

/** Options of a channel that both sides agreed on, or that old routes were judged by. */
function sameChannelSession(a: BgpChannelConfig, b: BgpChannelConfig): boolean {
  return (
    a.netType === b.netType &&
    a.table === b.table &&
    a.mandatory === b.mandatory &&
    a.gateway === b.gateway &&
    a.igpTable === b.igpTable &&
    a.extendedNextHop === b.extendedNextHop &&
    a.addPaths === b.addPaths &&
    a.secondary === b.secondary &&
    a.gracefulRestart === b.gracefulRestart &&
    a.longLivedGracefulRestart === b.longLivedGracefulRestart
  );
}
