// Socket options of a BGP connection: TTL and GTSM (RFC 5082), device, traffic class, segment size;
// keys are in tcp-keys.ts. Applied before connect or listen, while nothing has been sent yet; the first
// option that the kernel refuses ends the attempt, so a session never runs with less than it asked
// for.

import { addressToBytes, familyOf } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { PlatformError } from '@rookery/router';
import * as c from './constants.ts';
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
    if (!set.ok) {
      const error = sys.platformError(`setsockopt ${name}`, set.errno);
      return option === c.SO_BINDTODEVICE ? explained(error, options.device!) : error;
    }
  }
  // IP_TOS lowers the queueing priority to that of the TOS bits; control traffic wants the best.
  // Needs CAP_NET_ADMIN, and nothing depends on it.
  if (options.tos !== undefined) {
    sys.setOption(fd, c.SOL_SOCKET, c.SO_PRIORITY, internetControlPriority);
  }
  return undefined;
}

/** True for the octets that only a link can make unique. */
export function isLinkLocalV6(address: IpAddress): boolean {
  if (familyOf(address) !== 'ipv6') return false;
  const octets = addressToBytes(address);
  return octets[0] === 0xfe && (octets[1]! & 0xc0) === 0x80;
}

/** TC_PRIO_CONTROL */
const internetControlPriority = 7;

function explained(error: PlatformError, device: string): PlatformError {
  switch (error.code) {
    case 'ENODEV':
      return { ...error, message: `there is no interface or VRF ${device}` };
    case 'EPERM':
      return { ...error, message: `binding to ${device} needs the capability CAP_NET_RAW` };
    default:
      return error;
  }
}
