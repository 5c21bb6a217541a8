// A member of an update group that is not on the shared stream: it has just joined, asked for a
// refresh, or fell too far behind. It is owed a set of slots (a bit each); a round sorts the owed
// slots by attributes, so that a full dump is packed as tightly as it can be, and writes the state
// as it is then. What changes meanwhile is owed again. When nothing is owed the member goes back to
// the stream. Memory is bounded by the number of slots, however slow the member is.

import type { ExportView } from './export-view.ts';
import { growInt32, growUint32, nextCapacity } from './columns.ts';
import type { UpdatePacker } from './update-packer.ts';

/** Slots looked at in one step of preparing a round: well below a millisecond. */
const SLOTS_PER_STEP = 32_768;
/** Below this a comparison sort costs less than clearing a histogram over all attributes. */
const FEW = 2048;

type Phase = 'idle' | 'collect' | 'scatter' | 'emit';

export class CatchUp {
  readonly #view: ExportView;
  /** Source whose routes this member does not get; 0 for none. */
  readonly #source: number;
  #owed: Uint32Array = new Uint32Array(64);
  #owedCount = 0;
  #phase: Phase = 'idle';
  #at = 0;
  /** Owed slots to announce with their attributes when collected, and those to withdraw. */
  #slots: Int32Array = new Int32Array(0);
  #keys: Int32Array = new Int32Array(0);
  #count = 0;
  #gone: Int32Array = new Int32Array(0);
  #goneCount = 0;
  #goneAt = 0;
  #histogram = new Int32Array(0);
  #order = new Int32Array(0);

  constructor(view: ExportView, source: number) {
    this.#view = view;
    this.#source = source;
  }

  /** Slots still to be told. */
  get owedCount(): number {
    return this.#owedCount;
  }

  /** Nothing is owed and no round is under way. */
  get done(): boolean {
    return this.#owedCount === 0;
  }

  /** The member has to hear about a slot. */
  owe(slot: number): void {
    const word = slot >>> 5;
    if (word >= this.#owed.length) {
      this.#owed = growUint32(this.#owed, nextCapacity(this.#owed.length, word + 1));
    }
    const bit = 1 << (slot & 31);
    if ((this.#owed[word]! & bit) !== 0) return;
    this.#owed[word] = this.#owed[word]! | bit;
    this.#owedCount++;
    this.#view.retain(slot);
  }

  /** The member has to hear about everything that it may see. */
  oweAll(): void {
    const { attributes, limit } = this.#view;
    for (let slot = 0; slot < limit; slot++) {
      if (attributes[slot] !== 0 && this.#sees(slot)) this.owe(slot);
    }
  }

  /** Forgets everything: the member is gone. */
  drop(): void {
    for (let word = 0; word < this.#owed.length; word++) {
      for (let bits = this.#owed[word]!; bits !== 0; bits &= bits - 1) {
        this.#view.release(word * 32 + 31 - Math.clz32(bits & -bits));
      }
    }
    this.#owed.fill(0);
    this.#owedCount = 0;
    this.#finishRound();
  }

  /**
   * Goes on: prepares, or writes messages into the packer until it holds `maxBytes`. Returns after
   * a bounded amount of work; call again until `done`. `refuse` is told of slots whose attributes
   * cannot be sent.
   */
  step(packer: UpdatePacker, maxBytes: number, refuse: (slot: number) => void): void {
    if (this.#phase === 'idle' && this.#owedCount > 0) this.#beginRound();
    if (this.#phase === 'collect') this.#collect();
    if (this.#phase === 'scatter') this.#scatter();
    if (this.#phase === 'emit') this.#emit(packer, maxBytes, refuse);
  }

  #sees(slot: number): boolean {
    return this.#source === 0 || this.#view.source[slot] !== this.#source;
  }

  #beginRound(): void {
    this.#phase = 'collect';
    this.#at = 0;
    this.#count = 0;
    this.#goneCount = 0;
    this.#goneAt = 0;
  }

  #collect(): void {
    const view = this.#view;
    const words = this.#owed.length;
    let looked = 0;
    while (this.#at < words && looked < SLOTS_PER_STEP) {
      const word = this.#at++;
      looked++;
      for (let bits = this.#owed[word]!; bits !== 0; bits &= bits - 1) {
        const slot = word * 32 + 31 - Math.clz32(bits & -bits);
        const attributes = view.attributes[slot] ?? 0;
        looked++;
        if (attributes !== 0 && this.#sees(slot)) this.#addSlot(slot, attributes);
        else this.#addGone(slot);
      }
    }
    if (this.#at < words) return;
    if (this.#count <= FEW) {
      const keyed = Array.from({ length: this.#count }, (_, i) => i);
      keyed.sort((a, b) => this.#keys[a]! - this.#keys[b]! || a - b);
      this.#order = Int32Array.from(keyed, (i) => this.#slots[i]!);
      this.#phase = 'emit';
    } else {
      this.#countKeys();
      this.#phase = 'scatter';
    }
    this.#at = 0;
  }

  #addSlot(slot: number, attributes: number): void {
    if (this.#count >= this.#slots.length) {
      const capacity = nextCapacity(this.#slots.length, this.#count + 1);
      this.#slots = growInt32(this.#slots, capacity);
      this.#keys = growInt32(this.#keys, capacity);
    }
    this.#slots[this.#count] = slot;
    this.#keys[this.#count] = attributes;
    this.#count++;
  }

  #addGone(slot: number): void {
    if (this.#goneCount >= this.#gone.length) {
      this.#gone = growInt32(this.#gone, nextCapacity(this.#gone.length, this.#goneCount + 1));
    }
    this.#gone[this.#goneCount++] = slot;
  }

  /** Where the slots of each attributes number begin. */
  #countKeys(): void {
    const keys = this.#keys;
    let highest = 0;
    for (let i = 0; i < this.#count; i++) if (keys[i]! > highest) highest = keys[i]!;
    const histogram = new Int32Array(highest + 2);
    for (let i = 0; i < this.#count; i++) histogram[keys[i]! + 1]!++;
    for (let i = 1; i < histogram.length; i++) histogram[i]! += histogram[i - 1]!;
    this.#histogram = histogram;
    this.#order = new Int32Array(this.#count);
  }

  #scatter(): void {
    const end = Math.min(this.#count, this.#at + SLOTS_PER_STEP * 2);
    for (; this.#at < end; this.#at++) {
      this.#order[this.#histogram[this.#keys[this.#at]!]!++] = this.#slots[this.#at]!;
    }
    if (this.#at < this.#count) return;
    this.#slots = new Int32Array(0);
    this.#keys = new Int32Array(0);
    this.#histogram = new Int32Array(0);
    this.#at = 0;
    this.#phase = 'emit';
  }

  #emit(packer: UpdatePacker, maxBytes: number, refuse: (slot: number) => void): void {
    while (this.#goneAt < this.#goneCount && packer.at < maxBytes) this.#withdrawSome(packer);
    if (this.#goneAt < this.#goneCount) return;
    const order = this.#order;
    const view = this.#view;
    while (this.#at < this.#count && packer.at < maxBytes) {
      const first = this.#at;
      const attributes = view.attributes[order[first]!]!;
      if (attributes === 0 || !this.#sees(order[first]!)) {
        // Withdrawn since it was collected: still owed, the next round says so.
        this.#at++;
        continue;
      }
      let last = first + 1;
      while (
        last < this.#count &&
        view.attributes[order[last]!] === attributes &&
        this.#sees(order[last]!)
      ) {
        last++;
      }
      this.#announceRun(packer, attributes, last, maxBytes, refuse);
    }
    if (this.#at >= this.#count) this.#finishRound();
  }

  #announceRun(
    packer: UpdatePacker,
    attributes: number,
    last: number,
    maxBytes: number,
    refuse: (slot: number) => void,
  ): void {
    const order = this.#order;
    if (!packer.prepare(attributes)) {
      // The slots stay owed and are withdrawn in the next round, should the peer have them.
      for (; this.#at < last; this.#at++) refuse(order[this.#at]!);
      return;
    }
    while (this.#at < last && packer.at < maxBytes) {
      const next = packer.announce(order, this.#at, last);
      for (; this.#at < next; this.#at++) this.#settle(order[this.#at]!);
    }
  }

  #withdrawSome(packer: UpdatePacker): void {
    // What came back since it was collected is still owed and is announced in the next round.
    const view = this.#view;
    const gone = this.#gone;
    let kept = this.#goneAt;
    for (let i = this.#goneAt; i < this.#goneCount; i++) {
      const slot = gone[i]!;
      if ((view.attributes[slot] ?? 0) === 0 || !this.#sees(slot)) gone[kept++] = slot;
    }
    this.#goneCount = kept;
    if (this.#goneAt >= kept) return;
    const next = packer.withdraw(gone, this.#goneAt, kept);
    for (; this.#goneAt < next; this.#goneAt++) this.#settle(gone[this.#goneAt]!);
  }

  #settle(slot: number): void {
    const bit = 1 << (slot & 31);
    if ((this.#owed[slot >>> 5]! & bit) === 0) return;
    this.#owed[slot >>> 5] = this.#owed[slot >>> 5]! & ~bit;
    this.#owedCount--;
    this.#view.release(slot);
  }

  #finishRound(): void {
    this.#phase = 'idle';
    this.#order = new Int32Array(0);
    this.#count = 0;
    this.#goneCount = 0;
    this.#at = 0;
  }
}
