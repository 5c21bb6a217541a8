// `rookery mrt replay FILE`: a router that has the routes of an MRT dump, for benchmarks and for
// trying a policy on real tables. Sessions and policies are the configuration's; the routes come
// from the protocols `mrt4` and `mrt6`, with the attributes of the dump, until it is reconfigured.

import { loadConfigFile } from './config-file.ts';
import { mrtRoutes } from '@rookery/router';
import type { MrtRoute, NetType, RouterConfig, StaticConfig, StaticRoute } from '@rookery/router';
import { parseRouterOptions } from './router-options.ts';

/** Runs until it is ended; a status when it cannot start. */
export async function replay(bytes: Uint8Array, options: readonly string[]): Promise<number> {
  const command = parseRouterOptions(options);
  const problem = 'error' in command ? command.error : undefined;
  if ('error' in command || command.kind !== 'run') {
    process.stderr.write(`rookery: ${problem ?? 'give options of rookery router, e.g. -c FILE'}\n`);
    return 2;
  }
  const loaded = loadConfigFile(command.configFile);
  if (!loaded.ok) {
    process.stderr.write(loaded.report);
    return 1;
  }
  const config = withRoutes(loaded.config, presentRoutes(bytes));
  const { startRouter } = await import('./router-daemon.ts');
  const started = await startRouter({ ...command, foreground: true }, { ...loaded, config });
  if (typeof started !== 'string') return started.ended;
  process.stderr.write(`rookery: ${started}\n`);
  return 1;
}

/** What is left when everything in the file has happened. */
function presentRoutes(bytes: Uint8Array): readonly MrtRoute[] {
  const present = new Map<string, MrtRoute>();
  for (const route of mrtRoutes(bytes)) {
    const key = `${route.net} ${route.peer} ${route.pathId ?? ''}`;
    if (route.attributes) present.set(key, route);
    else present.delete(key);
  }
  return [...present.values()];
}

function withRoutes(config: RouterConfig, routes: readonly MrtRoute[]): RouterConfig {
  const isIpv6 = ({ net }: MrtRoute): boolean => net.includes(':');
  const protocols = [
    protocolFor(
      'ipv4',
      routes.filter((route) => !isIpv6(route)),
    ),
    protocolFor('ipv6', routes.filter(isIpv6)),
  ];
  return { ...config, protocols: [...config.protocols, ...protocols] };
}

function protocolFor(
  netType: NetType & ('ipv4' | 'ipv6'),
  routes: readonly MrtRoute[],
): StaticConfig {
  const family = netType === 'ipv4' ? '4' : '6';
  return {
    kind: 'static',
    name: `mrt${family}`,
    disabled: false,
    debug: [],
    channel: {
      netType,
      table: `master${family}`,
      importPolicy: { kind: 'all' },
      exportPolicy: { kind: 'none' },
      preference: 200,
      importKeepFiltered: false,
      rpkiReload: false,
      debug: [],
    },
    checkLink: false,
    routes: routes.map(staticRouteFor),
  };
}

/** NEXT_HOP was the way of whoever made the dump; ours is the session's. */
function staticRouteFor({ net, peer, pathId, attributes }: MrtRoute): StaticRoute {
  const { nextHop: _hop, linkLocalNextHop: _link, ...bgp } = attributes!;
  return {
    net,
    dest: 'blackhole',
    via: [],
    set: { text: `${peer} ${pathId ?? ''}`, apply: (route) => ({ ...route, bgp }) },
  };
}
