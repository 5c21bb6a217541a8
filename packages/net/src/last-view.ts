/**
 * A DataView over octets, kept for as long as the same octets are asked for: reading and writing a word
 * that need not be aligned is then one instruction instead of four and their checks.
 */
export class LastView {
  #octets: Uint8Array | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));

  of(octets: Uint8Array): DataView {
    if (octets !== this.#octets) {
      this.#octets = octets;
      this.#view = viewOf(octets);
    }
    return this.#view;
  }
}

/** A view of exactly these octets, in the same memory. */
export function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}
