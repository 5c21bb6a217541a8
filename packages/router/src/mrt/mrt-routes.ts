// An MRT file as a source of routes: table dumps and announcements in order, one item per path, for
// benchmarks and replays. Withdrawals of message dumps are passed on as such.

import type { PathAttributes } from '@rookery/bgp';
import type { IpAddress, Prefix } from '@rookery/net';
import { readMrt } from './decode-mrt.ts';
import type { MrtPeer } from './record.ts';
import { decodeUpdate } from './show-mrt.ts';

export interface MrtRoute {
  readonly net: Prefix;
  readonly peer: IpAddress;
  readonly peerAs: number;
  readonly pathId?: number;
  /** Absent: the route is withdrawn. */
  readonly attributes?: PathAttributes;
}

/** Routes of a file; records that cannot be read are left out. */
export function* mrtRoutes(bytes: Uint8Array): Generator<MrtRoute> {
  let peers: readonly MrtPeer[] = [];
  for (const { record } of readMrt(bytes)) {
    if (!record.ok) continue;
    const { value } = record;
    if (value.kind === 'peers') peers = value.peers;
    else if (value.kind === 'rib') {
      for (const { peerIndex, pathId, attributes, fault } of value.entries) {
        const peer = peers[peerIndex];
        if (!peer || fault !== undefined) continue;
        const id = pathId === undefined ? {} : { pathId };
        yield { net: value.net, peer: peer.address, peerAs: peer.asn, ...id, attributes };
      }
    } else if (value.kind === 'message') {
      const { peer, peerAs } = value.session;
      const update = decodeUpdate(value);
      for (const net of update?.withdrawn ?? []) yield { net, peer, peerAs };
      for (const { net, attributes } of update?.announced ?? []) {
        yield { net, peer, peerAs, attributes };
      }
    }
  }
}
