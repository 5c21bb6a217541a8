// What the tables of a network must hold once everything is quiet, worked out the naive way: lists,
// loops and whole copies, one network at a time, every router choosing again until nobody changes.
// Done twice, one router after the other and all at once: where policies have no outcome, or several
// (RFC 4264), these do not end alike, and there is nothing that an engine could be held to.
// Written from RFC 4271 §9, RFC 1997, 4456, 5065, 7911, 8950, 9234 and the documented defaults of
// BIRD; it shares no code with the engine's RIB, its import and export rules or its policies.

import { familyOf } from '@rookery/net';
import type { IpAddress, Prefix } from '@rookery/net';
import { choose } from './oracle-choice.ts';
import type { HeldRoute, Neighborship, Outcome, SentRoute } from './oracle-choice.ts';
import { publicAsOf } from './plan.ts';
import type { EndPlan, NetworkPlan, RouterPlan, Rule } from './plan.ts';

export type OracleResult =
  | {
      readonly kind: 'stable';
      /** Per router index, per network. */
      readonly tables: readonly ReadonlyMap<Prefix, Outcome>[];
      /** Per session name and index of the sending end: what it was told, per network. */
      readonly sent: ReadonlyMap<string, ReadonlyMap<Prefix, readonly SentRoute[]>>;
    }
  | { readonly kind: 'no stable outcome'; readonly net: Prefix };

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

const NO_EXPORT = 0xffffff01;
const NO_ADVERTISE = 0xffffff02;
const NO_EXPORT_SUBCONFED = 0xffffff03;

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
      for (const side of [0, 1] as const) {
        const [own, peer] = [session.ends[side], session.ends[1 - side]!];
        const router = plan.routers[peer.router]!;
        this.#neighbors[own.router]!.push({ session, own, peer, side, router });
        this.sent.set(`${session.name} ${side}`, new Map());
      }
    }
    for (const { addresses, segment } of plan.routers.flatMap((router) => router.ports)) {
      for (const address of Object.values(addresses)) this.#segments.set(address, segment);
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
        this.tables[index]!.set(net, choose(routers[index]!, this.#heldBy(index, net)));
      }
      waiting = new Set([...rest, ...acting.flatMap((index) => this.#speak(index, net))]);
    }
    return true;
  }

  /** What a router holds, by what its neighbors told it last. */
  #heldBy(index: number, net: Prefix): HeldRoute[] {
    const router = this.#plan.routers[index]!;
    const held: HeldRoute[] = router.origins.has(net) ? [ORIGINATED] : [];
    for (const neighbor of this.#neighbors[index]!) {
      const key = `${neighbor.session.name} ${1 - neighbor.side}`;
      for (const route of this.sent.get(key)!.get(net) ?? []) {
        const arrived = receive(net, route, neighbor, router);
        const usable = arrived && this.#reaches(router, arrived.nextHop!);
        if (usable) held.push(arrived);
      }
    }
    return held;
  }

  /** The next hop is somebody else, on a link of ours. */
  #reaches({ ports }: RouterPlan, hop: IpAddress): boolean {
    if (ports.some(({ addresses }) => Object.values(addresses).includes(hop))) return false;
    return ports.some(({ segment }) => segment === this.#segments.get(hop));
  }

  /** Tells the neighbors of a router what it chose; returns those for whom that is news. */
  #speak(index: number, net: Prefix): number[] {
    const router = this.#plan.routers[index]!;
    const { held, best } = this.tables[index]!.get(net)!;
    const informed: number[] = [];
    for (const neighbor of this.#neighbors[index]!) {
      const { session, own, peer, side } = neighbor;
      const several = own.sendsPaths && peer.takesPaths;
      const offered = several ? held.filter((r) => !r.filtered) : best.slice(0, 1);
      const routes = offered.flatMap((route) => this.#tell(net, route, neighbor, router) ?? []);
      const sent = this.sent.get(`${session.name} ${side}`)!;
      if (JSON.stringify(sent.get(net) ?? []) === JSON.stringify(routes)) continue;
      sent.set(net, routes);
      informed.push(peer.router);
    }
    return informed;
  }

  /** A route in the words of the neighbor; `undefined` when it is not for them. */
  #tell(
    net: Prefix,
    held: HeldRoute,
    { session, own, side }: Neighborship,
    router: RouterPlan,
  ): SentRoute | undefined {
    const { via } = held;
    if (via?.session === session) return undefined;
    const { kind } = session;
    const reflected = via?.session.kind === 'internal';
    if (kind === 'internal' && reflected && !own.rrClient && !via.own.rrClient) return undefined;
    if (held.communities.includes(NO_ADVERTISE)) return undefined;
    if (kind === 'external' && held.communities.includes(NO_EXPORT)) return undefined;
    if (kind !== 'internal' && held.communities.includes(NO_EXPORT_SUBCONFED)) return undefined;
    // RFC 9234 §5, 2: what is only for customers.
    const relation = session.roles ? session.relations[side] : undefined;
    if (held.otc !== undefined && relation && relation !== 'customer') return undefined;
    const result = follow(net, held, own.exportRules);
    if (!result) return undefined;
    const { asPath, members, origin, localPref, med, communities, nextHop, otc } = result.route;
    const ownHop = ownHopFor(net, own);
    if (kind !== 'external') {
      const within = kind === 'internal' && reflected;
      return {
        asPath,
        members: kind === 'member' ? [router.asn, ...members] : members,
        origin,
        localPref: localPref ?? 100,
        med,
        communities,
        nextHop: reflected ? nextHop : ownHop,
        originator: within ? (held.originator ?? via.router.routerId) : undefined,
        clusters: within ? [router.clusterId ?? router.routerId, ...held.clusters] : [],
        otc,
      };
    }
    // The third party on a shared link is nearer than we are.
    const shared = nextHop !== undefined && this.#segments.get(nextHop) === session.segment;
    return {
      asPath: own.rsClient ? asPath : [publicAsOf(router), ...asPath],
      members: [],
      origin,
      localPref: undefined,
      // A metric goes to another AS when the export policy set it, or through a route server.
      med: result.setsMed || own.rsClient ? med : undefined,
      communities,
      nextHop: shared ? nextHop : ownHop,
      originator: undefined,
      clusters: [],
      // RFC 9234 §5, 1.
      otc: otc ?? (relation && relation !== 'provider' ? publicAsOf(router) : undefined),
    };
  }
}

/** What a route that arrives becomes; `undefined` when it is refused before any policy. */
function receive(
  net: Prefix,
  route: SentRoute,
  via: Neighborship,
  router: RouterPlan,
): HeldRoute | undefined {
  const own = [...route.members, ...route.asPath].filter(
    (asn) => asn === router.asn || asn === router.confederation,
  );
  if (own.length > router.allowLocalAs) return undefined;
  const { kind, roles, relations } = via.session;
  if (kind === 'internal') {
    if (route.originator === router.routerId) return undefined;
    if (route.clusters.includes(router.clusterId ?? router.routerId)) return undefined;
  }
  let { otc } = route;
  const relation = roles ? relations[via.side] : undefined;
  if (relation) {
    // RFC 9234 §5: a leak, or the first to say that this is only for customers.
    const from = publicAsOf(via.router);
    if (otc !== undefined && relation === 'customer') return undefined;
    if (otc !== undefined && relation === 'peer' && otc !== from) return undefined;
    if (relation !== 'customer') otc ??= from;
  }
  const localPref = kind === 'external' ? 100 : route.localPref;
  const arrived = { ...route, localPref, otc };
  const result = follow(net, arrived, via.own.importRules);
  return { ...(result?.route ?? arrived), via, filtered: result === undefined };
}

/** IPv4 networks go through IPv6 neighbors where there is nothing else (RFC 8950). */
function ownHopFor(net: Prefix, { addresses }: EndPlan): IpAddress {
  return (addresses[familyOf(net)] ?? addresses.ipv6)!;
}

const ORIGINATED: HeldRoute = {
  asPath: [],
  members: [],
  origin: 0,
  localPref: undefined,
  med: undefined,
  communities: [],
  nextHop: undefined,
  originator: undefined,
  clusters: [],
  otc: undefined,
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
    switch (action.kind) {
      case 'reject':
        return undefined;
      case 'localPref':
        route = { ...route, localPref: action.value };
        break;
      case 'med':
        route = { ...route, med: action.value };
        setsMed = true;
        break;
      case 'raiseMed':
        route = { ...route, med: (route.med ?? 0) + action.value };
        setsMed = true;
        break;
      case 'origin':
        route = { ...route, origin: action.value };
        break;
      case 'tag': {
        const others = route.communities.filter((c) => c !== action.value);
        route = { ...route, communities: [...others, action.value] };
        break;
      }
      case 'untag': {
        const left = route.communities.filter((c) => !action.communities.includes(c));
        route = { ...route, communities: left };
        break;
      }
      case 'prepend': {
        const more: number[] = Array.from({ length: action.times }, () => action.asn);
        route = { ...route, asPath: [...more, ...route.asPath] };
        break;
      }
    }
  }
  return { route, setsMed };
}
