// What a protocol may use of the engine: time, randomness, orders, timers, slices, interfaces and
// tables. Handed to every protocol at birth; the engine class implements it. A protocol never
// reaches another protocol except through a table or through what is named here.

import type { IpAddress } from '@rookery/net';
import type { NetCursor } from '@rookery/rib';
import type { BgpConfig, LogClass } from './config.ts';
import type { InterfaceTable } from './interfaces.ts';
import type { BfdBroker } from './bfd-broker.ts';
import type { BgpGroups } from './bgp/groups.ts';
import type { BgpTap } from './bgp/tap.ts';
import type { Exporter } from './exporter.ts';
import type { AcceptedFact, Listeners } from './listeners.ts';
import type { ConnectionId, Fact, Order } from './io.ts';
import type { Protocol } from './protocol.ts';
import type { BgpProtocol } from './protocols/bgp.ts';
import type { RouterDiscovery } from './radv/router-discovery.ts';
import type { Recovery } from './recovery.ts';
import type { RedirectWatch } from './redirects.ts';
import type { KernelProtocol } from './protocols/kernel.ts';
import type { RouteTable } from './route-table.ts';
import type { Timers } from './timers.ts';
import type { RouterView } from './view.ts';
import type { Task, WorkQueue } from './work.ts';

/** Who is told about a connection. */
export interface ConnectionHandler {
  readonly owner: Protocol;
  handleConnection(fact: ConnectionFact): void;
}

export type ConnectionFact = Extract<Fact, { readonly connection: ConnectionId }>;

export interface Engine {
  /** The time of the fact, tick or command that is being handled. */
  readonly nowMs: number;
  /** The present, for views. */
  readonly presentMs: number;
  /** 0 ≤ x < 1, from the generator given to the engine. */
  readonly random: () => number;
  readonly timers: Timers;
  readonly work: WorkQueue;
  readonly interfaces: InterfaceTable;
  readonly listeners: Listeners;
  readonly bfd: BfdBroker;
  readonly discovery: RouterDiscovery;
  readonly recovery: Recovery;
  readonly redirects: RedirectWatch;
  readonly groups: BgpGroups;
  /** What consoles may read; for dumps. */
  readonly view: RouterView;
  /** Who listens in on BGP sessions. */
  readonly taps: Set<BgpTap>;
  bgpProtocols(): readonly BgpProtocol[];
  readonly connections: Map<ConnectionId, ConnectionHandler>;
  /** True when nothing will be known about interfaces that is not known now. */
  readonly interfacesSettled: boolean;
  readonly routerId: IpAddress;
  readonly hostname: string;
  readonly version: string;
  order(order: Order): void;
  log(logClass: LogClass, text: string): void;
  /** Tables named in the configuration exist before any protocol does. */
  table(name: string): RouteTable;
  /** Exporters that run: the engine looks at them after every step. */
  readonly exporters: Set<Exporter>;
  /** Kernel protocols that run. */
  readonly kernels: Set<KernelProtocol>;
  /** Other followers of tables (pipes), treated alike. */
  readonly followers: Set<Task & { readonly pending: boolean }>;
  /** Gives a connection to the dynamic instance for its neighbor, made by `configure` if need be. */
  spawnBgp(parent: Protocol, configure: () => BgpConfig, accepted: AcceptedFact): void;
  /**
   * A next hop does not answer any more, whatever routes lead to it: the kernel stops using it at
   * once. What is wanted all the same comes back when the tables have settled.
   */
  nexthopLost(gateway: IpAddress, ifindex: number): void;
  /** A dynamic instance came down for good. */
  forget(protocol: Protocol): void;
  /** Filters that ask this table have to run again. */
  roaChanged(table: string): void;
  roaCheck(table: string, net: NetCursor, asn: number): 'unknown' | 'valid' | 'invalid';
  /** Shuts a protocol down because of a limit, for good or for a restart. */
  limitReached(
    protocol: Protocol,
    which: 'receive' | 'import' | 'export',
    action: 'restart' | 'disable',
  ): void;
  /** A number not used before, for connections, listeners and kernel orders. */
  nextId(): number;
}
