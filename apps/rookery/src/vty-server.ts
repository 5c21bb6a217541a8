// The command sockets of FRR's daemons, so that the real vtysh and our own work: a command ends with
// a NUL, an answer with three NULs and the status octet. One directory holds a socket per daemon
// name; all are answered from the same engine. Framing as captured from FRR 8.4 to 10.3.

import type net from 'node:net';
import { join } from 'node:path';
import { createLazyServer, listenUnix } from './unix-server.ts';
import type { SocketOwner } from './unix-server.ts';

export interface VtyAnswer {
  readonly text: string;
  /** FRR's CMD_*: 0 success, 2 no match, 4 incomplete. */
  readonly status: number;
}

/** Answers one command line given to a daemon. */
export type VtyResponder = (daemon: string, line: string) => VtyAnswer;

/** `vtysh` is the shell as a whole, for our own client; FRR's asks the daemons one by one. */
export const vtyDaemons = ['zebra', 'bgpd', 'bfdd', 'staticd', 'vtysh'] as const;

const commandLimit = 65536;

/**
 * Opens the sockets; `load` runs with the first connection. The value closes them, an error is one
 * sentence.
 */
export async function openVtySockets(
  directory: string,
  load: () => Promise<VtyResponder>,
  owner: SocketOwner,
): Promise<{ readonly close: () => void } | { readonly error: string }> {
  const closers: (() => void)[] = [];
  const close = (): void => closers.forEach((one) => one());
  for (const daemon of vtyDaemons) {
    const path = join(directory, `${daemon}.vty`);
    const server = createLazyServer(async () => {
      const respond = await load();
      return (socket) => serveConnection(socket, daemon, respond);
    });
    const outcome = await listenUnix(server, path, owner);
    if (outcome.kind !== 'listening') {
      close();
      const why = outcome.kind === 'taken' ? 'another daemon answers there' : outcome.message;
      return { error: `Cannot create the vty socket ${path}: ${why}` };
    }
    closers.push(outcome.close);
  }
  return { close };
}

function serveConnection(socket: net.Socket, daemon: string, respond: VtyResponder): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    for (let end = pending.indexOf(0); end >= 0; end = pending.indexOf(0)) {
      const line = pending.toString('utf8', 0, end);
      pending = pending.subarray(end + 1);
      const answer = respond(daemon, line);
      socket.write(
        Buffer.concat([Buffer.from(answer.text), Buffer.from([0, 0, 0, answer.status])]),
      );
    }
    if (pending.length > commandLimit) socket.destroy();
  });
}
