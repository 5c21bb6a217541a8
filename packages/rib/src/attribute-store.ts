// RouteAttributes interned to dense numbers. What is kept is the canonical octets and the few numbers
// the decision process needs; the object is decoded when somebody asks (export filter, console) and
// a small cache keeps the recent ones. A full table has about 130,000 distinct sets: as objects they
// would cost more memory than all its prefixes. Numbers start at 1; 0 means "no attributes". What
// nobody holds stays findable until its room is needed: what went away mostly comes back.

import { AttributeCodec, HAS, NOT_ENCODABLE, SOURCES, endOfHead } from './attribute-codec.ts';
import { AttributeFacts } from './attribute-facts.ts';
import { encodeBlock, encodeBlockNextHop, isPlainBlock, rewriteBlock } from './block-export.ts';
import type { ExportRewrite } from './block-export.ts';
import type { AttributeOctets } from './attribute-words.ts';
import { HEAD_ROOM } from './block-transcode.ts';
import type { BlockTranscoder } from './block-transcode.ts';
import { ByteArena, MAX_BLOCK_BYTES, hashBytes } from './byte-arena.ts';
import { growInt32, growUint32, nextCapacity, scatteredInt32 } from './columns.ts';
import type { RouteAttributes } from './route.ts';

/** So many sets without a holder are always kept. */
const DEAD_ALLOWED = 256;
/** Numbers looked at for one new number when too many are dead. */
const SWEEP = 32;
/** Numbers are below 2^26, as those of prefixes are. */
const NUMBER_BITS = 26;
const NUMBER_MASK = 2 ** NUMBER_BITS - 1;
const BGP_SOURCE = SOURCES.indexOf('bgp');

export interface AttributeStoreOptions {
  /** Randomises the hash so that a peer cannot choose colliding attributes. */
  readonly seed?: number;
  /** Decoded objects kept, a power of two; 16 unless told: more would outlive the nursery. */
  readonly cachedObjects?: number;
}

export class AttributeStore {
  /** Columns for the decision process; indexed by attributes number. */
  readonly facts = new AttributeFacts();
  readonly #seed: number;
  readonly #codec = new AttributeCodec();
  readonly #arena = new ByteArena();
  #refs: Int32Array = new Int32Array(64);
  #hashes: Uint32Array = new Uint32Array(64);
  #addresses: Uint32Array = new Uint32Array(64);
  /** Octets of the canonical form; -1 for a pinned object. */
  #lengths: Int32Array = new Int32Array(64);
  #births: Uint32Array = new Uint32Array(64);
  #limit = 1;
  #size = 0;
  #dead = 0;
  /** Where the search for dead numbers goes on. */
  #hand = 1;
  #nextBirth = 1;
  #free = 0;
  /** Per hash slot: six bits of the hash and a number, 0 when empty; see `PrefixStore`. */
  #slots = new Int32Array(128);
  /** Attributes without canonical octets (custom attributes, kernel metrics), by number and key. */
  readonly #pinned = new Map<number, { readonly key: string; readonly value: RouteAttributes }>();
  readonly #pinnedByKey = new Map<string, number>();
  #scratch = new Uint8Array(4096);
  /** Octets [from, to) that `#locate` found. */
  #located: Uint8Array = this.#scratch;
  #from = 0;
  #to = 0;
  /** Hash of what `#find` was asked last. */
  #hash = 0;
  /** The last block that was given a head: which shell's, by birth, and where it starts. */
  #headIn: Uint8Array | undefined;
  #headBirth = 0;
  #headStart = 0;
  /** Octets of the last answer of `forwarding`, and the answer. */
  #head = new Uint8Array(0);
  #headLength = 0;
  #forwarding: RouteAttributes | undefined;
  readonly #cachedNumbers: Int32Array;
  readonly #cachedObjects: (RouteAttributes | undefined)[];

  constructor(options: AttributeStoreOptions = {}) {
    this.#seed = options.seed ?? 0;
    const cached = options.cachedObjects ?? 16;
    this.#cachedNumbers = new Int32Array(cached);
    this.#cachedObjects = Array.from({ length: cached }, () => undefined);
  }

  /** Distinct sets that somebody holds. */
  get size(): number {
    return this.#size;
  }

  /** Every number is below this: the size for arrays indexed by attributes number. */
  get limit(): number {
    return this.#limit;
  }

  /** Octets of canonical forms, for memory figures. */
  get storedBytes(): number {
    return this.#arena.usedBytes;
  }

  /** The number of these attributes, with one reference that the caller owns. */
  intern(attributes: RouteAttributes): number {
    const length = this.#codec.encodeRoute(attributes);
    if (length === NOT_ENCODABLE || length > MAX_BLOCK_BYTES) return this.#internPinned(attributes);
    const known = this.#find(this.#codec.bytes, 0, length);
    if (known !== 0) return known;
    const n = this.#create();
    this.facts.set(n, attributes);
    this.#keep(n, this.#codec.bytes, 0, length);
    this.#cache(n, attributes);
    return n;
  }

  /**
   * The number of `shell` (everything but `bgp`) with the BGP attributes of a transcoded block, as
   * if it had been decoded; with one reference. 0 when the shell has no octets, or too many.
   */
  internTranscoded(shell: number, block: BlockTranscoder): number {
    const { bytes, end } = block;
    const birth = this.#births[shell]!;
    if (birth !== this.#headBirth || bytes !== this.#headIn) {
      if (!this.#putHead(shell, bytes)) return 0;
      this.#headBirth = birth;
      this.#headIn = bytes;
    }
    const start = this.#headStart;
    const known = this.#find(bytes, start, end);
    if (known !== 0) return known;
    const n = this.#create();
    this.facts.setTranscoded(n, shell, block);
    this.#keep(n, bytes, start, end);
    return n;
  }

  /** Writes what is kept of a shell in front of a block; false when it has no octets, or too many. */
  #putHead(shell: number, bytes: Uint8Array): boolean {
    if (this.#lengths[shell]! < 0) return false;
    const page = this.#arena.pageOf(this.#addresses[shell]!);
    const from = this.#arena.offsetOf(this.#addresses[shell]!);
    const head = endOfHead(page, from) - from;
    if (head > HEAD_ROOM) return false;
    const start = HEAD_ROOM - head;
    for (let i = 0; i < head; i++) bytes[start + i] = page[from + i]!;
    bytes[start + 2] = bytes[start + 2]! | HAS.bgp;
    this.#headStart = start;
    return true;
  }

  /**
   * The number of what a peer is told of `n`, with one reference; 0 when these attributes are not
   * ordinary and the caller's rules for objects must decide.
   */
  rewrite(n: number, rewrite: ExportRewrite): number {
    if (!this.#locate(n)) return 0;
    const scratch = this.#room(this.#to - this.#from + 64);
    const length = rewriteBlock(this.#located, this.#from, this.#to, rewrite, scratch);
    if (length < 0) return 0;
    const known = this.#find(scratch, 0, length);
    if (known !== 0) return known;
    const created = this.#create();
    this.facts.setRewritten(created, n, rewrite);
    this.#keep(created, scratch, 0, length);
    return created;
  }

  /** Points `octets` at what is kept of `n`; false when that is an object. */
  moveOctets(octets: AttributeOctets, n: number): boolean {
    const length = this.#lengths[n]!;
    if (length < 0) return false;
    octets.bytes = this.#arena.pageOf(this.#addresses[n]!);
    octets.from = this.#arena.offsetOf(this.#addresses[n]!);
    octets.to = octets.from + length;
    return true;
  }

  /** True when nothing in the attributes of `n` can forbid telling them; see `isPlainBlock`. */
  isPlain(n: number): boolean {
    if (this.facts.isPlain(n)) return true;
    return this.#locate(n) && isPlainBlock(this.#located, this.#from, this.#to);
  }

  /** True for a route that came by BGP. */
  isLearned(n: number): boolean {
    return this.facts.sourceOf(n) === BGP_SOURCE;
  }

  /**
   * Writes the path attributes of `n`, as they are or rewritten, for a four-octet speaker and without
   * MP_REACH_NLRI, into `out`; returns the offset behind them, -1 when the bgp package must encode
   * them (so always when `change` is undefined). `classic`: with NEXT_HOP.
   */
  encodeWire(
    n: number,
    classic: boolean,
    out: Uint8Array,
    at: number,
    change: ExportRewrite | 'as is' | undefined,
  ): number {
    if (change === undefined || !this.#locate(n)) return -1;
    const rewrite = change === 'as is' ? undefined : change;
    return encodeBlock(this.#located, this.#from, this.#to, rewrite, classic, out, at);
  }

  /**
   * Writes the next hop for MP_REACH_NLRI of attributes that `encodeWire` took; -1 when there is
   * none.
   */
  encodeWireNextHop(
    n: number,
    out: Uint8Array,
    at: number,
    change: ExportRewrite | 'as is' | undefined,
  ): number {
    if (change === undefined || !this.#locate(n)) return -1;
    const rewrite = change === 'as is' ? undefined : change;
    return encodeBlockNextHop(this.#located, this.#from, this.#to, rewrite, out, at);
  }

  /** Points `#located` at the octets of `n`; false when it has none or nothing of BGP. */
  #locate(n: number): boolean {
    const octets = this.#lengths[n]!;
    if (octets < 0) return false;
    const page = this.#arena.pageOf(this.#addresses[n]!);
    const from = this.#arena.offsetOf(this.#addresses[n]!);
    this.#located = page;
    this.#from = from;
    this.#to = from + octets;
    return (page[from + 2]! & HAS.bgp) !== 0;
  }

  retain(n: number, references = 1): void {
    const refs = this.#refs[n]!;
    if (refs === 0 && references > 0) this.#revive();
    this.#refs[n] = refs + references;
  }

  /** Drops a reference; the last one lets the set die. */
  release(n: number): void {
    const refs = this.#refs[n]!;
    if (refs <= 0) return;
    this.#refs[n] = refs - 1;
    if (refs === 1) this.#bury(n);
  }

  refsOf(n: number): number {
    return this.#refs[n]!;
  }

  isLive(n: number): boolean {
    return n > 0 && n < this.#limit && this.#refs[n]! > 0;
  }

  /** The attributes of a live number, decoded when they are not at hand. */
  get(n: number): RouteAttributes {
    const slot = n & (this.#cachedNumbers.length - 1);
    if (this.#cachedNumbers[slot] === n) return this.#cachedObjects[slot]!;
    const pinned = this.#pinned.get(n);
    if (pinned) return pinned.value;
    const address = this.#addresses[n]!;
    const from = this.#arena.offsetOf(address);
    const page = this.#arena.pageOf(address);
    const attributes = this.#codec.decodeRoute(page, from, from + this.#lengths[n]!);
    this.#cache(n, attributes);
    return attributes;
  }

  /**
   * The attributes of a live number without `bgp`: what forwarding needs. Routes through the same
   * next hops that are asked for one after the other get the same object.
   */
  forwarding(n: number): RouteAttributes {
    if (this.#lengths[n]! < 0) return this.get(n);
    const page = this.#arena.pageOf(this.#addresses[n]!);
    const from = this.#arena.offsetOf(this.#addresses[n]!);
    const length = endOfHead(page, from) - from;
    const head = this.#head;
    let same = this.#forwarding !== undefined && this.#headLength === length;
    for (let i = 0; same && i < length; i++) {
      same = head[i] === (i === 2 ? page[from + i]! & ~HAS.bgp : page[from + i]);
    }
    if (same) return this.#forwarding!;
    this.#head = page.slice(from, from + length);
    this.#head[2] = this.#head[2]! & ~HAS.bgp;
    this.#headLength = length;
    this.#forwarding = this.#codec.decodeRoute(this.#head, 0, length);
    return this.#forwarding;
  }

  /** A value that no two uses of the same number share: for caches keyed by number. */
  birthOf(n: number): number {
    return this.#births[n]!;
  }

  #internPinned(attributes: RouteAttributes): number {
    const key = canonicalText(attributes);
    const known = this.#pinnedByKey.get(key);
    if (known !== undefined) {
      this.#refs[known]!++;
      return known;
    }
    const n = this.#create();
    this.facts.set(n, attributes);
    this.#lengths[n] = -1;
    this.#pinned.set(n, { key, value: attributes });
    this.#pinnedByKey.set(key, n);
    return n;
  }

  /** The number of these octets with a further reference, 0 when they are new. */
  #find(bytes: Uint8Array, from: number, to: number): number {
    const length = to - from;
    const hash = hashBytes(bytes, from, to, this.#seed);
    this.#hash = hash;
    const mask = this.#slots.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const entry = this.#slots[i]!;
      if (entry === 0) return 0;
      if (entry >>> NUMBER_BITS !== hash >>> NUMBER_BITS) continue;
      const n = entry & NUMBER_MASK;
      if (
        this.#hashes[n] === hash &&
        this.#lengths[n] === length &&
        this.#arena.equals(this.#addresses[n]!, bytes, from, to)
      ) {
        this.retain(n);
        return n;
      }
    }
  }

  /** Gives a new number the octets that `#find` has just not found. */
  #keep(n: number, bytes: Uint8Array, from: number, to: number): void {
    this.#hashes[n] = this.#hash;
    this.#lengths[n] = to - from;
    this.#addresses[n] = this.#arena.store(bytes, from, to);
    this.#place(n);
  }

  #room(octets: number): Uint8Array {
    if (octets > this.#scratch.length) this.#scratch = new Uint8Array(octets * 2);
    return this.#scratch;
  }

  /** A number with one reference; its facts and octets are still to be set. */
  #create(): number {
    if (this.#dead > this.#size / 2 + DEAD_ALLOWED) this.#sweep();
    let n = this.#free;
    if (n !== 0) {
      this.#free = this.#addresses[n]!;
    } else {
      n = this.#limit++;
      if (n >= this.#refs.length) this.#grow(n + 1);
    }
    this.#refs[n] = 1;
    this.#births[n] = this.#nextBirth;
    // 0 is "never"; after four thousand million distinct sets the sequence starts again.
    this.#nextBirth = (this.#nextBirth + 1) >>> 0 || 1;
    this.#size++;
    return n;
  }

  #grow(needed: number): void {
    const capacity = nextCapacity(this.#refs.length, needed);
    this.#refs = growInt32(this.#refs, capacity);
    this.#hashes = growUint32(this.#hashes, capacity);
    this.#addresses = growUint32(this.#addresses, capacity);
    this.#lengths = growInt32(this.#lengths, capacity);
    this.#births = growUint32(this.#births, capacity);
    this.facts.ensure(capacity);
  }

  #place(n: number): void {
    if (this.#size + this.#dead > this.#slots.length * 0.6) this.#rehash();
    else placeByHash(this.#slots, this.#hashes[n]!, n);
  }

  #rehash(): void {
    this.#slots = scatteredInt32(this.#slots.length * 2);
    for (let n = 1; n < this.#limit; n++) {
      if (this.#births[n] !== 0 && this.#lengths[n] !== -1) {
        placeByHash(this.#slots, this.#hashes[n]!, n);
      }
    }
  }

  #bury(n: number): void {
    this.#size--;
    const pinned = this.#pinned.get(n);
    if (!pinned) {
      this.#dead++;
      return;
    }
    this.#pinned.delete(n);
    this.#pinnedByKey.delete(pinned.key);
    this.#forget(n);
  }

  #revive(): void {
    this.#size++;
    this.#dead--;
  }

  /** Gives the numbers and the octets of some of the dead back. */
  #sweep(): void {
    for (let left = SWEEP; left > 0; left--) {
      const n = this.#hand;
      this.#hand = n + 1 < this.#limit ? n + 1 : 1;
      if (this.#births[n] === 0 || this.#refs[n]! > 0) continue;
      this.#unlink(n);
      this.#arena.free(this.#addresses[n]!, this.#lengths[n]!);
      this.#dead--;
      this.#forget(n);
    }
  }

  /** The number is free. */
  #forget(n: number): void {
    const slot = n & (this.#cachedNumbers.length - 1);
    if (this.#cachedNumbers[slot] === n) {
      this.#cachedNumbers[slot] = 0;
      this.#cachedObjects[slot] = undefined;
    }
    this.facts.clear(n);
    this.#births[n] = 0;
    this.#addresses[n] = this.#free;
    this.#free = n;
  }

  #unlink(n: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = this.#hashes[n]! & mask;
    while ((slots[gap]! & NUMBER_MASK) !== n) gap = (gap + 1) & mask;
    for (let i = (gap + 1) & mask; slots[i] !== 0; i = (i + 1) & mask) {
      const home = this.#hashes[slots[i]! & NUMBER_MASK]! & mask;
      if (((i - home) & mask) >= ((i - gap) & mask)) {
        slots[gap] = slots[i]!;
        gap = i;
      }
    }
    slots[gap] = 0;
  }

  #cache(n: number, attributes: RouteAttributes): void {
    const slot = n & (this.#cachedNumbers.length - 1);
    this.#cachedNumbers[slot] = n;
    this.#cachedObjects[slot] = attributes;
  }
}

function placeByHash(slots: Int32Array, hash: number, n: number): void {
  const mask = slots.length - 1;
  let i = hash & mask;
  while (slots[i] !== 0) i = (i + 1) & mask;
  slots[i] = (hash & ~NUMBER_MASK) | n;
}

/** JSON with sorted keys; octets, big and odd numbers are marked so that unequal values differ. */
function canonicalText(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `${value}n`;
    case 'number':
      return String(value);
    case 'string':
      return JSON.stringify(value);
    case 'object': {
      if (value === null) return 'null';
      if (value instanceof Uint8Array) return `octets(${value.join()})`;
      if (Array.isArray(value)) return `[${value.map(canonicalText).join()}]`;
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      entries.sort(([a], [b]) => (a < b ? -1 : 1));
      const fields = entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`);
      return `{${fields.join()}}`;
    }
    default:
      return String(value);
  }
}
