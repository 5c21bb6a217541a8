// Every command of the vtysh dialect: its pattern, the FRR daemons that know it, and what answers
// it. Patterns follow FRR 9.1's own; `[json$json]` is common to nearly all of them.

import { parseAddress } from '@rookery/net';
import type { Family } from '@rookery/net';
import * as bfd from './bfd-peers.ts';
import * as lists from './bgp-lists.ts';
import { detailText, prefixReply } from './bgp-prefix.ts';
import { summaryJson, summaryText, summaryVrfJson } from './bgp-summary.ts';
import type { SummaryOptions } from './bgp-summary.ts';
import * as table from './bgp-table.ts';
import { bgpEntries } from './bgp-paths.ts';
import { clearBgp } from './clear.ts';
import { hasInstance, neighborsOf } from './context.ts';
import type { Neighbor, VtyContext } from './context.ts';
import * as filters from './filters.ts';
import type { Parameters } from './grammar.ts';
import * as routes from './ip-route.ts';
import { prettyJson } from './json.ts';
import type { Json } from './json.ts';
import { neighborJson } from './neighbor-json.ts';
import { neighborText } from './neighbor-text.ts';
import { daemonConfigText, runningConfigText } from './running-config.ts';
import * as system from './system.ts';

export type Answer = (context: VtyContext, parameters: Parameters) => string;

export interface VtyCommand {
  readonly pattern: string;
  /** Sockets that know it; the shell knows all. */
  readonly daemons: readonly string[];
  readonly run: Answer;
}

const BGPD = ['bgpd'];
const ZEBRA = ['zebra'];
const BFDD = ['bfdd'];
const ALL = ['bgpd', 'zebra', 'bfdd', 'staticd', 'mgmtd', 'watchfrr'];
const FILTERS = ['bgpd', 'zebra'];

const VRF = '[(vrf|view) (all$all|WORD$vrf)]';
const PEER = '(A.B.C.D$peer|X:X::X:X$peer|WORD$peer)';
const JSON_WORD = '[json$json]';

function pretty(value: Json): string {
  return `${prettyJson(value)}\n`;
}

/** bgpd's pretty JSON of neighbors escapes slashes. */
function escaped(value: Json): string {
  return `${prettyJson(value, { escapeSlash: true })}\n`;
}

const isJson = (p: Parameters): boolean => p['json'] !== undefined;

const familyIn = (p: Parameters): Family | undefined =>
  p['ipv6'] !== undefined ? 'ipv6' : p['ipv4'] !== undefined ? 'ipv4' : undefined;

/** What FRR answers when there is no BGP at all. */
function needInstance(context: VtyContext, p: Parameters): string | undefined {
  if (hasInstance(context.view)) return undefined;
  return isJson(p) ? '{}\n' : '% BGP instance not found\n';
}

/** `ip` and a named family choose a family; without either all are meant, or IPv6 for routes. */
function summary(context: VtyContext, p: Parameters): string {
  const missing = needInstance(context, p);
  if (missing !== undefined) return missing;
  const only = p['only'] as 'established' | 'failed' | undefined;
  const remoteAs = p['as'];
  const neighbor = p['peer'];
  const family = familyIn(p) ?? (p['ip'] === undefined ? undefined : 'ipv4');
  const options: SummaryOptions = {
    ...(family !== undefined && { family }),
    ...(only !== undefined && { only }),
    ...(neighbor !== undefined && { neighbor }),
    ...(remoteAs !== undefined && { remoteAs: Number(remoteAs) }),
    wide: p['wide'] !== undefined,
    terse: p['terse'] !== undefined,
    // Only "ipv4 unicast" in full leaves the family's title out.
    titled: p['unicast'] === undefined,
  };
  if (!isJson(p)) return summaryText(context, options);
  return p['all'] === undefined ? summaryJson(context, options) : summaryVrfJson(context, options);
}

function findNeighbor(context: VtyContext, p: Parameters): Neighbor | undefined {
  const wanted = p['peer']!;
  const address = parseAddress(wanted) ?? wanted;
  return neighborsOf(context.view).find(
    (n) => n.name === address || n.bgp.neighborCapabilities?.hostname?.host === wanted,
  );
}

function noSuchNeighbor(p: Parameters): string {
  return isJson(p)
    ? pretty({ bgpNoSuchNeighbor: true })
    : '% No such neighbor in this view/vrf\n\n';
}

function neighbors(context: VtyContext, p: Parameters): string {
  const missing = needInstance(context, p);
  if (missing !== undefined) return missing;
  const all = neighborsOf(context.view);
  const one = p['peer'] === undefined ? undefined : findNeighbor(context, p);
  if (p['peer'] !== undefined && !one) return noSuchNeighbor(p);
  const chosen = one ? [one] : all;
  if (isJson(p)) {
    const result: Record<string, Json> = {};
    for (const neighbor of chosen) result[neighbor.name] = neighborJson(context, neighbor);
    if (p['all'] === undefined) return escaped(result);
    return escaped({ default: { vrfId: 0, vrfName: 'default', ...result } });
  }
  if (chosen.length === 0) return '% No BGP neighbors found\n\n';
  return `${chosen.map((n) => neighborText(context, n)).join('')}\n`;
}

/** Without "ip" or a family the IPv6 table is meant: FRR's historic default. */
function routesFamily(p: Parameters): Family {
  return familyIn(p) ?? (p['ip'] === undefined ? 'ipv6' : 'ipv4');
}

function neighborRoutes(context: VtyContext, p: Parameters): string {
  const missing = needInstance(context, p);
  if (missing !== undefined) return missing;
  const neighbor = findNeighbor(context, p);
  if (!neighbor) return noSuchNeighbor(p);
  const family = routesFamily(p);
  const json = isJson(p);
  switch (p['which']) {
    case 'advertised-routes':
      return json
        ? table.advertisedJson(context, neighbor, family)
        : table.advertisedText(context, neighbor, family);
    case 'routes':
      return json
        ? table.tableJson(context, family, table.acceptedEntries(context, neighbor, family))
        : table.acceptedText(context, neighbor, family);
    case 'prefix-counts':
      return lists.prefixCounts(context, neighbor, family, json);
    default:
      // The speaker keeps nothing from before policy; a router's import table is birdc's to show.
      return json
        ? '{ "warning": "Inbound soft reconfiguration not enabled" }\n'
        : '% Inbound soft reconfiguration not enabled\n';
  }
}

function wholeTable(context: VtyContext, p: Parameters): string {
  const family = familyIn(p) ?? (p['ip'] === undefined ? 'ipv6' : 'ipv4');
  if (!hasInstance(context.view)) return isJson(p) ? '{}\n' : 'Default BGP instance not found\n';
  if (isJson(p)) return table.tableJson(context, family, bgpEntries(context, family));
  return p['detail'] === undefined ? table.tableText(context, family) : detailText(context, family);
}

function onePrefix(context: VtyContext, p: Parameters): string {
  const target = p['prefix']!;
  const family = target.includes(':') ? 'ipv6' : 'ipv4';
  return needInstance(context, p) ?? prefixReply(context, family, target, isJson(p));
}

function ipRoute(family: Family, fib: boolean): Answer {
  return (context, p) => {
    const target = p['prefix'];
    if (target !== undefined) return routes.routeReply(context, family, target, isJson(p));
    const protocol = p['protocol'];
    const options = { family, fib, ...(protocol !== undefined && { protocol }) };
    return isJson(p) ? routes.routesJson(context, options) : routes.routesText(context, options);
  };
}

function prefixList(family: Family): Answer {
  return (context, p) =>
    filters.prefixListReply(context, {
      family,
      ...(p['name'] !== undefined && { name: p['name'] }),
      form: isJson(p)
        ? 'json'
        : p['detail'] !== undefined
          ? 'detail'
          : p['summary'] !== undefined
            ? 'summary'
            : 'plain',
    });
}

const AFI = '[(ipv4$ipv4|ipv6$ipv6) [unicast$unicast]]';
const PREFIX4 = '(A.B.C.D$prefix|A.B.C.D/M$prefix)';
const PREFIX = '(A.B.C.D$prefix|A.B.C.D/M$prefix|X:X::X:X$prefix|X:X::X:X/M$prefix)';
const NEIGHBOR_ROUTES =
  '(advertised-routes$which|received-routes$which|filtered-routes$which|routes$which|prefix-counts$which)';
const ROUTE_PROTOCOLS = '[(bgp$protocol|connected$protocol|kernel$protocol|static$protocol)]';

const bgpCommands: readonly VtyCommand[] = [
  {
    pattern: `show [ip$ip] bgp ${VRF} ${AFI} summary [(established$only|failed$only)] [(neighbor ${PEER}|remote-as NUMBER$as)] [terse$terse] [wide$wide] ${JSON_WORD}`,
    daemons: BGPD,
    run: summary,
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} neighbors [${PEER}] ${JSON_WORD}`,
    daemons: BGPD,
    run: neighbors,
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} ${AFI} neighbors ${PEER} ${NEIGHBOR_ROUTES} ${JSON_WORD}`,
    daemons: BGPD,
    run: neighborRoutes,
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} ${AFI} neighbors graceful-restart ${JSON_WORD}`,
    daemons: BGPD,
    run: (context, p) =>
      needInstance(context, p) ??
      (isJson(p)
        ? lists.gracefulRestartJson(context)
        : lists.gracefulRestartText(context, familyIn(p) ? 1 : 2)),
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} ${AFI} [detail$detail] ${JSON_WORD}`,
    daemons: BGPD,
    run: wholeTable,
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} ${AFI} ${PREFIX} ${JSON_WORD}`,
    daemons: BGPD,
    run: onePrefix,
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} nexthop ${JSON_WORD}`,
    daemons: BGPD,
    run: (context, p) => {
      if (!hasInstance(context.view)) return '% No such BGP instance exist\n';
      if (!isJson(p)) return lists.nexthopText(context);
      const json = lists.nexthopJson(context);
      return pretty(p['all'] === undefined ? json : { default: json });
    },
  },
  {
    pattern: `show [ip$ip] bgp ${VRF} ${AFI} update-groups ${JSON_WORD}`,
    daemons: BGPD,
    run: (context, p) =>
      needInstance(context, p) ??
      (isJson(p) ? pretty({ default: {} }) : lists.updateGroupsText(context, routesFamily(p))),
  },
  {
    pattern: `show bgp vrfs ${JSON_WORD}`,
    daemons: BGPD,
    run: (context, p) => (isJson(p) ? pretty(lists.vrfsJson(context)) : lists.vrfsText(context)),
  },
  {
    pattern: `clear [ip] bgp ${AFI} (*$everyone|${PEER}) [soft$soft [(in$direction|out$direction)]]`,
    daemons: BGPD,
    run: clearBgp,
  },
];

const bfdCommands: readonly VtyCommand[] = [
  {
    pattern: `show bfd [vrf WORD] peers ${JSON_WORD}`,
    daemons: BFDD,
    run: (context, p) => (isJson(p) ? bfd.bfdPeersJson(context) : bfd.bfdPeersText(context)),
  },
  {
    pattern: `show bfd [vrf WORD] peers brief ${JSON_WORD}`,
    daemons: BFDD,
    run: (context, p) => (isJson(p) ? bfd.bfdPeersJson(context) : bfd.bfdBriefText(context)),
  },
  {
    pattern: `show bfd [vrf WORD] peers counters ${JSON_WORD}`,
    daemons: BFDD,
    run: (context, p) => (isJson(p) ? bfd.bfdCountersJson(context) : bfd.bfdCountersText(context)),
  },
  {
    pattern: `show bfd [vrf WORD] peer ${PEER} ${JSON_WORD}`,
    daemons: BFDD,
    run: (context, p) => bfd.bfdPeerReply(context, p['peer']!, isJson(p)),
  },
];

const zebraCommands: readonly VtyCommand[] = [
  {
    pattern: `show ip route [vrf (all|WORD)] ${ROUTE_PROTOCOLS} ${JSON_WORD}`,
    daemons: ZEBRA,
    run: ipRoute('ipv4', false),
  },
  {
    pattern: `show ip route [vrf (all|WORD)] ${PREFIX4} ${JSON_WORD}`,
    daemons: ZEBRA,
    run: ipRoute('ipv4', false),
  },
  {
    pattern: `show ipv6 route [vrf (all|WORD)] ${ROUTE_PROTOCOLS} ${JSON_WORD}`,
    daemons: ZEBRA,
    run: ipRoute('ipv6', false),
  },
  {
    pattern: `show ipv6 route [vrf (all|WORD)] (X:X::X:X$prefix|X:X::X:X/M$prefix) ${JSON_WORD}`,
    daemons: ZEBRA,
    run: ipRoute('ipv6', false),
  },
  {
    pattern: `show (ip$ip|ipv6$ipv6) route [vrf (all|WORD)] summary ${JSON_WORD}`,
    daemons: ZEBRA,
    run: (context, p) =>
      routes.routeSummary(context, p['ipv6'] === undefined ? 'ipv4' : 'ipv6', isJson(p)),
  },
  { pattern: `show ip fib ${JSON_WORD}`, daemons: ZEBRA, run: ipRoute('ipv4', true) },
  { pattern: `show ipv6 fib ${JSON_WORD}`, daemons: ZEBRA, run: ipRoute('ipv6', true) },
  {
    pattern: 'show (ip$ip|ipv6$ipv6) nht',
    daemons: ZEBRA,
    run: (context, p) => system.nhtText(context, p['ipv6'] === undefined ? 'ipv4' : 'ipv6'),
  },
  {
    pattern: `show interface brief ${JSON_WORD}`,
    daemons: ZEBRA,
    run: (context, p) =>
      isJson(p) ? pretty(system.interfaceBriefJson(context)) : system.interfaceBriefText(context),
  },
  {
    pattern: `show interface [WORD$name] ${JSON_WORD}`,
    daemons: ZEBRA,
    run: (context, p) =>
      isJson(p)
        ? pretty(system.interfaceJson(context, p['name']))
        : system.interfaceText(context, p['name']),
  },
  { pattern: 'show vrf', daemons: ZEBRA, run: () => '' },
  { pattern: 'show vrf WORD vni', daemons: ZEBRA, run: () => '' },
  { pattern: 'show router-id', daemons: ZEBRA, run: () => '' },
];

const filterCommands: readonly VtyCommand[] = (['ip', 'ipv6'] as const).map((keyword) => ({
  pattern: `show ${keyword} prefix-list [(detail$detail|summary$summary)] [WORD$name] ${JSON_WORD}`,
  daemons: FILTERS,
  run: prefixList(keyword === 'ip' ? 'ipv4' : 'ipv6'),
}));

const readOnly =
  '% This configuration comes from Kubernetes objects or bird.conf; change it there, not here\n';

const commonCommands: readonly VtyCommand[] = [
  {
    pattern: `show route-map [WORD$name] ${JSON_WORD}`,
    daemons: FILTERS,
    run: (context, p) => filters.routeMapReply(context, p['name'], isJson(p)),
  },
  {
    pattern: 'show running-config',
    daemons: ALL,
    run: (context) =>
      context.daemon === 'vtysh' ? runningConfigText(context) : daemonConfigText(context),
  },
  { pattern: 'show version', daemons: ALL, run: system.versionText },
  { pattern: 'show daemons', daemons: [], run: system.daemonsText },
  { pattern: 'enable', daemons: ALL, run: () => '' },
  { pattern: 'disable', daemons: ALL, run: () => '' },
  { pattern: 'end', daemons: ALL, run: () => '' },
  { pattern: 'exit', daemons: ALL, run: () => '' },
  { pattern: 'terminal length NUMBER', daemons: ALL, run: () => '' },
  { pattern: 'configure [terminal]', daemons: ALL, run: () => readOnly },
  { pattern: 'write [(memory|file|terminal)]', daemons: ALL, run: () => readOnly },
  { pattern: 'copy running-config startup-config', daemons: ALL, run: () => readOnly },
];

export const VTY_COMMANDS: readonly VtyCommand[] = [
  ...bgpCommands,
  ...bfdCommands,
  ...zebraCommands,
  ...filterCommands,
  ...commonCommands,
];
