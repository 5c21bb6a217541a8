// Puts a test file into the lab's sandbox: the file runs again inside, and what node:test reports
// there passes through. Call it before the first test is defined.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { enterSandbox, furnishSandbox, missingForSandbox, sandboxState } from '@rookery/lab';

/** The command that runs Rookery: the bundle, as users do. */
export const SELF: readonly string[] = [
  process.execPath,
  join(import.meta.dirname, '../../dist/rookery.mjs'),
];

/** Returns the state directory inside; outside it does not return. */
export async function insideSandbox(): Promise<string> {
  const state = sandboxState();
  if (state) {
    furnishSandbox(state);
    return state;
  }
  process.exit(await enterSandbox([...process.execArgv, process.argv[1]!]));
}

/** Why the tests of a file cannot run here, or `false`: node:test's `skip` option. */
export function skipWithout(...programs: readonly string[]): string | false {
  const missing = [
    ...missingForSandbox(),
    ...programs.filter((path) => !existsSync(path)).map((path) => `the program ${path}`),
  ];
  return missing.length === 0 ? false : `this machine lacks ${missing.join('; ')}`;
}
