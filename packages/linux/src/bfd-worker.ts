// Entry of the BFD thread: the sessions of bfd-sessions.ts, away from the main thread, whose turns
// may be long, and whose garbage collections do not concern it. Runs ahead of ordinary threads where
// the system permits it; where not, packets are a few milliseconds less punctual.

import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { FromBfdWorker, ToBfdWorker } from './bfd-messages.ts';
import { BfdSessions } from './bfd-sessions.ts';
import { setRealtimePriority } from './sys.ts';

/** The lowest one: ahead of everything ordinary, behind everybody else who asked. */
const REALTIME_PRIORITY = 1;
const REFRESH_MS = 1000;

if (parentPort) serve(parentPort);

function serve(port: NonNullable<typeof parentPort>): void {
  const tell = (message: FromBfdWorker): void => port.postMessage(message);
  runAhead();
  // One session's trouble must not cost the others theirs.
  process.on('uncaughtException', ({ message, stack = '' }) => {
    const where = stack
      .split('\n')
      .slice(1, 4)
      .map((line) => line.trim());
    const text = `Internal error in BFD: ${message} (${where.join(' < ')})`;
    tell({ kind: 'log', class: 'bug', text });
  });
  const sessions = new BfdSessions({
    emit: (facts) => tell({ kind: 'facts', facts }),
    log: (logClass, text) => tell({ kind: 'log', class: logClass, text }),
  });
  const refresh = setInterval(() => sessions.refresh(), REFRESH_MS);
  port.on('message', (message: ToBfdWorker) => {
    if (message.kind === 'order') return sessions.execute(message.order);
    clearInterval(refresh);
    sessions.close();
    port.close();
  });
}

/** Real-time scheduling needs more than the right where groups have a share of it, as in containers. */
function runAhead(): void {
  if (setRealtimePriority(REALTIME_PRIORITY).ok) return;
  try {
    // On Linux this is a matter of the calling thread alone.
    setPriority(constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Without either right it competes like everybody.
  }
}
