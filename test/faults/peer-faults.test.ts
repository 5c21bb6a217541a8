// Peers that misbehave, live against our router: garbage in an UPDATE, silence, a stranger, a kernel
// route that is somebody else's. Each ends in one clear message, and no other peer loses anything.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BIRD_CONF, Lab, until, when } from '@rookery/lab';
import { kernelNextHops } from '../support/network.ts';
import { KEEPALIVE, message, RawPeer } from '../support/raw-peer.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/lib/frr/bgpd');
const state = skip ? '' : await insideSandbox();
const VIP = '192.168.2.1';
/** ORIGIN IGP, AS_PATH 64497, NEXT_HOP 192.168.1.33, then 192.168.2.1/32. */
const GOOD_ATTRIBUTES = '40010100' + '40020602010000fbf1' + '400304c0a80121';
const NLRI = '20c0a80201';

/** The post's file; waiting a minute after each error would only make the tests slow. */
const CONF = BIRD_CONF.mergePaths.replace(
  'local as 64496;',
  'local as 64496;\nerror wait time 1, 2;',
);

let lab: Lab;
let peer: RawPeer;

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'frr' });
  await lab.router.start(CONF);
  // node1 is the good neighbor that must not notice anything; node2 is played by the raw peer.
  await lab.node('node1').start();
  await until('node1 in the kernel', 40_000, async () =>
    when((await kernelNextHops(lab, VIP)).has('192.168.1.32')),
  );
  peer = await RawPeer.start(lab.hosts.node2);
});

after(async () => {
  peer?.end();
  await lab?.close();
});

test('a well-formed UPDATE of the raw peer is accepted: the tool works', { skip }, async () => {
  await peer.connect('192.168.1.1');
  await peer.establish();
  peer.send(update(GOOD_ATTRIBUTES, NLRI));
  await until('its next hop', 5000, async () =>
    when((await kernelNextHops(lab, VIP)).has('192.168.1.33')),
  );
});

test('a malformed attribute withdraws that route and keeps the session', { skip }, async () => {
  // ORIGIN with the value 9: RFC 7606 §7.1, treat-as-withdraw.
  peer.send(update(GOOD_ATTRIBUTES.replace('40010100', '40010109'), NLRI));
  await until('the route to be withdrawn', 5000, async () =>
    when(!(await kernelNextHops(lab, VIP)).has('192.168.1.33')),
  );
  peer.send(KEEPALIVE);
  assert.equal(peer.closed, false);
  assert.ok(!peer.messages().includes(3), 'no NOTIFICATION');
  await goodNeighborUntouched();
});

test('garbage that cannot be parsed ends that session with a NOTIFICATION', { skip }, async () => {
  // The attribute section claims more octets than the message has: RFC 4271 §6.3, code 3/1.
  peer.send(message(2, `0000ffff${GOOD_ATTRIBUTES}`));
  await until('the session to end', 5000, () => when(peer.closed));
  const notification = peer.frames().find((frame) => frame.slice(36, 38) === '03');
  assert.equal(notification?.slice(38, 42), '0301');
  await lab.syslog.line(/node2: Error: (Malformed attribute list|Invalid UPDATE)/i, 5000);
  await goodNeighborUntouched();
});

test('a peer that falls silent is dropped by its hold time', { skip }, async () => {
  await until('the router to accept again', 90_000, async () => {
    await peer.connect('192.168.1.1');
    peer.send('');
    await until('an answer', 1500, () => when(peer.closed || peer.received.length > 0)).catch(
      () => {},
    );
    return when(!peer.closed && peer.messages().includes(1));
  });
  await peer.establish(3);
  await until('the session to end', 8000, () => when(peer.closed));
  const notification = peer.frames().find((frame) => frame.slice(36, 38) === '03');
  assert.equal(notification?.slice(38, 40), '04', 'Hold Timer Expired');
  await lab.syslog.line(/node2: .*Hold timer expired/i, 5000);
  await goodNeighborUntouched();
});

test('a stranger is named and turned away', { skip }, async () => {
  const stranger = await RawPeer.start(lab.hosts.client);
  await stranger.connect('192.168.1.1');
  await until('the connection to close', 5000, () => when(stranger.closed));
  assert.equal(stranger.received, '', 'a stranger is told nothing');
  await lab.syslog.line('BGP: Unexpected connect from unknown address 192.168.1.100', 5000);
  stranger.end();
  await goodNeighborUntouched();
});

test('a kernel route that is not ours is never replaced', { skip }, async () => {
  await lab.node('node1').stop();
  await until('our route to go', 10_000, async () =>
    when((await kernelNextHops(lab, VIP)).size === 0),
  );
  await lab.hosts.router.ip(`route add ${VIP}/32 via 192.168.1.100 proto static metric 32`);
  await lab.node('node1').start();
  await until('the router to know the route', 40_000, async () =>
    when((await lab.router.birdc(`show route for ${VIP}`)).includes('192.168.1.32')),
  );
  assert.deepEqual(await kernelNextHops(lab, VIP), new Set(['192.168.1.100']));
  await lab.syslog.line(/192\.168\.2\.1\/32.*File exists|Netlink: File exists/i, 5000);
  await lab.hosts.router.ip(`route del ${VIP}/32 via 192.168.1.100 proto static metric 32`);
  await until('ours to follow at the next scan', 70_000, async () =>
    when((await kernelNextHops(lab, VIP)).has('192.168.1.32')),
  );
});

async function goodNeighborUntouched(): Promise<void> {
  assert.ok((await kernelNextHops(lab, VIP)).has('192.168.1.32'), 'node1 lost its route');
  const text = await lab.router.birdc('show protocols node1');
  assert.match(text, /Established/);
}

function update(attributes: string, nlri: string): string {
  const length = (attributes.length / 2).toString(16).padStart(4, '0');
  return message(2, `0000${length}${attributes}${nlri}`);
}
