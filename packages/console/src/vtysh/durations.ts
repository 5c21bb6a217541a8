// How FRR writes ages and sizes. Three forms of age: peers and routes (HH:MM:SS, then days, weeks,
// years), BFD's words, and the D:HH:MM:SS of the BFD line inside a neighbor. Whole seconds,
// truncated.

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const WEEK = 7 * DAY;
const YEAR = 365 * DAY;

/** Age of a peer's state: "00:04:29", "1d11h20m", "01w2d03h", "01y02w3d". */
export function peerAge(ms: number): string {
  const sec = Math.max(0, Math.floor(ms / 1000));
  if (sec < YEAR) return routeAge(ms);
  const rest = sec % YEAR;
  const weeks = Math.floor(rest / WEEK);
  const days = Math.floor((rest % WEEK) / DAY);
  return `${two(sec / YEAR)}y${two(weeks)}w${days}d`;
}

/** Age of a route: as `peerAge`, but weeks without limit. */
export function routeAge(ms: number): string {
  const sec = Math.max(0, Math.floor(ms / 1000));
  if (sec < DAY) return clock(sec);
  if (sec < WEEK) {
    const inDay = sec % DAY;
    return `${Math.floor(sec / DAY)}d${two(inDay / HOUR)}h${two((inDay % HOUR) / MINUTE)}m`;
  }
  const inWeek = sec % WEEK;
  return `${two(sec / WEEK)}w${Math.floor(inWeek / DAY)}d${two((inWeek % DAY) / HOUR)}h`;
}

/** "1 day(s), 2 hour(s), 3 minute(s), 4 second(s)"; leading zero units are left out. */
export function bfdAge(ms: number): string {
  const sec = Math.max(0, Math.floor(ms / 1000));
  const units: readonly (readonly [number, string])[] = [
    [Math.floor(sec / DAY), 'day(s)'],
    [Math.floor((sec % DAY) / HOUR), 'hour(s)'],
    [Math.floor((sec % HOUR) / MINUTE), 'minute(s)'],
    [sec % MINUTE, 'second(s)'],
  ];
  const first = units.findIndex(([n], i) => n > 0 || i === units.length - 1);
  return units
    .slice(first)
    .map(([n, unit]) => `${n} ${unit}`)
    .join(', ');
}

/** "0:00:01:08": days, then the clock. */
export function dayClock(ms: number): string {
  const sec = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(sec / DAY)}:${clock(sec % DAY)}`;
}

/** "0 bytes", "96 bytes", "20 KiB", "12 MiB". */
export function memorySize(octets: number): string {
  if (octets >= 2 ** 31) return '> 2GB';
  if (octets > 10 * 1024 * 1024) return `${Math.round(octets / 1024 / 1024)} MiB`;
  if (octets > 10 * 1024) return `${Math.round(octets / 1024)} KiB`;
  return octets === 1 ? '1 byte' : `${octets} bytes`;
}

function clock(sec: number): string {
  return `${two(sec / HOUR)}:${two((sec % HOUR) / MINUTE)}:${two(sec % MINUTE)}`;
}

function two(n: number): string {
  return String(Math.floor(n)).padStart(2, '0');
}
