// Growth of typed-array columns. New elements are zero.
//
// A large column has address space reserved behind it and grows in place: nothing is copied, nothing
// touched twice, no dead copy waits for the garbage collector. Only growable buffers can do that
// without being detached, and those are shared ones; no other thread ever sees them. That V8 does not
// count shared memory as the heap's is welcome: a table on its way to a million routes would only
// make it look for garbage that is not there.

/** The same contents with room for `length` elements; the argument must not be used any more. */
export function growInt32(array: Int32Array, length: number): Int32Array {
  return new Int32Array(grow(array.buffer, length * 4), 0, length);
}

/** See `growInt32`. */
export function growUint32(array: Uint32Array, length: number): Uint32Array {
  return new Uint32Array(grow(array.buffer, length * 4), 0, length);
}

/** See `growInt32`. */
export function growUint16(array: Uint16Array, length: number): Uint16Array {
  return new Uint16Array(grow(array.buffer, length * 2), 0, length);
}

/** See `growInt32`. */
export function growUint8(array: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(grow(array.buffer, length), 0, length);
}

/** From here on memory comes in mappings of its own: what of it was never touched costs nothing. */
const LARGE_BYTES = 256 * 1024;
/** Address space that a column gets when it becomes large, as a multiple of its size then. */
const RESERVE = 64;
/** Elements by which a long column grows, because growth costs little and what it brings is written. */
const STEP = 16_384;

/** The next capacity that holds `needed` elements. */
export function nextCapacity(current: number, needed: number): number {
  let capacity = Math.max(current, 64);
  while (capacity < needed && capacity < 4 * STEP) capacity *= 2;
  return capacity < needed ? Math.ceil(needed / STEP) * STEP : capacity;
}

/** An array of this length that will be read and written all over: a hash. */
export function scatteredInt32(length: number): Int32Array<ArrayBuffer> {
  return new Int32Array(length).fill(0);
}

/** Octets. More than this at once is a jump, over indices that may never be used: not touched. */
const WRITTEN_AT_ONCE = 512 * 1024;

/**
 * What a column grows by from step to step is written at once. The kernel shows the same page of
 * zeros to who reads it first, and has to take that away, from other processors too, when it is
 * written: two faults and a message between processors instead of one fault.
 */
function grow(from: ArrayBufferLike, byteLength: number): ArrayBufferLike {
  if (from instanceof SharedArrayBuffer) {
    if (byteLength <= from.maxByteLength) {
      const end = from.byteLength;
      from.grow(byteLength);
      if (byteLength - end <= WRITTEN_AT_ONCE) new Uint8Array(from, end).fill(0);
      return from;
    }
  } else if (byteLength < LARGE_BYTES) {
    return from.transfer(byteLength);
  }
  const grown = new SharedArrayBuffer(byteLength, { maxByteLength: byteLength * RESERVE });
  const octets = new Uint8Array(grown);
  octets.set(new Uint8Array(from));
  if (byteLength - from.byteLength <= WRITTEN_AT_ONCE) octets.fill(0, from.byteLength);
  return grown;
}
