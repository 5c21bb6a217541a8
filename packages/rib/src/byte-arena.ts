// Storage for many small immutable byte strings: pages of up to 1 MiB, blocks in units of 8 octets, free
// lists per block size. An address is one 32-bit number. Pages never move, so growth copies
// nothing, and each is as long as all before it, so little costs little; blocks are not merged,
// because sizes of attribute blocks repeat.

import { LastView, viewOf } from '@rookery/net';

const PAGE_BYTES = 1 << 20;
const FIRST_PAGE_BYTES = 1 << 14;
const UNIT = 8;
const UNIT_BITS = 17;
const UNIT_MASK = (1 << UNIT_BITS) - 1;

const hashed = new LastView();

/** The longest string that an arena of the largest pages takes, in octets. */
export const MAX_BLOCK_BYTES = PAGE_BYTES;

export class ByteArena {
  readonly #pages: Uint8Array[] = [];
  readonly #views: DataView[] = [];
  readonly #source = new LastView();
  /** First free block by size in units; address + 1, 0 when none. */
  readonly #free = new Map<number, number>();
  readonly #pageBytes: number;
  /** Next unit of the last page, and where it ends. */
  #next = 0;
  #end = 0;
  #usedBytes = 0;
  #capacityBytes = 0;

  /** `pageBytes`: a multiple of 8 up to 1 MiB; no block may be longer. */
  constructor(pageBytes = PAGE_BYTES) {
    this.#pageBytes = pageBytes;
  }

  /** Octets in live blocks. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Copies `bytes[from, to)` in; at most `MAX_BLOCK_BYTES`. */
  store(bytes: Uint8Array, from: number, to: number): number {
    const units = Math.max(1, (to - from + UNIT - 1) >>> 3);
    this.#usedBytes += units * UNIT;
    const address = this.#take(units);
    const page = this.#views[address >>> UNIT_BITS]!;
    const source = this.#source.of(bytes);
    let at = (address & UNIT_MASK) * UNIT;
    let i = from;
    for (; i + 4 <= to; i += 4, at += 4) page.setInt32(at, source.getInt32(i, true), true);
    for (; i < to; i++) page.setUint8(at++, bytes[i]!);
    return address;
  }

  /** Gives a block of `length` octets back. */
  free(address: number, length: number): void {
    const units = Math.max(1, (length + UNIT - 1) >>> 3);
    this.#usedBytes -= units * UNIT;
    const page = this.pageOf(address);
    const at = this.offsetOf(address);
    const next = this.#free.get(units) ?? 0;
    page[at] = next & 255;
    page[at + 1] = (next >>> 8) & 255;
    page[at + 2] = (next >>> 16) & 255;
    page[at + 3] = next >>> 24;
    // Address 0xffffffff cannot occur before 32 GiB, so address + 1 fits.
    this.#free.set(units, address + 1);
  }

  /** The page that holds the block; read it from `offsetOf`. */
  pageOf(address: number): Uint8Array {
    return this.#pages[address >>> UNIT_BITS]!;
  }

  offsetOf(address: number): number {
    return (address & UNIT_MASK) * UNIT;
  }

  /** True when the block at `address` equals `bytes[from, to)`; the lengths are known to be equal. */
  equals(address: number, bytes: Uint8Array, from: number, to: number): boolean {
    const page = this.#pages[address >>> UNIT_BITS]!;
    let at = (address & UNIT_MASK) * UNIT;
    for (let i = from; i < to; i++) if (page[at++] !== bytes[i]) return false;
    return true;
  }

  #take(units: number): number {
    const head = this.#free.get(units) ?? 0;
    if (head !== 0) {
      const address = head - 1;
      const page = this.pageOf(address);
      const at = this.offsetOf(address);
      const next =
        (page[at]! | (page[at + 1]! << 8) | (page[at + 2]! << 16) | (page[at + 3]! << 24)) >>> 0;
      this.#free.set(units, next);
      return address;
    }
    if (this.#next + units > this.#end) this.#addPage(units * UNIT);
    const address = (((this.#pages.length - 1) << UNIT_BITS) | this.#next) >>> 0;
    this.#next += units;
    return address;
  }

  #addPage(neededBytes: number): void {
    const doubled = Math.max(FIRST_PAGE_BYTES, this.#capacityBytes, neededBytes);
    const bytes = Math.min(doubled, this.#pageBytes);
    const page = new Uint8Array(bytes);
    this.#pages.push(page);
    this.#views.push(viewOf(page));
    this.#capacityBytes += bytes;
    this.#next = 0;
    this.#end = bytes / UNIT;
  }
}

/**
 * Hash of `bytes[from, to)`, eight octets at a time in two lanes, because each step waits for the one
 * before; unsigned. What a changed bit does to the next step depends on factors that come from the
 * seed, and cannot be undone there by who does not know it.
 */
export function hashBytes(bytes: Uint8Array, from: number, to: number, seed: number): number {
  const view = hashed.of(bytes);
  const factorA = Math.imul(seed ^ 0x9e3779b1, 0x85ebca77) | 1;
  const factorB = Math.imul(seed ^ 0xc2b2ae3d, 0x27d4eb2f) | 1;
  let a = seed ^ (to - from);
  let b = factorA;
  let i = from;
  for (; i + 8 <= to; i += 8) {
    a = step(a, view.getInt32(i, true), factorA);
    b = step(b, view.getInt32(i + 4, true), factorB);
  }
  if (i + 4 <= to) {
    a = step(a, view.getInt32(i, true), factorA);
    i += 4;
  }
  let tail = 0;
  for (; i < to; i++) tail = (tail << 8) | bytes[i]!;
  b = step(b, tail, factorB);
  let h = a + Math.imul(b ^ (b >>> 16), 0x85ebca77);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae3d);
  return (h ^ (h >>> 16)) >>> 0;
}

function step(state: number, word: number, factor: number): number {
  const sum = (state + word) | 0;
  return Math.imul(sum ^ (sum >>> 16), factor);
}
