// How a route's attributes become octets of an UPDATE: from the octets that the store has, where
// rules allow it, else from the decoded words.

import { encodeMpNextHop, encodePathAttributes } from '@rookery/bgp';
import type { PathAttributes } from '@rookery/bgp';
import type { AttributeEncoder, AttributeStore, ExportRewrite } from '@rookery/rib';
import { SOURCE_CLASS, exportedRoute, rewriteFor } from './export-rules.ts';
import type { ExportRules } from './export-rules.ts';

/**
 * Encodes attributes as they are; with `rules`, as these make them on the way out. `classic`: the
 * next hop is the attribute NEXT_HOP, not part of MP_REACH_NLRI.
 */
export class RouteEncoder implements AttributeEncoder {
  readonly #attributes: AttributeStore;
  readonly #as4: boolean;
  readonly #classic: boolean;
  readonly #rules: (() => ExportRules) | undefined;
  /** What was decoded last. */
  #number = 0;
  #birth = -1;
  #words: PathAttributes | undefined = undefined;
  /** The rules that `#rewrite` does. */
  #rewritten: ExportRules | undefined = undefined;
  #rewrite: ExportRewrite | undefined = undefined;
  #byOctets = false;

  constructor(
    attributes: AttributeStore,
    { as4, classic }: { readonly as4: boolean; readonly classic: boolean },
    rules?: () => ExportRules,
  ) {
    this.#attributes = attributes;
    this.#as4 = as4;
    this.#classic = classic;
    this.#rules = rules;
  }

  encode(number: number, out: Uint8Array, at: number): number {
    const classic = this.#classic;
    const end = this.#as4
      ? this.#attributes.encodeWire(number, classic, out, at, this.#rewriteOf(number))
      : -1;
    this.#byOctets = end >= 0;
    if (this.#byOctets) return end <= out.length ? end : -1;
    const bgp = this.#wordsOf(number);
    if (!bgp) return -1;
    const bytes = encodePathAttributes(bgp, { as4: this.#as4, nextHop: classic });
    if (at + bytes.length > out.length) return -1;
    out.set(bytes, at);
    return at + bytes.length;
  }

  encodeNextHop(number: number, out: Uint8Array, at: number): number {
    if (this.#classic) return at;
    if (this.#byOctets) {
      const rewrite = this.#rewriteOf(number);
      return Math.max(at, this.#attributes.encodeWireNextHop(number, out, at, rewrite));
    }
    const bgp = this.#wordsOf(number);
    if (bgp?.nextHop === undefined) return at;
    const bytes = encodeMpNextHop(bgp.nextHop, bgp.linkLocalNextHop);
    out.set(bytes, at);
    return at + bytes.length;
  }

  #wordsOf(number: number): PathAttributes | undefined {
    const birth = this.#attributes.birthOf(number);
    if (number === this.#number && birth === this.#birth) return this.#words;
    const route = this.#attributes.get(number);
    if (this.#rules) {
      const from = route.source === 'bgp' ? SOURCE_CLASS.external : SOURCE_CLASS.local;
      this.#words = exportedRoute(route, route, from, this.#rules())?.bgp;
    } else this.#words = route.bgp;
    this.#number = number;
    this.#birth = birth;
    return this.#words;
  }

  /** Octets as they are, rewritten by octets on the way, or (undefined) by the rules for objects. */
  #rewriteOf(number: number): ExportRewrite | 'as is' | undefined {
    if (!this.#rules) return 'as is';
    if (!this.#attributes.isLearned(number)) return undefined;
    const rules = this.#rules();
    if (this.#rewritten !== rules) {
      this.#rewritten = rules;
      this.#rewrite = rewriteFor(rules);
    }
    return this.#rewrite;
  }
}
