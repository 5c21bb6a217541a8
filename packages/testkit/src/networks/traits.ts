// What a simulated network is an example of, as names: summed over many seeds they show that the
// generator still reaches all that it is meant to reach.

import type { Router } from '@rookery/router';
import { FAULT_KINDS } from './faults.ts';
import type { Faults } from './faults.ts';
import type { EndPlan, NetworkPlan, RouterPlan, RuleAction, SessionPlan } from './plan.ts';

/** How many routers: every size up to eleven, then ranges. */
const RANGES = [11, 30, 60, 120, 200];
const SIZES = [
  ...Array.from({ length: 10 }, (_, i) => sizeTrait(i + 2)),
  ...RANGES.slice(1).map(sizeTrait),
];

const ROUTER_TRAITS: Readonly<Record<string, (router: RouterPlan) => boolean>> = {
  confederation: (router) => router.confederation !== undefined,
  'own AS allowed': (router) => router.allowLocalAs > 0,
  'AS of four octets': (router) => router.asn > 0xffff,
  'MED always': (router) => router.med === 'always',
  'MED deterministic': (router) => router.med === 'deterministic',
  'MED unset': (router) => router.med === 'unset',
  'cluster id': (router) => router.clusterId !== undefined,
  'extended messages': (router) => router.extendedMessages,
  'merge paths': (router) => router.mergePaths,
};

const SESSION_TRAITS: Readonly<Record<string, (session: SessionPlan) => boolean>> = {
  'external session': ({ kind }) => kind === 'external',
  'internal session': ({ kind }) => kind === 'internal',
  'member session': ({ kind }) => kind === 'member',
  'add-path': ({ manyPaths }) => manyPaths,
  roles: ({ roles, relations }) => roles && relations[0] !== undefined,
};

const END_TRAITS: Readonly<Record<string, (end: EndPlan) => boolean>> = {
  'passive end': (end) => end.passive,
  'reflector client': (end) => end.rrClient,
  'route server client': (end) => end.rsClient,
  'filtered routes kept': (end) => end.keepFiltered,
  'import table': (end) => end.importTable,
  'export table': (end) => end.exportTable,
  'graceful restart': (end) => end.gracefulRestart === 'on',
  'long-lived graceful restart': (end) => end.longLived === 'on',
};

const ACTIONS: readonly RuleAction['kind'][] = [
  'reject',
  'localPref',
  'med',
  'raiseMed',
  'origin',
  'tag',
  'untag',
  'prepend',
];

const STALE = { regular: 'stale routes kept', 'long-lived': 'stale routes kept for long' } as const;
export type PassingTrait = (typeof STALE)[keyof typeof STALE];

/** Everything that some seed has to be an example of. */
export const TRAITS: readonly string[] = [
  ...SIZES,
  ...['tree', 'ring', 'random', 'hierarchy', 'route server', 'leaf-spine'].map((s) => `shape ${s}`),
  ...['ipv4', 'ipv6', 'dual', 'ipv4 over ipv6'].map((addressing) => `addressing ${addressing}`),
  'hundreds of networks',
  ...Object.keys(ROUTER_TRAITS),
  ...Object.keys(SESSION_TRAITS),
  ...Object.keys(END_TRAITS),
  ...ACTIONS.map((action) => `rule ${action}`),
  ...FAULT_KINDS.map((kind) => `fault ${kind}`),
  ...Object.values(STALE),
];

export function traitsOf(plan: NetworkPlan, faults: Faults): string[] {
  const ends = plan.sessions.flatMap((session) => session.ends);
  const rules = ends.flatMap((end) => [...end.importRules, ...end.exportRules]);
  const actions = new Set(rules.map((rule) => rule.action.kind));
  return [
    sizeTrait(plan.routers.length),
    `shape ${plan.shape}`,
    `addressing ${plan.addressing}`,
    ...(plan.nets.length >= 300 ? ['hundreds of networks'] : []),
    ...shownBy(ROUTER_TRAITS, plan.routers),
    ...shownBy(SESSION_TRAITS, plan.sessions),
    ...shownBy(END_TRAITS, ends),
    ...[...actions].map((action) => `rule ${action}`),
    ...[...faults.struck].map((kind) => `fault ${kind}`),
  ];
}

/** RFC 4724, RFC 9494: whether somebody keeps the routes of a neighbor that is gone. */
export function noteStale(view: Router['view'], witnessed: Set<PassingTrait>): void {
  for (const { neighborGr } of view.protocols().flatMap((protocol) => protocol.channels)) {
    if (neighborGr) witnessed.add(STALE[neighborGr]);
  }
}

function shownBy<T>(
  traits: Readonly<Record<string, (item: T) => boolean>>,
  items: readonly T[],
): string[] {
  return Object.keys(traits).filter((name) => items.some(traits[name]!));
}

function sizeTrait(size: number): string {
  const end = RANGES.findIndex((range) => size <= range);
  return end <= 0 ? `${size} routers` : `${RANGES[end - 1]! + 1} to ${RANGES[end]} routers`;
}
