// `show route` and its options, which may come in any order (BIRD user's guide, "Remote control").
// Tables and protocols must exist; a filter is handed to the injected language as text.

import { familyOf, formatPrefix, parseCidr } from '@rookery/net';
import type { Prefix } from '@rookery/net';
import type { Policy } from '@rookery/rib';
import type { BirdLanguage, CommandScope, ParsedPolicy, ShowRoute } from './command.ts';
import { CommandError } from './token-stream.ts';
import type { TokenStream } from './token-stream.ts';

export const SHOW_ROUTE_USAGE =
  'show route [PREFIX | for ADDRESS | in PREFIX] [table T|all] [protocol P] [export P] ' +
  '[filter F | where EXPR] [all] [primary] [filtered] [stats|count]';

type Draft = { -readonly [K in keyof ShowRoute]: ShowRoute[K] };

const NO_OPTIONS: ShowRoute = {
  kind: 'show route',
  tables: [],
  allTables: false,
  all: false,
  primary: false,
  filtered: false,
  report: 'routes',
};

/** Parses what follows `show route`. */
export function parseShowRoute(
  tokens: TokenStream,
  scope: CommandScope,
  language: BirdLanguage,
): ShowRoute {
  const draft: Draft = { ...NO_OPTIONS };
  while (tokens.peek().kind !== 'end') parseOption(tokens, scope, language, draft);
  if (draft.primary && draft.filtered) throw new CommandError('Incompatible show route options');
  return draft;
}

function parseOption(
  tokens: TokenStream,
  scope: CommandScope,
  language: BirdLanguage,
  draft: Draft,
): void {
  if (tokens.accept('all')) draft.all = true;
  else if (tokens.accept('primary')) draft.primary = true;
  else if (tokens.accept('filtered')) draft.filtered = true;
  else if (tokens.accept('stats')) draft.report = 'stats';
  else if (tokens.accept('count')) draft.report = 'count';
  else if (tokens.accept('table')) parseTable(tokens, draft);
  else if (tokens.accept('protocol')) {
    draft.protocol = tokens.symbol('protocol', 'protocol', ['CF_SYM_KNOWN']);
  } else if (tokens.accept('where')) setPolicy(tokens, draft, language.parseWhere(textOf(tokens)));
  else if (tokens.accept('filter')) parseFilter(tokens, language, draft);
  else if (tokens.accept('for')) {
    setNet(draft, { kind: 'for', prefix: parseTarget(tokens) });
  } else if (tokens.accept('in')) setNet(draft, { kind: 'in', prefix: parseNet(tokens) });
  else if (tokens.accept('import')) {
    tokens.expect('table');
    draft.adjTable = parseAdjTable(tokens, scope, 'import');
  } else if (tokens.accept('export')) {
    if (tokens.accept('table')) draft.adjTable = parseAdjTable(tokens, scope, 'export');
    else draft.export = parseExport(tokens, scope, 'export', ['CF_SYM_KNOWN', 'TABLE']);
  } else parseExportKindOrNet(tokens, scope, draft);
}

function parseExportKindOrNet(tokens: TokenStream, scope: CommandScope, draft: Draft): void {
  for (const kind of ['preexport', 'noexport', 'exported'] as const) {
    if (!tokens.accept(kind)) continue;
    draft.export = parseExport(tokens, scope, kind, ['CF_SYM_KNOWN']);
    return;
  }
  if (tokens.peek().kind !== 'address') tokens.fail();
  setNet(draft, { kind: 'exact', prefix: parseNet(tokens) });
}

function setNet(draft: Draft, net: NonNullable<ShowRoute['net']>): void {
  if (draft.net) throw new CommandError('Only one prefix expected');
  draft.net = net;
}

function parseTable(tokens: TokenStream, draft: Draft): void {
  if (tokens.accept('all')) {
    draft.allTables = true;
    return;
  }
  const table = tokens.symbol('routing table', 'table', ['CF_SYM_KNOWN', 'ALL']);
  draft.tables = [...draft.tables, table];
}

function parseFilter(tokens: TokenStream, language: BirdLanguage, draft: Draft): void {
  const token = tokens.peek();
  if (token.kind === 'char' && token.value === '{') {
    setPolicy(tokens, draft, language.parseFilterBody(tokens.restText()));
    return;
  }
  const name = tokens.symbol('filter', 'filter', []);
  const policy = language.filterNamed(name);
  if (!policy) throw new CommandError('Filter name required');
  draft.policy = once(draft, policy);
}

/** `filter NAME`, `filter { … }` or `where EXPR`, as in `show route`. */
export function parsePolicy(tokens: TokenStream, language: BirdLanguage): Policy {
  const draft: Draft = { ...NO_OPTIONS };
  if (tokens.accept('filter')) parseFilter(tokens, language, draft);
  else {
    tokens.expect('where', 'TABLE', 'TO', 'FILTER', 'WHERE');
    setPolicy(tokens, draft, language.parseWhere(textOf(tokens)));
  }
  return draft.policy ?? { kind: 'all' };
}

function textOf(tokens: TokenStream): string {
  if (tokens.peek().kind === 'end') tokens.fail();
  return tokens.restText();
}

function setPolicy(tokens: TokenStream, draft: Draft, parsed: ParsedPolicy): void {
  if (!parsed.ok) throw new CommandError(parsed.message);
  draft.policy = once(draft, parsed.policy);
  tokens.skipText(parsed.length);
}

function once(draft: Draft, policy: Policy): Policy {
  if (draft.policy) throw new CommandError('Filter specified twice');
  return policy;
}

function parseExport(
  tokens: TokenStream,
  scope: CommandScope,
  kind: NonNullable<ShowRoute['export']>['kind'],
  expected: readonly string[],
): NonNullable<ShowRoute['export']> {
  const protocol = tokens.symbol('protocol', 'protocol', expected);
  if (!tokens.accept('.')) return { kind, protocol };
  return { kind, protocol, channel: parseChannel(tokens, scope, protocol) };
}

function parseAdjTable(
  tokens: TokenStream,
  scope: CommandScope,
  direction: 'import' | 'export',
): NonNullable<ShowRoute['adjTable']> {
  const protocol = tokens.symbol('protocol', 'protocol', ['CF_SYM_KNOWN']);
  tokens.expect('.');
  return { direction, protocol, channel: parseChannel(tokens, scope, protocol) };
}

function parseChannel(tokens: TokenStream, scope: CommandScope, protocol: string): string {
  const channel = tokens.next().value;
  if (!scope.channelsOf(protocol).includes(channel)) {
    throw new CommandError(`Channel ${protocol}.${channel} not found`);
  }
  return channel;
}

/** A prefix without host bits. */
function parseNet(tokens: TokenStream): Prefix {
  const token = tokens.peek();
  if (token.kind !== 'address') tokens.fail();
  tokens.next();
  tokens.expect('/');
  return prefixOf(token.value, tokens);
}

/** An address (a host prefix) or a prefix. */
function parseTarget(tokens: TokenStream): Prefix {
  const token = tokens.peek();
  if (token.kind !== 'address') tokens.fail(['IP4', 'IP6', 'VPN_RD', 'CF_SYM_KNOWN']);
  tokens.next();
  if (tokens.accept('/')) return prefixOf(token.value, tokens);
  return `${token.value}/${familyOf(token.value) === 'ipv4' ? 32 : 128}`;
}

function prefixOf(address: string, tokens: TokenStream): Prefix {
  if (tokens.peek().kind !== 'number') tokens.fail(['NUM']);
  const length = tokens.next().value;
  const parsed = parseCidr(`${address}/${length}`);
  if (!parsed) throw new CommandError(`Invalid prefix length ${length}`);
  const canonical = formatPrefix(parsed.words, parsed.length);
  if (canonical !== `${address}/${length}`) {
    const version = parsed.family === 'ipv4' ? 'IPv4' : 'IPv6';
    const wrong = `${address}/${length}`;
    throw new CommandError(`Invalid ${version} prefix ${wrong}, maybe you wanted ${canonical}`);
  }
  return canonical;
}
