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
export function encoderFor(
  attributes: AttributeStore,
  { as4, classic }: { readonly as4: boolean; readonly classic: boolean },
  rules?: () => ExportRules,
): AttributeEncoder {
  let last = 0;
  let lastBirth = -1;
  let words: PathAttributes | undefined;
  const wordsOf = (number: number): PathAttributes | undefined => {
    const birth = attributes.birthOf(number);
    if (number === last && birth === lastBirth) return words;
    const route = attributes.get(number);
    if (rules) {
      const from = route.source === 'bgp' ? SOURCE_CLASS.external : SOURCE_CLASS.local;
      words = exportedRoute(route, route, from, rules())?.bgp;
    } else words = route.bgp;
    last = number;
    lastBirth = birth;
    return words;
  };
  let ordered: ExportRules | undefined;
  let order: ExportRewrite | undefined;
  // Octets as they are, rewritten by octets on the way, or (undefined) by the rules for objects.
  const orderFor = (number: number): ExportRewrite | 'as is' | undefined => {
    if (!rules) return 'as is';
    if (!attributes.isLearned(number)) return undefined;
    if (ordered !== rules()) {
      ordered = rules();
      order = rewriteFor(ordered);
    }
    return order;
  };
  let byOctets = false;
  return {
    encode(number, out, at) {
      const end = as4 ? attributes.encodeWire(number, classic, out, at, orderFor(number)) : -1;
      byOctets = end >= 0;
      if (byOctets) return end <= out.length ? end : -1;
      const bgp = wordsOf(number);
      if (!bgp) return -1;
      const bytes = encodePathAttributes(bgp, { as4, nextHop: classic });
      if (at + bytes.length > out.length) return -1;
      out.set(bytes, at);
      return at + bytes.length;
    },
    encodeNextHop(number, out, at) {
      if (classic) return at;
      if (byOctets) {
        return Math.max(at, attributes.encodeWireNextHop(number, out, at, orderFor(number)));
      }
      const bgp = wordsOf(number);
      if (bgp?.nextHop === undefined) return at;
      const bytes = encodeMpNextHop(bgp.nextHop, bgp.linkLocalNextHop);
      out.set(bytes, at);
      return at + bytes.length;
    },
  };
}
