// Gives memory back that a start needs and a running daemon does not: what the allocator keeps for
// later, and the pages of Node's executable (two thirds of an idle daemon's resident memory). Those
// are clean and come back from the page cache where they are still used.

import { readFileSync } from 'node:fs';
import { MADV_DONTNEED } from './constants.ts';
import * as sys from './sys.ts';

/** Lowers the resident memory; costs a few milliseconds once and some minor page faults after. */
export function trimMemory(): void {
  sys.trimAllocator();
  let maps: string;
  try {
    maps = readFileSync('/proc/self/smaps', 'utf8');
  } catch {
    // Without /proc the pages stay, which harms nothing.
    return;
  }
  for (const { start, end } of cleanMappings(maps, process.execPath)) {
    sys.adviseMemory(start, end - start, MADV_DONTNEED);
  }
}

/**
 * The mappings of `file` in the text of /proc/PID/smaps that no write and no relocation has made the
 * process's own: dropping their pages loses nothing. Addresses in octets.
 */
export function cleanMappings(
  maps: string,
  file: string,
): readonly { readonly start: number; readonly end: number }[] {
  const found: { start: number; end: number }[] = [];
  let last: { start: number; end: number } | undefined;
  for (const line of maps.split('\n')) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) r-.p .*? (\/.*)$/.exec(line);
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) {
      last =
        head?.[3] === file
          ? { start: parseInt(head[1]!, 16), end: parseInt(head[2]!, 16) }
          : undefined;
    } else if (last && /^Anonymous: +0 kB/.test(line)) found.push(last);
  }
  return found;
}
