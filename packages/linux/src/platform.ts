// The Linux side of the engine's contract: executes orders and emits facts. Orders about the kernel
// are gathered per call so that one turn of the engine becomes one batch of netlink messages, and run
// first: packets must leave a dead next hop at once, and follow a route when a neighbor hears of it.
// The others run in their order. BFD runs in a thread of its own; time and logging are the composition
// root's.

import { networkInterfaces } from 'node:os';
import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import type { Fact, LogClass, Order, PlatformError } from '@rookery/router';
import { BfdService } from './bfd-service.ts';
import { DiscoverySockets } from './discovery.ts';
import { Files } from './files.ts';
import { Kernel, isKernelOrder } from './kernel.ts';
import { Tcp } from './tcp.ts';

export interface PlatformOptions {
  /**
   * May be called inside `execute`; the caller queues. The next read, of whichever connection, takes
   * the buffer that `tcpReceived` shows: who puts that off copies it.
   */
  readonly emit: (fact: Fact) => void;
  readonly log: (logClass: LogClass, text: string) => void;
  /** True while facts wait for the engine. */
  readonly isBehind?: () => boolean;
}

export interface Platform {
  execute(orders: readonly Order[]): void;
  /** Finishes route changes, closes sockets; resolves when connections have sent what they had. */
  close(): Promise<void>;
}

/** Opens netlink; TCP sockets and the BFD thread come with orders. */
export function openPlatform(options: PlatformOptions): Result<Platform, PlatformError> {
  const { emit, log } = options;
  const kernel = Kernel.open({ emit, report: log });
  if (!kernel.ok) return err(kernel.error);
  const bfd = new BfdService({ emit, log });
  const files = new Files(emit);
  const discovery = new DiscoverySockets(emit);
  const tcp = new Tcp({
    emit,
    report: log,
    ifindexOf,
    ...(options.isBehind && { isBehind: options.isBehind }),
  });
  return ok({
    execute: (orders) => {
      const kernelOrders = orders.filter(isKernelOrder);
      if (kernelOrders.length > 0) kernel.value.execute(kernelOrders);
      for (const order of orders) {
        if (isKernelOrder(order)) continue;
        switch (order.kind) {
          case 'writeFile':
            files.execute(order);
            break;
          case 'log':
            log(order.class, order.text);
            break;
          case 'discoveryOpen':
          case 'discoverySend':
          case 'discoveryClose':
            discovery.execute(order);
            break;
          case 'bfdRequest':
          case 'bfdRelease':
            bfd.execute(order);
            break;
          default:
            tcp.execute(order);
        }
      }
    },
    close: async () => {
      discovery.close();
      await Promise.all([kernel.value.close(), bfd.close(), tcp.close()]);
    },
  });
}

/** Interface index from the scope of its link-local address; 0 when there is none. */
function ifindexOf(name: string): number {
  for (const entry of networkInterfaces()[name] ?? []) {
    if (entry.family === 'IPv6' && entry.scopeid) return entry.scopeid;
  }
  return 0;
}
