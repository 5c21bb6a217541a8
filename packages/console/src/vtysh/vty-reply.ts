// One line of the vtysh dialect in, text and status out: what a daemon's vty socket answers (FRR's
// CMD_* codes after the text), or what the shell prints. Never throws for any input.

import { VTY_COMMANDS } from './commands.ts';
import type { Answer } from './commands.ts';
import type { VtyContext, VtyEnvironment } from './context.ts';
import { compileGrammar, matchCommand } from './grammar.ts';
import type { Grammar } from './grammar.ts';

/** FRR's CMD_*: success, warning, no match, ambiguous, incomplete. */
export const VTY_STATUS = { ok: 0, warning: 1, unknown: 2, ambiguous: 3, incomplete: 4 } as const;

export interface VtyReply {
  readonly text: string;
  readonly status: number;
}

const grammars = new Map<string, Grammar<Answer>>();

/** Grammars are compiled when a daemon is first asked. */
function grammarFor(daemon: string): Grammar<Answer> {
  const known = grammars.get(daemon);
  if (known) return known;
  const grammar = compileGrammar(
    VTY_COMMANDS.filter((c) => daemon === 'vtysh' || c.daemons.includes(daemon)),
  );
  grammars.set(daemon, grammar);
  return grammar;
}

/** Answers a command line; a leading "do " is tolerated, an empty line answers nothing. */
export function vtyReply(env: VtyEnvironment, line: string): VtyReply {
  const command = line.trim().replace(/^do\s+/, '');
  if (command === '' || command.startsWith('!') || command.startsWith('#')) {
    return { text: '', status: VTY_STATUS.ok };
  }
  const matched = matchCommand(grammarFor(env.daemon), command);
  if (matched.kind !== 'command') return refusal(env.daemon, command, matched.kind);
  const context: VtyContext = {
    ...env,
    version: env.version ?? '9.1_git',
    system: env.system ?? 'Linux',
    status: env.view.status(),
  };
  const text = matched.run(context, matched.parameters);
  return { text, status: VTY_STATUS.ok };
}

const DAEMON_LABELS: Readonly<Record<string, string>> = {
  bgpd: 'BGP',
  zebra: 'ZEBRA',
  bfdd: 'BFD',
  staticd: 'STATIC',
  mgmtd: 'MGMTD',
  watchfrr: 'WATCHFRR',
};

/** The shell repeats the line in every error; a daemon only names itself. */
function refusal(
  daemon: string,
  line: string,
  kind: 'unknown' | 'ambiguous' | 'incomplete',
): VtyReply {
  const status = VTY_STATUS[kind];
  if (daemon === 'vtysh') {
    const missing = missingDaemon(line);
    if (missing !== undefined) return { text: `${missing} is not running\n`, status: 1 };
    const words = {
      unknown: `% Unknown command: ${line}`,
      ambiguous: `% Ambiguous command: ${line}`,
      incomplete: `% Command incomplete: ${line}`,
    } as const;
    return { text: `${words[kind]}\n`, status };
  }
  const label = DAEMON_LABELS[daemon] ?? daemon.toUpperCase();
  const words = {
    unknown: `% [${label}] Unknown command: ${line}`,
    ambiguous: '% Ambiguous command.',
    incomplete: '% Command incomplete.',
  } as const;
  return { text: `${words[kind]}\n`, status };
}

/** Commands of daemons that FRR knows and this speaker has no use for. */
function missingDaemon(line: string): string | undefined {
  const protocol = /^show (?:ip |ipv6 )?(ospf6?|rip|ripng|isis|pim|eigrp|babel|ldp)\b/.exec(
    line,
  )?.[1];
  return protocol === undefined ? undefined : `${protocol}d`;
}
