// Socket options of a BGP connection: TTL and GTSM (RFC 5082), TCP MD5 (RFC 2385), device, traffic
// class, segment size. Applied before connect or listen, while nothing has been sent yet; the first
// option that the kernel refuses ends the attempt, so a session never runs with less than it asked
// for.

import { addressToBytes, familyOf, parsePrefix } from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { PlatformError } from '@rookery/router';
import * as c from './constants.ts';
import { encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';

export interface SegmentOptions {
  readonly ttl?: number;
  readonly minTtl?: number;
  readonly tos?: number;
  readonly mss?: number;
  /** SO_BINDTODEVICE: a VRF, or the interface. */
  readonly device?: string;
}

/** `undefined` when everything was accepted. */
export function applySegmentOptions(
  fd: number,
  family: Family,
  options: SegmentOptions,
): PlatformError | undefined {
  const v6 = family === 'ipv6';
  const level = v6 ? c.IPPROTO_IPV6 : c.IPPROTO_IP;
  const wanted: (readonly [string, number, number, number | Uint8Array | undefined])[] = [
    [
      'SO_BINDTODEVICE',
      c.SOL_SOCKET,
      c.SO_BINDTODEVICE,
      options.device === undefined ? undefined : new TextEncoder().encode(`${options.device}\0`),
    ],
    ['TTL', level, v6 ? c.IPV6_UNICAST_HOPS : c.IP_TTL, options.ttl],
    ['minimum TTL', level, v6 ? c.IPV6_MINHOPCOUNT : c.IP_MINTTL, options.minTtl],
    ['traffic class', level, v6 ? c.IPV6_TCLASS : c.IP_TOS, options.tos],
    ['segment size', c.IPPROTO_TCP, c.TCP_MAXSEG, options.mss],
  ];
  for (const [name, optionLevel, option, value] of wanted) {
    if (value === undefined) continue;
    const set = sys.setOption(fd, optionLevel, option, value);
    if (!set.ok) return sys.platformError(`setsockopt ${name}`, set.errno);
  }
  // IP_TOS lowers the queueing priority to that of the TOS bits; control traffic wants the best.
  // Needs CAP_NET_ADMIN, and nothing depends on it.
  if (options.tos !== undefined) {
    sys.setOption(fd, c.SOL_SOCKET, c.SO_PRIORITY, internetControlPriority);
  }
  return undefined;
}

/** Key for one peer; an absent or empty key removes it. The key has 1 to 80 octets. */
export function applyPeerKey(
  fd: number,
  peer: IpAddress,
  scopeId: number,
  key: string | undefined,
): PlatformError | undefined {
  return setKey(fd, c.TCP_MD5SIG, encodeMd5Key(peer, undefined, scopeId, key), key);
}

/** Key for every peer of a prefix. */
export function applyPrefixKey(
  fd: number,
  peers: Prefix,
  key: string | undefined,
): PlatformError | undefined {
  const prefix = parsePrefix(peers);
  if (!prefix) return sys.platformError('TCP MD5', EINVAL);
  const address = peers.slice(0, peers.indexOf('/'));
  return setKey(fd, c.TCP_MD5SIG_EXT, encodeMd5Key(address, prefix.length, 0, key), key);
}

/** struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, interface, key. Pure. */
export function encodeMd5Key(
  peer: IpAddress,
  prefixLength: number | undefined,
  scopeId: number,
  key: string | undefined,
): Uint8Array {
  const bytes = new Uint8Array(216);
  const view = new DataView(bytes.buffer);
  const octets = new TextEncoder().encode(key ?? '');
  bytes.set(encodeSocketAddress(peer, 0, scopeId), 0);
  view.setUint8(128, prefixLength === undefined ? 0 : c.TCP_MD5SIG_FLAG_PREFIX);
  view.setUint8(129, prefixLength ?? 0);
  view.setUint16(130, octets.length, true);
  bytes.set(octets.subarray(0, c.TCP_MD5SIG_MAXKEYLEN), 136);
  return bytes;
}

/** True for the octets that only a link can make unique. */
export function isLinkLocalV6(address: IpAddress): boolean {
  if (familyOf(address) !== 'ipv6') return false;
  const octets = addressToBytes(address);
  return octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80;
}

/** TC_PRIO_CONTROL */
const internetControlPriority = 7;
const EINVAL = 22;
const ENOENT = 2;

function setKey(
  fd: number,
  option: number,
  value: Uint8Array,
  key: string | undefined,
): PlatformError | undefined {
  const set = sys.setOption(fd, c.IPPROTO_TCP, option, value);
  if (set.ok || (!key && set.errno === ENOENT)) return undefined;
  return sys.platformError('TCP MD5', set.errno);
}
