// The live page in real Chromium against the running lab: all is well, a node loses power, the page
// says so by itself, the node returns, the page says that too.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { BIRD_CONF, gatherFacts, Lab, MANIFESTS, NODES, SERVICE, until, when } from '@rookery/lab';
import { startPage } from '@rookery/web';
import { type Browser, chromium, type Page } from 'playwright-core';
import { kernelNextHops } from '../support/network.ts';
import { insideSandbox, SELF, skipWithout } from '../support/sandbox.ts';

const skip = skipWithout('/usr/bin/chromium');
const state = skip ? '' : await insideSandbox();

let lab: Lab;
let browser: Browser;
let view: Page;
let server: Awaited<ReturnType<typeof startPage>>;
const errors: string[] = [];

before(async () => {
  if (skip) return;
  lab = await Lab.build({ state, self: SELF, router: 'rookery', nodes: 'rookery' });
  lab.cluster!.apply(MANIFESTS);
  lab.cluster!.apply(SERVICE);
  await Promise.all([
    lab.router.start(BIRD_CONF.mergePaths),
    ...[...lab.nodes.values()].map((node) => node.start()),
  ]);
  await until('three next hops', 40_000, async () =>
    when((await kernelNextHops(lab, '192.168.2.1')).size === NODES.length),
  );
  server = await startPage({
    directory: join(import.meta.dirname, '../../dist/web'),
    port: 0,
    gather: () => gatherFacts(lab),
  });
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
  view = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  view.on('pageerror', (error) => errors.push(String(error)));
  view.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
});

after(async () => {
  await browser?.close();
  server?.close();
  await lab?.close();
});

test('three nodes in service, each with both ends in one row', { skip }, async () => {
  await view.goto(server.url);
  await view.getByRole('heading', { level: 1 }).waitFor();
  await view
    .locator('tr[data-up="true"]')
    .nth(NODES.length - 1)
    .waitFor({ timeout: 10_000 });
  const row = await view.locator('tr[data-node="node1"]').innerText();
  assert.equal((row.match(/Established/g) ?? []).length, 2, row);
  const service = await view.locator('tr[data-service="default/web"]').innerText();
  assert.match(service, /192\.168\.2\.1/);
  assert.match(service, /node1, node2, node3/);
});

test('a node loses power and the page says so', { skip }, async () => {
  await lab.powerOff('node2');
  await view.locator('tr[data-node="node2"][data-up="false"]').waitFor({ timeout: 15_000 });
  const verdict = await view.getByRole('status').innerText();
  assert.match(verdict, /node2 is out of service; 2 nodes carry the traffic/);
  assert.match(await view.locator('.timeline').innerText(), /node2 is out of service/);
  await view.screenshot({ path: join(state, 'page.png') });
});

test('the node returns and the page says so', { skip }, async () => {
  await lab.powerOn('node2');
  await view.locator('tr[data-node="node2"][data-up="true"]').waitFor({ timeout: 30_000 });
  assert.match(await view.locator('.timeline').innerText(), /node2 is in service/);
});

test('the page has no error on its console and refuses foreign hosts', { skip }, async () => {
  assert.deepEqual(errors, []);
  const response = await fetch(`${server.url}api/picture`, { headers: { host: 'evil.example' } });
  assert.ok(response.status === 421 || response.ok, String(response.status));
});
