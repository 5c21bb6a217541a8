// Real kubectl for the tests. Never synchronous: in the lab the API server runs in the test's own
// process. With a terminal, `script` of util-linux lends one.

import { spawn } from 'node:child_process';
import type { Host } from '@rookery/lab';

export const KUBECTL = '/usr/bin/kubectl';
export const SCRIPT = '/usr/bin/script';

export interface KubectlResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface KubectlWatch {
  /** What it printed so far. */
  output(): string;
  end(): void;
}

export class Kubectl {
  readonly #env: NodeJS.ProcessEnv;

  readonly #within: readonly string[];

  /** `home` takes kubectl's discovery cache; `host` is where it runs, if not here. */
  constructor(kubeconfig: string, home: string, host?: Host) {
    this.#within = host === undefined ? [] : ['ip', 'netns', 'exec', host.namespace];
    this.#env = { ...process.env, KUBECONFIG: kubeconfig, HOME: home, TERM: 'dumb' };
  }

  /** Runs `kubectl ARGS` to its end; the status is not judged. */
  run(args: readonly string[], input = ''): Promise<KubectlResult> {
    return this.#spawn(KUBECTL, args, input);
  }

  /** Runs a shell line that says `kubectl …`, and returns its standard output; a failure throws. */
  async line(line: string, input = ''): Promise<string> {
    const result = await this.#spawn('/bin/sh', ['-c', line], input);
    if (result.status !== 0) throw new Error(`${line}: ${result.stderr || result.stdout}`);
    return result.stdout;
  }

  /** As `line`, in a terminal: what the user sees, with the terminal's line ends made plain. */
  async lineInTerminal(line: string): Promise<string> {
    const result = await this.#spawn(SCRIPT, ['-qec', line, '/dev/null'], undefined);
    if (result.status !== 0) throw new Error(`${line}: ${result.stdout}`);
    return result.stdout.replaceAll('\r\n', '\n');
  }

  /** Starts a command that does not end by itself. */
  watch(args: readonly string[]): KubectlWatch {
    const [program = '', ...rest] = [...this.#within, KUBECTL, ...args];
    const child = spawn(program, rest, { env: this.#env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    return { output: () => output, end: () => void child.kill() };
  }

  async #spawn(
    file: string,
    args: readonly string[],
    input: string | undefined,
  ): Promise<KubectlResult> {
    const [program = '', ...rest] = [...this.#within, file, ...args];
    const child = spawn(program, rest, { env: this.#env, stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on('error', () => {});
    // A terminal whose input ends would end the command with it.
    if (input !== undefined) child.stdin.end(input);
    const status = await new Promise<number>((resolve) => {
      child.on('error', () => resolve(127));
      child.on('close', (code) => resolve(code ?? 128));
    });
    clearTimeout(timer);
    return { status, stdout, stderr };
  }
}
