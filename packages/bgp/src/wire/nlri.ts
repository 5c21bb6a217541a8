// NLRI: prefixes on the wire (RFC 4271 §4.3, RFC 4760 §5, ADD-PATH RFC 7911 §3). Decoding fills
// columns of numbers without an object per prefix; encoding writes from the same columns.

import { LastView } from '@rookery/net';
import type { Family } from '@rookery/net';
import { ERROR, UPDATE_ERROR } from './constants.ts';
import { NO_DATA } from './fault.ts';
import type { WireFault } from './fault.ts';
import type { NlriBatch } from './update-types.ts';

/** Messages of one read are decoded one after the other. */
const lastView = new LastView();

/** Empty columns; they grow on first use. One batch per family may serve a whole daemon. */
export function createNlriBatch(): NlriBatch {
  return {
    count: 0,
    words: new Int32Array(0),
    lengths: new Uint8Array(0),
    pathIds: new Int32Array(0),
  };
}

/** Appends one prefix; `words` has one word for IPv4, four for IPv6. Not for the hot path. */
export function appendNlri(
  batch: NlriBatch,
  words: readonly number[],
  length: number,
  pathId = 0,
): void {
  reserve(batch, batch.count + 1, words.length);
  const at = batch.count * words.length;
  words.forEach((word, i) => (batch.words[at + i] = word));
  batch.lengths[batch.count] = length;
  batch.pathIds[batch.count] = pathId;
  batch.count++;
}

/**
 * Appends the prefixes of bytes[start, end) to the batch, host bits cleared. A fault is always a
 * session reset: where one prefix ends decides where the next begins.
 */
export function decodeNlri(
  bytes: Uint8Array,
  start: number,
  end: number,
  family: Family,
  addPath: boolean,
  batch: NlriBatch,
): WireFault | undefined {
  const perPrefix = addPath ? 5 : 1;
  const stride = family === 'ipv4' ? 1 : 4;
  reserve(batch, batch.count + Math.ceil((end - start) / perPrefix), stride);
  const bad =
    family === 'ipv4'
      ? walk4(bytes, start, end, addPath, batch)
      : walk6(bytes, start, end, addPath, batch);
  return bad < 0 ? undefined : nlriFault(bytes, bad, end, family, addPath);
}

/** Octets that one prefix takes. */
export function nlriLength(length: number, addPath: boolean): number {
  return (addPath ? 5 : 1) + ((length + 7) >>> 3);
}

/** Writes prefix `index` of the batch at `at`; returns the offset behind it. */
export function writeNlri(
  out: Uint8Array,
  at: number,
  family: Family,
  addPath: boolean,
  batch: NlriBatch,
  index: number,
): number {
  let offset = at;
  if (addPath) {
    const id = batch.pathIds[index]!;
    out[offset] = id >>> 24;
    out[offset + 1] = id >>> 16;
    out[offset + 2] = id >>> 8;
    out[offset + 3] = id;
    offset += 4;
  }
  const length = batch.lengths[index]!;
  out[offset++] = length;
  const octets = (length + 7) >>> 3;
  const base = family === 'ipv4' ? index : index * 4;
  for (let i = 0; i < octets; i++) {
    out[offset++] = batch.words[base + (i >> 2)]! >>> (24 - (i & 3) * 8);
  }
  return offset;
}

/**
 * The first `bits` bits at an offset of `size` octets as a word, none when that is not positive.
 * Trailing bits are irrelevant (RFC 4271 §4.3), so what is behind a prefix may be read and is cleared.
 */
function wordAt(view: DataView, size: number, at: number, bits: number): number {
  if (bits <= 0) return 0;
  let word = 0;
  if (at + 4 <= size) {
    word = view.getInt32(at);
  } else {
    for (let i = 0; i * 8 < bits && i < 4; i++) word |= view.getUint8(at + i) << (24 - i * 8);
  }
  return bits >= 32 ? word : word & (-1 << (32 - bits));
}

/** Offset of the first bad prefix, or -1. */
function walk4(
  bytes: Uint8Array,
  start: number,
  end: number,
  addPath: boolean,
  batch: NlriBatch,
): number {
  const { words, lengths, pathIds } = batch;
  const view = lastView.of(bytes);
  let count = batch.count;
  let at = start;
  while (at < end) {
    let id = 0;
    let offset = at;
    if (addPath) {
      if (end - at < 5) return at;
      id = view.getInt32(at);
      offset += 4;
    }
    const length = bytes[offset++]!;
    const octets = (length + 7) >>> 3;
    if (length > 32 || end - offset < octets) return at;
    words[count] = wordAt(view, bytes.length, offset, length);
    lengths[count] = length;
    pathIds[count] = id;
    count++;
    at = offset + octets;
  }
  batch.count = count;
  return -1;
}

function walk6(
  bytes: Uint8Array,
  start: number,
  end: number,
  addPath: boolean,
  batch: NlriBatch,
): number {
  const { words, lengths, pathIds } = batch;
  const view = lastView.of(bytes);
  let count = batch.count;
  let at = start;
  while (at < end) {
    let id = 0;
    let offset = at;
    if (addPath) {
      if (end - at < 5) return at;
      id = view.getInt32(at);
      offset += 4;
    }
    const length = bytes[offset++]!;
    const octets = (length + 7) >>> 3;
    if (length > 128 || end - offset < octets) return at;
    const base = count * 4;
    words[base] = wordAt(view, bytes.length, offset, length);
    words[base + 1] = wordAt(view, bytes.length, offset + 4, length - 32);
    words[base + 2] = wordAt(view, bytes.length, offset + 8, length - 64);
    words[base + 3] = wordAt(view, bytes.length, offset + 12, length - 96);
    lengths[count] = length;
    pathIds[count] = id;
    count++;
    at = offset + octets;
  }
  batch.count = count;
  return -1;
}

function nlriFault(
  bytes: Uint8Array,
  offset: number,
  end: number,
  family: Family,
  addPath: boolean,
): WireFault {
  const lengthAt = offset + (addPath ? 4 : 0);
  const length = lengthAt < end ? bytes[lengthAt]! : undefined;
  const max = family === 'ipv4' ? 32 : 128;
  return {
    reaction: 'sessionReset',
    notification: {
      code: ERROR.update,
      subcode: UPDATE_ERROR.invalidNetworkField,
      data: NO_DATA,
    },
    offset,
    section: 'RFC 7606 §5.3',
    detail:
      length !== undefined && length > max
        ? `prefix length ${length} exceeds ${max}`
        : 'prefix runs past the end of its field',
  };
}

function reserve(batch: NlriBatch, count: number, stride: number): void {
  if (batch.lengths.length < count) {
    const size = Math.max(64, count, batch.lengths.length * 2);
    const lengths = new Uint8Array(size);
    lengths.set(batch.lengths);
    batch.lengths = lengths;
    const pathIds = new Int32Array(size);
    pathIds.set(batch.pathIds);
    batch.pathIds = pathIds;
  }
  if (batch.words.length < count * stride) {
    const words = new Int32Array(Math.max(count * stride, batch.lengths.length * stride));
    words.set(batch.words);
    batch.words = words;
  }
}
