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

/** The next capacity that holds `needed` elements. */
export function nextCapacity(current: number, needed: number): number {
  let capacity = Math.max(current, 64);
  while (capacity < needed) capacity *= 2;
  return capacity;
}

function grow(from: ArrayBufferLike, byteLength: number): ArrayBufferLike {
  if (from instanceof SharedArrayBuffer) {
    if (byteLength <= from.maxByteLength) {
      from.grow(byteLength);
      return from;
    }
  } else if (byteLength < LARGE_BYTES) {
    return from.transfer(byteLength);
  }
  const grown = new SharedArrayBuffer(byteLength, { maxByteLength: byteLength * RESERVE });
  new Uint8Array(grown).set(new Uint8Array(from));
  return grown;
}
