// The engine alone, in this process: octets of a generator in, octets for receivers out, no sockets
// and no kernel. What it takes is the router's own; profiles of it contain nothing else, and the
// counts (messages, orders, bytes) are the same in every run.

import { parseConfig } from '@rookery/bird';
import { Router } from '@rookery/router';
import type { Fact, InterfaceFact, Order, RouterConfig } from '@rookery/router';
import type { DaemonTask } from './daemons.ts';
import { DUT, generatorAddress, receiverAddress } from './network.ts';
import { KEEPALIVE, addressBytes, encodeOpen } from './stream.ts';
import { FIRST_GENERATOR_AS } from './table.ts';

const CHUNK_BYTES = 64 * 1024;
const RECEIVER_AS = 64600;

export interface EngineCounts {
  /** Octets and UPDATE messages for all peers. */
  bytes: number;
  updates: number;
  /** Orders of any kind, and those that send. */
  orders: number;
  sends: number;
  /** Routes that the kernel is to change, next hop objects, and the orders for both. */
  kernelRoutes: number;
  kernelNexthops: number;
  kernelOrders: number;
  turns: number;
  /** How often the policy under test was run. */
  evaluations: number;
}

export interface EngineLoadOptions {
  readonly kernel?: boolean;
  /** This many receivers, the last ones, do not connect before `open` is called for them. */
  readonly late?: number;
  readonly policy?: DaemonTask['policy'];
}

/** A router with sessions up; feed it with `receive` and `settle`. */
export class EngineLoad {
  readonly router: Router;
  readonly family: 'ipv4' | 'ipv6';
  counts: EngineCounts = noCounts();
  /** Called with what a receiver is sent. */
  onSend: (connection: number, bytes: Uint8Array) => void = () => {};
  #nowMs = 1000;
  #drained = new Set<number>();

  readonly #peers: readonly { readonly address: string; readonly as: number }[];

  constructor(
    family: 'ipv4' | 'ipv6',
    generators: number,
    receivers: number,
    options: EngineLoadOptions = {},
  ) {
    const { kernel = false, late = 0, policy } = options;
    this.family = family;
    const peers = [
      ...list(receivers, (i) => ({ address: receiverAddress(family, i), as: RECEIVER_AS + i })),
      ...list(generators, (i) => ({
        address: generatorAddress(family, i),
        as: FIRST_GENERATOR_AS + i,
      })),
    ];
    this.#peers = peers;
    const own = DUT[family];
    const rule = (way: 'import' | 'export'): string =>
      policy?.on === way ? `${way} filter policy` : `${way} all`;
    const text = [
      `router id ${DUT.ipv4};`,
      'protocol device { }',
      policy?.text ?? '',
      ...(kernel ? [`protocol kernel { scan time 86400; ${family} { export all; }; }`] : []),
      ...peers.map(
        ({ address, as }, i) =>
          `protocol bgp p${i} { local ${own} as ${DUT.as}; neighbor ${address} as ${as}; ` +
          `passive on; ${family} { ${rule('import')}; ${rule('export')}; }; }`,
      ),
    ].join('\n');
    const parsed = parseConfig('bench.conf', {
      readFile: () => ({ text }),
      glob: () => ({ paths: [] }),
    });
    if (!parsed.config) throw new Error(parsed.issues[0]?.message ?? 'no configuration');
    if (policy) this.#countEvaluations(parsed.config);
    this.router = new Router({
      config: parsed.config,
      hostname: 'bench',
      random: () => 0.5,
      startedAtMs: 0,
      wallClockMs: 0,
    });
    this.#perform();
    this.#fact({ kind: 'interfacesScanned', interfaces: [link(own)], because: 'scan' });
    for (let i = 0; i < peers.length; i++) {
      if (i < receivers - late || i >= receivers) this.open(i);
    }
    this.settle();
    this.counts = noCounts();
  }

  #countEvaluations({ protocols }: RouterConfig): void {
    const policies = protocols.flatMap((protocol) =>
      'channels' in protocol
        ? protocol.channels.flatMap((c) => [c.importPolicy, c.exportPolicy])
        : [],
    );
    for (const policy of new Set(policies)) {
      if (policy.kind !== 'filter') continue;
      const { run } = policy.filter;
      Object.assign(policy.filter, {
        run: (...args: Parameters<typeof run>) => {
          this.counts.evaluations++;
          return run(...args);
        },
      });
    }
  }

  /** Brings up the session with a peer: receivers first, then generators. */
  open(peer: number): void {
    const { address, as } = this.#peers[peer]!;
    const connection = connectionOf(peer);
    this.#fact({
      kind: 'tcpAccepted',
      connection,
      listener: 1,
      local: DUT[this.family],
      localPort: 179,
      remote: address,
      remotePort: 40_000 + peer,
    });
    const id = Uint8Array.of(10, 1, peer >> 8, peer & 255);
    this.#fact({ kind: 'tcpReceived', connection, bytes: encodeOpen(as, id, this.family) });
    this.#fact({ kind: 'tcpReceived', connection, bytes: KEEPALIVE.slice() });
  }

  /** Nobody is heard of until every hold timer has run out. */
  fallSilent(): void {
    this.#nowMs += 1_000_000;
    this.router.tick(this.#nowMs);
    this.#perform();
  }

  /** Forgets what was counted. */
  restartCounts(): void {
    this.counts = noCounts();
  }

  /** Octets from generator `i`, in chunks as a socket delivers them. */
  receive(generator: number, receivers: number, stream: Uint8Array): void {
    for (let at = 0; at < stream.length; at += CHUNK_BYTES) {
      const bytes = stream.slice(at, at + CHUNK_BYTES);
      this.#fact({ kind: 'tcpReceived', connection: connectionOf(receivers + generator), bytes });
    }
  }

  /** Runs background work until there is none. */
  settle(): void {
    for (let slices = 0; this.router.hasWork() || this.#drained.size > 0; slices++) {
      if (slices > 1_000_000) throw new Error('the engine does not come to rest');
      this.router.runSlice(++this.#nowMs);
      this.#perform();
    }
  }

  #fact(fact: Fact): void {
    this.counts.turns++;
    this.router.handle(fact, ++this.#nowMs);
    this.#perform();
  }

  #perform(): void {
    for (;;) {
      const orders = this.router.takeOrders();
      const done: number[] = [];
      for (const order of orders) this.#execute(order, done);
      const drained = [...this.#drained];
      this.#drained.clear();
      for (const connection of drained) {
        this.router.handle({ kind: 'tcpDrained', connection }, this.#nowMs);
      }
      for (const seq of done) {
        this.router.handle({ kind: 'kernelDone', seq, failures: [] }, this.#nowMs);
      }
      if (drained.length === 0 && done.length === 0) return;
    }
  }

  #execute(order: Order, done: number[]): void {
    const { counts } = this;
    counts.orders++;
    switch (order.kind) {
      case 'tcpSend':
        counts.sends++;
        counts.bytes += order.bytes.length;
        counts.updates += countUpdates(order.bytes);
        this.#drained.add(order.connection);
        this.onSend(order.connection, order.bytes);
        return;
      case 'scanKernel': {
        const { table, family } = order;
        this.router.handle({ kind: 'kernelScanned', table, family, routes: [] }, this.#nowMs);
        return;
      }
      case 'scanNexthops':
        this.router.handle({ kind: 'nexthopsScanned', seq: order.seq, objects: [] }, this.#nowMs);
        return;
      case 'kernelRoutes':
        counts.kernelOrders++;
        counts.kernelRoutes += order.batch.count;
        done.push(order.seq);
        return;
      case 'kernelNexthop':
        counts.kernelOrders++;
        counts.kernelNexthops++;
        done.push(order.seq);
        return;
      case 'log':
        if (order.class === 'bug') throw new Error(order.text);
        return;
      default:
    }
  }
}

/** Next hop octets of a generator. */
export function generatorNextHop(family: 'ipv4' | 'ipv6', i: number): Uint8Array {
  return addressBytes(generatorAddress(family, i));
}

/** The connection of a peer, as in `onSend`. */
export function connectionOf(peer: number): number {
  return -1 - peer;
}

function link(own: string): InterfaceFact {
  const length = own.includes(':') ? 64 : 16;
  return {
    name: 'd0',
    ifindex: 2,
    mtu: 1500,
    adminUp: true,
    linkUp: true,
    flags: { broadcast: true, multicast: true, loopback: false, pointToPoint: false },
    addresses: [{ address: own, length, scope: 'universe', secondary: false }],
  };
}

function countUpdates(bytes: Uint8Array): number {
  let count = 0;
  for (let at = 0; at + 19 <= bytes.length; at += (bytes[at + 16]! << 8) | bytes[at + 17]!) {
    if (bytes[at + 18] === 2) count++;
  }
  return count;
}

function noCounts(): EngineCounts {
  return {
    bytes: 0,
    updates: 0,
    orders: 0,
    sends: 0,
    kernelRoutes: 0,
    kernelNexthops: 0,
    kernelOrders: 0,
    turns: 0,
    evaluations: 0,
  };
}

function list<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
