// The engine's side of RouterView: collects what consoles may print. Reads only; nothing here
// changes a protocol or a table.

import { isLinkLocal, familyOf } from '@rookery/net';
import type { Family, IpAddress } from '@rookery/net';
import type { SymbolConfig } from './config.ts';
import type { InterfaceFact } from './io.ts';
import { KernelProtocol } from './protocols/kernel.ts';
import type { Router } from './router.ts';
import { walkRoutes } from './route-walk.ts';
import type { SpeakerRunningConfig } from './running-config.ts';
import type {
  AnnouncementView,
  BfdSessionView,
  InterfaceView,
  KernelRouteView,
  MemoryView,
  ProtocolView,
  RouteQuery,
  RouteWalkResult,
  RouterStatus,
  RouterView,
  TableView,
} from './view.ts';

export class EngineView implements RouterView {
  readonly #router: Router;

  constructor(router: Router) {
    this.#router = router;
  }

  status(): RouterStatus {
    const router = this.#router;
    const recovery = router.recovery.view();
    return {
      ...(recovery === undefined ? {} : { recovery }),
      state: router.state,
      routerId: router.routerId,
      hostname: router.config.hostname ?? router.hostname,
      version: router.version,
      nowMs: router.presentMs,
      wallOffsetMs: router.wallOffsetMs,
      startedMs: router.startedAtMs,
      reconfiguredMs: router.reconfiguredAtMs,
      timeFormats: router.config.timeFormats,
    };
  }

  protocols(): readonly ProtocolView[] {
    return this.#router.protocols.map((protocol) => protocol.view());
  }

  tables(): readonly TableView[] {
    const routes = this.#router.tables.map((table): TableView => {
      const { name, netType, rib, version } = table;
      return { name, netType, routes: rib.pathCount, networks: rib.netCount, version };
    });
    const roas = this.#router.roaTables.map(({ name, netType, count }): TableView => ({
      name,
      netType,
      routes: count,
      networks: count,
      version: count,
    }));
    const order = new Map(this.#router.config.tables.map((t, i) => [t.name, i]));
    return [...routes, ...roas].toSorted(
      (a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0),
    );
  }

  interfaces(): readonly InterfaceView[] {
    const all = this.#router.interfaces.all();
    return all
      .toSorted((a, b) => a.ifindex - b.ifindex)
      .map((fact) => ({
        ...fact,
        preferred: preferredOf(fact),
        ignored: fact.flags.loopback,
        sinceMs: this.#router.interfaces.sinceMs(fact.ifindex) ?? this.#router.startedAtMs,
      }));
  }

  walkRoutes(query: RouteQuery): RouteWalkResult {
    return walkRoutes(this.#router, query);
  }

  symbols(): readonly SymbolConfig[] {
    return this.#router.config.symbols;
  }

  bfdSessions(): readonly BfdSessionView[] {
    return this.#router.bfd.sessions().map((entry): BfdSessionView => {
      const { need, options, details } = entry;
      const protocol = entry.server ?? 'bfd';
      const configured = [...entry.clients].some((client) => client.name === protocol);
      return {
        protocol,
        remote: need.remote,
        multihop: need.multihop,
        state: entry.state ?? 'Down',
        remoteState: details?.remoteState ?? 'Down',
        sinceMs: entry.sinceMs,
        everUp: entry.everUp,
        localDiscriminator: details?.localDiscriminator ?? 0,
        remoteDiscriminator: details?.remoteDiscriminator ?? 0,
        localDiagnostic: details?.localDiagnostic ?? 0,
        remoteDiagnostic: details?.remoteDiagnostic ?? 0,
        passive: options!.passive,
        txIntervalUs: details?.txIntervalUs ?? options!.idleTxIntervalUs,
        detectTimeUs: details?.detectTimeUs ?? 0,
        localMultiplier: options!.multiplier,
        localMinTxUs: options!.minTxIntervalUs,
        localMinRxUs: options!.minRxIntervalUs,
        remoteMultiplier: details?.remoteMultiplier ?? 0,
        remoteMinTxUs: details?.remoteMinTxUs ?? 0,
        remoteMinRxUs: details?.remoteMinRxUs ?? 0,
        minEchoRxUs: details?.minEchoRxUs ?? 0,
        echoTxIntervalUs: details?.echoTxIntervalUs ?? 0,
        remoteMinEchoRxUs: details?.remoteMinEchoRxUs ?? 0,
        echoesReceived: details?.echoesReceived ?? 0,
        echoesSent: details?.echoesSent ?? 0,
        ...(details?.echoRtt && { echoRtt: details.echoRtt }),
        packetsReceived: details?.packetsReceived ?? 0,
        packetsSent: details?.packetsSent ?? 0,
        upEvents: entry.upEvents,
        downEvents: entry.downEvents,
        configured,
        ...(options!.minTtl === undefined ? {} : { minTtl: options!.minTtl }),
        ...(need.local === undefined ? {} : { local: need.local }),
        ...(need.interface === undefined ? {} : { interface: need.interface }),
      };
    });
  }

  memory(): MemoryView {
    const { stores, tables, protocols } = this.#router;
    const { prefixes, attributes } = stores;
    const nets = prefixes.ipv4.limit * 12 + prefixes.ipv6.limit * 24;
    const paths = tables.reduce((sum, table) => sum + table.rib.pathCount * 31, 0);
    return {
      routingTables: nets + paths,
      routeAttributes: attributes.storedBytes + attributes.limit * 48,
      protocols: protocols.length * 4096,
      config: 0,
      standby: 0,
    };
  }

  kernelRoutes(family: Family): readonly KernelRouteView[] {
    const { startedAtMs } = this.#router;
    const views: KernelRouteView[] = [];
    for (const protocol of this.#router.protocols) {
      if (!(protocol instanceof KernelProtocol) || protocol.family !== family) continue;
      const sinceMs = protocol.view().kernel?.lastScanMs ?? startedAtMs;
      for (const route of protocol.aliens()) views.push({ route, sinceMs });
      for (const { route, attributes } of protocol.installed()) {
        const { source } = attributes;
        const ours = source === 'bgp' ? 'bgp' : source === 'static' ? 'static' : 'other';
        views.push({ route, sinceMs, ours });
      }
    }
    return views;
  }

  /** A speaker overrides this: the engine does not know what it stands in for. */
  runningConfig(): SpeakerRunningConfig | undefined {
    return undefined;
  }

  announcements(): readonly AnnouncementView[] {
    return [];
  }
}

/** Per family and scope the first address that is not secondary, as BIRD prefers. */
function preferredOf(fact: InterfaceFact): readonly IpAddress[] {
  const preferred: IpAddress[] = [];
  const seen = new Set<string>();
  for (const address of fact.addresses) {
    const linkLocal = familyOf(address.address) === 'ipv6' && isLinkLocal(address.address);
    const kind = `${familyOf(address.address)} ${linkLocal}`;
    if (address.secondary || seen.has(kind)) continue;
    seen.add(kind);
    preferred.push(address.address);
  }
  return preferred;
}
