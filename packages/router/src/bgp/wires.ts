// The TCP connections of a neighbor: at most one that we opened and one that it opened (RFC 4271
// §6.8). Numbers, framing and what waits to be sent; what a connection means is the session's.

import { FrameReader } from '@rookery/bgp';
import type { ConnectionRole } from '@rookery/bgp';
import type { ConnectionHandler, Engine } from '../engine.ts';
import type { ConnectionId, Order } from '../io.ts';

export interface Wire {
  readonly id: ConnectionId;
  readonly reader: FrameReader;
  /** Octets given to the platform since it last said that all are with the kernel, and since when. */
  queuedBytes: number;
  queuedAtMs: number;
  /** The session was told that the neighbor does not take what it is sent. */
  isBlocked: boolean;
}

export class Wires {
  readonly #engine: Engine;
  readonly #handler: ConnectionHandler;
  readonly #wires: Record<ConnectionRole, Wire | undefined> = {
    outgoing: undefined,
    incoming: undefined,
  };

  constructor(engine: Engine, handler: ConnectionHandler) {
    this.#engine = engine;
    this.#handler = handler;
  }

  get isEmpty(): boolean {
    return !this.#wires.incoming && !this.#wires.outgoing;
  }

  of(role: ConnectionRole | undefined): Wire | undefined {
    return role && this.#wires[role];
  }

  /** The attempt that is furthest while nothing is established. */
  get foremost(): Wire | undefined {
    return this.#wires.incoming ?? this.#wires.outgoing;
  }

  roleOf(connection: ConnectionId): ConnectionRole | undefined {
    if (this.#wires.outgoing?.id === connection) return 'outgoing';
    return this.#wires.incoming?.id === connection ? 'incoming' : undefined;
  }

  dial(target: Omit<Extract<Order, { kind: 'tcpConnect' }>, 'kind' | 'connection'>): void {
    const connection = this.#engine.nextId();
    this.#add('outgoing', connection);
    this.#engine.connections.set(connection, this.#handler);
    this.#engine.order({ kind: 'tcpConnect', connection, ...target });
  }

  /** Takes the connection that the neighbor opened. */
  adopt(
    connection: ConnectionId,
    options: Extract<Order, { kind: 'tcpConfigure' }>['options'],
  ): void {
    this.#add('incoming', connection);
    this.#engine.order({ kind: 'tcpConfigure', connection, options });
  }

  send(wire: Wire, bytes: Uint8Array): void {
    this.#engine.order({ kind: 'tcpSend', connection: wire.id, bytes });
    if (wire.queuedBytes === 0) wire.queuedAtMs = this.#engine.nowMs;
    wire.queuedBytes += bytes.length;
  }

  close(role: ConnectionRole, reset: boolean): void {
    const wire = this.#wires[role];
    if (!wire) return;
    this.#engine.order({ kind: 'tcpClose', connection: wire.id, reset });
    this.drop(role);
  }

  /** The connection is gone. */
  drop(role: ConnectionRole): void {
    const wire = this.#wires[role];
    if (!wire) return;
    this.#engine.connections.delete(wire.id);
    this.#wires[role] = undefined;
  }

  #add(role: ConnectionRole, id: ConnectionId): void {
    this.#wires[role] = {
      id,
      reader: new FrameReader(),
      queuedBytes: 0,
      queuedAtMs: 0,
      isBlocked: false,
    };
  }
}
