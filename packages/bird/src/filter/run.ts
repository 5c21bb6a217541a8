// One evaluation of a filter: the route being looked at, changed copy-on-write, so that a filter that
// changes nothing returns the very object it was given.

import type { AsPathSegment, PathAttributes } from '@rookery/bgp';
import type {
  Dest,
  FilterEnvironment,
  KernelAttributes,
  NetCursor,
  Nexthop,
  RouteAttributes,
  Scope as RouteScope,
} from '@rookery/rib';
import type { NetClasses, NetTest } from './net-classes.ts';
import { marksOf } from './path-mask.ts';
import type { PathMask } from './path-mask.ts';
import type { Value } from './types.ts';

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

/** The route under evaluation and everything one evaluation changes; used for one after the other. */
export class Run {
  net!: NetCursor;
  env!: FilterEnvironment;
  readonly #classes: NetClasses | undefined;
  #passed: ReadonlySet<NetTest> | undefined;
  /** The path that was asked for last, and its marks. */
  #path: readonly AsPathSegment[] | undefined;
  #marks = 0;
  /** Current attributes; `before` until the first change. */
  a!: RouteAttributes;
  accepted = false;
  #line = '';
  #ownTop = false;
  #ownBgp = false;
  #ownKernel = false;

  /** `classes`: by the tests that this filter makes on the prefix. */
  constructor(classes?: NetClasses) {
    this.#classes = classes;
  }

  /** From here on it is about this route. */
  begin(net: NetCursor, attributes: RouteAttributes, env: FilterEnvironment): this {
    this.net = net;
    this.a = attributes;
    this.env = env;
    this.#passed = undefined;
    this.#path = undefined;
    this.accepted = false;
    this.#line = '';
    this.#ownTop = false;
    this.#ownBgp = false;
    this.#ownKernel = false;
    return this;
  }

  /** The prefix passes a test, one of those that `classes` knows. */
  passes(test: NetTest): boolean {
    this.#passed ??= this.#classes!.passedIn(this.#classes!.classOf(this.net));
    return this.#passed.size > 0 && this.#passed.has(test);
  }

  /** Does the mask match the path? Most paths match none of a policy's masks: marks tell soonest. */
  matches(mask: PathMask, path: readonly AsPathSegment[]): boolean {
    if (path !== this.#path) {
      this.#path = path;
      this.#marks = marksOf(path);
    }
    return (mask.needed & ~this.#marks) === 0 && mask.matches(path);
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
    if (this.env.notesStated && (key === 'med' || key === 'nextHop')) {
      this.#top().stated = { ...this.a.stated, [key]: true };
    }
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

/** Structural equality of values. */
export function same(x: unknown, y: unknown): boolean {
  if (x === y) return true;
  if (typeof x !== 'object' || typeof y !== 'object' || x === null || y === null) return false;
  if (isList(x) && isList(y))
    return x.length === y.length && x.every((item, i) => same(item, y[i]));
  const keys = Object.keys(x);
  if (keys.length !== Object.keys(y).length) return false;
  return keys.every((key) =>
    same((x as Record<string, unknown>)[key], (y as Record<string, unknown>)[key]),
  );
}

function isList(value: object): value is readonly unknown[] {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

/** By the number of RTD_*. */
export const DESTS: readonly (Dest | undefined)[] = [
  undefined,
  'unicast',
  'blackhole',
  'unreachable',
  'prohibit',
];
/** By the number of SCOPE_*. */
export const SCOPES: readonly RouteScope[] = ['host', 'link', 'site', 'organization', 'universe'];
