// Our router with real FRR nodes that run the post's "show running" configuration: sessions, the
// route, the kernel, HTTP from both clients, and a restart of either side without a stale route.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BIRD_CONF, Lab, NODES, until, when } from '@rookery/lab';
import {
  captureOn,
  expectAnswer,
  expectNextHops,
  kernelNextHops,
  malformedPackets,
} from '../support/network.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/lib/frr/bgpd', '/usr/bin/tshark', '/usr/bin/tcpdump');
const state = skip ? '' : await insideSandbox();
const VIP = '192.168.2.1';
const ALL = NODES.map((node) => node.address);

let lab: Lab;
let capture: Awaited<ReturnType<typeof captureOn>>;

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'frr' });
  capture = await captureOn(lab.hosts.router, 'br-lan', `${state}/bgp.pcap`);
});

after(async () => lab?.close());

test('three FRR nodes are Established and their route reaches the kernel', { skip }, async () => {
  await lab.router.start(BIRD_CONF.mergePaths);
  await Promise.all([...lab.nodes.values()].map((node) => node.start()));
  await until('three sessions', 40_000, async () => {
    const text = await lab.router.birdc('show protocols');
    return when((text.match(/Established/g) ?? []).length === NODES.length);
  });
  await expectNextHops(lab, VIP, ALL, 10_000);
});

test('both clients are answered', { skip }, async () => {
  for (const client of [lab.lan, lab.wan]) {
    assert.match(await expectAnswer(client, VIP), /^node[123]$/);
  }
});

test('a node whose bgpd ends is withdrawn at once and comes back', { skip }, async () => {
  const victim = lab.node('node2');
  await victim.stop();
  await expectNextHops(
    lab,
    VIP,
    ALL.filter((address) => address !== '192.168.1.33'),
    5000,
  );
  await victim.start();
  await expectNextHops(lab, VIP, ALL, 40_000);
});

test(
  'a router that is killed finds its routes again and keeps none that is stale',
  { skip },
  async () => {
    await lab.router.stop('SIGKILL');
    assert.deepEqual(await kernelNextHops(lab, VIP), new Set(ALL), 'the kernel keeps forwarding');
    await lab.node('node3').stop();
    await lab.router.start(BIRD_CONF.mergePaths);
    await expectNextHops(
      lab,
      VIP,
      ALL.filter((address) => address !== '192.168.1.34'),
      60_000,
    );
  },
);

test('an orderly end of the router takes its routes along', { skip }, async () => {
  await lab.router.stop();
  await expectNextHops(lab, VIP, [], 5000);
});

test('tshark finds nothing malformed in what we said', { skip }, async () => {
  await capture.stop();
  const { messages, malformed } = await malformedPackets(`${state}/bgp.pcap`);
  assert.ok(messages > 20, `only ${messages} BGP messages were captured`);
  assert.deepEqual(malformed, []);
});
