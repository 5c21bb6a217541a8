// The lab's outer process: re-executes itself inside fresh mount and PID namespaces (and a user
// namespace for an ordinary user), so that every network namespace, mount and process of the lab
// ends with it, whatever ends it. Network namespaces are made later, one per host; the lab itself
// stays in the caller's, so that the page and the API are reachable on loopback.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const INNER = 'ROOKERY_LAB_STATE';
/** How long the inner process has to end by itself after Ctrl-C. */
const GRACE_MS = 2000;

/** The state directory when this process is already inside the sandbox. */
export function sandboxState(): string | undefined {
  return process.env[INNER];
}

/** What the sandbox needs and this machine or user lacks; empty when it can be built. */
export function missingForSandbox(): readonly string[] {
  const missing = ['ip', 'nft', 'unshare', 'setpriv', 'mount']
    .filter((program) => !findProgram(program))
    .map((program) => `the program "${program}" (Debian: ${PACKAGE_OF[program]})`);
  if (missing.length > 0) return missing;
  const probe = spawnSync('unshare', [...unshareFlags(), 'true'], { encoding: 'utf8' });
  if (probe.status !== 0) {
    missing.push(
      process.getuid?.() === 0
        ? `the right to create namespaces (CAP_SYS_ADMIN): ${probe.stderr.trim()}`
        : `unprivileged user namespaces: ${probe.stderr.trim()}; cure: run as root, or allow them ` +
            '(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)',
    );
  }
  return missing;
}

/** Runs this program again inside the sandbox and returns its exit status. */
export async function enterSandbox(argv: readonly string[]): Promise<number> {
  removeStaleStates();
  const state = join(tmpdir(), `rookery-lab-${process.getuid?.() ?? 0}-${process.pid}`);
  mkdirSync(state, { mode: 0o700 });
  writeFileSync(join(state, 'pid'), `${process.pid}\n`);
  const child = spawn(
    'setpriv',
    // The kernel ends the sandbox when this process ends, even by SIGKILL.
    ['--pdeathsig', 'KILL', 'unshare', ...unshareFlags(), process.execPath, ...argv],
    { stdio: 'inherit', env: { ...process.env, [INNER]: state } },
  );
  // Ctrl-C reaches the inner process by the terminal, which then ends by itself. `unshare` passes
  // nothing on, so whatever else should end the sandbox ends it at its root.
  let stoppedBy: number | undefined;
  const stop = (status: number): void => {
    stoppedBy = status;
    child.kill('SIGKILL');
  };
  process.on('SIGINT', () => setTimeout(() => stop(130), GRACE_MS).unref());
  process.on('SIGTERM', () => stop(143));
  process.on('SIGHUP', () => stop(129));
  const status = await new Promise<number>((resolve) => {
    child.on('error', () => resolve(1));
    child.on('exit', (code) => resolve(code ?? stoppedBy ?? 1));
  });
  rmSync(state, { recursive: true, force: true });
  return status;
}

/** First act inside: a private /run for `ip netns` and a private /dev with a /dev/log of our own. */
export function furnishSandbox(state: string): void {
  const script = `
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/frr /run/bird
mkdir -p "$1/dev"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for node in null zero full random urandom tty; do
  [ -e /dev/$node ] || continue
  touch "$1/dev/$node"; mount --bind /dev/$node "$1/dev/$node"
done
mkdir -p "$1/dev/pts" "$1/dev/shm"
mount --rbind /dev/pts "$1/dev/pts" 2>/dev/null || true
ln -s pts/ptmx "$1/dev/ptmx"; ln -s /proc/self/fd "$1/dev/fd"
ln -s fd/0 "$1/dev/stdin"; ln -s fd/1 "$1/dev/stdout"; ln -s fd/2 "$1/dev/stderr"
mount --rbind "$1/dev" /dev`;
  const result = spawnSync('sh', ['-c', script, 'sh', state], { encoding: 'utf8' });
  if (result.status !== 0) {
    throw new Error(`the lab's private mounts failed: ${result.stderr.trim()}`);
  }
}

/** Path of a program in PATH or the sbin directories that an ordinary user's PATH lacks. */
export function findProgram(name: string): string | undefined {
  const places = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin'];
  return places.map((place) => join(place, name)).find((path) => existsSync(path));
}

function unshareFlags(): readonly string[] {
  const flags = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  return process.getuid?.() === 0 ? flags : ['--user', '--map-root-user', ...flags];
}

/** A lab that was killed with its supervisor leaves its state directory; the next one removes it. */
function removeStaleStates(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(`rookery-lab-${process.getuid?.() ?? 0}-`)) continue;
    const path = join(tmpdir(), name);
    try {
      process.kill(Number(readFileSync(join(path, 'pid'), 'utf8')), 0);
    } catch {
      rmSync(path, { recursive: true, force: true });
    }
  }
}

const PACKAGE_OF: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
};
