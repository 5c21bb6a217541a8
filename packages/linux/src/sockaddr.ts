// sockaddr structures as bytes: sockaddr_in, sockaddr_in6, sockaddr_un and sockaddr_nl, in the
// layout of little-endian Linux. Pure.

import { addressFromBytes, addressToBytes, familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX } from './constants.ts';

export interface SocketAddress {
  readonly address: IpAddress;
  readonly port: number;
  /** Interface index of a link-local IPv6 address; 0 otherwise. */
  readonly scopeId: number;
}

/** sockaddr_in or sockaddr_in6; `scopeId` is the interface index of a link-local address. */
export function encodeSocketAddress(address: IpAddress, port: number, scopeId = 0): Uint8Array {
  const octets = addressToBytes(address);
  const v6 = familyOf(address) === 'ipv6';
  const bytes = new Uint8Array(v6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(octets, v6 ? 8 : 4);
  if (v6) view.setUint32(24, scopeId, true);
  return bytes;
}

/** `undefined` when the bytes are not an Internet socket address. */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress | undefined {
  if (bytes.length < 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = view.getUint16(0, true);
  const port = view.getUint16(2, false);
  if (family === AF_INET) return { address: addressFromBytes(bytes, 4, 4), port, scopeId: 0 };
  if (family !== AF_INET6 || bytes.length < 28) return undefined;
  return { address: addressFromBytes(bytes, 8, 16), port, scopeId: view.getUint32(24, true) };
}

/** sockaddr_un of a path; 107 octets at most. */
export function encodeUnixAddress(path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  const bytes = new Uint8Array(2 + name.length + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return bytes;
}

/** sockaddr_nl; port 0 lets the kernel choose. */
export function encodeNetlinkAddress(port: number, groups: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_NETLINK, true);
  view.setUint32(4, port, true);
  view.setUint32(8, groups, true);
  return bytes;
}
