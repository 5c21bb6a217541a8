import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { AttributeCodec, BlockTranscoder, PrefixStore, Table, UpdateGroup } from '@rookery/rib';
import type { Policy } from '@rookery/rib';
import { Router } from '@rookery/router';
import { giveMemoryBack } from './memory.ts';
import { Rehearsal, rehearse } from './rehearsal.ts';

/** Of `%GetOptimizationStatus`, Node 26. */
const OPTIMIZED = 1 << 3;

for (const options of [
  { filtered: false, kernel: true, apart: false, fails: false },
  { filtered: true, kernel: true, apart: false, fails: false },
  { filtered: false, kernel: false, apart: true, fails: false },
]) {
  test(`a rehearsal takes routes in and out again, and ends: ${JSON.stringify(options)}`, () => {
    const rehearsal = new Rehearsal(options);
    let most = 0;
    let steps = 0;
    while (rehearsal.step()) {
      steps++;
      most = Math.max(most, rehearsal.routeCount);
      assert.ok(steps < 10_000, 'no end');
    }
    assert.ok(most >= 2000, `most routes at the same time: ${most}`);
    assert.equal(rehearsal.routeCount, 0);
  });
}

test('a rehearsal loses next hops with many routes behind them', (t) => {
  const { mock } = t.mock.method(Router.prototype, 'takeOrders');
  const rehearsal = new Rehearsal({ filtered: false, kernel: true, apart: false, fails: true });
  while (rehearsal.step());
  const kindsOfTurns = mock.calls.map(({ result }) => result!.map(({ kind }) => kind));
  const failures = kindsOfTurns.filter((kinds) => kinds.includes('tcpClose'));
  const failure = ['kernelNexthop', 'tcpSend', 'tcpClose'];
  assert.deepEqual(failures, [failure, failure]);
});

test('what was compiled is still there when memory was given back', async () => {
  setFlagsFromString('--allow-natives-syntax');
  const statusOf = runInThisContext('(f) => %GetOptimizationStatus(f)') as (f: unknown) => number;
  const filter = { reads: { net: false, protocol: false }, run: () => undefined };
  const policy: Policy = { kind: 'filter', name: 'any', text: '', filter };
  await new Promise<void>((onDone) => {
    rehearse({ isBusy: () => false, onBegin: () => undefined, onDone, policies: [policy] });
  });
  for (let i = 0; i < 8; i++) {
    giveMemoryBack();
    await delay(1);
  }
  const hot: readonly (readonly [object, string])[] = [
    [BlockTranscoder.prototype, 'transcode'],
    [PrefixStore.prototype, 'internBatch'],
    [Table.prototype, 'applyBatch'],
    [UpdateGroup.prototype, 'stageAll'],
    // Filters take attributes apart and put them together again.
    [AttributeCodec.prototype, 'decodeRoute'],
    [AttributeCodec.prototype, 'encodeRoute'],
  ];
  const dropped = hot
    .filter(([owner, name]) => (statusOf(Reflect.get(owner, name)) & OPTIMIZED) === 0)
    .map(([, name]) => name);
  assert.deepEqual(dropped, []);
});
