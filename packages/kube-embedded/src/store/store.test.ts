import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { KubeObject } from '../object.ts';
import { type Change, Store } from './store.ts';

const resource = '/configmaps';
const object = (name: string, data = '1'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'ns' },
  data: { data },
});

test('revisions rise by one with every change, deletions included', () => {
  const store = new Store({ file: ':memory:' });
  const first = store.put(resource, object('a'));
  const second = store.put(resource, object('a', '2'));
  const gone = store.remove(resource, second);
  const revisions = [first, second, gone].map((item) => Number(item.metadata.resourceVersion));
  assert.deepEqual(revisions, [revisions[0]!, revisions[0]! + 1, revisions[0]! + 2]);
  assert.equal(store.get(resource, 'ns', 'a'), undefined);
  store.close();
});

test('listeners get changes with the previous state', () => {
  const store = new Store({ file: ':memory:' });
  const seen: Change[] = [];
  const stop = store.subscribe(resource, (change) => seen.push(change));
  store.put(resource, object('a'));
  store.put(resource, object('a', '2'));
  store.put('/secrets', object('s'));
  stop();
  store.put(resource, object('b'));
  assert.deepEqual(
    seen.map((change) => change.type),
    ['ADDED', 'MODIFIED'],
  );
  assert.deepEqual(seen[1]?.previous?.['data'], { data: '1' });
  store.close();
});

test('history continues from a revision until it is compacted away', () => {
  const store = new Store({ file: ':memory:', historyLimit: 10 });
  const start = store.revision;
  for (let index = 0; index < 5; index += 1) store.put(resource, object(`o${index}`));
  const changes = store.changesSince(resource, start + 2);
  assert.ok(changes !== 'compacted');
  assert.deepEqual(
    changes.map((change) => change.object.metadata.name),
    ['o2', 'o3', 'o4'],
  );
  for (let index = 0; index < 20; index += 1) store.put(resource, object('x', String(index)));
  assert.equal(store.changesSince(resource, start + 2), 'compacted');
  store.close();
});

test('everything survives a restart: objects, history, revision, settings', () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-store-'));
  try {
    const file = join(directory, 'state.db');
    const before = new Store({ file });
    before.put(resource, object('a'));
    const removed = before.put(resource, object('b'));
    before.remove(resource, removed);
    before.saveSetting('k', 'v');
    const { revision } = before;
    before.close();
    const after = new Store({ file });
    assert.equal(after.revision, revision);
    assert.deepEqual(
      after.list(resource).map((item) => item.metadata.name),
      ['a'],
    );
    assert.equal(after.setting('k'), 'v');
    const changes = after.changesSince(resource, revision - 1);
    assert.ok(changes !== 'compacted');
    assert.deepEqual(
      changes.map((change) => change.type),
      ['DELETED'],
    );
    after.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
