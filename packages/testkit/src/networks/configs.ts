// The configuration of one router of a plan for the real engine, and its interfaces.

import type { BgpConfig, InterfaceFact, ProtocolConfig, RouterConfig } from '@rookery/router';
import { familyOf } from '@rookery/net';
import {
  ALL,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  channelConfig,
  deviceConfig,
  kernelConfig,
  routerConfig,
  staticConfig,
} from '../configs.ts';
import { lanInterface } from '../sim-lan.ts';
import { familiesOf, publicAsOf } from './plan.ts';
import type { EndPlan, NetworkPlan, RouterPlan, SessionPlan } from './plan.ts';
import { policyFor } from './policies.ts';

/** Sessions that an operator took out of service: disabled, or gone from the configuration. */
export type OutOfService = ReadonlyMap<string, 'disabled' | 'absent'>;

export function configFor(
  plan: NetworkPlan,
  router: RouterPlan,
  out: OutOfService = new Map(),
): RouterConfig {
  const traced = { debug: plan.debug };
  const protocols: ProtocolConfig[] = [deviceConfig(traced)];
  for (const family of familiesOf(plan)) {
    const origins = [...router.origins].filter((net) => familyOf(net) === family).toSorted();
    protocols.push(
      kernelConfig(family, ALL, {
        ...traced,
        scanTimeSec: 20,
        channel: channelConfig(family, 10, { ...traced, exportPolicy: ALL }),
        ...(router.mergePaths ? { mergePaths: 64 } : {}),
      }),
      staticConfig(origins.map(blackhole), {
        ...traced,
        name: `static ${family}`,
        channel: channelConfig(family, 200, traced),
      }),
    );
  }
  for (const session of plan.sessions) {
    if (out.get(session.name) === 'absent') continue;
    const [a, b] = session.ends;
    const disabled = out.has(session.name);
    if (a.router === router.index) protocols.push(bgpFor(plan, session, 0, disabled));
    if (b.router === router.index) protocols.push(bgpFor(plan, session, 1, disabled));
  }
  return routerConfig(protocols, { routerId: router.routerId, gracefulRestartWaitSec: 40 });
}

export function interfacesFor(router: RouterPlan): { fact: InterfaceFact; segment: string }[] {
  return router.ports.map(({ interface: name, ifindex, segment, addresses }) => {
    const texts = Object.values(addresses).map(
      (address) => `${address}/${familyOf(address) === 'ipv4' ? 24 : 64}`,
    );
    return { fact: lanInterface(name, ifindex, texts), segment };
  });
}

function bgpFor(
  plan: NetworkPlan,
  session: SessionPlan,
  side: 0 | 1,
  disabled: boolean,
): BgpConfig {
  const own = session.ends[side];
  const peer = session.ends[1 - side]!;
  const router = plan.routers[own.router]!;
  const other = plan.routers[peer.router]!;
  const relation = session.relations[side];
  const remote = session.kind === 'external' ? publicAsOf(other) : other.asn;
  return bgpConfig(
    session.name,
    peer.addresses[session.transport]!,
    { local: router.asn, remote },
    {
      debug: plan.debug,
      disabled,
      passive: own.passive,
      holdTimeSec: own.holdTimeSec,
      connectDelayTimeSec: 1,
      connectRetryTimeSec: 10,
      errorWaitTimeMinSec: 1,
      errorWaitTimeMaxSec: 4,
      errorForgetTimeSec: 10,
      allowLocalAs: router.allowLocalAs,
      ...(router.confederation === undefined ? {} : { confederation: router.confederation }),
      confederationMember: session.kind === 'member',
      ...(session.roles && relation ? { localRole: ROLE_TOWARDS[relation] } : {}),
      medMetric: router.med === 'always',
      deterministicMed: router.med === 'deterministic',
      rrClient: own.rrClient,
      rsClient: own.rsClient,
      ...(router.clusterId === undefined ? {} : { rrClusterId: router.clusterId }),
      enableExtendedMessages: router.extendedMessages,
      enableEnhancedRouteRefresh: router.enhancedRefresh,
      gracefulRestart: own.gracefulRestart,
      gracefulRestartTimeSec: 30,
      longLivedGracefulRestart: own.longLived,
      longLivedStaleTimeSec: 60,
      channels: channelsFor(plan, session, own),
    },
  );
}

function channelsFor(plan: NetworkPlan, session: SessionPlan, own: EndPlan): BgpConfig['channels'] {
  const addPaths = own.sendsPaths ? (own.takesPaths ? 'on' : 'tx') : own.takesPaths ? 'rx' : 'off';
  return familiesOf(plan).map((family) =>
    bgpChannelConfig(family, {
      debug: plan.debug,
      importPolicy: policyFor(own.importRules),
      exportPolicy: policyFor(own.exportRules),
      importKeepFiltered: own.keepFiltered,
      importTable: own.importTable,
      exportTable: own.exportTable,
      addPaths,
      extendedNextHop: plan.addressing === 'ipv4 over ipv6',
      // Inside an AS the next hop of an outside route is the border router.
      nextHopSelf: session.kind === 'external' ? 'off' : 'ebgp',
      gracefulRestart: own.gracefulRestart !== 'off',
      longLivedGracefulRestart: own.longLived !== 'off',
    }),
  );
}

/** What we are to somebody, by what they are to us. */
const ROLE_TOWARDS = { customer: 'provider', peer: 'peer', provider: 'customer' } as const;
