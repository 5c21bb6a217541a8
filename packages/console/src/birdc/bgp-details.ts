// The BGP part of `show protocols`: state and last error in the row, and in `show protocols all`
// the addresses, the capabilities of both sides, the session and its timers. A capability block
// lists what one OPEN carried (RFC 5492), in BIRD's order and words.

import type {
  BgpErrorView,
  BgpView,
  CapabilitiesView,
  ProtocolState,
  TimerView,
} from '@rookery/router';
import type { Family } from '@rookery/net';
import { isLinkLocal } from '@rookery/net';
import { labelled, timerText } from './show-context.ts';
import type { ShowContext } from './show-context.ts';

const ERROR_CLASSES: Readonly<Record<BgpErrorView['class'], string>> = {
  misc: 'Error: ',
  socket: 'Socket: ',
  received: 'Received: ',
  sent: 'BGP Error: ',
  'automatic shutdown': 'Automatic shutdown: ',
};

/** The Info column: the state padded to 14, then the last error. */
export function bgpInfo(bgp: BgpView, state: ProtocolState): string {
  const error = errorText(bgp);
  return state === 'down' ? error : `${bgp.state.padEnd(14)}${error}`;
}

function errorText(bgp: BgpView): string {
  return bgp.lastError ? ERROR_CLASSES[bgp.lastError.class] + bgp.lastError.text : '';
}

export function bgpDetails(context: ShowContext, bgp: BgpView): string[] {
  const lines = [labelled(2, 'BGP state', bgp.state, 22)];
  const say = (label: string, value: string): void => {
    lines.push(labelled(4, label, value, 22));
  };
  const timer = (label: string, value: TimerView | undefined): void => {
    if (value) say(label, timerText(context, value));
  };
  if (bgp.neighborRange !== undefined) say('Neighbor range', bgp.neighborRange);
  else say('Neighbor address', neighborText(bgp));
  if (bgp.neighborPort !== 179) say('Neighbor port', String(bgp.neighborPort));
  say('Neighbor AS', String(bgp.neighborAs));
  say('Local AS', String(bgp.localAs));
  if (bgp.restarting) lines.push('    Neighbor graceful restart active');
  if (bgp.state === 'Established') {
    say('Neighbor ID', bgp.neighborId ?? '0.0.0.0');
    lines.push('    Local capabilities', ...capabilityLines(bgp.localCapabilities));
    lines.push('    Neighbor capabilities', ...capabilityLines(bgp.neighborCapabilities));
    say('Session', sessionWords(bgp));
    say('Source address', bgp.connection?.local ?? '');
    say('Hold timer', heldTimer(context, bgp.timers.hold));
    say('Keepalive timer', heldTimer(context, bgp.timers.keepalive));
    if (!context.version.startsWith('2.0.')) timer('Send hold timer', bgp.timers.sendHold);
  } else {
    timer('Error wait', bgp.timers.errorWait);
    timer('Connect delay', bgp.timers.connectDelay);
    // The neighbor chose the length of its restart, so BIRD prints none.
    const { restart } = bgp.timers;
    if (bgp.restarting && restart) timer('Restart timer', { dueMs: restart.dueMs });
  }
  if (bgp.lastError) say('Last error', errorText(bgp));
  return lines;
}

/** A link-local neighbor is only meaningful with its interface. */
function neighborText(bgp: BgpView): string {
  const address = bgp.neighborAddress ?? '';
  return isLinkLocal(address) && bgp.interface !== undefined
    ? `${address}%${bgp.interface}`
    : address;
}

/** Hold time 0 has no timer; BIRD prints it as one that does not run. */
function heldTimer(context: ShowContext, timer: TimerView | undefined): string {
  return timer ? timerText(context, timer) : '0.000/0';
}

function sessionWords(bgp: BgpView): string {
  return [
    bgp.internal ? 'internal' : 'external',
    bgp.multihop !== undefined && 'multihop',
    bgp.rrClient && 'route-reflector',
    bgp.rsClient && 'route-server',
    bgp.as4Session && 'AS4',
  ]
    .filter((word) => word !== false)
    .join(' ');
}

/** The lines of one OPEN's capabilities, in the order of BIRD's console. */
function capabilityLines(caps: CapabilitiesView | undefined): string[] {
  if (!caps) return [];
  const lines: string[] = [];
  const has = (label: string): void => void lines.push(`      ${label}`);
  const sub = (label: string, value: string): void => {
    lines.push(`        ${label}:${value === '' ? '' : ` ${value}`}`);
  };
  if (caps.multiprotocol.length > 0) {
    has('Multiprotocol');
    sub('AF announced', families(caps.multiprotocol));
  }
  if (caps.routeRefresh) has('Route refresh');
  if (caps.extendedNextHop.length > 0) {
    has('Extended next hop');
    sub('IPv6 nexthop', families(caps.extendedNextHop));
  }
  if (caps.extendedMessage) has('Extended message');
  const gr = caps.gracefulRestart;
  if (gr) {
    has('Graceful restart');
    // A speaker that only helps lists no families; BIRD then prints no details.
    if (gr.families.length > 0) {
      sub('Restart time', String(gr.restartTimeSec));
      if (gr.restarting) lines.push('        Restart recovery');
      sub('AF supported', families(gr.families.map((f) => f.family)));
      sub('AF preserved', families(gr.families.filter((f) => f.preserved).map((f) => f.family)));
    }
  }
  if (caps.as4) has('4-octet AS numbers');
  if (caps.addPathRx.length > 0 || caps.addPathTx.length > 0) {
    has('ADD-PATH');
    sub('RX', families(caps.addPathRx));
    sub('TX', families(caps.addPathTx));
  }
  if (caps.enhancedRefresh) has('Enhanced refresh');
  const ll = caps.longLivedGracefulRestart;
  if (ll) {
    has('Long-lived graceful restart');
    if (ll.families.length > 0) lines.push(...longLivedLines(ll.families));
  }
  if (caps.hostname) has(`Hostname: ${caps.hostname.host}`);
  if (caps.role !== undefined) has(`Role: ${caps.role}`);
  return lines;
}

type LongLivedFamily = NonNullable<
  CapabilitiesView['longLivedGracefulRestart']
>['families'][number];

/** One stale time when all families agree, else each family with its own. */
function longLivedLines(list: readonly LongLivedFamily[]): string[] {
  const times = new Set(list.map((f) => f.staleTimeSec));
  const common = times.size === 1 ? list[0]!.staleTimeSec : undefined;
  const name = (f: LongLivedFamily): string =>
    common === undefined ? `${f.family}(${f.staleTimeSec})` : f.family;
  const join = (names: readonly string[]): string => names.map((text) => ` ${text}`).join('');
  // A stale time of 0 (FRR's default) offers nothing, so BIRD does not count it as support.
  const supported = list.filter((f) => f.staleTimeSec > 0).map(name);
  const preserved = list.filter((f) => f.preserved).map(name);
  return [
    ...(common === undefined ? [] : [`        LL stale time: ${common}`]),
    `        AF supported:${join(supported)}`,
    `        AF preserved:${join(preserved)}`,
  ];
}

function families(list: readonly Family[]): string {
  return list.join(' ');
}
