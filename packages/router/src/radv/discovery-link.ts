// One interface on which routers find each other (RFC 4861): says who we are from time to time and
// when asked (§6.2), asks while nobody is known (§6.3.7), and remembers who answered. The socket is
// the platform's; it is open while the interface is up and has a link-local address to speak from.

import { familyOf, isLinkLocal, networkOf, prefixCovers } from '@rookery/net';
import type { IpAddress, Prefix } from '@rookery/net';
import type { LogClass, RadvInterfaceConfig } from '../config.ts';
import { isUp } from '../interfaces.ts';
import type { InterfaceTable } from '../interfaces.ts';
import type { Fact, InterfaceFact, Order } from '../io.ts';
import type { Timer, TimerOwner, Timers } from '../timers.ts';
import {
  DISCOVERY_HOP_LIMIT,
  decodeDiscovery,
  encodeAdvertisement,
  encodeSolicitation,
} from './message.ts';
import type { AdvertisedPrefix } from './message.ts';

export interface DiscoveryDeps {
  readonly nowMs: number;
  readonly random: () => number;
  readonly timers: Timers;
  readonly interfaces: InterfaceTable;
  order(order: Order): void;
  log(logClass: LogClass, text: string): void;
}

/** Who wants advertisements on an interface; with `heard` also to know the neighbor there. */
export interface DiscoveryUser {
  readonly owner: TimerOwner;
  readonly interface: string;
  readonly config: RadvInterfaceConfig;
  readonly heard?: (neighbor: IpAddress) => void;
}

type ReceivedFact = Extract<Fact, { readonly kind: 'discoveryReceived' }>;

const ALL_NODES = 'ff02::1';
const ALL_ROUTERS = 'ff02::2';
/** RFC 4861 §10. */
const INITIAL_ADVERTISEMENTS = 3;
const INITIAL_INTERVAL_SEC = 16;
const MAX_DELAY_MS = 500;
const SOLICITATIONS = 3;
const SOLICITATION_INTERVAL_MS = 4000;
/** A neighbor that was silent for so long may be replaced by another one. */
const NEIGHBOR_LIFETIME_MS = 30_000;

export class DiscoveryLink {
  readonly name: string;
  readonly #deps: DiscoveryDeps;
  readonly #advertise: Timer;
  readonly #solicit: Timer;
  #users: readonly DiscoveryUser[] = [];
  /** Index of the interface while the socket is open. */
  #openOn: number | undefined;
  #advertisedMs = -Infinity;
  #advertisements = 0;
  #solicitations = 0;
  #neighbor: { readonly address: IpAddress; readonly heardMs: number } | undefined;
  #trouble: string | undefined;
  /** The last message to all, and the prefixes in it with the end of their memory. */
  #said: Uint8Array = new Uint8Array(0);
  readonly #lingering = new Map<
    Prefix,
    { readonly prefix: AdvertisedPrefix; readonly untilMs: number }
  >();

  constructor(name: string, deps: DiscoveryDeps) {
    this.name = name;
    this.#deps = deps;
    this.#advertise = deps.timers.create(undefined, () => this.#sendAdvertisement(ALL_NODES));
    this.#solicit = deps.timers.create(undefined, () => this.#sendSolicitation());
  }

  /** Once per owner; a second time replaces the first. */
  join(user: DiscoveryUser): void {
    const before = this.#config;
    this.#users = [...this.#users.filter(({ owner }) => owner !== user.owner), user];
    this.refresh();
    if (this.#openOn === undefined) return;
    if (this.#config !== before) this.#beginAdvertising();
    if (!user.heard) return;
    if (this.#neighbor) user.heard(this.#neighbor.address);
    else this.#beginSoliciting();
  }

  /** True when nobody is left, and the link is closed. */
  leave(owner: TimerOwner): boolean {
    const before = this.#config;
    this.#users = this.#users.filter((user) => user.owner !== owner);
    if (this.#users.length === 0) this.#close(before);
    else if (this.#config !== before && this.#openOn !== undefined) this.#beginAdvertising();
    return this.#users.length === 0;
  }

  /** Interfaces may have changed: opens, closes or moves the socket, or says what is new. */
  refresh(): void {
    const fact = this.#speaker();
    if (fact?.ifindex === this.#openOn) {
      if (fact && !sameBytes(this.#message(this.#config!), this.#said)) this.#hurry();
      return;
    }
    if (this.#openOn !== undefined) this.#close(undefined);
    if (!fact) return;
    this.#openOn = fact.ifindex;
    this.#deps.order({ kind: 'discoveryOpen', interface: this.name });
    this.#beginAdvertising();
    if (this.#users.some((user) => user.heard)) this.#beginSoliciting();
  }

  /** RFC 4861 §6.1: from this link only, and from a router's link-local address. */
  received({ source, hopLimit, bytes }: ReceivedFact): void {
    if (hopLimit !== DISCOVERY_HOP_LIMIT || this.#deps.interfaces.isLocal(source)) return;
    const kind = decodeDiscovery(bytes);
    if (kind === 'solicitation') this.#answer(source);
    else if (kind === 'advertisement' && isLinkLocal(source)) this.#heard(source);
  }

  /** The platform could not; tried again when interfaces are looked at the next time. */
  failed({ error }: Extract<Fact, { readonly kind: 'discoveryFailed' }>): void {
    this.#openOn = undefined;
    this.#advertise.clear();
    this.#solicit.clear();
    const text = `${error.operation}: ${error.message}`;
    if (text === this.#trouble) return;
    this.#trouble = text;
    const cure = error.code === 'EPERM' ? ': the process needs CAP_NET_RAW' : '';
    this.#deps.log('error', `Cannot send router advertisements on ${this.name}: ${text}${cure}`);
  }

  /** A `protocol radv` says more than a session that only wants to be found. */
  get #config(): RadvInterfaceConfig | undefined {
    return (this.#users.find((user) => !user.heard) ?? this.#users[0])?.config;
  }

  /** The interface while it can be spoken on. */
  #speaker(): InterfaceFact | undefined {
    const { interfaces } = this.#deps;
    const fact = interfaces.byName(this.name);
    const usable = fact && isUp(fact) && fact.linkUp;
    return usable && interfaces.addressOn(fact, 'ipv6', true) ? fact : undefined;
  }

  /** `last`: what was in force, so that hosts can be told that it is over. */
  #close(last: RadvInterfaceConfig | undefined): void {
    this.#advertise.clear();
    this.#solicit.clear();
    if (this.#openOn === undefined) return;
    // RFC 4861 §6.2.5: a router that ceases to advertise says that it is no default router.
    if (last && last.defaultLifetimeSec > 0) {
      this.#send(ALL_NODES, this.#message({ ...last, defaultLifetimeSec: 0 }));
    }
    this.#openOn = undefined;
    this.#neighbor = undefined;
    this.#deps.order({ kind: 'discoveryClose', interface: this.name });
  }

  #beginAdvertising(): void {
    this.#advertisements = 0;
    this.#advertise.set(this.#deps.nowMs);
  }

  #beginSoliciting(): void {
    this.#solicitations = 0;
    this.#solicit.set(this.#deps.nowMs);
  }

  #answer(source: IpAddress): void {
    const { solicitedUnicast } = this.#config!;
    if (solicitedUnicast && source !== '::') this.#sendAdvertisement(source);
    else this.#hurry();
  }

  /** RFC 4861 §6.2.6: soon, not all routers at once, and not too often. */
  #hurry(): void {
    const { nowMs, random } = this.#deps;
    const allowedMs = this.#advertisedMs + this.#config!.minDelaySec * 1000;
    const atMs = Math.max(nowMs + MAX_DELAY_MS * random(), allowedMs);
    this.#advertise.set(Math.min(atMs, this.#advertise.deadlineMs ?? atMs));
  }

  #heard(address: IpAddress): void {
    const { nowMs } = this.#deps;
    const known = this.#neighbor;
    const other = known?.address !== address;
    if (known && other && nowMs - known.heardMs < NEIGHBOR_LIFETIME_MS) return;
    this.#neighbor = { address, heardMs: nowMs };
    this.#solicit.clear();
    for (const { heard } of this.#users) heard?.(address);
    // It may have come up just now, and looks for us.
    if (other && this.#users.some((user) => user.heard)) this.#hurry();
  }

  #sendAdvertisement(destination: IpAddress): void {
    const { nowMs, random } = this.#deps;
    const config = this.#config!;
    const message = this.#message(config);
    this.#send(destination, message);
    if (destination !== ALL_NODES) return;
    this.#said = message;
    this.#advertisedMs = nowMs;
    this.#advertisements++;
    const { minIntervalSec, maxIntervalSec } = config;
    const wantedSec = minIntervalSec + (maxIntervalSec - minIntervalSec) * random();
    // RFC 4861 §6.2.4: the first ones come quickly.
    const initial = this.#advertisements < INITIAL_ADVERTISEMENTS;
    const sec = initial ? Math.min(wantedSec, INITIAL_INTERVAL_SEC) : wantedSec;
    this.#advertise.set(nowMs + sec * 1000);
  }

  #sendSolicitation(): void {
    this.#send(ALL_ROUTERS, encodeSolicitation());
    if (++this.#solicitations >= SOLICITATIONS) return;
    this.#solicit.set(this.#deps.nowMs + SOLICITATION_INTERVAL_MS);
  }

  #message(config: RadvInterfaceConfig): Uint8Array {
    const fact = this.#speaker();
    return encodeAdvertisement({
      ...config,
      preference: config.defaultPreference,
      routerLifetimeSec: config.defaultLifetimeSec,
      ...(fact?.macAddress === undefined ? {} : { sourceMac: fact.macAddress }),
      prefixes: this.#prefixes(fact, config),
    });
  }

  /** Those of the interface, and for a while, without any lifetime, those that it had. */
  #prefixes(
    fact: InterfaceFact | undefined,
    config: RadvInterfaceConfig,
  ): readonly AdvertisedPrefix[] {
    const { nowMs } = this.#deps;
    const present = fact ? prefixesOf(fact, config) : [];
    const untilMs = nowMs + config.prefixLingerTimeSec * 1000;
    for (const prefix of present) this.#lingering.set(prefix.net, { prefix, untilMs });
    const gone: AdvertisedPrefix[] = [];
    for (const [net, { prefix, untilMs: endMs }] of this.#lingering) {
      if (present.some((other) => other.net === net)) continue;
      if (endMs <= nowMs) this.#lingering.delete(net);
      else gone.push({ ...prefix, validLifetimeSec: 0, preferredLifetimeSec: 0 });
    }
    return [...present, ...gone];
  }

  #send(destination: IpAddress, bytes: Uint8Array): void {
    this.#deps.order({ kind: 'discoverySend', interface: this.name, destination, bytes });
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

/** The networks of an interface, each as the first rule that covers it says. */
function prefixesOf(fact: InterfaceFact, config: RadvInterfaceConfig): readonly AdvertisedPrefix[] {
  const nets = new Set<Prefix>();
  for (const { address, length } of fact.addresses) {
    if (familyOf(address) === 'ipv6' && !isLinkLocal(address)) nets.add(networkOf(address, length));
  }
  return [...nets].flatMap((net) => {
    const rule = config.prefixes.find((candidate) => prefixCovers(candidate.net, net));
    return rule && !rule.skip ? [{ ...rule, net }] : [];
  });
}
