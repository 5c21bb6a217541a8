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
  PathReason,
  RouteItem,
  RouteQuery,
  RouteView,
  RouteWalk,
  RouteWalkResult,
} from './view.ts';

/** Starts a walk, or says why there is none. */
export function walkRoutes(router: Router, query: RouteQuery): RouteWalkResult {
  for (const name of query.tables) {
    if (!tableOf(router, name) && !router.roaTable(name)) {
      return { ok: false, error: { kind: 'no such table', table: name } };
    }
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
  return { ok: true, walk: new Walk(router, query, exported) };
}

interface ExportSide {
  readonly exporter: Exporter;
  readonly channel: Channel;
  readonly inForce: (net: number, path: number) => number;
}

class Walk implements RouteWalk {
  stopped = false;
  readonly #router: Router;
  readonly #query: RouteQuery;
  readonly #export: ExportSide | undefined;
  readonly #config: unknown;
  readonly #tables: string[];
  #table: RouteTable | undefined;
  #nets: Int32Array = new Int32Array(0);
  #at = 0;
  #shown = 0;
  #total = 0;
  #networks = 0;
  readonly #cursor: NetCursor = { family: 'ipv4', a: 0, b: 0, c: 0, d: 0, length: 0 };

  constructor(router: Router, query: RouteQuery, exported: ExportSide | undefined) {
    this.#router = router;
    this.#query = query;
    this.#export = exported;
    this.#config = router.config;
    this.#tables = [...query.tables];
  }

  next(maxRoutes: number): readonly RouteItem[] {
    if (this.#router.config !== this.#config) {
      this.stopped = true;
      return [];
    }
    const items: RouteItem[] = [];
    let routes = 0;
    while (routes < maxRoutes) {
      if (!this.#table) {
        const name = this.#tables.shift();
        if (name === undefined) break;
        const roa = this.#router.roaTable(name);
        if (roa) {
          items.push(...roaItems(roa, this.#query));
          continue;
        }
        this.#table = tableOf(this.#router, name)!;
        items.push({ kind: 'table', table: name, netType: this.#table.netType });
        this.#nets = this.#select(this.#table);
        this.#at = this.#shown = this.#total = this.#networks = 0;
      }
      if (this.#at >= this.#nets.length) {
        items.push({
          kind: 'table end',
          table: this.#table.name,
          shown: this.#shown,
          total: this.#total,
          networks: this.#networks,
        });
        this.#table = undefined;
        continue;
      }
      const net = this.#nets[this.#at++]!;
      // The table may have changed since the walk began.
      if (this.#table.rib.firstPath(net) === 0) continue;
      const found = this.#routesOf(this.#table, net);
      routes += Math.max(1, found.length);
      this.#shown += found.length;
      if (found.length > 0 && !this.#query.countOnly) {
        items.push({
          kind: 'network',
          net: this.#table.prefixes.textOf(net),
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
      if (this.#export && !this.#exports(net, path, best)) continue;
      const view = this.#viewOf(table, net, path, best, paths);
      if (query.policy && !this.#passes(table, net, view, query.policy)) continue;
      views.push(view);
    }
    return views;
  }

  #exports(net: number, path: number, best: number): boolean {
    const side = this.#export!;
    const { kind } = this.#query.export!;
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

function tableOf(router: Router, name: string): RouteTable | undefined {
  return router.tables.find((table) => table.name === name);
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
