// BFD's echo packets on the wire (RFC 5881 §4): handed to the neighbor's link-layer address by a packet
// socket, one per interface, because the kernel would keep what is addressed to itself; for the same
// reason what comes back is read there, where no filter for martian sources has thrown it away yet.
// No sysctl is touched. Needs CAP_NET_RAW. That the neighbor's own echo packets return is our
// kernel's work: it forwards them.

import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { decodeEcho, ECHO_PORT, encodeEcho, RETURNED_TTL } from '@rookery/bfd';
import { err, ok } from '@rookery/net';
import type { IpAddress, Result } from '@rookery/net';
import type { PlatformError } from '@rookery/router';
import * as c from './constants.ts';
import * as sys from './sys.ts';

/** Where the echo packets of a session go, and which address of ours they carry. */
export interface EchoPath {
  readonly discriminator: number;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly interface: string;
}

interface Sender {
  readonly path: EchoPath;
  readonly secret: number;
  sequence: number;
  /** The highest one that came back. */
  returned: number;
  /** When the last ones left, by the end of their sequence numbers. */
  readonly sentMs: Float64Array;
  mac: Uint8Array | undefined;
  macUntilMs: number;
}

interface Socket {
  readonly fd: number;
  readonly ifindex: number;
  readonly stop: () => void;
}

const IP_ETHERTYPE = 0x0800;
const UDP = 17;
const DATAGRAM_LIMIT = 256;
const PACKETS_PER_TURN = 256;
/** A power of two: as many as may be on their way. */
const IN_FLIGHT = 64;
/** A neighbor with a new network card is found again this soon. */
const MAC_LIFETIME_MS = 1000;

/** True when the kernel returns the neighbor's echo packets on this interface. */
export function returnsEchoes(interfaceName: string): boolean {
  try {
    const path = `/proc/sys/net/ipv4/conf/${interfaceName}/forwarding`;
    return readFileSync(path, 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

export class EchoSockets {
  readonly #returned: (discriminator: number, rttUs: number) => void;
  readonly #senders = new Map<number, Sender>();
  readonly #sockets = new Map<string, Socket>();

  /** `returned`: an echo packet of that session came back. */
  constructor(returned: (discriminator: number, rttUs: number) => void) {
    this.#returned = returned;
  }

  /** Sends one; nothing is sent while the neighbor's link-layer address is unknown. */
  send(path: EchoPath, nowMs: number): PlatformError | undefined {
    const opened = this.#socketOn(path.interface);
    if (!opened.ok) return opened.error;
    const { fd, ifindex } = opened.value;
    const sender = this.#senderFor(path);
    if (nowMs >= sender.macUntilMs) {
      sender.mac = linkAddressOf(path.remote, path.interface);
      sender.macUntilMs = nowMs + MAC_LIFETIME_MS;
    }
    if (!sender.mac) return undefined;
    sender.sequence++;
    sender.sentMs[sender.sequence % IN_FLIGHT] = nowMs;
    const { secret, sequence } = sender;
    const { discriminator, local } = path;
    const bytes = encodeEcho(local, { discriminator, sequence, secret });
    const sent = sys.sendBytesTo(fd, bytes, c.MSG_DONTWAIT, linkAddress(ifindex, sender.mac));
    if (sent.ok) return undefined;
    // The interface may have been made anew.
    this.#closeSocket(path.interface);
    return sys.platformError('send', sent.errno);
  }

  /** Ends what a session had; its socket closes with the last session on the interface. */
  forget(discriminator: number): void {
    const link = this.#senders.get(discriminator)?.path.interface;
    if (link === undefined) return;
    this.#senders.delete(discriminator);
    const used = [...this.#senders.values()].some(({ path }) => path.interface === link);
    if (!used) this.#closeSocket(link);
  }

  /** Delivers what has arrived, now. */
  drain(): void {
    for (const { fd } of this.#sockets.values()) this.#receive(fd);
  }

  close(): void {
    for (const name of this.#sockets.keys()) this.#closeSocket(name);
    this.#senders.clear();
  }

  #senderFor(path: EchoPath): Sender {
    const known = this.#senders.get(path.discriminator);
    if (known && known.path.local === path.local) return known;
    const fresh = {
      path,
      secret: randomInt(2 ** 32),
      sequence: 0,
      returned: 0,
      sentMs: new Float64Array(IN_FLIGHT),
      mac: undefined,
      macUntilMs: -Infinity,
    };
    this.#senders.set(path.discriminator, fresh);
    return fresh;
  }

  #socketOn(name: string): Result<Socket, PlatformError> {
    const known = this.#sockets.get(name);
    if (known) return ok(known);
    const type = c.SOCK_DGRAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
    // Protocol 0 receives nothing until the filter stands.
    const opened = sys.openSocket(c.AF_PACKET, type, 0);
    if (!opened.ok) return err(sys.platformError('socket', opened.errno));
    const fd = opened.value;
    const ifindex = sys.interfaceIndex(name);
    const filtered = sys.attachFilter(fd, ECHO_FILTER);
    const bound = filtered.ok ? sys.bindSocket(fd, linkAddress(ifindex)) : filtered;
    if (!bound.ok) {
      sys.closeDescriptor(fd);
      return err(sys.platformError('bind', bound.errno));
    }
    const socket = { fd, ifindex, stop: sys.watch(fd, () => this.#receive(fd)) };
    this.#sockets.set(name, socket);
    return ok(socket);
  }

  #receive(fd: number): void {
    const buffer = new Uint8Array(DATAGRAM_LIMIT);
    for (let i = 0; i < PACKETS_PER_TURN; i++) {
      const received = sys.receiveBytes(fd, buffer, c.MSG_DONTWAIT);
      if (!received.ok) return;
      this.#judge(buffer.subarray(0, received.value));
    }
  }

  /** Ours, from one hop away, and not seen before. */
  #judge(bytes: Uint8Array): void {
    const echo = decodeEcho(bytes);
    const sender = echo && this.#senders.get(echo.discriminator);
    if (!echo || !sender || echo.ttl !== RETURNED_TTL) return;
    if (echo.secret !== sender.secret || echo.address !== sender.path.local) return;
    if (echo.sequence <= sender.returned || echo.sequence > sender.sequence) return;
    if (sender.sequence - echo.sequence >= IN_FLIGHT) return;
    sender.returned = echo.sequence;
    const tookMs = performance.now() - sender.sentMs[echo.sequence % IN_FLIGHT]!;
    this.#returned(echo.discriminator, Math.round(tookMs * 1000));
  }

  #closeSocket(name: string): void {
    const socket = this.#sockets.get(name);
    if (!socket) return;
    this.#sockets.delete(name);
    socket.stop();
    setImmediate(() => sys.closeDescriptor(socket.fd));
  }
}

/** UDP to the echo port, not a later fragment; offsets from the IP header on. */
const ECHO_FILTER: readonly (readonly [number, number, number, number])[] = [
  [0x30, 0, 0, 9], // ldb [9]: protocol
  [0x15, 0, 6, UDP],
  [0x28, 0, 0, 6], // ldh [6]: fragment offset
  [0x45, 4, 0, 0x1fff],
  [0xb1, 0, 0, 0], // ldxb 4*([0]&0xf): length of the header
  [0x48, 0, 0, 2], // ldh [x+2]: destination port
  [0x15, 0, 1, ECHO_PORT],
  [0x06, 0, 0, DATAGRAM_LIMIT],
  [0x06, 0, 0, 0],
];

/** sockaddr_ll. */
function linkAddress(ifindex: number, mac: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, c.AF_PACKET, true);
  view.setUint16(2, IP_ETHERTYPE, false);
  view.setInt32(4, ifindex, true);
  view.setUint8(11, mac.length);
  bytes.set(mac, 12);
  return bytes;
}

/** What ARP found; control packets keep the entry fresh. */
function linkAddressOf(address: IpAddress, interfaceName: string): Uint8Array | undefined {
  const table = readFileSync('/proc/thread-self/net/arp', 'utf8');
  for (const line of table.split('\n').slice(1)) {
    // Address, hardware type, flags, hardware address, mask, device.
    const [ip, , flags, mac = '', , device] = line.split(/\s+/);
    if (ip !== address || device !== interfaceName || !(Number(flags) & 2)) continue;
    return Uint8Array.from(mac.split(':'), (octet) => parseInt(octet, 16));
  }
  return undefined;
}
