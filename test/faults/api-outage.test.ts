// The API server goes away and comes back: no route is withdrawn, each daemon says so once, and what
// happened meanwhile is caught up with at once. ROOKERY_OUTAGE_SEC makes it last longer.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BIRD_CONF, end, Lab, MANIFESTS, NODES, SERVICE, until, when } from '@rookery/lab';
import { kernelNextHops } from '../support/network.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout();
const state = skip ? '' : await insideSandbox();
const OUTAGE_MS = Number(process.env['ROOKERY_OUTAGE_SEC'] ?? 20) * 1000;
const KEPT = '192.168.2.1';
const DELETED = '192.168.2.2';
const CREATED = '192.168.2.3';
const DAEMONS = [
  ['control', 'controller'],
  ...NODES.map((node) => [node.name, 'speaker'] as const),
] as const;

let lab: Lab;

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'rookery' });
  lab.cluster!.apply(MANIFESTS);
  lab.cluster!.apply(SERVICE);
  lab.cluster!.apply(serviceNamed('brief', DELETED));
  await lab.router.start(BIRD_CONF.mergePaths);
  await Promise.all([...lab.nodes.values()].map((node) => node.start()));
  await nextHops(KEPT, NODES.length);
  await nextHops(DELETED, NODES.length);
});

after(async () => lab?.close());

test('while the API server is away nothing is withdrawn and nobody floods', { skip }, async () => {
  const logsBefore = logs();
  const kernel = await watchKernelRoutes();
  lab.cluster!.interruptApi();
  const awayAtMs = performance.now();
  lab.cluster!.apply(serviceNamed('late', CREATED));
  lab.cluster!.remove({ kind: 'Service', namespace: 'default', name: 'brief' });
  lab.wan.keepAsking(KEPT, 50);
  await until('the outage to last', OUTAGE_MS + 5000, () =>
    when(performance.now() - awayAtMs >= OUTAGE_MS),
  );
  lab.wan.rest();
  await kernel.stop();

  assert.deepEqual(kernel.lines(), [], 'no route changed');
  const tally = lab.wan.tally();
  assert.ok(tally.total > OUTAGE_MS / 100, `only ${tally.total} requests were made`);
  assert.equal(tally.failed, 0, `${tally.failed} of ${tally.total} requests failed`);
  const sessions = await lab.router.birdc('show protocols');
  assert.equal(sessions.match(/Established/g)?.length, NODES.length, sessions);
  for (const [name, text] of logs()) {
    const said = text.slice(logsBefore.get(name)!.length).trim().split('\n');
    assert.equal(said.length, 1, `${name} says it once:\n${said.join('\n')}`);
    const line = JSON.parse(said[0]!) as { level: string; msg: string; error: string };
    assert.equal(line.level, 'warn');
    assert.match(line.msg, /^lost contact with the API server; the last known state stays/);
    assert.ok(line.error.length > 0, 'with the cause');
  }
});

test('once it is back, what was missed is caught up with in seconds', { skip }, async (t) => {
  const logsBefore = logs();
  lab.cluster!.restoreApi();
  const backAtMs = performance.now();
  await nextHops(CREATED, NODES.length, 15_000);
  t.diagnostic(`a service created meanwhile: ${elapsed(backAtMs)} after the return`);
  await nextHops(DELETED, 0, 5000);
  await nextHops(KEPT, NODES.length, 1000);
  for (const [place, daemon] of DAEMONS) {
    const path = join(state, place, `${daemon}.log`);
    const said = readFileSync(path, 'utf8').slice(logsBefore.get(`${place}/${daemon}`)!.length);
    assert.equal(said.match(/contact with the API server again/g)?.length, 1, said);
  }
});

/** As the post's service, with a name and an address of its own. */
function serviceNamed(name: string, address: string): string {
  return SERVICE.replace('name: web', `name: ${name}`).replace(
    'annotations:',
    `annotations:\n    metallb.io/loadBalancerIPs: ${address}`,
  );
}

function logs(): ReadonlyMap<string, string> {
  return new Map(
    DAEMONS.map(([place, daemon]) => {
      const path = join(state, place, `${daemon}.log`);
      return [`${place}/${daemon}`, existsSync(path) ? readFileSync(path, 'utf8') : ''];
    }),
  );
}

/** What happens to the routes in the router's kernel from now on. */
async function watchKernelRoutes(): Promise<{ lines(): readonly string[]; stop(): Promise<void> }> {
  const probe = '203.0.113.1/32';
  const child = lab.hosts.router.spawn(['ip', '-o', 'monitor', 'route'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
  // Whoever sees this route come and go sees every other.
  await until('the monitor to listen', 5000, async () => {
    await lab.hosts.router.ip(`route add blackhole ${probe}`, `route del blackhole ${probe}`);
    return when(output.includes('203.0.113.1'));
  });
  const seen = (): readonly string[] =>
    output.split('\n').filter((line) => line.includes('192.168.2.'));
  return { lines: seen, stop: () => end(child, 'SIGTERM') };
}

async function nextHops(address: string, count: number, timeoutMs = 40_000): Promise<void> {
  await until(`${count} next hops to ${address}`, timeoutMs, async () =>
    when((await kernelNextHops(lab, address)).size === count),
  );
}

function elapsed(sinceMs: number): string {
  return `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;
}
