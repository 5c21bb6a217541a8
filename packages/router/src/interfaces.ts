// What the engine knows of the machine's interfaces, as the device protocol reported them, and the
// questions asked of it: is an address one of ours, on which link is a neighbor, which address do
// we speak from. Without a device protocol it stays empty, as in BIRD; every consequence of that
// (no neighbors, unknown ifindex) follows from here.

import {
  compareAddresses,
  familyOf,
  isLinkLocal,
  isLoopback,
  networkOf,
  parseWords,
} from '@rookery/net';
import type { Family, IpAddress, Prefix } from '@rookery/net';
import type { InterfacePattern } from './config.ts';
import type { InterfaceAddress, InterfaceFact } from './io.ts';

export type InterfaceEvent =
  | {
      readonly kind: 'up' | 'down' | 'linkChanged' | 'mtuChanged';
      readonly interface: InterfaceFact;
    }
  | {
      readonly kind: 'addressAdded' | 'addressRemoved';
      readonly interface: InterfaceFact;
      readonly address: InterfaceAddress;
    };

/** Where a directly reachable address lives. */
export interface Neighbor {
  readonly interface: InterfaceFact;
  /** Our address on that link. */
  readonly local: InterfaceAddress;
}

interface Connected {
  readonly words: readonly number[];
  readonly length: number;
  readonly interface: InterfaceFact;
  readonly address: InterfaceAddress;
}

export class InterfaceTable {
  #all: readonly InterfaceFact[] = [];
  readonly #byIndex = new Map<number, InterfaceFact>();
  readonly #byName = new Map<string, InterfaceFact>();
  #connected: Connected[] = [];
  readonly #local = new Set<IpAddress>();
  /** When an interface was first seen, or its state last changed. */
  readonly #since = new Map<number, number>();

  /** In the order in which the platform reported them. */
  all(): readonly InterfaceFact[] {
    return this.#all;
  }

  byIndex(ifindex: number): InterfaceFact | undefined {
    return this.#byIndex.get(ifindex);
  }

  byName(name: string): InterfaceFact | undefined {
    return this.#byName.get(name);
  }

  /** Replaces the picture and says what changed, interfaces in order, downs before ups. */
  replace(next: readonly InterfaceFact[], nowMs = 0): InterfaceEvent[] {
    const before = new Map(this.#byIndex);
    const events: InterfaceEvent[] = [];
    const nextByIndex = new Map(next.map((fact) => [fact.ifindex, fact]));
    for (const old of this.#all) {
      const now = nextByIndex.get(old.ifindex);
      const gone = !now || now.name !== old.name;
      for (const address of old.addresses) {
        if (gone || !now.addresses.some((a) => sameAddress(a, address))) {
          events.push({ kind: 'addressRemoved', interface: old, address });
        }
      }
      if (isUp(old) && (gone || !isUp(now))) {
        events.push({ kind: 'down', interface: gone ? old : now });
      }
    }
    for (const fact of next) {
      const old = before.get(fact.ifindex);
      const known = old && old.name === fact.name ? old : undefined;
      if (isUp(fact) && (!known || !isUp(known))) events.push({ kind: 'up', interface: fact });
      for (const address of fact.addresses) {
        if (!known || !known.addresses.some((a) => sameAddress(a, address))) {
          events.push({ kind: 'addressAdded', interface: fact, address });
        }
      }
      if (known && isUp(known) && isUp(fact)) {
        if (known.linkUp !== fact.linkUp) events.push({ kind: 'linkChanged', interface: fact });
        if (known.mtu !== fact.mtu) events.push({ kind: 'mtuChanged', interface: fact });
      }
    }
    this.#index(next);
    for (const fact of next) {
      if (!this.#since.has(fact.ifindex)) this.#since.set(fact.ifindex, nowMs);
    }
    for (const { kind, interface: fact } of events) {
      if (kind === 'up' || kind === 'down' || kind === 'linkChanged') {
        this.#since.set(fact.ifindex, nowMs);
      }
    }
    return events;
  }

  sinceMs(ifindex: number): number | undefined {
    return this.#since.get(ifindex);
  }

  /** True when the address is configured on an interface that is up. */
  isLocal(address: IpAddress): boolean {
    return this.#local.has(address);
  }

  /**
   * The link on which `address` is directly reachable, `'local'` when it is our own, `undefined`
   * when there is none. A link-local address needs `interfaceName`; `vrf` narrows to the interfaces
   * of that VRF.
   */
  neighbor(
    address: IpAddress,
    interfaceName?: string,
    vrf?: string,
  ): Neighbor | 'local' | undefined {
    if (interfaceName === undefined && vrf === undefined && this.#local.has(address))
      return 'local';
    const master = vrf === undefined ? undefined : this.#byName.get(vrf)?.ifindex;
    if (vrf !== undefined && master === undefined) return undefined;
    const words = parseWords(address);
    if (!words) return undefined;
    if (isLinkLocal(address) && words.length === 4 && interfaceName === undefined) return undefined;
    let best: Connected | undefined;
    for (const entry of this.#connected) {
      if (interfaceName !== undefined && entry.interface.name !== interfaceName) continue;
      if (master !== undefined && entry.interface.masterIfindex !== master) continue;
      if (entry.words.length !== words.length || !covers(entry, words)) continue;
      if (!best || entry.length > best.length) best = entry;
    }
    if (!best) return undefined;
    if (best.address.address === address) return 'local';
    return { interface: best.interface, local: best.address };
  }

  /** First usable address of the family on an interface, not link-local unless asked for. */
  addressOn(fact: InterfaceFact, family: Family, linkLocal = false): IpAddress | undefined {
    const found = fact.addresses.find(
      (a) => familyOf(a.address) === family && isLinkLocal(a.address) === linkLocal && !a.tentative,
    );
    return found?.address;
  }

  #index(next: readonly InterfaceFact[]): void {
    this.#all = next;
    this.#byIndex.clear();
    this.#byName.clear();
    this.#local.clear();
    this.#connected = [];
    for (const fact of next) {
      this.#byIndex.set(fact.ifindex, fact);
      this.#byName.set(fact.name, fact);
      if (!isUp(fact)) continue;
      for (const address of fact.addresses) {
        this.#local.add(address.address);
        const near = address.opposite ?? address.address;
        const length = address.opposite ? parseWords(near)!.length * 32 : address.length;
        this.#connected.push({ words: parseWords(near)!, length, interface: fact, address });
      }
    }
  }
}

/** BIRD calls an interface up when its administrator does; the carrier is a separate question. */
export function isUp(fact: InterfaceFact): boolean {
  return fact.adminUp;
}

/** The network an interface address is part of, or the host at the other end of the link. */
export function networkOfAddress(address: InterfaceAddress): Prefix {
  return address.opposite === undefined
    ? networkOf(address.address, address.length)
    : networkOf(address.opposite, parseWords(address.opposite)!.length * 32);
}

/** True when a list of patterns selects the interface; an empty list selects every one. */
export function matchesPatterns(
  patterns: readonly InterfacePattern[],
  fact: InterfaceFact,
  address?: IpAddress,
): boolean {
  if (patterns.length === 0) return true;
  for (const pattern of patterns) {
    if (matchesPattern(pattern, fact, address)) return !pattern.exclude;
  }
  return false;
}

/** Lowest IPv4 address that is not loopback, of any interface that is up; BIRD's default router id. */
export function chooseRouterId(
  interfaces: readonly InterfaceFact[],
  patterns: readonly InterfacePattern[] = [],
): { readonly id: IpAddress; readonly interface: string } | undefined {
  let best: { id: IpAddress; interface: string } | undefined;
  for (const fact of interfaces) {
    if (!isUp(fact)) continue;
    for (const { address } of fact.addresses) {
      if (familyOf(address) !== 'ipv4' || (patterns.length === 0 && isLoopback(address))) continue;
      if (!matchesPatterns(patterns, fact, address)) continue;
      if (!best || compareAddresses(address, best.id) < 0) {
        best = { id: address, interface: fact.name };
      }
    }
  }
  return best;
}

/** Shell pattern with `*` and `?`, as BIRD uses for interface and protocol names. */
export function matchesGlob(glob: string, text: string): boolean {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(text);
}

function matchesPattern(
  pattern: InterfacePattern,
  fact: InterfaceFact,
  address: IpAddress | undefined,
): boolean {
  if (pattern.glob !== undefined && !matchesGlob(pattern.glob, fact.name)) return false;
  if (pattern.prefix === undefined) return true;
  const inPrefix = (a: IpAddress): boolean =>
    familyOf(a) === familyOf(pattern.prefix!) &&
    networkOf(a, Number(pattern.prefix!.slice(pattern.prefix!.indexOf('/') + 1))) ===
      pattern.prefix;
  return address === undefined
    ? fact.addresses.some((a) => inPrefix(a.address))
    : inPrefix(address);
}

function sameAddress(a: InterfaceAddress, b: InterfaceAddress): boolean {
  return a.address === b.address && a.length === b.length && a.opposite === b.opposite;
}

function covers(entry: Connected, words: readonly number[]): boolean {
  for (let i = 0; i < words.length; i++) {
    const bits = entry.length - i * 32;
    if (bits <= 0) return true;
    const mask = bits >= 32 ? -1 : -1 << (32 - bits);
    if (((entry.words[i]! ^ words[i]!) & mask) !== 0) return false;
  }
  return true;
}
