// Every static check, in the order in which a mistake is cheapest to read: types of the pure core
// (no sockets, no clock), types of everything, layers, lint, formatting.
//
//   npm run check      all of them
//   npm run format     writes what the formatter wants instead of complaining

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

interface Check {
  readonly name: string;
  readonly argv: readonly string[];
}

const root = join(import.meta.dirname, '..');
const lintRoot = join(root, 'tools/lint');
const tsc = join(root, 'node_modules/.bin/tsc');
const oxlint = join(lintRoot, 'node_modules/.bin/oxlint');
const oxfmt = join(lintRoot, 'node_modules/.bin/oxfmt');

installLinter();
const checks: readonly Check[] = process.argv.includes('--format')
  ? [{ name: 'format', argv: [oxfmt, '.'] }]
  : [
      { name: 'types of the core', argv: [tsc, '-p', 'tsconfig.core.json'] },
      { name: 'types', argv: [tsc, '-p', 'tsconfig.json'] },
      { name: 'layers', argv: [process.execPath, 'tools/check-layers.ts'] },
      { name: 'lint', argv: [oxlint, '--type-aware', '--deny-warnings'] },
      { name: 'format', argv: [oxfmt, '--check', '.'] },
    ];
process.exitCode = checks.filter((check) => !passes(check)).length > 0 ? 1 : 0;

function passes({ name, argv }: Check): boolean {
  const started = performance.now();
  const [file = '', ...args] = argv;
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${join(lintRoot, 'node_modules/.bin')}:${process.env['PATH']}` },
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
  if (status !== 0) console.log(`${stdout}${stderr}`.trimEnd());
  return status === 0;
}

function installLinter(): void {
  if (existsSync(oxlint) && existsSync(oxfmt)) return;
  const args = ['install', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', [...args, '--prefix', lintRoot], {
    cwd: lintRoot,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    console.error('cannot install the linter (tools/lint); see above');
    process.exit(1);
  }
}
