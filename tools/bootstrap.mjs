// Entry of `npm start`, `npm test`, `npm run …` on a fresh clone with only the system's Node 20:
// installs what is locked, builds the bundle and the page, then hands over to the Node that the
// project brings along. Plain JavaScript on purpose: Node 20 cannot run TypeScript.

import { spawnSync } from 'node:child_process';
import { existsSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [command = 'help', ...args] = process.argv.slice(2);

const commands = {
  start: () => run(node(), ['dist/rookery.mjs', 'lab', ...args], { ROOKERY_ROOT: root }),
  test: () => run(node(), ['tools/test.ts', ...args]),
  bench: () => run(node(), ['bench/main.ts', ...args]),
  fuzz: () => run(node(), ['test/fuzz/run.ts', ...args]),
  check: () => run(node(), ['tools/check.ts', ...args]),
  build: () => 0,
};

const action = commands[command];
if (!action) fail(`unknown command "${command}": expected ${Object.keys(commands).join(', ')}`);
install();
if (command !== 'check') build();
process.exitCode = action();

/** `npm ci` unless node_modules was made from this very lockfile. */
function install() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing the locked dependencies (npm ci; half a minute on a fresh machine)');
  const npm = process.env.npm_execpath;
  const status = npm
    ? run(process.execPath, [npm, 'ci', '--loglevel=error'])
    : run('npm', ['ci', '--loglevel=error']);
  if (status !== 0) fail('npm ci failed: see above; nothing was started');
  const now = new Date();
  utimesSync(marker, now, now);
}

function build() {
  if (run(node(), ['tools/build.ts']) !== 0) fail('the build failed: see above');
}

/** The Node brought by optionalDependencies; they are optional to npm, not to us. */
function node() {
  const binary = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  if (existsSync(binary)) return binary;
  if (Number(process.versions.node.split('.')[0]) >= 26) return process.execPath;
  fail(
    `Node 26 is missing: npm did not install node-linux-${process.arch}, and this is Node ${process.versions.node}.\n` +
      'Cure: run "npm ci" again and look for its warning, or put Node 26 first in PATH.',
  );
}

function run(file, argv, env = {}) {
  const result = spawnSync(file, argv, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (result.error) fail(`cannot run ${file}: ${result.error.message}`);
  return result.status ?? 128;
}

function say(text) {
  process.stderr.write(`rookery: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}
