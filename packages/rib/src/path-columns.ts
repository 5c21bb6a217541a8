// The routes of a table as columns: a path is a number, its fields are elements of typed arrays, no
// object per route. Most nets have one path only: the path that finds its net empty has its fields
// at the index of the net and needs no link to it, 11 octets. Further paths are in columns of their
// own, with their net and a link to the next. The links, the first and the best path of each net
// are columns that the first further path brings along.
//
//   path number   2 * (net + 1)       in `own`, at net + 1
//                 2 * index + 1       in `further`, freed numbers chained through `next`

import { growInt32, growUint16, growUint32, growUint8, nextCapacity } from './columns.ts';

/** Low bits of a path's flags; the high three count stale marks (see `Table.markStale`). */
export const PATH_FLAG = {
  /** Refused by the import filter but kept (`import keep filtered`); never best, never exported. */
  filtered: 1,
} as const;

const TICK_MS = 10;
const MAX_TICKS = 0xffffffff;

export const EPOCH_SHIFT = 5;
export const FLAG_MASK = (1 << EPOCH_SHIFT) - 1;

/** Fields by index. A source of 0 means that there is no path. */
class Columns {
  source: Uint16Array = new Uint16Array(64);
  attributes: Int32Array = new Int32Array(64);
  flags: Uint8Array = new Uint8Array(64);
  /** Time of the last change, in ticks of 10 ms since the epoch of the table. */
  ticks: Uint32Array = new Uint32Array(64);
  /** Next path of the same net, ascending by source and path id; 0 ends. Empty until needed. */
  next: Int32Array = new Int32Array(0);
  /** RFC 7911 path identifiers, unsigned; empty until one is not 0. */
  pathId: Uint32Array = new Uint32Array(0);

  get capacity(): number {
    return this.source.length;
  }

  grow(needed: number): void {
    const capacity = nextCapacity(this.capacity, needed);
    this.source = growUint16(this.source, capacity);
    this.attributes = growInt32(this.attributes, capacity);
    this.flags = growUint8(this.flags, capacity);
    this.ticks = growUint32(this.ticks, capacity);
    if (this.next.length > 0) this.next = growInt32(this.next, capacity);
    if (this.pathId.length > 0) this.pathId = growUint32(this.pathId, capacity);
  }

  setPathId(index: number, pathId: number): void {
    if (this.pathId.length === 0) {
      if (pathId === 0) return;
      this.pathId = new Uint32Array(this.capacity);
    }
    this.pathId[index] = pathId;
  }
}

export class PathColumns {
  /** Paths at the index of their net + 1. */
  readonly own = new Columns();
  readonly further = new Columns();
  /** Net of each further path. */
  #net: Int32Array = new Int32Array(64);
  #furtherLimit = 0;
  #free = 0;
  /** First and best path by net, 0 for none. Empty while no net has, or had, a second path. */
  #first: Int32Array = new Int32Array(0);
  #best: Int32Array = new Int32Array(0);
  #count = 0;
  #epochMs = Number.NaN;

  constructor() {
    this.further.next = new Int32Array(64);
  }

  /** Paths in use. */
  get count(): number {
    return this.#count;
  }

  /** Every position is below this; a position may have no path. */
  get positions(): number {
    return this.own.capacity + this.#furtherLimit;
  }

  /** The path at a position, 0 when there is none: for walks over all paths. */
  pathAt(position: number): number {
    const { own, further } = this;
    const index = position - own.capacity;
    if (index < 0) return own.source[position] === 0 ? 0 : position << 1;
    return further.source[index] === 0 ? 0 : (index << 1) | 1;
  }

  /** Columns that hold the path; its index in them is `path >> 1`. */
  columnsOf(path: number): Columns {
    return (path & 1) === 0 ? this.own : this.further;
  }

  netOf(path: number): number {
    return (path & 1) === 0 ? (path >> 1) - 1 : this.#net[path >> 1]!;
  }

  sourceOf(path: number): number {
    return this.columnsOf(path).source[path >> 1]!;
  }

  attributesOf(path: number): number {
    return this.columnsOf(path).attributes[path >> 1]!;
  }

  flagsOf(path: number): number {
    return this.columnsOf(path).flags[path >> 1]!;
  }

  ticksOf(path: number): number {
    return this.columnsOf(path).ticks[path >> 1]!;
  }

  pathIdOf(path: number): number {
    const { pathId } = this.columnsOf(path);
    return pathId.length === 0 ? 0 : pathId[path >> 1]!;
  }

  /** The path behind this one in its net, 0 when it is the last. */
  nextOf(path: number): number {
    const { next } = this.columnsOf(path);
    return next.length === 0 ? 0 : next[path >> 1]!;
  }

  firstOf(net: number): number {
    if (this.#first.length > 0) return net < this.#first.length ? this.#first[net]! : 0;
    const index = net + 1;
    return index < this.own.capacity && this.own.source[index] !== 0 ? index << 1 : 0;
  }

  /** True when at most one path of each net is there, so that it is the best unless filtered. */
  get isPlain(): boolean {
    return this.#first.length === 0;
  }

  bestOf(net: number): number {
    if (this.#first.length > 0) return net < this.#best.length ? this.#best[net]! : 0;
    const { own } = this;
    const index = net + 1;
    if (index >= own.capacity || own.source[index] === 0) return 0;
    return (own.flags[index]! & PATH_FLAG.filtered) === 0 ? index << 1 : 0;
  }

  /** Attributes and source of the best path of each of nets[0, count); 0 where there is none. */
  readBest(nets: Int32Array, count: number, attributes: Int32Array, sources: Uint16Array): void {
    if (!this.isPlain) {
      for (let i = 0; i < count; i++) {
        const best = this.bestOf(nets[i]!);
        attributes[i] = best === 0 ? 0 : this.attributesOf(best);
        sources[i] = best === 0 ? 0 : this.sourceOf(best);
      }
      return;
    }
    const { source, flags, attributes: numbers } = this.own;
    for (let i = 0; i < count; i++) {
      const index = nets[i]! + 1;
      const from = index < source.length ? source[index]! : 0;
      const there = from !== 0 && (flags[index]! & PATH_FLAG.filtered) === 0;
      attributes[i] = there ? numbers[index]! : 0;
      sources[i] = there ? from : 0;
    }
  }

  /** Only while not `isPlain`: there the best path follows from what is there. */
  setBest(net: number, best: number): void {
    this.#best[net] = best;
  }

  /**
   * How far nets[from, to) have no path, or only one of the source with path id 0: those can be
   * changed by the columns of `own`, which have room for them. `limit` is above every net.
   */
  reachOnly(
    source: number,
    nets: Int32Array,
    pathIds: Int32Array,
    from: number,
    to: number,
    limit: number,
  ): number {
    if (!this.isPlain || this.own.pathId.length > 0) return from;
    const sources = this.own.source;
    let last = 0;
    let i = from;
    for (; i < to; i++) {
      const net = nets[i]!;
      if (net < 0) continue;
      const there = net + 1 < sources.length ? sources[net + 1]! : 0;
      if (pathIds[i] !== 0 || (there !== 0 && there !== source)) break;
      if (net > last) last = net;
    }
    this.reach(last, limit);
    return i;
  }

  /** For who adds or removes only paths by their columns. */
  countPaths(change: number): void {
    this.#count += change;
  }

  /** Makes room for nets up to this one. */
  reach(net: number, nets: number): void {
    if (net + 1 < this.own.capacity) return;
    this.own.grow(Math.max(net, nets) + 2);
    if (!this.isPlain) this.#growLinks();
  }

  /** A path of `net` behind `previous` (0: in front), its other fields undefined, path id 0. */
  create(net: number, previous: number): number {
    this.#count++;
    const own = this.own.source[net + 1] === 0;
    if (own && this.isPlain) return (net + 1) << 1;
    if (this.isPlain) this.#link();
    const path = own ? (net + 1) << 1 : this.#obtain(net);
    const before = previous === 0 ? this.#first[net]! : this.nextOf(previous);
    this.columnsOf(path).next[path >> 1] = before;
    if (previous === 0) this.#first[net] = path;
    else this.columnsOf(previous).next[previous >> 1] = path;
    return path;
  }

  /** Takes a path out of its net; `previous` is the one in front of it, 0 for none. */
  free(path: number, previous: number): void {
    this.#count--;
    const columns = this.columnsOf(path);
    const index = path >> 1;
    if (!this.isPlain) {
      const next = columns.next[index]!;
      if (previous === 0) this.#first[this.netOf(path)] = next;
      else this.columnsOf(previous).next[previous >> 1] = next;
    }
    columns.source[index] = 0;
    columns.attributes[index] = 0;
    if (columns.pathId.length > 0) columns.pathId[index] = 0;
    if ((path & 1) === 0) return;
    columns.next[index] = this.#free;
    this.#free = path;
  }

  /** What the ticks of a path that changes now are; may move the ticks of all others. */
  ticksAt(nowMs: number): number {
    if (!(nowMs >= this.#epochMs)) this.#rebase(nowMs);
    const ticks = Math.floor((nowMs - this.#epochMs) / TICK_MS);
    if (ticks <= MAX_TICKS) return ticks;
    this.#rebase(nowMs);
    return Math.floor((nowMs - this.#epochMs) / TICK_MS);
  }

  /** Milliseconds on the caller's clock, rounded down to 10. */
  changedMsOf(path: number): number {
    return this.#epochMs + this.ticksOf(path) * TICK_MS;
  }

  /** A further path is about to come: from now on nets know their first and best path. */
  #link(): void {
    const { own } = this;
    own.next = new Int32Array(own.capacity);
    this.#growLinks();
    for (let index = 1; index < own.capacity; index++) {
      if (own.source[index] === 0) continue;
      this.#first[index - 1] = index << 1;
      if ((own.flags[index]! & PATH_FLAG.filtered) === 0) this.#best[index - 1] = index << 1;
    }
  }

  #growLinks(): void {
    this.#first = growInt32(this.#first, this.own.capacity);
    this.#best = growInt32(this.#best, this.own.capacity);
  }

  #obtain(net: number): number {
    let path = this.#free;
    if (path !== 0) {
      this.#free = this.further.next[path >> 1]!;
    } else {
      const index = this.#furtherLimit++;
      if (index >= this.further.capacity) {
        this.further.grow(index + 1);
        this.#net = growInt32(this.#net, this.further.capacity);
      }
      path = (index << 1) | 1;
    }
    this.#net[path >> 1] = net;
    return path;
  }

  /** 32 bits of ticks last 497 days; then what is older than half of that counts as that old. */
  #rebase(nowMs: number): void {
    const epochMs = Math.floor(nowMs / TICK_MS - MAX_TICKS / 2) * TICK_MS;
    const shift = Number.isNaN(this.#epochMs) ? 0 : (epochMs - this.#epochMs) / TICK_MS;
    for (const { ticks } of [this.own, this.further]) {
      for (let index = 0; index < ticks.length; index++) {
        ticks[index] = Math.min(Math.max(ticks[index]! - shift, 0), MAX_TICKS);
      }
    }
    this.#epochMs = epochMs;
  }
}
