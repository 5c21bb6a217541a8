// What the tables of a network must hold once everything is quiet, worked out the naive way: lists,
// loops and whole copies, one network at a time, every router choosing again until nobody changes.
// Done twice, one router after the other and all at once: where policies have no outcome, or several
// (RFC 4264), these do not end alike, and there is nothing that an engine could be held to.
// Written from RFC 4271 §9, RFC 4456 §8-§9, RFC 7911 and the documented defaults of BIRD (bird.md
// §7); it shares no code with the engine's RIB, its import and export rules or its policies.

import { compareAddresses } from '@rookery/net';
import type { IpAddress, Prefix } from '@rookery/net';
import type { EndPlan, NetworkPlan, RouterPlan, Rule, SessionPlan } from './plan.ts';

/** A route as it travels. */
export interface SentRoute {
  readonly asPath: readonly number[];
  readonly localPref: number | undefined;
  readonly med: number | undefined;
  readonly communities: readonly number[];
  readonly nextHop: IpAddress | undefined;
  readonly originator: IpAddress | undefined;
  readonly clusters: readonly IpAddress[];
}

/** A route in the table of a router. */
export interface HeldRoute extends SentRoute {
  /** `undefined` for an origin of its own. */
  readonly via: Neighborship | undefined;
  readonly filtered: boolean;
}

export interface Outcome {
  readonly held: readonly HeldRoute[];
  /** Usually one; several when their order is not defined (paths of one peer, equal in all else). */
  readonly best: readonly HeldRoute[];
  /** What the kernel shares traffic among, when it may. */
  readonly equal: readonly HeldRoute[];
}

export type OracleResult =
  | {
      readonly kind: 'stable';
      /** Per router index, per network. */
      readonly tables: readonly ReadonlyMap<Prefix, Outcome>[];
      /** Per session name and index of the sending end: what it was told, per network. */
      readonly sent: ReadonlyMap<string, ReadonlyMap<Prefix, readonly SentRoute[]>>;
    }
  | { readonly kind: 'no stable outcome'; readonly net: Prefix };

export interface Neighborship {
  readonly session: SessionPlan;
  readonly own: EndPlan;
  readonly peer: EndPlan;
  readonly ownIndex: 0 | 1;
}

export function expectedTables(plan: NetworkPlan): OracleResult {
  const inTurn = new Solver(plan);
  const atOnce = new Solver(plan);
  for (const net of plan.nets) {
    const ends = inTurn.settle(net, 'in turn') && atOnce.settle(net, 'at once');
    if (!ends || !sameOutcome(inTurn, atOnce, net)) return { kind: 'no stable outcome', net };
  }
  return { kind: 'stable', tables: inTurn.tables, sent: inTurn.sent };
}

function sameOutcome(a: Solver, b: Solver, net: Prefix): boolean {
  return [...a.sent].every(
    ([key, routes]) =>
      JSON.stringify(routes.get(net) ?? []) === JSON.stringify(b.sent.get(key)!.get(net) ?? []),
  );
}

class Solver {
  readonly tables: Map<Prefix, Outcome>[];
  readonly sent = new Map<string, Map<Prefix, readonly SentRoute[]>>();
  readonly #plan: NetworkPlan;
  readonly #neighbors: Neighborship[][];
  readonly #segments = new Map<IpAddress, string>();

  constructor(plan: NetworkPlan) {
    this.#plan = plan;
    this.tables = plan.routers.map(() => new Map());
    this.#neighbors = plan.routers.map(() => []);
    for (const session of plan.sessions) {
      const [a, b] = session.ends;
      this.#neighbors[a.router]!.push({ session, own: a, peer: b, ownIndex: 0 });
      this.#neighbors[b.router]!.push({ session, own: b, peer: a, ownIndex: 1 });
      for (const end of [0, 1]) this.sent.set(`${session.name} ${end}`, new Map());
    }
    for (const router of plan.routers) {
      for (const port of router.ports) this.#segments.set(port.address, port.segment);
    }
  }

  /** Lets every router choose and tell until nobody has news; false when that does not end. */
  settle(net: Prefix, order: 'in turn' | 'at once'): boolean {
    const routers = this.#plan.routers;
    let waiting = new Set(routers.filter((r) => r.origins.has(net)).map((r) => r.index));
    let turns = 200 * routers.length + 1000;
    while (waiting.size > 0) {
      const acting = order === 'in turn' ? [...waiting].slice(0, 1) : [...waiting];
      turns -= acting.length;
      if (turns < 0) return false;
      const rest = [...waiting].slice(acting.length);
      for (const index of acting) {
        this.tables[index]!.set(net, this.#choose(routers[index]!, this.#heldBy(index, net)));
      }
      waiting = new Set([...rest, ...acting.flatMap((index) => this.#speak(index, net))]);
    }
    return true;
  }

  /** What a router holds, by what its neighbors told it last. */
  #heldBy(index: number, net: Prefix): HeldRoute[] {
    const router = this.#plan.routers[index]!;
    const held: HeldRoute[] = router.origins.has(net) ? [ORIGIN] : [];
    for (const neighbor of this.#neighbors[index]!) {
      const key = `${neighbor.session.name} ${1 - neighbor.ownIndex}`;
      for (const route of this.sent.get(key)!.get(net) ?? []) {
        const arrived = this.#receive(net, route, neighbor, router);
        if (arrived) held.push(arrived);
      }
    }
    return held;
  }

  /** Tells the neighbors of a router what it chose; returns those for whom that is news. */
  #speak(index: number, net: Prefix): number[] {
    const { held, best } = this.tables[index]!.get(net)!;
    const informed: number[] = [];
    for (const neighbor of this.#neighbors[index]!) {
      const { session, own, peer, ownIndex } = neighbor;
      const several = own.sendsPaths && peer.takesPaths;
      const offered = several ? held.filter((r) => !r.filtered) : best.slice(0, 1);
      const routes = offered.flatMap(
        (r) => this.#tell(net, r, neighbor, this.#plan.routers[index]!) ?? [],
      );
      const sent = this.sent.get(`${session.name} ${ownIndex}`)!;
      if (JSON.stringify(sent.get(net) ?? []) === JSON.stringify(routes)) continue;
      sent.set(net, routes);
      informed.push(peer.router);
    }
    return informed;
  }

  /** What a route that arrives becomes; `undefined` when it is refused before any policy. */
  #receive(
    net: Prefix,
    route: SentRoute,
    via: Neighborship,
    router: RouterPlan,
  ): HeldRoute | undefined {
    if (route.asPath.includes(router.asn)) return undefined;
    if (via.session.internal) {
      if (route.originator === router.routerId) return undefined;
      if (route.clusters.includes(router.clusterId ?? router.routerId)) return undefined;
    }
    const hop = route.nextHop!;
    if (router.ports.some((port) => port.address === hop)) return undefined;
    if (!router.ports.some((port) => port.segment === this.#segments.get(hop))) return undefined;
    const localPref = via.session.internal ? route.localPref : 100;
    const arrived = { ...route, localPref };
    const result = follow(net, arrived, via.own.importRules);
    return { ...(result?.route ?? arrived), via, filtered: result === undefined };
  }

  /** A route in the words of the neighbor; `undefined` when it is not for them. */
  #tell(
    net: Prefix,
    held: HeldRoute,
    { session, own }: Neighborship,
    router: RouterPlan,
  ): SentRoute | undefined {
    const { via } = held;
    if (via?.session === session) return undefined;
    const reflected = via?.session.internal ?? false;
    if (session.internal && reflected && !own.rrClient && !via?.own.rrClient) return undefined;
    const result = follow(net, held, own.exportRules);
    if (!result) return undefined;
    const { asPath, localPref, med, communities, nextHop, originator, clusters } = result.route;
    if (session.internal) {
      return {
        asPath,
        localPref: localPref ?? 100,
        med,
        communities,
        nextHop: reflected ? nextHop : own.address,
        originator: reflected ? (originator ?? this.#routerIdBehind(via!)) : undefined,
        clusters: reflected ? [router.clusterId ?? router.routerId, ...clusters] : [],
      };
    }
    // The third party on a shared link is nearer than we are.
    const shared = nextHop !== undefined && this.#segments.get(nextHop) === session.segment;
    return {
      asPath: own.rsClient ? asPath : [router.asn, ...asPath],
      localPref: undefined,
      // A metric goes to another AS when the export policy set it, or through a route server.
      med: result.setsMed || own.rsClient ? med : undefined,
      communities,
      nextHop: shared ? nextHop : own.address,
      originator: undefined,
      clusters: [],
    };
  }

  #choose(router: RouterPlan, held: readonly HeldRoute[]): Outcome {
    const usable = held.filter((route) => !route.filtered);
    const origin = usable.find((route) => route.via === undefined);
    if (origin) return { held, best: [origin], equal: [origin] };
    const always = router.med === 'always';
    // Deterministic: who loses among the routes through one neighbor AS is out.
    const finalists = always
      ? usable
      : usable.filter(
          (a) =>
            !usable.some(
              (b) => b.asPath[0] === a.asPath[0] && this.#compare(b, a, always, 'all') < 0,
            ),
        );
    const best = finalists.filter(
      (a) => !finalists.some((b) => this.#compare(b, a, always, 'all') < 0),
    );
    const first = best[0];
    const beaten = (a: HeldRoute): boolean =>
      usable.some((b) => b.asPath[0] === a.asPath[0] && this.#compare(b, a, always, 'merit') < 0);
    const equal = first
      ? usable.filter((a) => !beaten(a) && this.#compare(a, first, always, 'merit') === 0)
      : [];
    return { held, best, equal };
  }

  /** Negative when `a` is better. `merit` ends where routes may share traffic. */
  #compare(a: HeldRoute, b: HeldRoute, medAlways: boolean, upTo: 'merit' | 'all'): number {
    const steps: number[] = [
      (b.localPref ?? 100) - (a.localPref ?? 100),
      a.asPath.length - b.asPath.length,
      medAlways || a.asPath[0] === b.asPath[0] ? (a.med ?? 0) - (b.med ?? 0) : 0,
      Number(a.via!.session.internal) - Number(b.via!.session.internal),
    ];
    if (upTo === 'all') {
      steps.push(
        compareAddresses(this.#originatorOf(a), this.#originatorOf(b)),
        a.clusters.length - b.clusters.length,
        compareAddresses(a.via!.peer.address, b.via!.peer.address),
      );
    }
    return steps.find((step) => step !== 0) ?? 0;
  }

  #originatorOf(route: HeldRoute): IpAddress {
    return route.originator ?? this.#routerIdBehind(route.via!);
  }

  #routerIdBehind(via: { readonly peer: EndPlan }): IpAddress {
    return this.#plan.routers[via.peer.router]!.routerId;
  }
}

const ORIGIN: HeldRoute = {
  asPath: [],
  localPref: undefined,
  med: undefined,
  communities: [],
  nextHop: undefined,
  originator: undefined,
  clusters: [],
  via: undefined,
  filtered: false,
};

/** Runs rules; `undefined` when one of them rejects. */
function follow<R extends SentRoute>(
  net: Prefix,
  start: R,
  rules: readonly Rule[],
): { route: R; setsMed: boolean } | undefined {
  let route = start;
  let setsMed = false;
  for (const { when, action } of rules) {
    if (when.nets && !when.nets.includes(net)) continue;
    if (when.communities && !when.communities.some((c) => route.communities.includes(c))) continue;
    if (action.kind === 'reject') return undefined;
    if (action.kind === 'localPref') route = { ...route, localPref: action.value };
    if (action.kind === 'med') {
      route = { ...route, med: action.value };
      setsMed = true;
    }
    if (action.kind === 'tag') {
      const others = route.communities.filter((c) => c !== action.value);
      route = { ...route, communities: [...others, action.value] };
    }
    if (action.kind === 'untag') {
      const left = route.communities.filter((c) => !action.communities.includes(c));
      route = { ...route, communities: left };
    }
    if (action.kind === 'prepend') {
      const more: number[] = Array.from({ length: action.times }, () => action.asn);
      route = { ...route, asPath: [...more, ...route.asPath] };
    }
  }
  return { route, setsMed };
}
