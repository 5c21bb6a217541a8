// The trap of nodes and clients on one link (spec: lab, gap 13): when a route leads to a gateway on
// the very link that clients use, the kernel sends them ICMP redirects. A client then talks to that
// one gateway directly for minutes, past ECMP and past any failover. Said once per interface, with
// the cure, when the first such route is installed.

import type { LogClass } from './config.ts';
import type { InterfaceTable } from './interfaces.ts';
import { networkOfAddress } from './interfaces.ts';
import type { KernelRoute } from './io.ts';

export interface RedirectFinding {
  readonly interface: string;
  /** The network that clients and next hops share. */
  readonly network: string;
  /** A route that is affected. */
  readonly net: string;
}

export class RedirectWatch {
  readonly #interfaces: InterfaceTable;
  readonly #log: (logClass: LogClass, text: string) => void;
  readonly #found = new Map<string, RedirectFinding>();

  constructor(interfaces: InterfaceTable, log: (logClass: LogClass, text: string) => void) {
    this.#interfaces = interfaces;
    this.#log = log;
  }

  /** Interfaces that still send redirects and carry such routes. */
  findings(): readonly RedirectFinding[] {
    return [...this.#found.values()].filter(
      (finding) => this.#interfaces.byName(finding.interface)?.sendRedirects === true,
    );
  }

  noteInstalled(route: KernelRoute): void {
    if (route.family !== 'ipv4') return;
    for (const nexthop of route.nexthops) {
      if (nexthop.gateway === undefined) continue;
      const fact = this.#interfaces.byIndex(nexthop.ifindex);
      if (!fact || fact.sendRedirects !== true || this.#found.has(fact.name)) continue;
      if (fact.flags.pointToPoint || fact.flags.loopback) continue;
      const near = this.#interfaces.neighbor(nexthop.gateway, fact.name);
      if (!near || near === 'local') continue;
      const network = networkOfAddress(near.local);
      this.#found.set(fact.name, { interface: fact.name, network, net: route.net });
      this.#log(
        'warning',
        `ICMP redirects are on for ${fact.name}: clients in ${network} share the link with the ` +
          `next hops of ${route.net}, will be redirected to one of them and keep it for minutes ` +
          `after it is gone. Cure: sysctl net.ipv4.conf.all.send_redirects=0 and ` +
          `net.ipv4.conf.${fact.name}.send_redirects=0, or put the nodes on a link of their own`,
      );
    }
  }
}
