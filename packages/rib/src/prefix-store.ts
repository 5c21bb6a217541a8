// Prefixes interned to dense net numbers: open addressing over typed arrays, one word and a length
// per IPv4 prefix, four words and a length per IPv6 prefix, no object per prefix. Net numbers are
// reference counted (tables, update groups and change logs each hold their own). A net that nobody
// holds keeps its number and its place in the hash, because what went away mostly comes back; when
// many are dead, the hash is moved and their numbers are reused. Sorted and longest-match views are
// computed when asked for. A move is spread over later insertions, because a rehash of a million
// prefixes at once is a 30 ms pause.

import { formatWords, parsePrefix } from '@rookery/net';
import type { Family, ParsedPrefix, Prefix, Words } from '@rookery/net';
import { growInt32, growUint16, growUint8, nextCapacity, scatteredInt32 } from './columns.ts';
import type { NetCursor } from './policy.ts';
import { sortNets } from './prefix-sort.ts';

/** Returned by the find functions when a prefix is not there. */
export const NO_NET = -1;

/** Prefixes as columns: one word each for IPv4, four for IPv6; host bits zero. */
export interface PrefixBatch {
  readonly words: Int32Array;
  readonly lengths: Uint8Array;
}

export interface PrefixStoreOptions {
  /** Presizes the columns and the hash. */
  readonly expectedNets?: number;
  /** Randomises the hash so that a peer cannot choose colliding prefixes. */
  readonly seed?: number;
}

const FREE_LENGTH = 255;
/** A count that reaches this stays there: the number is never reused, which is only a small leak. */
const STICKY_REFS = 65_534;
/** Instead of a count: held by nobody, but still in the hash. */
const DEAD_REFS = 65_535;
/** So many dead nets are never worth a move of the hash. */
const DEAD_ALLOWED = 1024;
const MIGRATE_PER_INSERT = 16;
/**
 * Prefixes that are looked up together, a power of two: many reads are under way at a time, and what
 * they bring is still in the first-level cache when it is needed.
 */
const BLOCK = 256;
const TWO_32 = 2 ** 32;
const MAX_LOAD = 0.75;
/** Moving an entry costs a cache miss, an empty slot four octets. */
const GROWTH = 4;
const NET_BITS = 26;
const NET_MASK = 2 ** NET_BITS - 1;
const TAG_MASK = 63;
/** A slot of the old hash whose net is no longer to be found there: probes go on behind it. */
const TOMBSTONE = -1;

export class PrefixStore {
  readonly family: Family;
  /** Words per prefix: 1 or 4. */
  readonly width: 1 | 4;
  readonly maxLength: 32 | 128;
  readonly #seed: number;
  #words: Int32Array;
  #lengths: Uint8Array;
  #refs: Uint16Array;
  #limit = 0;
  #size = 0;
  #dead = 0;
  /** Head of the list of free numbers, linked through the first word; -1 when empty. */
  #free = -1;
  /**
   * Per hash slot: six bits of the hash and net number + 1, 0 when empty. The bits spare most looks
   * at the columns; four octets per slot keep the hash in the cache, which is what counts.
   */
  #slots: Int32Array;
  /** Slots per 2^32: maps a hash to its home, in order, for any number of slots. */
  #ratio: number;
  /** Slots that are not 0. */
  #occupied = 0;
  /** The hash that is being emptied into `#slots`, and how far. */
  #oldSlots: Int32Array | undefined = undefined;
  #oldRatio = 0;
  #migrated = 0;
  readonly #perLength = new Uint32Array(129);
  /** Of a block of a batch, by the low bits of an index: hashes, and what their slots held. */
  readonly #hashes = new Int32Array(BLOCK);
  readonly #touched = new Int32Array(BLOCK);

  constructor(family: Family, options: PrefixStoreOptions = {}) {
    this.family = family;
    this.width = family === 'ipv4' ? 1 : 4;
    this.maxLength = family === 'ipv4' ? 32 : 128;
    this.#seed = options.seed ?? 0;
    const nets = Math.max(64, options.expectedNets ?? 0);
    this.#words = new Int32Array(nets * this.width);
    this.#lengths = new Uint8Array(nets);
    this.#refs = new Uint16Array(nets);
    const slots = Math.ceil(nets / MAX_LOAD);
    this.#slots = new Int32Array(slots);
    this.#ratio = slots / TWO_32;
  }

  /** Every net number is below this: the size for arrays indexed by net. */
  get limit(): number {
    return this.#limit;
  }

  /** Prefixes that somebody holds. */
  get size(): number {
    return this.#size;
  }

  /**
   * The number of an IPv4 prefix, new when it was not there. The word may be signed or unsigned,
   * host bits must be zero. A new number has no reference: the first holder calls `retain`.
   */
  intern4(word: number, length: number): number {
    return this.#intern4(word | 0, length, hash4(word | 0, length, this.#seed));
  }

  #intern4(key: number, length: number, hash: number): number {
    const found = this.#seek4(key, length, hash);
    if (found >= 0) return this.#claim(found);
    const net = this.#create(length);
    this.#words[net] = key;
    this.#insert(net, hash);
    return net;
  }

  /** Numbers of prefixes [from, to) of a batch, new ones where they were not there; see `intern4`. */
  internBatch(batch: PrefixBatch, from: number, to: number, nets: Int32Array): void {
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(start + BLOCK, to);
      this.#warm(batch, start, end);
      for (let i = start; i < end; i++) {
        i = this.#internEasy(batch, i, end, nets);
        if (i < end) nets[i] = this.#internOne(batch, i);
      }
    }
  }

  /** `internBatch`, but `NO_NET` for prefixes that are not there. */
  findBatch(batch: PrefixBatch, from: number, to: number, nets: Int32Array): void {
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(start + BLOCK, to);
      this.#warm(batch, start, end);
      for (let i = start; i < end; i++) nets[i] = this.#findOne(batch, i);
    }
  }

  #internOne({ words, lengths }: PrefixBatch, i: number): number {
    const hash = this.#hashes[i & (BLOCK - 1)]!;
    const length = lengths[i]!;
    if (this.width === 1) return this.#intern4(words[i]!, length, hash);
    const at = i * 4;
    return this.#intern6(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, length, hash);
  }

  #findOne({ words, lengths }: PrefixBatch, i: number): number {
    const hash = this.#hashes[i & (BLOCK - 1)]!;
    const length = lengths[i]!;
    if (this.width === 1) return this.#find4(words[i]!, length, hash);
    const at = i * 4;
    return this.#find6(hash, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, length);
  }

  /**
   * Computes the hashes of a block, and brings into the processor's cache what its look-ups will
   * read. Each loop has nothing in it but its reads, and decides nothing that depends on one: so the
   * memory answers many of them at a time, where one prefix after the other would wait for each.
   */
  #warm({ words, lengths }: PrefixBatch, from: number, to: number): void {
    const hashes = this.#hashes;
    const touched = this.#touched;
    const slots = this.#slots;
    const ratio = this.#ratio;
    const seed = this.#seed;
    const { width } = this;
    for (let i = from; i < to; i++) {
      const at = i * width;
      const hash =
        width === 1
          ? hash4(words[i]!, lengths[i]!, seed)
          : hash6(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, lengths[i]!, seed);
      hashes[i & (BLOCK - 1)] = hash;
      touched[i & (BLOCK - 1)] = ((hash >>> 0) * ratio) | 0;
    }
    for (let i = from; i < to; i++) touched[i & (BLOCK - 1)] = slots[touched[i & (BLOCK - 1)]!]!;
    const columns = this.#words;
    let sum = 0;
    for (let i = from; i < to; i++) {
      const entry = touched[i & (BLOCK - 1)]!;
      if (entry !== 0 && entry >>> NET_BITS === (hashes[i & (BLOCK - 1)]! & TAG_MASK)) {
        sum ^= columns[((entry & NET_MASK) - 1) * width]!;
      }
    }
    // Stored, so that the compiler cannot leave the reads out.
    touched[0] = sum;
  }

  /**
   * `internBatch` for as long as new prefixes need only be written: columns and hash have room, the
   * hash is not being moved, and no number is free. Returns how far it came.
   */
  #internEasy(batch: PrefixBatch, from: number, to: number, nets: Int32Array): number {
    if (this.#free >= 0 || this.#oldSlots !== undefined || this.#hasTooManyDead) return from;
    const { width } = this;
    const slots = this.#slots;
    const ratio = this.#ratio;
    const end = slots.length;
    const words = this.#words;
    const lengths = this.#lengths;
    const hashes = this.#hashes;
    const perLength = this.#perLength;
    const first = this.#limit;
    const room = Math.min(lengths.length - first, Math.ceil(end * MAX_LOAD) - this.#occupied);
    let next = first;
    let i = from;
    for (; i < to; i++) {
      const length = batch.lengths[i]!;
      const hash = hashes[i & (BLOCK - 1)]!;
      const tag = hash & TAG_MASK;
      let found = NO_NET;
      let at = ((hash >>> 0) * ratio) | 0;
      for (let entry = slots[at]!; entry !== 0; entry = slots[at]!) {
        if (entry >>> NET_BITS === tag) {
          const like = (entry & NET_MASK) - 1;
          if (lengths[like] === length && equalWords(words, like, batch.words, i, width)) {
            found = like;
            break;
          }
        }
        at = at + 1 === end ? 0 : at + 1;
      }
      if (found >= 0) {
        nets[i] = this.#claim(found);
        continue;
      }
      if (next - first >= room) break;
      for (let word = 0; word < width; word++) {
        words[next * width + word] = batch.words[i * width + word]!;
      }
      lengths[next] = length;
      perLength[length]!++;
      nets[i] = next++;
      slots[at] = (tag << NET_BITS) | next;
    }
    this.#refs.fill(0, first, next);
    this.#limit = next;
    this.#occupied += next - first;
    this.#size += next - first;
    return i;
  }

  /** The number of an IPv6 prefix; see `intern4`. */
  intern6(a: number, b: number, c: number, d: number, length: number): number {
    return this.#intern6(a, b, c, d, length, hash6(a | 0, b | 0, c | 0, d | 0, length, this.#seed));
  }

  #intern6(a: number, b: number, c: number, d: number, length: number, hash: number): number {
    const found = this.#seek6(hash, a, b, c, d, length);
    if (found >= 0) return this.#claim(found);
    const net = this.#create(length);
    const at = net * 4;
    this.#words[at] = a;
    this.#words[at + 1] = b;
    this.#words[at + 2] = c;
    this.#words[at + 3] = d;
    this.#insert(net, hash);
    return net;
  }

  /** The number of a prefix given as words of this family. */
  internWords(words: Words, length: number): number {
    return this.width === 1
      ? this.intern4(words[0]!, length)
      : this.intern6(words[0]!, words[1]!, words[2]!, words[3]!, length);
  }

  /** The number of a prefix in text; `NO_NET` when malformed or of the other family. */
  internText(prefix: Prefix): number {
    const parsed = parsePrefix(prefix);
    if (!parsed || parsed.family !== this.family) return NO_NET;
    return this.internWords(parsed.words, parsed.length);
  }

  /** The number of an IPv4 prefix or `NO_NET`. */
  find4(word: number, length: number): number {
    return this.#find4(word | 0, length, hash4(word | 0, length, this.#seed));
  }

  #find4(key: number, length: number, hash: number): number {
    return this.#unlessDead(this.#seek4(key, length, hash));
  }

  /** The number of an IPv6 prefix or `NO_NET`. */
  find6(a: number, b: number, c: number, d: number, length: number): number {
    const hash = hash6(a | 0, b | 0, c | 0, d | 0, length, this.#seed);
    return this.#find6(hash, a, b, c, d, length);
  }

  /** The number of a prefix given as words of this family, or `NO_NET`. */
  findWords(words: Words, length: number): number {
    if (words.length !== this.width) return NO_NET;
    return this.width === 1
      ? this.find4(words[0]!, length)
      : this.find6(words[0]!, words[1]!, words[2]!, words[3]!, length);
  }

  /** The number of a prefix in text, or `NO_NET`. */
  findText(prefix: Prefix): number {
    const parsed = parsePrefix(prefix);
    return parsed && parsed.family === this.family
      ? this.findWords(parsed.words, parsed.length)
      : NO_NET;
  }

  /** Adds a reference. */
  retain(net: number): void {
    const refs = this.#refs[net]!;
    if (refs < STICKY_REFS) this.#refs[net] = refs + 1;
    else if (refs === DEAD_REFS) this.#revive(net, 1);
  }

  /** Adds a reference to each of nets[from, to) that is not `NO_NET`. */
  retainAll(nets: Int32Array, from: number, to: number): void {
    const refs = this.#refs;
    for (let i = from; i < to; i++) {
      const net = nets[i]!;
      if (net < 0) continue;
      const before = refs[net]!;
      if (before < STICKY_REFS) refs[net] = before + 1;
      else if (before === DEAD_REFS) this.#revive(net, 1);
    }
  }

  /** Drops a reference to each of nets[0, count) that is not `NO_NET`; see `release`. */
  releaseAll(nets: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) if (nets[i]! >= 0) this.release(nets[i]!);
  }

  /** Drops a reference; the last one lets the net die. */
  release(net: number): void {
    const refs = this.#refs[net]!;
    if (refs === 1) this.#bury(net);
    else if (refs > 0 && refs < STICKY_REFS) this.#refs[net] = refs - 1;
  }

  /** References held, for tests and consoles. */
  refsOf(net: number): number {
    return this.isLive(net) ? this.#refs[net]! : 0;
  }

  isLive(net: number): boolean {
    if (net < 0 || net >= this.#limit) return false;
    return this.#lengths[net] !== FREE_LENGTH && this.#refs[net] !== DEAD_REFS;
  }

  lengthOf(net: number): number {
    return this.#lengths[net]!;
  }

  /**
   * Prefix lengths by net, and words by net (IPv6: four each), to read many; valid until a prefix is
   * added.
   */
  get columns(): { readonly words: Int32Array; readonly lengths: Uint8Array } {
    return { words: this.#words, lengths: this.#lengths };
  }

  /** Word `index` (0, or 0-3 for IPv6) as a signed 32-bit number. */
  wordOf(net: number, index: number): number {
    return this.#words[net * this.width + index]!;
  }

  wordsOf(net: number): Words {
    const words = this.#words;
    if (this.width === 1) return [words[net]! >>> 0];
    const at = net * 4;
    return [words[at]! >>> 0, words[at + 1]! >>> 0, words[at + 2]! >>> 0, words[at + 3]! >>> 0];
  }

  textOf(net: number): Prefix {
    return `${formatWords(this.wordsOf(net))}/${this.#lengths[net]!}`;
  }

  /** Points a filter's cursor at the prefix. */
  moveCursor(cursor: NetCursor, net: number): void {
    const words = this.#words;
    cursor.family = this.family;
    cursor.length = this.#lengths[net]!;
    if (this.width === 1) {
      cursor.a = words[net]! >>> 0;
      return;
    }
    cursor.a = words[net * 4]! >>> 0;
    cursor.b = words[net * 4 + 1]! >>> 0;
    cursor.c = words[net * 4 + 2]! >>> 0;
    cursor.d = words[net * 4 + 3]! >>> 0;
  }

  /** Address order, then shorter first: negative, zero or positive. */
  compare(a: number, b: number): number {
    for (let i = 0; i < this.width; i++) {
      const left = this.wordOf(a, i) >>> 0;
      const right = this.wordOf(b, i) >>> 0;
      if (left !== right) return left < right ? -1 : 1;
    }
    return this.#lengths[a]! - this.#lengths[b]!;
  }

  /**
   * The longest accepted prefix that covers the address (or the prefix address/`maxLength`), or
   * `NO_NET`. Costs one probe for each prefix length that occurs in the store.
   */
  longestMatch(
    address: Words,
    accept: (net: number) => boolean,
    maxLength: number = this.maxLength,
  ): number {
    if (address.length !== this.width) return NO_NET;
    for (let length = maxLength; length >= 0; length--) {
      if (this.#perLength[length] === 0) continue;
      const net =
        this.width === 1
          ? this.find4(address[0]! & maskBits(length), length)
          : this.find6(
              address[0]! & maskBits(length),
              address[1]! & maskBits(length - 32),
              address[2]! & maskBits(length - 64),
              address[3]! & maskBits(length - 96),
              length,
            );
      if (net >= 0 && accept(net)) return net;
    }
    return NO_NET;
  }

  /** Accepted nets by address, then length. */
  sortedNets(accept: (net: number) => boolean): Int32Array {
    return sortNets(this.#collect(accept), this.#words, this.width, this.#lengths);
  }

  /** Accepted nets equal to or more specific than the prefix, sorted. */
  netsWithin(prefix: ParsedPrefix, accept: (net: number) => boolean): Int32Array {
    if (prefix.family !== this.family) return new Int32Array(0);
    const inside = (net: number): boolean => {
      if (this.#lengths[net]! < prefix.length) return false;
      for (let i = 0; i < this.width; i++) {
        const mask = maskBits(prefix.length - i * 32);
        if (mask === 0) break;
        if (((this.wordOf(net, i) ^ prefix.words[i]!) & mask) !== 0) return false;
      }
      return accept(net);
    };
    return sortNets(this.#collect(inside), this.#words, this.width, this.#lengths);
  }

  #collect(accept: (net: number) => boolean): Int32Array {
    const nets = new Int32Array(this.#size);
    let count = 0;
    for (let net = 0; net < this.#limit; net++) {
      if (this.isLive(net) && accept(net)) nets[count++] = net;
    }
    return nets.subarray(0, count);
  }

  #create(length: number): number {
    if (this.#free < 0 && this.#oldSlots === undefined && this.#hasTooManyDead) {
      this.#startMigration();
    }
    let net = this.#free;
    if (net >= 0) {
      this.#free = this.#words[net * this.width]!;
    } else {
      net = this.#limit++;
      if (net >= this.#lengths.length) this.#growColumns(net + 1);
    }
    this.#lengths[net] = length;
    this.#refs[net] = 0;
    this.#perLength[length]!++;
    this.#size++;
    return net;
  }

  get #hasTooManyDead(): boolean {
    return this.#dead > this.#size / 2 + DEAD_ALLOWED;
  }

  /** A net that was found, for who is about to hold it. */
  #claim(net: number): number {
    if (this.#refs[net] === DEAD_REFS) this.#revive(net, 0);
    return net;
  }

  #unlessDead(found: number): number {
    return found >= 0 && this.#refs[found] === DEAD_REFS ? NO_NET : found;
  }

  #bury(net: number): void {
    this.#refs[net] = DEAD_REFS;
    this.#perLength[this.#lengths[net]!]!--;
    this.#size--;
    this.#dead++;
  }

  #revive(net: number, refs: number): void {
    this.#refs[net] = refs;
    this.#perLength[this.#lengths[net]!]!++;
    this.#size++;
    this.#dead--;
  }

  #growColumns(needed: number): void {
    const capacity = nextCapacity(this.#lengths.length, needed);
    this.#words = growInt32(this.#words, capacity * this.width);
    this.#lengths = growUint8(this.#lengths, capacity);
    this.#refs = growUint16(this.#refs, capacity);
  }

  #insert(net: number, hash: number): void {
    if (this.#oldSlots !== undefined) this.#migrate();
    else if (this.#occupied >= this.#slots.length * MAX_LOAD) this.#startMigration();
    place(this.#slots, this.#ratio, net, hash);
    this.#occupied++;
  }

  #startMigration(): void {
    this.#oldSlots = this.#slots;
    this.#oldRatio = this.#ratio;
    this.#migrated = 0;
    // Full of dead nets rather than of others: a fresh hash of the same size will do.
    const growth = this.#size * 2 > this.#slots.length * MAX_LOAD ? GROWTH : 1;
    const slots = this.#oldSlots.length * growth;
    this.#slots = scatteredInt32(slots);
    this.#ratio = slots / TWO_32;
    this.#occupied = 0;
    this.#migrate();
  }

  #migrate(): void {
    const old = this.#oldSlots!;
    const end = Math.min(old.length, this.#migrated + MIGRATE_PER_INSERT);
    for (let i = this.#migrated; i < end; i++) {
      if (old[i] === 0) continue;
      const net = (old[i]! & NET_MASK) - 1;
      old[i] = TOMBSTONE;
      if (this.#refs[net] === DEAD_REFS) {
        this.#forget(net);
      } else {
        place(this.#slots, this.#ratio, net, this.#hashOf(net));
        this.#occupied++;
      }
    }
    this.#migrated = end;
    if (end === old.length) this.#oldSlots = undefined;
  }

  /** A dead net, out of the hash, gives up its number. */
  #forget(net: number): void {
    this.#lengths[net] = FREE_LENGTH;
    this.#words[net * this.width] = this.#free;
    this.#free = net;
    this.#dead--;
  }

  #hashOf(net: number): number {
    const words = this.#words;
    const length = this.#lengths[net]!;
    if (this.width === 1) return hash4(words[net]!, length, this.#seed);
    const at = net * 4;
    return hash6(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, length, this.#seed);
  }

  /** Dead nets, too. */
  #seek4(key: number, length: number, hash: number): number {
    const found = this.#probe4(this.#slots, this.#ratio, key, length, hash);
    if (found >= 0 || this.#oldSlots === undefined) return found;
    return this.#probe4(this.#oldSlots, this.#oldRatio, key, length, hash);
  }

  #probe4(slots: Int32Array, ratio: number, key: number, length: number, hash: number): number {
    const tag = hash & TAG_MASK;
    const end = slots.length;
    for (let i = ((hash >>> 0) * ratio) | 0; ; i = i + 1 === end ? 0 : i + 1) {
      const entry = slots[i]!;
      if (entry === 0) return NO_NET;
      if (entry >>> NET_BITS !== tag || entry === TOMBSTONE) continue;
      const net = (entry & NET_MASK) - 1;
      if (this.#words[net] === key && this.#lengths[net] === length) return net;
    }
  }

  #find6(hash: number, a: number, b: number, c: number, d: number, length: number): number {
    return this.#unlessDead(this.#seek6(hash, a, b, c, d, length));
  }

  /** Dead nets, too. */
  #seek6(hash: number, a: number, b: number, c: number, d: number, length: number): number {
    const found = this.#probe6(this.#slots, this.#ratio, hash, a, b, c, d, length);
    if (found >= 0 || this.#oldSlots === undefined) return found;
    return this.#probe6(this.#oldSlots, this.#oldRatio, hash, a, b, c, d, length);
  }

  #probe6(
    slots: Int32Array,
    ratio: number,
    hash: number,
    a: number,
    b: number,
    c: number,
    d: number,
    length: number,
  ): number {
    const words = this.#words;
    const tag = hash & TAG_MASK;
    const end = slots.length;
    for (let i = ((hash >>> 0) * ratio) | 0; ; i = i + 1 === end ? 0 : i + 1) {
      const entry = slots[i]!;
      if (entry === 0) return NO_NET;
      if (entry >>> NET_BITS !== tag || entry === TOMBSTONE) continue;
      const net = (entry & NET_MASK) - 1;
      const at = net * 4;
      if (
        words[at] === (a | 0) &&
        words[at + 1] === (b | 0) &&
        words[at + 2] === (c | 0) &&
        words[at + 3] === (d | 0) &&
        this.#lengths[net] === length
      ) {
        return net;
      }
    }
  }
}

function place(slots: Int32Array, ratio: number, net: number, hash: number): void {
  const end = slots.length;
  let i = ((hash >>> 0) * ratio) | 0;
  while (slots[i] !== 0) i = i + 1 === end ? 0 : i + 1;
  slots[i] = ((hash & TAG_MASK) << NET_BITS) | (net + 1);
}

/** True when prefix `a` of one column and `b` of another have the same words. */
function equalWords(
  left: Int32Array,
  a: number,
  right: Int32Array,
  b: number,
  width: number,
): boolean {
  for (let word = 0; word < width; word++) {
    if (left[a * width + word] !== right[b * width + word]) return false;
  }
  return true;
}

/** A mask of the leading `bits` of a word; 0 for none, all ones for 32 and more. */
function maskBits(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
}

function hash4(word: number, length: number, seed: number): number {
  let h = Math.imul(word ^ seed, 0x9e3779b1);
  h ^= h >>> 15;
  h = Math.imul(h ^ length, 0x85ebca77);
  return h ^ (h >>> 13);
}

function hash6(a: number, b: number, c: number, d: number, length: number, seed: number): number {
  let h = Math.imul(a ^ seed, 0x9e3779b1);
  h = Math.imul((h ^ (h >>> 15)) + b, 0x85ebca77);
  h = Math.imul((h ^ (h >>> 13)) + c, 0xc2b2ae3d);
  h = Math.imul((h ^ (h >>> 16)) + d, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 15)) + length, 0x9e3779b1);
  return h ^ (h >>> 13);
}
