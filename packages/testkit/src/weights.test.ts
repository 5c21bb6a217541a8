// `link bandwidth weights`: shares of traffic by the link bandwidth extended community.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL, kernelConfig } from './configs.ts';
import { build, setting } from './speakers.ts';
import type { Speaker } from './speakers.ts';

const NET = '10.1.0.0/16';

/** Octets per second as the community carries them; transitive or not. */
function bandwidth(octets: number, transitive = false): number[] {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, octets);
  return [(transitive ? 0x00040000 : 0x40040000) | 65009, view.getUint32(0)];
}

const sender = (n: number, communities?: number[]): Speaker => ({
  n,
  asn: 65009,
  routes: [NET],
  sessions: [
    {
      to: 1,
      asn: 65001,
      channel: {
        exportPolicy: setting(`bandwidth ${n}`, (bgp) =>
          communities ? { ...bgp, extendedCommunities: communities } : bgp,
        ),
      },
    },
  ],
});

function weights(on: boolean, senders: readonly Speaker[]): (number | undefined)[] {
  const kernel = kernelConfig('ipv4', ALL, { mergePaths: 8, linkBandwidthWeights: on });
  const { lan, at } = build(
    {
      n: 1,
      asn: 65001,
      sessions: senders.map(({ n, asn }) => ({ to: n, asn })),
      more: [kernel],
    },
    ...senders,
  );
  const hops = () =>
    at(1)
      .fib.all()
      .find((route) => route.net === NET)?.nexthops ?? [];
  lan.until(() => hops().length === senders.length, 60_000, 'merged route');
  return hops().map((hop) => hop.weight);
}

test('shares follow the bandwidth, transitive or not, down to one in a hundred', () => {
  const senders = [
    sender(2, bandwidth(1.25e9)),
    sender(3, bandwidth(2.5e9, true)),
    sender(4, bandwidth(1000)),
  ];
  assert.deepEqual(weights(true, senders), [50, 100, 1]);
  assert.deepEqual(weights(false, senders), [undefined, undefined, undefined], 'as in BIRD');
});

test('one route without a usable bandwidth: equal shares', () => {
  for (const communities of [undefined, bandwidth(0), bandwidth(-5), bandwidth(Infinity)]) {
    const senders = [sender(2, bandwidth(1.25e9)), sender(3, communities)];
    assert.deepEqual(weights(true, senders), [undefined, undefined]);
  }
});
