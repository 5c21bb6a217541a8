// Facts about TCP: connected, refused, accepted, closed. RFC 4271 §8.2.2 with BIRD's reading: a
// refused attempt goes back to Active and waits, incoming calls are taken while we wait to connect.

import { CONNECTION_CLOSED, transportReason } from './down-reason.ts';
import {
  endInstance,
  endSession,
  endSessionGracefully,
  remember,
  scheduleConnect,
} from './lifecycle.ts';
import { openFor } from './negotiate.ts';
import { negotiatedOf } from './peer-state.ts';
import {
  closeConnection,
  hasTransport,
  log,
  otherRole,
  sendKeepalive,
  sendOpen,
  setConnection,
} from './step.ts';
import type { Step } from './step.ts';
import type { ConnectionRole, DownReason, Endpoints, TransportError } from './types.ts';

/** Orders the outgoing connection. */
export function connectOut(step: Step): void {
  const { identity, config } = step.state;
  const from =
    identity.localAddress === undefined ? '' : ` from local address ${identity.localAddress}`;
  log(step, 'events', `Connecting to ${neighborName(step)}${from}`);
  setConnection(step, 'outgoing', {
    state: 'Connect',
    retryAtMs: step.nowMs + Math.max(1, config.connectRetryTimeSec) * 1000,
  });
  step.actions.push({ kind: 'connect' });
}

export function onConnected(step: Step, endpoints: Endpoints): void {
  if (step.state.outgoing.state !== 'Connect') {
    // Cancelled meanwhile: the transport must not linger.
    if (!hasTransport(step.state.outgoing)) {
      step.actions.push({ kind: 'closeTransport', connection: 'outgoing', reset: false });
    }
    return;
  }
  log(step, 'events', 'Connected');
  openConnection(step, 'outgoing', endpoints);
}

export function onConnectFailed(step: Step, error: TransportError, refusedHere = false): void {
  if (step.state.outgoing.state !== 'Connect') return;
  if (refusedHere) {
    // Trying again at once would only repeat it: a session never runs with less than was asked for.
    log(step, 'error', `Cannot prepare a connection: ${error.operation}: ${error.message}`);
    endInstance(step, { reason: transportReason(error), after: 'restart', error: true });
    return;
  }
  log(step, 'events', `Connection lost (${error.message})`);
  remember(step, transportReason(error));
  scheduleConnect(step);
}

export function onAccepted(step: Step, endpoints: Endpoints): void {
  const { state } = step;
  const caller = `Incoming connection from ${endpoints.remote} (port ${endpoints.remotePort})`;
  const negotiated = negotiatedOf(state);
  const restarted =
    negotiated?.gracefulRestart === true &&
    step.nowMs - (state.upSinceMs ?? 0) >= COLLISION_WINDOW_MS;
  const free = !hasTransport(state.incoming);
  if (state.phase !== 'running' || (negotiated ? !restarted : !free)) {
    log(step, 'events', `${caller} rejected`);
    step.actions.push({ kind: 'rejectTransport' });
    // A peer that lost its state calls again while the old session looks alive; with a hold time of 0
    // nothing else would ever notice. One KEEPALIVE makes its TCP answer with RST.
    if (negotiated) sendKeepalive(step, state.established!);
    return;
  }
  log(step, 'events', `${caller} accepted`);
  if (negotiated) {
    // RFC 4724 §4.2: a new connection replaces the session of a restarted peer.
    const reason: DownReason = { kind: 'peerRestarted', side: 'remote', category: 'transport' };
    endSessionGracefully(step, state.established!, reason);
    closeConnection(step, 'incoming');
    if (state.outgoing.state === 'Idle') scheduleConnect(step);
  }
  step.actions.push({ kind: 'acceptTransport' });
  openConnection(step, 'incoming', endpoints);
}

export function onClosed(
  step: Step,
  role: ConnectionRole,
  error: TransportError | undefined,
): void {
  const { state } = step;
  const connection = state[role];
  if (connection.state === 'Connect') {
    onConnectFailed(step, error ?? CONNECTION_CLOSED);
    return;
  }
  if (!hasTransport(connection)) return;
  log(step, 'events', error ? `Connection lost (${error.message})` : 'Connection closed');
  const reason = transportReason(error ?? CONNECTION_CLOSED);
  if (state.established === role) {
    loseSession(step, reason);
    return;
  }
  closeConnection(step, role);
  if (state.established === undefined) remember(step, reason);
  resumeConnecting(step);
}

/** The session ended without a word. Negotiated graceful restart: the instance lives on. */
export function loseSession(step: Step, reason: DownReason): void {
  const role = step.state.established!;
  if (negotiatedOf(step.state)?.gracefulRestart) {
    endSessionGracefully(step, role, reason);
    resumeConnecting(step);
    return;
  }
  endSession(step, reason);
  endInstance(step, { reason, after: 'restart', error: false });
}

/** When no connection is left or pending, the next attempt is scheduled. */
export function resumeConnecting(step: Step): void {
  const { state } = step;
  if (state.phase !== 'running' || hasTransport(state.incoming)) return;
  if (state.outgoing.state === 'Idle') scheduleConnect(step);
}

/** Gives up one of two connections; the other one goes on. */
export function dropConnection(step: Step, role: ConnectionRole): void {
  closeConnection(step, role);
  if (!hasTransport(step.state[otherRole(role)])) resumeConnecting(step);
}

function openConnection(step: Step, role: ConnectionRole, endpoints: Endpoints): void {
  const { state } = step;
  const sent = openFor(state.config, state.identity, {
    capabilities: !state.withoutCapabilities,
    again: state.connectionsEstablished > 0,
  });
  state.traffic.heardMs[role] = step.nowMs;
  sendOpen(step, role, sent);
  setConnection(step, role, {
    state: 'OpenSent',
    endpoints,
    sent,
    holdTimeSec: state.config.startupHoldTimeSec,
  });
}

function neighborName({ state: { identity } }: Step): string {
  const { neighborAddress, interface: link } = identity;
  return link !== undefined && /^fe[89ab]/.test(neighborAddress)
    ? `${neighborAddress}%${link}`
    : neighborAddress;
}

/** Calls that cross in the first seconds of a session are collisions, not restarts. */
const COLLISION_WINDOW_MS = 5000;
