// The disk of the router's log fills up: sessions and routes do not notice, one message says so on
// the other sink, and the log goes on by itself when there is room again.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BIRD_CONF, Lab, MANIFESTS, SERVICE, until, when } from '@rookery/lab';
import { kernelNextHops } from '../support/network.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout();
const state = skip ? '' : await insideSandbox();
const DISK = join(state, 'small-disk');
const LOG = join(DISK, 'bird.log');
const BALLAST = join(DISK, 'ballast');
const CONF = BIRD_CONF.mergePaths.replace('log syslog all;', `log syslog all;\nlog "${LOG}" all;`);
const VIP = '192.168.2.1';
const FULL = `Cannot write log to ${LOG}: `;

let lab: Lab;

before(async () => {
  if (skip) return;
  mkdirSync(DISK);
  // The mount lives in the sandbox and ends with it.
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', DISK]);
  lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'rookery' });
  lab.cluster!.apply(MANIFESTS);
  lab.cluster!.apply(SERVICE);
  await lab.router.start(CONF);
  await lab.node('node1').start();
  await until('the route', 40_000, async () => when((await kernelNextHops(lab, VIP)).size === 1));
});

after(async () => lab?.close());

test('a full disk: sessions stay, one message says so', { skip }, async () => {
  assert.match(readFileSync(LOG, 'utf8'), /<INFO> Started|node1: BGP session established/);
  const since = await establishedSince();
  fillDisk();
  await lab.node('node2').start();
  const said = await lab.syslog.line(FULL, 10_000);
  assert.match(said.text, /No space left on device; trying again with each line$/);
  // A new neighbor works too; it makes the router say a hundred things.
  await until('the other route', 20_000, async () =>
    when((await kernelNextHops(lab, VIP)).size === 2),
  );
  const times = lab.syslog.lines.filter(({ text }) => text.includes(FULL)).length;
  assert.equal(times, 1, 'said once');
  assert.equal(await establishedSince(), since, 'the session is the same');
});

test('the log goes on when there is room again', { skip }, async () => {
  rmSync(BALLAST);
  await lab.router.configure(`${CONF}# changed\n`);
  const said = await lab.syslog.line(`Log to ${LOG} works again`, 5000);
  assert.match(said.text, /works again, [1-9]\d* lines were lost$/);
  await until('new lines', 5000, () => when(/Reconfigured/.test(readFileSync(LOG, 'utf8'))));
  for (const line of readFileSync(LOG, 'utf8').trimEnd().split('\n')) {
    assert.match(line, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} <[A-Z]+> /, 'whole lines only');
  }
  assert.equal((await kernelNextHops(lab, VIP)).size, 2);
});

/** Since when node1's session is up, as birdc prints it. */
async function establishedSince(): Promise<string> {
  const text = await lab.router.birdc('show protocols node1');
  const since = /^node1 .* up +(\S+) +Established/m.exec(text)?.[1];
  assert.ok(since !== undefined, text);
  return since;
}

/** Leaves a few octets, so that a line is cut in the middle too. */
function fillDisk(): void {
  const page = 4096;
  const { bavail } = statfsSync(DISK);
  writeFileSync(BALLAST, Buffer.alloc(bavail * page));
  assert.equal(statfsSync(DISK).bavail, 0);
}
