// Listening Unix sockets of a daemon: a stale file is removed, a live one means that another daemon
// runs; the mode is 0660 from the first moment, and the directory is made when only that is missing.

import { chownSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import { platformErrorFrom } from '@rookery/linux';

export interface SocketOwner {
  readonly uid?: number;
  readonly gid?: number;
}

export type ListenOutcome =
  | { readonly kind: 'listening'; readonly close: () => void }
  /** Somebody answers there. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * A server whose code is loaded with its first connection: most daemons are never looked at, and
 * what serves a console costs more memory than the sessions.
 */
export function createLazyServer(load: () => Promise<(socket: net.Socket) => void>): net.Server {
  let serve: Promise<(socket: net.Socket) => void> | undefined;
  return net.createServer({ pauseOnConnect: true }, (socket) => {
    const drop = (): void => void socket.destroy();
    socket.on('error', drop);
    serve ??= load();
    serve.then((one) => {
      one(socket);
      socket.resume();
    }, drop);
  });
}

/** Binds `path` for `server` (a net or http server). */
export async function listenUnix(
  server: net.Server,
  path: string,
  owner: SocketOwner = {},
): Promise<ListenOutcome> {
  const fail = (error: unknown): ListenOutcome => ({
    kind: 'failed',
    message: platformErrorFrom('listen', error).message,
  });
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (isSocket(path)) {
      if (await answers(path)) return { kind: 'taken' };
      unlinkSync(path);
    }
  } catch (error) {
    return fail(error);
  }
  const outcome = await new Promise<ListenOutcome>((resolve) => {
    const refused = (error: unknown): void => resolve(fail(error));
    server.once('error', refused);
    // The socket is bound inside listen(), so the mask need not outlive it.
    const mask = process.umask(0o117);
    server.listen(path, () => {
      server.off('error', refused);
      resolve({ kind: 'listening', close: () => removeSocket(server, path) });
    });
    process.umask(mask);
  });
  if (outcome.kind !== 'listening') return outcome;
  server.on('error', () => undefined);
  try {
    if (owner.uid !== undefined || owner.gid !== undefined) {
      chownSync(path, owner.uid ?? process.getuid!(), owner.gid ?? process.getgid!());
    }
  } catch (error) {
    outcome.close();
    return fail(error);
  }
  return outcome;
}

function isSocket(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return false;
  if (stat.isSocket()) return true;
  throw Object.assign(new Error('not a socket'), { code: 'EEXIST' });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

function removeSocket(server: net.Server, path: string): void {
  server.close();
  try {
    unlinkSync(path);
  } catch {
    // Node removes it on close; whoever came first did it.
  }
}
