// Every static check, in the order in which a mistake is cheapest to read: types of the pure core
// (no sockets, no clock), types of everything, lint, layers, formatting.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

const checks: readonly { readonly name: string; readonly argv: readonly string[] }[] = [
  { name: 'types of the core', argv: [bin('tsc'), '-p', 'tsconfig.core.json'] },
  { name: 'types', argv: [bin('tsc'), '-p', 'tsconfig.json'] },
  { name: 'lint', argv: [bin('oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'layers', argv: [process.execPath, 'tools/check-layers.ts'] },
  { name: 'format', argv: [bin('oxfmt'), '--check', '.'] },
];

let failed = 0;
for (const check of checks) {
  const started = performance.now();
  const [file = '', ...args] = check.argv;
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: root, encoding: 'utf8' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'} ${check.name} (${seconds} s)`);
  if (status !== 0) {
    failed++;
    console.log(`${stdout}${stderr}`.trimEnd());
  }
}
process.exitCode = failed > 0 ? 1 : 0;
