// The one test command. Unit tests of every package first (two at a time), then the tiers that
// need the machine: namespaces, real daemons, the lab. Installs the peers from Debian where it may,
// says what it skips and why, and ends with the plain line that CI reads.
//
//   npm test                   unit and system tiers
//   npm test -- --unit         unit tests only
//   npm test -- --all          also the tiers that need more: real kube-apiserver, browser
//   npm test -- PATTERN        only files whose path contains PATTERN

import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { fetchNewerDebian } from './newer-debian.ts';

interface Outcome {
  passed: number;
  failed: number;
  readonly skipped: { readonly name: string; readonly reason: string }[];
  readonly failures: string[];
}

/** Debian packages whose programs the system tiers drive, and one program to recognise each by. */
const PEERS = [
  { package: 'iproute2', program: '/usr/sbin/ip' },
  { package: 'nftables', program: '/usr/sbin/nft' },
  { package: 'bird2', program: '/usr/sbin/bird' },
  { package: 'frr', program: '/usr/lib/frr/bgpd' },
  { package: 'tshark', program: '/usr/bin/tshark' },
  { package: 'tcpdump', program: '/usr/bin/tcpdump' },
  { package: 'stayrtr', program: '/usr/bin/stayrtr' },
  { package: 'bgpdump', program: '/usr/bin/bgpdump' },
  { package: 'kubernetes-client', program: '/usr/bin/kubectl' },
] as const;
const MORE_PEERS = [
  { package: 'chromium', program: '/usr/bin/chromium' },
  { package: 'etcd-server', program: '/usr/bin/etcd' },
  { package: 'gobgpd', program: '/usr/bin/gobgpd' },
  { package: 'openbgpd', program: '/usr/sbin/bgpd' },
  { package: 'exabgp', program: '/usr/sbin/exabgp' },
] as const;

const root = join(import.meta.dirname, '..');
const flags = new Set(process.argv.slice(2).filter((arg) => arg.startsWith('--')));
const patterns = process.argv.slice(2).filter((arg) => !arg.startsWith('--'));

// Whoever reads this may stop (`| head`): the tests go on, because each cleans up after itself.
process.stdout.on('error', () => undefined);

const startedAt = performance.now();
const total: Outcome = { passed: 0, failed: 0, skipped: [], failures: [] };

const units = ['{{packages,apps,tools}/*/src/**,bench}/*.test.ts', 'test/sim/networks.test.ts'];
await runTier('unit', units, 2);
if (!flags.has('--unit')) {
  installPeers(flags.has('--all') ? [...PEERS, ...MORE_PEERS] : PEERS);
  const system = ['test/{interop,scenarios,faults,fuzz,lab}/**/*.test.ts', 'test/sim/many.test.ts'];
  await runTier('system', system, 1);
  if (flags.has('--all')) {
    fetchNewerPeers();
    buildApiserver();
    await runTier('extended', ['test/{browser,kube,matrix}/**/*.test.ts'], 1);
  } else
    skip('test/browser, test/kube, test/matrix', 'they run with "npm test -- --all", as CI does');
}
report();

async function runTier(name: string, globs: readonly string[], concurrency: number): Promise<void> {
  const files = globSync([...globs], { cwd: root })
    .filter(isWanted)
    .sort()
    .map((file) => join(root, file));
  if (files.length === 0) return;
  console.log(`\n${name}: ${files.length} files`);
  const stream = run({ files, concurrency, cwd: root, timeout: 420_000 });
  let file = '';
  const said = new Map<string, string>();
  stream.on('test:stderr', ({ file: of, message }) => {
    said.set(of, ((said.get(of) ?? '') + message).slice(-2000));
  });
  stream.on('test:pass', (event) => {
    if (isContainer(event)) return;
    if (event.skip !== undefined) {
      skip(event.name, typeof event.skip === 'string' ? event.skip : 'no reason given');
      return;
    }
    total.passed++;
    if (name !== 'unit')
      console.log(`  ok   ${event.name} (${seconds(event.details.duration_ms)})`);
  });
  stream.on('test:fail', (event) => {
    if (isContainer(event) && !isFileFailure(event)) return;
    total.failed++;
    const error = event.details.error;
    const cause = error.cause instanceof Error ? error.cause : error;
    file = event.file?.replace(`${root}/`, '') ?? '';
    const death = isFileFailure(event) ? lastWordsOf(error, said.get(event.name)) : '';
    const text = `${file}: ${event.name}\n${indent((cause.stack ?? cause.message) + death)}`;
    total.failures.push(text);
    console.log(`  FAIL ${text}`);
  });
  await new Promise((resolve) => {
    stream.on('end', resolve);
    stream.resume();
  });
}

function isWanted(file: string): boolean {
  return patterns.length === 0 || patterns.some((pattern) => file.includes(pattern));
}

/** Suites, and files as a whole, repeat what their tests already said. */
function isContainer(event: { readonly details: { readonly type?: string | undefined } }): boolean {
  return event.details.type === 'suite';
}

/** A file that could not be loaded, or died, has no test of its own to carry the failure. */
function isFileFailure(event: { readonly nesting: number; readonly name: string }): boolean {
  return event.nesting === 0 && event.name.endsWith('.ts');
}

/** What is known of a file that ended by other means than a test: its process may have crashed. */
function lastWordsOf(error: object, stderr = ''): string {
  const { exitCode, signal } = error as { exitCode?: number; signal?: string };
  return `\nexit code ${exitCode}, signal ${signal}\n${stderr}`;
}

function installPeers(
  peers: readonly { readonly package: string; readonly program: string }[],
): void {
  const missing = peers.filter((peer) => !existsSync(peer.program));
  if (missing.length === 0) return;
  const names = missing.map((peer) => peer.package);
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.log(`\nnot installed, and this user may not install them: ${names.join(', ')}`);
    return;
  }
  console.log(`\ninstalling real peers from Debian: ${names.join(', ')}`);
  const apt = (...args: string[]): number =>
    spawnSync('apt-get', ['-qq', '-o', 'Dpkg::Use-Pty=0', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status ?? 1;
  apt('update');
  // One by one: a package that cannot be had must not take the others with it.
  for (const name of names) {
    if (apt('install', '-y', '--no-install-recommends', name) !== 0) {
      console.log(`could not install ${name}: its tests will say that they skip`);
    }
  }
}

/** The daemons of a newer Debian, for the interop matrix. */
function fetchNewerPeers(): void {
  if (!isWanted('test/matrix/matrix.test.ts')) return;
  const problem = fetchNewerDebian();
  if (problem === undefined) return;
  console.log(
    `\ncould not fetch the daemons of a newer Debian (${problem}): their tests will skip`,
  );
}

/** Ahead of its tests and outside their time limit: it shows its progress and is done only once. */
function buildApiserver(): void {
  if (!isWanted('test/kube/real-apiserver.test.ts')) return;
  const build = join(root, 'test/kube/apiserver/build.ts');
  spawnSync(process.execPath, [build], { cwd: root, stdio: 'inherit' });
}

function skip(name: string, reason: string): void {
  total.skipped.push({ name, reason });
}

function report(): void {
  if (total.skipped.length > 0) {
    console.log('\nskipped:');
    for (const { name, reason } of total.skipped) console.log(`  ${name}: ${reason}`);
  }
  if (total.failures.length > 0) {
    console.log('\nfailed:');
    for (const failure of total.failures) console.log(`  ${failure.split('\n')[0]}`);
  }
  console.log(`\n${seconds(performance.now() - startedAt)} in all`);
  // A selection that matches nothing proves nothing.
  if (total.passed + total.failed === 0) total.failed = 1;
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exit(total.failed > 0 ? 1 : 0);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function indent(text: string): string {
  return text.replace(/^/gm, '       ');
}
