// Which nets changed, for many consumers at once: one log of net numbers, a cursor per consumer and
// no other memory per consumer. A net that is already waiting for everybody is not logged again; an
// entry that a later one replaces is skipped. A slow consumer therefore holds at most one entry per
// net, and reads the state of the table as it is then, not as it was when the entry was made.

import type { PrefixStore } from './prefix-store.ts';
import { growInt32, growUint32, nextCapacity } from './columns.ts';

/** A consumer's place in the log; read-only outside of `ChangeLog`. */
export interface ChangeCursor {
  /** Sequence number of the next entry to read. */
  position: number;
  /** Where its last batch began: what it may still be looking at is kept. */
  held: number;
}

const COMPACT_ABOVE = 4096;

export class ChangeLog {
  readonly #prefixes: PrefixStore;
  readonly #cursors: ChangeCursor[] = [];
  #entries: Int32Array = new Int32Array(256);
  /** Sequence number of `#entries[0]`, of the oldest entry kept, and of the end. */
  #base = 0;
  #tail = 0;
  #end = 0;
  /** Sequence number + 1 of the net's latest entry, modulo 2^32; 0 when it has none. */
  #latest: Uint32Array = new Uint32Array(64);
  /** Where the consumer that is furthest ahead reads next. */
  #front = 0;

  constructor(prefixes: PrefixStore) {
    this.#prefixes = prefixes;
  }

  /** Registers a consumer that sees every change from now on. */
  subscribe(): ChangeCursor {
    const cursor: ChangeCursor = { position: this.#end, held: this.#end };
    this.#cursors.push(cursor);
    this.#front = this.#end;
    return cursor;
  }

  unsubscribe(cursor: ChangeCursor): void {
    const at = this.#cursors.indexOf(cursor);
    if (at < 0) return;
    this.#cursors.splice(at, 1);
    this.#findFront();
    this.#trim();
  }

  /** Entries between the cursor and the end; replaced ones still count. */
  pending(cursor: ChangeCursor): number {
    return this.#end - cursor.position;
  }

  /** Notes that a net changed. */
  push(net: number): void {
    if (this.#cursors.length > 0) this.#push(net);
  }

  /** Notes that nets[0, count) changed. */
  pushAll(nets: Int32Array, count: number): void {
    if (this.#cursors.length === 0) return;
    for (let i = 0; i < count; i++) this.#push(nets[i]!);
  }

  #push(net: number): void {
    if (net >= this.#latest.length) {
      this.#latest = growUint32(this.#latest, nextCapacity(this.#latest.length, net + 1));
    }
    // Waiting for every consumer already: its latest entry is at or after the foremost cursor.
    const latest = this.#latest[net]!;
    if (latest !== 0 && ((latest - 1 - this.#front) | 0) >= 0) return;
    if (this.#end - this.#base >= this.#entries.length) this.#makeRoom();
    this.#entries[this.#end - this.#base] = net;
    this.#latest[net] = stampOf(this.#end);
    this.#end++;
    this.#prefixes.retain(net);
  }

  /**
   * Fills `out` with changed nets, each once, and returns how many; 0 means that the consumer is up
   * to date. The nets stay valid numbers until this consumer's next `read`.
   */
  read(cursor: ChangeCursor, out: Int32Array): number {
    cursor.held = cursor.position;
    this.#trim();
    const entries = this.#entries;
    let count = 0;
    let { position } = cursor;
    while (position < this.#end && count < out.length) {
      const net = entries[position - this.#base]!;
      if (this.#latest[net] === stampOf(position)) out[count++] = net;
      position++;
    }
    cursor.position = position;
    if (count === 0) cursor.held = position;
    if (position > this.#front) this.#front = position;
    return count;
  }

  /** Drops entries that every consumer is done with. */
  #trim(): void {
    let tail = this.#end;
    for (let i = 0; i < this.#cursors.length; i++) {
      if (this.#cursors[i]!.held < tail) tail = this.#cursors[i]!.held;
    }
    for (; this.#tail < tail; this.#tail++) {
      const net = this.#entries[this.#tail - this.#base]!;
      if (this.#latest[net] === stampOf(this.#tail)) this.#latest[net] = 0;
      this.#prefixes.release(net);
    }
    if (this.#tail === this.#end) this.#base = this.#end;
  }

  /** Moves entries to the front, squeezes replaced ones out when that pays, else grows. */
  #makeRoom(): void {
    this.#trim();
    const start = this.#tail - this.#base;
    if (start > 0) {
      this.#entries.copyWithin(0, start, this.#end - this.#base);
      this.#base = this.#tail;
    }
    const half = this.#entries.length >>> 1;
    if (this.#end - this.#base <= half) return;
    if (this.#end - this.#base >= COMPACT_ABOVE) this.#compact();
    if (this.#end - this.#base <= half) return;
    // Twice as long, since making room takes as long as there are entries.
    this.#entries = growInt32(this.#entries, this.#entries.length * 2);
  }

  /**
   * Removes replaced entries. Their nets stay referenced by the entry that replaced them, so that
   * a consumer may still be looking at one.
   */
  #compact(): void {
    const marks = this.#cursors.flatMap((cursor) => [
      { cursor, field: 'position' as const, at: cursor.position },
      { cursor, field: 'held' as const, at: cursor.held },
    ]);
    marks.sort((a, b) => a.at - b.at);
    let next = 0;
    let kept = this.#base;
    for (let sequence = this.#base; sequence < this.#end; sequence++) {
      for (; next < marks.length && marks[next]!.at <= sequence; next++) {
        marks[next]!.cursor[marks[next]!.field] = kept;
      }
      const net = this.#entries[sequence - this.#base]!;
      if (this.#latest[net] !== stampOf(sequence)) {
        this.#prefixes.release(net);
        continue;
      }
      this.#entries[kept - this.#base] = net;
      this.#latest[net] = stampOf(kept);
      kept++;
    }
    for (; next < marks.length; next++) marks[next]!.cursor[marks[next]!.field] = kept;
    this.#end = kept;
    this.#findFront();
  }

  #findFront(): void {
    this.#front = this.#cursors.reduce((max, cursor) => Math.max(max, cursor.position), 0);
  }
}

/** The form in which a sequence number is kept per net: never 0. */
function stampOf(sequence: number): number {
  return (sequence + 1) >>> 0 || 1;
}
