// A network of hosts on segments, as far as a routing daemon can tell: who reaches whom, and TCP
// between them with delay, loss, partition, refused and vanished peers. Bytes of a connection are
// never lost or reordered, they are late, as with real TCP; a path that stays dead for long ends
// the connection. Everything random comes from the seed, so a run repeats exactly.

import { familyOf, networkOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { InterfaceFact, PlatformError, TcpOptions } from '@rookery/router';
import type { VirtualClock } from './virtual-clock.ts';

export interface LinkQuality {
  readonly delayMs: number;
  /** Probability that a burst of bytes has to be sent again, 0 to 1. */
  readonly loss: number;
}

/** What one end of a connection is told; never called from inside a call of its own. */
export interface StreamEvents {
  received(bytes: Uint8Array): void;
  closed(error: PlatformError | undefined): void;
}

export interface StreamEnds {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly interface: string;
}

/** Takes a connection to a listening port; returns who listens to it from then on. */
export type Acceptor = (stream: SimStream, ends: StreamEnds) => StreamEvents;

export interface DiscoveryArrival {
  readonly interface: string;
  readonly source: IpAddress;
  readonly bytes: Uint8Array;
}

interface Port {
  readonly interface: InterfaceFact;
  readonly segment: string;
}

interface Listener {
  readonly address: IpAddress | undefined;
  readonly family: 'ipv4' | 'ipv6';
  readonly port: number;
  readonly accept: Acceptor;
  readonly keyFor: (peer: IpAddress) => string | undefined;
}

const RETRANSMIT_MIN_MS = 200;
/** Linux gives up after tcp_retries2 = 15 doublings, about 924 s. */
const GIVE_UP_MS = 924_000;
/** Linux's tcp_syn_retries = 6. */
const SYN_GIVE_UP_MS = 127_000;
const ARP_FAILURE_MS = 3_060;

export class SimHost {
  readonly name: string;
  #ports: Port[] = [];
  #interfaces: readonly InterfaceFact[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #changed = new Set<() => void>();
  #powered = true;
  /** Takes Router Discovery messages; absent while nobody listens to them. */
  onDiscovery: ((arrival: DiscoveryArrival) => void) | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Plugs an interface into a segment; an interface of the same name is replaced. */
  plug(fact: InterfaceFact, segment: string): void {
    this.#ports = this.#ports.filter((p) => p.interface.name !== fact.name);
    this.#ports.push({ interface: fact, segment });
    this.#ports.sort((a, b) => a.interface.ifindex - b.interface.ifindex);
    this.#interfaces = this.#ports.map((p) => p.interface);
    this.#notify();
  }

  /** Administrative state and carrier of an interface together. */
  setInterface(name: string, change: Partial<InterfaceFact>): void {
    const port = this.#ports.find((p) => p.interface.name === name);
    if (!port) throw new Error(`${this.name} has no interface ${name}`);
    this.plug({ ...port.interface, ...change }, port.segment);
  }

  /** Pulls the plug: no byte leaves or arrives any more, and nobody is told. */
  setPower(on: boolean): void {
    this.#powered = on;
  }

  get powered(): boolean {
    return this.#powered;
  }

  interfaces(): readonly InterfaceFact[] {
    return this.#interfaces;
  }

  ports(): readonly Port[] {
    return this.#ports;
  }

  onInterfaceChange(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** Starts listening; returns what ends it, or the error of bind. */
  listen(listener: Listener): { close(): void } | PlatformError {
    for (const other of this.#listeners) {
      if (other.port !== listener.port || other.family !== listener.family) continue;
      if (other.address === listener.address) {
        return { operation: 'bind', code: 'EADDRINUSE', message: 'Address already in use' };
      }
    }
    this.#listeners.add(listener);
    return { close: () => void this.#listeners.delete(listener) };
  }

  listenerFor(address: IpAddress, port: number): Listener | undefined {
    let wildcard: Listener | undefined;
    for (const listener of this.#listeners) {
      if (listener.port !== port || listener.family !== familyOf(address)) continue;
      if (listener.address === address) return listener;
      if (listener.address === undefined) wildcard = listener;
    }
    return wildcard;
  }

  #notify(): void {
    for (const listener of this.#changed) listener();
  }
}

export class SimNetwork {
  readonly clock: VirtualClock;
  /** Sees each piece of bytes that a host sends; what it returns travels instead. */
  tamper: ((from: string, to: string, bytes: Uint8Array) => Uint8Array) | undefined;
  readonly #random: () => number;
  readonly #hosts: SimHost[] = [];
  readonly #quality = new Map<string, LinkQuality>();
  /** By host: those that it does not reach, and that do not reach it. */
  readonly #cuts = new Map<SimHost, Set<SimHost>>();
  #nextPort = 32_768;

  constructor(clock: VirtualClock, random: () => number) {
    this.clock = clock;
    this.#random = random;
  }

  add(host: SimHost): SimHost {
    this.#hosts.push(host);
    return host;
  }

  /** Delay and loss of a segment; the default is 1 ms and none. */
  setQuality(segment: string, quality: LinkQuality): void {
    this.#quality.set(segment, quality);
  }

  /** Cuts or heals the path between two hosts, in both directions; nobody is told. */
  setPartition(a: SimHost, b: SimHost, cut: boolean): void {
    for (const [near, far] of [
      [a, b],
      [b, a],
    ] as const) {
      const unreached = this.#cuts.get(near) ?? new Set<SimHost>();
      this.#cuts.set(near, unreached);
      if (cut) unreached.add(far);
      else unreached.delete(far);
    }
  }

  /** The segment that carries packets between two hosts now. */
  path(from: SimHost, to: SimHost): string | undefined {
    if (!from.powered || !to.powered) return undefined;
    if (this.#cuts.get(from)?.has(to)) return undefined;
    for (const a of from.ports()) {
      if (!a.interface.adminUp || !a.interface.linkUp) continue;
      for (const b of to.ports()) {
        const usable = b.interface.adminUp && b.interface.linkUp;
        if (usable && a.segment === b.segment) return a.segment;
      }
    }
    return undefined;
  }

  /** A Router Discovery message, to the owner of an address or to everybody on the segment. */
  discover(from: SimHost, interfaceName: string, destination: IpAddress, bytes: Uint8Array): void {
    const port = from.ports().find((p) => p.interface.name === interfaceName);
    const source = port?.interface.addresses.find(({ scope }) => scope === 'link')?.address;
    if (!port || source === undefined) return;
    const everybody = destination.startsWith('ff');
    for (const to of this.#hosts) {
      if (to === from || this.path(from, to) === undefined) continue;
      for (const { interface: at, segment } of to.ports()) {
        if (segment !== port.segment || !at.adminUp) continue;
        if (!everybody && !at.addresses.some((a) => a.address === destination)) continue;
        const arrival = { interface: at.name, source, bytes };
        this.clock.after(this.qualityOf(segment).delayMs, () => to.onDiscovery?.(arrival));
      }
    }
  }

  /** The host that owns an address on an interface that is up. */
  ownerOf(address: IpAddress): SimHost | undefined {
    return this.#hosts.find((host) =>
      host.interfaces().some((i) => i.adminUp && i.addresses.some((a) => a.address === address)),
    );
  }

  qualityOf(segment: string): LinkQuality {
    return this.#quality.get(segment) ?? { delayMs: 1, loss: 0 };
  }

  random(): number {
    return this.#random();
  }

  /**
   * Opens a connection. `events.received` and `events.closed` are for a connection that was made;
   * `failed` ends an attempt. Cancelling is closing the returned stream.
   */
  connect(
    from: SimHost,
    target: { readonly address: IpAddress; readonly port: number; readonly options: TcpOptions },
    handlers: {
      readonly connected: (stream: SimStream, ends: StreamEnds) => void;
      readonly failed: (error: PlatformError) => void;
      readonly events: StreamEvents;
    },
  ): { cancel(): void } {
    const started = this.clock.nowMs;
    let cancelled = false;
    const fail = (delayMs: number, code: string, message: string): void => {
      this.clock.after(delayMs, () => {
        if (!cancelled) handlers.failed({ operation: 'connect', code, message });
      });
    };
    const attempt = (retryMs: number): void => {
      if (cancelled) return;
      const source = this.#sourceFor(from, target.address, target.options);
      if (!source) return fail(0, 'ENETUNREACH', 'Network is unreachable');
      const to = this.ownerOf(target.address);
      const segment = to && this.path(from, to);
      if (!to || segment === undefined) {
        return fail(ARP_FAILURE_MS, 'EHOSTUNREACH', 'No route to host');
      }
      const quality = this.qualityOf(segment);
      const listener = to.listenerFor(target.address, target.port);
      if (!listener) return fail(2 * quality.delayMs, 'ECONNREFUSED', 'Connection refused');
      const keysAgree = listener.keyFor(source.address) === JSON.stringify(target.options.key);
      if (!keysAgree || this.#random() < quality.loss) {
        // A SYN that is not answered: by TCP MD5 (RFC 2385) or by loss, nobody says anything.
        const waited = this.clock.nowMs - started;
        if (waited >= SYN_GIVE_UP_MS) return fail(0, 'ETIMEDOUT', 'Connection timed out');
        this.clock.after(retryMs, () => attempt(retryMs * 2));
        return;
      }
      const localPort = target.options.localPort ?? this.#ephemeralPort();
      const near = new SimStream(this, from, to);
      const far = new SimStream(this, to, from);
      near.join(far);
      this.clock.after(quality.delayMs, () => {
        if (cancelled || !to.powered) return;
        const arrival = to
          .interfaces()
          .find((i) => i.addresses.some((a) => a.address === target.address));
        far.events = listener.accept(far, {
          local: target.address,
          localPort: target.port,
          remote: source.address,
          remotePort: localPort,
          interface: arrival?.name ?? '',
        });
      });
      this.clock.after(2 * quality.delayMs, () => {
        if (cancelled) return near.close(true);
        near.events = handlers.events;
        handlers.connected(near, {
          local: source.address,
          localPort,
          remote: target.address,
          remotePort: target.port,
          interface: source.interface,
        });
        near.flushArrived();
      });
    };
    attempt(1000);
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }

  #sourceFor(
    from: SimHost,
    remote: IpAddress,
    options: TcpOptions,
  ): { address: IpAddress; interface: string } | undefined {
    for (const fact of from.interfaces()) {
      if (!fact.adminUp) continue;
      if (options.interface !== undefined && options.interface !== fact.name) continue;
      for (const { address, length } of fact.addresses) {
        if (familyOf(address) !== familyOf(remote)) continue;
        if (networkOf(address, length) !== networkOf(remote, length)) continue;
        return { address: options.local ?? address, interface: fact.name };
      }
    }
    return undefined;
  }

  #ephemeralPort(): number {
    this.#nextPort = this.#nextPort >= 60_999 ? 32_768 : this.#nextPort + 1;
    return this.#nextPort;
  }
}

/** One end of a TCP connection. */
export class SimStream {
  readonly #network: SimNetwork;
  readonly #from: SimHost;
  readonly #to: SimHost;
  #peer: SimStream | undefined;
  #events: StreamEvents | undefined;
  /** What waits to be delivered to the peer, in order; `undefined` is the FIN. */
  readonly #queue: (Uint8Array | undefined)[] = [];
  readonly #arrived: (Uint8Array | undefined)[] = [];
  #sending = false;
  #stalledSinceMs: number | undefined;
  #closed = false;
  queuedBytes = 0;
  onDrained: (() => void) | undefined;

  constructor(network: SimNetwork, from: SimHost, to: SimHost) {
    this.#network = network;
    this.#from = from;
    this.#to = to;
  }

  join(peer: SimStream): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  #other(): SimStream {
    const peer = this.#peer;
    if (!peer) throw new Error('a stream without a peer');
    return peer;
  }

  set events(events: StreamEvents) {
    this.#events = events;
  }

  /** Delivers what arrived before somebody listened. */
  flushArrived(): void {
    for (const item of this.#arrived.splice(0)) this.#deliver(item);
  }

  send(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { tamper } = this.#network;
    const sent = tamper ? tamper(this.#from.name, this.#to.name, bytes) : bytes.slice();
    this.#queue.push(sent);
    this.queuedBytes += sent.length;
    this.#transmit();
  }

  /** FIN after everything sent before, or RST at once. */
  close(reset: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!reset) {
      this.#queue.push(undefined);
      this.#transmit();
      return;
    }
    this.#queue.length = 0;
    const segment = this.#network.path(this.#from, this.#to);
    if (segment === undefined) return;
    this.#network.clock.after(this.#network.qualityOf(segment).delayMs, () =>
      this.#other().#abort('ECONNRESET', 'Connection reset by peer'),
    );
  }

  /** The machine lost its memory: nobody is told, and what arrives later is answered with RST. */
  vanish(): void {
    this.#closed = true;
    this.#queue.length = 0;
  }

  #transmit(): void {
    if (this.#sending || this.#queue.length === 0) return;
    this.#sending = true;
    const { clock } = this.#network;
    const attempt = (retryMs: number): void => {
      if (this.#queue.length === 0) {
        this.#sending = false;
        return;
      }
      const segment = this.#network.path(this.#from, this.#to);
      const quality = segment === undefined ? undefined : this.#network.qualityOf(segment);
      if (!quality || this.#network.random() < quality.loss) {
        this.#stalledSinceMs ??= clock.nowMs;
        if (clock.nowMs - this.#stalledSinceMs >= GIVE_UP_MS) {
          this.#sending = false;
          this.#abort('ETIMEDOUT', 'Connection timed out');
          return;
        }
        clock.after(retryMs, () => attempt(Math.min(retryMs * 2, 120_000)));
        return;
      }
      this.#stalledSinceMs = undefined;
      const burst = this.#queue.splice(0);
      clock.after(quality.delayMs, () => {
        // Power may have gone while the burst was on the wire.
        if (this.#network.path(this.#from, this.#to) === undefined) {
          this.#queue.unshift(...burst);
          attempt(RETRANSMIT_MIN_MS);
          return;
        }
        for (const item of burst) {
          if (item) this.queuedBytes -= item.length;
          this.#other().#deliver(item);
        }
        this.onDrained?.();
        attempt(RETRANSMIT_MIN_MS);
      });
    };
    attempt(RETRANSMIT_MIN_MS);
  }

  #deliver(item: Uint8Array | undefined): void {
    if (!this.#events) {
      this.#arrived.push(item);
      return;
    }
    if (this.#closed) {
      // Data for a socket that is gone is answered with RST.
      if (item) this.#other().#abort('ECONNRESET', 'Connection reset by peer');
      return;
    }
    if (item) this.#events.received(item);
    else {
      this.#events.closed(undefined);
    }
  }

  #abort(code: string, message: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.length = 0;
    this.#events?.closed({ operation: 'read', code, message });
  }
}
