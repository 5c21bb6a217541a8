// The BIRD control socket: one birdc session per connection, characters in, bounded chunks out. A
// reader that does not read suspends its own dump and nothing else.

import type net from 'node:net';
import { openBirdcSession } from '@rookery/console';
import type { BirdcEnvironment } from '@rookery/console';

export interface BirdcServerDeps {
  /** Of the moment: the language changes with the configuration. */
  readonly environment: () => BirdcEnvironment;
  /** Runs a piece of the session inside a turn of the engine. */
  readonly run: <T>(command: () => T) => T;
}

/** Serves one connection from the greeting to its end. */
export function serveBirdc(socket: net.Socket, deps: BirdcServerDeps): void {
  let blocked = false;
  let queued = false;
  const pumpLater = (): void => {
    if (queued) return;
    queued = true;
    setImmediate(pump);
  };
  const session = openBirdcSession(deps.environment(), pumpLater);
  function pump(): void {
    queued = false;
    if (blocked || socket.destroyed) return;
    const chunk = deps.run(() => session.pull());
    if (chunk !== undefined) {
      blocked = !socket.write(chunk);
      // The next chunk in a turn of its own: sessions and timers come in between.
      if (!blocked) pumpLater();
    } else if (session.finished) {
      socket.end();
    }
  }
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    session.receive(text);
    pumpLater();
  });
  socket.on('drain', () => {
    blocked = false;
    pumpLater();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => deps.run(() => session.close()));
  pumpLater();
}
