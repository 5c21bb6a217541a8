// Commands that change something: enable, disable, restart, reload, debug and configure. Each
// outcome value of `RouterControl` becomes one reply line with its code.

import type { ConfigureReply, ProtocolOutcome, ProtocolView, RouterControl } from '@rookery/router';
import type { BirdcCommand, ProtocolPattern } from './command.ts';
import type { ReplyWriter } from './reply.ts';
import type { ShowContext } from './show-context.ts';

/** Protocols that a pattern names, in order of the configuration. */
export function matchProtocols(
  protocols: readonly ProtocolView[],
  pattern: ProtocolPattern,
): readonly ProtocolView[] {
  switch (pattern.kind) {
    case 'all':
      return protocols;
    case 'name':
      return protocols.filter((p) => p.name === pattern.name);
    case 'glob': {
      const matches = globMatcher(pattern.glob);
      return protocols.filter((p) => matches(p.name));
    }
  }
}

/** `*` and `?` as in a shell; everything else stands for itself. */
export function globMatcher(glob: string): (name: string) => boolean {
  const source = glob.replace(/[\\^$.|+()[\]{}*?]/g, (c) =>
    c === '*' ? '.*' : c === '?' ? '.' : `\\${c}`,
  );
  const expression = new RegExp(`^${source}$`);
  return (name) => expression.test(name);
}

type Line = readonly [code: number, text: string];

/** Runs enable, disable, restart or reload and writes the whole reply. */
export function runProtocolCommand(
  context: ShowContext,
  control: RouterControl,
  command: Extract<BirdcCommand, { kind: 'switch' | 'reload' }>,
): void {
  const names = matchProtocols(context.view.protocols(), command.pattern).map((p) => p.name);
  if (names.length === 0) {
    context.reply.end(8003, 'No protocols match');
    return;
  }
  if (command.kind === 'reload') {
    outcomes(context.reply, control.reload(names, command.direction), reloadLine);
    return;
  }
  const { action, message } = command;
  outcomes(context.reply, control[action](names, message), (o) => switchLine(action, o));
}

function outcomes(
  reply: ReplyWriter,
  list: readonly ProtocolOutcome[],
  lineFor: (outcome: ProtocolOutcome) => Line | undefined,
): void {
  for (const outcome of list) {
    const line = lineFor(outcome);
    if (line) reply.line(...line);
  }
  reply.end(0);
}

function switchLine(
  action: 'enable' | 'disable' | 'restart',
  { protocol, outcome }: ProtocolOutcome,
): Line {
  if (outcome !== 'done') {
    return action === 'enable'
      ? [10, `${protocol}: already enabled`]
      : [8, `${protocol}: already disabled`];
  }
  if (action === 'enable') return [11, `${protocol}: enabled`];
  return action === 'disable' ? [9, `${protocol}: disabled`] : [12, `${protocol}: restarted`];
}

/** A protocol that is not up is passed over in silence. */
function reloadLine({ protocol, outcome }: ProtocolOutcome): Line | undefined {
  switch (outcome) {
    case 'done':
      return [15, `${protocol}: reloading`];
    case 'already':
      return [8, `${protocol}: already disabled`];
    case 'reload failed':
      return [8006, `${protocol}: reload failed`];
    case 'not up':
      return undefined;
  }
}

export type ConfigureCommand = Extract<
  BirdcCommand,
  { kind: 'configure' | 'configure check' | 'configure undo' | 'configure confirm' }
>;

/** Starts a configure command; `done` is called when the reply is complete. */
export function startConfigure(
  reply: ReplyWriter,
  control: RouterControl,
  command: ConfigureCommand,
  done: () => void,
): void {
  const answer = (result: ConfigureReply): void => {
    if (result.kind !== 'rejected' && result.file === undefined) {
      if (command.kind === 'configure undo') reply.line(21, 'Undo requested');
    } else reply.line(2, `Reading configuration from ${result.file}`);
    const timeout = command.kind === 'configure' ? command.timeoutSec : undefined;
    const applied = result.kind === 'reconfigured' || result.kind === 'in progress';
    if (timeout !== undefined && applied) reply.line(22, `Undo scheduled in ${timeout} s`);
    reply.end(...configureLine(result));
    done();
  };
  switch (command.kind) {
    case 'configure':
      control.configure(
        {
          kind: 'load',
          soft: command.soft,
          ...(command.file !== undefined && { file: command.file }),
          ...(command.timeoutSec !== undefined && { timeoutSec: command.timeoutSec }),
        },
        answer,
      );
      return;
    case 'configure check':
      control.configure(
        { kind: 'check', ...(command.file !== undefined && { file: command.file }) },
        answer,
      );
      return;
    case 'configure undo':
      control.configure({ kind: 'undo' }, answer);
      return;
    case 'configure confirm':
      control.configure({ kind: 'confirm' }, answer);
      return;
  }
}

function configureLine(result: ConfigureReply): Line {
  switch (result.kind) {
    case 'reconfigured':
      return [3, 'Reconfigured'];
    case 'in progress':
      return [4, 'Reconfiguration in progress'];
    case 'queued':
      return [5, 'Reconfiguration already in progress, queueing new config'];
    case 'shutting down':
      return [6, 'Reconfiguration ignored, shutting down'];
    case 'unqueued':
      return [17, 'Reconfiguration already in progress, removing queued config'];
    case 'confirmed':
      return [18, 'Reconfiguration confirmed'];
    case 'nothing to do':
      return [19, 'Nothing to do'];
    case 'valid':
      return [20, 'Configuration OK'];
    case 'rejected':
      return [8002, result.message];
  }
}

/** `configure status`: whether an unconfirmed configuration will be undone. */
export function showConfigureStatus(context: ShowContext): void {
  const { reply, status } = context;
  const running = status.state === 'running';
  reply.line(3, running ? 'Daemon is up and running' : 'Reconfiguration in progress');
  if (status.undoDueMs !== undefined) {
    const leftSec = Math.max(0, status.undoDueMs - status.nowMs) / 1000;
    reply.line(22, `Configuration unconfirmed, undo in ${leftSec.toFixed(3)} s`);
  }
  reply.end(0);
}
