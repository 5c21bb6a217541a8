// Runs one policy over routes of one table and remembers verdicts: a filter is asked once per
// attributes number and class of prefixes that it cannot tell apart. Attributes go in and out as
// numbers; an outcome that the policy made is handed over with a reference when `owned` says so.

import { AttributeMemo } from '@rookery/rib';
import type {
  AttributeStore,
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
  readonly #memo: AttributeMemo;
  readonly #cursor: NetCursor = { family: 'ipv4', a: 0, b: 0, c: 0, d: 0, length: 0 };
  readonly #env: { -readonly [K in keyof FilterEnvironment]: FilterEnvironment[K] };

  constructor(policy: Policy, context: PolicyContext) {
    this.policy = policy;
    this.#context = context;
    this.#memo = new AttributeMemo(context.attributes);
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
    this.#memo.clear();
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

  /** True when the policy cannot tell any of nets[from, to) from another. */
  treatsAlike(nets: Int32Array, from: number, to: number): boolean {
    const { policy } = this;
    if (policy.kind !== 'filter') return true;
    const netClass = this.classOf(nets[from]!);
    if (netClass < 0 || !policy.filter.classOf) return netClass >= 0;
    for (let i = from + 1; i < to; i++) if (this.classOf(nets[i]!) !== netClass) return false;
    return true;
  }

  /** The attributes to keep, 0 when rejected. `protocol` names the source of the route. */
  run(net: number, attributes: number, protocol: string): number {
    this.owned = false;
    const { policy } = this;
    if (policy.kind === 'all') return attributes;
    if (policy.kind === 'none') return 0;
    const netClass = this.classOf(net);
    if (netClass >= 0) {
      const known = this.#memo.get(attributes, netClass);
      if (known >= 0) return known;
    }
    const { attributes: store, prefixes } = this.#context;
    prefixes.moveCursor(this.#cursor, net);
    this.#env.protocol = protocol;
    const before = store.get(attributes);
    const after = policy.filter.run(this.#cursor, before, this.#env);
    let outcome = 0;
    if (after === before) outcome = attributes;
    else if (after) {
      outcome = store.intern(after);
      this.owned = true;
    }
    if (netClass >= 0) this.#memo.set(attributes, netClass, outcome);
    return outcome;
  }
}
