// What the doctor is told: each end's own view, reduced to what a comparison needs, and the
// cluster's intent. Whoever gathers the facts (the lab, the command line) fills these from the
// daemons' control sockets and from the Kubernetes API; an end that does not answer says so.

import type { IpAddress, Prefix } from '@rookery/net';

export interface Facts {
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly router: EndFacts;
  readonly nodes: readonly EndFacts[];
  readonly services: readonly ServiceFacts[];
}

export interface EndFacts {
  readonly name: string;
  /** The address that the other end knows it by. */
  readonly address: IpAddress;
  /** False: its control socket did not answer, and everything below is empty. */
  readonly reachable: boolean;
  readonly routerId?: IpAddress;
  /** False when no device protocol runs, so the daemon knows no interface. */
  readonly knowsInterfaces: boolean;
  readonly sessions: readonly SessionFacts[];
  /** Host routes of services only: everything else is none of the doctor's business. */
  readonly routes: readonly RouteFacts[];
  /** Interfaces on which ICMP redirects are sent, with their networks. */
  readonly redirects: readonly {
    readonly interface: string;
    readonly networks: readonly Prefix[];
  }[];
}

export interface SessionFacts {
  /** The protocol's name in this end's configuration. */
  readonly protocol: string;
  readonly neighbor: IpAddress;
  readonly neighborAs: number;
  readonly localAs: number;
  /** RFC 4271's word. */
  readonly state: string;
  /** Unix milliseconds of the last change. */
  readonly sinceMs: number;
  /** Negotiated; 0 switches detection off. Absent before the first OPEN. */
  readonly holdTimeSec?: number;
  readonly holdRemainingSec?: number;
  readonly lastError?: string;
  readonly received: number;
  readonly sent: number;
  readonly bfd?: string;
}

export interface RouteFacts {
  readonly prefix: Prefix;
  /** Next hops of all usable paths in the table. */
  readonly paths: readonly IpAddress[];
  /** Next hops that the kernel uses. */
  readonly kernel: readonly IpAddress[];
}

export interface ServiceFacts {
  /** namespace/name. */
  readonly name: string;
  readonly pool?: string;
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly string[];
  readonly externalTrafficPolicy: 'Local' | 'Cluster';
  /** Ready endpoints by node name. */
  readonly endpoints: Readonly<Record<string, number>>;
  /** Nodes whose speaker announces it. */
  readonly announcedBy: readonly string[];
  /** Why it has no address, in the words of the controller's event. */
  readonly allocationError?: string;
}
