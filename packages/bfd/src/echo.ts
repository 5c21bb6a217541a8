// BFD echo packets (RFC 5880 §6.4, RFC 5881 §4): sent to ourselves, but by way of the neighbor, whose
// forwarding returns them. So they are whole IPv4 packets. What is inside concerns nobody but us; the
// secret keeps strangers from answering in the neighbor's place.

import { addressFromBytes, addressToBytes, ByteWriter, readU16, readU32 } from '@rookery/net';
import type { IpAddress } from '@rookery/net';

export interface Echo {
  /** Of the session that sent it. */
  readonly discriminator: number;
  readonly sequence: number;
  readonly secret: number;
}

export interface ReturnedEcho extends Echo {
  readonly address: IpAddress;
  readonly ttl: number;
}

export const ECHO_PORT = 3785;
/** One hop less than we sent it with: the neighbor's. */
export const RETURNED_TTL = 254;

const IP_HEADER = 20;
const UDP_HEADER = 8;
const PAYLOAD = 12;
const TOTAL = IP_HEADER + UDP_HEADER + PAYLOAD;
const UDP = 17;
const NETWORK_CONTROL = 0xc0;
const DO_NOT_FRAGMENT = 0x4000;
const FRAGMENT = 0x3fff;

/** The packet from an address of ours to itself, with its IPv4 and UDP headers. */
export function encodeEcho(address: IpAddress, echo: Echo): Uint8Array {
  const writer = new ByteWriter(TOTAL);
  const octets = addressToBytes(address);
  writer.u16(0x4500 | NETWORK_CONTROL);
  writer.u16(TOTAL);
  writer.u16(0);
  writer.u16(DO_NOT_FRAGMENT);
  writer.u16((255 << 8) | UDP);
  writer.u16(0);
  writer.put(octets);
  writer.put(octets);
  writer.patch16(10, checksum(writer.bytes, 0, IP_HEADER, 0));
  writer.u16(ECHO_PORT);
  writer.u16(ECHO_PORT);
  writer.u16(UDP_HEADER + PAYLOAD);
  writer.u16(0);
  writer.u32(echo.discriminator);
  writer.u32(echo.sequence);
  writer.u32(echo.secret);
  // RFC 768: addresses, protocol and length are summed as well, and zero would mean none.
  const pseudo = sumOf(octets, 0, 4) * 2 + UDP + UDP_HEADER + PAYLOAD;
  writer.patch16(IP_HEADER + 6, checksum(writer.bytes, IP_HEADER, TOTAL, pseudo) || 0xffff);
  return writer.take();
}

/** An echo packet of ours in an IPv4 packet from the link; `undefined`: something else. */
export function decodeEcho(bytes: Uint8Array): ReturnedEcho | undefined {
  const header = (bytes[0]! & 15) * 4;
  if (bytes.length < TOTAL || bytes[0]! >>> 4 !== 4 || header < IP_HEADER) return undefined;
  if (bytes[9] !== UDP || (readU16(bytes, 6) & FRAGMENT) !== 0) return undefined;
  const payload = header + UDP_HEADER;
  if (bytes.length < payload + PAYLOAD || readU16(bytes, header + 2) !== ECHO_PORT) {
    return undefined;
  }
  if (readU16(bytes, header + 4) !== UDP_HEADER + PAYLOAD) return undefined;
  return {
    address: addressFromBytes(bytes, 16, 4),
    ttl: bytes[8]!,
    discriminator: readU32(bytes, payload),
    sequence: readU32(bytes, payload + 4),
    secret: readU32(bytes, payload + 8),
  };
}

/** RFC 1071. */
function checksum(bytes: Uint8Array, start: number, end: number, initial: number): number {
  let sum = initial + sumOf(bytes, start, end);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function sumOf(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i += 2) sum += readU16(bytes, i);
  return sum;
}
