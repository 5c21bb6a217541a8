// The rules of a plan as a policy of the engine: a compiled filter over decoded attributes, as the
// filter language would make it. The oracle runs the same rules on its own records instead.

import { SEGMENT, prependAs } from '@rookery/bgp';
import type { PathAttributes } from '@rookery/bgp';
import { parsePrefix } from '@rookery/net';
import type { NetCursor, Policy, RouteAttributes } from '@rookery/rib';
import type { Rule } from './plan.ts';

/** Equal rules give equal policies (by text); no rules accept everything. */
export function policyFor(rules: readonly Rule[]): Policy {
  if (rules.length === 0) return { kind: 'all' };
  const steps = rules.map((rule) => ({ matches: matcherFor(rule), action: rule.action }));
  return {
    kind: 'filter',
    name: 'rules',
    text: JSON.stringify(rules),
    filter: {
      reads: { net: rules.some((rule) => rule.when.nets !== undefined), protocol: false },
      run: (net, attributes, { notesStated }) => {
        let route = attributes;
        for (const { matches, action } of steps) {
          if (!matches(net, route)) continue;
          if (action.kind === 'reject') return undefined;
          route = { ...route, bgp: changed(route.bgp ?? { asPath: [] }, action) };
          const setsMed = action.kind === 'med' || action.kind === 'raiseMed';
          if (setsMed && notesStated) route = { ...route, stated: { med: true } };
        }
        return route;
      },
    },
  };
}

function matcherFor({ when }: Rule): (net: NetCursor, route: RouteAttributes) => boolean {
  const nets = when.nets && new Set(when.nets.map(netKey));
  const { communities } = when;
  return (net, route) => {
    if (nets && !nets.has(`${net.a}/${net.b}/${net.c}/${net.d}/${net.length}`)) return false;
    if (!communities) return true;
    return communities.some((c) => route.bgp?.communities?.includes(c) ?? false);
  };
}

function netKey(net: string): string {
  const { words, length } = parsePrefix(net)!;
  return `${words[0] ?? 0}/${words[1] ?? 0}/${words[2] ?? 0}/${words[3] ?? 0}/${length}`;
}

function changed(
  bgp: PathAttributes,
  action: Exclude<Rule['action'], { readonly kind: 'reject' }>,
): PathAttributes {
  switch (action.kind) {
    case 'localPref':
      return { ...bgp, localPref: action.value };
    case 'med':
      return { ...bgp, med: action.value };
    case 'raiseMed':
      return { ...bgp, med: (bgp.med ?? 0) + action.value };
    case 'origin':
      return { ...bgp, origin: action.value };
    case 'tag': {
      const known = bgp.communities ?? [];
      return known.includes(action.value) ? bgp : { ...bgp, communities: [...known, action.value] };
    }
    case 'untag':
      return {
        ...bgp,
        communities: (bgp.communities ?? []).filter((c) => !action.communities.includes(c)),
      };
    case 'prepend': {
      let { asPath } = bgp;
      for (let i = 0; i < action.times; i++) {
        asPath = prependAs(asPath, action.asn, SEGMENT.asSequence);
      }
      return { ...bgp, asPath };
    }
  }
}
