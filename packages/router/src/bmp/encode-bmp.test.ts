import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatHex } from '@rookery/net';
import {
  encodeInitiation,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
  encodeTermination,
} from './encode-bmp.ts';
import type { BmpPeer } from './encode-bmp.ts';

const PEER: BmpPeer = {
  address: '192.0.2.2',
  asn: 65002,
  bgpId: '192.0.2.9',
  legacyAsPath: false,
};
const SIX: BmpPeer = { ...PEER, address: '2001:db8::2', legacyAsPath: true };
const TIME_MS = 1_000_500;
/** Type 0, no flags, no distinguisher, address, AS, id, 1000 s and 500000 us. */
const HEAD =
  `00000000000000000000${'00'.repeat(12)}c0000202` + '0000fdeac0000209' + '000003e80007a120';
const HEAD6 =
  '00a0000000000000000020010db8000000000000000000000002' + '0000fdeac0000209' + '000003e80007a120';

test('each message has the octets of RFC 7854 §4', () => {
  const octets = Uint8Array.of(0xaa, 0xbb);
  const cases: readonly [string, Uint8Array, string][] = [
    ['Initiation', encodeInitiation('r1', 'x'), '030000001104' + '0001000178' + '000200027231'],
    ['Termination', encodeTermination(), '030000000c05' + '000100020000'],
    [
      'Peer Up',
      encodePeerUp(PEER, TIME_MS, {
        local: '192.0.2.1',
        localPort: 179,
        remotePort: 40000,
        sentOpen: octets,
        receivedOpen: octets,
      }),
      `030000004803${HEAD}${'00'.repeat(12)}c000020100b39c40aabbaabb`,
    ],
    [
      'Peer Down, NOTIFICATION sent',
      encodePeerDown(PEER, TIME_MS, { kind: 'localNotification', notification: octets }),
      `030000003302${HEAD}01aabb`,
    ],
    [
      'Peer Down, local',
      encodePeerDown(PEER, TIME_MS, { kind: 'local' }),
      `030000003302${HEAD}020000`,
    ],
    [
      'Peer Down, NOTIFICATION received',
      encodePeerDown(PEER, TIME_MS, { kind: 'remoteNotification', notification: octets }),
      `030000003302${HEAD}03aabb`,
    ],
    [
      'Peer Down, remote',
      encodePeerDown(PEER, TIME_MS, { kind: 'remote' }),
      `030000003102${HEAD}04`,
    ],
    [
      'Route Monitoring of an IPv6 peer with two-octet AS numbers',
      encodeRouteMonitoring(SIX, TIME_MS, octets),
      `030000003200${HEAD6}aabb`,
    ],
    [
      'Statistics Report',
      encodeStatistics(PEER, TIME_MS, {
        rejectedPrefixes: 1,
        adjRibInRoutes: 2 ** 33 + 2,
        locRibRoutes: 3,
      }),
      `030000005401${HEAD}00000003` +
        '0000000400000001' +
        '000700080000000200000002' +
        '000800080000000000000003',
    ],
  ];
  for (const [name, bytes, wanted] of cases) assert.equal(formatHex(bytes), wanted, name);
});
