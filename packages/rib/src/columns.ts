// Growth of typed-array columns. `ArrayBuffer.prototype.transfer` detaches the old buffer, so its
// memory goes back at once instead of waiting for a garbage collection: a table that grows on the
// way to a million routes leaves no dead copies behind. New elements are zero.

interface Transferable {
  transfer(byteLength: number): ArrayBuffer;
}

/** The same contents with room for `length` elements; the argument must not be used any more. */
export function growInt32(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  return new Int32Array(transfer(array.buffer, length * 4));
}

/** See `growInt32`. */
export function growUint32(array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(transfer(array.buffer, length * 4));
}

/** See `growInt32`. */
export function growUint16(array: Uint16Array, length: number): Uint16Array<ArrayBuffer> {
  return new Uint16Array(transfer(array.buffer, length * 2));
}

/** See `growInt32`. */
export function growUint8(array: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(transfer(array.buffer, length));
}

/** From here on memory comes in mappings of its own: what of it was never touched costs nothing. */
const LARGE_BYTES = 256 * 1024;
const MANY = LARGE_BYTES / 4;

/** The next capacity that holds `needed` elements; in large steps, because copying costs. */
export function nextCapacity(current: number, needed: number): number {
  let capacity = Math.max(current, 64);
  while (capacity < needed) capacity *= capacity < MANY ? 2 : 4;
  return capacity;
}

function transfer(from: ArrayBufferLike, byteLength: number): ArrayBuffer {
  const buffer = from as unknown as Transferable;
  if (byteLength < LARGE_BYTES) return buffer.transfer(byteLength);
  // `transfer` writes zeros into what is new, and so touches all of it.
  const grown = new ArrayBuffer(byteLength);
  new Uint8Array(grown).set(new Uint8Array(from));
  buffer.transfer(0);
  return grown;
}
