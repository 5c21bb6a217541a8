// `protocol static`: routes with their next hops, and the statements in braces that give them
// attributes, compiled like any filter.

import { familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { Dest } from '@rookery/rib';
import type { NetType, StaticConfig, StaticNexthop, StaticRoute } from '@rookery/router';
import type { FilterSource } from '../filter/canonical.ts';
import { compileRouteStatements } from '../filter/compile.ts';
import { formatPrefixValue } from '../filter/scalar-text.ts';
import { parseStatementBlock } from '../filter/parse-statement.ts';
import { parsePrefixLiteral } from '../filter/parse-term.ts';
import type { PrefixValue } from '../filter/types.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readTable } from './channel.ts';
import { defined, finishChannel } from './draft.ts';
import type { StaticDraft } from './draft.ts';
import type { OptionTable } from './options.ts';
import { finishCommon, tableOf } from './protocol-common.ts';
import { onlyChannel } from './protocols.ts';
import type { Reader } from './reader.ts';

const DEST_WORDS: Readonly<Record<string, Dest>> = {
  blackhole: 'blackhole',
  drop: 'blackhole',
  unreachable: 'unreachable',
  reject: 'unreachable',
  prohibit: 'prohibit',
};

export const STATIC_OPTIONS: OptionTable<StaticDraft> = {
  'check link': (read, d) => void (d.checkLink = read.bool()),
  'igp table': (read, d) => void (d.igpTable = readTable(read)),
  route: (read, d) => void (d.routes = [...(d.routes ?? []), readRoute(read, d)]),
};

export function finishStatic(read: Reader, d: StaticDraft, end: Token): StaticConfig {
  const channel = onlyChannel(d.channels, end, 'static');
  for (const { net, roa } of d.routes ?? []) {
    const family = familyOf(net);
    const netType: NetType = roa === undefined ? family : family === 'ipv4' ? 'roa4' : 'roa6';
    if (channel.netType === netType) continue;
    raise(
      d.routeTokens?.get(net) ?? end,
      'semantic',
      `Route ${net}${roa === undefined ? '' : `-${roa.maxLength} AS${roa.asn}`} incompatible with channel type`,
      `the channel carries ${channel.netType}: use another protocol static for ${netType}`,
    );
  }
  return {
    kind: 'static',
    ...finishCommon(d),
    channel: finishChannel(channel, 'static', tableOf(read, channel)),
    checkLink: d.checkLink ?? false,
    ...defined('igpTable', d.igpTable),
    routes: d.routes ?? [],
  };
}

function readRoute(read: Reader, d: StaticDraft): StaticRoute {
  const { c } = read;
  const at = c.token;
  if (at.kind === 'word' || at.kind === 'rd') {
    if (['flow4', 'flow6', 'aspa', 'mpls'].includes(at.text) || at.kind === 'rd') {
      raise(at, 'unsupported', `${at.text} routes are not supported by rookery yet`);
    }
  }
  const net = readNet(read);
  const route: { -readonly [K in keyof StaticRoute]: StaticRoute[K] } = {
    net: formatNet(net),
    dest: 'unicast',
    via: [],
  };
  d.routeTokens = new Map(d.routeTokens).set(route.net, at);
  if (net.maxLength !== undefined) {
    route.roa = { maxLength: net.maxLength, asn: net.asn! };
    route.dest = 'unreachable';
  } else readDestination(read, route, net);
  if (c.isPunct('{')) route.set = readRouteStatements(read, net);
  return route;
}

/** A literal, or a constant of type prefix. */
function readNet(read: Reader): PrefixValue {
  if (read.constantType() === 'prefix') return read.value().value as PrefixValue;
  return parsePrefixLiteral(read.c);
}

function formatNet(net: PrefixValue): string {
  const { family, a, b, c, d, length } = net;
  return formatPrefixValue({ family, a, b, c, d, length });
}

type RouteDraft = { -readonly [K in keyof StaticRoute]: StaticRoute[K] };

function readDestination(read: Reader, route: RouteDraft, net: PrefixValue): void {
  const { c } = read;
  const dest = c.token.kind === 'word' ? DEST_WORDS[c.token.text] : undefined;
  if (dest !== undefined) {
    c.next();
    route.dest = dest;
    return;
  }
  if (c.acceptWord('recursive')) {
    route.recursive = read.ip();
    return;
  }
  const via: StaticNexthop[] = [];
  while (c.acceptWord('via')) via.push(readNexthop(read, net));
  if (via.length === 0) {
    raise(
      c.token,
      'semantic',
      'Unexpected or missing nexthop/type',
      'write: route NET via ADDRESS; via "interface"; blackhole; unreachable; prohibit; recursive IP',
    );
  }
  route.via = via;
}

function readNexthop(read: Reader, net: PrefixValue): StaticNexthop {
  const { c } = read;
  let gateway: IpAddress | undefined;
  let iface: string | undefined;
  if (c.token.kind === 'text' || read.constantType() === 'string') iface = read.text();
  else {
    const at = c.token;
    gateway = read.ip();
    if (net.family === 'ipv6' && familyOf(gateway) === 'ipv4') {
      raise(at, 'semantic', 'Invalid address family of the next hop', 'use an IPv6 address');
    }
    if (c.acceptPunct('%')) iface = c.expectName([], "write the interface as %'br-lan'").text;
  }
  let weight = 1;
  let onlink = false;
  let bfd = false;
  for (;;) {
    const at = c.token;
    if (c.acceptWord('dev')) iface = read.text();
    else if (c.acceptWord('weight')) weight = read.num(1, 256, 'Weight');
    else if (c.acceptWord('onlink')) onlink = readFlag(read);
    else if (c.acceptWord('bfd')) bfd = readFlag(read);
    else if (c.acceptWord('mpls')) {
      raise(at, 'unsupported', 'MPLS labels are not supported by rookery yet');
    } else break;
    if (bfd && onlink) {
      // BIRD 2.0 accepts it, later versions do not.
      const message = "Options 'bfd' and 'onlink' cannot be combined";
      read.log.add('warning', at, 'semantic', message, "remove one; 'bfd' is ignored here");
      bfd = false;
    }
  }
  return { ...defined('gateway', gateway), ...defined('interface', iface), weight, onlink, bfd };
}

/** A boolean that more options may follow. */
function readFlag(read: Reader): boolean {
  const { c } = read;
  const isValue =
    ['on', 'off', 'yes', 'no'].some((word) => c.isWord(word)) ||
    c.token.kind === 'num' ||
    c.isPunct('(');
  return isValue ? read.bool() : true;
}

function readRouteStatements(read: Reader, net: PrefixValue): NonNullable<StaticRoute['set']> {
  const { c } = read;
  const start = c.index;
  const body = parseStatementBlock(c);
  const source: FilterSource = { tokens: c.tokens, start, end: c.index };
  return compileRouteStatements(body, source, net, read.scope, read.log);
}
