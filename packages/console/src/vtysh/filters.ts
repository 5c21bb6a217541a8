// `show ip prefix-list` and `show route-map`. Several FRR daemons hold these, and each answers
// under its own name; the shell prints the answers one after another, so JSON comes as several
// documents. Counters of invocations are FRR's; ours are not counted and print as 0.

import type { Family } from '@rookery/net';
import type { RunningPrefixList, RunningRouteMap } from '@rookery/router';
import type { VtyContext } from './context.ts';
import { prettyJson } from './json.ts';
import type { Json } from './json.ts';

/** Names under which the daemon, or all daemons, answer. */
function holders(context: VtyContext): readonly string[] {
  if (context.daemon === 'vtysh') return ['ZEBRA', 'BGP'];
  return context.daemon === 'bgpd' ? ['BGP'] : [context.daemon.toUpperCase()];
}

export interface PrefixListOptions {
  readonly family: Family;
  readonly name?: string;
  readonly form: 'plain' | 'detail' | 'summary' | 'json';
}

export function prefixListReply(context: VtyContext, options: PrefixListOptions): string {
  const config = context.view.runningConfig();
  const lists = (config?.prefixLists ?? []).filter(
    (l) => l.family === options.family && (options.name === undefined || l.name === options.name),
  );
  if (options.form === 'json') {
    return holders(context)
      .map((holder) => `${prettyJson({ [holder]: prefixListsJson(lists) })}\n`)
      .join('');
  }
  const last = lists.at(-1)?.name;
  const head =
    options.form === 'plain' || last === undefined
      ? ''
      : `Prefix-list with the last deletion/insertion: ${last}\n`;
  return holders(context)
    .map((holder) => head + lists.map((l) => prefixListText(holder, l, options.form)).join(''))
    .join('');
}

function prefixListText(
  holder: string,
  list: RunningPrefixList,
  form: PrefixListOptions['form'],
): string {
  const keyword = list.family === 'ipv4' ? 'ip' : 'ipv6';
  const title = `${holder}: ${keyword} prefix-list ${list.name}:`;
  if (form === 'plain') {
    const rows = list.entries.map((e) => `   seq ${e.seq} ${e.action} ${e.prefix}\n`);
    return `${title} ${list.entries.length} entries\n${rows.join('')}`;
  }
  const seqs = list.entries.map((e) => e.seq);
  const range = `${seqs[0] ?? 0} - ${seqs.at(-1) ?? 0}`;
  const ranges = list.entries.filter((e) => e.prefix === 'any').length;
  const counts = `   count: ${seqs.length}, range entries: ${ranges}, sequences: ${range}\n`;
  if (form === 'summary') return `${title}\n${counts}`;
  const rows = list.entries.map(
    (e) => `   seq ${e.seq} ${e.action} ${e.prefix} (hit count: 0, refcount: 0)\n`,
  );
  return `${title}\n${counts}${rows.join('')}`;
}

function prefixListsJson(lists: readonly RunningPrefixList[]): Json {
  const result: Record<string, Json> = {};
  for (const list of lists) {
    const any = list.family === 'ipv4' ? '0.0.0.0/0' : '::/0';
    result[list.name] = {
      addressFamily: list.family === 'ipv4' ? 'IPv4' : 'IPv6',
      entries: list.entries.map((entry) => ({
        sequenceNumber: entry.seq,
        type: entry.action,
        prefix: entry.prefix === 'any' ? any : entry.prefix,
        maximumPrefixLength:
          entry.prefix === 'any' ? (list.family === 'ipv4' ? 32 : 128) : undefined,
      })),
    };
  }
  return result;
}

export function routeMapReply(
  context: VtyContext,
  name: string | undefined,
  json: boolean,
): string {
  const maps = (context.view.runningConfig()?.routeMaps ?? []).filter(
    (m) => name === undefined || m.name === name,
  );
  return holders(context)
    .map((holder) =>
      json
        ? `${prettyJson({ [holder]: routeMapsJson(maps) })}\n`
        : `${holder}:\n${maps.map((m) => routeMapText(m)).join('')}`,
    )
    .join('');
}

function routeMapText(map: RunningRouteMap): string {
  const lines = [
    `route-map: ${map.name} Invoked: 0 Optimization: enabled Processed Change: false`,
    ...map.entries.flatMap((entry) => [
      ` ${entry.action}, sequence ${entry.seq} Invoked 0`,
      '  Match clauses:',
      ...entry.matches.map((match) => `    ${match}`),
      '  Set clauses:',
      ...entry.sets.map((set) => `    ${set}`),
      '  Call clause:',
      '  Action:',
      `    ${entry.onMatchNext ? 'Continue to next entry' : 'Exit routemap'}`,
    ]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function routeMapsJson(maps: readonly RunningRouteMap[]): Json {
  const result: Record<string, Json> = {};
  for (const map of maps) {
    result[map.name] = {
      invoked: 0,
      disabledOptimization: false,
      processedChange: false,
      rules: map.entries.map((entry) => ({
        sequenceNumber: entry.seq,
        type: entry.action,
        invoked: 0,
        matchClauses: entry.matches,
        setClauses: entry.sets,
        action: entry.onMatchNext ? 'Continue to next entry' : 'Exit routemap',
      })),
    };
  }
  return result;
}
