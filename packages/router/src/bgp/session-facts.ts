// The engine's words in those of the session machine, and the other way round.

import { ERROR } from '@rookery/bgp';
import type { DownReason, Endpoints, StopReason } from '@rookery/bgp';
import type { IpAddress } from '@rookery/net';
import type { ShutdownReason } from '../protocol.ts';

/** Nothing is heard of the neighbor: packets to it are lost as well. A session that is closed says no such thing. */
export function fellSilent(reason: DownReason): boolean {
  if (reason.kind === 'bfdDown') return true;
  if (reason.kind !== 'notificationSent') return false;
  return reason.code === ERROR.holdTimerExpired || reason.code === ERROR.sendHoldTimerExpired;
}

export function endpointsOf(fact: {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly interface?: string;
}): Endpoints {
  const { local, localPort, remote, remotePort } = fact;
  const link = fact.interface;
  return {
    local,
    localPort,
    remote,
    remotePort,
    ...(link === undefined ? {} : { interface: link }),
  };
}

export function stopReasonFor(reason: ShutdownReason): StopReason {
  switch (reason.kind) {
    case 'disabled':
      return reason.message === undefined
        ? { kind: 'adminShutdown' }
        : { kind: 'adminShutdown', text: reason.message };
    case 'restarted':
      return reason.message === undefined
        ? { kind: 'adminReset' }
        : { kind: 'adminReset', text: reason.message };
    case 'removed':
      return { kind: 'deconfigured' };
    case 'reconfigured':
      return { kind: 'configChanged' };
    case 'limit':
    case 'daemonStopping':
      return { kind: 'adminShutdown' };
    case 'gracefulRestart':
      return { kind: 'gracefulRestart' };
    case 'bug':
      return { kind: 'adminReset' };
  }
}
