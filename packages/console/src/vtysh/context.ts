// What every vtysh command needs: the view, one status taken at the start, and how the dialect
// presents itself. Also the few facts that all BGP commands share: neighbors in FRR's order, the
// state names, the families.

import { compareAddresses } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type {
  BgpFamilyView,
  BgpView,
  EngineMs,
  ProtocolView,
  RouterControl,
  RouterStatus,
  RouterView,
  RunningNeighbor,
  TableView,
} from '@rookery/router';
import type { UtcOffset } from '../wall-clock.ts';

export interface VtyEnvironment {
  readonly view: RouterView;
  readonly control: RouterControl;
  /**
   * Whose socket the line came from: "bgpd", "zebra", "bfdd", "staticd", …; "vtysh" is the shell
   * itself, which knows every command and joins the answers of all daemons.
   */
  readonly daemon: string;
  readonly offset: UtcOffset;
  /** The FRR version this dialect stands for; absent: "9.1_git", the post's. */
  readonly version?: string;
  /** For `show version`, e.g. "Linux(6.6.1)"; absent: "Linux". */
  readonly system?: string;
}

export interface VtyContext extends VtyEnvironment {
  readonly status: RouterStatus;
  readonly version: string;
  readonly system: string;
}

export interface Neighbor {
  /** The address, or the interface of one without. */
  readonly name: string;
  readonly protocol: ProtocolView;
  readonly bgp: BgpView;
}

export const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
export const FAMILY_TITLES = { ipv4: 'IPv4 Unicast', ipv6: 'IPv6 Unicast' } as const;
export const FAMILY_KEYS = { ipv4: 'ipv4Unicast', ipv6: 'ipv6Unicast' } as const;

/** BGP neighbors: those named by an interface first, then in order of the address. */
export function neighborsOf(view: RouterView): readonly Neighbor[] {
  const found: Neighbor[] = [];
  const running = view.runningConfig()?.instances.flatMap((instance) => instance.neighbors) ?? [];
  for (const protocol of view.protocols()) {
    const { bgp } = protocol;
    const name = bgp && neighborName(bgp);
    if (!bgp || name === undefined) continue;
    const rendered = running.find((n) => (n.address ?? n.interface) === name);
    found.push({
      name,
      protocol,
      bgp: rendered ? withRouteMaps(bgp, rendered) : bgp,
    });
  }
  return found.toSorted((a, b) => compareNeighbors(a, b));
}

/** What FRR calls a neighbor; ranges have no name. */
export function neighborName(bgp: BgpView): string | undefined {
  return bgp.unnumbered ? bgp.interface : bgp.neighborAddress;
}

function compareNeighbors(a: Neighbor, b: Neighbor): number {
  if (a.bgp.unnumbered !== b.bgp.unnumbered) return a.bgp.unnumbered ? -1 : 1;
  if (a.bgp.unnumbered) return a.name < b.name ? -1 : 1;
  return compareAddresses(a.name, b.name);
}

/** On a speaker policies go by the names of the route maps that its configuration shows. */
function withRouteMaps(bgp: BgpView, rendered: RunningNeighbor): BgpView {
  const families = bgp.families.map((view): BgpFamilyView => {
    const { routeMapIn, routeMapOut } =
      rendered.families.find((f) => f.family === view.family) ?? {};
    return {
      ...view,
      ...(routeMapIn !== undefined && { importPolicyName: routeMapIn }),
      ...(routeMapOut !== undefined && { exportPolicyName: routeMapOut }),
    };
  });
  return { ...bgp, families };
}

export function familyOfNeighbor(bgp: BgpView, family: Family): BgpFamilyView | undefined {
  return bgp.families.find((f) => f.family === family);
}

/** FRR's words: it has no Passive state, and calls a closing session Clearing. */
export function fsmState(bgp: BgpView): string {
  if (bgp.state === 'Passive') return 'Active';
  if (bgp.state === 'Close') return 'Clearing';
  return bgp.state === 'Down' ? 'Idle' : bgp.state;
}

/** Whether there is a BGP instance at all; without one FRR answers every command with an error. */
export function hasInstance(view: RouterView): boolean {
  return view.protocols().some((p) => p.bgp) || (view.runningConfig()?.instances.length ?? 0) > 0;
}

export function localAsOf(view: RouterView): number {
  const running = view.runningConfig()?.instances[0]?.localAs;
  return running ?? view.protocols().find((p) => p.bgp)?.bgp?.localAs ?? 0;
}

/** The router id of the BGP instance. */
export function routerIdOf(context: VtyContext): IpAddress {
  const running = context.view.runningConfig()?.instances[0]?.routerId;
  const first = context.view.protocols().find((p) => p.bgp)?.bgp;
  return running ?? first?.localId ?? context.status.routerId;
}

/** The table that BGP of this family uses. */
export function tableOf(view: RouterView, family: Family): TableView | undefined {
  const channel = view
    .protocols()
    .filter((p) => p.bgp)
    .flatMap((p) => p.channels)
    .find((c) => c.config.netType === family);
  const name = channel?.config.table ?? (family === 'ipv4' ? 'master4' : 'master6');
  return view.tables().find((t) => t.name === name);
}

/** Engine milliseconds since `at`; 0 for the future. */
export function ageMs(context: VtyContext, at: EngineMs): number {
  return Math.max(0, context.status.nowMs - at);
}

/** Unix seconds of an engine time. */
export function epochSec(context: VtyContext, at: EngineMs): number {
  return Math.floor((at + context.status.wallOffsetMs) / 1000);
}

export function sentTotal(bgp: BgpView): number {
  return totalOf(bgp.sent);
}

export function receivedTotal(bgp: BgpView): number {
  return totalOf(bgp.received);
}

function totalOf(counts: BgpView['sent']): number {
  return counts.open + counts.notification + counts.update + counts.keepalive + counts.routeRefresh;
}
