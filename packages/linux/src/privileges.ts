// Giving up root while keeping what a router needs: capabilities(7) NET_ADMIN, NET_RAW,
// NET_BIND_SERVICE, NET_BROADCAST and SYS_NICE stay with the main thread and the threads that it
// starts later, Node's pool among them. Looks users and groups up in the local files only.

import { readFileSync } from 'node:fs';
import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import * as c from './constants.ts';
import * as sys from './sys.ts';

export interface Identity {
  readonly uid?: number;
  readonly gid?: number;
}

/** Names or numbers; the error is one sentence. Without a group the user's own is taken. */
export function resolveIdentity(
  user: string | undefined,
  group: string | undefined,
): Result<Identity, string> {
  const entry = user === undefined ? undefined : findEntry('/etc/passwd', user);
  const groupEntry = group === undefined ? undefined : findEntry('/etc/group', group);
  const uid = numberOf(user) ?? (entry && Number(entry[2]));
  const gid =
    numberOf(group) ?? (groupEntry && Number(groupEntry[2])) ?? (entry && Number(entry[3]));
  if (user !== undefined && uid === undefined) return err(`Cannot find user '${user}'`);
  if (group !== undefined && gid === undefined) return err(`Cannot find group '${group}'`);
  return ok({ ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) });
}

/** Becomes the identity; the error is one sentence, and the process should then end. */
export function dropPrivileges(identity: Identity): string | undefined {
  const { uid, gid } = identity;
  if (uid === undefined && gid === undefined) return undefined;
  try {
    if (gid !== undefined) {
      process.setgroups!([gid]);
      process.setgid!(gid);
    }
    if (uid === undefined || uid === 0) return undefined;
    const kept = sys.setKeepCapabilities(true);
    if (!kept.ok) return `prctl: ${sys.errorText(kept.errno)}`;
    process.setuid!(uid);
  } catch (error) {
    return `Cannot change to user ${uid ?? '-'}, group ${gid ?? '-'}: ${(error as Error).message}`;
  }
  const set = sys.setCapabilities(routerCapabilities.filter((number) => sys.isPermitted(number)));
  return set.ok ? undefined : `capset: ${sys.errorText(set.errno)}`;
}

/** Capabilities of a router that the process lacks, by name. */
export function missingCapabilities(): readonly string[] {
  return needed.filter(([, number]) => !sys.hasCapability(number)).map(([name]) => name);
}

const needed: readonly (readonly [string, number])[] = [
  ['CAP_NET_ADMIN', c.CAP_NET_ADMIN],
  ['CAP_NET_BIND_SERVICE', c.CAP_NET_BIND_SERVICE],
];

const routerCapabilities = [
  c.CAP_NET_BIND_SERVICE,
  c.CAP_NET_BROADCAST,
  c.CAP_NET_ADMIN,
  c.CAP_NET_RAW,
  // The BFD thread runs ahead of the others where it may.
  c.CAP_SYS_NICE,
];

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function findEntry(path: string, name: string): readonly string[] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .find((fields) => fields[0] === name);
}
