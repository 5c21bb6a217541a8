// A LAN of speakers from a short description: who speaks to whom, what each originates. Speaker n
// has the address 192.168.1.n and the sessions to2, to3, ...

import type { PathAttributes } from '@rookery/bgp';
import type { Policy, RouteAttributes } from '@rookery/rib';
import type { BgpChannelConfig, BgpConfig, ProtocolConfig, RouterConfig } from '@rookery/router';
import {
  ALL,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  deviceConfig,
  routerConfig,
  staticConfig,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';

/** A policy that changes BGP attributes in some way; equal texts are equal policies. */
export function setting(text: string, change: (bgp: PathAttributes) => PathAttributes): Policy {
  return {
    kind: 'filter',
    name: 'setting',
    text,
    filter: {
      reads: { net: false, protocol: false },
      run: (_net, attributes, { notesStated }) => {
        const before = attributes.bgp ?? { asPath: [] };
        const bgp = change(before);
        const stated = {
          ...(bgp.med !== before.med && { med: true as const }),
          ...(bgp.nextHop !== before.nextHop && { nextHop: true as const }),
        };
        return { ...attributes, bgp, ...(notesStated && { stated }) };
      },
    },
  };
}

export interface Speaker {
  readonly n: number;
  readonly asn: number;
  readonly sessions: readonly {
    readonly to: Speaker | number;
    readonly asn: number;
    readonly channel?: Partial<BgpChannelConfig>;
    readonly change?: Partial<BgpConfig>;
  }[];
  readonly routes?: readonly string[];
  readonly more?: readonly ProtocolConfig[];
  readonly config?: Partial<RouterConfig>;
}

export function configOf(speaker: Speaker): RouterConfig {
  return routerConfig(
    [
      deviceConfig(),
      staticConfig((speaker.routes ?? []).map(blackhole)),
      ...speaker.sessions.map(({ to, asn, channel, change }) => {
        const n = typeof to === 'number' ? to : to.n;
        return bgpConfig(
          `to${n}`,
          `192.168.1.${n}`,
          { local: speaker.asn, remote: asn },
          {
            channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL, ...channel })],
            connectDelayTimeSec: 1,
            ...change,
          },
        );
      }),
      ...(speaker.more ?? []),
    ],
    { routerId: `192.168.1.${speaker.n}`, ...speaker.config },
  );
}

export function build(...speakers: readonly Speaker[]): {
  lan: SimLan;
  at: (n: number) => SimRouter;
} {
  const lan = new SimLan(11);
  for (const speaker of speakers) {
    lan.add({
      name: `r${speaker.n}`,
      config: configOf(speaker),
      interfaces: [lanInterface('enp1s0', 2, [`192.168.1.${speaker.n}/24`])],
    });
  }
  return { lan, at: (n) => lan.routers.get(`r${n}`)! };
}

/** Routes of a table: net to the attributes of the best path. */
export function table(router: SimRouter, name = 'master4'): Map<string, RouteAttributes> {
  const result = router.router.view.walkRoutes({
    tables: [name],
    primary: true,
    filtered: false,
    countOnly: false,
  });
  if (!result.ok) throw new Error(`no table ${name}`);
  const routes = new Map<string, RouteAttributes>();
  for (;;) {
    const items = result.walk.next(1000);
    if (items.length === 0) return routes;
    for (const item of items) {
      if (item.kind === 'network') routes.set(item.net, item.routes[0]!.attributes);
    }
  }
}

export const pathOf = (route: RouteAttributes | undefined): number[] =>
  route?.bgp?.asPath.flatMap(({ asns }) => [...asns]) ?? [];
