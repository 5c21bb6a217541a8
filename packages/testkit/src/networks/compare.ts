// The tables of a simulated network and of the oracle as lines of text, and the lines that differ:
// what each router holds and chose, what it says it told each neighbor, what its kernel forwards.

import { SEGMENT } from '@rookery/bgp';
import { familyOf } from '@rookery/net';
import type { Family, Prefix } from '@rookery/net';
import type { RouteAttributes } from '@rookery/rib';
import type { RouteQuery, RouteView } from '@rookery/router';
import type { SimRouter } from '../sim-router.ts';
import type { HeldRoute, Outcome, SentRoute } from './oracle-choice.ts';
import type { OracleResult } from './oracle.ts';
import { familiesOf } from './plan.ts';
import type { NetworkPlan, RouterPlan } from './plan.ts';

type Expected = Extract<OracleResult, { readonly kind: 'stable' }>;

/** Empty when everything is as the oracle says; at most `limit` lines otherwise. */
export function differences(
  plan: NetworkPlan,
  routers: readonly SimRouter[],
  expected: Expected,
  limit: number,
): string[] {
  const found: string[] = [];
  for (const router of plan.routers) {
    const sim = routers[router.index]!;
    const tables = expected.tables[router.index]!;
    const kernel = actualKernel(sim);
    const parts: [string, string[], string[]][] = [
      ['table', actualTable(plan, sim, tables), expectedTable(router, plan, tables)],
      ['kernel', kernel, expectedKernel(router, tables, kernel)],
    ];
    for (const session of plan.sessions) {
      session.ends.forEach((end, i) => {
        if (end.router !== router.index) return;
        const sent = expected.sent.get(`${session.name} ${i}`)!;
        parts.push([
          `told ${session.name}`,
          actualExports(plan, sim, session.name),
          [...sent].flatMap(([net, routes]) => routes.map(() => net)).toSorted(),
        ]);
      });
    }
    for (const [what, actual, wanted] of parts) {
      for (const line of without(wanted, actual))
        found.push(`r${router.index} ${what} lacks ${line}`);
      for (const line of without(actual, wanted))
        found.push(`r${router.index} ${what} has   ${line}`);
    }
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}

function expectedTable(
  router: RouterPlan,
  plan: NetworkPlan,
  tables: ReadonlyMap<Prefix, Outcome>,
): string[] {
  const lines: string[] = [];
  for (const [net, { held, best }] of tables) {
    for (const route of held) {
      if (route.filtered && !route.via?.own.keepFiltered) continue;
      const mark = route.filtered ? 'filtered' : best.includes(route) ? markOf(best.length) : '-';
      lines.push(`${net} ${protocolOf(net, route)} ${mark} ${wordsOf(route)}`);
    }
  }
  return lines.toSorted();
}

function actualTable(
  plan: NetworkPlan,
  sim: SimRouter,
  tables: ReadonlyMap<Prefix, Outcome>,
): string[] {
  const lines: string[] = [];
  const names = familiesOf(plan).map(tableOf);
  for (const filtered of [false, true]) {
    walk(sim, { tables: names, primary: false, filtered, countOnly: false }, (net, route) => {
      const words = wordsOf(actualWords(route.attributes));
      const ties = (tables.get(net)?.best ?? []).map((r) => `${protocolOf(net, r)} ${wordsOf(r)}`);
      const tied = ties.length > 1 && ties.includes(`${route.protocol} ${words}`);
      const chosen = route.best ? markOf(1) : '-';
      const mark = filtered ? 'filtered' : tied ? markOf(ties.length) : chosen;
      lines.push(`${net} ${route.protocol} ${mark}${route.stale ? ' stale' : ''} ${words}`);
    });
  }
  return lines.toSorted();
}

function protocolOf(net: Prefix, { via }: HeldRoute): string {
  return via?.session.name ?? `static ${familyOf(net)}`;
}

function tableOf(family: Family): string {
  return family === 'ipv4' ? 'master4' : 'master6';
}

/** Of several equal ones any may be the best. */
function markOf(candidates: number): string {
  return candidates > 1 ? 'one of the best' : 'best';
}

function actualExports(plan: NetworkPlan, sim: SimRouter, protocol: string): string[] {
  const nets: string[] = [];
  for (const family of familiesOf(plan)) {
    const query: RouteQuery = {
      tables: [tableOf(family)],
      export: { kind: 'exported', protocol, channel: family },
      primary: false,
      filtered: false,
      countOnly: false,
    };
    if (!walk(sim, query, (net) => nets.push(net))) return [`nothing: no ${family} channel is up`];
  }
  return nets.toSorted();
}

function expectedKernel(
  router: RouterPlan,
  tables: ReadonlyMap<Prefix, Outcome>,
  actual: readonly string[],
): string[] {
  const lines: string[] = [];
  for (const [net, { best, equal }] of tables) {
    const [first] = best;
    if (!first) continue;
    if (!first.via) lines.push(`${net} blackhole metric 32`);
    else if (router.mergePaths) {
      const hops = new Set(equal.map((route) => route.nextHop!));
      lines.push(`${net} via ${[...hops].toSorted().join()} metric 32`);
    } else {
      const candidates = best.map((route) => `${net} via ${route.nextHop} metric 32`);
      lines.push(candidates.find((line) => actual.includes(line)) ?? candidates[0]!);
    }
  }
  return lines.toSorted();
}

function actualKernel(sim: SimRouter): string[] {
  return sim.fib
    .owned()
    .map((line) =>
      line.replace(
        / via (\S+) /,
        (_all, hops: string) => ` via ${hops.split(',').toSorted().join()} `,
      ),
    )
    .toSorted();
}

/** False when the query has no answer (a channel that is not up). */
function walk(
  sim: SimRouter,
  query: RouteQuery,
  visit: (net: Prefix, route: RouteView) => void,
): boolean {
  const result = sim.router.view.walkRoutes(query);
  if (!result.ok) return false;
  for (;;) {
    const items = result.walk.next(1000);
    if (items.length === 0) return true;
    for (const item of items) {
      if (item.kind === 'network') for (const route of item.routes) visit(item.net, route);
    }
  }
}

function actualWords({ bgp }: RouteAttributes): SentRoute {
  const asnsIn = (types: readonly number[]): number[] =>
    (bgp?.asPath ?? []).flatMap(({ type, asns }) => (types.includes(type) ? [...asns] : []));
  return {
    asPath: asnsIn([SEGMENT.asSequence, SEGMENT.asSet]),
    members: asnsIn([SEGMENT.confedSequence, SEGMENT.confedSet]),
    origin: bgp?.origin ?? 0,
    localPref: bgp?.localPref,
    med: bgp?.med,
    communities: bgp?.communities ?? [],
    nextHop: bgp?.nextHop,
    originator: bgp?.originatorId,
    clusters: bgp?.clusterList ?? [],
    otc: bgp?.otc,
  };
}

function wordsOf(route: SentRoute): string {
  const tags = route.communities.map((c) => c.toString(16)).toSorted();
  const words = [`path ${route.asPath.join(' ')}`];
  const say = (name: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== '') words.push(`${name} ${value}`);
  };
  say('members', route.members.join(' '));
  say('via', route.nextHop);
  say('origin', 'ie?'[route.origin]);
  say('pref', route.localPref);
  say('med', route.med);
  say('tags', tags.join(' '));
  say('originator', route.originator);
  say('clusters', route.clusters.join(' '));
  say('otc', route.otc);
  return words.join(', ');
}

/** Items of `a` that `b` lacks, counting duplicates. */
function without(a: readonly string[], b: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of b) counts.set(line, (counts.get(line) ?? 0) + 1);
  return a.filter((line) => {
    const left = counts.get(line) ?? 0;
    counts.set(line, left - 1);
    return left <= 0;
  });
}
