// The routes of a table as columns: a path is a number (from 1), its fields are elements of typed
// arrays. Freed numbers are chained through `next`. About 19 octets per path.

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

export class PathColumns {
  net = new Int32Array(64);
  source = new Uint16Array(64);
  attributes = new Int32Array(64);
  flags = new Uint8Array(64);
  /** Time of the last change, in ticks of 10 ms since `#epochMs`. */
  changedTicks = new Uint32Array(64);
  /** Next path of the same net, ascending by source and path id; 0 ends. */
  next = new Int32Array(64);
  /** RFC 7911 path identifiers, unsigned; allocated with the first one that is not 0. */
  pathId: Uint32Array | undefined = undefined;
  /** Every path number is below this. */
  limit = 1;
  /** Paths in use. */
  count = 0;
  #free = 0;
  #epochMs = Number.NaN;

  /** A path number with undefined contents, `pathId` 0. */
  create(): number {
    this.count++;
    const free = this.#free;
    if (free !== 0) {
      this.#free = this.next[free]!;
      return free;
    }
    const path = this.limit++;
    if (path >= this.net.length) this.#grow(path + 1);
    return path;
  }

  free(path: number): void {
    this.count--;
    this.source[path] = 0;
    this.attributes[path] = 0;
    if (this.pathId !== undefined) this.pathId[path] = 0;
    this.next[path] = this.#free;
    this.#free = path;
  }

  setPathId(path: number, pathId: number): void {
    if (this.pathId === undefined) {
      if (pathId === 0) return;
      this.pathId = new Uint32Array(this.net.length);
    }
    this.pathId[path] = pathId;
  }

  /** What `changedTicks` of a path that changes now is; may move the ticks of all others. */
  ticksAt(nowMs: number): number {
    if (!(nowMs >= this.#epochMs)) this.#rebase(nowMs);
    const ticks = Math.floor((nowMs - this.#epochMs) / TICK_MS);
    if (ticks <= MAX_TICKS) return ticks;
    this.#rebase(nowMs);
    return Math.floor((nowMs - this.#epochMs) / TICK_MS);
  }

  /** Milliseconds on the caller's clock, rounded down to 10. */
  changedMsOf(path: number): number {
    return this.#epochMs + this.changedTicks[path]! * TICK_MS;
  }

  /** 32 bits of ticks last 497 days; then what is older than half of that counts as that old. */
  #rebase(nowMs: number): void {
    const epochMs = Math.floor(nowMs / TICK_MS - MAX_TICKS / 2) * TICK_MS;
    const shift = Number.isNaN(this.#epochMs) ? 0 : (epochMs - this.#epochMs) / TICK_MS;
    for (let path = 1; path < this.limit; path++) {
      const ticks = this.changedTicks[path]! - shift;
      this.changedTicks[path] = Math.min(Math.max(ticks, 0), MAX_TICKS);
    }
    this.#epochMs = epochMs;
  }

  pathIdOf(path: number): number {
    return this.pathId === undefined ? 0 : this.pathId[path]!;
  }

  #grow(needed: number): void {
    const capacity = nextCapacity(this.net.length, needed);
    this.net = growInt32(this.net, capacity);
    this.source = growUint16(this.source, capacity);
    this.attributes = growInt32(this.attributes, capacity);
    this.flags = growUint8(this.flags, capacity);
    this.changedTicks = growUint32(this.changedTicks, capacity);
    this.next = growInt32(this.next, capacity);
    if (this.pathId !== undefined) this.pathId = growUint32(this.pathId, capacity);
  }
}
