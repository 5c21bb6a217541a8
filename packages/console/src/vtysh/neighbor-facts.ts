// What both forms of `show bgp neighbors` derive from a neighbor: capabilities as seen from both
// sides, graceful restart modes, addresses of the connection, timers. Absent facts stay absent;
// the text and JSON renderers decide what that looks like.

import { networkOf, prefixContains } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { BgpView, CapabilitiesView, TimerView } from '@rookery/router';
import { familyOfNeighbor } from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';

/** Who sent a capability; absent when nobody did. */
export type Sides = 'advertised' | 'received' | 'advertised and received';

export function sidesOf(
  bgp: BgpView,
  has: (capabilities: CapabilitiesView) => boolean,
): Sides | undefined {
  const local = bgp.localCapabilities !== undefined && has(bgp.localCapabilities);
  const remote = bgp.neighborCapabilities !== undefined && has(bgp.neighborCapabilities);
  if (local) return remote ? 'advertised and received' : 'advertised';
  return remote ? 'received' : undefined;
}

/** Our helper role is the global default, which FRR marks with "*". */
export function localGrMode(bgp: BgpView): string {
  const modes = { off: 'Disable', aware: 'Helper', on: 'Restart' } as const;
  return `${modes[bgp.gracefulRestart.mode]}*`;
}

export function remoteGrMode(bgp: BgpView): string {
  if (bgp.state !== 'Established') return 'NotApplicable';
  const gr = bgp.neighborCapabilities?.gracefulRestart;
  if (!gr) return 'Disable';
  return gr.families.length > 0 ? 'Restart' : 'Helper';
}

export function receivedRestartTimeSec(bgp: BgpView): number {
  return bgp.neighborCapabilities?.gracefulRestart?.restartTimeSec ?? 0;
}

export function preservedByPeer(bgp: BgpView, family: Family): boolean {
  const families = bgp.neighborCapabilities?.gracefulRestart?.families ?? [];
  return families.some((f) => f.family === family && f.preserved);
}

/** Families for which an End-of-RIB went out or came in on this session. */
export function endOfRib(bgp: BgpView, family: Family): { sent: boolean; received: boolean } {
  const view = familyOfNeighbor(bgp, family);
  return { sent: view?.endOfRibSent === true, received: view?.endOfRibReceived === true };
}

export interface ConnectionFacts {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** Next hops that this session announces: its own address, then the interface's IPv6 ones. */
  readonly nexthop: IpAddress;
  readonly nexthopGlobal: IpAddress;
  readonly nexthopLocal: IpAddress;
  readonly shared: boolean;
}

/** Addresses of the current or last connection. */
export function connectionFacts(
  context: VtyContext,
  { bgp }: Neighbor,
): ConnectionFacts | undefined {
  const { connection } = bgp;
  if (!connection) return undefined;
  const { local, localPort, remote, remotePort } = connection;
  const own = context.view.interfaces().find((i) => i.addresses.some((a) => a.address === local));
  const isGlobal = (address: IpAddress): boolean => !/^fe[89ab]/.test(address);
  const v6 = own?.addresses.map((a) => a.address).filter((a) => a.includes(':')) ?? [];
  const shared =
    own?.addresses.some(
      (a) => a.address === local && prefixContains(networkOf(a.address, a.length), remote),
    ) ?? false;
  return {
    local,
    localPort,
    remote,
    remotePort,
    nexthop: local.includes(':') ? '0.0.0.0' : local,
    nexthopGlobal: local.includes(':') ? local : (v6.find(isGlobal) ?? '::'),
    nexthopLocal: v6.find((a) => !isGlobal(a)) ?? '::',
    shared,
  };
}

/** FRR's start timer runs in Idle, its connect timer in Connect and Active. */
export function pendingTimer(
  bgp: BgpView,
): { readonly kind: 'start' | 'connect'; readonly timer: TimerView } | undefined {
  const { connectDelay, connectRetry, errorWait } = bgp.timers;
  if (bgp.state === 'Idle') {
    const timer = errorWait ?? connectDelay;
    return timer && { kind: 'start', timer };
  }
  if (bgp.state !== 'Active' && bgp.state !== 'Connect' && bgp.state !== 'Passive') {
    return undefined;
  }
  const timer = connectDelay ?? connectRetry;
  return timer && { kind: 'connect', timer };
}

export function leftSec(context: VtyContext, timer: TimerView): number {
  return Math.floor(Math.max(0, timer.dueMs - context.status.nowMs) / 1000);
}

/** How many hops away the neighbor may be. */
export function maxHops(bgp: BgpView): number {
  return bgp.multihop ?? (bgp.internal ? 255 : 1);
}

/** Reads count from the creation of the neighbor until a message came. */
export function lastReadMs(bgp: BgpView): number {
  return bgp.lastReadMs ?? bgp.createdMs;
}

/** A reset that never happened counts from the creation too. */
export function lastResetMs(bgp: BgpView): number {
  return bgp.lastReset?.atMs ?? bgp.createdMs;
}

/** Negotiated; before the first OPEN what is configured. */
export function holdTimes(bgp: BgpView): { holdTimeSec: number; keepaliveTimeSec: number } {
  return bgp.negotiated ?? bgp.configured;
}
