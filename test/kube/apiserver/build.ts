// Builds the real kube-apiserver from the Go module proxy, as published, once per version: some
// minutes of two cores the first time, then taken from the user's cache. Run directly, it shows its
// progress; test files import `kubeApiserver`.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type Built =
  | { readonly kind: 'built'; readonly path: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

const SOURCE = import.meta.dirname;
const CACHE = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'rookery');
const NOTE_EVERY_MS = 10_000;

/** The binary; throws when it was downloaded and does not compile. */
export async function kubeApiserver(): Promise<Built> {
  const path = join(CACHE, `kube-apiserver-${fingerprint()}`);
  if (existsSync(path)) return { kind: 'built', path };
  if (spawnSync('go', ['version']).status !== 0) {
    return { kind: 'unavailable', reason: 'Go is not installed, which builds kube-apiserver' };
  }
  say('kube-apiserver: downloading its modules');
  const downloaded = await go(['mod', 'download']);
  if (downloaded.status !== 0) {
    return { kind: 'unavailable', reason: `no Go modules: ${lastLine(downloaded.output)}` };
  }
  say('kube-apiserver: compiling, which takes some minutes once');
  mkdirSync(CACHE, { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const compiled = await go(['build', '-v', '-ldflags=-s -w', '-o', unfinished, '.']);
  if (compiled.status !== 0) throw new Error(`kube-apiserver does not compile: ${compiled.output}`);
  renameSync(unfinished, path);
  say('kube-apiserver: built');
  return { kind: 'built', path };
}

function fingerprint(): string {
  const hash = createHash('sha256');
  for (const name of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(SOURCE, name)));
  return hash.digest('hex').slice(0, 12);
}

/** Runs go; every package that it names counts as progress. */
async function go(
  args: readonly string[],
): Promise<{ readonly status: number; readonly output: string }> {
  const child = spawn('go', args, {
    cwd: SOURCE,
    env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const notes = setInterval(() => {
    if (args[0] === 'build') say(`kube-apiserver: ${output.split('\n').length - 1} packages`);
  }, NOTE_EVERY_MS);
  const status = await new Promise<number>((resolve) => {
    child.once('error', () => resolve(127));
    child.once('close', (code) => resolve(code ?? 128));
  });
  clearInterval(notes);
  return { status, output };
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

if (import.meta.main) {
  const built = await kubeApiserver();
  if (built.kind === 'unavailable') say(`kube-apiserver: ${built.reason}`);
}
