// Exec over SPDY: after the upgrade the client opens one stream per kind (error, stdin, stdout,
// stderr, resize), named in a header. The command starts when all that the query announces are open.

import { ApiError } from '../api-error.ts';
import type { JsonObject } from '../object.ts';
import {
  deliverResize,
  type ExecRequest,
  type ExecSession,
  type ExecUpgrade,
  failureStatus,
} from './session.ts';
import { SpdyConnection } from './spdy.ts';

const protocol = 'v4.channel.k8s.io';

export function acceptSpdyExec(
  upgrade: ExecUpgrade,
  request: ExecRequest,
  start: () => Promise<ExecSession>,
): void {
  const { socket, query } = upgrade;
  const offered = [upgrade.request.headers['x-stream-protocol-version'] ?? []]
    .flat()
    .flatMap((text) => text.split(/,\s*/));
  if (!offered.includes(protocol)) {
    throw new ApiError(
      403,
      'Forbidden',
      `unable to upgrade: the client offers ${offered.join(', ') || 'no protocol'}, this server speaks ${protocol}`,
    );
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  const wanted = [
    'error',
    ...['stdin', 'stdout', 'stderr'].filter((kind) => isTrue(query.get(kind))),
  ];
  if (request.tty) wanted.push('resize');
  const expected = new Set(wanted.filter((kind) => !(request.tty && kind === 'stderr')));
  const streams = new Map<string, number>();
  const early: [number, Buffer, boolean][] = [];
  let session: ExecSession | undefined;
  let isClosed = false;

  const deliver = (stream: number, bytes: Buffer, isLast: boolean) => {
    if (!session) return;
    if (stream === streams.get('resize') && bytes.length > 0) deliverResize(session, bytes);
    if (stream !== streams.get('stdin')) return;
    if (bytes.length > 0) session.input(bytes);
    if (isLast) session.inputEnded();
  };
  const connection = new SpdyConnection(socket, upgrade.head, {
    opened: (stream, headers) => {
      const kind = headers['streamtype'] ?? '';
      streams.set(kind, stream);
      expected.delete(kind);
      if (expected.size === 0 && kind !== '') void begin();
    },
    data: (stream, bytes, isLast) => {
      if (session) deliver(stream, bytes, isLast);
      else early.push([stream, bytes, isLast]);
    },
    reset: (stream) => {
      if (stream === streams.get('stdin')) session?.inputEnded();
    },
    closed: () => {
      isClosed = true;
      session?.abandon();
    },
  });

  const send = (kind: string, bytes: Uint8Array, isLast = false) => {
    const stream = streams.get(kind);
    if (stream !== undefined && (bytes.length > 0 || isLast))
      connection.sendData(stream, bytes, isLast);
  };
  const finish = (status: JsonObject) => {
    send('stdout', new Uint8Array(), true);
    send('stderr', new Uint8Array(), true);
    // A success is an empty status to the client; a failure is read to the end of the stream.
    send('error', Buffer.from(JSON.stringify(status)), true);
    connection.close();
  };
  let hasBegun = false;
  const begin = async () => {
    if (hasBegun) return;
    hasBegun = true;
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
      sendStdout: (bytes) => send('stdout', bytes),
      sendStderr: (bytes) => send('stderr', bytes),
      finish,
      backlogBytes: () => connection.backlogBytes,
    });
    for (const [stream, bytes, isLast] of early) deliver(stream, bytes, isLast);
  };
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}
