// Draws a network from a seed: who is there, who talks to whom, with which policies. Every network
// has exactly one stable outcome, by construction: a route gets strictly worse on each way round
// (its AS path grows; local preference follows business relations, whose class never improves from
// hop to hop), so no dispute wheel can form. MED is compared either always or, without internal
// sessions, in groups per neighbor AS; the order of paths is total in both cases.

import type { Family, Prefix } from '@rookery/net';
import { Draw } from './draw.ts';
import type {
  EndPlan,
  NetworkPlan,
  Relation,
  RouterPlan,
  Rule,
  SessionPlan,
  Shape,
} from './plan.ts';

const SHAPES: readonly Shape[] = [
  'tree',
  'ring',
  'random',
  'hierarchy',
  'hierarchy',
  'route server',
  'leaf-spine',
];
/** Communities that a hierarchy marks routes with: from a customer, a peer, a provider. */
const RELATION = { customer: 0xfc000001, peer: 0xfc000002, provider: 0xfc000003 } as const;
const RELATIONS = Object.values(RELATION);
/**
 * Below 100, which routes of the own AS have inside it: two ASes that preferred each other's way to
 * a network of their own would have two outcomes, and swap them for ever when they act at once.
 */
const PREFERENCE = { customer: 90, peer: 80, provider: 50 } as const;
const FROM_ROUTE_SERVER = 0xfc000009;
const COLOURS = [0xfbf00001, 0xfbf00002, 0xfbf00003] as const;

export function drawNetwork(seed: number): NetworkPlan {
  const draw = new Draw(seed);
  const shape = draw.pick(SHAPES);
  const size = drawSize(seed, draw);
  return new Builder(seed, draw, shape, draw.chance(0.25) ? 'ipv6' : 'ipv4').build(size);
}

/** Most networks are small, each twentieth has some dozen routers, each hundredth 100 to 200. */
function drawSize(seed: number, draw: Draw): number {
  if (seed % 100 === 0) return draw.between(100, 200);
  if (seed % 20 === 0) return draw.between(25, 60);
  return draw.between(2, 11);
}

class Builder {
  readonly #seed: number;
  readonly #draw: Draw;
  readonly #shape: Shape;
  readonly #family: Family;
  readonly #routers: RouterPlan[] = [];
  readonly #sessions: SessionPlan[] = [];
  readonly #med: RouterPlan['med'];
  #nets: Prefix[] = [];
  #segments = 0;

  constructor(seed: number, draw: Draw, shape: Shape, family: Family) {
    this.#seed = seed;
    this.#draw = draw;
    this.#shape = shape;
    this.#family = family;
    this.#med = shape === 'leaf-spine' || draw.chance(0.4) ? 'deterministic' : 'always';
  }

  build(size: number): NetworkPlan {
    this.#drawNets(size);
    switch (this.#shape) {
      case 'route server':
        this.#routeServer(size);
        break;
      case 'leaf-spine':
        this.#leafSpine(size);
        break;
      default:
        this.#internet(size);
    }
    this.#originate();
    return {
      seed: this.#seed,
      shape: this.#shape,
      family: this.#family,
      routers: this.#routers,
      sessions: this.#sessions,
      nets: this.#nets,
      debug: [],
    };
  }

  #drawNets(size: number): void {
    const v6 = this.#family === 'ipv6';
    const own = size > 60 ? 20 : size > 20 ? 24 : this.#draw.between(2, 16);
    const shared = this.#draw.between(1, 4);
    for (let i = 1; i <= own; i++) {
      this.#nets.push(v6 ? `fd00:0:0:${i.toString(16)}::/64` : `192.168.${i}.0/24`);
    }
    for (let i = 1; i <= shared; i++) {
      this.#nets.push(v6 ? `fd01::${i}/128` : `203.0.113.${i}/32`);
    }
    this.#shared = shared;
  }

  #shared = 0;

  #originate(): void {
    const draw = this.#draw;
    const all = this.#nets;
    all.forEach((net, i) => {
      const holders = i >= all.length - this.#shared ? draw.between(2, 4) : 1;
      for (const router of draw.sample(this.#routers, holders)) router.origins.add(net);
    });
  }

  #addRouter(asn: number, clusterId?: string): RouterPlan {
    const index = this.#routers.length;
    const n = index + 1;
    const router: RouterPlan = {
      index,
      asn,
      // Not in the order of the indexes: ties are to fall on either side.
      routerId: `10.255.${this.#draw.between(0, 255)}.${n}`,
      ports: [],
      origins: new Set(),
      med: this.#med,
      clusterId,
      mergePaths: this.#draw.chance(0.4),
    };
    this.#routers.push(router);
    return router;
  }

  #addSegment(routers: readonly RouterPlan[]): string {
    const n = ++this.#segments;
    const segment = `net${n}`;
    const v6 = this.#family === 'ipv6';
    routers.forEach((router, i) => {
      const k = router.ports.length;
      const host = i + 1;
      router.ports.push({
        interface: `e${k}`,
        ifindex: 2 + k,
        segment,
        address: v6
          ? `2001:db8:${n.toString(16)}::${host.toString(16)}`
          : `10.${n >> 8}.${n & 255}.${host}`,
        length: v6 ? 64 : 24,
      });
    });
    return segment;
  }

  #connect(
    segment: string,
    a: RouterPlan,
    b: RouterPlan,
    change: readonly [Partial<EndPlan>, Partial<EndPlan>] = [{}, {}],
    relations: SessionPlan['relations'] = [undefined, undefined],
  ): void {
    const draw = this.#draw;
    const large = this.#routers.length > 20;
    const passive = draw.chance(0.2) ? draw.between(0, 1) : -1;
    const internal = a.asn === b.asn;
    const end = (router: RouterPlan, i: number): EndPlan => {
      const port = router.ports.find((p) => p.segment === segment)!;
      return {
        router: router.index,
        address: port.address,
        interface: port.interface,
        passive: passive === i,
        rrClient: false,
        rsClient: false,
        keepFiltered: draw.chance(0.3),
        gracefulRestart: draw.pick(['off', 'aware', 'on']),
        sendsPaths: false,
        takesPaths: false,
        holdTimeSec: draw.pick(large ? [90, 240] : [9, 30, 90]),
        importRules: [],
        exportRules: [],
        ...change[i],
      };
    };
    this.#sessions.push({
      name: `s${this.#sessions.length}`,
      segment,
      internal,
      manyPaths: change.some((c) => c.sendsPaths === true),
      relations,
      ends: [end(a, 0), end(b, 1)],
    });
  }

  /** Trees, rings, random graphs and hierarchies of ASes, some of them with several routers. */
  #internet(size: number): void {
    const draw = this.#draw;
    const sites: RouterPlan[][] = [];
    while (this.#routers.length < size) {
      const asn = 65_000 + sites.length;
      const large = this.#med === 'always' && draw.chance(0.3);
      const count = Math.min(large ? draw.between(2, 6) : 1, size - this.#routers.length);
      sites.push(this.#site(asn, count));
    }
    const linked = new Set<string>();
    const link = (a: number, b: number): void => {
      linked.add(`${Math.min(a, b)} ${Math.max(a, b)}`);
      const times = draw.chance(0.15) ? 2 : 1;
      for (let i = 0; i < times; i++) this.#linkSites(sites[a]!, sites[b]!);
    };
    for (let i = 1; i < sites.length; i++) {
      link(this.#shape === 'ring' ? i - 1 : draw.between(Math.max(0, i - 12), i - 1), i);
    }
    const last = sites.length - 1;
    if (this.#shape === 'ring' && last > 1) link(0, last);
    if (this.#shape !== 'random' && this.#shape !== 'hierarchy') return;
    const more = Math.floor(sites.length * (size > 60 ? 0.3 : 0.8));
    for (let i = 0; i < more && last > 0; i++) {
      const a = draw.between(0, last - 1);
      const b = draw.between(a + 1, last);
      if (!linked.has(`${a} ${b}`)) link(a, b);
    }
  }

  /** The routers of one AS: alone, a full mesh, or clients of one or two reflectors. */
  #site(asn: number, count: number): RouterPlan[] {
    const draw = this.#draw;
    const reflectors = count > 2 && draw.chance(0.6) ? draw.between(1, Math.min(2, count - 1)) : 0;
    const cluster = draw.chance(0.5) ? `10.254.0.${draw.between(1, 250)}` : undefined;
    const routers: RouterPlan[] = [];
    for (let i = 0; i < count; i++) {
      routers.push(this.#addRouter(asn, i < reflectors ? cluster : undefined));
    }
    if (count === 1) return routers;
    const segment = this.#addSegment(routers);
    for (let i = 0; i < count; i++) {
      for (let j = i + 1; j < count; j++) {
        const client = i < reflectors && j >= reflectors;
        if (reflectors > 0 && !client && j >= reflectors) continue;
        const paths = client && draw.chance(0.3);
        this.#connect(segment, routers[i]!, routers[j]!, [
          { rrClient: client, sendsPaths: paths },
          { takesPaths: paths },
        ]);
      }
    }
    return routers;
  }

  #linkSites(a: readonly RouterPlan[], b: readonly RouterPlan[]): void {
    const draw = this.#draw;
    const [left, right] = [draw.pick(a), draw.pick(b)];
    const segment = this.#addSegment([left, right]);
    if (this.#shape !== 'hierarchy') {
      this.#connect(segment, left, right, [this.#rules(left), this.#rules(right)]);
      return;
    }
    // The older AS is the provider of the younger one, or they are peers.
    const peers = draw.chance(0.25);
    const relations = peers ? (['peer', 'peer'] as const) : (['customer', 'provider'] as const);
    this.#connect(
      segment,
      left,
      right,
      [this.#rules(left, relations[0]), this.#rules(right, relations[1])],
      relations,
    );
  }

  #rules(router: RouterPlan, relation?: Relation): RulePair {
    return drawRules(this.#draw, this.#nets, router.asn, relation);
  }

  /** Members around a route server on one link; some have an AS behind them. */
  #routeServer(size: number): void {
    const draw = this.#draw;
    const server = this.#addRouter(64_999);
    const members: RouterPlan[] = [];
    for (let i = 1; i < size; i++) members.push(this.#addRouter(65_000 + i));
    const behind = size > 3 ? members.splice(0, Math.floor(members.length / 3)) : [];
    const segment = this.#addSegment([server, ...members]);
    const hosts = new Map(behind.map((router) => [router, draw.pick(members)]));
    const transit = new Set(hosts.values());
    for (const member of members) {
      // Who chooses among several paths of equal rank must not pass its choice on.
      const paths = !transit.has(member) && draw.chance(0.5);
      const rules = this.#rules(member);
      this.#connect(segment, server, member, [
        { ...this.#rules(server), rsClient: true, sendsPaths: paths },
        {
          takesPaths: paths,
          ...memberRules(rules),
        },
      ]);
    }
    for (const [router, host] of hosts) {
      const link = this.#addSegment([host, router]);
      this.#connect(link, host, router, [this.#rules(host), this.#rules(router)]);
    }
  }

  /** Two levels: every leaf has a session with every spine, all spines are of one AS. */
  #leafSpine(size: number): void {
    const spines = Math.max(1, Math.min(size > 60 ? 2 : 4, Math.floor(size / 3)));
    const together = this.#draw.chance(0.5);
    for (let i = 0; i < size; i++) {
      this.#addRouter(i < spines && together ? 64_900 : 65_000 + i);
    }
    for (const leaf of this.#routers.slice(spines)) {
      for (const spine of this.#routers.slice(0, spines)) {
        const segment = this.#addSegment([spine, leaf]);
        this.#connect(segment, spine, leaf, [this.#rules(spine), this.#rules(leaf)]);
      }
    }
  }
}

/** New policies for one end of a session, of the kind that it has by its place in the network. */
export function redrawRules(
  draw: Draw,
  plan: NetworkPlan,
  session: SessionPlan,
  own: EndPlan,
): void {
  if (session.internal) return;
  const { asn } = plan.routers[own.router]!;
  const relation = session.relations[session.ends.indexOf(own)];
  const rules = drawRules(draw, plan.nets, asn, relation);
  const member = session.ends.some((end) => end.rsClient && end !== own);
  Object.assign(own, member ? memberRules(rules) : rules);
}

interface RulePair {
  readonly importRules: readonly Rule[];
  readonly exportRules: readonly Rule[];
}

/** A member tells the route server nothing that it has from there. */
function memberRules({ importRules, exportRules }: RulePair): RulePair {
  const tag: Rule = { when: {}, action: { kind: 'tag', value: FROM_ROUTE_SERVER } };
  const when = { communities: [FROM_ROUTE_SERVER] };
  return {
    importRules: [...importRules, tag],
    exportRules: [{ when, action: { kind: 'reject' } }, ...exportRules],
  };
}

/** Import and export rules of an external session, on top of those that its relation asks for. */
function drawRules(
  draw: Draw,
  nets: readonly Prefix[],
  asn: number,
  relation?: Relation,
): RulePair {
  const some = (): Prefix[] => draw.sample(nets, draw.between(1, 3));
  const importRules: Rule[] = [];
  const exportRules: Rule[] = [];
  if (draw.chance(0.12)) importRules.push({ when: { nets: some() }, action: { kind: 'reject' } });
  if (draw.chance(0.12)) exportRules.push({ when: { nets: some() }, action: { kind: 'reject' } });
  if (draw.chance(0.1)) {
    importRules.push({ when: { communities: [draw.pick(COLOURS)] }, action: { kind: 'reject' } });
  }
  if (draw.chance(0.15)) {
    const value = draw.pick(COLOURS);
    exportRules.push({ when: { nets: some() }, action: { kind: 'tag', value } });
  }
  if (draw.chance(0.1))
    importRules.push({ when: {}, action: { kind: 'med', value: asn + 0x10000 } });
  if (draw.chance(0.3)) {
    // Per AS, so that no router sets the very metric that it received: the engine does not tell
    // that from a metric that nobody set, and BIRD does.
    const value = asn + draw.pick([0, 0x20000, 0x40000]);
    const when = draw.chance(0.5) ? { nets: some() } : {};
    exportRules.push({ when, action: { kind: 'med', value } });
  }
  if (draw.chance(0.15)) {
    const when = draw.chance(0.5) ? { nets: some() } : {};
    exportRules.push({ when, action: { kind: 'prepend', asn, times: draw.between(1, 3) } });
  }
  if (relation === undefined) return { importRules, exportRules };
  const value = PREFERENCE[relation];
  importRules.push(
    { when: {}, action: { kind: 'untag', communities: RELATIONS } },
    { when: {}, action: { kind: 'tag', value: RELATION[relation] } },
    { when: {}, action: { kind: 'localPref', value } },
  );
  if (relation !== 'customer') {
    const communities = [RELATION.peer, RELATION.provider];
    exportRules.unshift({ when: { communities }, action: { kind: 'reject' } });
  }
  return { importRules, exportRules };
}
