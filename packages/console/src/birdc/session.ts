// One control connection in the birdc dialect (BIRD's protocol, spoken by birdc 2.0.12 and the
// usual exporters). Pure: characters in through `receive`, characters out through `pull`, which
// returns bounded chunks, so that a slow reader suspends a long dump instead of filling memory.
// Log lines that `echo` asked for and late answers wake the owner through `onReady`.

import type { RouterControl, RouterView } from '@rookery/router';
import type { UtcOffset } from '../wall-clock.ts';
import type { BirdcCommand, BirdLanguage, CommandScope } from './command.ts';
import { matchProtocols, runProtocolCommand } from './control-commands.ts';
import { showConfigureStatus, startConfigure } from './control-commands.ts';
import { parseCommand } from './parse-command.ts';
import { ReplyWriter } from './reply.ts';
import type { ShowContext } from './show-context.ts';
import * as lists from './show-lists.ts';
import { showProtocols } from './show-protocols.ts';
import { showRoute } from './show-route.ts';

export interface BirdcEnvironment {
  readonly view: RouterView;
  readonly control: RouterControl;
  readonly language: BirdLanguage;
  /** The BIRD version this dialect stands for: "2.0.12". */
  readonly version: string;
  readonly offset: UtcOffset;
  /** A read-only socket. */
  readonly restricted: boolean;
}

export interface BirdcSession {
  /** Feeds characters as they arrive; lines may be split anywhere. */
  receive(text: string): void;
  /** The next chunk to write, or `undefined` when there is nothing to write now. */
  pull(): string | undefined;
  /** True once the connection should be closed after everything pulled is written. */
  readonly finished: boolean;
  /** Ends subscriptions; to be called when the connection is gone. */
  close(): void;
}

/** Longest command line; a longer one ends the connection. */
const MAX_LINE = 4096;
/** A chunk is cut at the first opportunity after this many characters. */
const CHUNK = 16_384;
/** Log lines kept for a reader that does not read; older ones are dropped. */
const MAX_ECHO = 500;

/**
 * Opens a session; the greeting is the first chunk. `onReady` is called when `pull` may have
 * something again without `receive` having been called.
 */
export function openBirdcSession(env: BirdcEnvironment, onReady: () => void): BirdcSession {
  return new Session(env, onReady);
}

class Session implements BirdcSession {
  finished = false;
  private readonly env: BirdcEnvironment;
  private readonly onReady: () => void;
  private readonly reply = new ReplyWriter();
  private readonly lines: string[] = [];
  private partial = '';
  private ready: string;
  private echo: string[] = [];
  private running: Generator<void> | undefined;
  /** A `configure` whose answer has not come yet; no further command starts. */
  private waiting = false;
  private restricted: boolean;
  private unsubscribe: (() => void) | undefined;

  constructor(env: BirdcEnvironment, onReady: () => void) {
    this.env = env;
    this.onReady = onReady;
    this.restricted = env.restricted;
    this.ready = `0001 BIRD ${env.version} ready.\n`;
  }

  receive(text: string): void {
    if (this.finished) return;
    const parts = (this.partial + text).split('\n');
    this.partial = parts.pop()!;
    this.lines.push(...parts.map((line) => line.replaceAll('\r', '')));
    if (this.partial.length > MAX_LINE || this.lines.some((line) => line.length > MAX_LINE)) {
      this.reply.end(9000, 'Command too long');
      this.lines.length = 0;
      this.finished = true;
    }
  }

  pull(): string | undefined {
    while (this.ready.length + this.reply.pending < CHUNK && this.advance());
    const text = this.ready + this.echo.join('') + this.reply.take();
    this.ready = '';
    this.echo = [];
    return text === '' ? undefined : text;
  }

  close(): void {
    this.finished = true;
    this.unsubscribe?.();
    this.unsubscribe = undefined;
  }

  /** One bounded piece of work; false when there is none. */
  private advance(): boolean {
    if (this.waiting) return false;
    if (this.running) {
      if (this.running.next().done) this.running = undefined;
      return true;
    }
    const line = this.lines.shift();
    if (line === undefined) return false;
    if (line.trim() !== '') this.start(line);
    return true;
  }

  private start(line: string): void {
    // The birdc client handles these itself; BIRD's daemon does not answer them.
    if (/^\s*(?:quit|exit|help)\s*$/.test(line)) return;
    const parsed = parseCommand(line, scopeOf(this.env.view), this.env.language);
    if (!parsed.ok) this.reply.end(9001, parsed.message);
    else if (this.restricted && changesSomething(parsed.command)) {
      this.reply.end(8007, 'Access denied');
    } else this.run(parsed.command);
  }

  private run(command: BirdcCommand): void {
    const { reply } = this;
    const { control, view, language, offset, version } = this.env;
    const context: ShowContext = { view, status: view.status(), offset, version, reply };
    switch (command.kind) {
      case 'show status':
        return lists.showStatus(context);
      case 'show memory':
        return lists.showMemory(context);
      case 'show interfaces':
        return lists.showInterfaces(context, command.summary);
      case 'show static':
        return lists.showStatic(context, command.name);
      case 'show bfd sessions':
        return lists.showBfdSessions(context, command.name);
      case 'show symbols':
        return lists.showSymbols(context, command.class, command.name);
      case 'show absent':
        return reply.end(9001, `There is no ${command.protocol} protocol running`);
      case 'show protocols':
        this.running = this.protocols(context, command);
        return;
      case 'show route':
        this.running = showRoute(context, command);
        return;
      case 'switch':
      case 'reload':
        return runProtocolCommand(context, control, command);
      case 'configure':
      case 'configure check':
      case 'configure undo':
      case 'configure confirm':
        return this.configure(command);
      case 'configure status':
        return showConfigureStatus(context);
      case 'debug': {
        const names = matchProtocols(view.protocols(), command.pattern).map((p) => p.name);
        control.setDebug(command.pattern.kind === 'all' ? undefined : names, command.mask);
        return reply.end(0);
      }
      case 'echo':
        return this.subscribe(command.classes);
      case 'eval': {
        const result = language.evaluate(command.text);
        if (result.kind === 'value') return reply.end(23, result.text);
        if (result.kind === 'parse error') return reply.end(9001, result.message);
        return reply.end(8008, 'runtime error');
      }
      case 'dump':
        return reply.end(9001, `dump ${command.what}: no debug dump here, use show commands`);
      case 'mrt dump': {
        const { kind: _kind, ...request } = command;
        if (control.dumpTables(request)) return reply.end(0, '');
        return reply.end(9001, 'No table matches');
      }
      case 'mrtdump':
        return reply.end(9001, 'set it in the configuration: mrtdump { states, messages };');
      case 'down':
        reply.end(7, 'Shutdown requested');
        return control.shutdown();
      case 'graceful restart':
        reply.end(25, 'Graceful restart requested');
        return control.gracefulRestart();
      case 'restrict':
        this.restricted = true;
        return reply.end(16, 'Access restricted');
    }
  }

  private *protocols(
    context: ShowContext,
    command: Extract<BirdcCommand, { kind: 'show protocols' }>,
  ): Generator<void> {
    const matching = matchProtocols(context.view.protocols(), command.pattern);
    if (matching.length === 0 && command.pattern.kind === 'glob') {
      this.reply.end(8003, 'No protocols match');
      return;
    }
    yield* showProtocols(context, matching, command.all);
    this.reply.end(0);
  }

  private configure(command: Parameters<typeof startConfigure>[2]): void {
    this.waiting = true;
    let inCall = true;
    startConfigure(this.reply, this.env.control, command, () => {
      this.waiting = false;
      if (!inCall && !this.finished) this.onReady();
    });
    inCall = false;
  }

  private subscribe(classes: Extract<BirdcCommand, { kind: 'echo' }>['classes']): void {
    this.unsubscribe?.();
    this.unsubscribe = undefined;
    if (classes.length > 0) {
      this.unsubscribe = this.env.control.subscribeLog(classes, (text) => {
        if (this.echo.length >= MAX_ECHO) this.echo.shift();
        this.echo.push(`+${text.replaceAll('\n', ' ')}\n`);
        this.onReady();
      });
    }
    this.reply.end(0);
  }
}

function scopeOf(view: RouterView): CommandScope {
  const symbols = view.symbols();
  const tables = view.tables();
  const protocols = view.protocols();
  return {
    classOf(name) {
      if (protocols.some((p) => p.name === name)) return 'protocol';
      if (tables.some((t) => t.name === name)) return 'routing table';
      const kind = symbols.find((s) => s.name === name)?.kind;
      return kind === 'undefined' ? undefined : kind;
    },
    channelsOf(protocol) {
      const found = protocols.find((p) => p.name === protocol);
      return found ? found.channels.map((c) => c.name) : [];
    },
  };
}

/** What a restricted connection may not do. */
function changesSomething(command: BirdcCommand): boolean {
  switch (command.kind) {
    case 'switch':
    case 'reload':
    case 'configure':
    case 'configure check':
    case 'configure undo':
    case 'configure confirm':
    case 'debug':
    case 'mrt dump':
    case 'mrtdump':
    case 'down':
    case 'graceful restart':
      return true;
    default:
      return false;
  }
}
