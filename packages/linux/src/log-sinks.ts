// Where log lines go: stderr, a file with rotation, the local syslog daemon, a remote one over UDP.
// A sink that cannot write says so once, through the other sinks, and tries again with each line:
// a full disk never stops a router. Formats are in log-format.ts.

import { closeSync, fstatSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import type { LogClass, LogConfig } from '@rookery/router';
import * as c from './constants.ts';
import { renderFileLine, renderSyslogLine } from './log-format.ts';
import { encodeSocketAddress, encodeUnixAddress } from './sockaddr.ts';
import * as sys from './sys.ts';

/** One destination of log lines. */
export interface LogSink {
  readonly name: string;
  readonly classes: ReadonlySet<LogClass>;
  /** The error text when the line is lost; a partial write counts as lost. */
  write(logClass: LogClass, text: string, unixMs: number): string | undefined;
  /** Opens the file again, after an external rotation. */
  reopen(): void;
  close(): void;
}

export interface LogContext {
  /** `timeformat log`. */
  readonly timeFormat: string;
  /** Without a name in the configuration. */
  readonly ident: string;
}

/** All sinks of a configuration; `write` never throws. */
export class LogSinks {
  #sinks: { sink: LogSink; failing: boolean; lost: number }[];
  #reporting = false;

  constructor(sinks: readonly LogSink[]) {
    this.#sinks = sinks.map((sink) => ({ sink, failing: false, lost: 0 }));
  }

  /** Closes the old sinks and uses these; one that fails and comes again still fails. */
  replace(sinks: readonly LogSink[]): void {
    const before = new Map(this.#sinks.map((entry) => [entry.sink.name, entry]));
    this.close();
    this.#sinks = sinks.map((sink) => {
      const { failing = false, lost = 0 } = before.get(sink.name) ?? {};
      return { sink, failing, lost };
    });
  }

  write(logClass: LogClass, text: string, unixMs: number): void {
    for (const entry of this.#sinks) {
      if (!entry.sink.classes.has(logClass)) continue;
      const error = entry.sink.write(logClass, text, unixMs);
      if (error !== undefined) {
        entry.lost++;
        if (entry.failing) continue;
        entry.failing = true;
        this.#tell(
          `Cannot write log to ${entry.sink.name}: ${error}; trying again with each line`,
          unixMs,
        );
      } else if (entry.failing) {
        const { lost } = entry;
        entry.failing = false;
        entry.lost = 0;
        this.#tell(`Log to ${entry.sink.name} works again, ${lost} lines were lost`, unixMs);
      }
    }
  }

  reopen(): void {
    for (const { sink } of this.#sinks) sink.reopen();
  }

  close(): void {
    for (const { sink } of this.#sinks) sink.close();
    this.#sinks = [];
  }

  /** To the sinks that work, whatever classes they want; to stderr when there is none. */
  #tell(text: string, unixMs: number): void {
    if (this.#reporting) return;
    this.#reporting = true;
    const working = this.#sinks.filter((entry) => !entry.failing);
    const delivered = working.filter(
      ({ sink }) => sink.write('warning', text, unixMs) === undefined,
    );
    if (delivered.length === 0) writeStderr(`bird: ${text}\n`);
    this.#reporting = false;
  }
}

/** The sinks that a configuration asks for. */
export function logSinksFor(configs: readonly LogConfig[], context: LogContext): LogSink[] {
  return configs.map(({ sink, classes }) => {
    const set = new Set(classes);
    switch (sink.kind) {
      case 'stderr':
        return stderrSink(set, context.timeFormat);
      case 'file':
        return fileSink(set, context.timeFormat, sink);
      case 'syslog':
        return syslogSink(set, sink.name === '' ? context.ident : sink.name);
      case 'udp':
        return udpSink(set, context.ident, sink.host, sink.port);
    }
  });
}

/** With `timeFormat` the dated form of `log stderr`; without it `bird: MSG`, as with -d. */
export function stderrSink(
  classes: ReadonlySet<LogClass>,
  timeFormat: string | undefined,
): LogSink {
  return {
    name: 'stderr',
    classes,
    write: (logClass, text, unixMs) =>
      writeStderr(
        timeFormat === undefined
          ? `bird: ${text}\n`
          : renderFileLine(logClass, text, timeFormat, unixMs),
      ),
    reopen: () => undefined,
    close: () => undefined,
  };
}

export interface FileSinkOptions {
  readonly path: string;
  /** Rename to `backup` and start anew when the file has grown beyond this. */
  readonly maxBytes?: number;
  readonly backup?: string;
}

export function fileSink(
  classes: ReadonlySet<LogClass>,
  timeFormat: string,
  options: FileSinkOptions,
): LogSink {
  const { path, maxBytes, backup } = options;
  let fd: number | undefined;
  let size = 0;
  const close = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  const open = (): number => {
    fd ??= openSync(path, 'a', 0o644);
    size = fstatSync(fd).size;
    return fd;
  };
  const write = (bytes: Uint8Array): string | undefined => {
    const target = fd ?? open();
    if (maxBytes !== undefined && size > 0 && size + bytes.length > maxBytes) {
      close();
      if (backup !== undefined) renameSync(path, backup);
      return write(bytes);
    }
    const written = writeSync(target, bytes);
    size += written;
    if (written === bytes.length) return undefined;
    // Half a line would run into the next one that fits.
    ftruncateSync(target, fstatSync(target).size - written);
    size -= written;
    return sys.errorText(ENOSPC);
  };
  return {
    name: path,
    classes,
    write: (logClass, text, unixMs) => {
      try {
        return write(new TextEncoder().encode(renderFileLine(logClass, text, timeFormat, unixMs)));
      } catch (error) {
        return sys.platformErrorFrom('write', error).message;
      }
    },
    reopen: close,
    close,
  };
}

/** Datagrams to /dev/log; connects again when the syslog daemon was restarted. */
export function syslogSink(
  classes: ReadonlySet<LogClass>,
  ident: string,
  path = '/dev/log',
): LogSink {
  const address = encodeUnixAddress(path);
  let fd: number | undefined;
  let backlog: Uint8Array[] = [];
  let retry: NodeJS.Timeout | undefined;
  const send = (line: Uint8Array): number => {
    if (fd === undefined) {
      const opened = sys.openSocket(c.AF_UNIX, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0);
      if (!opened.ok) return opened.errno;
      fd = opened.value;
    }
    const sent = sys.sendBytesTo(fd, line, c.MSG_DONTWAIT | c.MSG_NOSIGNAL, address);
    return sent.ok ? 0 : sent.errno;
  };
  const flush = (): void => {
    retry = undefined;
    const stuck = backlog.findIndex((line) => send(line) === EAGAIN);
    backlog = stuck < 0 ? [] : backlog.slice(stuck);
    if (backlog.length > 0) retry = setTimeout(flush, SYSLOG_RETRY_MS);
  };
  return {
    name: `syslog (${path})`,
    classes,
    write: (logClass, text, unixMs) => {
      const line = new TextEncoder().encode(renderSyslogLine(logClass, text, ident, unixMs));
      const errno = backlog.length > 0 ? EAGAIN : send(line);
      if (errno !== EAGAIN) return errno === 0 ? undefined : sys.errorText(errno);
      // The kernel queues ten datagrams; a burst waits here, in order, until the reader catches up.
      if (backlog.length >= SYSLOG_BACKLOG) return sys.errorText(errno);
      backlog.push(line);
      retry ??= setTimeout(flush, SYSLOG_RETRY_MS);
      return undefined;
    },
    reopen: () => undefined,
    close: () => {
      clearTimeout(retry);
      for (const line of backlog) send(line);
      if (fd !== undefined) sys.closeDescriptor(fd);
      fd = undefined;
    },
  };
}

/** RFC 3164 datagrams to a remote collector; `host` is an address. */
export function udpSink(
  classes: ReadonlySet<LogClass>,
  ident: string,
  host: string,
  port: number,
): LogSink {
  const address = encodeSocketAddress(host, port);
  let fd: number | undefined;
  return {
    name: `${host} port ${port}`,
    classes,
    write: (logClass, text, unixMs) => {
      if (fd === undefined) {
        const domain = isIPv6(host) ? c.AF_INET6 : c.AF_INET;
        const opened = sys.openSocket(domain, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0);
        if (!opened.ok) return sys.errorText(opened.errno);
        fd = opened.value;
      }
      const line = new TextEncoder().encode(renderSyslogLine(logClass, text, ident, unixMs));
      const sent = sys.sendBytesTo(fd, line, c.MSG_DONTWAIT | c.MSG_NOSIGNAL, address);
      return sent.ok ? undefined : sys.errorText(sent.errno);
    },
    reopen: () => undefined,
    close: () => {
      if (fd !== undefined) sys.closeDescriptor(fd);
      fd = undefined;
    },
  };
}

const ENOSPC = 28;
const EAGAIN = 11;
/** Lines kept for a syslog daemon that is slow; beyond that they count as lost. */
const SYSLOG_BACKLOG = 10_000;
const SYSLOG_RETRY_MS = 5;

function writeStderr(line: string): string | undefined {
  try {
    writeSync(2, line);
    return undefined;
  } catch (error) {
    return sys.platformErrorFrom('write', error).message;
  }
}
