// The engine's log lines inside a speaker: into the speaker's own log, with the engine's class, and
// to consoles that follow. Lines about each reconfiguration are for a router; a speaker is
// reconfigured with every service.

import type { LogClass } from '@rookery/router';
import type { ClusterLog } from './cluster-log.ts';

const LEVELS: Readonly<Record<LogClass, keyof ClusterLog>> = {
  debug: 'debug',
  trace: 'debug',
  info: 'info',
  remote: 'info',
  warning: 'warn',
  error: 'error',
  auth: 'error',
  fatal: 'error',
  bug: 'error',
};

const ROUTINE: ReadonlySet<string> = new Set([
  'Reconfiguring',
  'Reconfigured',
  'Shutting down',
  'Shutdown completed',
]);

/** Of what the sessions trace, that which an operator wants to see. */
const NEWS =
  /: (BGP session (established|closed)|Hold timer expired|Error: |Received: |Neighbor (lost|ready))/;

export class SpeakerLogging {
  readonly #log: ClusterLog;
  readonly #followers = new Set<{
    readonly classes: ReadonlySet<LogClass>;
    readonly onLine: (text: string) => void;
  }>();

  constructor(log: ClusterLog) {
    this.#log = log;
  }

  write(logClass: LogClass, text: string): void {
    const level = logClass === 'trace' && NEWS.test(text) ? 'info' : LEVELS[logClass];
    this.#log[ROUTINE.has(text) ? 'debug' : level]({ engine: logClass }, text);
    for (const follower of this.#followers) {
      if (follower.classes.has(logClass)) follower.onLine(text);
    }
  }

  follow(classes: readonly LogClass[], onLine: (text: string) => void): () => void {
    const follower = { classes: new Set(classes), onLine };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}
