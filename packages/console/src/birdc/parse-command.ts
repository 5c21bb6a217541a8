// The grammar of birdc commands (BIRD user's guide, "Remote control"; error texts as Debian's
// 2.0.12 gives them, with a usage hint added). `help`, `quit` and abbreviations belong to the
// birdc client and are not commands of the daemon.

import type { Policy } from '@rookery/rib';
import type { DebugFlag, LogClass } from '@rookery/router';
import type {
  BirdcCommand,
  BirdLanguage,
  CommandScope,
  ParsedCommand,
  ProtocolPattern,
  SymbolClass,
} from './command.ts';
import { lexCommand } from './lex-command.ts';
import type { Token } from './lex-command.ts';
import { parsePolicy, parseShowRoute, SHOW_ROUTE_USAGE } from './parse-route.ts';
import { CommandError, isKeyword, isName, TokenStream } from './token-stream.ts';

/** Parses one line; it must not be empty. */
export function parseCommand(
  line: string,
  scope: CommandScope,
  language: BirdLanguage,
): ParsedCommand {
  const lexed = lexCommand(line);
  if (!lexed.ok) return lexed;
  const stream = new TokenStream(line, lexed.tokens, scope, usageFor(lexed.tokens));
  try {
    return { ok: true, command: parseTop(stream, scope, language) };
  } catch (error) {
    if (error instanceof CommandError) return { ok: false, message: error.message };
    throw error;
  }
}

const USAGE: Readonly<Record<string, string>> = {
  'show status': 'show status',
  'show memory': 'show memory',
  'show protocols': 'show protocols [all] [NAME|"PATTERN"]',
  'show interfaces': 'show interfaces [summary]',
  'show symbols': 'show symbols [table|filter|function|protocol|template|NAME]',
  'show route': SHOW_ROUTE_USAGE,
  'show static': 'show static [NAME]',
  'show bfd': 'show bfd sessions [NAME] [all]',
  show: 'show status|memory|protocols|interfaces|symbols|route|static|bfd sessions',
  configure:
    'configure [soft] ["FILE"] [timeout [SECONDS]] | check ["FILE"] | undo | confirm | status',
  enable: 'enable NAME|"PATTERN"|all ["MESSAGE"]',
  disable: 'disable NAME|"PATTERN"|all ["MESSAGE"]',
  restart: 'restart NAME|"PATTERN"|all ["MESSAGE"]',
  reload: 'reload [in|out] NAME|"PATTERN"|all',
  debug:
    'debug NAME|"PATTERN"|all off|all|{ states, routes, filters, interfaces, events, packets }',
  echo: 'echo all|off|{ CLASS, … } [BUFFER]',
  eval: 'eval EXPRESSION',
  dump: 'dump resources|sockets|events|interfaces|neighbors|attributes|routes|protocols',
  graceful: 'graceful restart',
};

function usageFor(tokens: readonly Token[]): string {
  const [first, second] = tokens;
  const pair = `${first?.value ?? ''} ${second?.value ?? ''}`;
  return (
    USAGE[pair] ??
    USAGE[first?.value ?? ''] ??
    'show, configure, enable, disable, restart, reload, debug, echo, eval, dump, restrict, down'
  );
}

function parseTop(t: TokenStream, scope: CommandScope, language: BirdLanguage): BirdcCommand {
  const token = t.peek();
  if (token.kind !== 'word') t.fail();
  switch (token.value) {
    case 'show':
      t.next();
      return parseShow(t, scope, language);
    case 'configure':
      t.next();
      return parseConfigure(t);
    case 'enable':
    case 'disable':
    case 'restart':
      t.next();
      return parseSwitch(t, token.value);
    case 'reload': {
      t.next();
      const direction = t.accept('in') ? 'in' : t.accept('out') ? 'out' : 'both';
      const pattern = parsePattern(t, direction === 'both' ? ['IN', 'OUT'] : []);
      t.expectEnd();
      return { kind: 'reload', direction, pattern };
    }
    case 'debug':
      t.next();
      return parseDebug(t, scope);
    case 'echo':
      t.next();
      return parseEcho(t);
    case 'eval': {
      t.next();
      if (t.peek().kind === 'end') t.fail();
      return { kind: 'eval', text: t.restText() };
    }
    case 'dump':
      t.next();
      return parseDump(t);
    case 'mrtdump':
      return { kind: 'mrtdump' };
    case 'mrt':
      t.next();
      return parseMrtDump(t, language);
    case 'down':
    case 'restrict':
      t.next();
      t.expectEnd();
      return { kind: token.value };
    case 'graceful':
      t.next();
      t.expect('restart');
      t.expectEnd();
      return { kind: 'graceful restart' };
    default:
      return t.fail();
  }
}

function parseShow(t: TokenStream, scope: CommandScope, language: BirdLanguage): BirdcCommand {
  const word = t.peek().kind === 'word' ? t.peek().value : '';
  switch (word) {
    case 'status':
    case 'memory':
      t.next();
      t.expectEnd();
      return { kind: `show ${word}` };
    case 'protocols': {
      t.next();
      const all = t.accept('all');
      const end = t.peek().kind === 'end';
      const also = all ? [] : ['ALL'];
      const expected = ['END', 'CF_SYM_KNOWN', 'TEXT', ...also];
      const pattern: ProtocolPattern = end ? { kind: 'all' } : parseNamed(t, expected);
      t.expectEnd();
      return { kind: 'show protocols', all, pattern };
    }
    case 'interfaces': {
      t.next();
      const summary = t.accept('summary');
      t.expectEnd(...(summary ? [] : ['SUMMARY']));
      return { kind: 'show interfaces', summary };
    }
    case 'symbols':
      t.next();
      return parseShowSymbols(t);
    case 'route':
      t.next();
      return parseShowRoute(t, scope, language);
    case 'static': {
      t.next();
      if (t.peek().kind === 'end') return { kind: 'show static' };
      const name = t.symbol('protocol', 'protocol', ['END', 'CF_SYM_KNOWN']);
      t.expectEnd();
      return { kind: 'show static', name };
    }
    case 'bfd':
      t.next();
      return parseShowBfd(t);
    case 'ospf':
      return { kind: 'show absent', protocol: 'OSPF' };
    case 'rip':
      return { kind: 'show absent', protocol: 'RIP' };
    case 'babel':
      return { kind: 'show absent', protocol: 'Babel' };
    default:
      return t.fail();
  }
}

function parseShowSymbols(t: TokenStream): BirdcCommand {
  const classes: Readonly<Record<string, SymbolClass>> = {
    table: 'routing table',
    filter: 'filter',
    function: 'function',
    protocol: 'protocol',
    template: 'template',
  };
  const token = t.next();
  if (token.kind === 'end') return { kind: 'show symbols' };
  const symbolClass = token.kind === 'word' ? classes[token.value] : undefined;
  if (!symbolClass && !isName(token)) t.fail();
  t.expectEnd();
  if (symbolClass) return { kind: 'show symbols', class: symbolClass };
  return { kind: 'show symbols', name: token.value };
}

function parseShowBfd(t: TokenStream): BirdcCommand {
  t.expect('sessions');
  let name: string | undefined;
  if (t.peek().kind !== 'end' && !(t.peek().kind === 'word' && t.peek().value === 'all')) {
    name = t.symbol('protocol', 'protocol', ['END', 'CF_SYM_KNOWN']);
  }
  const all = t.accept('all');
  t.expectEnd();
  return { kind: 'show bfd sessions', all, ...(name !== undefined && { name }) };
}

function parseConfigure(t: TokenStream): BirdcCommand {
  if (t.accept('check')) {
    const file = acceptText(t);
    t.expectEnd(...(file === undefined ? ['TEXT'] : []));
    return { kind: 'configure check', ...(file !== undefined && { file }) };
  }
  for (const word of ['confirm', 'undo', 'status'] as const) {
    if (!t.accept(word)) continue;
    t.expectEnd();
    return { kind: `configure ${word}` };
  }
  const soft = t.accept('soft');
  const file = acceptText(t);
  let timeoutSec: number | undefined;
  if (t.accept('timeout')) {
    timeoutSec = t.peek().kind === 'number' ? Number(t.next().value) : 300;
    t.expectEnd('NUM', 'CF_SYM_KNOWN', "'('");
  } else if (t.peek().kind !== 'end') {
    if (file !== undefined) t.fail(['END', 'TIMEOUT']);
    t.fail(soft ? ['END', 'TEXT', 'TIMEOUT'] : []);
  }
  return {
    kind: 'configure',
    soft,
    ...(file !== undefined && { file }),
    ...(timeoutSec !== undefined && { timeoutSec }),
  };
}

function parseSwitch(t: TokenStream, action: 'enable' | 'disable' | 'restart'): BirdcCommand {
  const pattern = parsePattern(t);
  const message = acceptText(t);
  t.expectEnd(...(message === undefined ? ['TEXT'] : []));
  return { kind: 'switch', action, pattern, ...(message !== undefined && { message }) };
}

function parsePattern(t: TokenStream, also: readonly string[] = []): ProtocolPattern {
  if (t.accept('all')) return { kind: 'all' };
  return parseNamed(t, ['CF_SYM_KNOWN', 'TEXT', 'ALL', ...also]);
}

function parseNamed(t: TokenStream, expected: readonly string[]): ProtocolPattern {
  const glob = acceptText(t);
  if (glob !== undefined) return { kind: 'glob', glob };
  return { kind: 'name', name: t.symbol('protocol', 'protocol', expected) };
}

function acceptText(t: TokenStream): string | undefined {
  return t.peek().kind === 'text' ? t.next().value : undefined;
}

const DEBUG_FLAGS: readonly DebugFlag[] = [
  'states',
  'routes',
  'filters',
  'interfaces',
  'events',
  'packets',
];

function parseDebug(t: TokenStream, scope: CommandScope): BirdcCommand {
  const pattern = parsePattern(t);
  if (pattern.kind === 'name' && t.accept('.')) {
    const channel = t.next().value;
    if (!scope.channelsOf(pattern.name).includes(channel)) {
      throw new CommandError(`Channel ${pattern.name}.${channel} not found`);
    }
  }
  let mask: readonly DebugFlag[] = [];
  if (t.accept('all')) mask = DEBUG_FLAGS;
  else if (t.accept('{')) mask = parseSet(t, DEBUG_FLAGS);
  else t.expect('off', "'.'", 'OFF', "'{'", 'ALL');
  t.expectEnd();
  return { kind: 'debug', pattern, mask };
}

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

function parseEcho(t: TokenStream): BirdcCommand {
  let classes: readonly LogClass[] = [];
  if (t.accept('all')) classes = LOG_CLASSES;
  else if (t.accept('{')) classes = parseSet(t, LOG_CLASSES);
  else t.expect('off', 'OFF', "'{'", 'ALL');
  if (classes.length > 0 && t.peek().kind === 'number') t.next();
  else if (t.peek().kind !== 'end') t.fail(['END', 'NUM']);
  t.expectEnd();
  return { kind: 'echo', classes };
}

/** "a, b }" after the opening brace. */
function parseSet<T extends string>(t: TokenStream, allowed: readonly T[]): readonly T[] {
  const found: T[] = [];
  for (;;) {
    const item = allowed.find((name) => t.accept(name));
    if (item === undefined) t.fail([], `one of ${allowed.join(', ')} belongs here`);
    found.push(item);
    if (t.accept('}')) return found;
    t.expect(',', "','", "'}'");
  }
}

const DUMPS = [
  'resources',
  'sockets',
  'events',
  'interfaces',
  'neighbors',
  'attributes',
  'routes',
  'protocols',
];

/** `mrt dump table X to "f" [filter F | where E]`. */
function parseMrtDump(t: TokenStream, language: BirdLanguage): BirdcCommand {
  t.expect('dump');
  let pattern: string | undefined;
  let filename: string | undefined;
  let policy: Policy | undefined;
  while (t.peek().kind !== 'end') {
    if (t.accept('table')) {
      const isText = t.peek().kind === 'text';
      pattern = isText ? t.next().value : t.symbol('routing table', 'table', ['CF_SYM_KNOWN']);
    } else if (t.accept('to')) {
      if (t.peek().kind !== 'text') t.fail(['TEXT']);
      filename = t.next().value;
    } else policy = parsePolicy(t, language);
  }
  if (pattern === undefined) throw new CommandError('Table not specified');
  if (filename === undefined) throw new CommandError('File name not specified');
  return { kind: 'mrt dump', pattern, filename, ...(policy === undefined ? {} : { policy }) };
}

function parseDump(t: TokenStream): BirdcCommand {
  const token = t.peek();
  if (token.kind !== 'word' || !DUMPS.includes(token.value) || !isKeyword(token.value)) t.fail();
  t.next();
  t.expectEnd();
  return { kind: 'dump', what: token.value };
}
