// What the engine does with BFD: which sessions it asks for, with which options, and what a change
// of state means to BGP (RFC 5882, RFC 9384). The sessions themselves are packages/bfd's and linux's.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type {
  BfdConfig,
  BfdInterfaceConfig,
  BfdSessionDetails,
  BgpConfig,
  ProtocolConfig,
} from '@rookery/router';
import {
  ALL,
  bgpChannelConfig,
  bgpConfig,
  blackhole,
  deviceConfig,
  kernelConfig,
  routerConfig,
  staticConfig,
  via,
} from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';
import type { SimRouter } from './sim-router.ts';

const NODE = '192.168.1.32';
const AS = { router: { local: 64496, remote: 64497 }, node: { local: 64497, remote: 64496 } };
const OPTIONS: BfdInterfaceConfig = {
  minRxIntervalUs: 300_000,
  minTxIntervalUs: 300_000,
  idleTxIntervalUs: 1_000_000,
  multiplier: 3,
  passive: false,
};
const BFD: BfdConfig = {
  kind: 'bfd',
  name: 'bfd1',
  disabled: false,
  debug: [],
  interfaces: [{ patterns: [{ exclude: false, glob: 'br-*' }], options: OPTIONS }],
  neighbors: [],
};

test('a session gets the options of its interface, and what BGP says instead', () => {
  const { router } = established({ bfd: { graceful: false, multiplier: 7 } }, [BFD]);
  const [request] = requestsOf(router);
  assert.deepEqual(request, {
    kind: 'bfdRequest',
    remote: NODE,
    local: '192.168.1.1',
    interface: 'br-lan',
    multihop: false,
    options: { ...OPTIONS, multiplier: 7 },
  });
});

test('without protocol bfd nothing is asked for', () => {
  const { router } = established({ bfd: { graceful: false } }, []);
  assert.deepEqual(requestsOf(router), []);
});

test('two BFD protocols share the sessions out by what they accept', () => {
  const multihop: BfdConfig = { ...BFD, name: 'far', accept: { hops: 'multihop' } };
  const ipv6: BfdConfig = { ...BFD, name: 'six', accept: { family: 'ipv6' } };
  const served = (router: SimRouter): unknown =>
    router.router.view.bfdSessions().map((session) => session.protocol);
  const { router } = established({ bfd: { graceful: false } }, [multihop, ipv6]);
  assert.deepEqual(served(router), []);
  router.configure(configOf({ bfd: { graceful: false } }, [multihop, ipv6, BFD]));
  assert.deepEqual(served(router), ['bfd1']);
  assert.equal(requestsOf(router).length, 1);
});

test('a failure ends the session with Cease 6.10, routes gone at once, and no error wait', () => {
  const { lan, router } = established({ bfd: { graceful: false } }, [BFD]);
  tell(router, 'Up');
  tell(router, 'Down');
  assert.equal(routeOf(router), undefined, 'withdrawn in the same turn');
  assert.ok(router.texts().includes('node1: BFD session down'));
  assert.ok(router.texts().includes('node1: Sending NOTIFICATION(code=6.10)'));
  assert.ok(!router.texts().some((text) => text.includes('due to errors')));
  lan.until(() => routeOf(router) !== undefined, 10_000, 'the route again');
});

test('a neighbor that takes BFD down by hand keeps its BGP session', () => {
  const { router } = established({ bfd: { graceful: false } }, [BFD]);
  tell(router, 'Up');
  tell(router, 'Down', { remoteState: 'AdminDown' });
  tell(router, 'Down', { remoteState: 'Down' });
  tell(router, 'Up');
  assert.ok(routeOf(router) !== undefined);
  assert.ok(!router.texts().includes('node1: BFD session down'));
});

test('a session that never was Up takes nothing down', () => {
  const { router } = established({ bfd: { graceful: false } }, [BFD]);
  tell(router, 'Down');
  tell(router, 'Init');
  tell(router, 'Down');
  assert.ok(routeOf(router) !== undefined);
});

test('BFD comes and goes by configuration while BGP stays', () => {
  const traced: BfdConfig = { ...BFD, debug: ['events'] };
  const { router } = established({}, [traced]);
  assert.deepEqual(requestsOf(router), []);
  router.configure(configOf({ bfd: { graceful: false } }, [traced]));
  assert.equal(requestsOf(router).length, 1);
  assert.ok(router.texts().includes(`bfd1: Session to ${NODE} added`));
  tell(router, 'Up');
  const slower = { ...OPTIONS, minTxIntervalUs: 500_000 };
  const changed = { ...traced, interfaces: [{ ...BFD.interfaces[0]!, options: slower }] };
  router.configure(configOf({ bfd: { graceful: false } }, [changed]));
  assert.equal(requestsOf(router).at(-1)!.options.minTxIntervalUs, 500_000);
  router.configure(configOf({}, [changed]));
  assert.equal(router.orders.filter((order) => order.kind === 'bfdRelease').length, 1);
  assert.ok(router.texts().includes(`bfd1: Session to ${NODE} removed`));
  assert.ok(routeOf(router) !== undefined);
  assert.ok(!router.texts().includes('node1: BGP session closed'));
});

test('the view has what the platform says of a session', () => {
  const { router } = established({ bfd: { graceful: false } }, [BFD]);
  tell(router, 'Up', { packetsSent: 5, detectTimeUs: 900_000 });
  const [session] = router.router.view.bfdSessions();
  assert.deepEqual(
    [session!.state, session!.packetsSent, session!.detectTimeUs, session!.upEvents],
    ['Up', 5, 900_000, 1],
  );
  tell(router, 'Up', { packetsSent: 6 });
  assert.equal(router.router.view.bfdSessions()[0]!.packetsSent, 6);
  assert.equal(router.router.view.bfdSessions()[0]!.upEvents, 1);
});

test('a static route with bfd waits for it, and AdminDown does not hold it back', () => {
  const [route] = [via('10.0.0.0/8', NODE)];
  const watched = { ...route!, via: route!.via.map((hop) => ({ ...hop, bfd: true })) };
  const { router } = established({}, [BFD, staticConfig([watched])]);
  const active = (): boolean => router.fib.owned().some((text) => text.startsWith('10.0.0.0/8'));
  assert.equal(active(), false);
  tell(router, 'Up');
  assert.equal(active(), true);
  tell(router, 'Down');
  assert.equal(active(), false);
  tell(router, 'Down', { remoteState: 'AdminDown' });
  assert.equal(active(), true);
});

function established(
  change: Partial<BgpConfig>,
  more: readonly ProtocolConfig[],
): { lan: SimLan; router: SimRouter } {
  const lan = new SimLan(3);
  const router = lan.add({
    name: 'router',
    config: configOf(change, more),
    interfaces: [
      lanInterface('lo', 1, ['127.0.0.1/8']),
      lanInterface('br-lan', 12, ['192.168.1.1/24']),
    ],
  });
  lan.add({
    name: 'node',
    config: routerConfig(
      [
        deviceConfig(),
        staticConfig([blackhole('192.168.2.1/32')]),
        bgpConfig('peer', '192.168.1.1', AS.node, {
          channels: [bgpChannelConfig('ipv4', { exportPolicy: ALL })],
        }),
      ],
      { routerId: NODE },
    ),
    interfaces: [lanInterface('enp1s0', 2, [`${NODE}/24`])],
  });
  lan.until(() => routeOf(router) !== undefined, 20_000, 'the route');
  return { lan, router };
}

function configOf(change: Partial<BgpConfig>, more: readonly ProtocolConfig[]) {
  const protocols = [kernelConfig('ipv4', ALL), deviceConfig(), ...more];
  return routerConfig([...protocols, bgpConfig('node1', NODE, AS.router, change)], {
    routerId: '192.168.1.1',
  });
}

function requestsOf(router: SimRouter) {
  return router.orders.filter((order) => order.kind === 'bfdRequest');
}

function routeOf(router: SimRouter): string | undefined {
  return router.fib.owned().find((text) => text.startsWith('192.168.2.1/32'));
}

function tell(
  router: SimRouter,
  state: 'Down' | 'Init' | 'Up',
  details: Partial<BfdSessionDetails> = {},
): void {
  router.feed({
    kind: 'bfdChanged',
    remote: NODE,
    interface: 'br-lan',
    multihop: false,
    state,
    session: {
      remoteState: state,
      localDiscriminator: 1,
      remoteDiscriminator: 2,
      localDiagnostic: 0,
      remoteDiagnostic: 0,
      txIntervalUs: 300_000,
      detectTimeUs: 900_000,
      remoteMultiplier: 3,
      remoteMinTxUs: 300_000,
      remoteMinRxUs: 300_000,
      minEchoRxUs: 0,
      echoTxIntervalUs: 0,
      remoteMinEchoRxUs: 0,
      echoesReceived: 0,
      echoesSent: 0,
      packetsReceived: 1,
      packetsSent: 1,
      ...details,
    },
  });
}
