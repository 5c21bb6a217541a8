// The configuration of one router of a plan for the real engine, and its interfaces.

import type { BgpConfig, InterfaceFact, ProtocolConfig, RouterConfig } from '@rookery/router';
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
import type { EndPlan, NetworkPlan, RouterPlan, SessionPlan } from './plan.ts';
import { policyFor } from './policies.ts';

export function configFor(
  plan: NetworkPlan,
  router: RouterPlan,
  disabled: ReadonlySet<string> = new Set(),
): RouterConfig {
  const { family } = plan;
  const traced = { debug: plan.debug };
  const protocols: ProtocolConfig[] = [
    kernelConfig(family, ALL, {
      ...traced,
      scanTimeSec: 20,
      channel: channelConfig(family, 10, { ...traced, exportPolicy: ALL }),
      ...(router.mergePaths ? { mergePaths: 64 } : {}),
    }),
    deviceConfig(traced),
    staticConfig([...router.origins].toSorted().map(blackhole), {
      ...traced,
      channel: channelConfig(family, 200, traced),
    }),
  ];
  for (const session of plan.sessions) {
    const [a, b] = session.ends;
    if (a.router === router.index) protocols.push(bgpFor(plan, session, a, b, disabled));
    if (b.router === router.index) protocols.push(bgpFor(plan, session, b, a, disabled));
  }
  return routerConfig(protocols, { routerId: router.routerId, gracefulRestartWaitSec: 40 });
}

export function interfacesFor(router: RouterPlan): { fact: InterfaceFact; segment: string }[] {
  return router.ports.map((port) => ({
    fact: lanInterface(port.interface, port.ifindex, [`${port.address}/${port.length}`]),
    segment: port.segment,
  }));
}

function bgpFor(
  plan: NetworkPlan,
  session: SessionPlan,
  own: EndPlan,
  peer: EndPlan,
  disabled: ReadonlySet<string>,
): BgpConfig {
  const router = plan.routers[own.router]!;
  const addPaths = own.sendsPaths ? (own.takesPaths ? 'on' : 'tx') : own.takesPaths ? 'rx' : 'off';
  return bgpConfig(
    session.name,
    peer.address,
    { local: router.asn, remote: plan.routers[peer.router]!.asn },
    {
      debug: plan.debug,
      disabled: disabled.has(session.name),
      passive: own.passive,
      holdTimeSec: own.holdTimeSec,
      connectDelayTimeSec: 1,
      connectRetryTimeSec: 10,
      errorWaitTimeMinSec: 1,
      errorWaitTimeMaxSec: 4,
      errorForgetTimeSec: 10,
      medMetric: router.med === 'always',
      deterministicMed: router.med === 'deterministic',
      rrClient: own.rrClient,
      rsClient: own.rsClient,
      ...(router.clusterId === undefined ? {} : { rrClusterId: router.clusterId }),
      gracefulRestart: own.gracefulRestart,
      gracefulRestartTimeSec: 30,
      longLivedGracefulRestart: 'off',
      channels: [
        bgpChannelConfig(plan.family, {
          debug: plan.debug,
          importPolicy: policyFor(own.importRules),
          exportPolicy: policyFor(own.exportRules),
          importKeepFiltered: own.keepFiltered,
          addPaths,
          // Inside an AS the next hop of an outside route is the border router.
          nextHopSelf: session.internal ? 'ebgp' : 'off',
          gracefulRestart: own.gracefulRestart !== 'off',
        }),
      ],
    },
  );
}
