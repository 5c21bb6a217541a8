import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { cleanMappings, trimMemory } from './memory.ts';

const mapping = (range: string, mode: string, file: string, anonymousKb: number): string =>
  `${range} ${mode} 00000000 fe:00 4711                       ${file}\n` +
  `Size:               1024 kB\nRss:                 512 kB\nAnonymous:      ${anonymousKb} kB\n`;

test('only mappings of the file that nobody wrote to are clean', () => {
  const maps = [
    mapping('400000-500000', 'r--p', '/opt/node', 0),
    mapping('500000-900000', 'r-xp', '/opt/node', 0),
    // Relocated at the start, then made read-only: the file has other octets.
    mapping('900000-a00000', 'r--p', '/opt/node', 64),
    mapping('a00000-b00000', 'rw-p', '/opt/node', 0),
    mapping('b00000-c00000', 'r-xp', '/lib/libc.so.6', 0),
  ].join('');
  assert.deepEqual(cleanMappings(maps, '/opt/node'), [
    { start: 0x400000, end: 0x500000 },
    { start: 0x500000, end: 0x900000 },
  ]);
});

test('trimming lowers the resident memory, and what is still used comes back', () => {
  const residentFileKb = (): number =>
    Number(/^RssFile:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
  const before = residentFileKb();
  trimMemory();
  const after = residentFileKb();
  assert.ok(after < before - 4096, `${before} KiB before, ${after} KiB after`);
});
