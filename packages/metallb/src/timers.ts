// Session timers where the objects leave them open. Three cases, told apart in `Peer.timersFrom`:
// - "spec": honoured as written, zero included (and reported, see findings);
// - "unset": a v1beta2 object without timers. FRR's defaults, which is what MetalLB gives such an
//   object (hold 180 s, keepalive 60 s): the manifest means what it always meant;
// - "lost": a v1beta1 object without timers, which MetalLB turns into zeros and thereby into a
//   session that never notices anything. Nobody chose that, so we choose: a dead node is noticed
//   within 9 s by any router, since the negotiated hold time is the smaller of both ends'.

import type { Peer } from './config.ts';

export interface SessionTimers {
  readonly holdTimeSec: number;
  readonly keepaliveTimeSec: number;
}

/** A dead end is gone 8 s after its last word, so within 9 s on any clock; 19 octets every 2 s. */
export const DETECTING_TIMERS: SessionTimers = { holdTimeSec: 8, keepaliveTimeSec: 2 };

/** What MetalLB (FRR, profile traditional) runs when a v1beta2 object says nothing. */
export const DEFAULT_TIMERS: SessionTimers = { holdTimeSec: 180, keepaliveTimeSec: 60 };

/** Retry interval without `connectTime`. FRR waits 120 s, so that a node is out for minutes. */
export const DEFAULT_CONNECT_TIME_SEC = 5;

/** The timers that the speaker offers to this peer. */
export function timersFor(peer: Pick<Peer, 'timers' | 'timersFrom'>): SessionTimers {
  if (peer.timers) return peer.timers;
  return peer.timersFrom === 'lost' ? DETECTING_TIMERS : DEFAULT_TIMERS;
}
