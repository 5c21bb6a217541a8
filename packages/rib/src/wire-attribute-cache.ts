// Raw attribute blocks as they arrive -> what import processing decided for them. A block that was
// seen in the same context is not decoded again. The key is the context number plus the octets that
// matter: all path attributes but the multiprotocol NLRI. Bounded: four candidates per hash, the
// oldest gives way. Octets are compared, not only hashes, because a peer chooses the octets.

import type { AttributeStore } from './attribute-store.ts';
import { ByteArena, hashBytes } from './byte-arena.ts';

export interface WireAttributeCacheOptions {
  readonly attributes: AttributeStore;
  /** Blocks kept, rounded up to a power of two; 16,384 unless told. */
  readonly capacity?: number;
  readonly seed?: number;
}

const WAYS = 4;
/** Holds the longest key: a message has at most 65,535 octets. */
const PAGE_BYTES = 128 * 1024;

export class WireAttributeCache {
  readonly #attributes: AttributeStore;
  readonly #seed: number;
  readonly #arena = new ByteArena(PAGE_BYTES);
  readonly #capacity: number;
  #hashes = new Uint32Array(0);
  #contexts = new Uint32Array(0);
  #addresses = new Uint32Array(0);
  #lengths = new Int32Array(0);
  /** 0: the place is empty. */
  #outcomes = new Int32Array(0);
  /** Which of the four goes next, per set. */
  #hands = new Uint8Array(0);
  #size = 0;
  #key = new Uint8Array(4096);
  #keyLength = 0;
  #context = 0;
  #hash = 0;

  constructor(options: WireAttributeCacheOptions) {
    this.#attributes = options.attributes;
    this.#seed = options.seed ?? 0;
    this.#capacity = 2 ** Math.ceil(Math.log2(Math.max(WAYS, options.capacity ?? 16_384)));
  }

  /** Blocks in the cache. */
  get size(): number {
    return this.#size;
  }

  /** Octets of the blocks, for memory figures. */
  get storedBytes(): number {
    return this.#arena.usedBytes;
  }

  /** Starts a key: `context` is unsigned and stands for everything besides the octets. */
  begin(context: number): void {
    this.#context = context >>> 0;
    this.#keyLength = 0;
  }

  /** Appends `bytes[from, to)` to the key. */
  add(bytes: Uint8Array, from: number, to: number): void {
    let at = this.#keyLength;
    const end = at + to - from;
    if (end > this.#key.length) this.#growKey(end);
    const key = this.#key;
    for (let i = from; i < to; i++) key[at++] = bytes[i]!;
    this.#keyLength = end;
  }

  /** The outcome for the key: 0 unknown, positive an attributes number, negative the caller's own. */
  find(): number {
    const hash = hashBytes(this.#key, 0, this.#keyLength, this.#seed ^ this.#context);
    this.#hash = hash;
    if (this.#size === 0) return 0;
    const first = (hash & (this.#hands.length - 1)) * WAYS;
    for (let i = first; i < first + WAYS; i++) {
      if (
        this.#hashes[i] === hash &&
        this.#outcomes[i] !== 0 &&
        this.#contexts[i] === this.#context &&
        this.#lengths[i] === this.#keyLength &&
        this.#arena.equals(this.#addresses[i]!, this.#key, 0, this.#keyLength)
      ) {
        return this.#outcomes[i]!;
      }
    }
    return 0;
  }

  /**
   * Remembers the outcome for the key that `find` did not know. A positive outcome is an attributes
   * number and is retained while it stays here; a negative one is a reason of the caller's.
   */
  insert(outcome: number): void {
    if (outcome === 0 || this.#keyLength > PAGE_BYTES) return;
    if (this.#outcomes.length === 0) this.#allocate();
    const set = this.#hash & (this.#hands.length - 1);
    const hand = this.#hands[set]!;
    this.#hands[set] = (hand + 1) & (WAYS - 1);
    const i = set * WAYS + hand;
    this.#drop(i);
    this.#hashes[i] = this.#hash;
    this.#contexts[i] = this.#context;
    this.#lengths[i] = this.#keyLength;
    this.#addresses[i] = this.#arena.store(this.#key, 0, this.#keyLength);
    this.#outcomes[i] = outcome;
    this.#size++;
    if (outcome > 0) this.#attributes.retain(outcome);
  }

  /** Drops what was decided in a context: the session ended, or its import policy changed. */
  forgetContext(context: number): void {
    for (let i = 0; i < this.#outcomes.length; i++) {
      if (this.#outcomes[i] !== 0 && this.#contexts[i] === context >>> 0) this.#drop(i);
    }
  }

  clear(): void {
    for (let i = 0; i < this.#outcomes.length; i++) this.#drop(i);
  }

  /** Many sessions never need it: ordinary blocks are not cached (see `BlockTranscoder`). */
  #allocate(): void {
    const capacity = this.#capacity;
    this.#hashes = new Uint32Array(capacity);
    this.#contexts = new Uint32Array(capacity);
    this.#addresses = new Uint32Array(capacity);
    this.#lengths = new Int32Array(capacity);
    this.#outcomes = new Int32Array(capacity);
    this.#hands = new Uint8Array(capacity / WAYS);
  }

  #drop(i: number): void {
    const outcome = this.#outcomes[i]!;
    if (outcome === 0) return;
    this.#outcomes[i] = 0;
    this.#size--;
    this.#arena.free(this.#addresses[i]!, this.#lengths[i]!);
    if (outcome > 0) this.#attributes.release(outcome);
  }

  #growKey(needed: number): void {
    const key = new Uint8Array(Math.max(needed, this.#key.length * 2));
    key.set(this.#key.subarray(0, this.#keyLength));
    this.#key = key;
  }
}
