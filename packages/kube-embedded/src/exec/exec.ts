// kubectl exec: the pod's exec subresource over WebSocket (v4 and v5.channel.k8s.io) or, for old
// clients, SPDY/3.1. What runs is up to the lab: a callback gets the command and hands back streams.
// Both transports end in the same session object, so exit codes and tty behaviour are written once.

import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import { ApiError, badRequest } from '../api-error.ts';
import { type JsonObject, type KubeObject, listAt, textAt } from '../object.ts';
import { acceptSpdyExec } from './spdy-exec.ts';
import { acceptWebSocketExec } from './websocket.ts';

export interface ExecRequest {
  namespace: string;
  pod: string;
  /** The node the pod is on, '' when it has none. */
  nodeName: string;
  container: string;
  command: string[];
  tty: boolean;
  stdin: boolean;
}

export interface ExecProcess {
  /** Where the client's input goes; ended when the client closes it. */
  stdin: Writable | null;
  stdout: Readable;
  stderr: Readable | null;
  /** Settles when the command ended and its output was read; null for a signal. */
  exitCode: Promise<number | null>;
  /** Called when the client leaves before the command ends. */
  kill: () => void;
  resize?: (columns: number, rows: number) => void;
}

/** Starts a command; a rejection is reported to the client as its reason. */
export type ExecHandler = (request: ExecRequest) => ExecProcess | Promise<ExecProcess>;

export interface ExecUpgrade {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  pod: KubeObject;
  query: URLSearchParams;
  handler: ExecHandler | undefined;
}

/** What a transport offers the session; stdin and resize arrive through the session's methods. */
export interface ExecTransport {
  sendStdout: (bytes: Uint8Array) => void;
  sendStderr: (bytes: Uint8Array) => void;
  /** The final Status; the transport closes after it. */
  finish: (status: JsonObject) => void;
  /** Bytes waiting to be sent; output pauses while this is high. */
  backlogBytes: () => number;
}

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

/** A running command joined to a transport. */
export class ExecSession {
  readonly #process: ExecProcess;
  readonly #tty: boolean;
  #transport: ExecTransport | undefined;

  constructor(process: ExecProcess, tty: boolean) {
    this.#process = process;
    this.#tty = tty;
    process.stdin?.on('error', () => undefined);
  }

  /** Starts to carry output to the client and reports the end of the command. */
  attach(transport: ExecTransport): void {
    this.#transport = transport;
    const { stdout, stderr, exitCode } = this.#process;
    const toStdout = this.#tty ? carriageReturns(transport.sendStdout) : transport.sendStdout;
    const outEnded = pump(stdout, toStdout, transport);
    // A tty has one output: errors of the command appear in it.
    const errEnded = stderr
      ? pump(stderr, this.#tty ? toStdout : transport.sendStderr, transport)
      : Promise.resolve();
    void Promise.allSettled([exitCode, outEnded, errEnded]).then(([exit]) => {
      const status =
        exit.status === 'fulfilled' ? exitStatus(exit.value) : failureStatus(exit.reason);
      this.#transport?.finish(status);
    });
  }

  input(bytes: Uint8Array): void {
    const { stdin } = this.#process;
    if (stdin?.writable) stdin.write(this.#tty ? newlines(bytes) : bytes);
  }

  inputEnded(): void {
    if (this.#process.stdin?.writable) this.#process.stdin.end();
  }

  resize(columns: number, rows: number): void {
    this.#process.resize?.(columns, rows);
  }

  /** The client left: the command is told, nothing more is sent. */
  abandon(): void {
    this.#transport = undefined;
    this.#process.kill();
  }
}

async function startSession(handler: ExecHandler, request: ExecRequest): Promise<ExecSession> {
  return new ExecSession(await handler(request), request.tty);
}

function pump(
  source: Readable,
  send: (bytes: Uint8Array) => void,
  transport: ExecTransport,
): Promise<void> {
  const highWaterBytes = 1024 * 1024;
  return new Promise((resolve) => {
    source.on('data', (chunk: Buffer | string) => {
      send(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      if (transport.backlogBytes() < highWaterBytes) return;
      source.pause();
      const check = setInterval(() => {
        if (transport.backlogBytes() >= highWaterBytes) return;
        clearInterval(check);
        source.resume();
      }, 20);
    });
    source.on('end', resolve);
    source.on('close', resolve);
    source.on('error', () => resolve());
  });
}

/** A terminal turns LF into CR LF on output; CR LF stays as it is, also across chunks. */
function carriageReturns(send: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
  let last = 0;
  return (bytes) => {
    const out: number[] = [];
    for (const byte of bytes) {
      if (byte === 10 && last !== 13) out.push(13);
      out.push(byte);
      last = byte;
    }
    send(Uint8Array.from(out));
  };
}

/** A terminal turns the CR of the Enter key into LF on input. */
function newlines(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => (byte === 13 ? 10 : byte));
}

export function exitStatus(code: number | null): JsonObject {
  if (code === 0) return { metadata: {}, status: 'Success' };
  const shown = code ?? 137;
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${shown}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(shown) }] },
  };
}

export function failureStatus(reason: unknown): JsonObject {
  const message = reason instanceof Error ? reason.message : String(reason);
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${message}`,
    reason: 'InternalError',
    code: 500,
  };
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
