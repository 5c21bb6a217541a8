// `rookery birdc`: a thin client of the BIRD control socket, ours or the real one. Prints what birdc
// prints, expands unique abbreviations ("s p a"), and with arguments runs one command and exits 1
// when the daemon refused it. Line editing is Node's readline; there is no pager.

import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const defaultSocket = '/run/bird/bird.ctl';
const usage = 'Usage: rookery birdc [-s <control-socket>] [-v] [-r] [-l] [COMMAND]\n';

/** Keywords after keywords; what is not listed is sent as it is. */
interface Words {
  readonly [word: string]: Words;
}

const routeWords: Words = Object.fromEntries(
  ['all', 'count', 'export', 'exported', 'filter', 'filtered', 'for', 'import', 'in', 'noexport']
    .concat(['preexport', 'primary', 'protocol', 'stats', 'table', 'where'])
    .map((word) => [word, {}]),
);
const grammar: Words = {
  show: {
    status: {},
    memory: {},
    protocols: { all: {} },
    interfaces: { summary: {} },
    symbols: {},
    route: routeWords,
    static: {},
    bfd: { sessions: {} },
    ospf: {},
    rip: {},
    babel: {},
  },
  configure: { soft: {}, check: {}, confirm: {}, undo: {}, status: {}, timeout: {} },
  enable: {},
  disable: {},
  restart: {},
  reload: { in: {}, out: {} },
  debug: {},
  mrtdump: {},
  mrt: {},
  echo: {},
  eval: {},
  down: {},
  graceful: { restart: {} },
  restrict: {},
  dump: {},
  help: {},
  quit: {},
  exit: {},
};

/** Expands unique prefixes of keywords; an exact word wins over a longer one. Pure. */
export function expandCommand(line: string): string {
  let words: Words | undefined = grammar;
  return line
    .trim()
    .split(/\s+/)
    .map((word) => {
      if (words === undefined) return word;
      const matches: string[] = Object.hasOwn(words, word)
        ? [word]
        : Object.keys(words).filter((candidate) => candidate.startsWith(word));
      const match = matches.length === 1 ? matches[0] : undefined;
      if (match === undefined) {
        words = undefined;
        return word;
      }
      // Options of `show route` come in any order.
      words = words === routeWords ? routeWords : words[match];
      return match;
    })
    .join(' ');
}

/** One line of the protocol: what birdc prints for it, and whether the reply ends here. Pure. */
export function readReplyLine(line: string): {
  readonly text: string | undefined;
  readonly end: boolean;
  readonly failed: boolean;
} {
  const coded = /^(\d{4})([ -])(.*)$/.exec(line);
  if (!coded) {
    const text = line.startsWith('+') ? `>>> ${line.slice(1)}` : line.slice(1);
    return { text, end: false, failed: false };
  }
  const end = coded[2] === ' ';
  const text = end && coded[1] === '0000' ? undefined : coded[3]!;
  return { text, end, failed: end && coded[1]! >= '8000' };
}

export async function run(args: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        socket: { type: 'string', short: 's' },
        verbose: { type: 'boolean', short: 'v' },
        restrict: { type: 'boolean', short: 'r' },
        local: { type: 'boolean', short: 'l' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    process.stderr.write(`birdc: ${(error as Error).message}\n${usage}`);
    return 1;
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const path = values.socket ?? (values.local ? 'bird.ctl' : defaultSocket);
  const session = new Session(path, values.verbose === true);
  const failure = await session.open();
  if (failure !== undefined) {
    process.stderr.write(`Unable to connect to server control socket (${path}): ${failure}\n`);
    return 1;
  }
  if (values.restrict) await session.ask('restrict');
  if (positionals.length > 0) {
    const accepted = await session.ask(expandCommand(positionals.join(' ')));
    session.close();
    return accepted ? 0 : 1;
  }
  return interact(session);
}

async function interact(session: Session): Promise<number> {
  const input = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY === true,
    prompt: process.stdin.isTTY ? 'bird> ' : '',
  });
  session.onClose(() => input.close());
  let closed = false;
  input.once('close', () => (closed = true));
  const prompt = (): void => {
    // Piped input ends before its last lines were answered.
    if (!closed) input.prompt();
  };
  prompt();
  for await (const line of input) {
    const command = expandCommand(line);
    if (command === 'quit' || command === 'exit') break;
    if (command === 'help') process.stdout.write(`${Object.keys(grammar).join('  ')}\n`);
    else if (command !== '') await session.ask(command);
    prompt();
  }
  input.close();
  session.close();
  return 0;
}

class Session {
  readonly #path: string;
  readonly #verbose: boolean;
  #socket: net.Socket | undefined;
  #partial = '';
  #answered: ((accepted: boolean) => void) | undefined;

  constructor(path: string, verbose: boolean) {
    this.#path = path;
    this.#verbose = verbose;
  }

  /** Connects and prints the greeting; the text of the error otherwise. */
  open(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const socket = net.connect(this.#path);
      this.#socket = socket;
      socket.setEncoding('utf8');
      socket.once('error', async (error) => {
        const { platformErrorFrom } = await import('@rookery/linux');
        resolve(platformErrorFrom('connect', error).message);
      });
      this.#answered = () => resolve(undefined);
      socket.on('data', (text: string) => this.#receive(text));
      socket.on('close', () => {
        if (!this.#answered) return;
        process.stderr.write('Connection closed by server\n');
        this.#finish(false);
      });
    });
  }

  /** Sends one command and prints the answer; false when it was refused. */
  ask(command: string): Promise<boolean> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket?.write(`${command}\n`);
    });
  }

  onClose(handler: () => void): void {
    this.#socket?.once('close', handler);
  }

  close(): void {
    this.#answered = undefined;
    this.#socket?.destroy();
  }

  #receive(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop()!;
    for (const line of lines) {
      const reply = readReplyLine(line);
      const shown = this.#verbose ? line : reply.text;
      if (shown !== undefined) process.stdout.write(`${shown}\n`);
      if (reply.end) this.#finish(!reply.failed);
    }
  }

  #finish(accepted: boolean): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.(accepted);
  }
}
