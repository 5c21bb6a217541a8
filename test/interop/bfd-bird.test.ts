// BFD between our speakers, told by a BFDProfile, and a real BIRD, 300 ms x 3: up at both ends, no
// session lost at the start, a node without power out of the kernel within a second, and its return.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  BFD_MANIFESTS,
  BIRD_CONF,
  Lab,
  MANIFESTS,
  NODES,
  SERVICE,
  until,
  when,
} from '@rookery/lab';
import { losePower, nextHops } from '../support/bfd.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/sbin/bird');
const state = skip ? '' : await insideSandbox();
const ALL = NODES.map((node) => node.address);
// BIRD waits 60 s after a BFD failure before it speaks to the neighbor again; that is its affair.
const CONFIG = BIRD_CONF.bfd.replace('bfd on;', 'bfd on;\nerror wait time 1, 2;');

let lab: Lab;

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'bird', nodes: 'rookery' });
  for (const manifests of [MANIFESTS, BFD_MANIFESTS, SERVICE]) lab.cluster!.apply(manifests);
  await lab.router.start(CONFIG);
  await Promise.all([...lab.nodes.values()].map((node) => node.start()));
});

after(async () => lab?.close());

test('every session is Up at both ends, with the intervals agreed', { skip }, async () => {
  await nextHops(lab, ALL, 60_000);
  await until('three BFD sessions', 10_000, async () => {
    const rows = (await lab.router.birdc('show bfd sessions'))
      .split('\n')
      .filter((line) => line.startsWith('192.168.1.'));
    return when(rows.length === 3 && rows.every((row) => /Up .* 0\.300 +0\.900$/.test(row)));
  });
  for (const node of lab.nodes.values()) {
    const peer = (await bfdPeer(node))!;
    assert.equal(peer['status'], 'up');
    assert.equal(peer['receive-interval'], 300);
    assert.equal(peer['remote-receive-interval'], 300);
    assert.equal(peer['remote-detect-multiplier'], 3);
    const [counters] = JSON.parse(await node.vtysh('show bfd peers counters json'));
    assert.ok(counters['control-packet-input'] > 0 && counters['control-packet-output'] > 0);
    assert.match(await node.vtysh('show bfd peers brief'), /192\.168\.1\.1 +up/);
  }
});

test('no BGP session was lost at the start', { skip }, async () => {
  for (const node of lab.nodes.values()) {
    const { '192.168.1.1': peer } = JSON.parse(await node.vtysh('show bgp neighbors json'));
    assert.equal(peer.bgpState, 'Established');
    assert.equal(peer.connectionsDropped, 0);
    assert.equal(peer.peerBfdInfo.status, 'Up');
  }
});

test('a node without power leaves the kernel within a second and returns', { skip }, async (t) => {
  t.diagnostic(`gone after ${(await losePower(lab, 'node2')).toFixed(0)} ms`);
  await lab.powerOn('node2');
  t.diagnostic(`back after ${(await nextHops(lab, ALL, 30_000)).toFixed(0)} ms`);
});

test('a profile that is taken away ends BFD', { skip }, async () => {
  lab.cluster!.apply(MANIFESTS);
  for (const node of lab.nodes.values()) {
    await until('BFD to end', 10_000, async () => when((await bfdPeer(node)) === undefined));
  }
  // We say AdminDown, which is no failure (RFC 5882 §3.2); BIRD 2.0.12 begins BGP anew all the same.
  await until('BIRD to see it', 10_000, async () =>
    when(!/ Up /.test(await lab.router.birdc('show bfd sessions'))),
  );
  await nextHops(lab, ALL, 30_000);
});

type Peer = Readonly<Record<string, unknown>>;

async function bfdPeer(node: {
  vtysh(command: string): Promise<string>;
}): Promise<Peer | undefined> {
  return JSON.parse(await node.vtysh('show bfd peers json'))[0];
}
