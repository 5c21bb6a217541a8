// BGP Monitoring Protocol messages (RFC 7854 §4), version 3, from values to octets. Only what a
// router sends; a station's reader is none of our business.

import { ByteWriter, addressToBytes, familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';

/** RFC 7854 §4.1. */
export const BMP_TYPE = {
  routeMonitoring: 0,
  statisticsReport: 1,
  peerDown: 2,
  peerUp: 3,
  initiation: 4,
  termination: 5,
} as const;

/** RFC 7854 §4.2: whom a message is about. */
export interface BmpPeer {
  readonly address: IpAddress;
  readonly asn: number;
  readonly bgpId: IpAddress;
  /** AS_PATH of its messages has two octets per AS number. */
  readonly legacyAsPath: boolean;
  /** Route Monitoring: Adj-RIB-In after policy. */
  readonly postPolicy?: boolean;
}

/** RFC 7854 §4.9. */
export type BmpDownReason =
  | { readonly kind: 'localNotification'; readonly notification: Uint8Array }
  | { readonly kind: 'local' }
  | { readonly kind: 'remoteNotification'; readonly notification: Uint8Array }
  | { readonly kind: 'remote' };

/** RFC 7854 §4.8; gauges have 64 bits on the wire. */
export interface BmpStatistics {
  readonly rejectedPrefixes: number;
  readonly adjRibInRoutes: number;
  readonly locRibRoutes: number;
}

export function encodeInitiation(systemName: string, description: string): Uint8Array {
  const out = begin(BMP_TYPE.initiation);
  writeText(out, 1, description);
  writeText(out, 2, systemName);
  return finish(out);
}

/** RFC 7854 §4.5: reason 0, the session was closed by the administrator. */
export function encodeTermination(): Uint8Array {
  const out = begin(BMP_TYPE.termination);
  out.u16(1);
  out.u16(2);
  out.u16(0);
  return finish(out);
}

export function encodePeerUp(
  peer: BmpPeer,
  timeMs: number,
  session: {
    readonly local: IpAddress;
    readonly localPort: number;
    readonly remotePort: number;
    readonly sentOpen: Uint8Array;
    readonly receivedOpen: Uint8Array;
  },
): Uint8Array {
  const out = begin(BMP_TYPE.peerUp);
  writePeer(out, peer, timeMs);
  writeAddress(out, session.local);
  out.u16(session.localPort);
  out.u16(session.remotePort);
  out.put(session.sentOpen);
  out.put(session.receivedOpen);
  return finish(out);
}

export function encodePeerDown(peer: BmpPeer, timeMs: number, reason: BmpDownReason): Uint8Array {
  const out = begin(BMP_TYPE.peerDown);
  writePeer(out, peer, timeMs);
  switch (reason.kind) {
    case 'localNotification':
      out.u8(1);
      out.put(reason.notification);
      break;
    case 'local':
      out.u8(2);
      // No event of the state machine is told apart here.
      out.u16(0);
      break;
    case 'remoteNotification':
      out.u8(3);
      out.put(reason.notification);
      break;
    case 'remote':
      out.u8(4);
      break;
  }
  return finish(out);
}

/** One UPDATE (RFC 7854 §5), as it was received or as policy left it. */
export function encodeRouteMonitoring(
  peer: BmpPeer,
  timeMs: number,
  update: Uint8Array,
): Uint8Array {
  const out = begin(BMP_TYPE.routeMonitoring);
  writePeer(out, peer, timeMs);
  out.put(update);
  return finish(out);
}

export function encodeStatistics(
  peer: BmpPeer,
  timeMs: number,
  statistics: BmpStatistics,
): Uint8Array {
  const out = begin(BMP_TYPE.statisticsReport);
  writePeer(out, peer, timeMs);
  out.u32(3);
  out.u16(0);
  out.u16(4);
  out.u32(statistics.rejectedPrefixes);
  for (const [type, gauge] of [
    [7, statistics.adjRibInRoutes],
    [8, statistics.locRibRoutes],
  ] as const) {
    out.u16(type);
    out.u16(8);
    out.u32(Math.floor(gauge / 2 ** 32));
    out.u32(gauge % 2 ** 32);
  }
  return finish(out);
}

function begin(type: number): ByteWriter {
  const out = new ByteWriter(128);
  out.u8(3);
  out.u32(0);
  out.u8(type);
  return out;
}

function finish(out: ByteWriter): Uint8Array {
  out.patch16(1, Math.floor(out.length / 65536));
  out.patch16(3, out.length % 65536);
  return out.take();
}

function writePeer(out: ByteWriter, peer: BmpPeer, timeMs: number): void {
  const ipv6 = familyOf(peer.address) === 'ipv6';
  out.u8(0);
  out.u8((ipv6 ? 0x80 : 0) | (peer.postPolicy ? 0x40 : 0) | (peer.legacyAsPath ? 0x20 : 0));
  out.u32(0);
  out.u32(0);
  writeAddress(out, peer.address);
  out.u32(peer.asn);
  out.put(addressToBytes(peer.bgpId));
  out.u32(Math.floor(timeMs / 1000));
  out.u32(Math.floor((timeMs % 1000) * 1000));
}

/** IPv4 stands in the last four of sixteen octets. */
function writeAddress(out: ByteWriter, address: IpAddress): void {
  const octets = addressToBytes(address);
  for (let i = octets.length; i < 16; i++) out.u8(0);
  out.put(octets);
}

function writeText(out: ByteWriter, type: number, text: string): void {
  out.u16(type);
  out.u16(text.length);
  out.put(Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f));
}
