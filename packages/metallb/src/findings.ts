// Configurations that are valid and still not what their author would want. A finding has a stable
// id; the same value goes into the log, the Kubernetes event on the object, and the lab's story.

import type { Config } from './config.ts';
import type { Metadata } from './kubernetes.ts';
import { DETECTING_TIMERS } from './timers.ts';

export type FindingId = 'cfg.v1beta1-zero-timer' | 'session.hold-zero';

export interface ConfigFinding {
  readonly id: FindingId;
  readonly object: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: Metadata;
  };
  /** Reason of the Kubernetes event, CamelCase. */
  readonly reason: string;
  readonly message: string;
  readonly cure: string;
}

/** All findings of a configuration, in order of id and object. */
export function findingsFor(config: Pick<Config, 'peers' | 'pools'>): readonly ConfigFinding[] {
  const findings: ConfigFinding[] = [];
  for (const peer of config.peers.values()) {
    const object = { apiVersion: peer.apiVersion, kind: 'BGPPeer', metadata: peer.metadata };
    const { holdTimeSec, keepaliveTimeSec } = DETECTING_TIMERS;
    if (peer.timersFrom === 'lost' && peer.bfdProfile === undefined) {
      findings.push({
        id: 'cfg.v1beta1-zero-timer',
        object,
        reason: 'TimersUnset',
        message:
          `BGPPeer ${peer.name} is written as metallb.io/v1beta1 without holdTime: MetalLB turns ` +
          'that into hold time 0, and a dead node is never detected. This speaker uses hold time ' +
          `${holdTimeSec}s and keepalive ${keepaliveTimeSec}s instead`,
        cure: 'set spec.holdTime, or write the object as metallb.io/v1beta2',
      });
    }
    if (peer.timers?.holdTimeSec === 0 && peer.bfdProfile === undefined) {
      findings.push({
        id: 'session.hold-zero',
        object,
        reason: 'HoldTimeZero',
        message:
          `BGPPeer ${peer.name} asks for hold time 0 and has no BFD profile: neither end notices ` +
          'when the other dies, and traffic keeps going to a dead node',
        cure: 'set spec.holdTime to 9s (or another value of at least 3s), or add a bfdProfile',
      });
    }
  }
  return findings;
}
