// The same daemons from a newer Debian: `npm run bench -- --daemons rookery,bird,bird3` fetches them.

import { existsSync } from 'node:fs';
import { fetchNewerDebian, NEWER } from '../tools/newer-debian.ts';
import type { Daemon } from './daemons.ts';

/** What each is a newer version of, and where both are. */
const NEWER_DAEMONS = [
  ['bird-newer', 'bird', '/usr/sbin/bird', '/usr/sbin/bird'],
  ['bird3', 'bird', '/usr/sbin/bird', '/opt/bird3/usr/sbin/bird'],
  ['frr-newer', 'frr', '/usr/lib/frr/bgpd', '/usr/lib/frr/bgpd'],
  ['gobgp-newer', 'gobgp', '/usr/bin/gobgpd', '/usr/bin/gobgpd'],
  ['openbgpd-newer', 'openbgpd', '/usr/sbin/bgpd', '/usr/sbin/bgpd'],
] as const;

/** Those of them that are wanted; fetches their packages once. */
export function newerDaemons(
  wanted: readonly string[],
  known: readonly Daemon[],
): readonly Daemon[] {
  const chosen = NEWER_DAEMONS.filter(([name]) => wanted.includes(name));
  const problem = chosen.length === 0 ? undefined : fetchNewerDebian();
  if (problem !== undefined) process.stderr.write(`bench: no newer Debian: ${problem}\n`);
  return chosen.map(([name, older, itsProgram, program]): Daemon => {
    const daemon = known.find((one) => one.name === older)!;
    return {
      ...daemon,
      name,
      available: existsSync(NEWER.locate(program)),
      command: (dir, task) => {
        const script = daemon.command(dir, task).replaceAll(itsProgram, program);
        return `exec ${NEWER.command(['sh', '-c', script]).map(quoted).join(' ')}`;
      },
    };
  });
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
