// TCP for BGP: connections with their options set before the first packet, listeners whose keys can
// change while they listen, and facts about both. A descriptor gets its options through sys.ts and
// is then handed, unconnected, to Node's own net.Socket. What a connection means, when to retry and
// whom to accept is the engine's business.

import { once } from 'node:events';
import net from 'node:net';
import { familyOf, prefixContains } from '@rookery/net';
import type { IpAddress, Prefix } from '@rookery/net';
import type {
  ConnectionId,
  Fact,
  ListenerId,
  LogClass,
  Order,
  PlatformError,
  TcpKey,
} from '@rookery/router';
import * as c from './constants.ts';
import { encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';
import { removeTcpKey, setTcpKey } from './tcp-keys.ts';
import { applySegmentOptions, isLinkLocalV6 } from './tcp-options.ts';
import type { SegmentOptions } from './tcp-options.ts';

export type TcpOrder = Extract<
  Order,
  {
    kind:
      | 'tcpConnect'
      | 'tcpSend'
      | 'tcpClose'
      | 'tcpListen'
      | 'tcpCloseListener'
      | 'tcpConfigure'
      | 'setListenerKey';
  }
>;

export interface TcpDeps {
  readonly emit: (fact: Fact) => void;
  readonly report: (logClass: LogClass, text: string) => void;
  /** True while received octets wait for the engine: what else there is stays with the kernel. */
  readonly isBehind?: () => boolean;
  /** Interface index for a link-local address; 0 when there is no such interface. */
  readonly ifindexOf: (name: string) => number;
}

interface Connection {
  readonly id: ConnectionId;
  readonly socket: net.Socket;
  established: boolean;
}

interface Listener {
  readonly server: net.Server;
  readonly fd: number;
  readonly keys: Map<Prefix, TcpKey>;
  /** Peers whose key the kernel refused: they must not get in without one. */
  readonly unprotected: Set<Prefix>;
}

/** What may wait in memory for one peer; the engine stops long before. */
const queueLimitBytes = 64 * 1024 * 1024;
/** How long a closed connection may take to send its last octets. */
const lingerMs = 5000;
/** The same when the daemon ends. */
const closeWaitMs = 1000;
const backlog = 128;
/** A read of so much is part of a table, not of a session's small talk. */
const bulkBytes = 16 * 1024;
/** What one read may bring: with more, other peers and timers would wait too long. */
const readBytes = 64 * 1024;

export class Tcp {
  readonly #deps: TcpDeps;
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #listeners = new Map<ListenerId, Listener>();
  /** Closed by order, still sending. */
  readonly #ending = new Set<net.Socket>();
  /** Every read of every connection lands here; see `#received`. */
  readonly #readBuffer = new Uint8Array(readBytes);
  /** Connections whose octets are all with the kernel, which the engine is still to hear. */
  readonly #drained = new Set<Connection>();
  #nextAccepted = -1;

  constructor(deps: TcpDeps) {
    this.#deps = deps;
  }

  /** Live connections, for tests and metrics. */
  get connections(): number {
    return this.#connections.size;
  }

  execute(order: TcpOrder): void {
    switch (order.kind) {
      case 'tcpConnect':
        return this.#connect(order);
      case 'tcpSend':
        return this.#send(order.connection, order.bytes);
      case 'tcpClose':
        return this.#end(order.connection, order.reset === true);
      case 'tcpListen':
        return this.#listen(order);
      case 'tcpCloseListener':
        return this.#closeListener(order.listener);
      case 'tcpConfigure':
        return this.#configure(order.connection, order.options);
      case 'setListenerKey':
        return this.#setKey(order.listener, order.peer, order.key);
    }
  }

  /** Closes everything; resolves when connections have sent what they had, or after a second. */
  async close(): Promise<void> {
    for (const id of [...this.#listeners.keys()]) this.#closeListener(id);
    for (const id of [...this.#connections.keys()]) this.#end(id, false);
    const sent = [...this.#ending].map((socket) => once(socket, 'close').catch(() => undefined));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeWaitMs)));
    await Promise.race([Promise.all(sent), late]);
    clearTimeout(timer);
    for (const socket of this.#ending) socket.destroy();
  }

  #connect(order: Extract<TcpOrder, { kind: 'tcpConnect' }>): void {
    const prepared = this.#prepare(order);
    if (typeof prepared !== 'number') {
      this.#deps.emit({
        kind: 'tcpConnectFailed',
        connection: order.connection,
        error: prepared,
        refusedHere: prepared.operation !== 'bind' && prepared.operation !== 'socket',
      });
      return;
    }
    const socket = new net.Socket({
      fd: prepared,
      pauseOnCreate: true,
      onread: this.#reads(() => connection),
    } as net.SocketConstructorOpts);
    const connection: Connection = { id: order.connection, socket, established: false };
    this.#connections.set(order.connection, connection);
    socket.once('connect', () => {
      connection.established = true;
      if (this.#connections.get(order.connection) !== connection) return;
      this.#deps.emit({
        kind: 'tcpConnected',
        connection: order.connection,
        ...endpointsOf(socket),
        ...segmentSize(prepared),
      });
      socket.resume();
    });
    this.#follow(connection);
    const scope =
      order.options.interface !== undefined && isLinkLocalV6(order.remote)
        ? `%${order.options.interface}`
        : '';
    socket.connect({ host: `${order.remote}${scope}`, port: order.remotePort });
  }

  /** A descriptor with every option set, or the reason why there is none. */
  #prepare(order: Extract<TcpOrder, { kind: 'tcpConnect' }>): number | PlatformError {
    const { remote, options } = order;
    const family = familyOf(remote);
    const linkLocal = isLinkLocalV6(remote);
    const scopeId =
      linkLocal && options.interface !== undefined ? this.#deps.ifindexOf(options.interface) : 0;
    const opened = openStream(family);
    if (!opened.ok) return sys.platformError('socket', opened.errno);
    const fd = opened.value;
    const device = linkLocal ? options.vrf : (options.vrf ?? options.interface);
    let failure = applySegmentOptions(fd, family, {
      ...options,
      ...(device === undefined ? {} : { device }),
    });
    if (!failure && options.key !== undefined) {
      const peer = `${remote}/${family === 'ipv6' ? 128 : 32}`;
      failure = setTcpKey(fd, { peer, scopeId }, options.key);
    }
    if (!failure && (options.local !== undefined || options.localPort !== undefined)) {
      const local = options.local ?? (family === 'ipv6' ? '::' : '0.0.0.0');
      const scope = isLinkLocalV6(local) ? scopeId : 0;
      const bound = sys.bindSocket(fd, encodeSocketAddress(local, options.localPort ?? 0, scope));
      if (!bound.ok) failure = sys.platformError('bind', bound.errno);
    }
    if (!failure) return fd;
    sys.closeDescriptor(fd);
    return failure;
  }

  #reads(connection: () => Connection): net.OnReadOpts {
    return {
      buffer: this.#readBuffer,
      callback: (count) => this.#received(connection(), count),
    };
  }

  /** False: read no further for now. */
  #received(connection: Connection, count: number): boolean {
    const { id, socket } = connection;
    if (this.#connections.get(id) !== connection) return true;
    const bytes = this.#readBuffer.subarray(0, count);
    this.#deps.emit({ kind: 'tcpReceived', connection: id, bytes });
    if (count < bulkBytes) return true;
    this.#wait(socket);
    return false;
  }

  #follow(connection: Connection): void {
    const { id, socket } = connection;
    socket.setNoDelay(true);
    socket.once('end', () => {
      this.#lost(id, connection, { operation: 'read', code: 'EOF', message: 'Connection closed' });
    });
    socket.on('error', (error) => {
      const operation = connection.established ? 'read' : 'connect';
      this.#lost(id, connection, sys.platformErrorFrom(operation, error));
    });
    socket.once('close', () => this.#lost(id, connection, undefined));
  }

  /** Reads on when others had their turn and the engine has caught up; TCP tells the peer meanwhile. */
  #wait(socket: net.Socket): void {
    const look = (): void => {
      if (this.#deps.isBehind?.() && !socket.destroyed) setImmediate(look);
      else socket.resume();
    };
    setImmediate(look);
  }

  #lost(id: ConnectionId, connection: Connection, error: PlatformError | undefined): void {
    connection.socket.destroy();
    if (this.#connections.get(id) !== connection) return;
    this.#connections.delete(id);
    if (!connection.established) {
      this.#deps.emit({
        kind: 'tcpConnectFailed',
        connection: id,
        error: error ?? { operation: 'connect', code: 'ECANCELED', message: 'Operation canceled' },
      });
    } else {
      this.#deps.emit({ kind: 'tcpClosed', connection: id, ...(error ? { error } : {}) });
    }
  }

  #configure(id: ConnectionId, options: SegmentOptions): void {
    const connection = this.#connections.get(id);
    if (!connection) return;
    const { socket } = connection;
    const fd = descriptorOf(socket);
    const family = socket.remoteFamily === 'IPv6' ? 'ipv6' : 'ipv4';
    const failure =
      fd === undefined
        ? sys.platformErrorFrom('setsockopt', { code: 'EBADF' })
        : applySegmentOptions(fd, family, options);
    if (failure) this.#lost(id, connection, failure);
  }

  #send(id: ConnectionId, bytes: Uint8Array): void {
    const connection = this.#connections.get(id);
    if (!connection) return;
    const { socket } = connection;
    if (socket.writableLength + bytes.length > queueLimitBytes) {
      this.#lost(id, connection, sys.platformErrorFrom('send', { code: 'ENOBUFS' }));
      return;
    }
    const sent = this.#sendNow(connection, bytes);
    if (sent === bytes.length) return this.#drain(connection);
    socket.write(sent === 0 ? bytes : bytes.subarray(sent), () => {
      if (socket.writableLength === 0) this.#drain(connection);
    });
  }

  /**
   * Octets that the kernel takes at once. The way through Node's stream costs more than the call;
   * the rest, and every failure, goes that way.
   */
  #sendNow({ socket, established }: Connection, bytes: Uint8Array): number {
    if (!established || socket.writableLength > 0 || socket.writableEnded) return 0;
    const fd = descriptorOf(socket);
    if (fd === undefined) return 0;
    const sent = sys.writeBytes(fd, bytes);
    return sent.ok ? sent.value : 0;
  }

  /** Tells the engine once per tick and connection. */
  #drain(connection: Connection): void {
    if (this.#drained.size === 0) process.nextTick(() => this.#tellDrained());
    this.#drained.add(connection);
  }

  #tellDrained(): void {
    const drained = [...this.#drained];
    this.#drained.clear();
    for (const connection of drained) {
      const { id, socket } = connection;
      if (socket.writableLength > 0 || this.#connections.get(id) !== connection) continue;
      this.#deps.emit({ kind: 'tcpDrained', connection: id });
    }
  }

  /** After this the engine hears no more of the connection. */
  #end(id: ConnectionId, reset: boolean): void {
    const connection = this.#connections.get(id);
    if (!connection) return;
    this.#connections.delete(id);
    const { socket } = connection;
    if (reset) {
      socket.resetAndDestroy();
    } else if (!connection.established) {
      socket.destroy();
    } else {
      // Keep reading: closing with unread octets makes the kernel send RST, and the peer may then
      // lose the NOTIFICATION that says why.
      socket.resume();
      socket.end();
      this.#ending.add(socket);
      const timer = setTimeout(() => socket.destroy(), lingerMs);
      timer.unref();
      socket.once('close', () => {
        clearTimeout(timer);
        this.#ending.delete(socket);
      });
    }
  }

  #listen(order: Extract<TcpOrder, { kind: 'tcpListen' }>): void {
    const fail = (error: PlatformError): void => {
      this.#listeners.delete(order.listener);
      this.#deps.emit({ kind: 'tcpListenFailed', listener: order.listener, error });
    };
    const opened = openStream(order.family);
    if (!opened.ok) return fail(sys.platformError('socket', opened.errno));
    const fd = opened.value;
    const { vrf, freeBind, ...options } = order.options;
    let failure = applySegmentOptions(fd, order.family, {
      ...options,
      ...(vrf === undefined ? {} : { device: vrf }),
    });
    sys.setOption(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
    if (freeBind) sys.setOption(fd, c.IPPROTO_IP, c.IP_FREEBIND, 1);
    if (order.family === 'ipv6') sys.setOption(fd, c.IPPROTO_IPV6, c.IPV6_V6ONLY, 1);
    const address = order.address ?? (order.family === 'ipv6' ? '::' : '0.0.0.0');
    const bound = sys.bindSocket(fd, encodeSocketAddress(address, order.port));
    if (!failure && !bound.ok) failure = sys.platformError('bind', bound.errno);
    if (failure) {
      sys.closeDescriptor(fd);
      return fail(failure);
    }
    const server = net.createServer({ noDelay: true, pauseOnConnect: true });
    const listener: Listener = { server, fd, keys: new Map(), unprotected: new Set() };
    this.#listeners.set(order.listener, listener);
    server.on('connection', (socket) => this.#accept(order.listener, listener, socket));
    server.on('error', (error) => {
      // After listening a failed accept (EMFILE, …) is passing; the listener stays.
      if (server.listening) {
        this.#deps.report('error', `accept: ${sys.platformErrorFrom('accept', error).message}`);
      } else {
        fail(sys.platformErrorFrom('listen', error));
      }
    });
    // Once the current orders are done: their MD5 keys are then in place before the first SYN.
    queueMicrotask(() => {
      if (this.#listeners.get(order.listener) !== listener) return;
      server.listen({ fd, backlog }, () => {
        if (this.#listeners.get(order.listener) !== listener) return;
        this.#deps.emit({ kind: 'tcpListening', listener: order.listener });
      });
    });
  }

  #accept(id: ListenerId, listener: Listener, socket: net.Socket): void {
    const ends = endpointsOf(socket);
    const refused = [...listener.unprotected].some((peer) => prefixContains(peer, ends.remote));
    if (this.#listeners.get(id) !== listener || refused || ends.remotePort === 0) {
      socket.on('error', () => undefined);
      socket.resetAndDestroy();
      return;
    }
    const connection: Connection = {
      id: this.#nextAccepted--,
      socket: takeOver(
        socket,
        this.#reads(() => connection),
      ),
      established: true,
    };
    this.#connections.set(connection.id, connection);
    this.#follow(connection);
    const fd = descriptorOf(connection.socket);
    this.#deps.emit({
      kind: 'tcpAccepted',
      connection: connection.id,
      listener: id,
      ...ends,
      ...(fd === undefined ? {} : segmentSize(fd)),
    });
    connection.socket.resume();
  }

  #closeListener(id: ListenerId): void {
    const listener = this.#listeners.get(id);
    if (!listener) return;
    this.#listeners.delete(id);
    if (listener.server.listening) listener.server.close();
    else sys.closeDescriptor(listener.fd);
  }

  #setKey(id: ListenerId, peer: Prefix, key: TcpKey | undefined): void {
    const listener = this.#listeners.get(id);
    if (!listener) return;
    const before = listener.keys.get(peer);
    if (before) removeTcpKey(listener.fd, { peer }, before);
    listener.keys.delete(peer);
    listener.unprotected.delete(peer);
    if (!key) return;
    listener.keys.set(peer, key);
    const failure = setTcpKey(listener.fd, { peer }, key);
    if (!failure) return;
    listener.unprotected.add(peer);
    this.#deps.report(
      'error',
      `Cannot set the ${failure.operation} key for ${peer}: ${failure.message}; its connections ` +
        `are refused${failure.code === 'ENOMEM' ? ' (raise the sysctl net.core.optmem_max)' : ''}`,
    );
  }
}

/** Node's handle; undocumented, so it lives in this one place. */
interface Handled {
  _handle?: { fd?: number } | null;
}

/** The descriptor of a socket; `undefined` when it has none, or none any more. */
export function descriptorOf(socket: net.Socket): number | undefined {
  const fd = (socket as unknown as Handled)._handle?.fd;
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/** A socket that reads into a given buffer, in place of one that a server accepted and paused. */
export function takeOver(accepted: net.Socket, onread: net.OnReadOpts): net.Socket {
  const from = accepted as unknown as Handled;
  const handle = from._handle;
  from._handle = null;
  return new net.Socket({
    handle,
    onread,
    manualStart: true,
  } as net.SocketConstructorOpts);
}

interface Endpoints {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly interface?: string;
}

function endpointsOf(socket: net.Socket): Endpoints {
  const [local = '::'] = (socket.localAddress ?? '::').split('%');
  const [remote = '::', scope] = (socket.remoteAddress ?? '::').split('%');
  return {
    local,
    localPort: socket.localPort ?? 0,
    remote,
    remotePort: socket.remotePort ?? 0,
    ...(scope === undefined ? {} : { interface: scope }),
  };
}

function segmentSize(fd: number): { mss?: number } {
  const mss = sys.getOption(fd, c.IPPROTO_TCP, c.TCP_MAXSEG);
  return mss.ok ? { mss: mss.value } : {};
}

function openStream(family: 'ipv4' | 'ipv6'): sys.SysResult {
  const domain = family === 'ipv6' ? c.AF_INET6 : c.AF_INET;
  const type = c.SOCK_STREAM | c.SOCK_NONBLOCK | c.SOCK_CLOEXEC;
  return sys.openSocket(domain, type, c.IPPROTO_TCP);
}
