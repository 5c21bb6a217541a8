// rtnetlink messages about links and interface addresses (rtnetlink(7)): RTM_GETLINK and
// RTM_GETADDR requests, RTM_NEWLINK and RTM_NEWADDR answers. Pure; what an address means to a
// router (scope, preference) is decided in interface-facts.ts.

import { addressFromBytes } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import { AF_INET, AF_INET6 } from '../constants.ts';
import {
  NLM_F_DUMP,
  NLM_F_REQUEST,
  readAttributes,
  readString,
  readU16,
  readU32,
} from './message.ts';
import type { MessageHeader, MessageWriter } from './message.ts';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_MULTICAST = 0x1000;
export const IFF_LOWER_UP = 0x10000;

export const IFA_F_SECONDARY = 0x01;
export const IFA_F_DADFAILED = 0x08;
export const IFA_F_DEPRECATED = 0x20;
export const IFA_F_TENTATIVE = 0x40;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_EXT_MASK = 29;
/** RTEXT_FILTER_SKIP_STATS: the counters are two thirds of a link message. */
const RTEXT_FILTER_SKIP_STATS = 8;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** IFF_* */
  readonly flags: number;
  readonly mtu: number;
  readonly masterIfindex?: number;
  /** Lower-case hexadecimal with colons; only for addresses of six octets. */
  readonly macAddress?: string;
}

export interface LinkAddress {
  readonly ifindex: number;
  readonly family: Family;
  readonly length: number;
  /** RT_SCOPE_* */
  readonly scope: number;
  /** IFA_F_* */
  readonly flags: number;
  readonly local: IpAddress;
  /** The other end of a point-to-point link; equal to `local` elsewhere. */
  readonly address: IpAddress;
}

export function encodeLinkDump(writer: MessageWriter, seq: number): void {
  writer.begin(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, seq);
  for (let i = 0; i < 4; i++) writer.u32(0);
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  writer.end();
}

export function encodeAddressDump(writer: MessageWriter, seq: number): void {
  writer.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, seq);
  writer.u32(0);
  writer.u32(0);
  writer.end();
}

/** `undefined` when the message is not RTM_NEWLINK or lacks the name. */
export function decodeLink(bytes: Uint8Array, message: MessageHeader): Link | undefined {
  if (message.type !== RTM_NEWLINK || message.end - message.start < 16) return undefined;
  const { start } = message;
  let name: string | undefined;
  let mtu = 0;
  let masterIfindex: number | undefined;
  let macAddress: string | undefined;
  readAttributes(bytes, start + 16, message.end, (type, from, to) => {
    if (type === IFLA_IFNAME) name = readString(bytes, from, to);
    else if (type === IFLA_MTU) mtu = readU32(bytes, from);
    else if (type === IFLA_MASTER) masterIfindex = readU32(bytes, from);
    else if (type === IFLA_ADDRESS && to - from === 6) {
      macAddress = Array.from(bytes.subarray(from, to), (b) =>
        b.toString(16).padStart(2, '0'),
      ).join(':');
    }
  });
  if (name === undefined) return undefined;
  return {
    ifindex: readU32(bytes, start + 4),
    name,
    flags: readU32(bytes, start + 8),
    mtu,
    ...(masterIfindex ? { masterIfindex } : {}),
    ...(macAddress === undefined ? {} : { macAddress }),
  };
}

/** `undefined` when the message is not an Internet address of RTM_NEWADDR. */
export function decodeLinkAddress(
  bytes: Uint8Array,
  message: MessageHeader,
): LinkAddress | undefined {
  if (message.type !== RTM_NEWADDR || message.end - message.start < 8) return undefined;
  const { start } = message;
  const code = bytes[start]!;
  if (code !== AF_INET && code !== AF_INET6) return undefined;
  const size = code === AF_INET ? 4 : 16;
  let local: IpAddress | undefined;
  let address: IpAddress | undefined;
  let flags: number = bytes[start + 2]!;
  readAttributes(bytes, start + 8, message.end, (type, from, to) => {
    if (type === IFA_FLAGS && to - from === 4) flags = readU32(bytes, from);
    else if (to - from !== size) return;
    else if (type === IFA_LOCAL) local = addressFromBytes(bytes, from, size);
    else if (type === IFA_ADDRESS) address = addressFromBytes(bytes, from, size);
  });
  const own = local ?? address;
  if (own === undefined) return undefined;
  return {
    ifindex: readU32(bytes, start + 4),
    family: code === AF_INET ? 'ipv4' : 'ipv6',
    length: bytes[start + 1]!,
    scope: bytes[start + 3]!,
    flags,
    local: own,
    address: address ?? own,
  };
}

/** ARPHRD_* of a link message; 772 is loopback. */
export function linkHardwareType(bytes: Uint8Array, message: MessageHeader): number {
  return readU16(bytes, message.start + 2);
}
