// The log of controller and speaker: one JSON object per line on stderr, as MetalLB's, with its level
// words (all, debug, info, warn, error, none). Fields first, then the sentence.

import { pino } from 'pino';

export interface ClusterLog {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export const LOG_LEVELS = ['all', 'debug', 'info', 'warn', 'error', 'none'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A log for one component. */
export function clusterLog(component: string, level: LogLevel): ClusterLog {
  const pinoLevel = level === 'all' ? 'trace' : level === 'none' ? 'silent' : level;
  return pino(
    {
      level: pinoLevel,
      base: { component },
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
