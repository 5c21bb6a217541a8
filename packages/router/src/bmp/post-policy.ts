// Adj-RIB-In after policy (RFC 7854 §5): what a session has in its table, as UPDATEs for a
// monitoring station. Reads the table as every consumer does and packs with an update group whose
// one member is the station, so what changes back and forth while the station is slow costs nothing.

import { encodeEndOfRib } from '@rookery/bgp';
import { UpdateGroup } from '@rookery/rib';
import type { ChangeCursor, Feed, GroupMember } from '@rookery/rib';
import { RouteEncoder } from '../bgp/attribute-encoder.ts';
import type { BgpFamily } from '../bgp/session-routes.ts';
import type { RouteTable } from '../route-table.ts';
import type { Task, TaskOwner } from '../work.ts';

export interface PostPolicyOptions {
  readonly owner: TaskOwner;
  readonly family: BgpFamily;
  /** The session sends several paths of a prefix: their path identifiers are part of what it says. */
  readonly addPath: boolean;
  readonly extendedNextHop: boolean;
  /** False while the station has enough to read. */
  readonly hasRoom: () => boolean;
  readonly send: (update: Uint8Array) => void;
}

/** Octets packed between two looks at the room that the station has. */
const TAKE_BYTES = 64 * 1024;

export class PostPolicyFeed implements Task {
  readonly owner: TaskOwner;
  readonly #options: PostPolicyOptions;
  readonly #table: RouteTable;
  readonly #source: number;
  readonly #updates: UpdateGroup;
  readonly #member: GroupMember;
  readonly #cursor: ChangeCursor;
  readonly #batch = new Int32Array(256);
  #feed: Feed | undefined;
  #stopped = false;

  constructor(options: PostPolicyOptions) {
    const { family, addPath, extendedNextHop } = options;
    this.owner = options.owner;
    this.#options = options;
    this.#table = family.channel.table;
    this.#source = family.channel.source;
    const { prefixes, attributes, rib } = this.#table;
    const classic = family.family === 'ipv4' && !extendedNextHop;
    this.#updates = new UpdateGroup({
      prefixes,
      attributes,
      encoder: new RouteEncoder(attributes, { as4: true, classic }),
      addPath,
      maxMessageBytes: 4096,
      mpWithdraw: extendedNextHop,
    });
    this.#updates.beginFeed();
    this.#member = this.#updates.addMember({
      source: 0,
      endOfRib: encodeEndOfRib(family.family),
    });
    this.#cursor = rib.anyChanges.subscribe();
    this.#feed = rib.feed();
  }

  get pending(): boolean {
    if (!this.#options.hasRoom()) return false;
    if (this.#feed || this.#updates.hasMore(this.#member)) return true;
    return this.#table.rib.anyChanges.pending(this.#cursor) > 0;
  }

  run(budget: number): number {
    let done = 0;
    // What is sent may end the connection, and this feed with it.
    while (done < budget && !this.#stopped && this.#options.hasRoom()) {
      const count = this.#read();
      for (let i = 0; i < count; i++) this.#stage(this.#batch[i]!);
      this.#updates.flush();
      const sent = this.#give();
      if (count === 0 && sent === 0 && !this.#feed && !this.#updates.hasMore(this.#member)) break;
      done += Math.max(count, 1);
    }
    return done;
  }

  stop(): void {
    this.#stopped = true;
    this.#table.rib.anyChanges.unsubscribe(this.#cursor);
    this.#feed = undefined;
    this.#updates.close();
  }

  /** Nets to look at: the whole table first, then what changes. */
  #read(): number {
    const feed = this.#feed;
    if (!feed) return this.#table.rib.anyChanges.read(this.#cursor, this.#batch);
    const count = feed.next(this.#batch);
    if (feed.done) {
      this.#feed = undefined;
      this.#updates.endFeed();
    }
    return count;
  }

  /** Makes what the station knows of a net what the session has of it. */
  #stage(net: number): void {
    const { rib } = this.#table;
    const { view } = this.#updates;
    const told = view.slotsOf(net).map((slot) => view.pathIdOf(slot));
    const present = new Set<number>();
    for (let path = rib.firstPath(net); path !== 0; path = rib.nextPath(path)) {
      if (rib.sourceOf(path) !== this.#source || rib.isFiltered(path)) continue;
      const pathId = this.#options.addPath ? rib.pathIdOf(path) : 0;
      present.add(pathId);
      this.#updates.stage(net, pathId, rib.attributesOf(path), this.#source);
    }
    for (const pathId of told) if (!present.has(pathId)) this.#updates.stage(net, pathId, 0, 0);
  }

  /** Hands on packed messages one by one; returns their octets. */
  #give(): number {
    const buffers: Uint8Array[] = [];
    const taken = this.#updates.take(this.#member, TAKE_BYTES, buffers);
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length;) {
        const end = at + ((buffer[at + 16]! << 8) | buffer[at + 17]!);
        this.#options.send(buffer.subarray(at, end));
        at = end;
      }
    }
    return taken;
  }
}
