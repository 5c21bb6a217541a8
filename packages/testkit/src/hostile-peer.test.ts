import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePathAttributes, frameMessage } from '@rookery/bgp';
import type { MessageType, PathAttributes } from '@rookery/bgp';
import fc from 'fast-check';
import { ALL, bgpChannelConfig, bgpConfig, deviceConfig, routerConfig } from './configs.ts';
import { WireBench } from './wire-peer.ts';

const quiet = { debug: [] };
const CONFIG = routerConfig(
  [
    deviceConfig(quiet),
    ...[2, 3].map((n) =>
      bgpConfig(
        `peer${n}`,
        `192.168.1.${n}`,
        { local: 64496, remote: 65000 + n },
        {
          ...quiet,
          passive: true,
          channels: [
            bgpChannelConfig('ipv4', { ...quiet, exportPolicy: ALL }),
            bgpChannelConfig('ipv6', { ...quiet, exportPolicy: ALL }),
          ],
        },
      ),
    ),
  ],
  { routerId: '192.168.1.1' },
);

const ATTRIBUTES: PathAttributes = {
  origin: 0,
  asPath: [{ type: 2, asns: [65002, 4_200_000_001] }],
  nextHop: '192.168.1.2',
  med: 10,
  communities: [0xfde90001],
  largeCommunities: [1, 2, 3],
  aggregator: { asn: 65002, address: '192.0.2.1' },
};

function update(withdrawn: number[], attributes: Uint8Array, nlri: number[]): Uint8Array {
  return frameMessage(
    2,
    Uint8Array.from([
      withdrawn.length >> 8,
      withdrawn.length & 255,
      ...withdrawn,
      attributes.length >> 8,
      attributes.length & 255,
      ...attributes,
      ...nlri,
    ]),
  );
}

const GOOD = update(
  [24, 203, 0, 113],
  encodePathAttributes(ATTRIBUTES, { as4: true, nextHop: true }),
  [24, 10, 1, 1, 32, 10, 2, 2, 2, 0],
);

/** The routes of the neighbor that behaves must outlive whatever the other one does. */
function check(bench: WireBench, honest: number): void {
  assert.deepEqual(
    bench.log.filter((line) => line.class === 'bug'),
    [],
  );
  const view = bench.router.view.protocols().find((p) => p.name === 'peer3')!;
  assert.equal(view.bgp!.state, 'Established');
  assert.equal(view.channels[0]!.counts.imported, 1);
  assert.ok(!bench.orders.some((o) => o.kind === 'tcpClose' && o.connection === honest));
}

function benchWithHonestPeer(): { bench: WireBench; honest: number } {
  const bench = new WireBench(CONFIG, '192.168.1.1/24');
  const honest = bench.establish('192.168.1.3', '192.168.1.1', 65003);
  const attributes = encodePathAttributes(
    { origin: 0, asPath: [{ type: 2, asns: [65003] }], nextHop: '192.168.1.3' },
    { as4: true, nextHop: true },
  );
  bench.receive(honest, update([], attributes, [24, 198, 51, 100]));
  return { bench, honest };
}

test('an UPDATE with any octets changed breaks nothing but its own session', () => {
  const change = fc.array(fc.tuple(fc.integer({ min: 19, max: GOOD.length - 1 }), fc.nat(255)), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (messages) => {
      const { bench, honest } = benchWithHonestPeer();
      const connection = bench.establish('192.168.1.2', '192.168.1.1', 65002);
      for (const changes of messages) {
        const bytes = GOOD.slice();
        for (const [at, value] of changes) bytes[at] = value;
        bench.receive(connection, bytes);
      }
      check(bench, honest);
    }),
    { numRuns: 120 },
  );
});

test('octets without sense end in a NOTIFICATION, at any point of a session', () => {
  const noise = fc.uint8Array({ minLength: 1, maxLength: 120 });
  fc.assert(
    fc.property(noise, fc.boolean(), fc.boolean(), (bytes, established, framed) => {
      const { bench, honest } = benchWithHonestPeer();
      const connection = established
        ? bench.establish('192.168.1.2', '192.168.1.1', 65002)
        : bench.call('192.168.1.2', '192.168.1.1');
      const type = ((bytes[0]! % 7) + 1) as MessageType;
      bench.receive(connection, framed ? frameMessage(type, bytes) : bytes);
      bench.advance(1000);
      check(bench, honest);
    }),
    { numRuns: 120 },
  );
});

test('a message that arrives octet by octet is the same message', () => {
  const { bench, honest } = benchWithHonestPeer();
  const connection = bench.establish('192.168.1.2', '192.168.1.1', 65002);
  for (let i = 0; i < GOOD.length; i++) bench.receive(connection, GOOD.subarray(i, i + 1));
  check(bench, honest);
  const view = bench.router.view.protocols().find((p) => p.name === 'peer2')!;
  assert.equal(view.channels[0]!.counts.imported, 3);
});

test('a peer that says nothing is let go after the OPEN wait', () => {
  const { bench, honest } = benchWithHonestPeer();
  const connection = bench.call('192.168.1.2', '192.168.1.1');
  bench.advance(239_000);
  assert.ok(!bench.orders.some((o) => o.kind === 'tcpClose' && o.connection === connection));
  bench.advance(2000);
  assert.ok(bench.orders.some((o) => o.kind === 'tcpClose' && o.connection === connection));
  check(bench, honest);
});
