// An engine alone, with peers that are nothing but bytes: for what no honest speaker would send, and
// for measuring the engine without a network. Orders are answered at once as the kernel would.

import { NO_CAPABILITIES, encodeKeepalive, encodeOpen } from '@rookery/bgp';
import type { Family } from '@rookery/net';
import { Router } from '@rookery/router';
import type { ConnectionId, ListenerId, Order, RouterConfig } from '@rookery/router';
import { lanInterface } from './sim-lan.ts';
import { seededRandom } from './virtual-clock.ts';

export class WireBench {
  readonly router: Router;
  /** Everything but log lines and bytes to peers. */
  readonly orders: Order[] = [];
  readonly log: { readonly class: string; readonly text: string }[] = [];
  /** Octets sent to each connection since it was opened. */
  readonly sent = new Map<ConnectionId, Uint8Array[]>();
  nowMs = 1;
  #listener: ListenerId = 0;
  #nextConnection = -1;

  /** `address`: ours on the only link, e.g. "192.168.1.1/24". */
  constructor(config: RouterConfig, address: string, seed = 1) {
    this.router = new Router({
      config,
      hostname: 'bench',
      random: seededRandom(seed),
      startedAtMs: 0,
      wallClockMs: 0,
    });
    this.settle();
    this.router.handle(
      {
        kind: 'interfacesScanned',
        because: 'scan',
        interfaces: [lanInterface('eth0', 2, [address])],
      },
      this.nowMs,
    );
    this.settle();
  }

  /** A peer calls, both sides say OPEN, the session is up. */
  establish(
    remote: string,
    local: string,
    asn: number,
    families: readonly Family[] = ['ipv4'],
  ): ConnectionId {
    const connection = this.call(remote, local);
    const capabilities = { ...NO_CAPABILITIES, any: true, families, as4: asn };
    this.receive(connection, encodeOpen({ asn, holdTimeSec: 0, id: remote, capabilities }));
    this.receive(connection, encodeKeepalive());
    return connection;
  }

  /** A connection from a peer, without a word. */
  call(remote: string, local: string): ConnectionId {
    const connection = this.#nextConnection--;
    this.sent.set(connection, []);
    this.router.handle(
      {
        kind: 'tcpAccepted',
        connection,
        listener: this.#listener,
        local,
        localPort: 179,
        remote,
        remotePort: 50_000,
        interface: 'eth0',
      },
      this.nowMs,
    );
    this.settle();
    return connection;
  }

  receive(connection: ConnectionId, bytes: Uint8Array): void {
    this.router.handle({ kind: 'tcpReceived', connection, bytes }, this.nowMs);
    this.settle();
  }

  /** Executes orders and slices until the engine rests. */
  settle(): void {
    for (;;) {
      const orders = this.router.takeOrders();
      const drained = new Set<ConnectionId>();
      for (const order of orders) {
        if (order.kind === 'log') this.log.push({ class: order.class, text: order.text });
        else if (order.kind === 'tcpSend') {
          this.sent.get(order.connection)?.push(order.bytes);
          drained.add(order.connection);
        } else {
          if (order.kind === 'tcpListen') this.#listener = order.listener;
          this.orders.push(order);
        }
      }
      for (const connection of drained) {
        this.router.handle({ kind: 'tcpDrained', connection }, this.nowMs);
      }
      if (this.router.hasWork()) this.router.runSlice(this.nowMs);
      else if (orders.length === 0 && drained.size === 0) return;
    }
  }

  /** Moves time and fires what is due on the way. */
  advance(durationMs: number): void {
    const end = this.nowMs + durationMs;
    for (;;) {
      const deadline = this.router.nextDeadlineMs();
      if (deadline === undefined || deadline > end) break;
      this.nowMs = Math.max(this.nowMs, deadline);
      this.router.tick(this.nowMs);
      this.settle();
    }
    this.nowMs = end;
  }
}
