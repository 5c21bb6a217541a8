// Peers with equal export policy, capabilities and encoding share one Adj-RIB-Out and one encoded
// byte stream. The engine stages what its export filter decided per net; a flush packs the changes
// since the last one into messages; members read the same buffers, each at its own pace. Members
// that join late, ask for a refresh or lag too far are served from the view (`CatchUp`) until they
// can return to the stream. No timer, no I/O; nothing per route but numbers.

import type { AttributeStore } from './attribute-store.ts';
import { CatchUp } from './catch-up.ts';
import { growInt32, growUint16, growUint32, nextCapacity } from './columns.ts';
import { ExportView } from './export-view.ts';
import type { PrefixStore } from './prefix-store.ts';
import { SlotBuckets } from './slot-buckets.ts';
import { UpdatePacker } from './update-packer.ts';
import type { AttributeEncoder } from './update-packer.ts';
import { UpdateStream, readChunk } from './update-stream.ts';
import type { Audience } from './update-stream.ts';

export interface UpdateGroupOptions {
  readonly prefixes: PrefixStore;
  readonly attributes: AttributeStore;
  readonly encoder: AttributeEncoder;
  /** Members receive path identifiers (RFC 7911). */
  readonly addPath: boolean;
  /** 4096, or 65535 with extended messages. */
  readonly maxMessageBytes: number;
  /** Withdraw IPv4 with MP_UNREACH_NLRI too (RFC 8950 sessions). */
  readonly mpWithdraw?: boolean;
  /** How far a member may lag behind the others before it leaves the stream; 4 MiB unless told. */
  readonly maxLagBytes?: number;
}

export interface MemberOptions {
  /** The member's own source number: its routes are not sent back to it. 0 for none. */
  readonly source: number;
  /** Sent once, when the member has the whole view (RFC 4724 End-of-RIB). */
  readonly endOfRib?: Uint8Array;
}

/** A peer in a group. Created by `UpdateGroup.addMember`, read-only for others. */
export interface GroupMember {
  readonly source: number;
  /**
   * waiting: the group itself is still being fed; catching-up: served from the view;
   * streaming: reads the shared stream.
   */
  state: 'waiting' | 'catching-up' | 'streaming' | 'gone';
  /** UPDATE messages (End-of-RIB and refresh marks do not count) and octets taken so far. */
  messagesSent: number;
  bytesSent: number;
}

interface Member extends GroupMember {
  /** Next chunk of the stream. */
  position: number;
  catchUp: CatchUp | undefined;
  /** Octets to send before anything else, and those to send when it has caught up. */
  before: Uint8Array[];
  after: Uint8Array[];
}

const CHUNK_BYTES = 64 * 1024;
const STAGED_LIMIT = 65_536;
const MAX_SOURCE = 65_536;

export class UpdateGroup {
  readonly #attributes: AttributeStore;
  readonly #view: ExportView;
  readonly #packer: UpdatePacker;
  readonly #stream: UpdateStream;
  readonly #buckets = new SlotBuckets();
  readonly #members = new Set<Member>();
  readonly #catching = new Set<Member>();
  readonly #maxLagBytes: number;
  #streaming = 0;
  #feeding = false;
  /** 1 where a streaming member has this source. */
  readonly #memberSources = new Uint8Array(MAX_SOURCE);
  /** What was announced before staging began, per staged slot, and a bit per slot. */
  #stagedSlots: Int32Array = new Int32Array(64);
  #stagedAttributes: Int32Array = new Int32Array(64);
  #stagedSources: Uint16Array = new Uint16Array(64);
  #staged = 0;
  #stagedBits: Uint32Array = new Uint32Array(64);
  /**
   * Runs of staged slots that are alike, four numbers each: first, end, attributes and source. Their
   * slots announced nothing before; with attributes of 0 something that came from the source.
   */
  #alike: Int32Array = new Int32Array(64);
  #alikeEnd = 0;
  /** A slot was staged twice: what its run says is no longer so. */
  #restaged = false;
  #runs: Int32Array = new Int32Array(3 * 64);
  #runsEnd = 0;
  #refused = 0;
  /** Slots of a batch that change. */
  #changed = new Int32Array(64);

  constructor(options: UpdateGroupOptions) {
    this.#attributes = options.attributes;
    this.#view = new ExportView(options.prefixes, options.attributes, options.addPath);
    this.#packer = new UpdatePacker(this.#view, options.encoder, {
      maxMessageBytes: options.maxMessageBytes,
      mpWithdraw: options.mpWithdraw ?? false,
    });
    this.#maxLagBytes = options.maxLagBytes ?? 4 * 1024 * 1024;
    this.#stream = new UpdateStream((chunk) => {
      this.#view.releaseAll(chunk.slots);
    });
  }

  /** Members of any state. */
  get memberCount(): number {
    return this.#members.size;
  }

  /** What the group exports; read-only. For consoles: `slotsOf(net)`, `attributes[slot]`. */
  get view(): ExportView {
    return this.#view;
  }

  /** Routes that could not be sent because their attributes do not fit a message. */
  get refusedCount(): number {
    return this.#refused;
  }

  /** Changes staged since the last flush. */
  get stagedCount(): number {
    return this.#staged;
  }

  /**
   * False while every streaming member lags by the limit: leave changes where they are (a change
   * log keeps one entry per net) until a member has taken some.
   */
  get wantsMore(): boolean {
    if (this.#streaming === 0) return true;
    for (const member of this.#members) {
      if (member.state === 'streaming' && this.#lagOf(member) < this.#maxLagBytes) return true;
    }
    return false;
  }

  /**
   * The export of a net (and path id) is now `attributes`, which came from `source`; 0 attributes
   * withdraw it. Takes its own references. True when the view changed.
   */
  stage(net: number, pathId: number, attributes: number, source: number): boolean {
    const view = this.#view;
    const slot = attributes === 0 ? view.find(net, pathId) : view.obtain(net, pathId);
    if (slot < 0) return false;
    const old = view.attributes[slot]!;
    if (old === attributes && (attributes === 0 || view.source[slot] === source)) return false;
    // Owing and noting hold the slot, which a withdrawal may otherwise free.
    if (this.#catching.size > 0) {
      for (const member of this.#catching) member.catchUp!.owe(slot);
    }
    if (this.#streaming > 0) this.#note(slot, old);
    view.set(slot, attributes, source);
    if (this.#streaming === 0 && old !== 0) this.#attributes.release(old);
    if (this.#staged >= STAGED_LIMIT) this.flush();
    return true;
  }

  /** `stage` for nets[from, to), path id 0; returns how many of them the view did not have. */
  stageAll(nets: Int32Array, from: number, to: number, attributes: number, source: number): number {
    const view = this.#view;
    if (!this.#stagesAll) {
      const before = view.count;
      for (let i = from; i < to; i++) this.stage(nets[i]!, 0, attributes, source);
      return view.count - before;
    }
    view.cover(nets, from, to);
    const changed = this.#roomFor(to - from);
    let count = 0;
    for (let i = from; i < to; i++) {
      const slot = nets[i]!;
      if (view.attributes[slot] === attributes && view.source[slot] === source) continue;
      changed[count++] = slot;
    }
    this.#noteAll(count, attributes, source);
    const starts = view.setAll(changed, count, attributes, source);
    if (this.#staged >= STAGED_LIMIT) this.flush();
    return starts;
  }

  /**
   * `stage` of nothing for nets[from, to), path id 0; returns how many the view had, and counts them
   * by source.
   */
  unstageAll(nets: Int32Array, from: number, to: number, bySource: number[]): number {
    const view = this.#view;
    const together = this.#stagesAll;
    const changed = this.#roomFor(to - from);
    let count = 0;
    for (let i = from; i < to; i++) {
      const slot = view.find(nets[i]!, 0);
      if (slot < 0 || view.attributes[slot] === 0) continue;
      const source = view.source[slot]!;
      bySource[source] = (bySource[source] ?? 0) + 1;
      changed[count++] = slot;
      if (!together) this.stage(nets[i]!, 0, 0, 0);
    }
    if (!together) return count;
    this.#noteAll(count, 0, 0);
    view.clearAll(changed, count);
    if (this.#staged >= STAGED_LIMIT) this.flush();
    return count;
  }

  /** The ordinary case: everybody reads the stream, one route per net. */
  get #stagesAll(): boolean {
    return !this.#view.addPath && this.#catching.size === 0 && this.#streaming > 0;
  }

  #roomFor(count: number): Int32Array {
    if (this.#changed.length < count) this.#changed = new Int32Array(count * 2);
    return this.#changed;
  }

  /** Packs what was staged into the shared stream. Call it after each slice of changes. */
  flush(): void {
    if (this.#staged === 0) return;
    const buckets = this.#buckets;
    buckets.reserve(this.#staged * 2);
    this.#bucketAll();
    buckets.arrange();
    const readers = this.#streaming;
    // Withdrawals first, so that a peer has room for what comes.
    for (let b = 0; b < buckets.count; b++) {
      if (buckets.attributes[b] === 0) this.#writeBucket(b, readers);
    }
    for (let b = 0; b < buckets.count; b++) {
      if (buckets.attributes[b] !== 0) this.#writeBucket(b, readers);
    }
    this.#seal(readers);
    buckets.clear();
    this.#forgetStaged();
    this.#detachLaggards();
  }

  /** The engine starts to stage a whole table: members wait for the end, then get it packed. */
  beginFeed(): void {
    this.#feeding = true;
  }

  /** The table has been staged; waiting members may be served. */
  endFeed(): void {
    this.#feeding = false;
    for (const member of this.#members) if (member.state === 'waiting') this.#start(member);
  }

  /** Adds a peer whose session is up. It is owed the whole view. */
  addMember(options: MemberOptions): GroupMember {
    const member: Member = {
      source: options.source,
      state: 'waiting',
      messagesSent: 0,
      bytesSent: 0,
      position: 0,
      catchUp: undefined,
      before: [],
      after: options.endOfRib ? [options.endOfRib] : [],
    };
    this.#members.add(member);
    if (!this.#feeding) this.#start(member);
    return member;
  }

  /** The session is gone. A group without members may be forgotten after `close`. */
  removeMember(member: GroupMember): void {
    const known = member as Member;
    if (!this.#members.delete(known)) return;
    if (known.state === 'streaming') this.#leaveStream(known);
    if (known.catchUp) {
      known.catchUp.drop();
      this.#catching.delete(known);
      known.catchUp = undefined;
    }
    known.state = 'gone';
    if (this.#streaming === 0) this.#dropStaged();
  }

  /** Gives every reference back. */
  close(): void {
    for (const member of [...this.#members]) this.removeMember(member);
    const view = this.#view;
    for (let slot = 0; slot < view.limit; slot++) {
      const attributes = view.attributes[slot]!;
      if (attributes === 0) continue;
      view.set(slot, 0, 0);
      this.#attributes.release(attributes);
    }
  }

  /**
   * The member asked for everything again (RFC 2918). With enhanced refresh (RFC 7313) `begin` and
   * `end` are the BoRR and EoRR messages around it.
   */
  refresh(
    member: GroupMember,
    marks: { readonly begin?: Uint8Array; readonly end?: Uint8Array } = {},
  ): void {
    const known = member as Member;
    if (known.state === 'gone') return;
    if (marks.begin) known.before.push(marks.begin);
    if (marks.end) known.after.push(marks.end);
    if (known.state === 'waiting') return;
    this.flush();
    if (known.state === 'streaming') this.#detach(known);
    known.catchUp!.oweAll();
  }

  /**
   * Appends what the member should be sent next to `out`, whole messages, until about `maxBytes`;
   * returns the number of octets. The views are shared: they must not be changed. May return 0
   * although `hasMore`: a bounded amount of preparation was done, call again.
   */
  take(member: GroupMember, maxBytes: number, out: Uint8Array[]): number {
    const known = member as Member;
    let taken = 0;
    for (const bytes of known.before) taken += this.#give(known, bytes, 0, out);
    known.before.length = 0;
    if (known.catchUp) taken += this.#takeFromView(known, maxBytes - taken, out);
    while (known.state === 'streaming' && taken < maxBytes && known.position < this.#stream.end) {
      const read = readChunk(this.#stream.at(known.position), known.source, out);
      taken += read.bytes;
      known.bytesSent += read.bytes;
      known.messagesSent += read.messages;
      this.#stream.pass(known.position++);
    }
    return taken;
  }

  /** True when `take` has something to give or to prepare. */
  hasMore(member: GroupMember): boolean {
    const known = member as Member;
    if (known.before.length > 0 || known.catchUp !== undefined) return true;
    return known.state === 'streaming' && known.position < this.#stream.end;
  }

  /** Attributes number exported for a net, 0 when none. */
  announced(net: number, pathId = 0): number {
    const slot = this.#view.find(net, pathId);
    return slot < 0 ? 0 : this.#view.attributes[slot]!;
  }

  /** Source of what is exported for a net, 0 when nothing is. */
  sourceOf(net: number): number {
    const slot = this.#view.find(net, 0);
    return slot < 0 || this.#view.attributes[slot] === 0 ? 0 : this.#view.source[slot]!;
  }

  /** The same as this member sees it: nothing that came from itself. */
  announcedTo(member: GroupMember, net: number, pathId = 0): number {
    const slot = this.#view.find(net, pathId);
    if (slot < 0 || (member.source !== 0 && this.#view.source[slot] === member.source)) return 0;
    return this.#view.attributes[slot]!;
  }

  /** Routes exported, to all or to one member. */
  announcedCount(member?: GroupMember): number {
    const hidden = member && member.source !== 0 ? this.#view.countFrom(member.source) : 0;
    return this.#view.count - hidden;
  }

  /** Remembers what a slot announced before the first change since the last flush. */
  #note(slot: number, old: number): void {
    this.#roomToStage(slot, 1);
    const word = slot >>> 5;
    const bit = 1 << (slot & 31);
    if ((this.#stagedBits[word]! & bit) !== 0) {
      this.#restaged = true;
      if (old !== 0) this.#attributes.release(old);
      return;
    }
    this.#stagedBits[word]! |= bit;
    this.#stagedSlots[this.#staged] = slot;
    // The reference to the old attributes moves here: their number must not be reused before the
    // flush has compared it.
    this.#stagedAttributes[this.#staged] = old;
    this.#stagedSources[this.#staged] = this.#view.source[slot]!;
    this.#staged++;
    this.#view.retain(slot);
  }

  /**
   * `#note` for the first slots of `#changed`, which are nets and will all announce the same; when
   * that is nothing, they all announce something now.
   */
  #noteAll(count: number, becoming: number, becomingSource: number): void {
    this.#roomToStage(this.#view.attributes.length - 1, count);
    const { attributes, source, prefixes } = this.#view;
    const changed = this.#changed;
    const bits = this.#stagedBits;
    const slots = this.#stagedSlots;
    const olds = this.#stagedAttributes;
    const sources = this.#stagedSources;
    const first = this.#staged;
    let staged = first;
    let replaced = 0;
    let sameSource = true;
    for (let i = 0; i < count; i++) {
      const slot = changed[i]!;
      const word = slot >>> 5;
      const bit = 1 << (slot & 31);
      const old = attributes[slot]!;
      if ((bits[word]! & bit) !== 0) {
        this.#restaged = true;
        if (old !== 0) this.#attributes.release(old);
        continue;
      }
      bits[word]! |= bit;
      slots[staged] = slot;
      olds[staged] = old;
      sources[staged] = source[slot]!;
      if (old !== 0) replaced++;
      if (sources[staged] !== sources[first]) sameSource = false;
      staged++;
    }
    this.#staged = staged;
    prefixes.retainAll(slots, first, staged);
    if (staged === first) return;
    if (becoming !== 0 && replaced === 0) {
      this.#addAlike(first, staged, becoming, becomingSource);
    } else if (becoming === 0 && sameSource) {
      this.#addAlike(first, staged, 0, sources[first]!);
    }
  }

  #addAlike(first: number, end: number, attributes: number, source: number): void {
    const at = this.#alikeEnd;
    if (at === this.#alike.length) this.#alike = growInt32(this.#alike, nextCapacity(at, at + 4));
    const alike = this.#alike;
    alike[at] = first;
    alike[at + 1] = end;
    alike[at + 2] = attributes;
    alike[at + 3] = source;
    this.#alikeEnd = at + 4;
  }

  /** Room for `count` more staged slots, none above `slot`. */
  #roomToStage(slot: number, count: number): void {
    const words = (slot >>> 5) + 1;
    if (words > this.#stagedBits.length) {
      this.#stagedBits = growUint32(this.#stagedBits, nextCapacity(this.#stagedBits.length, words));
    }
    const needed = this.#staged + count;
    if (needed <= this.#stagedSlots.length) return;
    const capacity = nextCapacity(this.#stagedSlots.length, needed);
    this.#stagedSlots = growInt32(this.#stagedSlots, capacity);
    this.#stagedAttributes = growInt32(this.#stagedAttributes, capacity);
    this.#stagedSources = growUint16(this.#stagedSources, capacity);
  }

  /** Nobody is left to be told. */
  #dropStaged(): void {
    for (let i = 0; i < this.#staged; i++) this.#view.release(this.#stagedSlots[i]!);
    this.#forgetStaged();
  }

  #forgetStaged(): void {
    for (let i = 0; i < this.#staged; i++) {
      const slot = this.#stagedSlots[i]!;
      this.#stagedBits[slot >>> 5] = this.#stagedBits[slot >>> 5]! & ~(1 << (slot & 31));
      const old = this.#stagedAttributes[i]!;
      if (old !== 0) this.#attributes.release(old);
    }
    this.#staged = 0;
    this.#alikeEnd = 0;
    this.#restaged = false;
  }

  #bucketAll(): void {
    const alike = this.#alike;
    let next = 0;
    if (!this.#restaged) {
      for (let run = 0; run < this.#alikeEnd; run += 4) {
        while (next < alike[run]!) this.#bucket(next++);
        next = alike[run + 1]!;
        const audience = this.#hiddenFrom(alike[run + 3]!);
        this.#buckets.addAll(this.#stagedSlots, alike[run]!, next, alike[run + 2]!, audience);
      }
    }
    while (next < this.#staged) this.#bucket(next++);
  }

  /** The source, if it is a member's, who is not told of its own routes; else 0. */
  #hiddenFrom(source: number): number {
    return this.#memberSources[source] === 1 ? source : 0;
  }

  /** Each bucketed slot holds a reference, which passes to the chunk that it ends up in. */
  #bucket(i: number): void {
    const slot = this.#stagedSlots[i]!;
    const old = this.#stagedAttributes[i]!;
    const oldSource = this.#stagedSources[i]!;
    const attributes = this.#view.attributes[slot]!;
    const source = this.#view.source[slot]!;
    if (old === attributes && (old === 0 || oldSource === source)) {
      this.#view.release(slot);
      return;
    }
    const hiddenBefore = old === 0 ? 0 : this.#hiddenFrom(oldSource);
    if (attributes === 0) {
      this.#buckets.add(slot, 0, hiddenBefore);
      return;
    }
    const hidden = this.#hiddenFrom(source);
    // The route is now the member's own: what it had from another source goes away.
    if (hidden !== 0 && old !== 0 && oldSource !== source) {
      this.#buckets.add(slot, 0, -hidden);
      this.#view.retain(slot);
    }
    this.#buckets.add(slot, attributes, hidden);
  }

  #writeBucket(bucket: number, readers: number): void {
    const { attributes, audience, starts, ordered } = this.#buckets;
    const packer = this.#packer;
    const n = attributes[bucket]!;
    const end = starts[bucket + 1]!;
    const from = starts[bucket]!;
    const fits = n === 0 || packer.prepare(n);
    if (!fits) for (let i = from; i < end; i++) this.#refuse(ordered[i]!);
    for (let i = from; i < end;) {
      const before = packer.messages;
      const next =
        n === 0 || !fits ? packer.withdraw(ordered, i, end) : packer.announce(ordered, i, end);
      this.#addRun(audience[bucket]!, packer.at, packer.messages - before);
      this.#addChunkSlots(ordered, i, next);
      i = next;
      if (packer.at >= CHUNK_BYTES) this.#seal(readers);
    }
  }

  #chunkSlots: Int32Array = new Int32Array(64);
  #chunkSlotCount = 0;

  #addChunkSlots(slots: Int32Array, from: number, to: number): void {
    const count = this.#chunkSlotCount + to - from;
    if (count > this.#chunkSlots.length) {
      this.#chunkSlots = growInt32(this.#chunkSlots, nextCapacity(this.#chunkSlots.length, count));
    }
    const out = this.#chunkSlots;
    for (let i = from, at = this.#chunkSlotCount; i < to; i++) out[at++] = slots[i]!;
    this.#chunkSlotCount = count;
  }

  #addRun(audience: Audience, end: number, messages: number): void {
    const at = this.#runsEnd;
    if (at > 0 && this.#runs[at - 3] === audience) {
      this.#runs[at - 2] = end;
      this.#runs[at - 1]! += messages;
      return;
    }
    if (at === this.#runs.length) this.#runs = growInt32(this.#runs, nextCapacity(at, at + 3));
    this.#runs[at] = audience;
    this.#runs[at + 1] = end;
    this.#runs[at + 2] = messages;
    this.#runsEnd = at + 3;
  }

  #seal(readers: number): void {
    if (this.#packer.at === 0) return;
    this.#stream.append({
      bytes: this.#packer.take(),
      slots: this.#chunkSlots.slice(0, this.#chunkSlotCount),
      runs: this.#runs.slice(0, this.#runsEnd),
      waiting: readers,
    });
    this.#chunkSlotCount = 0;
    this.#runsEnd = 0;
  }

  /** The route cannot be sent: it is not exported. */
  #refuse(slot: number): void {
    const attributes = this.#view.attributes[slot]!;
    if (attributes === 0) return;
    this.#refused++;
    this.#view.retain(slot);
    this.#view.set(slot, 0, 0);
    this.#attributes.release(attributes);
    for (const member of this.#catching) member.catchUp!.owe(slot);
    this.#view.release(slot);
  }

  #start(member: Member): void {
    if (this.#view.count === 0) {
      this.#joinStream(member);
      return;
    }
    member.state = 'catching-up';
    member.catchUp = new CatchUp(this.#view, member.source);
    member.catchUp.oweAll();
    this.#catching.add(member);
  }

  #joinStream(member: Member): void {
    // The view already holds what is staged, and so does the member; others hear of it now.
    this.flush();
    member.state = 'streaming';
    member.catchUp = undefined;
    member.position = this.#stream.end;
    member.before.push(...member.after);
    member.after.length = 0;
    this.#catching.delete(member);
    this.#streaming++;
    this.#memberSources[member.source] = member.source === 0 ? 0 : 1;
  }

  /** Takes a member off the stream; it is owed what it did not read. */
  #detach(member: Member): void {
    const catchUp = new CatchUp(this.#view, member.source);
    for (let i = member.position; i < this.#stream.end; i++) {
      for (const slot of this.#stream.at(i).slots) catchUp.owe(slot);
    }
    this.#leaveStream(member);
    member.state = 'catching-up';
    member.catchUp = catchUp;
    this.#catching.add(member);
  }

  #leaveStream(member: Member): void {
    const { end } = this.#stream;
    while (member.position < end) this.#stream.pass(member.position++);
    this.#streaming--;
    this.#memberSources[member.source] = 0;
  }

  /** Members that hold up the stream while others keep pace leave it. */
  #detachLaggards(): void {
    const limit = this.#maxLagBytes;
    if (this.#stream.queuedBytes <= limit) return;
    const streaming = [...this.#members].filter((member) => member.state === 'streaming');
    const lags = streaming.map((member) => this.#lagOf(member));
    if (Math.min(...lags) > limit / 2) return;
    streaming.forEach((member, i) => {
      if (lags[i]! > limit) this.#detach(member);
    });
  }

  #lagOf(member: Member): number {
    return this.#stream.lagOf(member.position);
  }

  #takeFromView(member: Member, maxBytes: number, out: Uint8Array[]): number {
    const catchUp = member.catchUp!;
    const packer = this.#packer;
    catchUp.step(packer, Math.max(1, maxBytes), (slot) => this.#refuse(slot));
    const { messages } = packer;
    let taken = packer.at > 0 ? this.#give(member, packer.take(), messages, out) : 0;
    if (catchUp.done) {
      this.#joinStream(member);
      for (const bytes of member.before) taken += this.#give(member, bytes, 0, out);
      member.before.length = 0;
    }
    return taken;
  }

  #give(member: Member, bytes: Uint8Array, messages: number, out: Uint8Array[]): number {
    out.push(bytes);
    member.bytesSent += bytes.length;
    member.messagesSent += messages;
    return bytes.length;
  }
}
