// Groups slots by what will be in one message: attributes and audience. Open addressing over small
// arrays that live as long as one flush; buckets come out in the order in which they were first seen,
// slots in the order in which they were added, so a table that arrives packed leaves packed.

import { growInt32, nextCapacity } from './columns.ts';

export class SlotBuckets {
  /** Per bucket: attributes number (0 withdraws), audience, number of slots, start in `ordered`. */
  attributes: Int32Array = new Int32Array(64);
  audience: Int32Array = new Int32Array(64);
  #sizes: Int32Array = new Int32Array(64);
  starts: Int32Array = new Int32Array(65);
  /** Slots by bucket; valid after `arrange`. */
  ordered: Int32Array = new Int32Array(64);
  #count = 0;
  #slots: Int32Array = new Int32Array(64);
  #bucketOf: Int32Array = new Int32Array(64);
  #length = 0;
  /** Bucket + 1 per hash slot. */
  #table = new Int32Array(128);
  #last = -1;
  /** The slots are in order as they were added: each was for the newest bucket. */
  #inOrder = true;

  /** Buckets in use. */
  get count(): number {
    return this.#count;
  }

  /** Slots in all buckets. */
  get length(): number {
    return this.#length;
  }

  /** Makes room for this many slots more. */
  reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#slots.length) return;
    const capacity = nextCapacity(this.#slots.length, needed);
    this.#slots = growInt32(this.#slots, capacity);
    this.#bucketOf = growInt32(this.#bucketOf, capacity);
  }

  /** A slot for which room was made. */
  add(slot: number, attributes: number, audience: number): void {
    const bucket = this.#bucketFor(attributes, audience);
    this.#slots[this.#length] = slot;
    this.#bucketOf[this.#length] = bucket;
    this.#length++;
    this.#sizes[bucket]!++;
  }

  /** `add` for slots[from, to). */
  addAll(slots: Int32Array, from: number, to: number, attributes: number, audience: number): void {
    const bucket = this.#bucketFor(attributes, audience);
    const own = this.#slots;
    const bucketOf = this.#bucketOf;
    let at = this.#length;
    for (let i = from; i < to; i++, at++) {
      own[at] = slots[i]!;
      bucketOf[at] = bucket;
    }
    this.#length = at;
    this.#sizes[bucket]! += to - from;
  }

  #bucketFor(attributes: number, audience: number): number {
    const last = this.#last;
    if (last >= 0 && this.attributes[last] === attributes && this.audience[last] === audience) {
      return last;
    }
    const bucket = this.#obtain(attributes, audience);
    if (bucket !== this.#count - 1) this.#inOrder = false;
    this.#last = bucket;
    return bucket;
  }

  /** Fills `ordered` and `starts`; bucket b is ordered[starts[b], starts[b + 1]). */
  arrange(): void {
    const next = this.#sizes;
    let start = 0;
    for (let bucket = 0; bucket < this.#count; bucket++) {
      this.starts[bucket] = start;
      start += next[bucket]!;
      next[bucket] = this.starts[bucket]!;
    }
    this.starts[this.#count] = start;
    if (this.#inOrder) {
      this.ordered = this.#slots;
      return;
    }
    if (this.ordered === this.#slots || this.ordered.length < this.#length) {
      this.ordered = new Int32Array(this.#slots.length);
    }
    for (let i = 0; i < this.#length; i++) {
      this.ordered[next[this.#bucketOf[i]!]!++] = this.#slots[i]!;
    }
  }

  clear(): void {
    this.#sizes.fill(0, 0, this.#count);
    this.#table.fill(0);
    this.#count = 0;
    this.#length = 0;
    this.#last = -1;
    this.#inOrder = true;
    // A rare huge flush does not keep its memory.
    if (this.#slots.length > 65_536) {
      this.#slots = new Int32Array(64);
      this.#bucketOf = new Int32Array(64);
      this.ordered = new Int32Array(64);
    }
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
    this.#sizes[bucket] = 0;
    if (this.#count * 2 > this.#table.length) this.#rehash();
    else this.#table[at] = bucket + 1;
    return bucket;
  }

  #grow(): void {
    const capacity = nextCapacity(this.attributes.length, this.attributes.length + 1);
    this.attributes = growInt32(this.attributes, capacity);
    this.audience = growInt32(this.audience, capacity);
    this.#sizes = growInt32(this.#sizes, capacity);
    this.starts = growInt32(this.starts, capacity + 1);
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
