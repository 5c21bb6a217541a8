// Policies of a network: drawn rules that change, mark and refuse routes, on top of those that keep
// it safe (see `topology.ts`).

import type { Prefix } from '@rookery/net';
import type { Draw } from './draw.ts';
import { publicAsOf } from './plan.ts';
import type { EndPlan, NetworkPlan, Relation, RouterPlan, Rule, SessionPlan } from './plan.ts';

export interface RulePair {
  readonly importRules: readonly Rule[];
  readonly exportRules: readonly Rule[];
}

/** Communities that a hierarchy marks routes with: from a customer, a peer, a provider. */
const RELATION = { customer: 0xfc000001, peer: 0xfc000002, provider: 0xfc000003 } as const;
const RELATIONS = Object.values(RELATION);
/**
 * Below 100, which routes of the own AS have inside it: two ASes that preferred each other's way to
 * a network of their own would have two outcomes, and swap them for ever when they act at once.
 */
const PREFERENCE = { customer: 90, peer: 80, provider: 50 } as const;
const FROM_ROUTE_SERVER = 0xfc000009;
const COLOURS = [0xfbf00001, 0xfbf00002, 0xfbf00003] as const;
/** NO_EXPORT, NO_ADVERTISE, NO_EXPORT_SUBCONFED (RFC 1997). */
const WELL_KNOWN = [0xffffff01, 0xffffff02, 0xffffff03] as const;

/** New policies for one end of a session, of the kind that it has by its place in the network. */
export function redrawRules(
  draw: Draw,
  plan: NetworkPlan,
  session: SessionPlan,
  own: EndPlan,
): void {
  if (session.kind !== 'external') return;
  const relation = session.relations[session.ends.indexOf(own)];
  const rules = drawRules(draw, plan.nets, plan.routers[own.router]!, relation);
  const member = session.ends.some((end) => end.rsClient && end !== own);
  Object.assign(own, member ? memberRules(rules) : rules);
}

/** A member tells the route server nothing that it has from there. */
export function memberRules({ importRules, exportRules }: RulePair): RulePair {
  const tag: Rule = { when: {}, action: { kind: 'tag', value: FROM_ROUTE_SERVER } };
  const when = { communities: [FROM_ROUTE_SERVER] };
  return {
    importRules: [...importRules, tag],
    exportRules: [{ when, action: { kind: 'reject' } }, ...exportRules],
  };
}

/**
 * Each hop inside a confederation makes a route a little worse. RFC 5065 §5.3 takes routes of other
 * members for internal ones, so two routers of a member could each prefer the other's for ever.
 */
export const HOP_INSIDE: readonly Rule[] = [{ when: {}, action: { kind: 'raiseMed', value: 1 } }];

/** Import and export rules of an external session, on top of those that its relation asks for. */
export function drawRules(
  draw: Draw,
  nets: readonly Prefix[],
  router: RouterPlan,
  relation?: Relation,
): RulePair {
  const asn = publicAsOf(router);
  const some = (): Prefix[] => draw.sample(nets, draw.between(1, 3));
  const importRules: Rule[] = [];
  const exportRules: Rule[] = [];
  if (draw.chance(0.12)) importRules.push({ when: { nets: some() }, action: { kind: 'reject' } });
  if (draw.chance(0.12)) exportRules.push({ when: { nets: some() }, action: { kind: 'reject' } });
  if (draw.chance(0.1)) {
    importRules.push({ when: { communities: [draw.pick(COLOURS)] }, action: { kind: 'reject' } });
  }
  if (draw.chance(0.15)) {
    const value = draw.chance(0.3) ? draw.pick(WELL_KNOWN) : draw.pick(COLOURS);
    exportRules.push({ when: { nets: some() }, action: { kind: 'tag', value } });
  }
  if (draw.chance(0.1)) {
    const rules = draw.pick([importRules, exportRules]);
    rules.push({ when: { nets: some() }, action: { kind: 'origin', value: draw.pick([0, 1, 2]) } });
  }
  const setsMed = router.med !== 'unset';
  // Per AS, with room for hops inside of it, so that no router sets the very metric that it received:
  // the engine does not tell that from a metric that nobody set, and BIRD does.
  const metric = (asn & 0xffff) * 16;
  if (setsMed && draw.chance(0.1)) {
    importRules.push({ when: {}, action: { kind: 'med', value: metric + 0x1000000 } });
  }
  if (setsMed && draw.chance(0.3)) {
    const value = metric + draw.pick([0, 0x2000000, 0x4000000]);
    const when = draw.chance(0.5) ? { nets: some() } : {};
    exportRules.push({ when, action: { kind: 'med', value } });
  }
  if (draw.chance(0.15)) {
    const when = draw.chance(0.5) ? { nets: some() } : {};
    exportRules.push({ when, action: { kind: 'prepend', asn, times: draw.between(1, 3) } });
  }
  if (relation === undefined) return { importRules, exportRules };
  const preference = PREFERENCE[relation];
  importRules.push(
    { when: {}, action: { kind: 'untag', communities: RELATIONS } },
    { when: {}, action: { kind: 'tag', value: RELATION[relation] } },
    { when: {}, action: { kind: 'localPref', value: preference } },
  );
  if (draw.chance(0.3)) {
    const value = preference + draw.between(1, 5);
    importRules.push({ when: { nets: some() }, action: { kind: 'localPref', value } });
  }
  if (relation !== 'customer') {
    const communities = [RELATION.peer, RELATION.provider];
    exportRules.unshift({ when: { communities }, action: { kind: 'reject' } });
  }
  return { importRules, exportRules };
}
