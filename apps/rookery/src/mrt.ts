// `rookery mrt show FILE`: one line per route or event of an MRT dump, in the fields of `bgpdump -m`.
// The file is read whole; faults go to standard error with the offset, and the rest is still shown.
// `rookery mrt replay FILE`: a router that has its routes, see mrt-replay.ts.

import { readFileSync } from 'node:fs';
import { platformErrorFrom } from '@rookery/linux';
import { mrtLines, readMrt } from '@rookery/router';
import type { MrtPeer } from '@rookery/router';

const USAGE =
  'Usage: rookery mrt show FILE\n       rookery mrt replay FILE -c CONFIG [options of rookery router]\n\n' +
  'show prints an MRT dump (tables or messages), one line per route or event;\n' +
  'replay is a router that has its routes, and the sessions and policies of CONFIG.\n';

export async function run(args: readonly string[]): Promise<number> {
  const [verb, path, ...rest] = args;
  if (verb === '--help' || verb === '-h') {
    process.stdout.write(USAGE);
    return 0;
  }
  const isShow = verb === 'show' && rest.length === 0;
  if (path === undefined || !(isShow || verb === 'replay')) {
    process.stderr.write(USAGE);
    return 2;
  }
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    process.stderr.write(`rookery: ${path}: ${platformErrorFrom('open', error).message}\n`);
    return 1;
  }
  if (isShow) return show(path, bytes);
  const { replay } = await import('./mrt-replay.ts');
  return replay(bytes, rest);
}

function show(path: string, bytes: Uint8Array): number {
  let status = 0;
  let peers: readonly MrtPeer[] = [];
  let lines: string[] = [];
  let at = 0;
  for (const { next, record } of readMrt(bytes)) {
    if (!record.ok) {
      process.stderr.write(`rookery: ${path}: octet ${at}: ${record.error.text}\n`);
      status = 1;
    } else {
      if (record.value.kind === 'peers') peers = record.value.peers;
      lines.push(...mrtLines(record.value, peers));
    }
    at = next;
    if (lines.length < 1000) continue;
    process.stdout.write(`${lines.join('\n')}\n`);
    lines = [];
  }
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
  return status;
}
