// Files that the engine orders: MRT dumps. Written at once and in order, because a dump is read by
// others while it grows; a failure comes back as a fact. Names may be strftime patterns.

import { appendFileSync, writeFileSync } from 'node:fs';
import type { Fact, Order } from '@rookery/router';
import { platformErrorFrom } from './sys.ts';

export class Files {
  readonly #emit: (fact: Fact) => void;

  constructor(emit: (fact: Fact) => void) {
    this.#emit = emit;
  }

  execute(order: Extract<Order, { kind: 'writeFile' }>): void {
    const { path: pattern, bytes, mode, nameTimeMs } = order;
    const path =
      nameTimeMs === undefined ? pattern : expandTimePattern(pattern, new Date(nameTimeMs));
    try {
      if (mode === 'create') writeFileSync(path, bytes);
      else appendFileSync(path, bytes);
    } catch (error) {
      this.#emit({ kind: 'fileFailed', path, error: platformErrorFrom('write', error) });
    }
  }
}

/** strftime in local time for the letters that file names use; others stay as they are. */
export function expandTimePattern(pattern: string, time: Date): string {
  const pad = (value: number, width = 2): string => String(value).padStart(width, '0');
  const date = (): string =>
    `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())}`;
  const clock = (): string =>
    `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
  return pattern.replace(/%([YymdHMSFTsj%])/g, (_all, letter: string) => {
    switch (letter) {
      case 'Y':
        return String(time.getFullYear());
      case 'y':
        return pad(time.getFullYear() % 100);
      case 'm':
        return pad(time.getMonth() + 1);
      case 'd':
        return pad(time.getDate());
      case 'H':
        return pad(time.getHours());
      case 'M':
        return pad(time.getMinutes());
      case 'S':
        return pad(time.getSeconds());
      case 'F':
        return date();
      case 'T':
        return clock();
      case 's':
        return String(Math.floor(time.getTime() / 1000));
      case 'j': {
        const start = new Date(time.getFullYear(), 0, 1).getTime();
        return pad(Math.floor((time.getTime() - start) / 86_400_000) + 1, 3);
      }
      default:
        return '%';
    }
  });
}
