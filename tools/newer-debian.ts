// The BGP daemons of a newer Debian beside this machine's: apt fetches them from the mirror that the
// machine uses, into a folder with the libraries that they need, and each runs with that folder as
// its root. Nothing is installed, no right of root is needed, the folder can be deleted any time.

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Where the programs of a package are and how they are run. */
export interface Installation {
  /** The path of a program as this machine sees it. */
  readonly locate: (program: string) => string;
  readonly command: (argv: readonly string[]) => readonly string[];
}

/** What is installed here. */
export const INSTALLED: Installation = { locate: (program) => program, command: (argv) => argv };

const RELEASE = 'trixie';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const ROOT = join(import.meta.dirname, '../.rookery', RELEASE);
/** The daemons, and what a shell command may want. */
const PACKAGES = ['bird2', 'frr', 'gobgpd', 'openbgpd', 'base-files', 'coreutils', 'dash'];
/** Conflict with one of those: each gets a folder below /opt. */
const ALONE = ['bird3'];
/** What the packages' scripts would have made of these files. */
const FILES = {
  'etc/passwd': `root:x:0:0::/root:/bin/sh
frr:x:900:900::/run/frr:/bin/false
_openbgpd:x:901:901::/run/openbgpd:/bin/false
`,
  'etc/group': `root:x:0:
frr:x:900:
_openbgpd:x:901:
frrvty:x:902:frr
`,
  'etc/pam.d/other': 'account required pam_permit.so\n',
};
/** In a folder that is complete: what it was made from. */
const RECIPE = JSON.stringify([PACKAGES, ALONE, FILES]);

const MOUNT_AND_RUN = `
root=$1; shift
for dir in dev proc run tmp; do mount --rbind /$dir "$root/$dir"; done
exec chroot "$root" "$@"`;

export const NEWER: Installation = {
  locate: (program) => join(ROOT, program),
  // A mount namespace per process, so that no mount outlives it.
  command: (argv) => ['unshare', '--mount', 'sh', '-ec', MOUNT_AND_RUN, 'sh', ROOT, ...argv],
};

/** Fetches and unpacks once; returns why that was not possible. */
export function fetchNewerDebian(): string | undefined {
  const recipe = join(ROOT, 'recipe');
  if (existsSync(recipe) && readFileSync(recipe, 'utf8') === RECIPE) return undefined;
  const work = `${ROOT}.${process.pid}`;
  mkdirSync(join(work, 'apt/cache'), { recursive: true });
  try {
    download(join(work, 'apt'));
    unpack(join(work, 'apt/cache/archives'), join(work, 'root'));
    writeFileSync(join(work, 'root/recipe'), RECIPE);
    rmSync(ROOT, { recursive: true, force: true });
    renameSync(join(work, 'root'), ROOT);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The packages and everything below them, as if nothing were installed. */
function download(dir: string): void {
  const sources = join(dir, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${mirror()} ${RELEASE} main\n`);
  writeFileSync(join(dir, 'status'), '');
  const options = [
    ...[`Dir::State=${dir}`, `Dir::State::status=${dir}/status`, `Dir::Cache=${dir}/cache`],
    ...[`Dir::Etc::sourcelist=${sources}`, 'Dir::Etc::sourceparts=/dev/null'],
    ...['Acquire::Languages=none', 'APT::Install-Recommends=false', 'APT::Sandbox::User='],
  ].flatMap((option) => ['-o', option]);
  run('apt-get', '-qq', ...options, 'update');
  for (const names of [PACKAGES, ...ALONE.map((name) => [name])]) {
    run('apt-get', '-qq', ...options, 'install', '--yes', '--download-only', ...names);
  }
}

/** The mirror that this machine takes its own release from. */
function mirror(): string {
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  const format = '$(REPO_URI) $(RELEASE)';
  const rows = run('apt-get', 'indextargets', '--format', format, 'Component: main').split('\n');
  const [found] = rows.filter((row) => row.endsWith(` ${codename}`));
  if (found === undefined)
    throw new Error(`apt has no source of ${codename ?? 'a Debian release'}`);
  return found.split(' ')[0]!;
}

function unpack(archives: string, root: string): void {
  // base-files comes first: it makes /lib and its like the links that others follow.
  const rank = (name: string): number => (name.startsWith('base-files_') ? 0 : 1);
  const files = readdirSync(archives).filter((name) => name.endsWith('.deb'));
  for (const file of files.sort((a, b) => rank(a) - rank(b))) {
    const alone = ALONE.find((name) => file.startsWith(`${name}_`));
    const target = alone === undefined ? root : join(root, 'opt', alone);
    mkdirSync(target, { recursive: true });
    run('dpkg-deb', '--extract', join(archives, file), target);
  }
  for (const [path, text] of Object.entries(FILES)) writeFileSync(join(root, path), text);
}

function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1) ?? `${program}: ${status}`);
  return stdout;
}
