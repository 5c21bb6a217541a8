// The WebSocket side of exec: one binary message per chunk, its first byte is the channel. Channel
// 0 stdin, 1 stdout, 2 stderr, 3 the final Status, 4 terminal size, and in v5 255 closes a channel.

import { WebSocketServer, type WebSocket } from 'ws';
import { ApiError } from '../api-error.ts';
import type { JsonObject } from '../object.ts';
import {
  deliverResize,
  type ExecRequest,
  type ExecSession,
  type ExecUpgrade,
  failureStatus,
} from './session.ts';

const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const server = new WebSocketServer({
  noServer: true,
  maxPayload: 4 * 1024 * 1024,
  handleProtocols: (offered) => protocols.find((protocol) => offered.has(protocol)) ?? false,
});

export function acceptWebSocketExec(
  upgrade: ExecUpgrade,
  _request: ExecRequest,
  start: () => Promise<ExecSession>,
): void {
  const offered = (upgrade.request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((item) => item.trim());
  if (!protocols.some((protocol) => offered.includes(protocol))) {
    throw new ApiError(
      400,
      'BadRequest',
      `the client offers none of the exec protocols ${protocols.join(', ')}`,
    );
  }
  server.handleUpgrade(
    upgrade.request,
    upgrade.socket,
    upgrade.head,
    (socket) => void carry(socket, start),
  );
}

async function carry(socket: WebSocket, start: () => Promise<ExecSession>): Promise<void> {
  const early: Buffer[] = [];
  let session: ExecSession | undefined;
  let isClosed = false;
  const send = (number: number, bytes: Uint8Array) => {
    if (socket.readyState === socket.OPEN) socket.send(Buffer.concat([Buffer.of(number), bytes]));
  };
  const finish = (status: JsonObject) => {
    send(channel.error, Buffer.from(JSON.stringify(status)));
    socket.close(1000);
  };
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    isClosed = true;
    session?.abandon();
  });
  socket.on('message', (data: Buffer) => {
    if (session) deliver(session, data);
    else early.push(data);
  });
  try {
    session = await start();
  } catch (error) {
    finish(failureStatus(error));
    return;
  }
  if (isClosed) {
    session.abandon();
    return;
  }
  session.attach({
    sendStdout: (bytes) => send(channel.stdout, bytes),
    sendStderr: (bytes) => send(channel.stderr, bytes),
    finish,
    backlogBytes: () => socket.bufferedAmount,
  });
  for (const data of early) deliver(session, data);
}

function deliver(session: ExecSession, data: Buffer): void {
  const body = data.subarray(1);
  switch (data[0]) {
    case channel.stdin:
      if (body.length > 0) session.input(body);
      return;
    case channel.resize:
      deliverResize(session, body);
      return;
    case channel.close:
      if (body[0] === channel.stdin) session.inputEnded();
      return;
    default:
      return;
  }
}
