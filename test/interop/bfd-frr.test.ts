// BFD between our router and real FRR nodes with bfdd, 300 ms x 3: up at both ends, no session lost to
// the start-up of bfdd, a node without power out of the kernel within a second, and its return.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BIRD_CONF, frrBfdConfFor, Lab, NODES, until, when } from '@rookery/lab';
import { losePower, nextHops } from '../support/bfd.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/lib/frr/bfdd');
const state = skip ? '' : await insideSandbox();
const ALL = NODES.map((node) => node.address);

let lab: Lab;

before(async () => {
  if (skip) return;
  const options = { state, self: SELF, router: 'rookery', nodes: 'frr' } as const;
  lab = await Lab.build({ ...options, frrConf: frrBfdConfFor });
  await lab.router.start(BIRD_CONF.bfd);
  await Promise.all([...lab.nodes.values()].map((node) => node.start()));
});

after(async () => lab?.close());

test('every session is Up at both ends, with the intervals agreed', { skip }, async () => {
  await nextHops(lab, ALL, 60_000);
  await until('three BFD sessions', 10_000, async () => {
    const rows = await bfdRows();
    return when(rows.length === 3 && rows.every((row) => /Up .* 0\.300 +0\.900$/.test(row)));
  });
  for (const node of lab.nodes.values()) {
    const [peer] = JSON.parse(await node.vtysh('show bfd peers json'));
    assert.equal(peer.status, 'up');
    assert.equal(peer['remote-receive-interval'], 300);
    assert.equal(peer['remote-transmit-interval'], 300);
    assert.equal(peer['remote-detect-multiplier'], 3);
  }
});

test('the start-up of bfdd costs no error wait', { skip }, async () => {
  // FRR re-creates its BFD session when BGP is up, and may end its own BGP session over that, once.
  const settled = await Promise.all(
    [...lab.nodes.values()].map(async (node) => {
      const { '192.168.1.1': peer } = JSON.parse(await node.vtysh('show bgp neighbors json'));
      return [peer.bgpState, peer.connectionsDropped <= 1];
    }),
  );
  assert.deepEqual(settled, Array(3).fill(['Established', true]));
  const text = await lab.router.birdc('show protocols all');
  assert.doesNotMatch(text, /BFD session down/, 'our end took no session down');
});

test('a node without power leaves the kernel within a second and returns', { skip }, async (t) => {
  t.diagnostic(`gone after ${(await losePower(lab, 'node2')).toFixed(0)} ms`);
  assert.match(await lab.router.birdc('show protocols all node2'), /BFD session down/);
  await lab.powerOn('node2');
  // FRR alone decides when it calls again: its connect retry time is 120 s.
  t.diagnostic(`back after ${(await nextHops(lab, ALL, 130_000)).toFixed(0)} ms`);
});

test('a BFD daemon that ends by hand is no failure', { skip }, async () => {
  await lab.node('node3').vtysh('configure terminal\nbfd\nprofile fast\nshutdown');
  await until('the session to go down', 5000, async () =>
    when((await bfdRows()).some((row) => row.startsWith('192.168.1.34') && /Down/.test(row))),
  );
  const text = await lab.router.birdc('show protocols');
  assert.equal((text.match(/Established/g) ?? []).length, 3, text);
});

async function bfdRows(): Promise<readonly string[]> {
  const text = await lab.router.birdc('show bfd sessions');
  return text.split('\n').filter((line) => line.startsWith('192.168.1.'));
}
