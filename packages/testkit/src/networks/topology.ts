// Draws a network from a seed: who is there, who talks to whom, with which policies. Every network
// has exactly one outcome, by construction. Between ASes a route gets strictly worse on each way
// round: its AS path grows, and local preference follows business relations whose class never
// improves from hop to hop (Gao and Rexford; within a class it is free). Inside an AS all compare
// alike down to MED, each has a session with the same reflectors or with everybody, and with each
// hop inside a confederation MED grows. MED is compared always, or without sessions inside an AS in
// groups per neighbor AS, or it is not there; the order of paths is total in each case.

import type { Prefix } from '@rookery/net';
import { Draw } from './draw.ts';
import { familiesOf } from './plan.ts';
import type {
  Addressing,
  EndPlan,
  NetworkPlan,
  Relation,
  RouterPlan,
  SessionPlan,
  Shape,
} from './plan.ts';
import { HOP_INSIDE, drawRules, memberRules } from './rules.ts';
import type { RulePair } from './rules.ts';

const SHAPES: readonly Shape[] = [
  'tree',
  'ring',
  'random',
  'hierarchy',
  'hierarchy',
  'route server',
  'leaf-spine',
];
const ADDRESSINGS: readonly Addressing[] = ['ipv4', 'ipv4', 'ipv6', 'dual', 'ipv4 over ipv6'];

export function drawNetwork(seed: number): NetworkPlan {
  const draw = new Draw(seed);
  const size = drawSize(seed, draw);
  const builder = new Builder(draw, draw.pick(SHAPES), draw.pick(ADDRESSINGS));
  return { seed, debug: [], ...builder.build(size) };
}

/** Most networks are small, each twentieth has dozens of routers, each hundredth up to 200. */
function drawSize(seed: number, draw: Draw): number {
  if (seed % 200 === 0) return draw.between(121, 200);
  if (seed % 100 === 0) return draw.between(61, 120);
  if (seed % 20 === 0) return draw.between(12, 60);
  return draw.between(2, 11);
}

class Builder {
  readonly #draw: Draw;
  readonly #shape: Shape;
  readonly #addressing: Addressing;
  readonly #routers: RouterPlan[] = [];
  readonly #sessions: SessionPlan[] = [];
  readonly #med: RouterPlan['med'];
  /** Where AS numbers begin: some need four octets. */
  readonly #firstAs: number;
  readonly #nets: Prefix[] = [];
  #segments = 0;

  constructor(draw: Draw, shape: Shape, addressing: Addressing) {
    this.#draw = draw;
    this.#shape = shape;
    this.#addressing = addressing;
    this.#med = draw.pick(['always', 'always', 'deterministic', 'unset']);
    this.#firstAs = draw.chance(0.3) ? 4_200_000_000 : 65_000;
  }

  build(size: number): Omit<NetworkPlan, 'seed' | 'debug'> {
    const shared = this.#drawNets(size);
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
    this.#originate(shared);
    return {
      shape: this.#shape,
      addressing: this.#addressing,
      routers: this.#routers,
      sessions: this.#sessions,
      nets: this.#nets,
    };
  }

  /** Draws networks; returns how many of them, the last ones, have several origins. */
  #drawNets(size: number): number {
    const draw = this.#draw;
    // Some tables are larger than a slice of work, and than one message.
    const crowded = size <= 5 && draw.chance(0.06);
    const own = crowded ? draw.between(300, 600) : size > 60 ? 20 : draw.between(2, 16);
    const shared = draw.between(1, 4);
    const families = familiesOf({ addressing: this.#addressing });
    const v6 = (): boolean => draw.pick(families) === 'ipv6';
    for (let i = 1; i <= own; i++) {
      this.#nets.push(
        v6() ? `fd00:0:0:${i.toString(16)}::/64` : `172.${16 + (i >> 8)}.${i & 255}.0/24`,
      );
    }
    for (let i = 1; i <= shared; i++)
      this.#nets.push(v6() ? `fd01::${i}/128` : `203.0.113.${i}/32`);
    return shared;
  }

  #originate(shared: number): void {
    const draw = this.#draw;
    this.#nets.forEach((net, i) => {
      const holders = i >= this.#nets.length - shared ? draw.between(2, 4) : 1;
      for (const router of draw.sample(this.#routers, holders)) router.origins.add(net);
    });
  }

  #addRouter(asn: number, change: Partial<RouterPlan> = {}): RouterPlan {
    const draw = this.#draw;
    const index = this.#routers.length;
    const router: RouterPlan = {
      index,
      asn,
      confederation: undefined,
      allowLocalAs: 0,
      // Not in the order of the indexes: ties are to fall on either side.
      routerId: `10.255.${draw.between(0, 255)}.${index + 1}`,
      ports: [],
      origins: new Set(),
      med: this.#med,
      clusterId: undefined,
      extendedMessages: draw.chance(0.3),
      enhancedRefresh: draw.chance(0.7),
      mergePaths: draw.chance(0.4),
      ...change,
    };
    this.#routers.push(router);
    return router;
  }

  #addSegment(routers: readonly RouterPlan[]): string {
    const n = ++this.#segments;
    const segment = `net${n}`;
    const v4 = this.#addressing === 'ipv4' || this.#addressing === 'dual';
    const v6 = this.#addressing !== 'ipv4';
    routers.forEach((router, i) => {
      const k = router.ports.length;
      const host = i + 1;
      router.ports.push({
        interface: `e${k}`,
        ifindex: 2 + k,
        segment,
        addresses: {
          ...(v4 ? { ipv4: `10.${n >> 8}.${n & 255}.${host}` } : {}),
          ...(v6 ? { ipv6: `2001:db8:${n.toString(16)}::${host.toString(16)}` } : {}),
        },
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
    const passive = draw.chance(0.2) ? draw.between(0, 1) : -1;
    const { addresses } = a.ports.find((port) => port.segment === segment)!;
    const member = a.confederation !== undefined && a.confederation === b.confederation;
    this.#sessions.push({
      name: `s${this.#sessions.length}`,
      segment,
      kind: a.asn === b.asn ? 'internal' : member ? 'member' : 'external',
      transport: draw.pick((['ipv4', 'ipv6'] as const).filter((family) => family in addresses)),
      manyPaths: change.some((c) => c.sendsPaths === true),
      relations,
      roles: draw.chance(0.5),
      ends: [
        { ...this.#drawEnd(a, segment), passive: passive === 0, ...change[0] },
        { ...this.#drawEnd(b, segment), passive: passive === 1, ...change[1] },
      ],
    });
  }

  #drawEnd(router: RouterPlan, segment: string): Omit<EndPlan, 'passive'> {
    const draw = this.#draw;
    const port = router.ports.find((p) => p.segment === segment)!;
    return {
      router: router.index,
      addresses: port.addresses,
      interface: port.interface,
      rrClient: false,
      rsClient: false,
      keepFiltered: draw.chance(0.3),
      importTable: draw.chance(0.2),
      exportTable: draw.chance(0.2),
      gracefulRestart: draw.pick(['off', 'aware', 'on']),
      longLived: draw.pick(['off', 'aware', 'on']),
      sendsPaths: false,
      takesPaths: false,
      holdTimeSec: draw.pick(this.#routers.length > 20 ? [90, 240] : [9, 30, 90]),
      importRules: [],
      exportRules: [],
    };
  }

  /** Trees, rings, random graphs and hierarchies of ASes, some of them with several routers. */
  #internet(size: number): void {
    const draw = this.#draw;
    const sites: RouterPlan[][] = [];
    while (this.#routers.length < size) {
      const large = this.#med !== 'deterministic' && draw.chance(0.3);
      const count = Math.min(large ? draw.between(2, 6) : 1, size - this.#routers.length);
      sites.push(this.#site(this.#firstAs + sites.length, count));
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

  /** The routers of one AS on one link: alone, all with all, with reflectors, or a confederation. */
  #site(asn: number, count: number): RouterPlan[] {
    const draw = this.#draw;
    const form = count > 2 ? draw.pick(['mesh', 'reflectors', 'confederation']) : 'mesh';
    if (form === 'confederation' && this.#med === 'always') return this.#confederation(asn, count);
    const reflectors = form === 'reflectors' ? draw.between(1, 2) : 0;
    const clusterId = draw.chance(0.5) ? `10.254.0.${draw.between(1, 250)}` : undefined;
    const routers: RouterPlan[] = [];
    for (let i = 0; i < count; i++) {
      routers.push(this.#addRouter(asn, i < reflectors ? { clusterId } : {}));
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

  /** Members of one or two routers, linked as a tree and here and there once more. */
  #confederation(confederation: number, count: number): RouterPlan[] {
    const draw = this.#draw;
    const members: RouterPlan[][] = [];
    for (let left = count; left > 0; left -= members.at(-1)!.length) {
      const asn = 64_000 + this.#routers.length;
      const routers = [this.#addRouter(asn, { confederation })];
      // At least two members.
      if (left > 1 && (left > 2 || members.length > 0) && draw.chance(0.4)) {
        routers.push(this.#addRouter(asn, { confederation }));
      }
      members.push(routers);
    }
    const segment = this.#addSegment(members.flat());
    const worse = [{ importRules: HOP_INSIDE }, { importRules: HOP_INSIDE }] as const;
    const cross = (a: number, b: number): void =>
      this.#connect(segment, draw.pick(members[a]!), draw.pick(members[b]!), worse);
    let parent = 0;
    members.forEach(([first, second], i) => {
      if (second) this.#connect(segment, first!, second, worse);
      if (i === 0) return;
      parent = draw.between(0, i - 1);
      cross(parent, i);
    });
    if (parent > 0 && draw.chance(0.5)) cross(0, members.length - 1);
    return members.flat();
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
    return drawRules(this.#draw, this.#nets, router, relation);
  }

  /** Members around a route server on one link; some have an AS behind them. */
  #routeServer(size: number): void {
    const draw = this.#draw;
    const server = this.#addRouter(64_999);
    const members: RouterPlan[] = [];
    for (let i = 1; i < size; i++) members.push(this.#addRouter(this.#firstAs + i));
    const behind = size > 3 ? members.splice(0, Math.floor(members.length / 3)) : [];
    const segment = this.#addSegment([server, ...members]);
    const hosts = new Map(behind.map((router) => [router, draw.pick(members)]));
    const transit = new Set(hosts.values());
    for (const member of members) {
      // Who chooses among several paths of equal rank must not pass its choice on.
      const paths = !transit.has(member) && draw.chance(0.5);
      this.#connect(segment, server, member, [
        { ...this.#rules(server), rsClient: true, sendsPaths: paths },
        { takesPaths: paths, ...memberRules(this.#rules(member)) },
      ]);
    }
    for (const [router, host] of hosts) {
      const link = this.#addSegment([host, router]);
      this.#connect(link, host, router, [this.#rules(host), this.#rules(router)]);
    }
  }

  /** Two levels: every leaf has a session with every spine; the spines, or the leaves, are one AS. */
  #leafSpine(size: number): void {
    const spines = Math.max(1, Math.min(size > 60 ? 2 : 4, Math.floor(size / 3)));
    const together = this.#draw.pick(['spines', 'leaves', 'nobody']);
    for (let i = 0; i < size; i++) {
      const alike = (i < spines ? 'spines' : 'leaves') === together;
      // RFC 7938 §5.2.1: leaves of one AS have to take each other's routes.
      const allowLocalAs = alike && together === 'leaves' ? 1 : 0;
      this.#addRouter(this.#firstAs + (alike ? 900 : i), { allowLocalAs });
    }
    for (const leaf of this.#routers.slice(spines)) {
      for (const spine of this.#routers.slice(0, spines)) {
        const segment = this.#addSegment([spine, leaf]);
        this.#connect(segment, spine, leaf, [this.#rules(spine), this.#rules(leaf)]);
      }
    }
  }
}
