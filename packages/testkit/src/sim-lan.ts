// The post's network in virtual form: a router and nodes on one LAN segment, addresses as in the
// post (192.168.1.1, nodes from 192.168.1.32), AS 64496 and 64497.

import type { InterfaceFact, RouterConfig } from '@rookery/router';
import { SimHost, SimNetwork } from './sim-network.ts';
import { SimRouter } from './sim-router.ts';
import { VirtualClock, seededRandom } from './virtual-clock.ts';

export interface LanHost {
  readonly name: string;
  readonly config: RouterConfig;
  readonly interfaces: readonly InterfaceFact[];
}

/** A LAN of routers on the segment "lan"; the interface named `br-lan` or `enp1s0` is plugged there. */
export class SimLan {
  readonly clock: VirtualClock;
  readonly network: SimNetwork;
  readonly routers = new Map<string, SimRouter>();
  readonly #random: () => number;

  constructor(seed = 1) {
    this.#random = seededRandom(seed);
    this.clock = new VirtualClock();
    this.network = new SimNetwork(this.clock, this.#random);
  }

  add({ name, config, interfaces }: LanHost): SimRouter {
    const host = this.network.add(new SimHost(name));
    for (const fact of interfaces) {
      const onLan = fact.name === 'br-lan' || fact.name === 'enp1s0';
      host.plug(fact, onLan ? 'lan' : `${name} ${fact.name}`);
    }
    const router = new SimRouter(this.network, host, config, this.#random);
    this.routers.set(name, router);
    return router;
  }

  /** Runs until the condition holds; throws with the tail of all logs when it never does. */
  until(condition: () => boolean, limitMs: number, what: string): void {
    if (this.clock.advanceUntil(condition, limitMs)) return;
    const tails = [...this.routers].map(
      ([name, router]) => `--- ${name}\n${router.texts().slice(-25).join('\n')}`,
    );
    throw new Error(`${what} did not happen within ${limitMs} ms\n${tails.join('\n')}`);
  }

  advance(durationMs: number): void {
    this.clock.advance(durationMs);
  }
}

/** An interface that is up, with addresses in CIDR notation. */
export function lanInterface(
  name: string,
  ifindex: number,
  addresses: readonly string[],
  change: Partial<InterfaceFact> = {},
): InterfaceFact {
  return {
    name,
    ifindex,
    mtu: name === 'lo' ? 65_536 : 1500,
    adminUp: true,
    linkUp: true,
    flags: {
      broadcast: name !== 'lo',
      multicast: name !== 'lo',
      loopback: name === 'lo',
      pointToPoint: false,
    },
    addresses: addresses.map((text) => {
      const slash = text.indexOf('/');
      const address = text.slice(0, slash);
      const scope = address.startsWith('fe80') ? 'link' : name === 'lo' ? 'host' : 'universe';
      return { address, length: Number(text.slice(slash + 1)), scope, secondary: false };
    }),
    ...change,
  };
}
