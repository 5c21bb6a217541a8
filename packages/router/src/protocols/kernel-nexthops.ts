// Next hop objects of one kernel protocol. A route that refers to an object costs the kernel half of
// one with its own next hops, and a next hop that is lost costs one message however many routes are
// behind it: the kernel takes the deleted object out of every group and flushes the routes that have
// nothing else. Objects are made for next hops that many routes use; few routes keep their next hops
// to themselves and look as they always did. What the kernel does by itself (it deletes the objects
// on a link that is down without a word) is learned by reading the objects again. docs/adr/0009.

import { familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { Engine } from '../engine.ts';
import type { Fact, KernelNexthop, KernelNexthopObject, KernelRouteShape } from '../io.ts';
import { PROTOCOL_BIRD, nexthopKey, nexthopsKey } from '../kernel-route.ts';

/** A next hop and the routes that want it. */
export interface NexthopUse {
  routes: number;
}

export interface NexthopObject {
  readonly id: number;
  /**
   * What it stands for now, as `nexthopsKey`; `GONE` when the kernel has it no longer, `FOREIGN` when
   * the number is another program's.
   */
  nexthops: string;
  /** Forms of routes, and groups. */
  users: number;
  /** Sequence number of the order that made it what it is: older scans know nothing of it. */
  seq: number;
  /** Of a single one. */
  readonly hop: KernelNexthop | undefined;
  /** Of a group. */
  members: readonly NexthopMember[];
}

interface NexthopMember {
  readonly object: NexthopObject;
  readonly weight: number;
}

export const GONE = 'gone';
const FOREIGN = 'foreign';
/** More routes than this behind one next hop, and it becomes an object. */
export const ROUTES_PER_NEXTHOP = 64;
/**
 * Numbers come from one of so many regions, chosen anew by each life of the daemon: above those that
 * the kernel and other daemons give, and hardly where another instance of us is.
 */
const REGIONS = 2000;
const REGION = 1_000_000;

export interface KernelNexthopsDeps {
  readonly engine: Pick<Engine, 'order' | 'nextId' | 'random'>;
  /** Orders what was gathered before, so that it comes first. */
  readonly flush: () => void;
}

export class KernelNexthops {
  readonly #deps: KernelNexthopsDeps;
  /** 0 until the first object is made. */
  #region = 0;
  readonly #uses = new Map<string, NexthopUse>();
  /** Alive, by id. */
  readonly #objects = new Map<number, NexthopObject>();
  /** Singles and groups that stand for a set of next hops. */
  readonly #singles = new Map<string, NexthopObject>();
  readonly #groups = new Map<string, NexthopObject>();
  /** By the sequence number of the order under way, with what it was ordered for. */
  readonly #ordered = new Map<number, { readonly object: NexthopObject; readonly key: string }>();
  /** Sets that the kernel took no object for; forgotten at the next scan. */
  readonly #refused = new Set<string>();
  /** What the last scan found, whoever owns it. */
  #found = new Map<number, KernelNexthopObject>();
  /** Objects that were removed, by the sequence number of the order: older scans still have them. */
  readonly #removed = new Map<number, number>();
  #supported = false;

  constructor(deps: KernelNexthopsDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Counters of the next hops of a route; none when they cannot be objects. */
  usesOf({ dest, nexthops, family, realm }: KernelRouteShape): readonly NexthopUse[] {
    const possible = nexthops.every(({ gateway }) => gateway !== undefined);
    if (dest !== 'unicast' || !possible || realm !== undefined) return [];
    // The kernel has no IPv6 route through an IPv4 next hop.
    if (family === 'ipv6' && nexthops.some((hop) => familyOf(hop.gateway!) !== 'ipv6')) return [];
    return nexthops.map((hop) => {
      const key = nexthopKey(hop);
      let use = this.#uses.get(key);
      if (!use) this.#uses.set(key, (use = { routes: 0 }));
      return use;
    });
  }

  /**
   * The object for a set of next hops, whose `nexthopsKey` is `key`, made if need be; none when it is
   * not worth one.
   */
  objectFor(
    uses: readonly NexthopUse[],
    nexthops: readonly KernelNexthop[],
    key: string,
  ): NexthopObject | undefined {
    if (!this.#supported || !uses.some(isMuchUsed)) return undefined;
    const known = (nexthops.length === 1 ? this.#singles : this.#groups).get(key);
    if (known) return known;
    if (this.#refused.has(key)) return undefined;
    if (nexthops.length === 1) return this.#singleFor(nexthops[0]!);
    const members = nexthops.map(({ weight = 1, ...hop }) => ({
      object: this.#singleFor(hop),
      weight,
    }));
    for (const { object } of members) this.retain(object);
    const group = this.#create(key, undefined, members);
    this.#groups.set(key, group);
    return group;
  }

  retain(object: NexthopObject): void {
    object.users++;
  }

  /** The last user lets the object go. */
  release(object: NexthopObject): void {
    if (--object.users > 0 || !this.#objects.has(object.id)) return;
    this.#order('remove', object);
    this.#forget(object);
  }

  /** The next hop is dead: one order for each object. True when there was one. */
  lose(gateway: IpAddress, ifindex: number): boolean {
    const dead = [...this.#singles.values()].filter(
      ({ hop }) => hop!.gateway === gateway && hop!.ifindex === ifindex,
    );
    for (const object of dead) {
      this.#order('remove', object);
      this.#vanished(object);
    }
    return dead.length > 0;
  }

  /** Takes in what the kernel has; true when something of ours is not what it was. */
  scanned({ seq, objects }: Extract<Fact, { readonly kind: 'nexthopsScanned' }>): boolean {
    this.#supported = objects !== undefined;
    this.#refused.clear();
    this.#found = new Map((objects ?? []).map((found) => [found.id, found]));
    for (const [id, removedBy] of this.#removed) {
      if (removedBy > seq) this.#found.delete(id);
      else this.#removed.delete(id);
    }
    let changed = false;
    for (const object of [...this.#objects.values()]) {
      if (object.seq > seq || object.nexthops === GONE) continue;
      const actual = this.#keyOf(object.id);
      if (actual === object.nexthops) continue;
      changed = true;
      if (actual === GONE) this.#vanished(object);
      else this.#rename(object, actual);
    }
    return changed;
  }

  /** The object of ours that a route was found to refer to, that of a former life included. */
  adopt(id: number): NexthopObject | undefined {
    const known = this.#objects.get(id);
    const found = this.#found.get(id);
    if (known || !found || found.protocol !== PROTOCOL_BIRD) return known;
    const members: NexthopMember[] = [];
    for (const member of found.members ?? []) {
      const object = this.adopt(member.id);
      if (!object) return undefined;
      members.push({ object, weight: member.weight });
    }
    const nexthops = this.#keyOf(id);
    if (nexthops === GONE) return undefined;
    const object = { id, nexthops, users: 0, seq: 0, hop: found.hop, members };
    for (const member of members) this.retain(member.object);
    this.#objects.set(id, object);
    const index = found.hop ? this.#singles : this.#groups;
    if (!index.has(nexthops)) index.set(nexthops, object);
    return object;
  }

  /** The answer to an order of ours; true when an object did not come into being. */
  answered({ seq, failures }: Extract<Fact, { readonly kind: 'kernelDone' }>): boolean {
    const ordered = this.#ordered.get(seq);
    this.#ordered.delete(seq);
    if (!ordered || failures.length === 0) return false;
    const { object, key } = ordered;
    if (failures[0]!.error.code === 'EEXIST') {
      // The number is somebody else's: what refers to it must be written again.
      for (const group of this.#groupsWith(object)) this.#rename(group, FOREIGN);
      this.#forget(object, FOREIGN);
    } else {
      this.#refused.add(key);
      if (object.nexthops !== GONE) this.#vanished(object);
    }
    return true;
  }

  /** Deletes every object, groups first; with it the kernel deletes the routes that refer to it. */
  removeAll(): void {
    for (const object of [...this.#objects.values()].reverse()) this.#order('remove', object);
    this.clear();
  }

  clear(): void {
    for (const index of [
      this.#objects,
      this.#singles,
      this.#groups,
      this.#ordered,
      this.#uses,
      this.#found,
      this.#removed,
    ])
      index.clear();
    this.#supported = false;
  }

  #singleFor(hop: KernelNexthop): NexthopObject {
    const key = nexthopsKey([hop]);
    let object = this.#singles.get(key);
    if (!object) this.#singles.set(key, (object = this.#create(key, hop, [])));
    return object;
  }

  #create(
    nexthops: string,
    hop: KernelNexthop | undefined,
    members: readonly NexthopMember[],
  ): NexthopObject {
    let id = this.#nextId();
    while (this.#found.has(id)) id = this.#nextId();
    const object = { id, nexthops, users: 0, seq: this.#deps.engine.nextId(), hop, members };
    this.#objects.set(id, object);
    this.#order('add', object);
    return object;
  }

  #order(change: 'add' | 'remove', object: NexthopObject): void {
    const { engine, flush } = this.#deps;
    flush();
    const { id, hop, members } = object;
    const seq = change === 'add' ? object.seq : engine.nextId();
    if (change === 'add') this.#ordered.set(seq, { object, key: object.nexthops });
    else this.#removed.set(id, seq);
    engine.order({
      kind: 'kernelNexthop',
      seq,
      change,
      object: {
        id,
        protocol: PROTOCOL_BIRD,
        ...(hop
          ? { hop }
          : { members: members.map((m) => ({ id: m.object.id, weight: m.weight })) }),
      },
    });
  }

  /** The kernel has the object no longer: groups go on without it, or are gone as well. */
  #vanished(object: NexthopObject): void {
    this.#forget(object);
    for (const group of this.#groupsWith(object)) {
      group.members = group.members.filter((member) => member.object !== object);
      group.seq = this.#deps.engine.nextId();
      if (group.members.length === 0) this.#forget(group);
      else this.#rename(group, this.#keyOfMembers(group));
    }
  }

  #groupsWith(object: NexthopObject): NexthopObject[] {
    const all = [...this.#objects.values()];
    return all.filter(({ members }) => members.some((member) => member.object === object));
  }

  #forget(object: NexthopObject, as: typeof GONE | typeof FOREIGN = GONE): void {
    this.#objects.delete(object.id);
    this.#found.delete(object.id);
    this.#rename(object, as);
    for (const member of object.members) this.release(member.object);
  }

  #nextId(): number {
    const { engine } = this.#deps;
    if (this.#region === 0) this.#region = 1 + Math.floor(engine.random() * REGIONS);
    return this.#region * REGION + (engine.nextId() % REGION);
  }

  /** It stands for something else now, and nobody new is to use it. */
  #rename(object: NexthopObject, nexthops: string): void {
    const index = object.hop ? this.#singles : this.#groups;
    if (index.get(object.nexthops) === object) index.delete(object.nexthops);
    object.nexthops = nexthops;
  }

  #keyOfMembers({ members }: NexthopObject): string {
    return nexthopsKey(members.map(({ object, weight }) => ({ ...object.hop!, weight })));
  }

  /** What an object stands for according to the last scan. */
  #keyOf(id: number): string {
    const found = this.#found.get(id);
    if (!found) return GONE;
    if (found.hop) return nexthopsKey([found.hop]);
    const hops = (found.members ?? []).flatMap((member) => {
      const hop = this.#found.get(member.id)?.hop;
      return hop ? [{ ...hop, weight: member.weight }] : [];
    });
    return hops.length === 0 ? GONE : nexthopsKey(hops);
  }
}

function isMuchUsed({ routes }: NexthopUse): boolean {
  return routes > ROUTES_PER_NEXTHOP;
}
