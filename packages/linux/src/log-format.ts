// Log lines in BIRD's form: class tags, syslog severities, and strftime-style timestamps with %f,
// %3f and %6f for fractions of a second. Pure; the sinks are next door.

import type { LogClass } from '@rookery/router';

const tags: Readonly<Record<LogClass, string>> = {
  debug: 'DBG',
  trace: 'TRACE',
  info: 'INFO',
  remote: 'RMT',
  warning: 'WARN',
  error: 'ERR',
  auth: 'AUTH',
  fatal: 'FATAL',
  bug: 'BUG',
};

const severities: Readonly<Record<LogClass, number>> = {
  debug: 7,
  trace: 7,
  info: 6,
  remote: 3,
  warning: 4,
  error: 3,
  auth: 3,
  fatal: 2,
  bug: 2,
};

const facilityDaemon = 3;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Highest line a sink takes; what is longer ends with BIRD's mark. */
const lineLimit = 1024;

/** `2026-11-23 07:12:10.631 <TRACE> node1: BGP session established` */
export function renderFileLine(
  logClass: LogClass,
  text: string,
  timeFormat: string,
  unixMs: number,
): string {
  return `${renderTime(timeFormat, unixMs)} <${tags[logClass]}> ${clip(text)}\n`;
}

/** The datagram for /dev/log: `<PRI>Mon DD HH:MM:SS bird: MSG`. */
export function renderSyslogLine(
  logClass: LogClass,
  text: string,
  ident: string,
  unixMs: number,
): string {
  const date = new Date(unixMs);
  const day = String(date.getDate()).padStart(2, ' ');
  const stamp = `${months[date.getMonth()]!} ${day} ${renderTime('%T', unixMs)}`;
  return `<${facilityDaemon * 8 + severities[logClass]}>${stamp} ${ident}: ${clip(text)}`;
}

/** strftime in local time for the letters that BIRD's documentation names; others stay as written. */
export function renderTime(format: string, unixMs: number): string {
  const date = new Date(unixMs);
  return format.replace(/%([36]?)([A-Za-z%])/g, (whole, digits: string, letter: string) => {
    if (letter === 'f') return renderFraction(digits, unixMs);
    if (digits !== '') return whole;
    return timeField(letter, date) ?? whole;
  });
}

function renderFraction(digits: string, unixMs: number): string {
  const micros = String(Math.floor((((unixMs % 1000) + 1000) % 1000) * 1000)).padStart(6, '0');
  return micros.slice(0, digits === '3' ? 3 : 6);
}

function timeField(letter: string, date: Date): string | undefined {
  const two = (value: number): string => String(value).padStart(2, '0');
  switch (letter) {
    case 'Y':
      return String(date.getFullYear());
    case 'y':
      return two(date.getFullYear() % 100);
    case 'm':
      return two(date.getMonth() + 1);
    case 'd':
      return two(date.getDate());
    case 'e':
      return String(date.getDate()).padStart(2, ' ');
    case 'H':
      return two(date.getHours());
    case 'I':
      return two(date.getHours() % 12 || 12);
    case 'M':
      return two(date.getMinutes());
    case 'S':
      return two(date.getSeconds());
    case 'p':
      return date.getHours() < 12 ? 'AM' : 'PM';
    case 'b':
    case 'h':
      return months[date.getMonth()];
    case 'a':
      return days[date.getDay()];
    case 'F':
      return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    case 'T':
      return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
    case 's':
      return String(Math.floor(date.getTime() / 1000));
    case 'z':
      return renderOffset(date.getTimezoneOffset());
    case '%':
      return '%';
    default:
      return undefined;
  }
}

function renderOffset(minutesWest: number): string {
  const minutes = Math.abs(minutesWest);
  const hours = String(Math.floor(minutes / 60)).padStart(2, '0');
  return `${minutesWest > 0 ? '-' : '+'}${hours}${String(minutes % 60).padStart(2, '0')}`;
}

function clip(text: string): string {
  // A line feed in peer-controlled text would forge a line of its own.
  const line = text.replace(/[\u0000-\u001f\u007f]/g, '?');
  return line.length <= lineLimit ? line : `${line.slice(0, lineLimit)} ... <too long>`;
}
