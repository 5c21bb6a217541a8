// One exec session: a running command joined to whatever transport carries it, so that exit codes,
// tty behaviour and back pressure are written once for WebSocket and SPDY.

import type { Duplex, Readable, Writable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { type JsonObject, type KubeObject, numberAt } from '../object.ts';

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

/** The terminal size arrives as JSON {"Width":80,"Height":24}; anything else is ignored. */
export function deliverResize(session: ExecSession, body: Uint8Array): void {
  try {
    const size: unknown = JSON.parse(Buffer.from(body).toString());
    const columns = numberAt(size, 'Width');
    const rows = numberAt(size, 'Height');
    if (columns && rows) session.resize(columns, rows);
  } catch {
    return;
  }
}
