// The log of a daemon: sinks as configured, or what BIRD does without any (syslog; stderr with -d),
// and consoles that follow. Survives reconfiguration; a sink is replaced only with its statement.

import { fileSink, LogSinks, logSinksFor, stderrSink, syslogSink } from '@rookery/linux';
import type { LogSink } from '@rookery/linux';
import type { LogClass, RouterConfig } from '@rookery/router';

export interface LoggingOptions {
  /** -d: to stderr as `bird: MSG`. */
  readonly debug: boolean;
  /** -D FILE: as -d, to a file. */
  readonly debugFile?: string;
  readonly ident: string;
}

const allClasses: readonly LogClass[] = [
  'debug',
  'trace',
  'info',
  'remote',
  'warning',
  'error',
  'auth',
  'fatal',
  'bug',
];
export class Logging {
  readonly #options: LoggingOptions;
  readonly #sinks: LogSinks;
  readonly #followers = new Set<{
    classes: ReadonlySet<LogClass>;
    onLine: (text: string) => void;
  }>();

  constructor(options: LoggingOptions) {
    this.#options = options;
    this.#sinks = new LogSinks([stderrSink(new Set(allClasses), undefined)]);
  }

  write(logClass: LogClass, text: string): void {
    this.#sinks.write(logClass, text, Date.now());
    for (const follower of this.#followers) {
      if (follower.classes.has(logClass)) follower.onLine(text);
    }
  }

  /** Applies the `log` statements of a configuration. */
  configure(config: Pick<RouterConfig, 'logs' | 'timeFormats'>): void {
    const { debug, debugFile, ident } = this.#options;
    const timeFormat = config.timeFormats.log.format;
    const all = new Set(allClasses);
    const sinks: LogSink[] = logSinksFor(config.logs, { timeFormat, ident });
    // BIRD 2.x: -d and -D matter only while the configuration has no `log` statement.
    if (sinks.length === 0) {
      if (debugFile !== undefined) sinks.push(fileSink(all, timeFormat, { path: debugFile }));
      else sinks.push(debug ? stderrSink(all, undefined) : syslogSink(all, ident));
    }
    this.#sinks.replace(sinks);
  }

  follow(classes: readonly LogClass[], onLine: (text: string) => void): () => void {
    const follower = { classes: new Set(classes), onLine };
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  reopen(): void {
    this.#sinks.reopen();
  }

  close(): void {
    this.#sinks.close();
  }
}
