// MRT records from octets (RFC 6396 §2, §4.3, §4.4). A record that is wrong inside is a fault with
// the offset of the next one: the reader of a file goes on. Never throws.

import { attributeRow, decodePathAttributes } from '@rookery/bgp';
import type { AttributeContext, PathAttributes } from '@rookery/bgp';
import { addressFromBytes, copyBytes, err, networkOf, ok, readU16, readU32 } from '@rookery/net';
import type { Family, IpAddress, Result } from '@rookery/net';
import { BGP4MP, MRT_TYPE, TABLE_DUMP } from './record.ts';
import type { MrtPeer, MrtRecord, MrtRibEntry, MrtSession } from './record.ts';

const HEADER_LENGTH = 12;

export interface MrtFault {
  readonly kind: 'cut' | 'malformed';
  readonly text: string;
}

export interface MrtStep {
  /** Offset behind the record; the length of the input when the rest cannot be read. */
  readonly next: number;
  readonly record: Result<MrtRecord, MrtFault>;
}

/** Every record of a file, faults in their places. */
export function* readMrt(bytes: Uint8Array): Generator<MrtStep> {
  for (let at = 0; at < bytes.length;) {
    const step = decodeMrt(bytes, at);
    yield step;
    at = step.next;
  }
}

/** The record at `at`. */
export function decodeMrt(bytes: Uint8Array, at: number): MrtStep {
  const left = bytes.length - at;
  const end = left < HEADER_LENGTH ? Infinity : at + HEADER_LENGTH + readU32(bytes, at + 8);
  if (end > bytes.length) {
    return { next: bytes.length, record: err({ kind: 'cut', text: 'the last record is cut off' }) };
  }
  const cursor = new Cursor(bytes, at + HEADER_LENGTH, end);
  const type = readU16(bytes, at + 4);
  const subtype = readU16(bytes, at + 6);
  let timeMs = readU32(bytes, at) * 1000;
  // RFC 6396 §3: the length covers the microseconds.
  if (type === MRT_TYPE.bgp4mpEt) timeMs += cursor.u32() / 1000;
  const record = decodeBody(cursor, type, subtype, timeMs);
  if (!cursor.overran) return { next: end, record: ok(record) };
  const text = `record of type ${type}.${subtype} is shorter than what it says it holds`;
  return { next: end, record: err({ kind: 'malformed', text }) };
}

function decodeBody(c: Cursor, type: number, subtype: number, timeMs: number): MrtRecord {
  if (type === MRT_TYPE.tableDumpV2) {
    switch (subtype) {
      case TABLE_DUMP.peerIndexTable:
        return decodePeers(c, timeMs);
      case TABLE_DUMP.ribIpv4Unicast:
      case TABLE_DUMP.ribIpv4UnicastAddPath:
        return decodeRib(c, timeMs, 'ipv4', subtype === TABLE_DUMP.ribIpv4UnicastAddPath);
      case TABLE_DUMP.ribIpv6Unicast:
      case TABLE_DUMP.ribIpv6UnicastAddPath:
        return decodeRib(c, timeMs, 'ipv6', subtype === TABLE_DUMP.ribIpv6UnicastAddPath);
    }
  }
  if (type === MRT_TYPE.bgp4mp || type === MRT_TYPE.bgp4mpEt) {
    switch (subtype) {
      case BGP4MP.stateChange:
      case BGP4MP.stateChangeAs4: {
        const session = decodeSession(c, subtype === BGP4MP.stateChangeAs4);
        return { kind: 'state', timeMs, session, from: c.u16(), to: c.u16() };
      }
      case BGP4MP.message:
      case BGP4MP.messageAs4:
      case BGP4MP.messageLocal:
      case BGP4MP.messageAs4Local:
      case BGP4MP.messageAddPath:
      case BGP4MP.messageAs4AddPath:
      case BGP4MP.messageLocalAddPath:
      case BGP4MP.messageAs4LocalAddPath:
        return decodeMessage(c, timeMs, subtype);
    }
  }
  return { kind: 'other', timeMs, type, subtype };
}

function decodePeers(c: Cursor, timeMs: number): MrtRecord {
  const collectorId = c.address(4);
  const viewName = c.text(c.u16());
  const count = c.u16();
  const peers: MrtPeer[] = [];
  for (let i = 0; i < count && !c.overran; i++) {
    // RFC 6396 §4.3.1: bit 0 an IPv6 address, bit 1 a four-octet AS number.
    const type = c.u8();
    const bgpId = c.address(4);
    const address = c.address((type & 1) === 1 ? 16 : 4);
    peers.push({ bgpId, address, asn: (type & 2) === 2 ? c.u32() : c.u16() });
  }
  return { kind: 'peers', timeMs, collectorId, viewName, peers };
}

function decodeRib(c: Cursor, timeMs: number, family: Family, addPath: boolean): MrtRecord {
  const sequence = c.u32();
  const net = c.prefix(family);
  const count = c.u16();
  const entries: MrtRibEntry[] = [];
  for (let i = 0; i < count && !c.overran; i++) {
    const peerIndex = c.u16();
    const originatedSec = c.u32();
    const pathId = addPath ? c.u32() : undefined;
    const length = c.u16();
    const start = c.at;
    c.skip(length);
    if (c.overran) break;
    entries.push({
      peerIndex,
      originatedSec,
      ...(pathId === undefined ? {} : { pathId }),
      ...decodeRibAttributes(c.bytes, start, start + length),
    });
  }
  return { kind: 'rib', timeMs, family, sequence, net, entries };
}

function decodeSession(c: Cursor, as4: boolean): MrtSession {
  const peerAs = as4 ? c.u32() : c.u16();
  const localAs = as4 ? c.u32() : c.u16();
  const ifindex = c.u16();
  const width = c.u16() === 2 ? 16 : 4;
  return { peerAs, localAs, ifindex, peer: c.address(width), local: c.address(width) };
}

function decodeMessage(c: Cursor, timeMs: number, subtype: number): MrtRecord {
  const as4 = [4, 7, 9, 11].includes(subtype);
  const session = decodeSession(c, as4);
  return {
    kind: 'message',
    timeMs,
    session,
    as4,
    addPath: subtype >= BGP4MP.messageAddPath,
    local: [6, 7, 10, 11].includes(subtype),
    message: copyBytes(c.bytes, c.at, c.end),
  };
}

const CONTEXT: AttributeContext = {
  as4: true,
  peerType: 'internal',
  confederation: true,
  allowLocalPref: true,
  allowAsSets: true,
  aigp: true,
  extendedNextHop: true,
};

/**
 * RFC 6396 §4.3.4: AS numbers have four octets, MP_REACH_NLRI holds the next hop only. Some writers
 * put the whole attribute there; both are taken.
 */
function decodeRibAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
): Pick<MrtRibEntry, 'attributes' | 'fault'> {
  const section = copyBytes(bytes, start, end);
  let length = 0;
  let nextHops: Partial<Pick<PathAttributes, 'nextHop' | 'linkLocalNextHop'>> = {};
  for (let at = 0; at < section.length;) {
    const wide = (section[at]! & 0x10) !== 0;
    const header = wide ? 4 : 3;
    const next = attributeEnd(section, at, header, wide);
    if (section[at + 1] === 14 && next <= section.length) {
      nextHops = mpNextHops(section, at + header, next);
    } else {
      section.copyWithin(length, at, Math.min(next, section.length));
      section[length] = usualFlags(section[length]!, section[length + 1] ?? 0);
      length += Math.min(next, section.length) - at;
    }
    at = next;
  }
  const { attributes, faults } = decodePathAttributes(section, 0, length, CONTEXT, 'none');
  const [fault] = faults;
  return {
    attributes: { ...attributes, ...nextHops },
    ...(fault ? { fault: fault.detail } : {}),
  };
}

/** BIRD dumps NEXT_HOP and LOCAL_PREF with no flags at all: what they have to be is known. */
function usualFlags(flags: number, type: number): number {
  const row = attributeRow(type);
  return row ? row.flags | (flags & 0x30) : flags;
}

function attributeEnd(section: Uint8Array, at: number, header: number, wide: boolean): number {
  if (at + header > section.length) return section.length;
  return at + header + (wide ? readU16(section, at + 2) : section[at + 2]!);
}

function mpNextHops(
  bytes: Uint8Array,
  start: number,
  end: number,
): Partial<Pick<PathAttributes, 'nextHop' | 'linkLocalNextHop'>> {
  if (end - start < 1) return {};
  // A length that fills the attribute is the short form; otherwise AFI and SAFI come first.
  const short = bytes[start] === end - start - 1;
  const lengthAt = short ? start : start + 3;
  const length = bytes[lengthAt] ?? 0;
  const at = lengthAt + 1;
  if (at + length > end) return {};
  if (length === 4) return { nextHop: addressFromBytes(bytes, at, 4) };
  if (length !== 16 && length !== 32) return {};
  const nextHop = addressFromBytes(bytes, at, 16);
  return length === 16
    ? { nextHop }
    : { nextHop, linkLocalNextHop: addressFromBytes(bytes, at + 16, 16) };
}

/** Reads forward within one record; beyond its end it gives zeros and remembers that. */
class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;
  overran = false;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }

  u8(): number {
    return this.take(1) ? this.bytes[this.at - 1]! : 0;
  }

  u16(): number {
    return this.take(2) ? readU16(this.bytes, this.at - 2) : 0;
  }

  u32(): number {
    return this.take(4) ? readU32(this.bytes, this.at - 4) : 0;
  }

  skip(count: number): void {
    this.take(count);
  }

  address(width: 4 | 16): IpAddress {
    if (this.take(width)) return addressFromBytes(this.bytes, this.at - width, width);
    return width === 4 ? '0.0.0.0' : '::';
  }

  prefix(family: Family): string {
    const width = family === 'ipv4' ? 4 : 16;
    const length = this.u8();
    const octets = (length + 7) >> 3;
    const whole = new Uint8Array(width);
    if (length > width * 8) this.overran = true;
    else if (this.take(octets)) whole.set(this.bytes.subarray(this.at - octets, this.at));
    return networkOf(addressFromBytes(whole, 0, width), Math.min(length, width * 8));
  }

  /** Printable characters; the name of a view may come from anywhere. */
  text(length: number): string {
    if (!this.take(length)) return '';
    let text = '';
    for (const octet of this.bytes.subarray(this.at - length, this.at)) {
      text += octet >= 32 && octet < 127 ? String.fromCharCode(octet) : '?';
    }
    return text;
  }

  private take(count: number): boolean {
    if (this.overran || this.at + count > this.end) {
      this.overran = true;
      return false;
    }
    this.at += count;
    return true;
  }
}
