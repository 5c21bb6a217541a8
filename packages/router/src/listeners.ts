// Listening sockets, shared between BGP protocols: one wildcard socket per family and port, one per
// address with `strict bind`. A socket exists while at least one protocol needs it, that is, while
// its neighbor is known. An incoming connection goes to the protocol that expects its source
// address; a stranger is named in the log and cut off without a NOTIFICATION, as BIRD does.

import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { Fact, ListenerId, Order, TcpKey } from './io.ts';
import type { LogClass } from './config.ts';
import { LogLimit } from './log-limit.ts';

export type AcceptedFact = Extract<Fact, { readonly kind: 'tcpAccepted' }>;

export interface ListenNeed {
  readonly family: Family;
  readonly port: number;
  /** Only with `strict bind`. */
  readonly address?: IpAddress;
  readonly vrf?: string;
  readonly freeBind?: boolean;
}

export interface ListenClient {
  readonly name: string;
  /** How well it matches a connection: 0 not at all, 1 by range, 2 by address. */
  accepts(fact: AcceptedFact): number;
  accepted(fact: AcceptedFact): void;
  listenFailed(message: string): void;
  readonly key?: { readonly peer: Prefix; readonly key: TcpKey } | undefined;
}

interface Socket {
  readonly id: ListenerId;
  readonly need: ListenNeed;
  readonly clients: Set<ListenClient>;
  /** Keys in force, in a form that compares. */
  readonly keys: Map<Prefix, string>;
  failed: string | undefined;
}

/** DSCP CS6, as every BGP speaker marks its packets. */
const BGP_TOS = 0xc0;
/** RFC 5082 §3: a peer with GTSM would drop a SYN-ACK with less; sessions set their own later. */
const FULL_TTL = 255;

export class Listeners {
  readonly #sockets = new Map<string, Socket>();
  readonly #byId = new Map<ListenerId, Socket>();
  readonly #order: (order: Order) => void;
  readonly #strangers: LogLimit;
  readonly #nextId: () => number;

  constructor(deps: {
    readonly order: (order: Order) => void;
    readonly log: (logClass: LogClass, text: string) => void;
    readonly nextId: () => number;
    readonly nowMs: () => number;
  }) {
    this.#order = deps.order;
    this.#strangers = new LogLimit(
      'connects from unknown addresses',
      (text) => deps.log('warning', `BGP: ${text}`),
      deps.nowMs,
    );
    this.#nextId = deps.nextId;
  }

  /** Opens or joins the socket; a client has at most one. */
  acquire(need: ListenNeed, client: ListenClient): void {
    const key = keyOf(need);
    let socket = this.#sockets.get(key);
    if (!socket || socket.failed !== undefined) {
      const clients = socket?.clients ?? new Set<ListenClient>();
      socket = { id: this.#nextId(), need, clients, keys: new Map(), failed: undefined };
      this.#sockets.set(key, socket);
      this.#byId.set(socket.id, socket);
      this.#order({
        kind: 'tcpListen',
        listener: socket.id,
        family: need.family,
        ...(need.address === undefined ? {} : { address: need.address }),
        port: need.port,
        options: {
          tos: BGP_TOS,
          ttl: FULL_TTL,
          ...(need.vrf === undefined ? {} : { vrf: need.vrf }),
          ...(need.freeBind ? { freeBind: true } : {}),
        },
      });
      for (const other of clients) this.#setKey(socket, other);
    }
    socket.clients.add(client);
    this.#setKey(socket, client);
  }

  /** Leaves every socket; one without clients is closed. */
  release(client: ListenClient): void {
    for (const [key, socket] of this.#sockets) {
      if (!socket.clients.delete(client)) continue;
      if (socket.clients.size === 0) {
        this.#sockets.delete(key);
        this.#byId.delete(socket.id);
        if (socket.failed === undefined) {
          this.#order({ kind: 'tcpCloseListener', listener: socket.id });
        }
        continue;
      }
      const peer = client.key?.peer;
      if (peer !== undefined && socket.keys.delete(peer)) {
        this.#order({ kind: 'setListenerKey', listener: socket.id, peer });
      }
    }
  }

  failed(listener: ListenerId, message: string): void {
    const socket = this.#byId.get(listener);
    if (!socket) return;
    socket.failed = message;
    this.#byId.delete(listener);
    for (const client of socket.clients) client.listenFailed(message);
  }

  /** Hands a connection to the protocol that expects it; a stranger is logged and cut off. */
  accepted(fact: AcceptedFact): void {
    const socket = this.#byId.get(fact.listener);
    let best: ListenClient | undefined;
    let bestMatch = 0;
    for (const client of socket?.clients ?? []) {
      const match = client.accepts(fact);
      if (match > bestMatch) {
        best = client;
        bestMatch = match;
      }
    }
    if (best) return best.accepted(fact);
    this.#strangers.write(
      `Unexpected connect from unknown address ${fact.remote} (port ${fact.remotePort})`,
    );
    this.#order({ kind: 'tcpClose', connection: fact.connection, reset: true });
  }

  /** Sockets that are open or being opened. */
  open(): readonly ListenNeed[] {
    return [...this.#sockets.values()].filter((s) => s.failed === undefined).map((s) => s.need);
  }

  #setKey(socket: Socket, client: ListenClient): void {
    if (!client.key) return;
    const { peer, key } = client.key;
    const text = JSON.stringify(key);
    if (socket.keys.get(peer) === text) return;
    socket.keys.set(peer, text);
    this.#order({ kind: 'setListenerKey', listener: socket.id, peer, key });
  }
}

function keyOf(need: ListenNeed): string {
  const free = need.freeBind ? 'free' : '';
  return `${need.family} ${need.address ?? '*'} ${need.port} ${free} ${need.vrf ?? ''}`;
}
