// What every `show` of the birdc dialect needs besides the command: the view, one status taken at
// the start of the command (so that all times of a reply agree) and how local time is found.

import type { EngineMs, RouterStatus, RouterView, TimeFormat, TimerView } from '@rookery/router';
import { formatTime } from '../wall-clock.ts';
import type { UtcOffset } from '../wall-clock.ts';
import type { ReplyWriter } from './reply.ts';

export interface ShowContext {
  readonly view: RouterView;
  readonly status: RouterStatus;
  readonly offset: UtcOffset;
  /** The BIRD version this dialect stands for, e.g. "2.0.12". */
  readonly version: string;
  readonly reply: ReplyWriter;
}

/** An engine time in one of the configured formats. */
export function timeText(context: ShowContext, format: TimeFormat, atMs: EngineMs): string {
  const { wallOffsetMs, nowMs } = context.status;
  return formatTime(format, atMs + wallOffsetMs, nowMs + wallOffsetMs, context.offset);
}

/** "25.232/30": seconds left of a timer and its length; "-" when the length is unknown. */
export function timerText(context: ShowContext, timer: TimerView): string {
  const left = Math.max(0, timer.dueMs - context.status.nowMs) / 1000;
  const total = timer.totalMs === undefined ? '-' : String(Math.round(timer.totalMs / 1000));
  return `${left.toFixed(3)}/${total}`;
}

/** "  Label:          value": the value starts in column `column` (counted from 0). */
export function labelled(indent: number, label: string, value: string, column = 22): string {
  return `${' '.repeat(indent)}${label}:`.padEnd(column) + value;
}
