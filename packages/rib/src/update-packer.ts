// UPDATE messages written straight into a growing buffer: one encoded attribute block, as many
// prefixes as fit (RFC 4271 §4.3; multiprotocol RFC 4760 §3 and §4; ADD-PATH RFC 7911 §3). What the
// block says is the encoder's work, which prefixes share it is the update group's.

import { viewOf } from '@rookery/net';
import type { ExportView } from './export-view.ts';

/** Given by the engine: knows the session's encoding, AS, next hop rules. */
export interface AttributeEncoder {
  /**
   * Writes the path attributes, without MP_REACH_NLRI, into `out` at `at`, ascending by type.
   * Returns the offset behind them, or -1 when they cannot be sent. `out` has room for 65,535 octets.
   */
  readonly encode: (attributes: number, out: Uint8Array, at: number) => number;
  /**
   * Writes the next hop for MP_REACH_NLRI (4, 16 or 32 octets) of the attributes that `encode` wrote
   * last, and returns the offset behind it.
   * Returning `at` means that the next hop is among the path attributes: classic IPv4.
   */
  readonly encodeNextHop: (attributes: number, out: Uint8Array, at: number) => number;
}

export interface UpdateFormat {
  /** 4096, or 65535 with extended messages (RFC 8654). */
  readonly maxMessageBytes: number;
  /** Withdraw with MP_UNREACH_NLRI; always so for IPv6. */
  readonly mpWithdraw: boolean;
}

const MARKER = 16;
const HEADER = 19;
const UPDATE = 2;
const MP_REACH = 14;
const MP_UNREACH = 15;
/** Optional, extended length. */
const MP_FLAGS = 0x90;

export class UpdatePacker {
  /** Written messages; taken and reset by the owner. */
  bytes = new Uint8Array(128 * 1024);
  #words = viewOf(this.bytes);
  at = 0;
  messages = 0;
  readonly #view: ExportView;
  readonly #encoder: AttributeEncoder;
  readonly #maxBytes: number;
  readonly #mpWithdraw: boolean;
  readonly #afi: number;
  readonly #block = new Uint8Array(65_536 + 64);
  readonly #blockWords = viewOf(this.#block);
  #blockLength = 0;
  readonly #nextHop = new Uint8Array(64);
  #nextHopLength = 0;

  constructor(view: ExportView, encoder: AttributeEncoder, format: UpdateFormat) {
    this.#view = view;
    this.#encoder = encoder;
    this.#maxBytes = format.maxMessageBytes;
    this.#afi = view.prefixes.family === 'ipv4' ? 1 : 2;
    this.#mpWithdraw = format.mpWithdraw || this.#afi === 2;
  }

  /** Prepares the attribute block for `announce`; false when it cannot be sent with any prefix. */
  prepare(attributes: number): boolean {
    const end = this.#encoder.encode(attributes, this.#block, 0);
    if (end < 0) return false;
    this.#blockLength = end;
    this.#nextHopLength = this.#encoder.encodeNextHop(attributes, this.#nextHop, 0);
    const mp = this.#nextHopLength === 0 ? 0 : 4 + 5 + this.#nextHopLength;
    const longest = (this.#view.addPath ? 5 : 1) + (this.#afi === 1 ? 4 : 16);
    return HEADER + 4 + mp + end + longest <= this.#maxBytes;
  }

  /**
   * Writes one UPDATE that announces slots [from, to) with the prepared attributes, as many as fit;
   * returns the index of the first that did not.
   */
  announce(slots: Int32Array, from: number, to: number): number {
    const start = this.#open();
    const { bytes } = this;
    let at = start + HEADER;
    bytes[at++] = 0;
    bytes[at++] = 0;
    const lengthAt = at;
    at += 2;
    if (this.#nextHopLength === 0) {
      at = this.#putBlock(at);
      put16(bytes, lengthAt, at - lengthAt - 2);
      const next = this.#putNlri(slots, from, to, at, start + this.#maxBytes);
      this.#close(start);
      return next;
    }
    // RFC 7606 §5.1: MP_REACH_NLRI goes first.
    bytes[at++] = MP_FLAGS;
    bytes[at++] = MP_REACH;
    const mpLengthAt = at;
    at = this.#putFamily(at + 2);
    bytes[at++] = this.#nextHopLength;
    for (let i = 0; i < this.#nextHopLength; i++) bytes[at++] = this.#nextHop[i]!;
    bytes[at++] = 0;
    const limit = start + this.#maxBytes - this.#blockLength;
    const next = this.#putNlri(slots, from, to, at, limit);
    put16(bytes, mpLengthAt, this.at - mpLengthAt - 2);
    this.at = this.#putBlock(this.at);
    put16(bytes, lengthAt, this.at - lengthAt - 2);
    this.#close(start);
    return next;
  }

  /** Writes one UPDATE that withdraws slots [from, to), as many as fit; see `announce`. */
  withdraw(slots: Int32Array, from: number, to: number): number {
    const start = this.#open();
    const { bytes } = this;
    let at = start + HEADER;
    if (!this.#mpWithdraw) {
      const next = this.#putNlri(slots, from, to, at + 2, start + this.#maxBytes - 2);
      put16(bytes, at, this.at - at - 2);
      put16(bytes, this.at, 0);
      this.at += 2;
      this.#close(start);
      return next;
    }
    put16(bytes, at, 0);
    const lengthAt = at + 2;
    at += 4;
    bytes[at++] = MP_FLAGS;
    bytes[at++] = MP_UNREACH;
    const mpLengthAt = at;
    at = this.#putFamily(at + 2);
    const next = this.#putNlri(slots, from, to, at, start + this.#maxBytes);
    put16(bytes, mpLengthAt, this.at - mpLengthAt - 2);
    put16(bytes, lengthAt, this.at - lengthAt - 2);
    this.#close(start);
    return next;
  }

  /** A copy of what was written; the buffer starts again. */
  take(): Uint8Array {
    const taken = this.bytes.slice(0, this.at);
    this.at = 0;
    this.messages = 0;
    return taken;
  }

  #open(): number {
    const start = this.at;
    if (start + this.#maxBytes + 3 > this.bytes.length) {
      const bytes = new Uint8Array(this.bytes.length * 2);
      bytes.set(this.bytes);
      this.bytes = bytes;
      this.#words = viewOf(bytes);
    }
    for (let i = 0; i < MARKER; i += 4) this.#words.setInt32(start + i, -1);
    return start;
  }

  #close(start: number): void {
    put16(this.bytes, start + 16, this.at - start);
    this.bytes[start + 18] = UPDATE;
    this.messages++;
  }

  #putFamily(at: number): number {
    this.bytes[at] = 0;
    this.bytes[at + 1] = this.#afi;
    this.bytes[at + 2] = 1;
    return at + 3;
  }

  #putBlock(at: number): number {
    const words = this.#words;
    const block = this.#blockWords;
    const length = this.#blockLength;
    // Whole words: what is behind the block is written over, and there is room for it.
    for (let i = 0; i < length; i += 4) words.setInt32(at + i, block.getInt32(i, true), true);
    return at + length;
  }

  /** Leaves `this.at` behind the prefixes. */
  #putNlri(slots: Int32Array, from: number, to: number, start: number, limit: number): number {
    const { bytes } = this;
    const out = this.#words;
    const view = this.#view;
    const { prefixes, addPath } = view;
    const { words, lengths } = prefixes.columns;
    const fixed = addPath ? 5 : 1;
    let at = start;
    let i = from;
    for (; i < to; i++) {
      const slot = slots[i]!;
      const net = view.netOf(slot);
      const length = lengths[net]!;
      const octets = (length + 7) >>> 3;
      if (at + fixed + octets > limit) break;
      if (addPath) {
        out.setInt32(at, view.pathIdOf(slot));
        at += 4;
      }
      bytes[at++] = length;
      // Whole words: what is behind the prefix is written over, there is always room for it.
      for (let done = 0; done < octets; done += 4) {
        out.setInt32(at + done, words[net * prefixes.width + (done >> 2)]!);
      }
      at += octets;
    }
    this.at = at;
    return i;
  }
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
