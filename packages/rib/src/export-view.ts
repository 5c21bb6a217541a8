// What an update group exports: attributes and source per slot, as columns. Without add-path a slot
// is the net number itself; with it a slot is one (net, path id), chained per net. This is the
// group's Adj-RIB-Out: six octets per net. A slot is referenced from its first announcement until
// everybody has been told of its withdrawal, and while it is owed to a member; then its number and
// its net may be reused.

import type { AttributeStore } from './attribute-store.ts';
import { growInt32, growUint16, growUint32, nextCapacity } from './columns.ts';
import type { PrefixStore } from './prefix-store.ts';

/** Returned for a slot that does not exist. */
export const NO_SLOT = -1;

export class ExportView {
  readonly prefixes: PrefixStore;
  readonly #attributeStore: AttributeStore;
  readonly addPath: boolean;
  /** Attributes announced per slot, 0 for none. */
  attributes: Int32Array = new Int32Array(64);
  /** Source of what is announced; meaningful while `attributes` is not 0. */
  source: Uint16Array = new Uint16Array(64);
  readonly #countBySource: number[] = [];
  #count = 0;
  // With add-path only: per slot net, path id, next slot of the net, references; per net first slot.
  #net: Int32Array = new Int32Array(0);
  #pathId: Uint32Array = new Uint32Array(0);
  #next: Int32Array = new Int32Array(0);
  #refs: Uint32Array = new Uint32Array(0);
  #first: Int32Array = new Int32Array(0);
  #limit = 0;
  #free = NO_SLOT;

  constructor(prefixes: PrefixStore, attributes: AttributeStore, addPath: boolean) {
    this.prefixes = prefixes;
    this.#attributeStore = attributes;
    this.addPath = addPath;
  }

  /** Every slot that may be announced is below this. */
  get limit(): number {
    return this.addPath ? this.#limit : Math.min(this.attributes.length, this.prefixes.limit);
  }

  /** Slots announced now. */
  get count(): number {
    return this.#count;
  }

  /** Slots announced now that came from a source. */
  countFrom(source: number): number {
    return this.#countBySource[source] ?? 0;
  }

  /** The slot of a net and path id, or `NO_SLOT`. */
  find(net: number, pathId: number): number {
    if (!this.addPath) return net < this.attributes.length ? net : NO_SLOT;
    if (net >= this.#first.length) return NO_SLOT;
    let slot = this.#first[net]! - 1;
    while (slot >= 0 && this.#pathId[slot] !== pathId >>> 0) slot = this.#next[slot]!;
    return slot;
  }

  /** The slot of a net and path id, made when there is none. The caller must retain it. */
  obtain(net: number, pathId: number): number {
    if (!this.addPath) {
      if (net >= this.attributes.length) this.#growColumns(Math.max(net + 1, this.prefixes.limit));
      return net;
    }
    const found = this.find(net, pathId);
    return found >= 0 ? found : this.#create(net, pathId);
  }

  /** Slots of a net, announced or not; for consoles. */
  slotsOf(net: number): number[] {
    if (!this.addPath) return net < this.attributes.length ? [net] : [];
    const slots: number[] = [];
    if (net >= this.#first.length) return slots;
    for (let slot = this.#first[net]! - 1; slot >= 0; slot = this.#next[slot]!) slots.push(slot);
    return slots;
  }

  netOf(slot: number): number {
    return this.addPath ? this.#net[slot]! : slot;
  }

  pathIdOf(slot: number): number {
    return this.addPath ? this.#pathId[slot]! : 0;
  }

  retain(slot: number): void {
    if (this.addPath) this.#refs[slot]!++;
    else this.prefixes.retain(slot);
  }

  /** Gives back a reference to each of slots[0, count). */
  releaseAll(slots: Int32Array, count: number): void {
    if (!this.addPath) this.prefixes.releaseAll(slots, count);
    else for (let i = 0; i < count; i++) this.release(slots[i]!);
  }

  release(slot: number): void {
    if (!this.addPath) {
      this.prefixes.release(slot);
      return;
    }
    this.#refs[slot]!--;
    if (this.#refs[slot] === 0) this.#remove(slot);
  }

  /**
   * Changes what a slot announces; 0 is nothing. Takes a reference to the new attributes; those to
   * the old ones and to the slot are the caller's.
   */
  set(slot: number, attributes: number, source: number): void {
    const old = this.attributes[slot]!;
    if (attributes !== 0) {
      this.#attributeStore.retain(attributes);
      this.countChanges(source, 1);
    }
    if (old !== 0) this.countChanges(this.source[slot]!, -1);
    this.attributes[slot] = attributes;
    this.source[slot] = source;
  }

  /** For who changes columns directly: so many slots more are announced that came from a source. */
  countChanges(source: number, change: number): void {
    this.#countBySource[source] = (this.#countBySource[source] ?? 0) + change;
    this.#count += change;
  }

  /** Without add-path: makes nets[from, to) slots. */
  cover(nets: Int32Array, from: number, to: number): void {
    let last = -1;
    for (let i = from; i < to; i++) if (nets[i]! > last) last = nets[i]!;
    if (last >= this.attributes.length) this.obtain(last, 0);
  }

  #create(net: number, pathId: number): number {
    let slot = this.#free;
    if (slot >= 0) {
      this.#free = this.#next[slot]!;
    } else {
      slot = this.#limit++;
      if (slot >= this.#net.length) this.#growSlots(slot + 1);
    }
    if (net >= this.#first.length) {
      const capacity = nextCapacity(this.#first.length, Math.max(net + 1, this.prefixes.limit));
      this.#first = growInt32(this.#first, capacity);
    }
    this.#net[slot] = net;
    this.#pathId[slot] = pathId;
    this.#refs[slot] = 0;
    this.#next[slot] = this.#first[net]! - 1;
    this.#first[net] = slot + 1;
    this.prefixes.retain(net);
    return slot;
  }

  #remove(slot: number): void {
    const net = this.#net[slot]!;
    const next = this.#next[slot]!;
    if (this.#first[net] === slot + 1) {
      this.#first[net] = next + 1;
    } else {
      let before = this.#first[net]! - 1;
      while (this.#next[before] !== slot) before = this.#next[before]!;
      this.#next[before] = next;
    }
    this.#next[slot] = this.#free;
    this.#free = slot;
    this.prefixes.release(net);
  }

  #growColumns(needed: number): void {
    const capacity = nextCapacity(this.attributes.length, needed);
    this.attributes = growInt32(this.attributes, capacity);
    this.source = growUint16(this.source, capacity);
  }

  #growSlots(needed: number): void {
    const capacity = nextCapacity(this.#net.length, needed);
    this.#net = growInt32(this.#net, capacity);
    this.#pathId = growUint32(this.#pathId, capacity);
    this.#next = growInt32(this.#next, capacity);
    this.#refs = growUint32(this.#refs, capacity);
    if (capacity > this.attributes.length) this.#growColumns(capacity);
  }
}
