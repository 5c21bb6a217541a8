// The byte stream that the members of an update group share: chunks of whole messages, encoded once
// and read by each member at its own pace. A chunk is cut into runs, because a route is not sent to
// the peer it came from: a run may be for all, for all but one source, or for one source only.
// A chunk goes when its last reader has passed it.

/** Readers of a run: 0 everybody, n everybody but the member of source n, -n that member only. */
export type Audience = number;

export interface Chunk {
  readonly bytes: Uint8Array;
  /** Slots that the chunk is about: what a reader that never gets to it will be owed. */
  readonly slots: Int32Array;
  /** So many of them, the first ones, are withdrawn, and referenced. */
  readonly withdrawn: number;
  /** Flattened (audience, end offset, messages) of each run, in order. */
  readonly runs: Int32Array;
  /** Readers that have not passed it. */
  waiting: number;
}

const RUN_FIELDS = 3;
const CHUNK_OVERHEAD = 1024;

export class UpdateStream {
  readonly #release: (chunk: Chunk) => void;
  readonly #chunks: Chunk[] = [];
  /** Index in `#chunks` of the oldest chunk kept, and its sequence number. */
  #head = 0;
  #base = 0;
  #queuedBytes = 0;

  constructor(release: (chunk: Chunk) => void) {
    this.#release = release;
  }

  /** Sequence number behind the newest chunk. */
  get end(): number {
    return this.#base + this.#chunks.length - this.#head;
  }

  /** Cost in octets of the chunks that some reader has not passed. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  append(chunk: Chunk): void {
    this.#chunks.push(chunk);
    this.#queuedBytes += costOf(chunk);
  }

  /** The chunk with a sequence number from the oldest kept to `end` - 1. */
  at(sequence: number): Chunk {
    return this.#chunks[this.#head + sequence - this.#base]!;
  }

  /** Cost in octets from a sequence number to the end. */
  lagOf(sequence: number): number {
    let lag = 0;
    for (let i = sequence; i < this.end; i++) lag += costOf(this.at(i));
    return lag;
  }

  /** One reader has passed the chunk. */
  pass(sequence: number): void {
    this.at(sequence).waiting--;
    while (this.#head < this.#chunks.length && this.#chunks[this.#head]!.waiting <= 0) {
      const chunk = this.#chunks[this.#head]!;
      this.#head++;
      this.#base++;
      this.#queuedBytes -= costOf(chunk);
      this.#release(chunk);
    }
    if (this.#head === this.#chunks.length) {
      this.#chunks.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024) {
      this.#chunks.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

/** What the member of `source` reads of a chunk: views of whole messages, appended to `out`. */
export function readChunk(
  chunk: Chunk,
  source: number,
  out: Uint8Array[],
): { readonly bytes: number; readonly messages: number } {
  const { runs } = chunk;
  let bytes = 0;
  let messages = 0;
  let start = 0;
  let from = -1;
  for (let i = 0; i < runs.length; i += RUN_FIELDS) {
    const end = runs[i + 1]!;
    if (isFor(runs[i]!, source)) {
      if (from < 0) from = start;
      messages += runs[i + 2]!;
    } else if (from >= 0) {
      out.push(chunk.bytes.subarray(from, start));
      bytes += start - from;
      from = -1;
    }
    start = end;
  }
  if (from >= 0) {
    out.push(from === 0 ? chunk.bytes : chunk.bytes.subarray(from, start));
    bytes += start - from;
  }
  return { bytes, messages };
}

/** Many tiny chunks are as bad as a few large ones. */
function costOf(chunk: Chunk): number {
  return chunk.bytes.length + CHUNK_OVERHEAD;
}

function isFor(audience: Audience, source: number): boolean {
  if (audience === 0) return true;
  return audience > 0 ? audience !== source : -audience === source;
}
