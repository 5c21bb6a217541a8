// Update groups of BGP: peers whose export rules, policy and encoding are equal share one exporter,
// one Adj-RIB-Out and one encoded stream (the RIB's UpdateGroup). This module finds the group of a
// session, turns accepted routes into the peer's words once per attributes, and hands finished
// bytes to the sessions as fast as their sockets take them.

import {
  appendNlri,
  createNlriBatch,
  encodeEndOfRib,
  encodeRouteRefresh,
  encodeUnreach,
} from '@rookery/bgp';
import type { Family, IpAddress } from '@rookery/net';
import { UpdateGroup } from '@rookery/rib';
import type { AttributeStore, ExportRewrite, GroupMember, Policy } from '@rookery/rib';
import type { BgpChannelConfig, NextHopScope } from '../config.ts';
import type { Engine } from '../engine.ts';
import { Exporter } from '../exporter.ts';
import type { ExportCounters, ExportEvent, ExportSink, PathSink } from '../exporter.ts';
import type { Channel } from '../channel.ts';
import { policyContextFor } from '../channel.ts';
import type { Protocol } from '../protocol.ts';
import { RouteEncoder } from './attribute-encoder.ts';
import { SOURCE_CLASS, exportedRoute, refusesExport, rewriteFor } from './export-rules.ts';
import type { ExportRules, SourceClass } from './export-rules.ts';

/** One session's side of a group. */
export interface GroupClient {
  readonly protocol: Protocol;
  readonly channel: Channel;
  /** Somebody wants lines about exported routes. */
  traced(): boolean;
  /** Octets that the socket may be given now. */
  sendRoom(): number;
  /** Whole messages, some of them UPDATEs; one buffer is written to many sockets. */
  sendUpdates(buffers: readonly Uint8Array[], messages: number, endOfRib: boolean): void;
  /** It is in another group from now on. */
  moved(membership: Membership): void;
}

export interface GroupNeeds {
  readonly rules: ExportRules;
  readonly config: BgpChannelConfig;
  readonly as4: boolean;
  readonly maxMessageBytes: number;
  /** IPv4 prefixes travel in MP_REACH_NLRI (RFC 8950). */
  readonly extendedNextHop: boolean;
  /** The peer takes several paths per prefix (RFC 7911). */
  readonly addPath: boolean;
}

export interface Membership {
  readonly group: BgpGroup;
  readonly client: GroupClient;
  readonly member: GroupMember;
  readonly endOfRib: Uint8Array;
  endOfRibSent: boolean;
  /** Counters of the group when the member joined, and what the join itself amounts to. */
  readonly base: ExportCounters;
  readonly fed: ExportCounters;
  /** Net and path id of what the peer has from its former group and may have to lose. */
  owedWithdrawals: Int32Array | undefined;
}

export class BgpGroups {
  /** Sources that are clients of our route reflector (RFC 4456). */
  readonly reflectorClients = new Set<number>();
  readonly #engine: Engine;
  readonly #groups = new Map<string, BgpGroup>();
  readonly #changed = new Map<Membership, GroupNeeds>();
  #nextNumber = 1;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Finds or makes the group for a session that came up, and joins it. */
  join(client: GroupClient, needs: GroupNeeds): Membership {
    const key = keyOf(client.channel, needs);
    let group = this.#groups.get(key);
    if (!group) {
      group = new BgpGroup(this, this.#engine, this.#nextNumber++, client, needs);
      this.#groups.set(key, group);
    }
    return group.join(client);
  }

  leave(membership: Membership): void {
    const { group } = membership;
    this.#changed.delete(membership);
    group.leave(membership);
    if (group.memberships.size > 0) return;
    group.close();
    for (const [key, known] of this.#groups) if (known === group) this.#groups.delete(key);
  }

  /**
   * The rules or the policy of a running member changed. Takes effect at the next `regroup`, when
   * it is known whether the others of its group changed in the same way.
   */
  change(membership: Membership, needs: GroupNeeds): void {
    this.#changed.set(membership, needs);
  }

  /**
   * Applies changes: a group whose members all changed alike stays and sends only differences; a
   * member that changed alone moves to another group and is told what it no longer gets there.
   */
  regroup(): void {
    if (this.#changed.size === 0) return;
    const changed = new Map(this.#changed);
    this.#changed.clear();
    for (const [membership, needs] of changed) {
      const { group, client } = membership;
      if (!group.memberships.has(membership)) continue;
      const key = keyOf(client.channel, needs);
      const together = [...group.memberships].every((other) => {
        const theirs = changed.get(other);
        return theirs !== undefined && keyOf(other.client.channel, theirs) === key;
      });
      if (together && !this.#groups.has(key) && group.canAdopt(needs)) {
        for (const [old, known] of this.#groups) if (known === group) this.#groups.delete(old);
        this.#groups.set(key, group);
        group.adopt(needs);
        continue;
      }
      if (this.#groups.get(key) === group) continue;
      const told = group.announcedTo(membership);
      this.leave(membership);
      const next = this.join(client, needs);
      next.owedWithdrawals = told;
      client.moved(next);
    }
  }

  /** True while a session could be sent more than it was given. */
  get pending(): boolean {
    if (this.#changed.size > 0) return true;
    for (const group of this.#groups.values()) {
      if (group.hasMore()) return true;
    }
    return false;
  }

  /** Packs what changed and gives each session what its socket takes. */
  flush(): void {
    this.regroup();
    for (const group of this.#groups.values()) group.flush();
  }

  /** The protocols that suffer when the owner of a task fails; `undefined` when it is no group. */
  membersOf(owner: { readonly name: string } | undefined): Protocol[] | undefined {
    for (const group of this.#groups.values()) {
      if (group === owner) return [...group.memberships].map((m) => m.client.protocol);
    }
    return undefined;
  }

  all(): Iterable<BgpGroup> {
    return this.#groups.values();
  }
}

/** Sent per turn and session, so that one fast peer does not hold up the others. */
const TAKE_BYTES = 256 * 1024;

export class BgpGroup implements ExportSink, PathSink {
  readonly name: string;
  readonly number: number;
  readonly exporter: Exporter;
  readonly updates: UpdateGroup;
  readonly memberships = new Set<Membership>();
  readonly #owner: BgpGroups;
  readonly #engine: Engine;
  readonly #attributes: AttributeStore;
  #rules: ExportRules;
  /** The same rules for ordinary routes of external peers, by octets. */
  #rewrite: ExportRewrite | undefined;
  #needs: GroupNeeds;
  readonly #table: Channel['table'];
  readonly #family: Family;

  constructor(
    owner: BgpGroups,
    engine: Engine,
    number: number,
    first: GroupClient,
    needs: GroupNeeds,
  ) {
    const { channel } = first;
    this.#owner = owner;
    this.name = `update group ${number}`;
    this.number = number;
    this.#engine = engine;
    this.#rules = needs.rules;
    this.#rewrite = rewriteFor(needs.rules);
    this.#needs = needs;
    this.#family = needs.rules.family;
    this.#table = channel.table;
    this.#attributes = channel.table.attributes;
    this.updates = new UpdateGroup({
      prefixes: channel.table.prefixes,
      attributes: this.#attributes,
      encoder: new RouteEncoder(
        this.#attributes,
        { as4: needs.as4, classic: this.#family === 'ipv4' && !needs.extendedNextHop },
        rulesNeedSource(needs) ? undefined : () => this.#rules,
      ),
      addPath: needs.addPath,
      maxMessageBytes: needs.maxMessageBytes,
      mpWithdraw: needs.extendedNextHop,
    });
    this.exporter = new Exporter({
      owner: this,
      table: channel.table,
      policy: needs.config.exportPolicy,
      context: { ...policyContextFor(first.protocol, channel.table), notesStated: true },
      sink: this,
      pathSink: needs.addPath ? this : undefined,
      secondary: needs.config.secondary,
      refuses: (attributes, source) =>
        this.#isOwnOfLone(source) || this.#refuses(attributes, source),
      onLimit: (limit) => first.channel.exportLimitReached(limit),
      // Where the peer's words follow from the attributes alone, they are found while encoding.
      ...(rulesNeedSource(needs)
        ? {
            transform: (accepted: number, before: number, source: number) =>
              this.#transform(accepted, before, source),
          }
        : {}),
      sourceClass: (source) => this.#memoClass(source),
      waits: () => engine.recovery.active,
      onFed: () => this.updates.endFeed(),
      trace: (event, net, attributes, source) => this.#trace(event, net, attributes, source),
    });
    this.exporter.limit = needs.config.exportLimit;
    this.updates.beginFeed();
    this.exporter.start();
    engine.exporters.add(this.exporter);
  }

  /** Equal for all members. */
  get rules(): ExportRules {
    return this.#rules;
  }

  /** Present policy; equal for all members. */
  get policy(): Policy {
    return this.exporter.policy;
  }

  join(client: GroupClient): Membership {
    const endOfRib = encodeEndOfRib(this.#family);
    const member = this.updates.addMember({ source: client.channel.source, endOfRib });
    const membership: Membership = {
      group: this,
      client,
      member,
      endOfRib,
      endOfRibSent: false,
      owedWithdrawals: undefined,
      base: { ...this.exporter.counters },
      fed: this.#fedAtJoin(member),
    };
    this.memberships.add(membership);
    this.retrace();
    return membership;
  }

  leave(membership: Membership): void {
    this.updates.removeMember(membership.member);
    this.memberships.delete(membership);
    this.retrace();
  }

  close(): void {
    this.exporter.stop();
    this.#engine.exporters.delete(this.exporter);
    this.updates.close();
  }

  /** Whether anybody wants export lines may have changed. */
  retrace(): void {
    this.exporter.traced = [...this.memberships].some((m) => m.client.traced());
  }

  /** Export counters as one member sees them: its own routes are rejected, not exported. */
  countersFor({ client, base, fed }: Membership): ExportCounters {
    const { counters, receivedFrom, filteredFrom, withdrawnFrom } = this.exporter;
    const { source } = client.channel;
    const own = receivedFrom[source] ?? 0;
    const ownFiltered = filteredFrom[source] ?? 0;
    const ownWithdrawn = withdrawnFrom[source] ?? 0;
    const since = (name: keyof ExportCounters): number => counters[name] - base[name] + fed[name];
    return {
      updatesReceived: since('updatesReceived'),
      updatesRejected: since('updatesRejected') + own,
      updatesFiltered: since('updatesFiltered') - ownFiltered,
      updatesAccepted: since('updatesAccepted') - (own - ownFiltered),
      withdrawsReceived: since('withdrawsReceived') - ownWithdrawn,
      withdrawsAccepted: since('withdrawsAccepted') - ownWithdrawn,
    };
  }

  /** A member that joins late is fed from what the group has: that is one update per net. */
  #fedAtJoin(member: GroupMember): ExportCounters {
    const late = !this.exporter.feeding;
    const accepted = late ? this.updates.announcedCount(member) : 0;
    const received = late ? this.#table.rib.netCount : 0;
    return {
      updatesReceived: received,
      updatesRejected: 0,
      updatesFiltered: received - accepted,
      updatesAccepted: accepted,
      withdrawsReceived: 0,
      withdrawsAccepted: 0,
    };
  }

  /** False when what was staged under the old needs means something else under these. */
  canAdopt(needs: GroupNeeds): boolean {
    if (rulesNeedSource(this.#needs) !== rulesNeedSource(needs)) return false;
    return rulesNeedSource(needs) || rulesKey(this.#needs.rules) === rulesKey(needs.rules);
  }

  /** All members changed to these needs: sends what differs. */
  adopt(needs: GroupNeeds): void {
    this.#rules = needs.rules;
    this.#rewrite = rewriteFor(needs.rules);
    this.#needs = needs;
    this.exporter.limit = needs.config.exportLimit;
    this.exporter.replacePolicy(needs.config.exportPolicy, true);
    this.#engine.work.add(this.exporter);
  }

  /** Pairs of net and path id that a member has been told, or will be; nets with a reference. */
  announcedTo(membership: Membership): Int32Array {
    const { view } = this.updates;
    const nets: number[] = [];
    for (let slot = 0; slot < view.limit; slot++) {
      if (view.attributes[slot] === 0) continue;
      if (view.source[slot] === membership.member.source) continue;
      const net = view.netOf(slot);
      this.#table.prefixes.retain(net);
      nets.push(net, view.pathIdOf(slot));
    }
    return Int32Array.from(nets);
  }

  /** RFC 2918, RFC 7313: the peer wants everything again. */
  refresh(membership: Membership, enhanced: boolean): void {
    const family = this.#family;
    this.updates.refresh(
      membership.member,
      enhanced
        ? { begin: encodeRouteRefresh(family, 'begin'), end: encodeRouteRefresh(family, 'end') }
        : {},
    );
  }

  exportRoute(net: number, attributes: number, source: number): void {
    this.updates.stage(net, 0, attributes, source);
  }

  exportRoutes(
    nets: Int32Array,
    from: number,
    to: number,
    attributes: number,
    source: number,
  ): number {
    return this.updates.stageAll(nets, from, to, attributes, source);
  }

  withdrawRoutes(nets: Int32Array, from: number, to: number, bySource: number[]): number {
    return this.updates.unstageAll(nets, from, to, bySource);
  }

  exportedAttributes(net: number): number {
    return this.updates.announced(net);
  }

  exportedSource(net: number): number {
    return this.updates.sourceOf(net);
  }

  exportPath(net: number, pathId: number, attributes: number, source: number): void {
    this.updates.stage(net, pathId, attributes, source);
  }

  exportedPaths(net: number): readonly number[] {
    const { view } = this.updates;
    return view
      .slotsOf(net)
      .filter((slot) => view.attributes[slot] !== 0)
      .map((slot) => view.pathIdOf(slot));
  }

  hasMore(): boolean {
    if (this.updates.stagedCount > 0) return true;
    for (const { member, client } of this.memberships) {
      if (this.updates.hasMore(member) && client.sendRoom() > 0) return true;
    }
    return false;
  }

  flush(): void {
    this.updates.flush();
    for (const membership of this.memberships) this.#give(membership);
  }

  #give(membership: Membership): void {
    const { member, client, endOfRib } = membership;
    const { updates } = this;
    if (membership.owedWithdrawals && !this.exporter.feeding) this.#withdrawOwed(membership);
    // Preparing may give nothing at first, see `take`; a few tries per turn are enough.
    for (let tries = 0; tries < 4 && updates.hasMore(member); tries++) {
      const room = Math.min(client.sendRoom(), TAKE_BYTES);
      if (room <= 0) return;
      const buffers: Uint8Array[] = [];
      const before = member.messagesSent;
      updates.take(member, room, buffers);
      if (buffers.length === 0) continue;
      const ended = buffers.includes(endOfRib);
      if (ended) membership.endOfRibSent = true;
      client.sendUpdates(buffers, member.messagesSent - before, ended);
    }
  }

  /** The new group is complete: what the old one told and this one does not is withdrawn. */
  #withdrawOwed(membership: Membership): void {
    const nets = membership.owedWithdrawals!;
    membership.owedWithdrawals = undefined;
    const { prefixes } = this.#table;
    const batch = createNlriBatch();
    for (let i = 0; i < nets.length; i += 2) {
      const net = nets[i]!;
      const pathId = nets[i + 1]!;
      if (this.updates.announcedTo(membership.member, net, pathId) === 0) {
        appendNlri(batch, prefixes.wordsOf(net), prefixes.lengthOf(net), pathId);
      }
      prefixes.release(net);
    }
    const template = {
      family: this.#family,
      addPath: this.#needs.addPath,
      maxLength: this.#needs.maxMessageBytes,
      multiprotocol: this.#needs.extendedNextHop,
    };
    const buffers: Uint8Array[] = [];
    for (let from = 0; from < batch.count;) {
      const update = encodeUnreach(template, batch, from);
      buffers.push(update.bytes);
      from = update.next;
    }
    if (buffers.length > 0) membership.client.sendUpdates(buffers, buffers.length, false);
  }

  #refuses(attributes: number, source: number): boolean {
    const from = this.#classOf(source);
    // Nothing in it that a rule could look at: no need to decode.
    if (from === SOURCE_CLASS.external && this.#attributes.isPlain(attributes)) return false;
    return refusesExport(this.#attributes.get(attributes), from, this.#rules);
  }

  #transform(accepted: number, before: number, source: number): number {
    const store = this.#attributes;
    const rewrite = this.#rewrite;
    if (rewrite && this.#classOf(source) === SOURCE_CLASS.external) {
      const rewritten = store.rewrite(accepted, rewrite);
      if (rewritten !== 0) return rewritten;
    }
    const out = exportedRoute(
      store.get(accepted),
      store.get(before),
      this.#classOf(source),
      this.#rules,
      routerIdText(this.#table.sources.routerId[source] ?? 0),
    );
    return out ? store.intern(out) : 0;
  }

  #classOf(source: number): SourceClass {
    const facts = this.#table.sources.get(source);
    if (!facts?.peer) return SOURCE_CLASS.local;
    if (facts.peer.type !== 'internal') return SOURCE_CLASS.external;
    return this.#owner.reflectorClients.has(source) ? SOURCE_CLASS.client : SOURCE_CLASS.internal;
  }

  /** The routes of a peer that is alone in its group: they do not count, or stand in the way. */
  #isOwnOfLone(source: number): boolean {
    if (!isLone(this.#needs)) return false;
    for (const { client } of this.memberships) if (client.channel.source === source) return true;
    return false;
  }

  /** Reflected routes carry their originator, so they are decided per source. */
  #memoClass(source: number): number {
    if (this.#isOwnOfLone(source)) return 4 + source;
    const from = this.#classOf(source);
    const reflected = from === SOURCE_CLASS.internal || from === SOURCE_CLASS.client;
    return reflected && this.#rules.peerType === 'internal' ? 4 + source : from;
  }

  #trace(event: ExportEvent, net: number, attributes: number, source: number): void {
    for (const { client } of this.memberships) {
      if (!client.traced()) continue;
      const own = source !== 0 && source === client.channel.source;
      client.channel.traceExport(own ? 'rejected by protocol' : event, net, attributes);
    }
  }
}

/**
 * False when what an accepted route becomes can be told from its attributes, in which a policy notes
 * what it has stated: an external peer, and next hop rules that do not ask which kind of peer a route
 * is from.
 */
function rulesNeedSource({ rules }: GroupNeeds): boolean {
  const plain = (scope: NextHopScope): boolean => scope === 'off' || scope === 'all';
  return rules.peerType === 'internal' || !plain(rules.nextHopSelf) || !plain(rules.nextHopKeep);
}

/**
 * An export limit is counted per peer, and which route is the next best depends on which ones are
 * the peer's own: such a peer is a group of its own.
 */
function isLone({ config }: GroupNeeds): boolean {
  return config.exportLimit !== undefined || config.secondary;
}

function keyOf(channel: Channel, needs: GroupNeeds): string {
  const { rules, config } = needs;
  const policy = config.exportPolicy;
  const words: (string | number | boolean | undefined)[] = [
    channel.table.name,
    policy.kind === 'filter' ? `${policy.name} ${policy.text}` : policy.kind,
    isLone(needs) ? channel.protocol.name : '',
    config.secondary,
    config.exportLimit?.count,
    config.exportLimit?.action,
    needs.as4,
    needs.maxMessageBytes,
    needs.extendedNextHop,
    needs.addPath,
  ];
  return JSON.stringify([words, rulesKey(rules)]);
}

function rulesKey(rules: ExportRules): string {
  return JSON.stringify(Object.values(rules).map((value) => value ?? null));
}

function routerIdText(id: number): IpAddress | undefined {
  if (id === 0) return undefined;
  return `${id >>> 24}.${(id >>> 16) & 255}.${(id >>> 8) & 255}.${id & 255}`;
}
