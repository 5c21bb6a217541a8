// `rookery lab exec HOST COMMAND …` from outside the sandbox: a Unix socket of the running lab that
// starts a command in a host and carries its streams. Client to server: one JSON line, then standard
// input as it comes. Server to client: frames of one octet channel, four octets length, data.

import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { type Server, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host } from './host.ts';

const CHANNEL = { stdout: 1, stderr: 2, status: 3 } as const;
const SOCKET = 'exec.sock';
const HEADER_LENGTH = 5;
/** A request line is a command, not a document. */
const MAX_REQUEST = 65_536;

export interface ExecRequest {
  readonly host: string;
  readonly argv: readonly string[];
}

/** Serves commands until the lab ends. `resolve` may replace a program by ours. */
export function serveExec(
  state: string,
  hosts: Readonly<Record<string, Host>>,
  resolve: (request: ExecRequest) => readonly string[],
): Server {
  // The client's input may end long before the command does.
  return createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    let head = Buffer.alloc(0);
    const onHead = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(10);
      if (end < 0 && head.length < MAX_REQUEST) return;
      socket.off('data', onHead);
      socket.pause();
      start(socket, head.subarray(0, Math.max(end, 0)).toString(), head.subarray(end + 1));
    };
    socket.on('data', onHead);
  }).listen(join(state, SOCKET));

  function start(socket: Socket, line: string, input: Buffer): void {
    const request = parseRequest(line);
    const host = request && hosts[request.host];
    if (!request || !host) {
      const known = Object.keys(hosts).join(', ');
      sendFrame(socket, CHANNEL.stderr, Buffer.from(`no such host; the lab has ${known}\n`));
      return finish(socket, 2);
    }
    const child = host.spawn(resolve(request), { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin!.on('error', () => {});
    child.stdin!.write(input);
    socket.pipe(child.stdin!);
    child.stdout!.on('data', (chunk: Buffer) => sendFrame(socket, CHANNEL.stdout, chunk));
    child.stderr!.on('data', (chunk: Buffer) => sendFrame(socket, CHANNEL.stderr, chunk));
    child.once('error', () => finish(socket, 127));
    child.once('close', (code) => finish(socket, code ?? 128));
    socket.once('close', () => child.kill());
  }
}

/** Runs a command in the newest running lab of this user; resolves to its exit status. */
export async function execInLab(request: ExecRequest): Promise<number> {
  const state = findRunningLab();
  if (!state) {
    process.stderr.write('rookery: no lab is running; start one with "npm start"\n');
    return 1;
  }
  const socket = connect({ path: join(state, SOCKET), allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(`${JSON.stringify(request)}\n`);
  process.stdin.pipe(socket);
  let status = 1;
  let buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= HEADER_LENGTH) {
      const end = HEADER_LENGTH + buffer.readUInt32BE(1);
      if (buffer.length < end) return;
      const data = buffer.subarray(HEADER_LENGTH, end);
      if (buffer[0] === CHANNEL.stdout) process.stdout.write(data);
      else if (buffer[0] === CHANNEL.stderr) process.stderr.write(data);
      else status = data[0] ?? 1;
      buffer = buffer.subarray(end);
    }
  });
  await once(socket, 'close');
  process.stdin.unpipe();
  process.stdin.destroy();
  return status;
}

/** State directory of the newest lab of this user that still runs. */
export function findRunningLab(): string | undefined {
  const prefix = `rookery-lab-${process.getuid?.() ?? 0}-`;
  const running = readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(tmpdir(), name))
    .filter((path) => existsSync(join(path, SOCKET)) && supervisorRuns(path));
  return running.sort((a, b) => statSync(a).ctimeMs - statSync(b).ctimeMs).at(-1);
}

function supervisorRuns(state: string): boolean {
  try {
    process.kill(Number(readFileSync(join(state, 'pid'), 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}

function parseRequest(line: string): ExecRequest | undefined {
  try {
    const value = JSON.parse(line) as Partial<ExecRequest>;
    const valid =
      typeof value.host === 'string' && Array.isArray(value.argv) && value.argv.length > 0;
    return valid ? (value as ExecRequest) : undefined;
  } catch {
    return undefined;
  }
}

function finish(socket: Socket, status: number): void {
  sendFrame(socket, CHANNEL.status, Buffer.from([status & 255]));
  socket.end();
}

function sendFrame(socket: Socket, channel: number, data: Buffer): void {
  const header = Buffer.alloc(HEADER_LENGTH);
  header[0] = channel;
  header.writeUInt32BE(data.length, 1);
  if (socket.writable) socket.write(Buffer.concat([header, data]));
}
