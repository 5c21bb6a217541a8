// Metrics over HTTP under MetalLB's names, and the health paths of its pods. Only the process's own
// figures; what the engine counts is read when somebody asks.

import type { Server } from 'node:http';
import { Counter, Gauge, Registry } from 'prom-client';
import type { PoolUsage } from '@rookery/metallb';
import type { ClusterLog } from './cluster-log.ts';

/** Not imported: as an ES module it would load undici with it. */
const http = process.getBuiltinModule('node:http');

export interface CommonMetrics {
  readonly registry: Registry;
  readonly configLoaded: Gauge;
  readonly configStale: Gauge;
  readonly updates: Counter;
  readonly updateErrors: Counter;
}

/** What both binaries report. */
export function commonMetrics(): CommonMetrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    configLoaded: new Gauge({
      name: 'metallb_k8s_client_config_loaded_bool',
      help: '1 if the configuration was successfully loaded at least once',
      registers,
    }),
    configStale: new Gauge({
      name: 'metallb_k8s_client_config_stale_bool',
      help: '1 if running on a stale configuration, because the latest one is invalid',
      registers,
    }),
    updates: new Counter({
      name: 'metallb_k8s_client_updates_total',
      help: 'Number of events processed from the API server',
      registers,
    }),
    updateErrors: new Counter({
      name: 'metallb_k8s_client_update_errors_total',
      help: 'Number of writes to the API server that failed',
      registers,
    }),
  };
}

/** Gauges of the allocator, one series per pool. */
export class PoolMetrics {
  readonly #gauges: readonly {
    readonly gauge: Gauge<'pool'>;
    readonly value: (usage: PoolUsage) => bigint;
  }[];

  constructor(registry: Registry) {
    const gauge = (name: string, help: string): Gauge<'pool'> =>
      new Gauge({
        name: `metallb_allocator_${name}`,
        help,
        labelNames: ['pool'],
        registers: [registry],
      });
    this.#gauges = [
      {
        gauge: gauge('addresses_total', 'Number of usable IP addresses, per pool'),
        value: (usage) => usage.capacity.total,
      },
      {
        gauge: gauge('addresses_in_use_total', 'Number of IP addresses in use, per pool'),
        value: (usage) => usage.inUse.total,
      },
      {
        gauge: gauge('ipv4_addresses_total', 'Number of usable IPv4 addresses, per pool'),
        value: (usage) => usage.capacity.ipv4,
      },
      {
        gauge: gauge('ipv6_addresses_total', 'Number of usable IPv6 addresses, per pool'),
        value: (usage) => usage.capacity.ipv6,
      },
      {
        gauge: gauge('ipv4_addresses_in_use_total', 'Number of IPv4 addresses in use, per pool'),
        value: (usage) => usage.inUse.ipv4,
      },
      {
        gauge: gauge('ipv6_addresses_in_use_total', 'Number of IPv6 addresses in use, per pool'),
        value: (usage) => usage.inUse.ipv6,
      },
    ];
  }

  /** Series of pools that are gone are gone too. */
  set(usage: ReadonlyMap<string, PoolUsage>): void {
    for (const { gauge, value } of this.#gauges) {
      gauge.reset();
      for (const [pool, counts] of usage) gauge.set({ pool }, Number(value(counts)));
    }
  }
}

export interface MetricsServerOptions {
  readonly host: string;
  /** 0: no server. */
  readonly port: number;
  readonly ready: () => boolean;
}

/** Serves /metrics, /healthz and /readyz; a port that is taken is a warning, not the end. */
export function serveMetrics(
  registry: Registry,
  options: MetricsServerOptions,
  log: ClusterLog,
): Server | undefined {
  if (options.port === 0) return undefined;
  const server = http.createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    if (path === '/metrics') {
      registry.metrics().then(
        (text) => {
          response.writeHead(200, { 'content-type': registry.contentType });
          response.end(text);
        },
        (error: unknown) => {
          response.writeHead(500);
          response.end(String(error));
        },
      );
      return;
    }
    const known = path === '/healthz' || path === '/readyz' || path === '/livez';
    const status = !known ? 404 : path === '/readyz' && !options.ready() ? 503 : 200;
    response.writeHead(status, { 'content-type': 'text/plain' });
    response.end(status === 200 ? 'ok\n' : status === 503 ? 'not ready\n' : 'not found\n');
  });
  server.on('error', (error) =>
    log.warn({ port: options.port, error: error.message }, 'metrics are not served'),
  );
  server.listen(options.port, options.host);
  return server;
}
