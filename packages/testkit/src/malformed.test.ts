// Every malformed message against a whole engine in memory: the reaction the standard asks for, no
// bug reported, nothing of the peer's octets in a log line, and a neighbor that notices nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeNotification } from '@rookery/bgp';
import { formatHex } from '@rookery/net';
import type { BgpConfig } from '@rookery/router';
import { bgpChannelConfig, bgpConfig, deviceConfig, routerConfig } from './configs.ts';
import { goodUpdates, openOf, PEER_KINDS, readMalformedCases } from './malformed-case.ts';
import type { MalformedCase, PeerKind } from './malformed-case.ts';
import { lanInterface } from './sim-lan.ts';
import { WireBench } from './wire-peer.ts';

const US = '10.0.0.254';
const PEER = '10.0.1.1';
const HONEST = '10.0.2.1';
const CASES = readMalformedCases(new URL('../../bgp/src/wire/cases/', import.meta.url));
const QUIET = { debug: [] };

for (const item of CASES) {
  const cve = item.cve === undefined ? '' : ` (${item.cve})`;
  test(`${item.class}: ${item.name}${cve}`, () => play(item));
}

test('the suite covers every class', () => {
  assert.ok(CASES.length > 240, String(CASES.length));
  assert.ok(new Set(CASES.map((item) => item.class)).size >= 20);
});

function play(item: MalformedCase): void {
  const bench = benchFor(item.peer);
  const honest = bench.establish(HONEST, US, 65003);
  for (const bytes of goodUpdates('as2')) bench.receive(honest, bytes);
  const connection = bench.call(PEER, US);
  const deliver = (bytes: Uint8Array): void => {
    if (!closed(bench, connection)) bench.receive(connection, bytes);
  };
  if (item.state !== 'connected') deliver(openOf(item.peer, 0));
  if (item.state === 'established') {
    deliver(KEEPALIVE);
    assert.equal(stateOf(bench), 'Established', 'the tool itself works');
    for (const bytes of goodUpdates(item.peer)) deliver(bytes);
  }
  for (const bytes of item.send) deliver(bytes);

  const notification = notificationTo(bench, connection);
  const text = JSON.stringify({ notification, log: bench.log });
  const { expect } = item;
  if (expect.kind === 'reset') {
    assert.equal(notification, `${expect.code}/${expect.subcode}`, text);
    assert.ok(closed(bench, connection), 'the connection is closed');
  } else {
    assert.equal(notification, undefined, text);
    assert.equal(closed(bench, connection), expect.kind === 'closed', text);
  }
  if (expect.kind === 'accepted') assert.equal(messageTypes(bench, connection).at(-1), 4);
  if (expect.kind === 'route' || expect.kind === 'withdraw') {
    assert.equal(hasRoute(bench, expect.prefix), expect.kind === 'route', text);
  }
  assertUnharmed(bench, honest);
}

function assertUnharmed(bench: WireBench, honest: number): void {
  assert.deepEqual(
    bench.log.filter((line) => line.class === 'bug'),
    [],
  );
  for (const { text } of bench.log)
    assert.match(text, /^[^\p{Cc}\p{Cf}]*$/u, 'octets in a log line');
  assert.ok(!closed(bench, honest), 'the honest neighbor lost its session');
  const view = bench.router.view.protocols().find((p) => p.name === 'honest')!;
  assert.equal(view.channels[0]!.counts.imported, 1, 'the honest neighbor lost its route');
}

const KEEPALIVE = Uint8Array.from([...new Uint8Array(16).fill(255), 0, 19, 4]);

function benchFor(peer: PeerKind): WireBench {
  const options: Partial<Record<PeerKind, Partial<BgpConfig>>> = {
    confederation: { confederation: 64500, confederationMember: true },
    noSets: { allowAsSets: false },
    extendedMessages: { enableExtendedMessages: true },
    role: { localRole: 'customer' },
  };
  const config = routerConfig(
    [
      deviceConfig(QUIET),
      bgpConfig('honest', HONEST, { local: 64496, remote: 65003 }, { ...QUIET, passive: true }),
      bgpConfig(
        'peer',
        PEER,
        { local: 64496, remote: PEER_KINDS[peer].as },
        {
          ...QUIET,
          passive: true,
          channels: [
            bgpChannelConfig('ipv4', {
              ...QUIET,
              extendedNextHop: peer === 'extendedNextHop',
              addPaths: peer === 'addPath' ? 'on' : 'off',
            }),
            bgpChannelConfig('ipv6', QUIET),
          ],
          ...options[peer],
        },
      ),
    ],
    { routerId: US },
  );
  const bench = new WireBench(config, `${US}/16`);
  bench.router.handle(
    {
      kind: 'interfacesScanned',
      because: 'scan',
      interfaces: [lanInterface('eth0', 2, [`${US}/16`, 'fd00::fe/64'])],
    },
    bench.nowMs,
  );
  bench.settle();
  return bench;
}

function stateOf(bench: WireBench): string | undefined {
  return bench.router.view.protocols().find((p) => p.name === 'peer')?.bgp?.state;
}

function hasRoute(bench: WireBench, prefix: string): boolean {
  const view = bench.router.view.protocols().find((p) => p.name === 'peer')!;
  const channel = view.channels.find((c) => c.name === (prefix.includes(':') ? 'ipv6' : 'ipv4'))!;
  return channel.counts.imported > 0;
}

function closed(bench: WireBench, connection: number): boolean {
  return bench.orders.some((o) => o.kind === 'tcpClose' && o.connection === connection);
}

function messageTypes(bench: WireBench, connection: number): readonly number[] {
  return (bench.sent.get(connection) ?? []).map((bytes) => bytes[18]!);
}

/** "code/subcode" of the NOTIFICATION that the peer got. */
function notificationTo(bench: WireBench, connection: number): string | undefined {
  for (const bytes of bench.sent.get(connection) ?? []) {
    if (bytes[18] !== 3) continue;
    const { code, subcode, data } = decodeNotification(bytes, 0, bytes.length);
    assert.ok(formatHex(data).length <= 8192);
    return `${code}/${subcode}`;
  }
  return undefined;
}
