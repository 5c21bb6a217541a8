// What an update group has to tell since its last flush: which slots changed, and what each announced
// before the first of its changes. Who changes one slot of the view notes it here; many that change
// alike are changed here. A slot that is staged is referenced: by its announcement, before or after
// the change, or for its withdrawal.

import type { AttributeStore } from './attribute-store.ts';
import { growInt32, growUint16, growUint32, nextCapacity } from './columns.ts';
import type { ExportView } from './export-view.ts';
import type { SlotBuckets } from './slot-buckets.ts';

/** First staged slot of a run, the end, attributes and source. */
const RUN_FIELDS = 4;

export class StagedChanges {
  readonly #view: ExportView;
  readonly #attributes: AttributeStore;
  /** Slots in the order of their first change; valid until the next `clear`. */
  slots: Int32Array = new Int32Array(64);
  #count = 0;
  /** What each announced before. Attributes with a reference: a flush compares their number. */
  #before: Int32Array = new Int32Array(64);
  #sources: Uint16Array = new Uint16Array(64);
  /** A bit per staged slot. */
  #bits: Uint32Array = new Uint32Array(64);
  /**
   * Runs of staged slots that are alike. Those of attributes announced nothing before, those without
   * announced something from the source and now announce nothing.
   */
  #runs: Int32Array = new Int32Array(RUN_FIELDS * 16);
  #runsEnd = 0;
  /** A slot changed twice: what its run says is no longer so. */
  #isRestaged = false;

  constructor(view: ExportView, attributes: AttributeStore) {
    this.#view = view;
    this.#attributes = attributes;
  }

  get count(): number {
    return this.#count;
  }

  has(slot: number): boolean {
    return (this.#bits[slot >>> 5]! & (1 << (slot & 31))) !== 0;
  }

  /** The slot is about to change. */
  note(slot: number): void {
    this.#reserve(1);
    this.#note(slot, this.#view.attributes[slot]!, this.#view.source[slot]!);
  }

  /**
   * Without add-path: nets[from, to) announce `attributes` from now on; returns how many announced
   * nothing before.
   */
  announceAll(
    nets: Int32Array,
    from: number,
    to: number,
    attributes: number,
    source: number,
  ): number {
    const view = this.#view;
    view.cover(nets, from, to);
    this.#reserve(to - from);
    const { attributes: announced, source: sources } = view;
    const first = this.#count;
    let changes = 0;
    let starts = 0;
    for (let i = from; i < to; i++) {
      const slot = nets[i]!;
      const old = announced[slot]!;
      const oldSource = sources[slot]!;
      if (old === attributes && oldSource === source) continue;
      announced[slot] = attributes;
      sources[slot] = source;
      changes++;
      if (old === 0) starts++;
      else view.countChanges(oldSource, -1);
      this.#note(slot, old, oldSource);
    }
    if (changes === 0) return 0;
    this.#attributes.retain(attributes, changes);
    view.countChanges(source, changes);
    const end = this.#count;
    if (starts === changes && !this.#isRestaged) {
      view.prefixes.retainAll(this.slots, first, end);
      this.#addRun(first, end, attributes, source);
    } else {
      for (let i = first; i < end; i++) if (this.#before[i] === 0) view.retain(this.slots[i]!);
    }
    return starts;
  }

  /**
   * Without add-path: nets[from, to) announce nothing from now on; returns how many announced
   * something before, and counts them by source.
   */
  withdrawAll(nets: Int32Array, from: number, to: number, bySource: number[]): number {
    const view = this.#view;
    this.#reserve(to - from);
    const { attributes: announced, source: sources } = view;
    const first = this.#count;
    let changes = 0;
    let isAlike = true;
    for (let i = from; i < to; i++) {
      const slot = nets[i]!;
      const old = slot < announced.length ? announced[slot]! : 0;
      if (old === 0) continue;
      const source = sources[slot]!;
      announced[slot] = 0;
      sources[slot] = 0;
      changes++;
      bySource[source] = (bySource[source] ?? 0) + 1;
      view.countChanges(source, -1);
      this.#note(slot, old, source);
      if (source !== this.#sources[first]) isAlike = false;
    }
    const end = this.#count;
    if (isAlike && end > first) this.#addRun(first, end, 0, this.#sources[first]!);
    return changes;
  }

  /**
   * Sorts what is staged into buckets of what is to be told. Each withdrawal there has a reference to
   * its slot. `isMember` is 1 for sources that are members: these are not told of their own routes.
   */
  sortInto(buckets: SlotBuckets, isMember: Uint8Array): void {
    const runs = this.#runs;
    let next = 0;
    if (!this.#isRestaged) {
      for (let run = 0; run < this.#runsEnd; run += RUN_FIELDS) {
        while (next < runs[run]!) this.#sort(next++, buckets, isMember);
        next = runs[run + 1]!;
        buckets.add(runs[run]!, next, runs[run + 2]!, ownerAmong(isMember, runs[run + 3]!));
      }
    }
    while (next < this.#count) this.#sort(next++, buckets, isMember);
  }

  /** Everything has been told. */
  clear(): void {
    for (let i = 0; i < this.#count; i++) {
      const slot = this.slots[i]!;
      this.#bits[slot >>> 5]! &= ~(1 << (slot & 31));
      const before = this.#before[i]!;
      if (before !== 0) this.#attributes.release(before);
    }
    this.#count = 0;
    this.#runsEnd = 0;
    this.#isRestaged = false;
  }

  /** Nobody is left to be told. */
  drop(): void {
    for (let i = 0; i < this.#count; i++) {
      const slot = this.slots[i]!;
      if (this.#view.attributes[slot] === 0) this.#view.release(slot);
    }
    this.clear();
  }

  #sort(i: number, buckets: SlotBuckets, isMember: Uint8Array): void {
    const view = this.#view;
    const slot = this.slots[i]!;
    const before = this.#before[i]!;
    const sourceBefore = this.#sources[i]!;
    const attributes = view.attributes[slot]!;
    const source = view.source[slot]!;
    if (attributes === 0) {
      if (before === 0) view.release(slot);
      else buckets.add(i, i + 1, 0, ownerAmong(isMember, sourceBefore));
      return;
    }
    if (before === attributes && sourceBefore === source) return;
    const owner = ownerAmong(isMember, source);
    // The route is now the member's own: what it had from another source goes away.
    if (owner !== 0 && before !== 0 && sourceBefore !== source) {
      buckets.add(i, i + 1, 0, -owner);
      view.retain(slot);
    }
    buckets.add(i, i + 1, attributes, owner);
  }

  /** Remembers what a slot announced until now, unless it has changed before. */
  #note(slot: number, before: number, source: number): void {
    const word = slot >>> 5;
    const bit = 1 << (slot & 31);
    const bits = this.#bits[word]!;
    if ((bits & bit) !== 0) {
      this.#isRestaged = true;
      if (before !== 0) this.#attributes.release(before);
      return;
    }
    this.#bits[word] = bits | bit;
    const at = this.#count++;
    this.slots[at] = slot;
    this.#before[at] = before;
    this.#sources[at] = source;
  }

  #addRun(first: number, end: number, attributes: number, source: number): void {
    const at = this.#runsEnd;
    if (at + RUN_FIELDS > this.#runs.length) {
      this.#runs = growInt32(this.#runs, nextCapacity(at, at + RUN_FIELDS));
    }
    this.#runs[at] = first;
    this.#runs[at + 1] = end;
    this.#runs[at + 2] = attributes;
    this.#runs[at + 3] = source;
    this.#runsEnd = at + RUN_FIELDS;
  }

  /** Room for `count` more, of all slots that the view has. */
  #reserve(count: number): void {
    const words = ((this.#view.attributes.length - 1) >>> 5) + 1;
    if (words > this.#bits.length) {
      this.#bits = growUint32(this.#bits, nextCapacity(this.#bits.length, words));
    }
    const needed = this.#count + count;
    if (needed <= this.slots.length) return;
    const capacity = nextCapacity(this.slots.length, needed);
    this.slots = growInt32(this.slots, capacity);
    this.#before = growInt32(this.#before, capacity);
    this.#sources = growUint16(this.#sources, capacity);
  }
}

/** The source if it is a member's, who is not told of its own routes; else 0. */
function ownerAmong(isMember: Uint8Array, source: number): number {
  return isMember[source] === 1 ? source : 0;
}
