// Channels: `ipv4 { table t; import filter f; export where …; }` in any protocol, plus the options
// that only BGP's channels have.

import type { LimitAction, LimitConfig, NetType, NextHopScope } from '@rookery/router';
import type { Policy } from '@rookery/rib';
import { compileFilter, compileWhere } from '../filter/compile.ts';
import { parseFilterBody } from '../filter/parse-statement.ts';
import { parseTerm } from '../filter/parse-term.ts';
import type { FilterSource } from '../filter/canonical.ts';
import { suggestWord } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { ChannelDraft } from './draft.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import type { Reader } from './reader.ts';

/** Channel types we carry routes of. */
export const NET_TYPES: ReadonlySet<string> = new Set(['ipv4', 'ipv6', 'roa4', 'roa6']);
/** Channel types of the language that rookery does not carry. */
export const OTHER_NET_TYPES: ReadonlySet<string> = new Set([
  'vpn4',
  'vpn6',
  'flow4',
  'flow6',
  'mpls',
  'aspa',
  'evpn',
  'eth',
]);

const LIMIT_ACTIONS: readonly LimitAction[] = ['warn', 'block', 'restart', 'disable'];

/** `all | none | filter NAME | filter { … } | where EXPR` */
export function readPolicy(read: Reader): Policy {
  const { c } = read;
  if (c.acceptWord('all')) return { kind: 'all' };
  if (c.acceptWord('none')) return { kind: 'none' };
  const start = c.index;
  const source = (): FilterSource => ({ tokens: c.tokens, start, end: c.index });
  if (c.acceptWord('where')) {
    const condition = parseTerm(c);
    return compileWhere(condition, source(), read.scope, read.log);
  }
  if (c.acceptWord('filter')) {
    if (c.token.kind === 'word' && c.ahead().text !== '{' && !isTypeStart(c.token.text, read)) {
      return readNamedFilter(read);
    }
    const body = parseFilterBody(c);
    return compileFilter('(unnamed)', body, source(), read.scope, read.log);
  }
  if (c.token.kind === 'word' && read.scope.lookup(c.token.text)?.kind === 'filter') {
    c.unexpected([], `write: filter ${c.token.text}`);
  }
  const near = suggestWord(c.token.text, ['all', 'none', 'filter', 'where']);
  const hint = `a policy is all, none, filter NAME, filter { … } or where CONDITION`;
  return c.unexpected([], near === undefined ? hint : `did you mean ${near}? ${hint}`);
}

function isTypeStart(word: string, read: Reader): boolean {
  return read.c.ahead().kind === 'word' && read.scope.lookup(word) === undefined;
}

function readNamedFilter(read: Reader): Policy {
  const { c } = read;
  const symbol = read.scope.lookup(c.token.text);
  if (symbol?.kind === 'broken') {
    c.next();
    return { kind: 'none' };
  }
  if (symbol?.kind !== 'filter') {
    const near = suggestWord(c.token.text, read.scope.names('filter'));
    return c.unexpected(
      [],
      near === undefined ? 'define the filter before it is used' : `did you mean ${near}?`,
    );
  }
  c.next();
  return symbol.policy;
}

/** `limit N [action A]` or `limit off` */
function readLimit(read: Reader): LimitConfig | undefined {
  const { c } = read;
  if (c.acceptWord('off')) return undefined;
  const count = read.num();
  if (!c.acceptWord('action')) return { count, action: 'disable' };
  const action = LIMIT_ACTIONS.find((word) => c.isWord(word));
  if (action === undefined) {
    const near = suggestWord(c.token.text, LIMIT_ACTIONS);
    const hint = near === undefined ? undefined : `did you mean ${near}?`;
    return c.unexpected(['WARN', 'BLOCK', 'RESTART', 'DISABLE'], hint);
  }
  c.next();
  return { count, action };
}

/** A table whose type fits the channel. */
export function readTable(read: Reader, netType?: NetType): string {
  const at = read.known('routing table');
  const symbol = read.scope.lookup(at.text);
  if (netType !== undefined && symbol?.kind === 'routing table' && symbol.netType !== netType) {
    const hint = `${at.text} is an ${symbol.netType} table, the channel carries ${netType}`;
    raise(at, 'semantic', 'Incompatible table type', hint);
  }
  return at.text;
}

function nextHopScope(read: Reader): NextHopScope {
  if (read.c.acceptWord('ibgp')) return 'ibgp';
  if (read.c.acceptWord('ebgp')) return 'ebgp';
  return read.bool() ? 'all' : 'off';
}

export const COMMON_CHANNEL: OptionTable<ChannelDraft> = {
  table: (read, d) => void (d.table = readTable(read, d.netType)),
  import: (read, d) => void (d.importPolicy = readPolicy(read)),
  export: (read, d) => void (d.exportPolicy = readPolicy(read)),
  'receive limit': (read, d) => void (d.receiveLimit = readLimit(read)),
  'import limit': (read, d) => void (d.importLimit = readLimit(read)),
  'export limit': (read, d) => void (d.exportLimit = readLimit(read)),
  preference: (read, d) => void (d.preference = read.word16()),
  'import keep filtered': (read, d) => void (d.importKeepFiltered = read.bool()),
  'rpki reload': (read, d) => void (d.rpkiReload = read.bool()),
  debug: (read, d) => void (d.debug = read.debugMask()),
};

const BGP_CHANNEL: OptionTable<ChannelDraft> = {
  mandatory: (read, d) => void (d.mandatory = read.bool()),
  'next hop self': (read, d) => void (d.nextHopSelf = nextHopScope(read)),
  'next hop keep': (read, d) => void (d.nextHopKeep = nextHopScope(read)),
  'next hop address': (read, d) => void (d.nextHopAddress = read.ip()),
  'next hop prefer global': (read) => void read.c.acceptWord('local'),
  'gateway direct': (_read, d) => void (d.gateway = 'direct'),
  'gateway recursive': (_read, d) => void (d.gateway = 'recursive'),
  'igp table': (read, d) => {
    const name = readTable(read);
    const symbol = read.scope.lookup(name);
    // A table of the other family resolves next hops of that family (RFC 8950) only.
    if (symbol?.kind === 'routing table' && symbol.netType !== d.netType) return;
    d.igpTable = name;
  },
  'extended next hop': (read, d) => void (d.extendedNextHop = read.bool()),
  'require extended next hop': (read, d) => void (d.requireExtendedNextHop = read.bool()),
  'add paths': (read, d) => {
    if (read.c.acceptWord('rx')) d.addPaths = 'rx';
    else if (read.c.acceptWord('tx')) d.addPaths = 'tx';
    else d.addPaths = read.bool() ? 'on' : 'off';
  },
  'require add paths': (read, d) => void (d.requireAddPaths = read.bool()),
  'import table': (read, d) => void (d.importTable = read.bool()),
  'export table': (read, d) => void (d.exportTable = read.bool()),
  secondary: (read, d) => void (d.secondary = read.bool()),
  'graceful restart': (read, d) => void (d.gracefulRestart = read.bool()),
  'long lived graceful restart': (read, d) => void (d.longLivedGracefulRestart = read.bool()),
  'long lived stale time': (read, d) => void (d.longLivedStaleTimeSec = read.num()),
  'min long lived stale time': (read, d) => void (d.minLongLivedStaleTimeSec = read.num()),
  'max long lived stale time': (read, d) => void (d.maxLongLivedStaleTimeSec = read.num()),
  aigp: (read) => void (read.c.acceptWord('originate') || read.bool()),
  cost: (read) => void read.num(),
  'link local next hop format native': () => undefined,
  'link local next hop format single': () => undefined,
  'link local next hop format double': () => undefined,
  'missing lladdr': (read, _d, at) => {
    if (read.c.token.kind === 'word') read.c.next();
    read.log.add(
      'warning',
      at,
      'deprecated',
      'missing lladdr option is deprecated and ignored, remove it',
    );
  },
};

const CHANNEL_OPTIONS = optionSet(COMMON_CHANNEL);
const BGP_CHANNEL_OPTIONS = optionSet(COMMON_CHANNEL, BGP_CHANNEL);

/** True when the cursor is at a channel type. */
export function isChannelAhead(read: Reader): boolean {
  const { c } = read;
  return (
    c.token.kind === 'word' &&
    !c.token.quoted &&
    (NET_TYPES.has(c.token.text) || OTHER_NET_TYPES.has(c.token.text))
  );
}

/**
 * Reads a channel type and its block into the draft that `open` finds or makes for it. Errors inside
 * the block are reported one by one; `onError` tells the owner.
 */
export function readChannel(
  read: Reader,
  isBgp: boolean,
  open: (netType: NetType) => ChannelDraft,
  body: (draft: ChannelDraft, readItem: () => void) => void,
): void {
  const { c } = read;
  const at = c.next();
  const suffix = ['multicast', 'mpls', 'sadr'].find((word) => c.isWord(word));
  if (!NET_TYPES.has(at.text) || suffix !== undefined) {
    const name = suffix === undefined ? at.text : `${at.text} ${suffix}`;
    raise(
      at,
      'unsupported',
      `channel ${name} is not supported by rookery yet`,
      'supported channels: ipv4, ipv6, roa4, roa6',
    );
  }
  const draft = open(at.text as NetType);
  if (!c.isPunct('{')) return;
  const options = isBgp ? BGP_CHANNEL_OPTIONS : CHANNEL_OPTIONS;
  body(draft, () => readOption(options, read, draft));
}
