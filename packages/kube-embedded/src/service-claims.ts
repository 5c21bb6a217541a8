// Which cluster addresses and node ports the stored services hold, counted as services come and go,
// so that admitting one service does not look at all the others. The store is the truth: this is
// derived from it at the start and follows its changes; nothing is reserved here.

import { type KubeObject, listAt, numberAt, textAt } from './object.ts';

interface Held {
  readonly addresses: readonly string[];
  /** "30080/TCP" */
  readonly ports: readonly string[];
}

export class ServiceClaims {
  readonly #addresses = new Map<string, number>();
  readonly #ports = new Map<string, number>();
  /** Below this offset of a range nothing is free. */
  readonly #fullBelow = new Map<string, number>();

  constructor(services: Iterable<KubeObject>) {
    for (const service of services) this.add(service);
  }

  add(service: KubeObject): void {
    const { addresses, ports } = heldBy(service);
    for (const address of addresses) count(this.#addresses, address, 1);
    for (const port of ports) count(this.#ports, port, 1);
  }

  remove(service: KubeObject): void {
    const { addresses, ports } = heldBy(service);
    for (const address of addresses) {
      if (count(this.#addresses, address, -1)) this.#fullBelow.clear();
    }
    for (const port of ports) count(this.#ports, port, -1);
  }

  /** What is taken as one service sees it: its own stored form does not count. */
  seenBy(previous: KubeObject | undefined): Used {
    const own = previous ? heldBy(previous) : { addresses: [], ports: [] };
    const ownAddresses = new Set(own.addresses);
    const ownPorts = new Set(own.ports);
    const hasOther = (counts: ReadonlyMap<string, number>, key: string, isOwn: boolean): boolean =>
      (counts.get(key) ?? 0) > (isOwn ? 1 : 0);
    const taken = new Set<string>();
    return {
      hasAddress: (text) =>
        taken.has(text) || hasOther(this.#addresses, text, ownAddresses.has(text)),
      takeAddress: (text) => void taken.add(text),
      hasPort: (port, protocol) => {
        const key = `${port}/${protocol}`;
        return taken.has(key) || hasOther(this.#ports, key, ownPorts.has(key));
      },
      takePort: (port, protocol) => void taken.add(`${port}/${protocol}`),
      portCount: () => this.#ports.size + taken.size,
      fullBelow: (cidr) => this.#fullBelow.get(cidr) ?? 0,
      noteFullBelow: (cidr, offset) => void this.#fullBelow.set(cidr, offset),
    };
  }
}

/** The taken addresses and ports during the admission of one service. */
export interface Used {
  hasAddress(text: string): boolean;
  takeAddress(text: string): void;
  hasPort(port: number, protocol: string): boolean;
  takePort(port: number, protocol: string): void;
  /** How many ports are taken. */
  portCount(): number;
  /** Offset in a range below which every stored address is taken. */
  fullBelow(cidr: string): number;
  noteFullBelow(cidr: string, offset: number): void;
}

function heldBy(service: KubeObject): Held {
  const addresses = listAt(service, 'spec', 'clusterIPs')
    .map(String)
    .filter((text) => text !== 'None');
  const ports = listAt(service, 'spec', 'ports').flatMap((port) => {
    const nodePort = numberAt(port, 'nodePort');
    return nodePort ? [`${nodePort}/${textAt(port, 'protocol')}`] : [];
  });
  const health = numberAt(service, 'spec', 'healthCheckNodePort');
  return { addresses, ports: health ? [...ports, `${health}/TCP`] : ports };
}

/** True when nobody holds the key any more. */
function count(counts: Map<string, number>, key: string, by: 1 | -1): boolean {
  const next = (counts.get(key) ?? 0) + by;
  if (next > 0) counts.set(key, next);
  else counts.delete(key);
  return next <= 0;
}
