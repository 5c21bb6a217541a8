// kubectl exec: the pod's exec subresource over WebSocket (v4 and v5.channel.k8s.io) or, for old
// clients, SPDY/3.1. What runs is up to the lab: a callback gets the command and hands back streams.

import type { Duplex } from 'node:stream';
import { ApiError, badRequest } from '../api-error.ts';
import { type KubeObject, listAt, textAt } from '../object.ts';
import { type ExecHandler, type ExecRequest, ExecSession, type ExecUpgrade } from './session.ts';
import { acceptSpdyExec } from './spdy-exec.ts';
import { acceptWebSocketExec } from './websocket.ts';

/** Answers an upgrade request on pods/exec. Throws ApiError before anything was sent. */
export async function serveExecUpgrade(upgrade: ExecUpgrade): Promise<void> {
  const { handler } = upgrade;
  if (!handler)
    throw new ApiError(
      501,
      'NotImplemented',
      'this API server was started without an exec handler',
    );
  const request = execRequestFor(upgrade.pod, upgrade.query);
  const start = () => startSession(handler, request);
  const protocol = (upgrade.request.headers.upgrade ?? '').toLowerCase();
  if (protocol === 'websocket') acceptWebSocketExec(upgrade, request, start);
  else if (protocol === 'spdy/3.1') acceptSpdyExec(upgrade, request, start);
  else throw badRequest(`cannot upgrade to ${protocol}: websocket and SPDY/3.1 are offered`);
}

function execRequestFor(pod: KubeObject, query: URLSearchParams): ExecRequest {
  const containers = listAt(pod, 'spec', 'containers').map((container) =>
    textAt(container, 'name'),
  );
  const container = query.get('container') || (containers[0] ?? '');
  const name = pod.metadata.name ?? '';
  if (!containers.includes(container))
    throw badRequest(`container ${container} is not valid for pod ${name}`);
  const command = query.getAll('command');
  if (command.length === 0)
    throw badRequest('you must specify at least 1 command for the container');
  return {
    namespace: pod.metadata.namespace ?? '',
    pod: name,
    nodeName: textAt(pod, 'spec', 'nodeName'),
    container,
    command,
    tty: isTrue(query.get('tty')),
    stdin: isTrue(query.get('stdin')),
  };
}

async function startSession(handler: ExecHandler, request: ExecRequest): Promise<ExecSession> {
  return new ExecSession(await handler(request), request.tty);
}

/** Answers an upgrade that is refused: a plain HTTP response with a Status, then the end. */
export function refuseUpgrade(socket: Duplex, error: ApiError): void {
  if (!socket.writable) return;
  const body = JSON.stringify(error.toStatus());
  socket.end(
    `HTTP/1.1 ${error.code} ${error.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}
