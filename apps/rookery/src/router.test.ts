// `rookery router` as its user meets it: the command line beside the real bird's, and a life in a
// network namespace with a real BIRD as its neighbor and the real birdc as its console. Skipped,
// visibly, where namespaces or BIRD are missing.

import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

// The sources: a bundle beside them may be older.
const program = [process.execPath, join(import.meta.dirname, 'main.ts'), 'router'] as const;
const directory = mkdtempSync(join(tmpdir(), 'rookery-router-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const hasBird = spawnSync('bird', ['--version']).status === 0;

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function rookery(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(program[0], [...program.slice(1), ...args], {
    encoding: 'utf8',
    cwd: '/',
    timeout: 20_000,
  });
}

const good = 'router id 192.0.2.1;\nprotocol device { }\n';

test('-p is silent about a good file; a bad one is exit 1 and FILE:LINE:COLUMN', (t) => {
  const goodFile = file('good.conf', good);
  assert.deepEqual(
    { ...rookery('-p', '-c', goodFile), pid: 0 },
    {
      ...{ pid: 0, output: [null, '', ''], stdout: '', stderr: '', status: 0, signal: null },
    },
  );
  const cases = [
    file('typo.conf', `${good}protocol devic { }\n`),
    file('twice.conf', `${good}protocol device { }\n`),
    join(directory, 'missing.conf'),
  ];
  for (const path of cases) {
    const ours = rookery('-p', '-c', path);
    assert.equal(ours.status, 1, path);
    const [first = ''] = ours.stderr.split('\n');
    assert.match(first, /^bird: /);
    if (!hasBird) continue;
    const real = spawnSync('bird', ['-p', '-c', path], { encoding: 'utf8' });
    const place = (line: string): string => /^bird: \S*?:\d+:/.exec(line)?.[0] ?? line;
    assert.equal(place(first), place(real.stderr.split('\n')[0]!), 'the same line as BIRD names');
  }
  // At the end of the file BIRD says 1:0, which helps nobody.
  const open = file('open.conf', `${good}protocol static { ipv4; route 10.0.0.0/8 blackhole;\n`);
  assert.match(rookery('-p', '-c', open).stderr, /^bird: \S+open\.conf:[34]:\d+ syntax error/);
  if (!hasBird) t.diagnostic('the real bird is not installed: not compared');
});

test('the command line says what BIRD says, and what we are', () => {
  const version = rookery('--version');
  assert.equal(version.status, 0);
  assert.match(version.stderr, /^BIRD version 2\.0\.12 \(Rookery [\d.]+\)\n$/);
  assert.match(rookery('-h').stdout, /-P <pid-file>/);
  const wrong = rookery('-Q');
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /^bird: .*-Q/);
  const nobody = rookery('-f', '-c', file('u.conf', good), '-u', 'no-such-user');
  assert.deepEqual([nobody.status, nobody.stderr], [1, "bird: Cannot find user 'no-such-user'\n"]);
});

test('a router lives with a real BIRD as its neighbor', { timeout: 90_000 }, async (t) => {
  if (!hasBird) return t.skip('the real bird is not installed');
  const bench = Bench.make();
  if (typeof bench === 'string') return t.skip(bench);
  try {
    await liveWithBird(bench);
  } finally {
    await bench.close();
  }
});

const nodeConfig = `
log "${join(directory, 'node.log')}" all;
router id 192.168.2.1;
protocol device { }
protocol static { ipv4; route 192.168.2.1/32 blackhole; }
protocol bgp rtr {
  local 192.168.1.32 as 64497;
  neighbor 192.168.1.1 as 64496;
  hold time 9;
  ipv4 { import all; export all; };
}
`;

const routerConfig = `
log "${join(directory, 'router.log')}" all;
router id 192.168.1.1;
debug protocols all;
protocol device { }
protocol kernel kernel4 { ipv4 { import none; export all; }; }
template bgp node {
  local as 64496;
  neighbor as 64497;
  ipv4 { import all; export none; };
}
protocol bgp node1 from node { neighbor 192.168.1.32; }
`;

async function liveWithBird(bench: Bench): Promise<void> {
  const config = file('router.conf', routerConfig);
  const socket = join(directory, 'router.ctl');
  const pidFile = join(directory, 'router.pid');
  const args = ['-c', config, '-s', socket, '-P', pidFile];
  const nodeSocket = join(directory, 'node.ctl');
  bench.start('node', 'bird', '-f', '-c', file('node.conf', nodeConfig), '-s', nodeSocket);
  const router = bench.start('router', ...program, '-f', ...args);
  const birdc = (...command: string[]): Promise<string> =>
    bench.run('router', 'birdc', '-s', socket, ...command);

  await until('the session is established', async () =>
    /^node1 .* Established/m.test(await birdc('show', 'protocols', 'node1')),
  );
  await until('the route is in the kernel', async () =>
    /^192\.168\.2\.1 via 192\.168\.1\.32 dev v0 proto bird metric 32/m.test(
      await bench.run('router', 'ip', 'route'),
    ),
  );
  assert.match(await birdc('show', 'status'), /^BIRD 2\.0\.12$/m);
  assert.equal(readFileSync(pidFile, 'utf8'), `${router.pid}\n`);

  // A second router on the same socket, in the foreground and in the background.
  for (const extra of [['-f'], []]) {
    const second = spawnSync(
      program[0],
      [...program.slice(1), ...extra, '-c', config, '-s', socket],
      {
        encoding: 'utf8',
      },
    );
    assert.deepEqual([second.status, second.stderr], [1, 'bird: I found another BIRD running.\n']);
  }

  // A bad file leaves everything as it is.
  writeFileSync(config, `${routerConfig}\nprotocol nonsense { }\n`);
  assert.match(await birdc('configure'), /router\.conf:\d+:\d+ syntax error/);
  router.kill('SIGHUP');
  await until('the log names the place', () =>
    /<ERR> \S*router\.conf:\d+:\d+ syntax error/.test(
      readFileSync(join(directory, 'router.log'), 'utf8'),
    ),
  );
  assert.match(await birdc('show', 'protocols', 'node1'), /Established/);

  // A good one is applied, and takes the route out of the kernel.
  writeFileSync(config, routerConfig.replace('export all', 'export none'));
  router.kill('SIGHUP');
  const routes = (): Promise<string> => bench.run('router', 'ip', 'route', 'show', 'proto', 'bird');
  await until('the route is gone', async () => (await routes()) === '');
  writeFileSync(config, routerConfig);
  assert.match(await birdc('configure'), /^Reconfigured$/m);
  await until('the route is back', async () => (await routes()) !== '');

  router.kill('SIGTERM');
  const [status] = (await once(router, 'exit')) as [number];
  assert.equal(status, 0);
  assert.equal(await routes(), '', 'an orderly end leaves no route behind');
  assert.ok(!existsSync(pidFile) && !existsSync(socket));
  const log = readFileSync(join(directory, 'router.log'), 'utf8');
  assert.match(log, /<TRACE> node1: BGP session established/);
  assert.match(log, /<FATAL> Shutdown completed/);
  const nodeLog = readFileSync(join(directory, 'node.log'), 'utf8');
  assert.match(nodeLog, /<RMT> rtr: Received: Administrative shutdown/);

  // Into the background: the parent ends when the daemon serves.
  const started = await bench.run('router', ...program, ...args);
  assert.equal(started, '');
  const pid = Number(readFileSync(pidFile, 'utf8'));
  assert.match(await birdc('show', 'status'), /Daemon is up and running/);
  assert.match(await birdc('down'), /Shutdown requested/);
  await until('the daemon is gone', () => !existsSync(`/proc/${pid}`));
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await delay(50);
  }
}

const runFile = promisify(execFile);

/** Two namespaces and a wire between them. */
class Bench {
  readonly #prefix: string;
  readonly #children: ChildProcess[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static make(): Bench | string {
    const bench = new Bench(`rk-router-${process.pid}`);
    const script = `
      ip netns add $P-router && ip netns add $P-node &&
      ip -n $P-router link set lo up && ip -n $P-node link set lo up &&
      ip -n $P-router link add v0 type veth peer name v0 netns $P-node &&
      ip -n $P-router address add 192.168.1.1/24 dev v0 &&
      ip -n $P-node address add 192.168.1.32/24 dev v0 &&
      ip -n $P-router link set v0 up && ip -n $P-node link set v0 up`;
    const made = spawnSync('sh', ['-c', script], {
      env: { ...process.env, P: bench.#prefix },
      encoding: 'utf8',
    });
    if (made.status === 0) return bench;
    bench.#remove();
    return `cannot make network namespaces: ${made.stderr}`;
  }

  start(host: 'router' | 'node', ...command: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', `${this.#prefix}-${host}`, ...command], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    this.#children.push(child);
    return child;
  }

  /** Standard output and error; whatever the exit status. */
  async run(host: 'router' | 'node', ...command: string[]): Promise<string> {
    const args = ['netns', 'exec', `${this.#prefix}-${host}`, ...command];
    try {
      const { stdout, stderr } = await runFile('ip', args, { timeout: 10_000 });
      return stdout + stderr;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return stdout + stderr;
    }
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    this.#remove();
  }

  #remove(): void {
    for (const host of ['router', 'node']) {
      spawnSync('ip', ['netns', 'delete', `${this.#prefix}-${host}`]);
    }
  }
}
