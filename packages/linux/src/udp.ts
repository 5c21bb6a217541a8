// UDP as BFD needs it (RFC 5881, RFC 5883): sent with TTL 255 from a port in 49152-65535, received
// with the TTL, the local address and the interface of each packet, so that the caller can apply
// GTSM (RFC 5082). Synchronous and free of the main thread's state: usable from a worker.

import { addressFromBytes, err, familyOf, ok } from '@rookery/net';
import type { Family, IpAddress, Result } from '@rookery/net';
import type { PlatformError } from '@rookery/router';
import * as c from './constants.ts';
import { decodeSocketAddress, encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';
import { applySegmentOptions } from './tcp-options.ts';

export interface UdpPacket {
  /** Valid during the call only. */
  readonly bytes: Uint8Array;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** The address it was sent to, and the interface it came in by; 0 when unknown. */
  readonly local: IpAddress | undefined;
  readonly ifindex: number;
  /** TTL or hop limit on arrival. */
  readonly ttl: number | undefined;
}

export interface UdpReceiverOptions {
  readonly family: Family;
  readonly port: number;
  readonly local?: IpAddress;
  readonly onPacket: (packet: UdpPacket) => void;
}

export interface UdpSenderOptions {
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly local?: IpAddress;
  /** For a link-local remote, and to pin the outgoing interface. */
  readonly interface?: { readonly name: string; readonly ifindex: number };
}

export interface UdpSender {
  readonly localPort: number;
  /** `undefined` when the kernel took it. */
  send(bytes: Uint8Array): PlatformError | undefined;
  close(): void;
}

const firstSourcePort = 49152;
const sourcePorts = 65536 - firstSourcePort;
const datagramLimit = 2048;
const packetsPerTurn = 1024;
const networkControl = 0xc0;

export interface UdpReceiver {
  /** Delivers what has arrived, now: a late timer must not judge by packets that nobody read. */
  drain(): void;
  close(): void;
}

/** Receives on a port, on every address unless `local` is given. */
export function openUdpReceiver(options: UdpReceiverOptions): Result<UdpReceiver, PlatformError> {
  const v6 = options.family === 'ipv6';
  const opened = openDatagram(options.family);
  if (!opened.ok) return opened;
  const fd = opened.value;
  // No SO_REUSEADDR: a second BFD daemon must get an error, not half of the packets.
  if (v6) {
    sys.setOption(fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY, 1);
    sys.setOption(fd, c.IPPROTO_IPV6, c.IPV6_RECVPKTINFO, 1);
    sys.setOption(fd, c.IPPROTO_IPV6, c.IPV6_RECVHOPLIMIT, 1);
  } else {
    sys.setOption(fd, c.IPPROTO_IP, c.IP_PKTINFO, 1);
    sys.setOption(fd, c.IPPROTO_IP, c.IP_RECVTTL, 1);
  }
  const address = options.local ?? (v6 ? '::' : '0.0.0.0');
  const bound = sys.bindSocket(fd, encodeSocketAddress(address, options.port));
  if (!bound.ok) {
    sys.closeDescriptor(fd);
    return err(sys.platformError('bind', bound.errno));
  }
  const buffers = sys.createMessageBuffers(datagramLimit);
  let ended = false;
  const drain = (): void => {
    if (ended) return;
    for (let i = 0; i < packetsPerTurn; i++) {
      const received = sys.receiveMessage(fd, buffers, c.MSG_DONTWAIT);
      if (!received.ok) return;
      if (received.value.flags & c.MSG_TRUNC) continue;
      const packet = readPacket(buffers, received.value);
      if (packet) options.onPacket(packet);
    }
  };
  const stop = sys.watch(fd, drain);
  return ok({
    drain,
    close: () => {
      if (ended) return;
      ended = true;
      stop();
      setImmediate(() => sys.closeDescriptor(fd));
    },
  });
}

/** A connected socket towards one neighbor. `firstTry` spreads the source ports (any integer). */
export function openUdpSender(
  options: UdpSenderOptions,
  firstTry: number,
): Result<UdpSender, PlatformError> {
  const family = familyOf(options.remote);
  const opened = openDatagram(family);
  if (!opened.ok) return opened;
  const fd = opened.value;
  const fail = (error: PlatformError): Result<UdpSender, PlatformError> => {
    sys.closeDescriptor(fd);
    return err(error);
  };
  const ifindex = options.interface?.ifindex ?? 0;
  const failure = applySegmentOptions(fd, family, {
    ttl: 255,
    tos: networkControl,
    ...(options.interface === undefined ? {} : { device: options.interface.name }),
  });
  if (failure) return fail(failure);
  const local = options.local ?? (family === 'ipv6' ? '::' : '0.0.0.0');
  const port = bindSourcePort(fd, local, ifindex, firstTry);
  if (typeof port !== 'number') return fail(port);
  const remote = encodeSocketAddress(options.remote, options.remotePort, ifindex);
  const connected = sys.connectSocket(fd, remote);
  if (!connected.ok) return fail(sys.platformError('connect', connected.errno));
  return ok({
    localPort: port,
    send: (bytes) => {
      let sent = sys.sendBytes(fd, bytes, c.MSG_DONTWAIT | c.MSG_NOSIGNAL);
      // A connected socket reports the ICMP error of the packet before; the packet itself is fine.
      if (!sent.ok && sent.errno === ECONNREFUSED) {
        sent = sys.sendBytes(fd, bytes, c.MSG_DONTWAIT | c.MSG_NOSIGNAL);
      }
      return sent.ok ? undefined : sys.platformError('send', sent.errno);
    },
    close: () => sys.closeDescriptor(fd),
  });
}

const EADDRINUSE = 98;
const ECONNREFUSED = 111;

function bindSourcePort(
  fd: number,
  local: IpAddress,
  scopeId: number,
  firstTry: number,
): number | PlatformError {
  let errno = EADDRINUSE;
  for (let i = 0; i < 64 && errno === EADDRINUSE; i++) {
    const port = firstSourcePort + (((firstTry + i * 257) >>> 0) % sourcePorts);
    const bound = sys.bindSocket(fd, encodeSocketAddress(local, port, scopeId));
    if (bound.ok) return port;
    errno = bound.errno;
  }
  return sys.platformError('bind', errno);
}

function openDatagram(family: Family): Result<number, PlatformError> {
  const domain = family === 'ipv6' ? c.AF_INET6 : c.AF_INET;
  const opened = sys.openSocket(domain, c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC, 0);
  return opened.ok ? ok(opened.value) : err(sys.platformError('socket', opened.errno));
}

function readPacket(
  buffers: sys.MessageBuffers,
  received: sys.ReceivedMessage,
): UdpPacket | undefined {
  const from = decodeSocketAddress(buffers.name.subarray(0, received.nameLength));
  if (!from) return undefined;
  let local: IpAddress | undefined;
  let ifindex = from.scopeId;
  let ttl: number | undefined;
  const { control } = buffers;
  const view = new DataView(control.buffer, control.byteOffset, control.length);
  for (const { level, type, at, length } of sys.controlMessages(buffers, received)) {
    if (level === c.IPPROTO_IP && type === c.IP_PKTINFO && length >= 12) {
      // struct in_pktinfo: interface, local address, destination of the header.
      ifindex = view.getInt32(at, true);
      local = addressFromBytes(control, at + 8, 4);
    } else if (level === c.IPPROTO_IPV6 && type === c.IPV6_PKTINFO && length >= 20) {
      local = addressFromBytes(control, at, 16);
      ifindex = view.getInt32(at + 16, true);
    } else if (level === c.IPPROTO_IP && type === c.IP_TTL) {
      ttl = view.getInt32(at, true);
    } else if (level === c.IPPROTO_IPV6 && type === c.IPV6_HOPLIMIT) {
      ttl = view.getInt32(at, true);
    }
  }
  return {
    bytes: buffers.data.subarray(0, received.size),
    remote: from.address,
    remotePort: from.port,
    local,
    ifindex,
    ttl,
  };
}
