// The lab's syslog: a /dev/log of its own, so that `log syslog all` of the post's bird.conf goes
// where the story can read it. Lines are kept as OpenWrt's logread would show them.

import { listenUnixDatagram } from '@rookery/linux';
import { until } from './expect.ts';

export interface SyslogLine {
  /** "daemon.debug" and the like. */
  readonly priority: string;
  /** Without priority and time: "bird: kernel4: Scanning routing table". */
  readonly text: string;
}

export interface SyslogReceiver {
  readonly lines: readonly SyslogLine[];
  /** The first line, past or future, that contains the text or matches. */
  line(wanted: string | RegExp, timeoutMs: number): Promise<SyslogLine>;
  close(): void;
}

/** A chatty router must not fill the memory of a lab that stays up for days. */
const MAX_LINES = 50_000;

const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];
const DAEMON_FACILITY = 3;

/** Binds the socket; throws when it cannot. */
export function receiveSyslog(path: string): SyslogReceiver {
  const lines: SyslogLine[] = [];
  const decoder = new TextDecoder();
  const socket = listenUnixDatagram(path, (bytes) => {
    lines.push(parseSyslogLine(decoder.decode(bytes)));
    if (lines.length > MAX_LINES) lines.splice(0, MAX_LINES / 2);
  });
  if (!socket.ok) throw new Error(`${path}: ${socket.error.message}`);
  return {
    lines,
    line: (wanted, timeoutMs) =>
      until(`the log line ${String(wanted)}`, timeoutMs, () =>
        lines.find(({ text }) =>
          typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text),
        ),
      ),
    close: socket.value,
  };
}

/** RFC 3164 as libc's syslog(3) writes it: "<31>Nov 23 07:12:10 bird: text". */
export function parseSyslogLine(raw: string): SyslogLine {
  const match = /^<(\d{1,3})>(?:\w{3} [ \d]\d \d\d:\d\d:\d\d )?([\s\S]*?)\n?\0?$/.exec(raw);
  if (!match) return { priority: 'daemon.notice', text: raw };
  const value = Number(match[1]);
  const facility = value >> 3 === DAEMON_FACILITY ? 'daemon' : `facility${value >> 3}`;
  return { priority: `${facility}.${SEVERITIES[value & 7]}`, text: match[2]! };
}
