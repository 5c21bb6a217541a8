// Router Discovery on the wire (RFC 4861 §4.1, §4.2): what a router says of itself and of the
// prefixes on the link. Of what others say only the kind matters to us: who speaks is known from
// the header. The checksum is the kernel's, in both directions.

import { addressToBytes, ByteWriter, parsePrefix } from '@rookery/net';
import type { Prefix } from '@rookery/net';

export interface Advertisement {
  /** What hosts should put into their packets; 0: no opinion. */
  readonly currentHopLimit: number;
  readonly managed: boolean;
  readonly otherConfig: boolean;
  /** RFC 4191 §2.2. */
  readonly preference: 'low' | 'medium' | 'high';
  /** How long to use us as a default router; 0: not at all. */
  readonly routerLifetimeSec: number;
  readonly reachableTimeMs: number;
  readonly retransTimerMs: number;
  readonly sourceMac?: string;
  /** 0: none. */
  readonly linkMtu: number;
  readonly prefixes: readonly AdvertisedPrefix[];
}

export interface AdvertisedPrefix {
  readonly net: Prefix;
  readonly onLink: boolean;
  readonly autonomous: boolean;
  readonly validLifetimeSec: number;
  readonly preferredLifetimeSec: number;
}

/** RFC 4861 §6.1: routers on the link cannot be anywhere else. */
export const DISCOVERY_HOP_LIMIT = 255;

const TYPE = { solicitation: 133, advertisement: 134 } as const;
const OPTION = { sourceLinkLayer: 1, prefix: 3, mtu: 5 } as const;
/** Octets ahead of the options. */
const HEAD = { solicitation: 8, advertisement: 16 } as const;
const PREFERENCE = { medium: 0, high: 1, low: 3 } as const;

export function encodeSolicitation(): Uint8Array {
  const writer = new ByteWriter(HEAD.solicitation);
  writeHead(writer, TYPE.solicitation);
  writer.u32(0);
  return writer.take();
}

export function encodeAdvertisement(advertisement: Advertisement): Uint8Array {
  const { managed, otherConfig, preference, sourceMac, linkMtu } = advertisement;
  const writer = new ByteWriter(128);
  writeHead(writer, TYPE.advertisement);
  writer.u8(advertisement.currentHopLimit);
  writer.u8(Number(managed) * 0x80 + Number(otherConfig) * 0x40 + PREFERENCE[preference] * 8);
  writer.u16(advertisement.routerLifetimeSec);
  writer.u32(advertisement.reachableTimeMs);
  writer.u32(advertisement.retransTimerMs);
  if (sourceMac !== undefined) writeSourceMac(writer, sourceMac);
  if (linkMtu !== 0) {
    writeOption(writer, OPTION.mtu, 1);
    writer.u16(0);
    writer.u32(linkMtu);
  }
  for (const prefix of advertisement.prefixes) writePrefix(writer, prefix);
  return writer.take();
}

/** `undefined`: to be dropped (RFC 4861 §6.1.1, §6.1.2); where it came from is the caller's check. */
export function decodeDiscovery(bytes: Uint8Array): 'solicitation' | 'advertisement' | undefined {
  const kind =
    bytes[0] === TYPE.solicitation
      ? 'solicitation'
      : bytes[0] === TYPE.advertisement
        ? 'advertisement'
        : undefined;
  if (kind === undefined || bytes[1] !== 0 || bytes.length < HEAD[kind]) return undefined;
  for (let at: number = HEAD[kind]; at < bytes.length;) {
    const octets = (bytes[at + 1] ?? 0) * 8;
    if (octets === 0 || at + octets > bytes.length) return undefined;
    at += octets;
  }
  return kind;
}

function writeHead(writer: ByteWriter, type: number): void {
  writer.u8(type);
  writer.u8(0);
  writer.u16(0);
}

/** `length` counts units of eight octets. */
function writeOption(writer: ByteWriter, type: number, length: number): void {
  writer.u8(type);
  writer.u8(length);
}

/** RFC 2464 §6; links with longer addresses go without. */
function writeSourceMac(writer: ByteWriter, mac: string): void {
  const octets = mac.split(':').map((octet) => parseInt(octet, 16));
  if (octets.length !== 6) return;
  writeOption(writer, OPTION.sourceLinkLayer, 1);
  for (const octet of octets) writer.u8(octet);
}

function writePrefix(writer: ByteWriter, prefix: AdvertisedPrefix): void {
  const { length } = parsePrefix(prefix.net)!;
  writeOption(writer, OPTION.prefix, 4);
  writer.u8(length);
  writer.u8(Number(prefix.onLink) * 0x80 + Number(prefix.autonomous) * 0x40);
  writer.u32(prefix.validLifetimeSec);
  writer.u32(prefix.preferredLifetimeSec);
  writer.u32(0);
  writer.put(addressToBytes(prefix.net.slice(0, prefix.net.indexOf('/'))));
}
