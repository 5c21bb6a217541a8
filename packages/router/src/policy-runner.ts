// Runs one policy over routes of one table. Most verdicts take a look at octets; the others are
// remembered, so that a filter is run once per attributes number and class of prefixes that it cannot
// tell apart. Attributes go in and out as numbers; an outcome that the policy made is handed over with
// a reference when `owned` says so.

import { AttributeMemo } from '@rookery/rib';
import type {
  AttributeOctets,
  AttributeStore,
  CompiledFilter,
  FilterEnvironment,
  NetCursor,
  Policy,
  PrefixStore,
} from '@rookery/rib';

export interface PolicyContext {
  readonly prefixes: PrefixStore;
  readonly attributes: AttributeStore;
  readonly roaCheck: FilterEnvironment['roaCheck'];
  readonly notesStated?: boolean;
  readonly print: (text: string) => void;
  readonly fail: (text: string) => void;
}

export class PolicyRunner {
  policy: Policy;
  /** True when the last outcome came with a reference that the caller has to release. */
  owned = false;
  readonly #context: PolicyContext;
  /** None when the caller remembers what comes out. */
  readonly #memo: AttributeMemo | undefined;
  readonly #cursor: NetCursor = { family: 'ipv4', a: 0, b: 0, c: 0, d: 0, length: 0 };
  #classes = new Int32Array(64);
  readonly #octets: AttributeOctets = { bytes: new Uint8Array(0), from: 0, to: 0 };
  readonly #env: { -readonly [K in keyof FilterEnvironment]: FilterEnvironment[K] };

  constructor(policy: Policy, context: PolicyContext, remembers = true) {
    this.policy = policy;
    this.#context = context;
    this.#memo = remembers ? new AttributeMemo(context.attributes) : undefined;
    this.#env = {
      protocol: '',
      roaCheck: context.roaCheck,
      print: context.print,
      fail: context.fail,
      ...(context.notesStated ? { notesStated: true } : {}),
    };
  }

  /** Takes another policy and forgets the verdicts of the old one. */
  replace(policy: Policy): void {
    this.policy = policy;
    this.#memo?.clear();
  }

  /**
   * Equal for prefixes that the policy cannot tell apart; -1 when its outcome depends on more than
   * attributes and prefix class.
   */
  classOf(net: number): number {
    const { policy } = this;
    if (policy.kind !== 'filter') return 0;
    const { reads, classOf } = policy.filter;
    if (reads.net || reads.protocol) return -1;
    if (!classOf) return 0;
    this.#context.prefixes.moveCursor(this.#cursor, net);
    return classOf(this.#cursor);
  }

  /**
   * `classOf` for each of nets[from, to), in an array that lasts until the next call; `undefined`
   * when the policy looks at no prefix.
   */
  classesOf(nets: Int32Array, from: number, to: number): Int32Array | undefined {
    const { policy } = this;
    if (policy.kind !== 'filter') return undefined;
    const { reads, classOf } = policy.filter;
    if (!classOf && !reads.net && !reads.protocol) return undefined;
    if (this.#classes.length < to - from) this.#classes = new Int32Array((to - from) * 2);
    for (let i = from; i < to; i++) this.#classes[i - from] = this.classOf(nets[i]!);
    return this.#classes;
  }

  /**
   * The attributes to keep, 0 when rejected. `protocol` names the source of the route; `netClass` is
   * the class of its prefix.
   */
  run(
    net: number,
    attributes: number,
    protocol: string,
    netClass: number = this.classOf(net),
  ): number {
    this.owned = false;
    const { policy } = this;
    if (policy.kind === 'all') return attributes;
    if (policy.kind === 'none') return 0;
    const { filter } = policy;
    const { attributes: store, prefixes } = this.#context;
    prefixes.moveCursor(this.#cursor, net);
    if (filter.verdict && store.moveOctets(this.#octets, attributes)) {
      const knownClass = netClass < 0 ? (filter.classOf?.(this.#cursor) ?? 0) : netClass;
      const verdict = filter.verdict(knownClass, this.#octets);
      if (verdict !== undefined) return verdict ? attributes : 0;
    }
    // What takes an object to find out is remembered.
    const memo = netClass < 0 ? undefined : this.#memo;
    const known = memo ? memo.get(attributes, netClass) : -1;
    if (known >= 0) return known;
    const outcome = this.#evaluate(filter, attributes, protocol);
    memo?.set(attributes, netClass, outcome);
    return outcome;
  }

  /** What the filter makes of a route to the prefix of the cursor. */
  #evaluate(filter: CompiledFilter, attributes: number, protocol: string): number {
    const { attributes: store } = this.#context;
    this.#env.protocol = protocol;
    const before = store.get(attributes);
    const after = filter.run(this.#cursor, before, this.#env);
    if (!after) return 0;
    if (after === before) return attributes;
    this.owned = true;
    return store.intern(after);
  }
}
