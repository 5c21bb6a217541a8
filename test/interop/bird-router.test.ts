// Our speakers and controller with a real BIRD 2 that runs the post's bird.conf: sessions, the
// service's route in its kernel, HTTP, and a restart of either side without a stale route.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BIRD_CONF, Lab, MANIFESTS, NODES, SERVICE } from '@rookery/lab';
import { captureOn, expectAnswer, expectNextHops, malformedPackets } from '../support/network.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/sbin/bird', '/usr/bin/tshark', '/usr/bin/tcpdump');
const state = skip ? '' : await insideSandbox();
const VIP = '192.168.2.1';
const ALL = NODES.map((node) => node.address);

let lab: Lab;
let capture: Awaited<ReturnType<typeof captureOn>>;

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'bird', nodes: 'rookery' });
  capture = await captureOn(lab.hosts.router, 'br-lan', `${state}/bgp.pcap`);
  lab.cluster!.apply(MANIFESTS);
  lab.cluster!.apply(SERVICE);
});

after(async () => lab?.close());

test('three speakers are Established and the service is in the kernel', { skip }, async () => {
  await lab.router.start(BIRD_CONF.mergePaths);
  await Promise.all([...lab.nodes.values()].map((node) => node.start()));
  await expectNextHops(lab, VIP, ALL, 40_000);
  const text = await lab.router.birdc('show protocols');
  assert.equal((text.match(/Established/g) ?? []).length, NODES.length, text);
});

test('both clients are answered', { skip }, async () => {
  for (const client of [lab.lan, lab.wan]) {
    assert.match(await expectAnswer(client, VIP), /^node[123]$/);
  }
});

test('a speaker that ends takes its route along and brings it back', { skip }, async () => {
  const victim = lab.node('node2');
  await victim.stop();
  await expectNextHops(
    lab,
    VIP,
    ALL.filter((address) => address !== '192.168.1.33'),
    5000,
  );
  await victim.start();
  await expectNextHops(lab, VIP, ALL, 90_000);
});

test('a BIRD that restarts gets every route again', { skip }, async () => {
  await lab.router.stop();
  await expectNextHops(lab, VIP, [], 5000);
  await lab.router.start(BIRD_CONF.mergePaths);
  await expectNextHops(lab, VIP, ALL, 60_000);
});

test('a deleted service is withdrawn by every node', { skip }, async () => {
  lab.cluster!.remove({ kind: 'Service', namespace: 'default', name: 'web' });
  await expectNextHops(lab, VIP, [], 5000);
  const text = await lab.router.birdc('show protocols');
  assert.equal((text.match(/Established/g) ?? []).length, NODES.length, 'sessions stay');
});

test('tshark finds nothing malformed in what we said', { skip }, async () => {
  await capture.stop();
  const { messages, malformed } = await malformedPackets(`${state}/bgp.pcap`);
  assert.ok(messages > 20, `only ${messages} BGP messages were captured`);
  assert.deepEqual(malformed, []);
});
