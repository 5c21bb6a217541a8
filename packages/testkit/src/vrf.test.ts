// `vrf "NAME"`: a session lives on the interfaces of its VRF, binds its sockets to it, and says what
// is missing when there is no such VRF.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpConfig } from '@rookery/router';
import { bgpChannelConfig, bgpConfig, deviceConfig, routerConfig } from './configs.ts';
import { SimLan, lanInterface } from './sim-lan.ts';

const config = (change: Partial<BgpConfig>) =>
  routerConfig(
    [deviceConfig(), bgpConfig('node1', '192.168.1.32', { local: 64496, remote: 64497 }, change)],
    { routerId: '192.168.1.1' },
  );

function router(change: Partial<BgpConfig>, vrf: boolean, enslaved: boolean) {
  const lan = new SimLan(3);
  const red = lanInterface('red', 9, []);
  const made = lan.add({
    name: 'router',
    config: config(change),
    interfaces: [
      lanInterface('lo', 1, ['127.0.0.1/8']),
      ...(vrf ? [red] : []),
      lanInterface('br-lan', 12, ['192.168.1.1/24'], enslaved ? { masterIfindex: 9 } : {}),
    ],
  });
  return { lan, made };
}

const bgpOf = (made: ReturnType<typeof router>['made']) =>
  made.router.view.protocols().find((p) => p.name === 'node1')!.bgp!;
const orders = (made: ReturnType<typeof router>['made'], from: number) =>
  made.texts(from).filter((text) => text.startsWith('node1: '));

test('without the VRF the session stays down, with one error that says why', () => {
  for (const hops of [
    {},
    { multihop: 8, channels: [bgpChannelConfig('ipv4', { gateway: 'recursive' })] },
  ]) {
    const { lan, made } = router({ vrf: 'red', ...hops }, false, false);
    lan.advance(300_000);
    const errors = made.log.filter((line) => line.class === 'error');
    assert.equal(errors.length, 1);
    assert.match(errors[0]!.text, /^node1: VRF red does not exist: create it \(ip link add red/);
    assert.deepEqual(bgpOf(made).lastError, { class: 'misc', text: 'VRF does not exist' });
    assert.ok(!orders(made, 0).some((text) => text.includes('Connecting to')));
  }
});

test('a neighbor is looked for on the interfaces of the VRF only', () => {
  const outside = router({ vrf: 'red' }, true, false);
  outside.lan.advance(60_000);
  assert.ok(outside.made.texts().includes('node1: Waiting for 192.168.1.32 to become my neighbor'));
  const { lan, made } = router({ vrf: 'red' }, true, true);
  lan.until(
    () => made.texts().includes('node1: Connecting to 192.168.1.32 from local address 192.168.1.1'),
    60_000,
    'attempt',
  );
  assert.equal(bgpOf(made).state, 'Connect');
});
