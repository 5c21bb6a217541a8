// Limits of a channel, each with each action (bird.md §1.7).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BgpChannelConfig, LimitConfig } from '@rookery/router';
import { build, configOf, table } from './speakers.ts';
import type { Speaker } from './speakers.ts';

const NETS = Array.from({ length: 10 }, (_, i) => `10.1.${i}.0/24`);
const COUNT = 4;

const receiver = (channel: Partial<BgpChannelConfig>): Speaker => ({
  n: 1,
  asn: 65001,
  sessions: [{ to: 2, asn: 65002, channel }],
});
const sender = (channel: Partial<BgpChannelConfig>): Speaker => ({
  n: 2,
  asn: 65002,
  sessions: [{ to: 1, asn: 65001, channel }],
  routes: NETS,
});

for (const which of ['receive', 'import', 'export'] as const) {
  for (const action of ['warn', 'block', 'restart', 'disable'] as const) {
    test(`${which} limit, action ${action}`, () => {
      const limit: LimitConfig = { count: COUNT, action };
      const limited = { [`${which}Limit`]: limit };
      const { lan, at } = build(
        receiver(which === 'export' ? {} : limited),
        sender(which === 'export' ? limited : {}),
      );
      const router = at(which === 'export' ? 2 : 1);
      const name = which === 'export' ? 'to1' : 'to2';
      const line = `Protocol ${name} hits route ${which} limit (${COUNT}), action: ${action}`;
      lan.until(() => router.texts().includes(line), 60_000, 'limit hit');
      const protocol = () => router.router.view.protocols().find((p) => p.name === name)!;
      if (action === 'warn' || action === 'block') {
        lan.advance(5000);
        assert.equal(table(at(1)).size, action === 'warn' ? NETS.length : COUNT);
        assert.equal(protocol().channels[0]!.limits[which]!.hit, true);
        assert.equal(protocol().bgp!.state, 'Established');
        return;
      }
      lan.until(() => protocol().bgp!.state !== 'Established', 1000, 'session ended');
      assert.ok(router.texts().includes(`${name}: Route limit exceeded, shutting down`));
      lan.advance(30_000);
      assert.equal(protocol().state, action === 'restart' ? 'start' : 'down');
      assert.equal(table(at(1)).size, 0);
      if (action === 'restart') lan.until(() => table(at(1)).size > 0, 90_000, 'another attempt');
    });
  }
}

test('a raised export limit lets the rest through, on the running session', () => {
  const limit = (count: number) => ({ exportLimit: { count, action: 'block' } as const });
  const { lan, at } = build(receiver({}), sender(limit(COUNT)));
  lan.until(() => table(at(1)).size === COUNT, 60_000, 'blocked');
  at(2).configure(configOf(sender(limit(20))));
  lan.until(() => table(at(1)).size === NETS.length, 1000, 'the rest');
  const bgp = at(1)
    .router.view.protocols()
    .find((p) => p.name === 'to2')!.bgp!;
  assert.equal(bgp.connectionsEstablished, 1);
});
