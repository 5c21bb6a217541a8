// Groups staged slots by what will be in one message: attributes and audience. Open addressing over
// small arrays that live as long as one flush; withdrawals come out first, so that a peer has room
// for what follows, then buckets in the order in which they were first seen, slots in the order in
// which they were staged: a table that arrives packed leaves packed, and is not even copied.

import { growInt32, nextCapacity } from './columns.ts';

const NONE = new Int32Array(0);
const LARGE_TABLE = 8192;

export class SlotBuckets {
  /** Per bucket: attributes number (0 withdraws), audience, slots and where they start in `ordered`. */
  attributes: Int32Array = new Int32Array(64);
  audience: Int32Array = new Int32Array(64);
  sizes: Int32Array = new Int32Array(64);
  starts: Int32Array = new Int32Array(64);
  /** Slots by bucket, [first, end); valid after `arrange`. */
  ordered: Int32Array = NONE;
  first = 0;
  end = 0;
  #count = 0;
  /** Runs of staged slots: where each begins and ends, and its bucket. */
  #runs: Int32Array = new Int32Array(3 * 64);
  #runsEnd = 0;
  /** Bucket + 1 per hash slot. */
  #table = new Int32Array(128);
  #last = -1;
  /** The runs follow each other as they are to come out. */
  #inOrder = true;

  /** Buckets in use. */
  get count(): number {
    return this.#count;
  }

  /** Staged slots [from, to); calls come in the order of staging, a slot may be in two buckets. */
  add(from: number, to: number, attributes: number, audience: number): void {
    const runs = this.#runs;
    const bucket = this.#bucketFor(attributes, audience);
    const before = this.#runsEnd - 3;
    this.sizes[bucket]! += to - from;
    if (before >= 0 && runs[before + 1] !== from) this.#inOrder = false;
    else if (before >= 0 && runs[before + 2] === bucket) {
      runs[before + 1] = to;
      return;
    }
    this.#addRun(from, to, bucket);
  }

  #addRun(from: number, to: number, bucket: number): void {
    const at = this.#runsEnd;
    if (at + 3 > this.#runs.length) this.#runs = growInt32(this.#runs, nextCapacity(at, at + 3));
    this.#runs[at] = from;
    this.#runs[at + 1] = to;
    this.#runs[at + 2] = bucket;
    this.#runsEnd = at + 3;
  }

  #bucketFor(attributes: number, audience: number): number {
    const last = this.#last;
    if (last >= 0 && this.attributes[last] === attributes && this.audience[last] === audience) {
      return last;
    }
    const bucket = this.#obtain(attributes, audience);
    const isNewest = bucket === this.#count - 1;
    if (!isNewest || (attributes === 0 && last >= 0 && this.attributes[last] !== 0)) {
      this.#inOrder = false;
    }
    this.#last = bucket;
    return bucket;
  }

  /**
   * Fills `ordered` and `starts` from the slots that were staged, which must stay as they are for as
   * long as `ordered` is read; returns where the withdrawals end.
   */
  arrange(slots: Int32Array): number {
    this.first = this.#inOrder && this.#runsEnd > 0 ? this.#runs[0]! : 0;
    const withdrawn = this.#layOut(this.first, true);
    this.end = this.#layOut(withdrawn, false);
    if (this.#inOrder) {
      this.ordered = slots;
      return withdrawn;
    }
    const runs = this.#runs;
    const next = this.starts.slice(0, this.#count);
    this.ordered = new Int32Array(this.end);
    for (let run = 0; run < this.#runsEnd; run += 3) {
      const bucket = runs[run + 2]!;
      let at = next[bucket]!;
      for (let i = runs[run]!; i < runs[run + 1]!; i++) this.ordered[at++] = slots[i]!;
      next[bucket] = at;
    }
    return withdrawn;
  }

  /** Places buckets of one kind from `start` on; returns where they end. */
  #layOut(start: number, withdraw: boolean): number {
    let at = start;
    for (let bucket = 0; bucket < this.#count; bucket++) {
      if ((this.attributes[bucket] === 0) !== withdraw) continue;
      this.starts[bucket] = at;
      at += this.sizes[bucket]!;
    }
    return at;
  }

  clear(): void {
    // A rare huge flush does not keep its memory, nor make the next ones clear so much.
    if (this.#table.length > LARGE_TABLE) this.#table = new Int32Array(128);
    else this.#table.fill(0);
    this.ordered = NONE;
    this.#count = 0;
    this.#runsEnd = 0;
    this.#last = -1;
    this.#inOrder = true;
  }

  #obtain(attributes: number, audience: number): number {
    const mask = this.#table.length - 1;
    let at = hashOf(attributes, audience) & mask;
    for (; this.#table[at] !== 0; at = (at + 1) & mask) {
      const bucket = this.#table[at]! - 1;
      if (this.attributes[bucket] === attributes && this.audience[bucket] === audience) {
        return bucket;
      }
    }
    const bucket = this.#count++;
    if (bucket >= this.attributes.length) this.#grow();
    this.attributes[bucket] = attributes;
    this.audience[bucket] = audience;
    this.sizes[bucket] = 0;
    if (this.#count * 2 > this.#table.length) this.#rehash();
    else this.#table[at] = bucket + 1;
    return bucket;
  }

  #grow(): void {
    const capacity = nextCapacity(this.attributes.length, this.attributes.length + 1);
    this.attributes = growInt32(this.attributes, capacity);
    this.audience = growInt32(this.audience, capacity);
    this.sizes = growInt32(this.sizes, capacity);
    this.starts = growInt32(this.starts, capacity);
  }

  #rehash(): void {
    this.#table = new Int32Array(this.#table.length * 2);
    const mask = this.#table.length - 1;
    for (let bucket = 0; bucket < this.#count; bucket++) {
      let at = hashOf(this.attributes[bucket]!, this.audience[bucket]!) & mask;
      while (this.#table[at] !== 0) at = (at + 1) & mask;
      this.#table[at] = bucket + 1;
    }
  }
}

function hashOf(attributes: number, audience: number): number {
  const h = Math.imul(attributes ^ Math.imul(audience, 0x85ebca77), 0x9e3779b1);
  return h ^ (h >>> 15);
}
