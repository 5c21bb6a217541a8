// Calendar time for consoles: Unix milliseconds plus an injected offset from UTC become local
// date fields, and the strftime letters that BIRD's `timeformat` accepts become text. Pure: the
// zone database stays with the caller. Locale-dependent letters are printed as in the C locale.

import type { TimeFormat } from '@rookery/router';

/** Minutes east of UTC in force at this Unix time. */
export type UtcOffset = (unixMs: number) => number;

export const utc: UtcOffset = () => 0;

export interface CivilTime {
  readonly year: number;
  /** 1-12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
  /** 0 Sunday. */
  readonly weekday: number;
  /** 1-366. */
  readonly dayOfYear: number;
  readonly offsetMinutes: number;
}

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;
const DAYS = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
] as const;
const DAY_MS = 86_400_000;

/** Local calendar fields of a Unix time in milliseconds. */
export function civilTime(unixMs: number, offset: UtcOffset): CivilTime {
  const offsetMinutes = offset(unixMs);
  const local = unixMs + offsetMinutes * 60_000;
  const days = Math.floor(local / DAY_MS);
  const inDay = local - days * DAY_MS;
  const { year, month, day } = civilDate(days);
  return {
    year,
    month,
    day,
    hour: Math.floor(inDay / 3_600_000),
    minute: Math.floor(inDay / 60_000) % 60,
    second: Math.floor(inDay / 1000) % 60,
    millisecond: Math.floor(inDay) % 1000,
    weekday: (((days + 4) % 7) + 7) % 7,
    dayOfYear: days - daysOf(year, 1, 1) + 1,
    offsetMinutes,
  };
}

/**
 * Formats a Unix time as `timeformat` says: its second format when the time is older than the
 * limit (or lies ahead), else its first.
 */
export function formatTime(
  format: TimeFormat,
  unixMs: number,
  nowMs: number,
  offset: UtcOffset,
): string {
  const ageSec = (nowMs - unixMs) / 1000;
  const old =
    format.oldFormat !== undefined && format.limitSec !== undefined && ageSec > format.limitSec;
  return strftime(old ? format.oldFormat! : format.format, civilTime(unixMs, offset));
}

/** The subset of strftime that appears in configurations, plus BIRD's %f, %3f and %6f. */
export function strftime(format: string, t: CivilTime): string {
  return format.replace(/%(\d?f|.)/g, (whole, letter: string) => {
    const value = fieldOf(letter, t);
    return value ?? whole;
  });
}

/** "Mon Nov 23 07:57:43 2026", as ctime prints it, without the line end. */
export function ctime(unixMs: number, offset: UtcOffset): string {
  const t = civilTime(unixMs, offset);
  const day = String(t.day).padStart(2);
  return strftime(`%a %b ${day} %T %Y`, t);
}

function fieldOf(letter: string, t: CivilTime): string | undefined {
  const hour12 = t.hour % 12 === 0 ? 12 : t.hour % 12;
  switch (letter) {
    case 'Y':
      return String(t.year);
    case 'C':
      return two(Math.floor(t.year / 100));
    case 'y':
      return two(t.year % 100);
    case 'm':
      return two(t.month);
    case 'd':
      return two(t.day);
    case 'e':
      return String(t.day).padStart(2);
    case 'H':
      return two(t.hour);
    case 'k':
      return String(t.hour).padStart(2);
    case 'I':
      return two(hour12);
    case 'l':
      return String(hour12).padStart(2);
    case 'M':
      return two(t.minute);
    case 'S':
      return two(t.second);
    case 'p':
      return t.hour < 12 ? 'AM' : 'PM';
    case 'j':
      return String(t.dayOfYear).padStart(3, '0');
    case 'a':
      return DAYS[t.weekday]!.slice(0, 3);
    case 'A':
      return DAYS[t.weekday]!;
    case 'b':
    case 'h':
      return MONTHS[t.month - 1]!.slice(0, 3);
    case 'B':
      return MONTHS[t.month - 1]!;
    case 'u':
      return String(t.weekday === 0 ? 7 : t.weekday);
    case 'w':
      return String(t.weekday);
    case 'F':
      return `${t.year}-${two(t.month)}-${two(t.day)}`;
    case 'D':
      return `${two(t.month)}/${two(t.day)}/${two(t.year % 100)}`;
    case 'T':
      return `${two(t.hour)}:${two(t.minute)}:${two(t.second)}`;
    case 'R':
      return `${two(t.hour)}:${two(t.minute)}`;
    case 'z':
      return zoneText(t.offsetMinutes);
    case 's':
      return String(unixSeconds(t));
    case '3f':
      return String(t.millisecond).padStart(3, '0');
    case 'f':
    case '6f':
      return `${String(t.millisecond).padStart(3, '0')}000`;
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '%':
      return '%';
    default:
      return undefined;
  }
}

function zoneText(offsetMinutes: number): string {
  const minutes = Math.abs(offsetMinutes);
  return `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}${two(minutes % 60)}`;
}

function unixSeconds(t: CivilTime): number {
  const days = daysOf(t.year, t.month, t.day);
  return days * 86_400 + t.hour * 3600 + (t.minute - t.offsetMinutes) * 60 + t.second;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** Proleptic Gregorian date of a day number (0 is 1970-01-01), counting years from March. */
function civilDate(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** Day number of a date, the inverse of `civilDate`. */
function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
