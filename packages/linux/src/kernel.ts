// The kernel as the engine's orders see it: interface scans, route scans, route changes, and the
// notifications in between. Orders run strictly in order; what is small runs at once, a long dump
// or a long list of routes is cut into slices so that sessions and timers are served in between.
// Which routes to install, adopt or remove is the engine's business, not this module's.

import { readFileSync } from 'node:fs';
import { err, ok } from '@rookery/net';
import type { Family, Result } from '@rookery/net';
import type {
  Fact,
  KernelNexthopObject,
  KernelRoute,
  LogClass,
  Order,
  PlatformError,
} from '@rookery/router';
import { interfaceFactsFor } from './interface-facts.ts';
import {
  decodeLink,
  decodeLinkAddress,
  encodeAddressDump,
  encodeLinkDump,
} from './netlink/link.ts';
import type { Link, LinkAddress } from './netlink/link.ts';
import { openMonitor } from './netlink/monitor.ts';
import type { Monitor } from './netlink/monitor.ts';
import { decodeNexthopObject, encodeNexthopDump, resolveNexthopObject } from './netlink/nexthop.ts';
import { decodeRoute, encodeRouteDump } from './netlink/route.ts';
import { changesIn, RouteSocket } from './netlink/socket.ts';
import type { Dump, RouteOrder } from './netlink/socket.ts';

const orderKinds = [
  'scanInterfaces',
  'scanKernel',
  'scanNexthops',
  'kernelRoutes',
  'kernelNexthop',
] as const;

export type KernelOrder = Extract<Order, { kind: (typeof orderKinds)[number] }>;

export interface KernelOptions {
  /** May be called inside `execute`. */
  readonly emit: (fact: Fact) => void;
  readonly report: (logClass: LogClass, text: string) => void;
}

const routesPerSlice = 1024;
/** So many changes are worth another thread, which takes up to so many at once: 40 ms. */
const manyChanges = 512;
const mostChanges = 16_384;
const datagramsPerSlice = 32;
const scanAttempts = 5;

interface Scan {
  readonly table: number;
  readonly family: Family;
  readonly attempt: number;
  readonly routes: KernelRoute[];
  readonly dump: Dump;
}

export class Kernel {
  readonly #options: KernelOptions;
  readonly #socket: RouteSocket;
  readonly #watched = new Set<string>();
  #queue: KernelOrder[] = [];
  /** Orders before this index are done. */
  #head = 0;
  #monitor: Monitor | undefined;
  #scan: Scan | undefined;
  /** Another thread writes routes, and has the socket. */
  #isWriting = false;
  #sliceQueued = false;
  #closed = false;
  #onIdle: () => void = () => {};
  #names: ReadonlyMap<number, string> = new Map();

  private constructor(options: KernelOptions, socket: RouteSocket) {
    this.#options = options;
    this.#socket = socket;
  }

  static open(options: KernelOptions): Result<Kernel, PlatformError> {
    const socket = RouteSocket.open();
    if (!socket.ok) return err(socket.error);
    const kernel = new Kernel(options, socket.value);
    const monitor = openMonitor(socket.value.port, {
      interfacesChanged: () => kernel.#scanInterfaces('event'),
      routeChanged: (change, route) => kernel.#reportChange(change, route),
      overrun: () => options.emit({ kind: 'kernelOverrun' }),
    });
    if (!monitor.ok) {
      socket.value.close();
      return err(monitor.error);
    }
    kernel.#monitor = monitor.value;
    return ok(kernel);
  }

  /** Finishes what was ordered first. */
  async close(): Promise<void> {
    while (this.#scan || this.#isWriting || this.#head < this.#queue.length) {
      this.#runSlice(false);
      if (this.#isWriting) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    }
    this.#closed = true;
    this.#monitor?.close();
    this.#socket.close();
  }

  /** Runs what fits into this turn; the rest follows in turns of its own. */
  execute(orders: readonly KernelOrder[]): void {
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    }
    for (const order of orders) this.#queue.push(order);
    if (!this.#sliceQueued) this.#runSlice();
  }

  #runSlice(resume = true): void {
    let budget = routesPerSlice;
    while (!this.#closed && budget > 0) {
      if (this.#scan) {
        if (this.#stepScan(this.#scan)) continue;
        break;
      }
      const order = this.#queue[this.#head];
      if (!order || this.#isWriting) return;
      this.#head++;
      budget -= this.#perform(order);
    }
    if (!resume || (!this.#scan && this.#head === this.#queue.length)) return;
    if (this.#closed || this.#sliceQueued) return;
    this.#sliceQueued = true;
    setImmediate(() => {
      this.#sliceQueued = false;
      this.#runSlice();
    });
  }

  /** Returns how many routes that was worth. */
  #perform(order: KernelOrder): number {
    switch (order.kind) {
      case 'scanInterfaces':
        this.#scanInterfaces('scan');
        return 0;
      case 'scanKernel':
        this.#startScan(order.table, order.family, 1);
        return 0;
      case 'scanNexthops': {
        const { seq } = order;
        const objects = this.#readNexthopObjects();
        const all = objects && { objects: [...objects.values()] };
        this.#options.emit({ kind: 'nexthopsScanned', seq, ...all });
        return 0;
      }
      case 'kernelRoutes':
      case 'kernelNexthop':
        if (this.#isForThread(order)) this.#writeMeanwhile(order);
        else {
          const failures = this.#socket.apply(order);
          this.#options.emit({ kind: 'kernelDone', seq: order.seq, failures });
        }
        return changesIn(order);
    }
  }

  /** The kernel does its work inside send(2), half a second of it for a full table. */
  #isForThread(order: KernelOrder | undefined): boolean {
    return (
      this.#socket.isWide && order?.kind === 'kernelRoutes' && order.batch.count >= manyChanges
    );
  }

  /** Writes the order and those behind it. */
  #writeMeanwhile(first: RouteOrder): void {
    const orders = [first];
    let count = changesIn(first);
    for (;;) {
      const next = this.#queue[this.#head];
      if (next?.kind !== 'kernelRoutes' && next?.kind !== 'kernelNexthop') break;
      count += changesIn(next);
      if (count > mostChanges) break;
      orders.push(next);
      this.#head++;
    }
    this.#isWriting = true;
    this.#socket.applyMeanwhile(orders, (failures) => {
      this.#isWriting = false;
      // The kernel goes on while the engine hears of what is done.
      if (this.#isForThread(this.#queue[this.#head])) this.#runSlice();
      orders.forEach(({ seq }, i) => {
        this.#options.emit({ kind: 'kernelDone', seq, failures: failures[i]! });
      });
      if (this.#isWriting) return;
      this.#onIdle();
      if (!this.#sliceQueued) this.#runSlice();
    });
  }

  #scanInterfaces(because: 'scan' | 'event'): void {
    if (this.#closed) return;
    // Whoever dumps or writes routes has the socket; the scan then uses one of its own.
    const own = this.#scan || this.#isWriting ? RouteSocket.open() : undefined;
    if (own && !own.ok) {
      this.#options.report('error', `KIF: ${own.error.message}`);
      return;
    }
    const socket = own ? own.value : this.#socket;
    const links: Link[] = [];
    const addresses: LinkAddress[] = [];
    const error =
      socket.dump(
        encodeLinkDump,
        (bytes, message) => {
          const decoded = decodeLink(bytes, message);
          if (decoded) links.push(decoded);
        },
        () => links.splice(0),
      ) ??
      socket.dump(
        encodeAddressDump,
        (bytes, message) => {
          const decoded = decodeLinkAddress(bytes, message);
          if (decoded) addresses.push(decoded);
        },
        () => addresses.splice(0),
      );
    if (own) socket.close();
    if (error) {
      this.#options.report('error', `KIF: cannot scan interfaces: ${error.message}`);
      return;
    }
    this.#names = new Map(links.map((link) => [link.ifindex, link.name]));
    const interfaces = interfaceFactsFor(links, addresses, sendRedirectsReader());
    this.#options.emit({ kind: 'interfacesScanned', interfaces, because });
  }

  #startScan(table: number, family: Family, attempt: number): void {
    this.#watched.add(`${family} ${table}`);
    const routes: KernelRoute[] = [];
    const dump = this.#socket.startDump(
      (writer, seq) => encodeRouteDump(writer, seq, family, table),
      (bytes, message) => {
        const route = decodeRoute(bytes, message);
        // Kernels without strict checking answer with every table.
        if (route && route.table === table && route.family === family) routes.push(route);
      },
    );
    this.#scan = { table, family, attempt, routes, dump };
  }

  /** True when the scan ended within this slice. */
  #stepScan(scan: Scan): boolean {
    const state = scan.dump.step(datagramsPerSlice);
    if (state === 'more') return false;
    this.#scan = undefined;
    const { table, family, routes } = scan;
    if (state === 'interrupted' && scan.attempt < scanAttempts) {
      this.#startScan(table, family, scan.attempt + 1);
      return true;
    }
    // A table that nobody has put a route into does not exist, which is not an error.
    if (typeof state === 'object' && state.code !== 'ENOENT') {
      this.#options.emit({ kind: 'kernelScanFailed', table, family, error: state });
      return true;
    }
    this.#options.emit({ kind: 'kernelScanned', table, family, routes: this.#complete(routes) });
    return true;
  }

  /** Adds interface names, and the next hops of routes that only name a next hop object. */
  #complete(routes: readonly KernelRoute[]): readonly KernelRoute[] {
    const needObjects = routes.some(
      (r) => r.nexthopId !== undefined && r.dest === 'unicast' && r.nexthops.length === 0,
    );
    const objects = (needObjects && this.#readNexthopObjects()) || new Map();
    return routes.map((route) => this.#named(withObject(route, objects)));
  }

  #named(route: KernelRoute): KernelRoute {
    if (route.nexthops.length === 0) return route;
    const nexthops = route.nexthops.map((hop) => {
      const name = this.#names.get(hop.ifindex);
      return name === undefined ? hop : { ...hop, interface: name };
    });
    return { ...route, nexthops };
  }

  /** `undefined`: the kernel has no next hop objects. */
  #readNexthopObjects(): Map<number, KernelNexthopObject> | undefined {
    const objects = new Map<number, KernelNexthopObject>();
    const error = this.#socket.dump(
      encodeNexthopDump,
      (bytes, message) => {
        const object = decodeNexthopObject(bytes, message);
        if (object) objects.set(object.id, object);
      },
      () => objects.clear(),
    );
    return error ? undefined : objects;
  }

  #reportChange(change: 'new' | 'removed', route: KernelRoute): void {
    if (!this.#watched.has(`${route.family} ${route.table}`)) return;
    this.#options.emit({ kind: 'kernelRouteChanged', change, route: this.#named(route) });
  }
}

/** True for what `Kernel.execute` takes. */
export function isKernelOrder(order: Order): order is KernelOrder {
  return (orderKinds as readonly string[]).includes(order.kind);
}

function withObject(
  route: KernelRoute,
  objects: ReadonlyMap<number, KernelNexthopObject>,
): KernelRoute {
  if (route.nexthopId === undefined || route.nexthops.length > 0) return route;
  if (objects.get(route.nexthopId)?.blackhole) return { ...route, dest: 'blackhole' };
  return { ...route, nexthops: resolveNexthopObject(route.nexthopId, objects) };
}

/** The kernel sends redirects when either the interface or "all" says so. */
function sendRedirectsReader(): (name: string) => boolean | undefined {
  const all = readSysctl('/proc/sys/net/ipv4/conf/all/send_redirects');
  if (all === '1') return () => true;
  return (name) => {
    const own = readSysctl(`/proc/sys/net/ipv4/conf/${name}/send_redirects`);
    return own === undefined && all === undefined ? undefined : own === '1';
  };
}

function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
