// A router on a simulated host: the real engine with a platform of virtual parts. Orders become
// calls on the network and the fake kernel, what happens there comes back as facts, and the clock
// ticks the engine exactly at its deadlines. `kill` and `powerOff` end it as a real one ends.

import { Router, routeChanges } from '@rookery/router';
import type {
  BfdState,
  ConnectionId,
  Fact,
  KernelRoute,
  ListenerId,
  Order,
  PlatformError,
  RouterConfig,
} from '@rookery/router';
import { networkOf, prefixContains } from '@rookery/net';
import { FakeFib } from './fake-fib.ts';
import type { SimHost, SimNetwork, SimStream, StreamEvents } from './sim-network.ts';
import type { Scheduled } from './virtual-clock.ts';

export interface LogLine {
  readonly atMs: number;
  readonly class: string;
  readonly text: string;
}

export class SimRouter {
  readonly host: SimHost;
  readonly fib: FakeFib;
  readonly log: LogLine[] = [];
  /** For assertions: orders that have no effect here (BFD requests), and Router Discovery. */
  readonly orders: Order[] = [];
  router: Router;
  readonly #network: SimNetwork;
  readonly #streams = new Map<ConnectionId, SimStream>();
  readonly #connecting = new Map<ConnectionId, { cancel(): void }>();
  readonly #listeners = new Map<
    ListenerId,
    { close(): void; readonly keys: Map<string, string> }
  >();
  /** Interfaces with an open Router Discovery socket. */
  readonly #discovery = new Set<string>();
  #wakeup: Scheduled | undefined;
  #wakeupMs: number | undefined;
  #nextAccepted = -1;
  #dead = false;
  #recovering = false;
  #config: RouterConfig;
  readonly #random: () => number;

  constructor(network: SimNetwork, host: SimHost, config: RouterConfig, random: () => number) {
    this.#network = network;
    this.host = host;
    this.#config = config;
    this.#random = random;
    this.fib = new FakeFib(() => host.interfaces());
    this.router = this.#boot();
    host.onDiscovery = (arrival) => {
      if (!this.#discovery.has(arrival.interface)) return;
      this.feed({ kind: 'discoveryReceived', hopLimit: 255, ...arrival });
    };
    host.onInterfaceChange(() => {
      for (const fact of host.interfaces()) {
        if (!fact.adminUp) this.fib.interfaceDown(fact.ifindex);
        else if (!fact.linkUp) this.fib.linkDown(fact.ifindex);
      }
      if (!this.#dead)
        this.feed({ kind: 'interfacesScanned', interfaces: host.interfaces(), because: 'event' });
    });
  }

  get nowMs(): number {
    return this.#network.clock.nowMs;
  }

  /** Hands a fact to the engine and executes what it orders. */
  feed(fact: Fact): void {
    if (this.#dead) return;
    this.router.handle(fact, this.nowMs);
    this.#settle();
  }

  configure(config: RouterConfig, mode: 'hard' | 'soft' = 'hard'): void {
    this.#config = config;
    this.command((router) => router.configure(config, mode, this.nowMs));
  }

  /** Runs a command of an operator, then executes what it leads to. */
  command(run: (router: Router, nowMs: number) => void): void {
    run(this.router, this.nowMs);
    this.#settle();
  }

  bfdChanged(remote: string, state: BfdState): void {
    this.feed({ kind: 'bfdChanged', remote, state });
  }

  /** SIGTERM: the engine ends its sessions in order, then the process is gone. */
  shutdown(): void {
    this.command((router) => router.shutdown(this.nowMs));
  }

  /** `birdc graceful restart`: sessions close without a word, routes stay. */
  gracefulRestart(): void {
    this.command((router) => router.gracefulRestart(this.nowMs));
  }

  /** SIGKILL: the kernel closes the sockets; routes stay where they are. */
  kill(): void {
    this.#stop();
    for (const attempt of this.#connecting.values()) attempt.cancel();
    this.#connecting.clear();
    for (const stream of this.#streams.values()) stream.close(false);
    for (const listener of this.#listeners.values()) listener.close();
    this.#streams.clear();
    this.#listeners.clear();
  }

  /** Mains off: nothing leaves or arrives, and no daemon runs. */
  powerOff(): void {
    this.#stop();
    this.host.setPower(false);
    for (const stream of this.#streams.values()) stream.vanish();
    for (const attempt of this.#connecting.values()) attempt.cancel();
    this.#connecting.clear();
    for (const listener of this.#listeners.values()) listener.close();
    this.#streams.clear();
    this.#listeners.clear();
  }

  /**
   * Starts a new process on the same host; after `powerOff` with an empty kernel. `recovering`: it
   * is told that the kernel kept forwarding (RFC 4724).
   */
  boot(config: RouterConfig = this.#config, recovering = false): void {
    this.#config = config;
    this.#recovering = recovering;
    if (!this.host.powered) {
      this.host.setPower(true);
      for (const fact of this.host.interfaces()) this.fib.interfaceDown(fact.ifindex);
    }
    this.#dead = false;
    this.router = this.#boot();
  }

  /** Lines of the log since `fromMs`, without class or time. */
  texts(fromMs = 0): string[] {
    return this.log.filter((line) => line.atMs >= fromMs).map((line) => line.text);
  }

  #boot(): Router {
    const nowMs = this.#network.clock.nowMs;
    const router = new Router({
      config: this.#config,
      hostname: this.host.name,
      random: this.#random,
      startedAtMs: nowMs,
      recovering: this.#recovering,
      wallClockMs: 1_750_000_000_000 + nowMs,
    });
    this.router = router;
    this.#network.clock.after(0, () => this.#settle());
    return router;
  }

  #stop(): void {
    this.#dead = true;
    this.#discovery.clear();
    this.#wakeup?.cancel();
    this.#wakeupMs = undefined;
  }

  #settle(): void {
    if (this.#dead) return;
    for (const order of this.router.takeOrders()) this.#execute(order);
    if (this.router.stopped) {
      this.kill();
      return;
    }
    const deadline = this.router.hasWork() ? this.nowMs : this.router.nextDeadlineMs();
    if (deadline === this.#wakeupMs && this.#wakeup) return;
    this.#wakeup?.cancel();
    this.#wakeup = undefined;
    this.#wakeupMs = deadline;
    if (deadline === undefined) return;
    this.#wakeup = this.#network.clock.after(deadline - this.nowMs, () => {
      this.#wakeup = undefined;
      this.#wakeupMs = undefined;
      if (this.#dead) return;
      this.router.tick(this.nowMs);
      if (this.router.hasWork()) this.router.runSlice(this.nowMs);
      this.#settle();
    });
  }

  #later(fact: () => Fact | undefined): void {
    this.#network.clock.after(0, () => {
      const value = fact();
      if (value) this.feed(value);
    });
  }

  #execute(order: Order): void {
    switch (order.kind) {
      case 'log':
        this.log.push({ atMs: this.nowMs, class: order.class, text: order.text });
        return;
      case 'scanInterfaces':
        this.#later(() => ({
          kind: 'interfacesScanned',
          interfaces: this.host.interfaces(),
          because: 'scan',
        }));
        return;
      case 'scanKernel':
        this.#later(() => ({
          kind: 'kernelScanned',
          table: order.table,
          family: order.family,
          routes: this.fib.scan(order.table, order.family),
        }));
        return;
      case 'scanNexthops':
        this.#later(() => ({
          kind: 'nexthopsScanned',
          seq: order.seq,
          ...(this.fib.hasNexthops && { objects: this.fib.nexthops() }),
        }));
        return;
      case 'kernelRoutes': {
        const changes = [...routeChanges(order.batch)];
        this.#done(
          order.seq,
          changes.map(({ change, route }) =>
            change === 'remove'
              ? this.fib.remove(route)
              : this.fib.install(route, change === 'replace'),
          ),
        );
        return;
      }
      case 'kernelNexthop':
        this.#done(order.seq, [
          order.change === 'add'
            ? this.fib.addNexthop(order.object)
            : this.fib.removeNexthop(order.object.id),
        ]);
        return;
      case 'tcpConnect':
        this.#connect(order);
        return;
      case 'tcpSend':
        this.#streams.get(order.connection)?.send(order.bytes);
        return;
      case 'tcpClose':
        this.#connecting.get(order.connection)?.cancel();
        this.#connecting.delete(order.connection);
        this.#streams.get(order.connection)?.close(order.reset ?? false);
        this.#streams.delete(order.connection);
        return;
      case 'tcpListen':
        this.#listen(order);
        return;
      case 'tcpCloseListener':
        this.#listeners.get(order.listener)?.close();
        this.#listeners.delete(order.listener);
        return;
      case 'setListenerKey':
        if (order.key === undefined) this.#listeners.get(order.listener)?.keys.delete(order.peer);
        else this.#listeners.get(order.listener)?.keys.set(order.peer, JSON.stringify(order.key));
        return;
      case 'discoveryOpen':
        this.#discovery.add(order.interface);
        this.orders.push(order);
        return;
      case 'discoverySend':
        this.orders.push(order);
        this.#network.discover(this.host, order.interface, order.destination, order.bytes);
        return;
      case 'discoveryClose':
        this.#discovery.delete(order.interface);
        this.orders.push(order);
        return;
      case 'tcpConfigure':
      case 'writeFile':
      case 'bfdRequest':
      case 'bfdRelease':
        this.orders.push(order);
        return;
    }
  }

  /** A route put in or taken out by another program, reported as netlink would. */
  alien(change: 'new' | 'removed', route: KernelRoute): void {
    if (change === 'new') this.fib.install(route, true);
    else this.fib.remove(route);
    this.#later(() => ({ kind: 'kernelRouteChanged', change, route }));
  }

  #done(seq: number, errors: readonly (PlatformError | undefined)[]): void {
    const failures = errors.flatMap((error, index) => (error ? [{ index, error }] : []));
    this.#later(() => ({ kind: 'kernelDone', seq, failures }));
  }

  #connect(order: Extract<Order, { readonly kind: 'tcpConnect' }>): void {
    const { connection } = order;
    const attempt = this.#network.connect(
      this.host,
      { address: order.remote, port: order.remotePort, options: order.options },
      {
        connected: (stream, ends) => {
          this.#connecting.delete(connection);
          if (this.#dead) return stream.close(true);
          this.#adopt(connection, stream);
          this.feed({ kind: 'tcpConnected', connection, mss: 1460, ...ends });
        },
        failed: (error) => {
          this.#connecting.delete(connection);
          this.feed({ kind: 'tcpConnectFailed', connection, error });
        },
        events: this.#eventsFor(connection),
      },
    );
    this.#connecting.set(connection, attempt);
  }

  #listen(order: Extract<Order, { readonly kind: 'tcpListen' }>): void {
    const { listener } = order;
    const keys = new Map<string, string>();
    const keyFor = (peer: string): string | undefined => {
      for (const [prefix, key] of keys) if (prefixContains(prefix, peer)) return key;
      return keys.get(networkOf(peer, peer.includes(':') ? 128 : 32));
    };
    const opened = this.host.listen({
      address: order.address,
      family: order.family,
      port: order.port,
      keyFor,
      accept: (stream, ends) => {
        const connection = this.#nextAccepted--;
        this.#adopt(connection, stream);
        this.#later(() => ({ kind: 'tcpAccepted', connection, listener, mss: 1460, ...ends }));
        this.#network.clock.after(0, () => stream.flushArrived());
        return this.#eventsFor(connection);
      },
    });
    if ('code' in opened) {
      this.#later(() => ({ kind: 'tcpListenFailed', listener, error: opened }));
      return;
    }
    this.#listeners.set(listener, { close: () => opened.close(), keys });
    this.#later(() => ({ kind: 'tcpListening', listener }));
  }

  #adopt(connection: ConnectionId, stream: SimStream): void {
    this.#streams.set(connection, stream);
    stream.onDrained = () => {
      if (this.#streams.has(connection)) this.feed({ kind: 'tcpDrained', connection });
    };
  }

  #eventsFor(connection: ConnectionId): StreamEvents {
    return {
      received: (bytes) => {
        if (this.#streams.has(connection)) this.feed({ kind: 'tcpReceived', connection, bytes });
      },
      closed: (error) => {
        if (!this.#streams.has(connection)) return;
        this.feed({ kind: 'tcpClosed', connection, ...(error === undefined ? {} : { error }) });
      },
    };
  }
}
