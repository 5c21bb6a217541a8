// A table dump (TABLE_DUMP_V2) in slices: the peers, then each network with its paths, appended to a
// file piece by piece. Routes that change meanwhile are written as they are when their turn comes; a
// reconfiguration ends the dump early, which is logged.

import type { PathAttributes } from '@rookery/bgp';
import { ByteWriter } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { Policy } from '@rookery/rib';
import type { Engine } from '../engine.ts';
import type { RouteItem, RouteView } from '../view.ts';
import type { Task, TaskOwner } from '../work.ts';
import { encodeMrt } from './encode-mrt.ts';
import type { MrtPeer, MrtRibEntry } from './record.ts';

export interface TableDumpRequest {
  readonly owner: TaskOwner | undefined;
  /** Existing tables of IPv4 or IPv6 routes. */
  readonly tables: readonly string[];
  /** strftime letters, and %N for the name of the table. */
  readonly filename: string;
  readonly policy?: Policy;
  /** Write a path identifier with every route, 0 where there is none. */
  readonly alwaysAddPath: boolean;
  readonly routerId: IpAddress;
  readonly done: (outcome: 'complete' | 'ended by a reconfiguration') => void;
}

/** Starts a dump; its orders follow slice by slice. */
export function startTableDump(engine: Engine, request: TableDumpRequest): void {
  engine.work.add(new TableDump(engine, request));
}

class TableDump implements Task {
  readonly owner: TaskOwner | undefined;
  readonly #engine: Engine;
  readonly #request: TableDumpRequest;
  readonly #tables: string[];
  readonly #startedMs: number;
  readonly #created = new Set<string>();
  #table = '';
  #walk: { next(count: number): readonly RouteItem[]; readonly stopped: boolean } | undefined;
  #peers = new Map<string, number>();
  #sequence = 0;
  #finished = false;

  constructor(engine: Engine, request: TableDumpRequest) {
    this.owner = request.owner;
    this.#engine = engine;
    this.#request = request;
    this.#tables = [...request.tables];
    this.#startedMs = engine.nowMs + engine.view.status().wallOffsetMs;
  }

  run(budget: number): number {
    if (this.#finished) return 0;
    const out = new ByteWriter(4096);
    if (!this.#walk && !this.#openTable(out)) return this.#finish('complete');
    const items = this.#walk!.next(budget);
    if (this.#walk!.stopped) return this.#finish('ended by a reconfiguration');
    for (const item of items) if (item.kind === 'network') this.#writeNetwork(out, item);
    if (out.length > 0) this.#write(out.take());
    if (items.length === 0) this.#walk = undefined;
    return budget;
  }

  #openTable(out: ByteWriter): boolean {
    const table = this.#tables.shift();
    if (table === undefined) return false;
    const { policy } = this.#request;
    const walked = this.#engine.view.walkRoutes({
      tables: [table],
      primary: false,
      filtered: false,
      countOnly: false,
      ...(policy === undefined ? {} : { policy }),
    });
    if (!walked.ok) return this.#openTable(out);
    this.#table = table;
    this.#walk = walked.walk;
    this.#sequence = 0;
    const peers: MrtPeer[] = [{ bgpId: '0.0.0.0', address: '0.0.0.0', asn: 0 }];
    this.#peers = new Map();
    for (const { name, bgp } of this.#engine.view.protocols()) {
      if (!bgp || bgp.neighborAddress === undefined) continue;
      this.#peers.set(name, peers.length);
      const bgpId = bgp.neighborId ?? '0.0.0.0';
      peers.push({ bgpId, address: bgp.neighborAddress, asn: bgp.neighborAs });
    }
    const collectorId = this.#request.routerId;
    const timeMs = this.#startedMs;
    out.put(encodeMrt({ kind: 'peers', timeMs, collectorId, viewName: table, peers }));
    return true;
  }

  #writeNetwork(out: ByteWriter, item: Extract<RouteItem, { kind: 'network' }>): void {
    const entries = item.routes.map((route) => this.#entryFor(route));
    const withId = entries.filter(({ pathId }) => pathId !== undefined);
    const plain = entries.filter(({ pathId }) => pathId === undefined);
    for (const list of [plain, withId]) {
      if (list.length === 0) continue;
      out.put(
        encodeMrt({
          kind: 'rib',
          timeMs: this.#startedMs,
          family: item.net.includes(':') ? 'ipv6' : 'ipv4',
          sequence: this.#sequence++,
          net: item.net,
          entries: list,
        }),
      );
    }
  }

  #entryFor(route: RouteView): MrtRibEntry {
    const { wallOffsetMs } = this.#engine.view.status();
    const pathId = route.pathId ?? (this.#request.alwaysAddPath ? 0 : undefined);
    return {
      peerIndex: this.#peers.get(route.protocol) ?? 0,
      originatedSec: Math.floor((route.changedMs + wallOffsetMs) / 1000),
      ...(pathId === undefined ? {} : { pathId }),
      attributes: attributesOf(route),
    };
  }

  #write(bytes: Uint8Array): void {
    const path = this.#request.filename.replaceAll('%N', this.#table.replaceAll('%', '%%'));
    const mode = this.#created.has(path) ? 'append' : 'create';
    this.#created.add(path);
    const timeMs = this.#startedMs;
    this.#engine.order({ kind: 'writeFile', path, bytes, mode, nameTimeMs: timeMs });
  }

  #finish(outcome: Parameters<TableDumpRequest['done']>[0]): 0 {
    this.#finished = true;
    this.#request.done(outcome);
    return 0;
  }
}

/** A route that no BGP session brought has what a reader needs and no more. */
function attributesOf({ attributes }: RouteView): PathAttributes {
  const gateway = attributes.nexthops[0]?.gateway;
  const bgp = attributes.bgp ?? { asPath: [] };
  return {
    ...(gateway === undefined ? {} : { nextHop: gateway }),
    ...bgp,
    origin: bgp.origin ?? 2,
  };
}
