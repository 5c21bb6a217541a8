// Top-level statements other than protocols, filters and definitions: router id, log, debug,
// timeformat, tables and the ones that rookery accepts without effect.

import type { LogClass, LogConfig, NetType, TimeFormat } from '@rookery/router';
import { suggestWord } from '../issue.ts';
import { raise } from '../lexer.ts';
import type { Token } from '../lexer.ts';
import { readBlock } from './block.ts';
import { NET_TYPES, OTHER_NET_TYPES } from './channel.ts';
import { optionSet, readOption } from './options.ts';
import type { OptionTable } from './options.ts';
import { readMrtMask } from './mrt-mask.ts';
import type { Reader } from './reader.ts';
import type { ConfigState } from './state.ts';

const LOG_CLASSES: readonly LogClass[] = [
  'debug',
  'trace',
  'info',
  'remote',
  'warning',
  'error',
  'auth',
  'fatal',
  'bug',
];

const STATEMENTS: OptionTable<ConfigState> = {
  'router id': (read, s) => {
    const id = read.quad();
    s.routerId = id === '0.0.0.0' ? undefined : id;
  },
  'router id from': (read, s) => void (s.routerIdFrom = read.patterns()),
  hostname: (read, s) => void (s.hostname = read.text()),
  'graceful restart wait': (read, s) => void (s.gracefulRestartWaitSec = read.num()),
  log: (read, s) => void s.logs.push(readLog(read)),
  'debug protocols': (read, s) => void (s.debugProtocols = read.debugMask()),
  'debug channels': (read, s) => void (s.debugChannels = read.debugMask()),
  'debug tables': (read, s) => void (s.debugTables = read.debugMask()),
  'debug commands': (read, s) => void (s.debugCommands = read.num()),
  'debug latency': (read) => void read.bool(),
  'debug latency limit': (read) => void read.durationUs(),
  mrtdump: (read, s) => void (s.mrtDumpFile = read.text()),
  'mrtdump protocols': (read, s) => void (s.mrtDumpProtocols = readMrtMask(read)),
  'watchdog warning': (read) => void read.durationUs(),
  'watchdog timeout': (read) => void read.durationUs(),
  'timeformat route': (read, s) => void (s.timeFormats.route = readTimeFormat(read)),
  'timeformat protocol': (read, s) => void (s.timeFormats.protocol = readTimeFormat(read)),
  'timeformat base': (read, s) => void (s.timeFormats.base = readTimeFormat(read)),
  'timeformat log': (read, s) => void (s.timeFormats.log = readTimeFormat(read)),
  cli: (read, s) => void s.sockets.push(readSocket(read)),
  threads: (read) => void read.num(),
};

const STATEMENT_SET = optionSet(STATEMENTS);

/** Words a statement may begin with, for suggestions. */
export const STATEMENT_WORDS: readonly string[] = STATEMENT_SET.names
  .map((name) => name.split(' ')[0]!)
  .concat('protocol template filter function define attribute eval include'.split(' '))
  .concat([...NET_TYPES]);

/** Reads one simple statement without its `;`. */
export function readStatement(state: ConfigState): void {
  readOption(STATEMENT_SET, state.read, state, (word) => {
    if (word === 'table') return 'BIRD 2 tables have a type: ipv4 table NAME;';
    if (word === 'roa') return 'BIRD 2 has: roa4 table NAME; or roa6 table NAME;';
    if (word === 'listen')
      return "BIRD 2 has no 'listen': use 'local ADDRESS port N' in the protocol";
    if (word === 'import' || word === 'export') {
      return `'${word}' belongs inside a channel of a protocol: ipv4 { ${word} …; };`;
    }
    const near = suggestWord(word, STATEMENT_WORDS);
    return near === undefined ? undefined : `did you mean '${near}'?`;
  });
}

function readLog(read: Reader): LogConfig {
  const { c } = read;
  let sink: LogConfig['sink'];
  if (c.acceptWord('syslog')) {
    sink = { kind: 'syslog', name: c.acceptWord('name') ? read.text() : 'bird' };
  } else if (c.acceptWord('stderr')) sink = { kind: 'stderr' };
  else if (c.acceptWord('udp')) {
    const host = c.token.kind === 'text' ? read.text() : read.ip();
    sink = { kind: 'udp', host, port: c.acceptWord('port') ? read.num(1, 65535, 'Port') : 514 };
  } else {
    const path = read.text();
    if (c.token.kind === 'num') {
      const maxBytes = read.num(16_384, 0xffffffff, 'Log size');
      sink = { kind: 'file', path, maxBytes, backup: read.text() };
    } else sink = { kind: 'file', path };
  }
  return { sink, classes: readLogClasses(read) };
}

function readLogClasses(read: Reader): readonly LogClass[] {
  const { c } = read;
  if (c.acceptWord('all')) return LOG_CLASSES;
  c.expectPunct('{', 'write: all or { info, warning, error }');
  const classes = new Set<string>();
  do {
    const word = c.token;
    if (!LOG_CLASSES.some((known) => c.isWord(known))) {
      const near = suggestWord(word.text, LOG_CLASSES);
      const hint =
        near === undefined ? `classes are ${LOG_CLASSES.join(', ')}` : `did you mean ${near}?`;
      c.unexpected([], hint);
    }
    classes.add(c.next().text);
  } while (c.acceptPunct(','));
  c.expectPunct('}');
  return LOG_CLASSES.filter((name) => classes.has(name));
}

function readTimeFormat(read: Reader): TimeFormat {
  const { c } = read;
  if (!c.acceptWord('iso')) {
    const format = read.text();
    if (c.token.kind !== 'num') return { format };
    const limitSec = read.num();
    return { format, limitSec, oldFormat: read.text() };
  }
  const long = c.acceptWord('long');
  if (!long) c.expectWord('short');
  const fraction = c.acceptWord('ms') ? '.%3f' : c.acceptWord('us') ? '.%6f' : '';
  if (long) return { format: `%F %T${fraction}` };
  return { format: `%T${fraction}`, limitSec: 72_000, oldFormat: '%F' };
}

function readSocket(read: Reader): { path: string; restrict: boolean } {
  const socket = { path: read.text(), restrict: false };
  if (read.c.isPunct('{')) {
    const options = optionSet<typeof socket>({ restrict: (r, s) => void (s.restrict = r.bool()) });
    readBlock(read, () => readOption(options, read, socket));
  }
  return socket;
}

/** True at `ipv4 table …`. */
export function isTableAhead(read: Reader): boolean {
  const { c } = read;
  if (c.token.kind !== 'word') return false;
  if (!NET_TYPES.has(c.token.text) && !OTHER_NET_TYPES.has(c.token.text)) return false;
  const next = c.ahead();
  return next.text === 'table' || (next.text === 'sadr' && c.ahead(2).text === 'table');
}

const TABLE_OPTIONS = optionSet<{ sorted: boolean }>({
  sorted: (read, t) => void (t.sorted = read.bool()),
  trie: (read) => void read.bool(),
  debug: (read) => void read.debugMask(),
  'min settle time': (read) => void read.durationUs(),
  'max settle time': (read) => void read.durationUs(),
  'gc threshold': (read) => void read.num(),
  'gc period': (read) => void read.durationUs(),
});

/** Reads a table definition; `;` after it is optional. */
export function readTableDefinition(state: ConfigState): Token {
  const { read } = state;
  const { c } = read;
  const type = c.next();
  const sadr = c.acceptWord('sadr');
  c.expectWord('table');
  const name = c.expectName();
  if (!NET_TYPES.has(type.text) || sadr) {
    raise(
      type,
      'unsupported',
      `${type.text}${sadr ? ' sadr' : ''} tables are not supported by rookery yet`,
      'supported tables: ipv4, ipv6, roa4, roa6',
    );
  }
  const netType = type.text as NetType;
  const table = { sorted: c.acceptWord('sorted') };
  if (c.isPunct('{')) readBlock(read, () => readOption(TABLE_OPTIONS, read, table));
  const isMaster = name.text === (netType === 'ipv4' ? 'master4' : 'master6');
  if (isMaster && netType !== 'roa4' && netType !== 'roa6') {
    const index = state.tables.findIndex((other) => other.name === name.text);
    state.tables[index] = { name: name.text, netType, sorted: table.sorted };
    read.scope.set({ name: name.text, kind: 'routing table', netType, ...table });
  } else {
    read.scope.define(name, { name: name.text, kind: 'routing table', netType, ...table });
    state.tables.push({ name: name.text, netType, sorted: table.sorted });
  }
  c.acceptPunct(';');
  return name;
}
