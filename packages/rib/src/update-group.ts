// Peers with equal export policy, capabilities and encoding share one Adj-RIB-Out and one encoded
// byte stream. The engine stages what its export filter decided per net; a flush packs the changes
// since the last one into messages; members read the same buffers, each at its own pace. Members
// that join late, ask for a refresh or lag too far are served from the view (`CatchUp`) until they
// can return to the stream. No timer, no I/O; nothing per route but numbers.

import type { AttributeStore } from './attribute-store.ts';
import { CatchUp } from './catch-up.ts';
import { growInt32, nextCapacity } from './columns.ts';
import { ExportView } from './export-view.ts';
import type { PrefixStore } from './prefix-store.ts';
import { SlotBuckets } from './slot-buckets.ts';
import { StagedChanges } from './staged-changes.ts';
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
  readonly #staged: StagedChanges;
  readonly #packer: UpdatePacker;
  readonly #stream: UpdateStream;
  readonly #buckets = new SlotBuckets();
  readonly #members = new Set<Member>();
  readonly #catching = new Set<Member>();
  readonly #maxLagBytes: number;
  #streaming = 0;
  #feeding = false;
  /** 1 where a streaming member has this source. */
  readonly #isMember = new Uint8Array(MAX_SOURCE);
  /** During a flush: ordered slots before these are withdrawn, and are in a chunk. */
  #withdrawnEnd = 0;
  #sealedEnd = 0;
  /** Of the chunk that is being written; see `Chunk.runs`. */
  #runs: Int32Array = new Int32Array(3 * 64);
  #runsEnd = 0;
  #refused = 0;

  constructor(options: UpdateGroupOptions) {
    this.#attributes = options.attributes;
    this.#view = new ExportView(options.prefixes, options.attributes, options.addPath);
    this.#staged = new StagedChanges(this.#view, options.attributes);
    this.#packer = new UpdatePacker(this.#view, options.encoder, {
      maxMessageBytes: options.maxMessageBytes,
      mpWithdraw: options.mpWithdraw ?? false,
    });
    this.#maxLagBytes = options.maxLagBytes ?? 4 * 1024 * 1024;
    this.#stream = new UpdateStream((chunk) => {
      this.#view.releaseAll(chunk.slots, chunk.withdrawn);
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
    return this.#staged.count;
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
    if (old === 0 && !this.#staged.has(slot)) view.retain(slot);
    for (const member of this.#catching) member.catchUp!.owe(slot);
    if (this.#streaming > 0) this.#staged.note(slot);
    view.set(slot, attributes, source);
    if (this.#streaming === 0) {
      if (old !== 0) this.#attributes.release(old);
      if (attributes === 0) view.release(slot);
    }
    this.#flushWhenFull();
    return true;
  }

  /** `stage` for nets[from, to), path id 0; returns how many of them the view did not have. */
  stageAll(nets: Int32Array, from: number, to: number, attributes: number, source: number): number {
    if (!this.#stagesAll) {
      const before = this.#view.count;
      for (let i = from; i < to; i++) this.stage(nets[i]!, 0, attributes, source);
      return this.#view.count - before;
    }
    const starts = this.#staged.announceAll(nets, from, to, attributes, source);
    this.#flushWhenFull();
    return starts;
  }

  /**
   * `stage` of nothing for nets[from, to), path id 0; returns how many the view had, and counts them
   * by source.
   */
  unstageAll(nets: Int32Array, from: number, to: number, bySource: number[]): number {
    if (!this.#stagesAll) {
      const before = this.#view.count;
      for (let i = from; i < to; i++) {
        const source = this.sourceOf(nets[i]!);
        if (this.stage(nets[i]!, 0, 0, 0)) bySource[source] = (bySource[source] ?? 0) + 1;
      }
      return before - this.#view.count;
    }
    const count = this.#staged.withdrawAll(nets, from, to, bySource);
    this.#flushWhenFull();
    return count;
  }

  /** The ordinary case: everybody reads the stream, one route per net. */
  get #stagesAll(): boolean {
    return !this.#view.addPath && this.#catching.size === 0 && this.#streaming > 0;
  }

  #flushWhenFull(): void {
    if (this.#staged.count >= STAGED_LIMIT) this.flush();
  }

  /** Packs what was staged into the shared stream. Call it after each slice of changes. */
  flush(): void {
    if (this.#staged.count === 0) return;
    const buckets = this.#buckets;
    this.#staged.sortInto(buckets, this.#isMember);
    this.#withdrawnEnd = buckets.arrange(this.#staged.slots);
    this.#sealedEnd = buckets.first;
    // Withdrawals first, so that a peer has room for what comes.
    for (let b = 0; b < buckets.count; b++) if (buckets.attributes[b] === 0) this.#writeBucket(b);
    for (let b = 0; b < buckets.count; b++) if (buckets.attributes[b] !== 0) this.#writeBucket(b);
    this.#seal(buckets.end);
    buckets.clear();
    this.#staged.clear();
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
    if (this.#streaming === 0) this.#staged.drop();
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
      view.release(slot);
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

  #writeBucket(bucket: number): void {
    const { attributes, audience, starts, sizes, ordered } = this.#buckets;
    const packer = this.#packer;
    const n = attributes[bucket]!;
    const from = starts[bucket]!;
    const end = from + sizes[bucket]!;
    const isRefused = n !== 0 && !packer.prepare(n);
    if (isRefused) {
      this.#seal(from);
      for (let i = from; i < end; i++) this.#refuse(ordered[i]!);
      this.#withdrawnEnd = end;
    }
    const withdraws = n === 0 || isRefused;
    for (let i = from; i < end;) {
      const before = packer.messages;
      i = withdraws ? packer.withdraw(ordered, i, end) : packer.announce(ordered, i, end);
      this.#addRun(audience[bucket]!, packer.at, packer.messages - before);
      if (packer.at >= CHUNK_BYTES) this.#seal(i);
    }
    if (isRefused) this.#seal(end);
  }

  #addRun(audience: Audience, end: number, messages: number): void {
    const at = this.#runsEnd;
    if (at > 0 && this.#runs[at - 3] === audience) {
      this.#runs[at - 2] = end;
      this.#runs[at - 1]! += messages;
      return;
    }
    if (at + 3 > this.#runs.length) this.#runs = growInt32(this.#runs, nextCapacity(at, at + 3));
    this.#runs[at] = audience;
    this.#runs[at + 1] = end;
    this.#runs[at + 2] = messages;
    this.#runsEnd = at + 3;
  }

  /** Makes a chunk of what was written since the last one, which is about ordered slots up to `end`. */
  #seal(end: number): void {
    const from = this.#sealedEnd;
    if (end === from) return;
    this.#sealedEnd = end;
    this.#stream.append({
      bytes: this.#packer.take(),
      slots: this.#buckets.ordered.slice(from, end),
      withdrawn: Math.max(0, Math.min(end, this.#withdrawnEnd) - from),
      runs: this.#runs.slice(0, this.#runsEnd),
      waiting: this.#streaming,
    });
    this.#runsEnd = 0;
  }

  /** The route cannot be sent: it is not exported. */
  #refuse(slot: number): void {
    const attributes = this.#view.attributes[slot]!;
    if (attributes === 0) return;
    this.#refused++;
    for (const member of this.#catching) member.catchUp!.owe(slot);
    this.#view.set(slot, 0, 0);
    this.#attributes.release(attributes);
    if (!this.#staged.has(slot)) this.#view.release(slot);
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
    this.#catching.delete(member);
    this.flush();
    member.state = 'streaming';
    member.catchUp = undefined;
    member.position = this.#stream.end;
    member.before.push(...member.after);
    member.after.length = 0;
    this.#streaming++;
    this.#isMember[member.source] = member.source === 0 ? 0 : 1;
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
    this.#isMember[member.source] = 0;
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
