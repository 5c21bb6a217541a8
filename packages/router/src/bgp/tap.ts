// Who listens in on BGP sessions: MRT message dumps and BMP. A tap sees messages as octets, before
// the session acts on them, and states after they changed. It must not touch the session.

import { negotiatedOf } from '@rookery/bgp';
import { familyOf } from '@rookery/net';
import type { IpAddress } from '@rookery/net';
import type { BgpProtocol } from '../protocols/bgp.ts';

export interface BgpTap {
  /** Received messages of every type; of those sent only OPEN and NOTIFICATION. */
  messageSeen(
    protocol: BgpProtocol,
    direction: 'received' | 'sent',
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void;
  stateChanged(protocol: BgpProtocol, from: string, to: string): void;
}

export interface TappedSession {
  readonly peer: IpAddress;
  readonly local: IpAddress;
  readonly peerAs: number;
  readonly localAs: number;
  readonly as4: boolean;
  readonly addPath: boolean;
}

/** The ends of a session as far as they are known; zero addresses stand for unknown ones. */
export function tappedSession(protocol: BgpProtocol): TappedSession {
  const { config } = protocol;
  const negotiated = negotiatedOf(protocol.peer);
  const peer = config.neighborAddress ?? '0.0.0.0';
  const nowhere = familyOf(peer) === 'ipv6' ? '::' : '0.0.0.0';
  return {
    peer,
    local: negotiated?.endpoints.local ?? config.localAddress ?? nowhere,
    peerAs: negotiated?.peerAs ?? config.neighborAs,
    localAs: config.localAs,
    as4: negotiated?.as4 ?? true,
    addPath: negotiated?.families.some((family) => family.addPathRx) ?? false,
  };
}
