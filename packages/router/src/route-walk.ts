// Walks over routes for consoles: any table, narrowed by prefix, policy, protocol or by what a
// channel makes of it. Bounded steps; a walk survives route changes and ends at a reconfiguration.

import { comparePaths } from '@rookery/rib';
import type { DecisionReason, NetCursor, Policy } from '@rookery/rib';
import { parseCidr, parsePrefix, prefixCovers } from '@rookery/net';
import type { Channel } from './channel.ts';
import { KernelProtocol } from './protocols/kernel.ts';
import { BgpProtocol } from './protocols/bgp.ts';
import type { Exporter } from './exporter.ts';
import type { RoaTable } from './roa-table.ts';
import type { RouteTable } from './route-table.ts';
import type { Router } from './router.ts';
import type {
  AdjTable,
  PathReason,
  RouteItem,
  RouteQuery,
  RouteView,
  RouteWalk,
  RouteWalkResult,
} from './view.ts';

/** Starts a walk, or says why there is none. */
export function walkRoutes(router: Router, query: RouteQuery): RouteWalkResult {
  const { adjTable } = query;
  const parts: Part[] = [];
  if (adjTable) {
    const part = adjPartOf(router, adjTable);
    if (!part) return { ok: false, error: { kind: 'no such table', table: adjTable.direction } };
    parts.push(part);
  }
  for (const name of query.tables) {
    const part = partOf(router, name);
    if (!part) return { ok: false, error: { kind: 'no such table', table: name } };
    parts.push(part);
  }
  if (query.protocol !== undefined && !router.protocols.some((p) => p.name === query.protocol)) {
    return { ok: false, error: { kind: 'no such protocol', protocol: query.protocol } };
  }
  let exported: ExportSide | undefined;
  if (query.export) {
    const { protocol: name, channel: channelName } = query.export;
    const protocol = router.protocols.find((p) => p.name === name);
    if (!protocol) return { ok: false, error: { kind: 'no such protocol', protocol: name } };
    const channel = protocol.channels.find((c) => c.name === channelName) ?? protocol.channels[0];
    exported = channel && exportSideOf(channel);
    if (!exported) return { ok: false, error: { kind: 'channel not up', protocol: name } };
  }
  return { ok: true, walk: new Walk(router, query, parts, exported) };
}

interface ExportSide {
  readonly exporter: Exporter;
  readonly channel: Channel;
  readonly inForce: (net: number, path: number) => number;
}

/** One table of a walk. */
type Part =
  | { readonly kind: 'roas'; readonly table: RoaTable }
  | { readonly kind: 'routes'; readonly name: string; readonly table: RouteTable }
  /** Only what a session has been sent, as its export policy left it. */
  | {
      readonly kind: 'sent';
      readonly name: string;
      readonly table: RouteTable;
      readonly side: ExportSide | undefined;
    };

function partOf(router: Router, name: string): Part | undefined {
  const roas = router.roaTable(name);
  if (roas) return { kind: 'roas', table: roas };
  const table = router.tables.find((candidate) => candidate.name === name);
  return table && { kind: 'routes', name, table };
}

function adjPartOf(router: Router, { direction, protocol, channel }: AdjTable): Part | undefined {
  const owner = router.protocols.find((p) => p.name === protocol);
  const found = owner?.channels.find((c) => c.name === channel);
  if (!found) return undefined;
  if (direction === 'export') {
    return { kind: 'sent', name: direction, table: found.table, side: exportSideOf(found) };
  }
  const table = found.importTable;
  return table && { kind: 'routes', name: direction, table };
}

class Walk implements RouteWalk {
  stopped = false;
  readonly #router: Router;
  readonly #query: RouteQuery;
  readonly #export: ExportSide | undefined;
  readonly #config: unknown;
  readonly #parts: Part[];
  #part: Exclude<Part, { readonly kind: 'roas' }> | undefined;
  #nets: Int32Array = new Int32Array(0);
  #at = 0;
  #shown = 0;
  #total = 0;
  #networks = 0;
  readonly #cursor: NetCursor = { family: 'ipv4', a: 0, b: 0, c: 0, d: 0, length: 0 };

  constructor(router: Router, query: RouteQuery, parts: Part[], exported: ExportSide | undefined) {
    this.#router = router;
    this.#query = query;
    this.#export = exported;
    this.#config = router.config;
    this.#parts = parts;
  }

  next(maxRoutes: number): readonly RouteItem[] {
    if (this.#router.config !== this.#config) {
      this.stopped = true;
      return [];
    }
    const items: RouteItem[] = [];
    let routes = 0;
    while (routes < maxRoutes) {
      if (!this.#part) {
        const part = this.#parts.shift();
        if (!part) break;
        if (part.kind === 'roas') {
          items.push(...roaItems(part.table, this.#query));
          continue;
        }
        this.#part = part;
        items.push({ kind: 'table', table: part.name, netType: part.table.netType });
        this.#nets = this.#select(part.table);
        this.#at = this.#shown = this.#total = this.#networks = 0;
      }
      const { table } = this.#part;
      if (this.#at >= this.#nets.length) {
        items.push({
          kind: 'table end',
          table: this.#part.name,
          shown: this.#shown,
          total: this.#total,
          networks: this.#networks,
        });
        this.#part = undefined;
        continue;
      }
      const net = this.#nets[this.#at++]!;
      // The table may have changed since the walk began.
      if (table.rib.firstPath(net) === 0) continue;
      const found =
        this.#part.kind === 'sent'
          ? this.#sentRoutes(this.#part.side, net)
          : this.#routesOf(table, net);
      routes += Math.max(1, found.length);
      this.#shown += found.length;
      if (found.length > 0 && !this.#query.countOnly) {
        items.push({
          kind: 'network',
          net: table.prefixes.textOf(net),
          routes: found,
        });
      }
    }
    return items;
  }

  #select(table: RouteTable): Int32Array {
    const { prefixes, rib } = table;
    const live = (net: number): boolean => rib.firstPath(net) !== 0;
    const { net } = this.#query;
    if (!net) return prefixes.sortedNets(live);
    const parsed = parsePrefix(net.prefix) ?? parseCidr(net.prefix);
    if (!parsed || parsed.family !== table.family) return new Int32Array(0);
    switch (net.kind) {
      case 'exact': {
        const found = prefixes.findWords(parsed.words, parsed.length);
        return found >= 0 && live(found) ? Int32Array.of(found) : new Int32Array(0);
      }
      case 'in':
        return prefixes.netsWithin(parsed, live);
      case 'for': {
        const usable = (candidate: number): boolean => rib.bestPath(candidate) !== 0;
        const found = prefixes.longestMatch(parsed.words, usable, parsed.length);
        return found >= 0 ? Int32Array.of(found) : new Int32Array(0);
      }
    }
  }

  #routesOf(table: RouteTable, net: number): RouteView[] {
    const { rib } = table;
    const query = this.#query;
    const views: RouteView[] = [];
    const paths = rib.pathsOf(net);
    this.#networks++;
    const best = rib.bestPath(net);
    for (const path of paths) {
      if (rib.isFiltered(path) !== query.filtered) continue;
      this.#total++;
      if (query.primary && path !== best) continue;
      const source = table.sources.get(rib.sourceOf(path));
      if (query.protocol !== undefined && source?.protocol !== query.protocol) continue;
      const { export: wanted } = query;
      if (this.#export && wanted && !this.#exports(this.#export, wanted.kind, net, path)) continue;
      const view = this.#viewOf(table, net, path, best, paths);
      if (query.policy && !this.#passes(table, net, view, query.policy)) continue;
      views.push(view);
    }
    return views;
  }

  /** A session's Adj-RIB-Out, before the words that BGP itself adds, as BIRD shows it. */
  #sentRoutes(side: ExportSide | undefined, net: number): RouteView[] {
    if (!side || this.#query.filtered) return [];
    const { table } = side.exporter;
    const views: RouteView[] = [];
    const best = table.rib.bestPath(net);
    const paths = table.rib.pathsOf(net);
    for (const path of paths) {
      if (!this.#exports(side, 'exported', net, path)) continue;
      this.#total++;
      const source = table.sources.get(table.rib.sourceOf(path));
      if (this.#query.protocol !== undefined && source?.protocol !== this.#query.protocol) continue;
      const { attributes, owned } = side.exporter.verdict(net, path);
      // A policy that was replaced softly may refuse what is still out there.
      if (attributes === 0) continue;
      const view = {
        ...this.#viewOf(table, net, path, best, paths),
        attributes: table.attributes.get(attributes),
        best: views.length === 0,
      };
      if (owned) table.attributes.release(attributes);
      if (this.#query.policy && !this.#passes(table, net, view, this.#query.policy)) continue;
      views.push(view);
    }
    if (views.length > 0) this.#networks++;
    return views;
  }

  #exports(
    side: ExportSide,
    kind: NonNullable<RouteQuery['export']>['kind'],
    net: number,
    path: number,
  ): boolean {
    const best = side.exporter.table.rib.bestPath(net);
    if (path !== best && !side.exporter.merges) return false;
    const { rib } = side.exporter.table;
    // A route never goes back to where it came from.
    if (rib.sourceOf(path) === side.channel.source) return kind === 'noexport';
    if (kind === 'exported') return side.inForce(net, path) !== 0;
    // What the protocol itself refuses (its own routes) was never offered: BIRD lists it nowhere.
    if (side.exporter.refuses(path)) return false;
    if (kind === 'preexport') return true;
    const { attributes, owned } = side.exporter.verdict(net, path);
    if (owned) side.exporter.table.attributes.release(attributes);
    return kind === 'export' ? attributes !== 0 : attributes === 0;
  }

  #passes(table: RouteTable, net: number, view: RouteView, policy: Policy): boolean {
    if (policy.kind !== 'filter') return policy.kind === 'all';
    table.prefixes.moveCursor(this.#cursor, net);
    const router = this.#router;
    const accepted = policy.filter.run(this.#cursor, view.attributes, {
      protocol: view.protocol,
      roaCheck: (name, cursor, asn) => router.roaCheck(name, cursor, asn),
      print: (text) => router.log('info', text),
      fail: (text) => router.log('error', text),
    });
    return accepted !== undefined;
  }

  #viewOf(
    table: RouteTable,
    net: number,
    path: number,
    best: number,
    paths: readonly number[],
  ): RouteView {
    const { rib } = table;
    const isBest = path === best && !rib.isFiltered(path);
    const pathId = rib.pathIdOf(path);
    return {
      protocol: table.sources.get(rib.sourceOf(path))?.protocol ?? '',
      best: isBest,
      reason: reasonOf(table, path, best, paths),
      changedMs: rib.changedMsOf(path),
      attributes: table.attributes.get(rib.attributesOf(path)),
      syncError: isBest && this.#syncError(table, net),
      filtered: rib.isFiltered(path),
      stale: rib.isStale(path),
      suppressed: false,
      ...(pathId === 0 ? {} : { pathId }),
    };
  }

  #syncError(table: RouteTable, net: number): boolean {
    return this.#router.protocols.some(
      (p) => p instanceof KernelProtocol && p.channel.table === table && p.hasSyncError(net),
    );
  }
}

function reasonOf(
  table: RouteTable,
  path: number,
  best: number,
  paths: readonly number[],
): PathReason {
  const { rib } = table;
  if (rib.isFiltered(path)) return 'filtered';
  if (best === 0) return 'only path';
  if (path !== best) return REASONS[comparePaths(rib, best, path).reason];
  let runnerUp = 0;
  for (const other of paths) {
    if (other === best || rib.isFiltered(other)) continue;
    if (runnerUp === 0 || comparePaths(rib, other, runnerUp).better === other) runnerUp = other;
  }
  return runnerUp === 0 ? 'only path' : REASONS[comparePaths(rib, best, runnerUp).reason];
}

const REASONS: Readonly<Record<DecisionReason, PathReason>> = {
  'only-path': 'only path',
  preference: 'preference',
  protocol: 'arrival order',
  'next-hop-unresolved': 'not resolvable',
  'llgr-stale': 'stale',
  'local-pref': 'local preference',
  aigp: 'aigp',
  'as-path-length': 'as path length',
  origin: 'origin',
  med: 'med',
  'peer-type': 'external over internal',
  'igp-metric': 'igp metric',
  older: 'older',
  'router-id': 'router id',
  'cluster-list-length': 'cluster list length',
  'neighbor-address': 'neighbor address',
  'path-id': 'arrival order',
  'source-order': 'arrival order',
};

function exportSideOf(channel: Channel): ExportSide | undefined {
  if (channel.state !== 'up') return undefined;
  const { protocol, exporter } = channel;
  if (exporter) {
    return { exporter, channel, inForce: (net) => exporter.inForce(net) };
  }
  if (!(protocol instanceof BgpProtocol)) return undefined;
  const membership = protocol.families.find((f) => f.channel === channel)?.membership;
  if (!membership) return undefined;
  const { group, member } = membership;
  return {
    exporter: group.exporter,
    channel,
    // RFC 7911: with several paths per prefix each goes by its own number.
    inForce: (net, path) =>
      group.updates.announcedTo(member, net, group.exporter.tellsPaths ? path : 0),
  };
}

/** Rows of a ROA table, narrowed by prefix and protocol; policies read routes and are not asked. */
function roaItems(table: RoaTable, query: RouteQuery): RouteItem[] {
  const { net: wanted, protocol } = query;
  const all = table.all().filter((roa) => protocol === undefined || roa.protocol === protocol);
  let chosen = wanted ? all.filter((roa) => matchesNet(roa.net, wanted)) : all;
  if (wanted?.kind === 'for') {
    const longest = Math.max(...chosen.map((roa) => lengthOf(roa.net)));
    chosen = chosen.filter((roa) => lengthOf(roa.net) === longest);
  }
  const items: RouteItem[] = [{ kind: 'table', table: table.name, netType: table.netType }];
  const nets = new Map<string, RouteView[]>();
  for (const roa of chosen) {
    const list = nets.get(roa.net) ?? [];
    list.push({
      protocol: roa.protocol,
      best: true,
      reason: 'only path',
      changedMs: roa.changedMs,
      attributes: {
        source: roa.source,
        scope: 'universe',
        dest: 'blackhole',
        nexthops: [],
        preference: roa.preference,
      },
      syncError: false,
      filtered: false,
      stale: false,
      suppressed: false,
      roa: { maxLength: roa.maxLength, asn: roa.asn },
    });
    nets.set(roa.net, list);
  }
  if (!query.countOnly) {
    for (const [net, routes] of nets) items.push({ kind: 'network', net, routes });
  }
  items.push({
    kind: 'table end',
    table: table.name,
    shown: chosen.length,
    total: all.length,
    networks: new Set(all.map((roa) => roa.net)).size,
  });
  return items;
}

function matchesNet(net: string, wanted: NonNullable<RouteQuery['net']>): boolean {
  switch (wanted.kind) {
    case 'exact':
      return net === wanted.prefix;
    case 'in':
      return prefixCovers(wanted.prefix, net);
    case 'for':
      return prefixCovers(net, wanted.prefix);
  }
}

function lengthOf(net: string): number {
  return Number(net.slice(net.indexOf('/') + 1));
}
