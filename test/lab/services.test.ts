// Hundreds of LoadBalancer services at once in the lab: each has an address of its own, is announced
// and stands in the router's kernel; a controller that is killed and replaced changes no address
// and touches no route. The checks are those of bench/cluster.ts, with fewer services.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithout } from '../support/sandbox.ts';

const BENCH = join(import.meta.dirname, '../../bench/cluster.ts');

test('500 services at once survive the controller', { skip: skipWithout() }, async () => {
  const child = spawn(process.execPath, [BENCH, '500', '--quick'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const status = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(status, 0, output);
  assert.match(output, /^every address unique, each in the kernel, none changed/m);
});
