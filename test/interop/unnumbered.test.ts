// Sessions without addresses over one cable: our speaker with a BGPPeer that names an interface, and
// a real FRR node, each against routers that have no address of it either: FRR, BIRD and ours. They
// find each other by router advertisements, and IPv4 goes over link-local next hops.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  end,
  Host,
  type NodeDaemon,
  realBird,
  realFrr,
  rookeryRouter,
  until,
  when,
} from '@rookery/lab';
import type { ApiUnderTest } from '../kube/api-servers.ts';
import { type MetallbObject, speakerOn, startOneNode, VIP } from '../support/one-node.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/lib/frr/bgpd', '/usr/sbin/bird');
const state = skip ? '' : await insideSandbox();

const ROUTER = '10.0.0.1';
const NODE_LL = 'fe80::32';
const ROUTER_LL = 'fe80::1';
const PORT = 8080;

let node: Host;
let tor: Host;
let api: ApiUnderTest;
let server: ChildProcess;

before(async () => {
  if (skip) return;
  [node, tor] = [await Host.create('node', 'un-'), await Host.create('tor', 'un-')];
  await node.ip(`link add eth0 type veth peer name eth0 netns ${tor.namespace}`);
  for (const [host, linkLocal, address] of [
    [node, NODE_LL, VIP],
    [tor, ROUTER_LL, ROUTER],
  ] as const) {
    await host.ip(
      'link set lo up',
      `address add ${address}/32 dev lo`,
      'link set eth0 addrgenmode none',
      'link set eth0 up',
      `address add ${linkLocal}/64 dev eth0 nodad`,
    );
  }
  // The speaker accepts no routes; the way back is the node's own business.
  await node.ip(`route add ${ROUTER}/32 via inet6 ${ROUTER_LL} dev eth0`);
  const script = `require('net').createServer((s) => s.end('node')).listen(${PORT}, '${VIP}')`;
  server = node.spawn([process.execPath, '-e', script], { stdio: 'ignore' });
  api = await startOneNode({ host: node, directory: join(state, 'api') }, OBJECTS);
});

after(async () => {
  if (skip) return;
  await Promise.all([api?.close(), end(server)]);
  await Promise.all([node?.destroy(), tor?.destroy()]);
});

test('our speaker and an FRR router', { skip }, async () => {
  const router = realFrr({ host: tor, directory: join(state, 'frr') }, FRR_ROUTER, 179);
  const speaker = speakerOn(node, join(state, 'speaker'), api);
  await Promise.all([router.start(), speaker.start()]);
  await serviceIsReached('bgp');
  const seen = JSON.parse(await router.vtysh('show bgp neighbors json')).eth0;
  assert.equal(seen.bgpNeighborAddr, NODE_LL);
  assert.equal(seen.remoteAs, 64497);
  await until('BFD over link-local addresses', 15_000, async () => {
    const [peer] = JSON.parse(await speaker.vtysh('show bfd peers json'));
    return when(peer?.status === 'up' && peer.peer === ROUTER_LL);
  });
  await consoleSays(speaker);
  await Promise.all([router.stop(), speaker.stop()]);
  await routeIsGone();
});

for (const [name, daemon] of [
  ['BIRD', realBird],
  ['ours', rookeryRouter],
] as const) {
  test(`our speaker and a router by BIRD's configuration: ${name}`, { skip }, async () => {
    const router = daemon({ host: tor, directory: join(state, name) }, SELF);
    const speaker = speakerOn(node, join(state, 'speaker'), api);
    await Promise.all([router.start(BIRD_ROUTER), speaker.start()]);
    await serviceIsReached('bird');
    const shown = await router.birdc('show protocols all dynbgp1');
    assert.match(shown, /Neighbor address: fe80::32%eth0\n/);
    assert.match(shown, /Extended next hop/);
    await Promise.all([router.stop(), speaker.stop()]);
    await routeIsGone();
  });
}

test('an FRR node and our router', { skip }, async () => {
  const router = rookeryRouter({ host: tor, directory: join(state, 'for-frr') }, SELF);
  const frr = realFrr({ host: node, directory: join(state, 'frr-node') }, FRR_NODE);
  await Promise.all([router.start(BIRD_ROUTER), frr.start()]);
  await serviceIsReached('bird');
  const routes = JSON.parse(await frr.vtysh('show bgp ipv4 unicast json')).routes;
  const [toRouter] = routes[`${ROUTER}/32`];
  assert.equal(toRouter.valid, true, 'our link-local next hop is one that FRR uses');
  assert.ok(toRouter.nexthops.some((hop: { readonly ip: string }) => hop.ip === ROUTER_LL));
  await Promise.all([router.stop(), frr.stop()]);
});

/** The route is in the router's kernel, and a connection along it is answered by the node. */
async function serviceIsReached(protocol: string): Promise<void> {
  const wanted = new RegExp(`^${VIP} .*via inet6 ${NODE_LL} dev eth0 proto ${protocol} `);
  let last = '';
  await until(`the route by ${protocol}`, 30_000, async () => {
    last = (await tor.run(['ip', 'route', 'show', VIP])).stdout;
    return when(wanted.test(last));
  });
  const script = `require('net').connect(${PORT}, '${VIP}').pipe(process.stdout)`;
  const { stdout } = await tor.run([process.execPath, '-e', script]);
  assert.equal(stdout, 'node', last);
}

async function routeIsGone(): Promise<void> {
  await until('the route to go', 20_000, async () =>
    when((await tor.run(['ip', 'route', 'show', VIP])).stdout === ''),
  );
}

/** FRR's forms for a neighbor that is named by its interface. */
async function consoleSays(speaker: NodeDaemon): Promise<void> {
  const summary = await speaker.vtysh('show bgp ipv4 unicast summary');
  assert.match(summary, /^eth0 +4 +64496 .* +0 +1 N\/A$/m);
  const text = await speaker.vtysh('show bgp neighbors eth0');
  assert.match(
    text,
    /^BGP neighbor on eth0: fe80::1, remote AS 64496, local AS 64497, external link\n/,
  );
  assert.match(
    text,
    / {4}Extended nexthop: advertised and received\n {6}Address families by peer:\n {19}IPv4 Unicast\n/,
  );
  const { eth0 } = JSON.parse(await speaker.vtysh('show bgp neighbors json'));
  assert.equal(eth0.bgpNeighborAddr, ROUTER_LL);
  const all = JSON.parse(await speaker.vtysh('show bgp summary json'));
  assert.equal(all.ipv4Unicast.peers.eth0.idType, 'interface');
  const running = await speaker.vtysh('show running-config');
  assert.match(running, /^ neighbor eth0 interface remote-as external$/m);
}

const OBJECTS: readonly MetallbObject[] = [
  {
    apiVersion: 'metallb.io/v1beta2',
    kind: 'BGPPeer',
    name: 'tor',
    spec: { myASN: 64497, dynamicASN: 'external', interface: 'eth0', bfdProfile: 'fast' },
  },
  { apiVersion: 'metallb.io/v1beta1', kind: 'BFDProfile', name: 'fast', spec: {} },
];

const BIRD_ROUTER = `
router id ${ROUTER};
protocol device { scan time 10; }
protocol direct { ipv4; interface "lo"; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol radv { interface "eth0" { default lifetime 0; }; }
protocol bgp nodes {
  local as 64496;
  neighbor range fe80::/10 as 64497;
  interface "eth0";
  ipv4 { import all; export all; extended next hop; };
  ipv6 { import all; export all; };
}
`;

function frrConf(routerId: string, asn: number, bfd = ''): string {
  return `
hostname ${asn}
${bfd && 'bfd'}
router bgp ${asn}
 bgp router-id ${routerId}
 no bgp ebgp-requires-policy
 neighbor eth0 interface remote-as external
 ${bfd}
 address-family ipv4 unicast
  network ${routerId}/32
 exit-address-family
 address-family ipv6 unicast
  neighbor eth0 activate
 exit-address-family
`;
}

const FRR_ROUTER = frrConf(ROUTER, 64496, 'neighbor eth0 bfd');
const FRR_NODE = frrConf(VIP, 64497);
