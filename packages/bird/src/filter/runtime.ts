// What compiled filters call: one `Run` per evaluation holds the route being looked at and changes
// it copy-on-write, so a filter that changes nothing returns the very object it was given.

import type { PathAttributes } from '@rookery/bgp';
import { formatV4, parseWords } from '@rookery/net';
import type {
  Dest,
  FilterEnvironment,
  KernelAttributes,
  NetCursor,
  Nexthop,
  RouteAttributes,
  RouteSource,
  Scope as RouteScope,
} from '@rookery/rib';
import { addressKey, setHasWord, setHasWords } from './interval-set.ts';
import type { IntervalSet } from './interval-set.ts';
import { lastAsn } from './path.ts';
import type { LargeCommunity, PrefixValue, Value, WordPair } from './types.ts';

/** A run-time error of a filter; ends the filter, rejects the route. */
export class FilterError {
  readonly line: number;
  readonly text: string;
  constructor(line: number, text: string) {
    this.line = line;
    this.text = text;
  }
}

/** Returned (or thrown from within an expression) once a verdict has been given. */
export const EXIT: { readonly exit: true } = { exit: true };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The route under evaluation and everything one evaluation changes. */
export class Run {
  readonly net: NetCursor;
  readonly env: FilterEnvironment;
  /** Current attributes; `before` until the first change. */
  a: RouteAttributes;
  accepted = false;
  #line = '';
  #ownTop = false;
  #ownBgp = false;
  #ownKernel = false;

  constructor(net: NetCursor, attributes: RouteAttributes, env: FilterEnvironment) {
    this.net = net;
    this.a = attributes;
    this.env = env;
  }

  print(text: string, newline: boolean): void {
    this.#line += text;
    if (newline) this.flush();
  }

  flush(): void {
    const text = this.#line;
    this.#line = '';
    this.env.print(text);
  }

  finish(): void {
    if (this.#line !== '') this.flush();
  }

  /** Sets or, with undefined, removes a field of the route. */
  setTop<K extends keyof RouteAttributes>(key: K, value: RouteAttributes[K] | undefined): void {
    if (same(this.a[key], value)) return;
    const a = this.#top();
    if (value === undefined) delete a[key];
    else a[key] = value;
  }

  setBgp<K extends keyof PathAttributes>(key: K, value: PathAttributes[K] | undefined): void {
    const old = this.a.bgp;
    if (same(old?.[key], value)) return;
    const a = this.#top();
    if (!this.#ownBgp) {
      a.bgp = { ...(old ?? { asPath: [] }) };
      this.#ownBgp = true;
    }
    const bgp = a.bgp as Mutable<PathAttributes>;
    if (value === undefined) delete (bgp as Partial<Mutable<PathAttributes>>)[key];
    else bgp[key] = value;
  }

  setNextHop(value: string | undefined): void {
    this.setBgp('nextHop', value);
    this.setBgp('linkLocalNextHop', undefined);
  }

  setKernel<K extends keyof KernelAttributes>(
    key: K,
    value: KernelAttributes[K] | undefined,
  ): void {
    const old = this.a.kernel;
    if (same(old?.[key], value)) return;
    const a = this.#top();
    if (!this.#ownKernel) {
      a.kernel = { ...old };
      this.#ownKernel = true;
    }
    const kernel = a.kernel as Mutable<KernelAttributes>;
    if (value === undefined) delete kernel[key];
    else kernel[key] = value;
  }

  /** RTAX_* metrics. */
  setMetric(name: string, value: number | boolean | undefined): void {
    const metrics = { ...this.a.kernel?.metrics };
    if (value === undefined) delete metrics[name];
    else metrics[name] = Number(value);
    this.setKernel('metrics', Object.keys(metrics).length === 0 ? undefined : metrics);
  }

  setCustom(name: string, value: Value): void {
    const custom: Record<string, unknown> = { ...this.a.custom };
    if (value === undefined) delete custom[name];
    else custom[name] = value;
    this.setTop('custom', Object.keys(custom).length === 0 ? undefined : custom);
  }

  setPreference(value: number): void {
    this.setTop('preference', value & 0xffff);
  }

  setDest(value: number, line: number): void {
    const dest = DESTS[value];
    if (dest === undefined || dest === 'unicast') {
      throw new FilterError(
        line,
        'Destination can be changed only to blackhole, unreachable or prohibit',
      );
    }
    this.setTop('nexthops', []);
    this.setTop('dest', dest);
  }

  setScope(value: number, line: number): void {
    const scope = SCOPES[value];
    if (scope === undefined) throw new FilterError(line, 'Invalid scope');
    this.setTop('scope', scope);
  }

  /** The gateway is looked for on the link of the present next hop. */
  setGateway(value: string): void {
    const old = this.a.nexthops[0];
    const hop: Nexthop = {
      gateway: value,
      interface: old?.interface ?? '',
      ifindex: old?.ifindex ?? 0,
      ...(old?.onlink === true ? { onlink: true } : {}),
    };
    this.setTop('dest', 'unicast');
    this.setTop('nexthops', [hop]);
  }

  /** A route through an interface, without a gateway. */
  setInterface(value: string): void {
    const known = this.a.nexthops.find((hop) => hop.interface === value);
    this.setTop('dest', 'unicast');
    this.setTop('nexthops', [{ interface: value, ifindex: known?.ifindex ?? 0 }]);
  }

  setWeight(value: number): void {
    const weight = ((value - 1) & 255) + 1;
    this.setTop(
      'nexthops',
      this.a.nexthops.map((hop) => ({ ...hop, weight })),
    );
  }

  setOnlink(value: boolean): void {
    this.setTop(
      'nexthops',
      this.a.nexthops.map(({ onlink: _old, ...hop }) => (value ? { ...hop, onlink: true } : hop)),
    );
  }

  #top(): Mutable<RouteAttributes> {
    if (!this.#ownTop) {
      this.a = { ...this.a };
      this.#ownTop = true;
    }
    return this.a as Mutable<RouteAttributes>;
  }
}

const SOURCES: Readonly<Record<RouteSource, number>> = {
  static: 1,
  inherit: 2,
  device: 3,
  'static-device': 4,
  redirect: 5,
  bgp: 11,
  pipe: 12,
  rpki: 14,
  // An extension without a number of its own: its routes come from configuration, as static ones.
  kubernetes: 1,
};
const DESTS: readonly (Dest | undefined)[] = [
  undefined,
  'unicast',
  'blackhole',
  'unreachable',
  'prohibit',
];
const SCOPES: readonly RouteScope[] = ['host', 'link', 'site', 'organization', 'universe'];

export function sourceOf(a: RouteAttributes): number {
  return SOURCES[a.source];
}

export function destOf(a: RouteAttributes): number {
  return DESTS.indexOf(a.dest);
}

export function scopeOf(a: RouteAttributes): number {
  return SCOPES.indexOf(a.scope);
}

/** Passes a value on, or ends the filter when it is void. */
export function need<T>(
  value: T | undefined,
  op: string,
  argument: number,
  type: string,
  line: number,
): T {
  if (value !== undefined) return value;
  throw new FilterError(
    line,
    `Argument ${argument} of ${op} must be of type ${type}, got type void`,
  );
}

export function divide(a: number, b: number, line: number): number {
  if (b === 0) throw new FilterError(line, 'Mother told me not to divide by 0');
  return Math.floor(a / b);
}

/** A pair from its halves. */
export function makePair(a: number, b: number, line: number): number {
  if (a > 0xffff || b > 0xffff) {
    throw new FilterError(line, "Can't operate with value out of bounds in pair constructor");
  }
  return ((a << 16) | b) >>> 0;
}

/** An extended community: 2-octet AS, 4-octet AS by the size of the key, or raw words. */
export function makeEc(
  kind: string,
  raw: number,
  key: number,
  data: number,
  line: number,
): WordPair {
  if (kind === 'generic') return { hi: key, lo: data };
  if (kind === 'unknown') return { hi: ((raw << 16) | (key & 0xffff)) >>> 0, lo: data };
  const subtype = kind === 'rt' ? 2 : 3;
  if (key <= 0xffff) return { hi: ((subtype << 16) | key) >>> 0, lo: data };
  return makeWideEc(2, subtype, key, data, line);
}

/** An extended community with an address as key. */
export function makeIpEc(
  kind: string,
  raw: number,
  key: number,
  data: number,
  line: number,
): WordPair {
  if (kind !== 'rt' && kind !== 'ro') return makeEc(kind, raw, key, data, line);
  return makeWideEc(1, kind === 'rt' ? 2 : 3, key, data, line);
}

function makeWideEc(
  type: number,
  subtype: number,
  key: number,
  data: number,
  line: number,
): WordPair {
  if (data > 0xffff) {
    const kind = type === 1 ? 'IP' : 'ASN';
    throw new FilterError(
      line,
      `4-byte value ${data} can't be used with 4-byte ${kind} in extended community`,
    );
  }
  return {
    hi: ((type << 24) | (subtype << 16) | (key >>> 16)) >>> 0,
    lo: (((key & 0xffff) << 16) | data) >>> 0,
  };
}

/** Structural equality of values. */
export function same(x: unknown, y: unknown): boolean {
  if (x === y) return true;
  if (typeof x !== 'object' || typeof y !== 'object' || x === null || y === null) return false;
  if (ArrayBuffer.isView(x) && ArrayBuffer.isView(y)) {
    const [p, q] = [x as Float64Array, y as Float64Array];
    return p.length === q.length && p.every((word, i) => word === q[i]);
  }
  const keys = Object.keys(x);
  if (keys.length !== Object.keys(y).length) return false;
  return keys.every((key) =>
    same((x as Record<string, unknown>)[key], (y as Record<string, unknown>)[key]),
  );
}

/** Order of values of one type; void sorts first. Negative, zero or positive. */
export function order(x: Value, y: Value): number {
  if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? -1 : 1;
  if (typeof x === 'object' && typeof y === 'object') return orderObjects(x, y);
  return x < y ? -1 : x > y ? 1 : 0;
}

function orderObjects(x: object, y: object): number {
  const fields = 'length' in x && 'family' in x ? ['a', 'b', 'c', 'd', 'length'] : Object.keys(x);
  const [p, q] = [x as Record<string, number>, y as Record<string, number>];
  if ('family' in x && p['family'] !== q['family'])
    return (x as PrefixValue).family === 'ipv4' ? -1 : 1;
  for (const field of fields) {
    if (p[field] !== q[field]) return p[field]! < q[field]! ? -1 : 1;
  }
  return 0;
}

/** Order of addresses: IPv4 sorts as ::ffff:0:0/96. */
export function orderIp(x: string | undefined, y: string | undefined): number {
  if (x === undefined || y === undefined) return order(x, y);
  const [p, q] = [addressKey(x), addressKey(y)];
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) return p[i]! - q[i]!;
  return 0;
}

/** The number of a dotted quad; 0 for anything else. */
export function ipToQuad(address: string): number {
  const words = parseWords(address);
  return words?.length === 1 ? words[0]! : 0;
}

export function quadToIp(value: number | undefined): string | undefined {
  return value === undefined ? undefined : formatV4(value);
}

export function quadOf(address: string | undefined): number | undefined {
  return address === undefined ? undefined : ipToQuad(address);
}

export function quadsOf(list: readonly string[] | undefined): readonly number[] {
  return list?.map(ipToQuad) ?? [];
}

export function ipsOf(list: readonly number[] | undefined): readonly string[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list.map(formatV4);
}

/** An empty list is the same as no attribute. */
export function orNothing<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list === undefined || list.length === 0 ? undefined : list;
}

const ROA_CODES = { unknown: 0, valid: 1, invalid: 2 } as const;

/** RFC 6811 through the environment; without arguments the route's own prefix and origin. */
export function checkRoa(
  run: Run,
  table: string,
  net: PrefixValue = run.net,
  asn: number = lastAsn(run.a.bgp?.asPath ?? []),
): number {
  return ROA_CODES[run.env.roaCheck(table, net as NetCursor, asn)];
}

/** Turns the exit of a function called inside an expression into one of the whole filter. */
export function through<T>(result: T | typeof EXIT): T {
  if (result === EXIT) throw EXIT;
  return result as T;
}

export function mismatch(line: number): never {
  throw new FilterError(line, '~ applied on unknown type pair');
}

export function hasAddress(set: IntervalSet, address: string): boolean {
  return setHasWords(set, addressKey(address));
}

export function hasEc(set: IntervalSet, value: WordPair): boolean {
  return setHasWords(set, [value.hi, value.lo]);
}

export function hasLc(set: IntervalSet, value: LargeCommunity): boolean {
  return setHasWords(set, [value.a, value.b, value.c]);
}

export { setHasWord };
