// Router Discovery on sockets: one raw ICMPv6 socket per interface (RFC 3542 §3), which passes
// Router Solicitations and Advertisements only. The kernel fills in checksum and source address,
// and verifies checksums. Needs CAP_NET_RAW.

import { addressToBytes } from '@rookery/net';
import type { Fact, Order, PlatformError } from '@rookery/router';
import * as c from './constants.ts';
import { decodeSocketAddress, encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';

export type DiscoveryOrder = Extract<
  Order,
  { readonly kind: 'discoveryOpen' | 'discoverySend' | 'discoveryClose' }
>;

interface Socket {
  readonly fd: number;
  readonly ifindex: number;
  readonly stop: () => void;
}

const HOP_LIMIT = 255;
const ALL_ROUTERS = 'ff02::2';
const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const DATAGRAM_LIMIT = 2048;
const PACKETS_PER_TURN = 64;

export class DiscoverySockets {
  readonly #emit: (fact: Fact) => void;
  readonly #sockets = new Map<string, Socket>();

  constructor(emit: (fact: Fact) => void) {
    this.#emit = emit;
  }

  execute(order: DiscoveryOrder): void {
    switch (order.kind) {
      case 'discoveryOpen':
        return this.#open(order.interface);
      case 'discoverySend':
        return this.#send(order);
      case 'discoveryClose':
        return this.#close(order.interface);
    }
  }

  close(): void {
    for (const name of this.#sockets.keys()) this.#close(name);
  }

  #open(name: string): void {
    this.#close(name);
    const ifindex = sys.interfaceIndex(name);
    const type = c.SOCK_RAW | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
    const opened = sys.openSocket(c.AF_INET6, type, c.IPPROTO_ICMPV6);
    if (!opened.ok) return this.#failed(name, sys.platformError('socket', opened.errno));
    const fd = opened.value;
    const failure = prepare(fd, name, ifindex);
    if (failure) {
      sys.closeDescriptor(fd);
      return this.#failed(name, failure);
    }
    const buffers = sys.createMessageBuffers(DATAGRAM_LIMIT);
    const stop = sys.watch(fd, () => {
      for (let i = 0; i < PACKETS_PER_TURN; i++) {
        const received = sys.receiveMessage(fd, buffers, c.MSG_DONTWAIT);
        if (!received.ok) return;
        this.#received(name, buffers, received.value);
      }
    });
    this.#sockets.set(name, { fd, ifindex, stop });
  }

  #received(name: string, buffers: sys.MessageBuffers, message: sys.ReceivedMessage): void {
    const from = decodeSocketAddress(buffers.name.subarray(0, message.nameLength));
    const hopLimit = hopLimitOf(buffers, message);
    if (!from || hopLimit === undefined || message.flags & c.MSG_TRUNC) return;
    this.#emit({
      kind: 'discoveryReceived',
      interface: name,
      source: from.address,
      hopLimit,
      bytes: buffers.data.slice(0, message.size),
    });
  }

  #send(order: Extract<DiscoveryOrder, { readonly kind: 'discoverySend' }>): void {
    const socket = this.#sockets.get(order.interface);
    if (!socket) return;
    const address = encodeSocketAddress(order.destination, 0, socket.ifindex);
    const sent = sys.sendBytesTo(socket.fd, order.bytes, c.MSG_DONTWAIT, address);
    if (!sent.ok) this.#failed(order.interface, sys.platformError('send', sent.errno));
  }

  #failed(name: string, error: PlatformError): void {
    this.#close(name);
    this.#emit({ kind: 'discoveryFailed', interface: name, error });
  }

  #close(name: string): void {
    const socket = this.#sockets.get(name);
    if (!socket) return;
    this.#sockets.delete(name);
    socket.stop();
    setImmediate(() => sys.closeDescriptor(socket.fd));
  }
}

function hopLimitOf(buffers: sys.MessageBuffers, message: sys.ReceivedMessage): number | undefined {
  const { control } = buffers;
  for (const { level, type, at } of sys.controlMessages(buffers, message)) {
    if (level !== c.IPPROTO_IPV6 || type !== c.IPV6_HOPLIMIT) continue;
    return new DataView(control.buffer, control.byteOffset).getInt32(at, true);
  }
  return undefined;
}

/** Filter, hop limits, and the group of routers, which solicitations are sent to. */
function prepare(fd: number, name: string, ifindex: number): PlatformError | undefined {
  const device = new TextEncoder().encode(`${name}\0`);
  const group = new Uint8Array(20);
  group.set(addressToBytes(ALL_ROUTERS));
  new DataView(group.buffer).setInt32(16, ifindex, true);
  const wanted: (readonly [string, number, number, number | Uint8Array])[] = [
    ['ICMPV6_FILTER', c.IPPROTO_ICMPV6, c.ICMPV6_FILTER, passing()],
    ['SO_BINDTODEVICE', c.SOL_SOCKET, c.SO_BINDTODEVICE, device],
    ['IPV6_RECVHOPLIMIT', c.IPPROTO_IPV6, c.IPV6_RECVHOPLIMIT, 1],
    ['IPV6_UNICAST_HOPS', c.IPPROTO_IPV6, c.IPV6_UNICAST_HOPS, HOP_LIMIT],
    ['IPV6_MULTICAST_HOPS', c.IPPROTO_IPV6, c.IPV6_MULTICAST_HOPS, HOP_LIMIT],
    ['IPV6_MULTICAST_LOOP', c.IPPROTO_IPV6, c.IPV6_MULTICAST_LOOP, 0],
    ['IPV6_ADD_MEMBERSHIP', c.IPPROTO_IPV6, c.IPV6_ADD_MEMBERSHIP, group],
  ];
  for (const [what, level, option, value] of wanted) {
    const set = sys.setOption(fd, level, option, value);
    if (!set.ok) return sys.platformError(`setsockopt ${what}`, set.errno);
  }
  return undefined;
}

/** struct icmp6_filter: a set bit blocks the type. */
function passing(): Uint8Array {
  const blocked = new Uint32Array(8).fill(0xffffffff);
  for (const type of [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT]) {
    blocked[type >>> 5]! &= ~(1 << (type & 31));
  }
  return new Uint8Array(blocked.buffer);
}
