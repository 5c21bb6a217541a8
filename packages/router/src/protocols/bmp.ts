// protocol bmp: tells a monitoring station what BGP neighbors say (RFC 7854), before policy, after
// it, or both. Before policy, UPDATEs go on as they were received; for sessions that were up before
// the station was there the neighbor is asked to send again (RFC 2918), as nothing is kept of what
// filters refused. After policy is what tables have, see bmp/post-policy.ts.
// A station that does not read fast enough is disconnected, never waited for.

import { HEADER_LENGTH, MESSAGE, negotiatedOf } from '@rookery/bgp';
import type { Negotiated } from '@rookery/bgp';
import { copyBytes } from '@rookery/net';
import { tappedSession } from '../bgp/tap.ts';
import type { BgpTap } from '../bgp/tap.ts';
import {
  encodeInitiation,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
  encodeTermination,
} from '../bmp/encode-bmp.ts';
import type { BmpDownReason, BmpPeer } from '../bmp/encode-bmp.ts';
import { PostPolicyFeed } from '../bmp/post-policy.ts';
import type { BmpConfig, ProtocolConfig } from '../config.ts';
import type { ConnectionFact, ConnectionHandler, Engine } from '../engine.ts';
import type { ConnectionId } from '../io.ts';
import { Protocol } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import { traceFlags } from '../trace.ts';
import type { ProtocolView } from '../view.ts';
import type { BgpProtocol } from './bgp.ts';

const RETRY_MS = 10_000;
const STATISTICS_MS = 60_000;
/** Octets on their way to the station from which on tables wait. */
const ENOUGH_BYTES = 1024 * 1024;

interface Watched {
  readonly peer: BmpPeer;
  /** What may have ended the session; the last one counts. */
  ending: BmpDownReason | undefined;
  readonly postPolicy: readonly PostPolicyFeed[];
}

export class BmpProtocol extends Protocol implements ConnectionHandler, BgpTap {
  readonly kind = 'bmp';
  declare config: BmpConfig;
  readonly owner = this;
  readonly #retry: Timer;
  readonly #statistics: Timer;
  /** Sessions that the station knows as up. */
  readonly #watched = new Map<BgpProtocol, Watched>();
  #connection: ConnectionId | undefined;
  #connected = false;
  #queuedBytes = 0;

  constructor(engine: Engine, config: BmpConfig) {
    super(engine, config);
    this.#retry = engine.timers.create(this, () => this.#connect());
    this.#statistics = engine.timers.create(this, () => this.#sendStatistics());
  }

  reconfigure(next: ProtocolConfig): boolean {
    if (next.kind !== 'bmp') return false;
    const { config } = this;
    if (next.station !== config.station || next.stationPort !== config.stationPort) return false;
    if (next.prePolicy !== config.prePolicy || next.postPolicy !== config.postPolicy) return false;
    if (next.vrf !== config.vrf) return false;
    this.config = next;
    this.flags = traceFlags(next.debug);
    return true;
  }

  view(): ProtocolView {
    return this.commonView();
  }

  // BgpTap

  messageSeen(
    protocol: BgpProtocol,
    direction: 'received' | 'sent',
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const watched = this.#watched.get(protocol);
    if (!watched) return;
    const type = bytes[start + HEADER_LENGTH - 1];
    if (type === MESSAGE.notification) {
      const kind = direction === 'sent' ? 'localNotification' : 'remoteNotification';
      watched.ending = { kind, notification: copyBytes(bytes, start, end) };
    } else if (type === MESSAGE.update && direction === 'received' && this.config.prePolicy) {
      this.#send(encodeRouteMonitoring(watched.peer, this.#wallMs(), bytes.subarray(start, end)));
    }
  }

  stateChanged(protocol: BgpProtocol, _from: string, to: string): void {
    if (!this.#connected) return;
    if (to === 'Established') this.#peerUp(protocol);
    else this.#peerDown(protocol);
  }

  // ConnectionHandler

  handleConnection(fact: ConnectionFact): void {
    if (fact.connection !== this.#connection) return;
    switch (fact.kind) {
      case 'tcpConnected':
        return this.#begin();
      case 'tcpConnectFailed':
      case 'tcpClosed':
        this.trace('events', `Connection lost: ${fact.error?.message ?? 'Connection closed'}`);
        this.engine.connections.delete(fact.connection);
        this.#connection = undefined;
        return this.#lost();
      case 'tcpDrained':
        this.#queuedBytes = 0;
        return;
      // We call the station, and it has nothing to say (RFC 7854 §3.2).
      case 'tcpAccepted':
      case 'tcpReceived':
        return;
    }
  }

  // Life cycle

  protected onStart(): 'start' {
    this.engine.taps.add(this);
    return 'start';
  }

  protected override onStarted(): void {
    this.#connect();
  }

  protected override onDown(): void {
    this.engine.taps.delete(this);
    if (this.#connected) this.#send(encodeTermination());
    this.#close();
    this.#retry.clear();
    this.#forgetAll();
    this.#connected = false;
  }

  #connect(): void {
    const { config } = this;
    const id = this.engine.nextId();
    this.#connection = id;
    this.#queuedBytes = 0;
    this.engine.connections.set(id, this);
    this.trace('events', `Connecting to ${config.station} port ${config.stationPort}`);
    this.engine.order({
      kind: 'tcpConnect',
      connection: id,
      remote: config.station,
      remotePort: config.stationPort,
      options: config.vrf === undefined ? {} : { vrf: config.vrf },
    });
  }

  #begin(): void {
    this.#connected = true;
    this.setState('up');
    const { hostname, view } = this.engine;
    this.#send(encodeInitiation(hostname, `Rookery ${view.status().version}`));
    this.#statistics.set(this.engine.nowMs + STATISTICS_MS);
    for (const protocol of this.engine.bgpProtocols()) {
      if (protocol.sessionWord !== 'Established') continue;
      this.#peerUp(protocol);
      if (!this.#watched.has(protocol) || !this.config.prePolicy) continue;
      const isComplete = protocol.channels.every((channel) => protocol.reimport(channel));
      if (isComplete && negotiatedOf(protocol.peer)?.routeRefresh) continue;
      this.log('warning', `${protocol.name} cannot send its routes again, the station lacks them`);
    }
  }

  #peerUp(protocol: BgpProtocol): void {
    const negotiated = negotiatedOf(protocol.peer);
    const { sent, received } = protocol.opens;
    if (!negotiated || !sent || !received) return;
    const { peer: address, local, peerAs, as4 } = tappedSession(protocol);
    const peer = { address, asn: peerAs, bgpId: negotiated.peerId, legacyAsPath: !as4 };
    const feeds = this.config.postPolicy ? this.#feedsFor(protocol, peer, negotiated) : [];
    this.#watched.set(protocol, { peer, ending: undefined, postPolicy: feeds });
    const { localPort, remotePort } = negotiated.endpoints;
    const session = { local, localPort, remotePort, sentOpen: sent, receivedOpen: received };
    this.#send(encodePeerUp(peer, this.#wallMs(), session));
    for (const feed of feeds) this.engine.followers.add(feed);
  }

  #feedsFor(
    protocol: BgpProtocol,
    { legacyAsPath: _legacy, ...about }: BmpPeer,
    { families }: Negotiated,
  ): PostPolicyFeed[] {
    const peer = { ...about, legacyAsPath: false, postPolicy: true };
    return protocol.families.flatMap((family) => {
      const agreed = families.find((f) => f.family === family.family);
      if (!agreed) return [];
      return new PostPolicyFeed({
        owner: this,
        family,
        addPath: agreed.addPathRx,
        extendedNextHop: agreed.extendedNextHop,
        hasRoom: () => this.#queuedBytes < ENOUGH_BYTES,
        send: (update) => this.#send(encodeRouteMonitoring(peer, this.#wallMs(), update)),
      });
    });
  }

  #stopFeeds({ postPolicy }: Watched): void {
    for (const feed of postPolicy) {
      this.engine.followers.delete(feed);
      this.engine.work.cancel(feed);
      feed.stop();
    }
  }

  #forgetAll(): void {
    for (const watched of this.#watched.values()) this.#stopFeeds(watched);
    this.#watched.clear();
    this.#statistics.clear();
  }

  #peerDown(protocol: BgpProtocol): void {
    const watched = this.#watched.get(protocol);
    if (!watched) return;
    this.#watched.delete(protocol);
    this.#stopFeeds(watched);
    const isRemote = protocol.view().bgp?.lastReset?.reason.kind === 'peer closed';
    const reason = watched.ending ?? { kind: isRemote ? 'remote' : 'local' };
    this.#send(encodePeerDown(watched.peer, this.#wallMs(), reason));
  }

  #sendStatistics(): void {
    this.#statistics.set(this.engine.nowMs + STATISTICS_MS);
    for (const [protocol, { peer }] of this.#watched) {
      let rejectedPrefixes = 0;
      let adjRibInRoutes = 0;
      let locRibRoutes = 0;
      for (const { counts, updates } of protocol.channels.map((channel) => channel.view())) {
        rejectedPrefixes += updates.importUpdates.filtered ?? 0;
        adjRibInRoutes += counts.imported + counts.filtered;
        locRibRoutes += counts.preferred;
      }
      const statistics = { rejectedPrefixes, adjRibInRoutes, locRibRoutes };
      this.#send(encodeStatistics(peer, this.#wallMs(), statistics));
    }
  }

  #send(bytes: Uint8Array): void {
    if (this.#connection === undefined || !this.#connected) return;
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > this.config.txBufferLimitBytes) {
      this.log('error', 'The station does not read fast enough, closing the connection');
      this.#close();
      return this.#lost();
    }
    this.engine.order({ kind: 'tcpSend', connection: this.#connection, bytes });
  }

  #close(): void {
    if (this.#connection === undefined) return;
    this.engine.order({ kind: 'tcpClose', connection: this.#connection });
    this.engine.connections.delete(this.#connection);
    this.#connection = undefined;
  }

  #lost(): void {
    this.#connected = false;
    this.#forgetAll();
    if (!this.running) return;
    this.setState('start');
    this.#retry.set(this.engine.nowMs + RETRY_MS);
  }

  #wallMs(): number {
    return this.engine.nowMs + this.engine.view.status().wallOffsetMs;
  }
}
