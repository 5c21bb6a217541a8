// The interop matrix: our router with every BGP daemon that Debian has, each feature a test with
// assertions on both ends. Writes docs/interop.md with UPDATE_DOCS=1, else checks that it is true.
// MATRIX_PEERS and MATRIX_SCENARIOS (words, with commas) select while working on it.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { insideSandbox, skipWithout } from '../support/sandbox.ts';
import { Bench } from './bench.ts';
import type { FeatureId } from './features.ts';
import type { Peer } from './peer.ts';
import { BIRDS } from './peers/bird.ts';
import { EXABGPS } from './peers/exabgp.ts';
import { FRRS } from './peers/frr.ts';
import { GOBGPS } from './peers/gobgp.ts';
import { OPENBGPDS } from './peers/openbgpd.ts';
import { type Cell, type Column, renderTable, withoutVersions } from './report.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';

const DOCUMENT = join(import.meta.dirname, '../../docs/interop.md');
const PEERS: readonly Peer[] = [...BIRDS, ...FRRS, ...GOBGPS, ...OPENBGPDS, ...EXABGPS];
const ONLY_PEERS = process.env['MATRIX_PEERS']?.split(',');
const ONLY_SCENARIOS = process.env['MATRIX_SCENARIOS']?.split(',');

const skip = skipWithout('/usr/sbin/nft');
if (!skip) await insideSandbox();

const columns = new Map<Peer, Column>();

// Sessions mostly wait: five peers at a time keep two cores busy.
test('interop matrix', { skip, concurrency: 5 }, async (t) => {
  const peers = PEERS.filter((peer) => selected(ONLY_PEERS, peer.id));
  await Promise.all(
    peers.map((peer) =>
      t.test(peer.id, { skip: skipWithout(...peer.programs) }, (t) => fillColumn(t, peer)),
    ),
  );
});

const whole = ONLY_PEERS === undefined && ONLY_SCENARIOS === undefined;
test('docs/interop.md says what the run saw', { skip }, (t) => {
  const missing = PEERS.filter((peer) => !columns.has(peer)).map((peer) => peer.id);
  if (!whole) return t.skip('only a part of the matrix was run');
  if (missing.length > 0) return t.skip(`not installed: ${missing.join(', ')}`);
  const seen = PEERS.map((peer) => columns.get(peer)!);
  for (const { name, cells } of seen) {
    for (const [feature, { kind }] of cells) assert.notEqual(kind, 'failed', `${name}: ${feature}`);
  }
  const table = renderTable(seen);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCUMENT, table);
  const published = withoutVersions(readFileSync(DOCUMENT, 'utf8'));
  assert.equal(published, withoutVersions(table), 'write it anew with UPDATE_DOCS=1');
});

async function fillColumn(t: TestContext, peer: Peer): Promise<void> {
  const bench = await Bench.build(`/run/matrix/${peer.id}`, peer);
  const cells = new Map<FeatureId, Cell>();
  for (const [feature, reason] of Object.entries(peer.cannot)) {
    cells.set(feature as FeatureId, { kind: 'cannot', reason });
  }
  columns.set(peer, {
    name: peer.name,
    version: await peer.version(bench.peerPlace.host),
    cells,
  });
  for (const scenario of SCENARIOS) {
    if (!selected(ONLY_SCENARIOS, scenario.name)) continue;
    if (scenario.features.every((feature) => feature in peer.cannot)) continue;
    await t.test(`${peer.id}: ${scenario.name}`, (t) => tryScenario(t, scenario, bench, cells));
  }
  await bench.destroy();
}

async function tryScenario(
  t: TestContext,
  scenario: Scenario,
  bench: Bench,
  cells: Map<FeatureId, Cell>,
): Promise<void> {
  const { peer } = bench;
  try {
    await scenario.run(bench, async (feature, cell) => {
      if (peer.cannot[feature] !== undefined) return;
      cells.set(feature, { kind: 'failed' });
      await t.test(`${peer.id}: ${feature}`, async () => {
        try {
          await cell();
        } catch (error) {
          throw await explained(bench, error);
        }
        const remark = peer.remarks?.[feature];
        cells.set(feature, { kind: 'works', ...(remark === undefined ? {} : { remark }) });
      });
    });
  } catch (error) {
    throw await explained(bench, error);
  } finally {
    await bench.stop();
  }
}

function selected(words: readonly string[] | undefined, name: string): boolean {
  return words === undefined || words.some((word) => name.toLowerCase().includes(word));
}

/** A failure with what both ends say. */
async function explained(bench: Bench, error: unknown): Promise<Error> {
  const ours = await bench.us.ask('show protocols all n1').catch(String);
  const theirs = await bench.peer.story().catch(String);
  const tail = (text: string): string => text.split('\n').slice(-30).join('\n');
  const message = error instanceof Error ? error.message : String(error);
  const parts = ['ours', ours, 'our log', tail(bench.us.log()), 'theirs', tail(theirs)];
  return new Error([message, ...parts].join('\n--- '));
}
