// One machine of the lab: a network namespace with processes in it. Everything goes through
// `ip netns exec`, so a process never has to know that it is in a lab.

import { type ChildProcess, type SpawnOptions, execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Host {
  readonly name: string;
  readonly namespace: string;

  private constructor(name: string, namespace: string) {
    this.name = name;
    this.namespace = namespace;
  }

  /** Makes the namespace; `prefix` keeps two labs of one user apart. */
  static async create(name: string, prefix: string): Promise<Host> {
    const host = new Host(name, `${prefix}${name}`);
    const path = `/run/netns/${host.namespace}`;
    // `ip netns add` would step back into the caller's namespace, which a user namespace may not.
    writeFileSync(path, '');
    await execFileAsync('unshare', [`--net=${path}`, 'true']);
    return host;
  }

  async destroy(): Promise<void> {
    await execFileAsync('ip', ['netns', 'delete', this.namespace]).catch(() => {});
  }

  /** Runs `ip` commands in one batch; the first that fails throws with its text. */
  async ip(...commands: readonly string[]): Promise<void> {
    const child = spawn('ip', ['-n', this.namespace, '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    child.stdin.end(commands.join('\n'));
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const status = await new Promise((resolve) => child.on('close', resolve));
    if (status !== 0) throw new Error(`${this.name}: ip: ${stderr.trim()}`);
  }

  async sysctl(values: Readonly<Record<string, number>>): Promise<void> {
    const script = Object.entries(values)
      .map(([key, value]) => `echo ${value} > /proc/sys/${key.replaceAll('.', '/')}`)
      .join('; ');
    const { status, stderr } = await this.run(['sh', '-c', script]);
    if (status !== 0) throw new Error(`${this.name}: sysctl: ${stderr.trim()}`);
  }

  /** Runs a command to its end. Never throws for a status; `timeoutMs` ends it. */
  async run(
    argv: readonly string[],
    options: { input?: string; timeoutMs?: number } = {},
  ): Promise<CommandResult> {
    const child = this.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    const status = await new Promise<number>((resolve) => {
      child.on('error', () => resolve(127));
      child.on('close', (code) => resolve(code ?? 128));
    });
    clearTimeout(timer);
    return { status, stdout, stderr };
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.namespace, ...argv], options);
  }
}
