// `show route`: chooses the tables, walks them in bounded chunks and prints headers, rows, next
// hops, attributes and counts as BIRD 2.0.12 does. Between chunks the generator yields, so a dump
// of a full table never holds up the daemon; a reconfiguration ends it with code 8004.

import { familyOf } from '@rookery/net';
import type { Prefix } from '@rookery/net';
import type {
  AdjTable,
  BgpChannelConfig,
  RouteItem,
  RouteQuery,
  RouteView,
  RouterView,
  TableView,
} from '@rookery/router';
import type { Nexthop, RouteAttributes, RouteSource, Scope } from '@rookery/rib';
import { attributeLines } from './attribute-lines.ts';
import type { ShowRoute } from './command.ts';
import { timeText } from './show-context.ts';
import type { ShowContext } from './show-context.ts';

/** Routes fetched at a time. */
const CHUNK = 200;

/** Writes the whole reply, including its end. */
export function* showRoute(context: ShowContext, command: ShowRoute): Generator<void> {
  const { reply, view } = context;
  const { adjTable } = command;
  if (adjTable && !hasAdjTable(view, adjTable)) {
    const { direction, protocol, channel } = adjTable;
    reply.end(9001, `No ${direction} table in channel ${protocol}.${channel}`);
    return;
  }
  const tables = chooseTables(view, command);
  const query = tables && queryFor(view, command, tables);
  const some = query && (query.adjTable !== undefined || query.tables.length > 0);
  const started = some ? view.walkRoutes(query) : undefined;
  if (!started?.ok) {
    reply.end(9001, 'No valid tables');
    return;
  }
  const printer = new RoutePrinter(context, command);
  const { walk } = started;
  for (let items = walk.next(CHUNK); items.length > 0; items = walk.next(CHUNK)) {
    for (const item of items) printer.item(item);
    yield;
  }
  if (walk.stopped) reply.end(8004, 'Stopped due to reconfiguration');
  else printer.end();
}

/** BIRD has one only where the option of that name is on. */
function hasAdjTable(view: RouterView, { direction, protocol, channel }: AdjTable): boolean {
  const owner = view.protocols().find((p) => p.name === protocol);
  const config = owner?.channels.find((c) => c.name === channel)?.config;
  return (
    config !== undefined && (config as Partial<BgpChannelConfig>)[`${direction}Table`] === true
  );
}

/** Tables in the order they are walked, or `undefined` when the named protocol has none. */
function chooseTables(view: RouterView, command: ShowRoute): readonly TableView[] | undefined {
  const all = view.tables();
  const fitting = (tables: readonly TableView[]): readonly TableView[] =>
    command.net ? tables.filter((t) => t.netType === familyOf(command.net!.prefix)) : tables;
  if (command.allTables) return fitting(all);
  if (command.tables.length > 0) {
    return fitting(command.tables.flatMap((name) => all.filter((t) => t.name === name)));
  }
  if (command.adjTable) return command.export ? undefined : [];
  const owner = command.export ?? (command.protocol && { protocol: command.protocol });
  if (!owner) return fitting(all.filter((table) => isDefault(view, table)));
  const channels = view.protocols().find((p) => p.name === owner.protocol)?.channels ?? [];
  const channel = command.export?.channel;
  const names = channels
    .filter((c) => channel === undefined || c.name === channel)
    .map((c) => c.config.table);
  return names.length === 0 ? undefined : fitting(all.filter((t) => names.includes(t.name)));
}

/** Without options BIRD shows the tables that are the first of their net type. */
function isDefault(view: RouterView, table: TableView): boolean {
  return view.tables().find((other) => other.netType === table.netType)?.name === table.name;
}

function queryFor(
  view: RouterView,
  command: ShowRoute,
  tables: readonly TableView[],
): RouteQuery | undefined {
  let exported: RouteQuery['export'];
  if (command.export) {
    const protocol = view.protocols().find((p) => p.name === command.export!.protocol);
    const names = tables.map((table) => table.name);
    const channel = protocol?.channels.find(
      (c) =>
        (command.export!.channel === undefined || c.name === command.export!.channel) &&
        names.includes(c.config.table),
    );
    if (!protocol || !channel) return undefined;
    exported = { kind: command.export.kind, protocol: protocol.name, channel: channel.name };
  }
  return {
    tables: tables.map((table) => table.name),
    ...(command.adjTable && { adjTable: command.adjTable }),
    ...(command.net && { net: command.net }),
    ...(command.policy && { policy: command.policy }),
    ...(command.protocol !== undefined && { protocol: command.protocol }),
    ...(exported && { export: exported }),
    primary: command.primary,
    filtered: command.filtered,
    countOnly: command.report === 'count',
  };
}

class RoutePrinter {
  private readonly context: ShowContext;
  private readonly command: ShowRoute;
  private tableName = '';
  private headerPrinted = false;
  private tablesPrinted = 0;
  private tableCount = 0;
  private readonly sum = { shown: 0, total: 0, networks: 0 };

  constructor(context: ShowContext, command: ShowRoute) {
    this.context = context;
    this.command = command;
  }

  item(item: RouteItem): void {
    switch (item.kind) {
      case 'table':
        this.tableName = item.table;
        this.headerPrinted = false;
        this.tableCount++;
        if (this.alwaysHeader()) this.header();
        return;
      case 'network':
        if (item.routes.length === 0 || this.command.report === 'count') return;
        this.header();
        this.network(item.net, item.routes);
        return;
      case 'table end':
        this.sum.shown += item.shown;
        this.sum.total += item.total;
        this.sum.networks += item.networks;
        if (this.counts()) this.line(`${countText(item)} in table ${item.table}`);
        return;
    }
  }

  end(): void {
    const { reply } = this.context;
    if (this.command.net && this.command.net.kind !== 'in' && this.sum.networks === 0) {
      reply.end(8001, 'Network not found');
      return;
    }
    if (this.counts() && this.tableCount > 1) {
      if (this.command.report === 'stats') this.line('');
      reply.end(14, `Total: ${countText(this.sum)} in ${this.tableCount} tables`);
      return;
    }
    reply.end(0);
  }

  /** A lookup of one network prints no counts. */
  private counts(): boolean {
    return this.command.report !== 'routes' && !this.isLookup();
  }

  private isLookup(): boolean {
    return this.command.net !== undefined && this.command.net.kind !== 'in';
  }

  private alwaysHeader(): boolean {
    if (this.command.report === 'stats') return !this.isLookup();
    const { tables, adjTable, protocol } = this.command;
    const adjacent = adjTable !== undefined && protocol === undefined;
    const named = tables.includes(this.tableName) || adjacent;
    return named && this.command.report === 'routes' && !this.isLookup();
  }

  private header(): void {
    if (this.headerPrinted) return;
    this.headerPrinted = true;
    if (this.tablesPrinted++ > 0) this.line('');
    this.line(`Table ${this.tableName}:`);
  }

  private network(net: Prefix, routes: readonly RouteView[]): void {
    let name: string = net;
    for (const route of routes) {
      this.line(rowText(this.context, route.roa ? roaText(net, route.roa) : name, route));
      const { nexthops } = route.attributes;
      for (const hop of nexthops) this.line(nexthopText(hop, nexthops.length > 1));
      if (this.command.all) this.attributes(route.attributes);
      name = '';
    }
  }

  private attributes(attributes: RouteAttributes): void {
    const { reply } = this.context;
    reply.line(1008, `\tType: ${SOURCES[attributes.source]} ${SCOPES[attributes.scope]}`);
    for (const line of attributeLines(attributes)) reply.line(1012, line);
  }

  private line(text: string): void {
    this.context.reply.line(1007, text);
  }
}

const SOURCES: Readonly<Record<RouteSource, string>> = {
  static: 'static',
  inherit: 'inherit',
  device: 'device',
  'static-device': 'static-device',
  redirect: 'redirect',
  bgp: 'BGP',
  pipe: 'pipe',
  rpki: 'RPKI',
  kubernetes: 'kubernetes',
};

const SCOPES: Readonly<Record<Scope, string>> = {
  host: 'host',
  link: 'link',
  site: 'site',
  organization: 'org',
  universe: 'univ',
};

const DESTS = {
  unicast: 'unicast',
  blackhole: 'blackhole',
  unreachable: 'unreachable',
  prohibit: 'prohibited',
} as const;

function rowText(context: ShowContext, net: string, route: RouteView): string {
  const { attributes } = route;
  const time = timeText(context, context.status.timeFormats.route, route.changedMs);
  const from =
    attributes.from !== undefined && attributes.from !== attributes.nexthops[0]?.gateway
      ? ` from ${attributes.from}`
      : '';
  const mark = route.best ? ' *' : '';
  const failed = route.syncError ? ' !' : '';
  const dest = route.roa ? '' : DESTS[attributes.dest];
  const source = `[${route.protocol} ${time}${from}]`;
  return `${net.padEnd(20)} ${dest} ${source}${mark}${failed} ${preferenceText(route)}`;
}

/** "(100) [AS64497i]": preference, metric when known, and the origin of a BGP route. */
function preferenceText(route: RouteView): string {
  const { attributes } = route;
  const metric = attributes.igpMetric === undefined ? '' : `/${attributes.igpMetric}`;
  const flags = `${attributes.llgrStale ? 's' : ''}${route.suppressed ? '-' : ''}`;
  const preference = `(${attributes.preference}${metric}${flags})`;
  return attributes.source === 'bgp' ? `${preference} ${originText(attributes)}` : preference;
}

/** The AS that originated the route; empty for an empty path and one that ends in a set. */
function originText({ bgp }: RouteAttributes): string {
  const last = bgp?.asPath.at(-1);
  const isSequence = last?.type === 2 || last?.type === 3;
  const asn = isSequence ? last.asns.at(-1) : undefined;
  const origin = ['i', 'e', '?'][bgp?.origin ?? 2]!;
  return `[${asn === undefined ? '' : `AS${asn}`}${origin}]`;
}

function nexthopText(hop: Nexthop, multipath: boolean): string {
  const where =
    hop.gateway === undefined ? `dev ${hop.interface}` : `via ${hop.gateway} on ${hop.interface}`;
  const onlink = hop.onlink ? ' onlink' : '';
  return `\t${where}${onlink}${multipath ? ` weight ${hop.weight ?? 1}` : ''}`;
}

function roaText(net: Prefix, roa: { readonly maxLength: number; readonly asn: number }): string {
  return `${net}-${roa.maxLength} AS${roa.asn}`;
}

function countText(counts: { shown: number; total: number; networks: number }): string {
  return `${counts.shown} of ${counts.total} routes for ${counts.networks} networks`;
}
