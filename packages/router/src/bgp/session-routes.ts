// The routes of a BGP instance: its channels, the importer of the running session, its places in
// update groups, and routes that outlive a session while the neighbor restarts (RFC 4724, 8538,
// 9494). Knows nothing of connections; the protocol tells it when a session comes and goes.

import type { FamilyRetention, Negotiated, Retention } from '@rookery/bgp';
import { parseWords } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import { Channel } from '../channel.ts';
import type { BgpChannelConfig, BgpConfig } from '../config.ts';
import type { Engine } from '../engine.ts';
import type { Protocol } from '../protocol.ts';
import type { Timer } from '../timers.ts';
import type { GroupClient, Membership } from './groups.ts';
import { Importer } from './importer.ts';
import type { UpdateResult } from './importer.ts';
import { groupNeedsFor, linkOf } from './neighbor.ts';
import { markLongLived } from './stale-routes.ts';
import { LogLimit } from '../log-limit.ts';

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

export interface SessionRoutesHost extends Protocol {
  readonly config: BgpConfig;
  readonly localId: IpAddress;
  sendRoom(): number;
  sendUpdates(buffers: readonly Uint8Array[], messages: number, endOfRib: boolean): void;
  /** Nothing is kept any more for a neighbor that may return. */
  nothingKept(): void;
}

export class SessionRoutes {
  readonly families: readonly BgpFamily[];
  readonly #host: SessionRoutesHost;
  readonly #engine: Engine;
  #importer: Importer | undefined;
  #negotiated: Negotiated | undefined;

  constructor(host: SessionRoutesHost, channels: readonly BgpChannelConfig[]) {
    this.#host = host;
    this.#engine = host.engine;
    this.families = channels.map((config) => this.#createFamily(config));
  }

  /** Routes of the last session are being kept for a neighbor that may return. */
  get keepsStale(): boolean {
    return this.families.some((family) => family.stale !== 'no');
  }

  /**
   * RFC 4724 §4.1: our restart waits for the End-of-RIB of a neighbor that took part in it before,
   * unless it turns out not to speak graceful restart. One that restarts itself may wait for us.
   */
  owedToRecovery(family: BgpFamily): 'nothing' | 'routes' | 'restarting' {
    const { channel, negotiated, endOfRibReceived } = family;
    if (!this.#engine.recovery.keepsKernel || endOfRibReceived) return 'nothing';
    if (this.#host.config.gracefulRestart !== 'on') return 'nothing';
    if (!(channel.config as BgpChannelConfig).gracefulRestart) return 'nothing';
    if (!this.#negotiated) return 'routes';
    const graceful = this.#negotiated.remote.gracefulRestart;
    if (!negotiated || graceful === undefined) return 'nothing';
    return graceful.restarting ? 'restarting' : 'routes';
  }

  /** A session is up: opens what both sides speak. */
  sessionUp(negotiated: Negotiated): void {
    this.#negotiated = negotiated;
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
    this.#importer = families.length === 0 ? undefined : this.#createImporter(families, negotiated);
  }

  /** After the state of the protocol has changed: joins update groups. */
  beginExport(): void {
    const negotiated = this.#negotiated;
    if (!negotiated) return;
    for (const family of this.families) {
      if (!family.negotiated) continue;
      const needs = this.#needsFor(family, negotiated);
      family.membership = this.#engine.groups.join(this.#clientFor(family), needs);
    }
  }

  /** The session is over; what `retention` does not name goes. */
  sessionDown(retention: Retention): void {
    this.#negotiated = undefined;
    for (const family of this.families) {
      this.#leaveGroup(family);
      if (!family.negotiated) continue;
      const kept = retention.families.find((f) => f.family === family.family);
      if (kept) this.#keepStale(family, kept);
      else this.#close(family);
      family.negotiated = false;
    }
    this.#importer?.close();
    this.#importer = undefined;
  }

  /** The instance restarts: nothing is kept. */
  closeAll(): void {
    for (const family of this.families) this.#close(family);
  }

  /** The instance is down; its channels have been closed. */
  reset(): void {
    for (const family of this.families) {
      this.#leaveGroup(family);
      this.#forgetStale(family);
      family.negotiated = false;
    }
    this.#importer?.close();
    this.#importer = undefined;
    this.#negotiated = undefined;
  }

  /** Takes one UPDATE in, the whole message bytes[start, end); its routes change with `apply`. */
  update(bytes: Uint8Array, start: number, end: number): UpdateResult | undefined {
    const result = this.#importer?.update(bytes, start, end);
    if (result?.kind === 'endOfRib') {
      this.apply();
      this.#endOfRibReceived(result.family);
    }
    return result;
  }

  /** Changes the routes as the UPDATEs since the last call say. */
  apply(): void {
    this.#importer?.apply();
  }

  /** Interfaces or import options changed. */
  forgetVerdicts(): void {
    this.#importer?.forgetVerdicts();
  }

  /** Export policy or rules of a family changed. */
  exportChanged(family: BgpFamily): void {
    const { membership } = family;
    if (!membership || !this.#negotiated) return;
    this.#engine.groups.change(membership, this.#needsFor(family, this.#negotiated));
  }

  /** RFC 2918, RFC 7313. */
  refreshReceived(subtype: 'request' | 'begin' | 'end', family: Family): void {
    const target = this.families.find((f) => f.family === family && f.negotiated);
    if (!target) return;
    const { channel, membership } = target;
    if (subtype === 'request') {
      const enhanced = this.#negotiated?.enhancedRouteRefresh ?? false;
      if (membership) membership.group.refresh(membership, enhanced);
    } else if (subtype === 'begin') channel.markStale(channel.source);
    else channel.sweep(channel.source, () => {});
  }

  // Channels

  #createFamily(config: BgpChannelConfig): BgpFamily {
    const host = this.#host;
    const family: BgpFamily = {
      family: config.netType === 'ipv6' ? 'ipv6' : 'ipv4',
      channel: new Channel(host, config, { importTable: config.importTable }),
      negotiated: false,
      membership: undefined,
      endOfRibReceived: false,
      stale: 'no',
      staleTimer: host.engine.timers.create(host, () => this.#restartTimeout(family)),
      staleUntilMs: 0,
      retention: undefined,
    };
    return family;
  }

  #openChannel(family: BgpFamily, negotiated: Negotiated): void {
    const { channel } = family;
    const { config, name } = this.#host;
    if (channel.source === 0) channel.open();
    channel.describeSource({
      protocol: name,
      kind: 'bgp',
      peer: {
        type: config.confederationMember ? 'confederation' : negotiated.peerType,
        remoteAs: negotiated.peerAs,
        routerId: parseWords(negotiated.peerId)?.[0] ?? 0,
        address: negotiated.endpoints.remote,
        options: config,
      },
    });
    const { reflectorClients } = this.#engine.groups;
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

  #close(family: BgpFamily): void {
    this.#forgetStale(family);
    const { channel } = family;
    if (channel.source === 0) return;
    this.#engine.groups.reflectorClients.delete(channel.source);
    channel.close(() => {});
  }

  #createImporter(families: readonly BgpFamily[], negotiated: Negotiated): Importer {
    const host = this.#host;
    const say = (text: string): void => host.log('remote', text);
    const complaints = new LogLimit('malformed routes', say, () => this.#engine.nowMs);
    return new Importer({
      engine: this.#engine,
      config: host.config,
      negotiated,
      peerAddress: negotiated.endpoints.remote,
      interface: linkOf(host.config, this.#engine.interfaces)?.name,
      routerId: host.localId,
      families: families.map(({ family, channel }) => {
        const agreed = negotiated.families.find((f) => f.family === family);
        const { igpTable } = channel.config as BgpChannelConfig;
        return {
          family,
          channel,
          addPathRx: agreed?.addPathRx ?? false,
          extendedNextHop: agreed?.extendedNextHop ?? false,
          igp: igpTable === undefined ? channel.table : this.#engine.table(igpTable),
        };
      }),
      complain: (text) => complaints.write(text),
    });
  }

  // Update groups

  #needsFor({ family, channel }: BgpFamily, negotiated: Negotiated) {
    const { config, localId } = this.#host;
    return groupNeedsFor(config, channel.config as BgpChannelConfig, family, {
      negotiated,
      localId,
      interfaces: this.#engine.interfaces,
    });
  }

  #clientFor(family: BgpFamily): GroupClient {
    const host = this.#host;
    return {
      protocol: host,
      channel: family.channel,
      traced: () => family.channel.flags.routes || family.channel.flags.filters,
      sendRoom: () => host.sendRoom(),
      sendUpdates: (buffers, messages, endOfRib) => host.sendUpdates(buffers, messages, endOfRib),
      moved: (membership) => {
        family.membership = membership;
      },
    };
  }

  #leaveGroup(family: BgpFamily): void {
    if (!family.membership) return;
    this.#engine.groups.leave(family.membership);
    family.membership = undefined;
  }

  // Graceful restart of the neighbor

  #keepStale(family: BgpFamily, retention: FamilyRetention): void {
    const { channel } = family;
    channel.markStale(channel.source);
    family.retention = retention;
    family.stale = 'regular';
    if (retention.restartTimeSec > 0) this.#staleFor(family, retention.restartTimeSec);
    else this.#restartTimeout(family);
  }

  #staleFor(family: BgpFamily, seconds: number): void {
    family.staleUntilMs = this.#engine.nowMs + seconds * 1000;
    family.staleTimer.set(family.staleUntilMs);
  }

  #restartTimeout(family: BgpFamily): void {
    const host = this.#host;
    const llgr = family.retention?.llgrStaleTimeSec ?? 0;
    // RFC 9494 §4.2: a session that is up again only has to finish; nothing new is marked.
    if (family.stale === 'regular' && llgr > 0 && !family.negotiated) {
      host.trace('events', 'Neighbor graceful restart timeout; LLGR');
      family.stale = 'long-lived';
      markLongLived(family.channel, this.#engine, () => !family.negotiated);
      this.#staleFor(family, llgr);
      return;
    }
    const longLived = family.stale === 'long-lived';
    host.trace(
      'events',
      longLived ? 'Long-lived stale timeout' : 'Neighbor graceful restart timeout',
    );
    this.#dropStale(family);
  }

  #endOfRibReceived(family: Family): void {
    this.#host.trace('packets', 'Got END-OF-RIB');
    const target = this.families.find((f) => f.family === family && f.negotiated);
    if (!target) return;
    target.endOfRibReceived = true;
    if (target.stale === 'no') return;
    this.#host.trace('events', 'Neighbor graceful restart done');
    this.#dropStale(target);
  }

  /** What was kept and not sent again goes. */
  #dropStale(family: BgpFamily): void {
    if (family.stale === 'no') return;
    const { channel } = family;
    if (family.negotiated) {
      this.#forgetStale(family);
      if (channel.source !== 0) channel.sweep(channel.source, () => {});
    } else this.#close(family);
    this.#host.nothingKept();
  }

  #forgetStale(family: BgpFamily): void {
    family.staleTimer.clear();
    family.stale = 'no';
    family.retention = undefined;
  }
}
