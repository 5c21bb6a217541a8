// Netlink framing (netlink(7)): message headers, attributes with their 4-octet alignment, and the
// acknowledgement with its extended text. Pure functions over bytes in host order, which is little
// endian on every architecture we run on. Knows nothing of rtnetlink's own messages.

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_ROOT = 0x100;
export const NLM_F_MATCH = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** The original message is left out of the acknowledgement. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

const NLA_TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;
const NLMSGERR_ATTR_MSG = 1;
export const HEADER_SIZE = 16;

/** Header of one message and where its payload lies in the buffer. */
export interface MessageHeader {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** Port id of the socket that caused it; 0 for the kernel. */
  readonly port: number;
  readonly start: number;
  readonly end: number;
}

export interface Acknowledgement {
  readonly seq: number;
  /** 0 for success, else a positive errno. */
  readonly errno: number;
  /** The kernel's explanation, e.g. "Nexthop has invalid gateway.". */
  readonly text?: string;
}

/** The messages of one datagram; a truncated rest is left out. */
export function readMessages(bytes: Uint8Array, size = bytes.length): MessageHeader[] {
  const messages: MessageHeader[] = [];
  let at = 0;
  while (at + HEADER_SIZE <= size) {
    const length = readU32(bytes, at);
    if (length < HEADER_SIZE || at + length > size) break;
    messages.push({
      type: readU16(bytes, at + 4),
      flags: readU16(bytes, at + 6),
      seq: readU32(bytes, at + 8),
      port: readU32(bytes, at + 12),
      start: at + HEADER_SIZE,
      end: at + length,
    });
    at += align(length);
  }
  return messages;
}

/** Calls `visit` for each attribute with its type (flags removed) and the range of its payload. */
export function readAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  let at = start;
  while (at + 4 <= end) {
    const length = readU16(bytes, at);
    if (length < 4 || at + length > end) return;
    visit(readU16(bytes, at + 2) & NLA_TYPE_MASK, at + 4, at + length);
    at += align(length);
  }
}

/** Reads an NLMSG_ERROR, or the status that NLMSG_DONE carries. */
export function decodeAcknowledgement(bytes: Uint8Array, message: MessageHeader): Acknowledgement {
  const { start, end, flags, seq } = message;
  const errno = end - start >= 4 ? -readI32(bytes, start) : 0;
  let text: string | undefined;
  if (flags & NLM_F_ACK_TLVS) {
    let attributes = start + 4;
    if (message.type === NLMSG_ERROR) {
      const original = readU32(bytes, start + 4);
      attributes = start + 4 + (flags & NLM_F_CAPPED ? HEADER_SIZE : align(original));
    }
    readAttributes(bytes, attributes, end, (type, from, to) => {
      if (type === NLMSGERR_ATTR_MSG) text = readString(bytes, from, to);
    });
  }
  return text === undefined ? { seq, errno } : { seq, errno, text };
}

/** Appends messages to one growing buffer; `bytes()` is a view that the next `clear` invalidates. */
export class MessageWriter {
  #bytes = new Uint8Array(16384);
  #at = 0;
  #messageStart = 0;

  /** Everything written since `clear`. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  get size(): number {
    return this.#at;
  }

  clear(): void {
    this.#at = 0;
  }

  begin(type: number, flags: number, seq: number): void {
    this.#messageStart = this.#at;
    this.u32(0);
    this.u16(type);
    this.u16(flags);
    this.u32(seq);
    this.u32(0);
  }

  end(): void {
    this.#patchU32(this.#messageStart, this.#at - this.#messageStart);
    this.#pad();
  }

  /** Appends a copy of the last message, which began at `start`; returns where the copy begins. */
  repeat(start: number): number {
    const copy = this.#at;
    this.#reserve(copy - start);
    this.#bytes.copyWithin(copy, start, copy);
    this.#at = copy + copy - start;
    return copy;
  }

  /** The number of the message that began at `start`. */
  patchSeq(start: number, seq: number): void {
    this.#patchU32(start + 8, seq);
  }

  addFlags(start: number, flags: number): void {
    this.patchU16(start + 6, readU16(this.#bytes, start + 6) | flags);
  }

  patchU8(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  /** A word in network order. */
  patchU32be(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#bytes[this.#at++] = value & 255;
    this.#bytes[this.#at++] = (value >>> 8) & 255;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#patchU32(this.#at, value);
    this.#at += 4;
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  attribute(type: number, value: Uint8Array): void {
    this.u16(4 + value.length);
    this.u16(type);
    this.raw(value);
    this.#pad();
  }

  attributeU32(type: number, value: number): void {
    this.u16(8);
    this.u16(type);
    this.u32(value);
  }

  /** Opens a nested attribute; `closeNest` takes the result. RTA_METRICS and RTA_MULTIPATH want no nested flag. */
  openNest(type: number, flagged = false): number {
    const start = this.#at;
    this.u16(0);
    this.u16(flagged ? type | NLA_F_NESTED : type);
    return start;
  }

  closeNest(start: number): void {
    this.patchU16(start, this.#at - start);
    this.#pad();
  }

  patchU16(at: number, value: number): void {
    this.#bytes[at] = value & 255;
    this.#bytes[at + 1] = (value >>> 8) & 255;
  }

  #patchU32(at: number, value: number): void {
    this.#bytes[at] = value & 255;
    this.#bytes[at + 1] = (value >>> 8) & 255;
    this.#bytes[at + 2] = (value >>> 16) & 255;
    this.#bytes[at + 3] = (value >>> 24) & 255;
  }

  #pad(): void {
    while (this.#at & 3) this.u8(0);
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + count));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function readU32(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) >>> 0;
}

export function readI32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** A NUL-terminated string. */
export function readString(bytes: Uint8Array, start: number, end: number): string {
  let stop = start;
  while (stop < end && bytes[stop] !== 0) stop++;
  return new TextDecoder().decode(bytes.subarray(start, stop));
}

export function align(length: number): number {
  return (length + 3) & ~3;
}
