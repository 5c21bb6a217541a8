// The oracle's own decision process: RFC 4271 §9.1.2 with RFC 4456 §9 and RFC 5065 §5.3, over lists
// of plain records.

import { compareAddresses } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { EndPlan, RouterPlan, SessionPlan } from './plan.ts';

/** A route as it travels. */
export interface SentRoute {
  /** Outside the own confederation. */
  readonly asPath: readonly number[];
  /** Member ASes of the own confederation on the way. */
  readonly members: readonly number[];
  readonly origin: number;
  readonly localPref: number | undefined;
  readonly med: number | undefined;
  readonly communities: readonly number[];
  readonly nextHop: IpAddress | undefined;
  readonly originator: IpAddress | undefined;
  readonly clusters: readonly IpAddress[];
  readonly otc: number | undefined;
}

/** A route in the table of a router. */
export interface HeldRoute extends SentRoute {
  /** `undefined` for an origin of its own. */
  readonly via: Neighborship | undefined;
  readonly filtered: boolean;
}

/** A session as one of its ends has it. */
export interface Neighborship {
  readonly session: SessionPlan;
  readonly own: EndPlan;
  readonly peer: EndPlan;
  readonly side: 0 | 1;
  /** Who is there. */
  readonly router: RouterPlan;
}

export interface Outcome {
  readonly held: readonly HeldRoute[];
  /** Usually one; several when their order is not defined (paths of one peer, equal in all else). */
  readonly best: readonly HeldRoute[];
  /** What the kernel shares traffic among, when it may. */
  readonly equal: readonly HeldRoute[];
}

export function choose(router: RouterPlan, held: readonly HeldRoute[]): Outcome {
  const usable = held.filter((route) => !route.filtered);
  const origin = usable.find((route) => route.via === undefined);
  if (origin) return { held, best: [origin], equal: [origin] };
  const always = router.med === 'always';
  const beatenBy = (upTo: 'merit' | 'all') => (a: HeldRoute) =>
    usable.some((b) => b.asPath[0] === a.asPath[0] && compare(b, a, always, upTo) < 0);
  // Who loses among the routes through one neighbor AS is out before groups meet.
  const grouped = router.med === 'deterministic';
  const loses = beatenBy('all');
  const finalists = grouped ? usable.filter((route) => !loses(route)) : usable;
  const best = finalists.filter((a) => !finalists.some((b) => compare(b, a, always, 'all') < 0));
  const [first] = best;
  if (!first) return { held, best, equal: [] };
  const outranked = beatenBy('merit');
  const equal = usable.filter((a) => !outranked(a) && compare(a, first, always, 'merit') === 0);
  return { held, best, equal };
}

/** Negative when `a` is better. `merit` ends where routes may share traffic. */
function compare(a: HeldRoute, b: HeldRoute, medAlways: boolean, upTo: 'merit' | 'all'): number {
  const steps: number[] = [
    (b.localPref ?? 100) - (a.localPref ?? 100),
    a.asPath.length - b.asPath.length,
    a.origin - b.origin,
    medAlways || a.asPath[0] === b.asPath[0] ? (a.med ?? 0) - (b.med ?? 0) : 0,
    Number(isExternal(b)) - Number(isExternal(a)),
  ];
  if (upTo === 'all') {
    steps.push(
      compareAddresses(originatorOf(a), originatorOf(b)),
      a.clusters.length - b.clusters.length,
      compareAddresses(neighborOf(a), neighborOf(b)),
    );
  }
  return steps.find((step) => step !== 0) ?? 0;
}

function isExternal(route: HeldRoute): boolean {
  return route.via!.session.kind === 'external';
}

function originatorOf(route: HeldRoute): IpAddress {
  return route.originator ?? route.via!.router.routerId;
}

function neighborOf({ via }: HeldRoute): IpAddress {
  return via!.peer.addresses[via!.session.transport]!;
}
