import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { builtinReference } from '../schema/builtin.ts';
import { applyJsonPatch, applyMergePatch } from './json-patch.ts';
import { applyStrategicPatch } from './strategic.ts';

test('JSON patch: every operation of RFC 6902', () => {
  const document = { a: { b: [1, 2] }, 'x/y': 1 };
  const patched = applyJsonPatch(document, [
    { op: 'test', path: '/a/b/0', value: 1 },
    { op: 'add', path: '/a/b/-', value: 3 },
    { op: 'add', path: '/a/b/0', value: 0 },
    { op: 'replace', path: '/x~1y', value: 2 },
    { op: 'copy', from: '/a/b', path: '/c' },
    { op: 'move', from: '/a/b', path: '/d' },
    { op: 'remove', path: '/d/0' },
  ]);
  assert.deepEqual(patched, { a: {}, 'x/y': 2, c: [0, 1, 2, 3], d: [1, 2, 3] });
  assert.deepEqual(document, { a: { b: [1, 2] }, 'x/y': 1 });
});

const badPatches: [name: string, patch: unknown, code: number][] = [
  ['not a list', {}, 400],
  ['unknown operation', [{ op: 'burn', path: '/a' }], 400],
  ['missing value', [{ op: 'add', path: '/a' }], 400],
  ['missing path', [{ op: 'remove', path: '/nope' }], 422],
  ['failing test', [{ op: 'test', path: '/a', value: 2 }], 422],
  ['index out of range', [{ op: 'add', path: '/l/9', value: 1 }], 422],
  ['pointer without slash', [{ op: 'add', path: 'a', value: 1 }], 400],
];
for (const [name, patch, code] of badPatches) {
  test(`JSON patch refused: ${name}`, () => {
    assert.throws(() => applyJsonPatch({ a: 1, l: [] }, patch), { code });
  });
}

test('merge patch: the examples of RFC 7386', () => {
  assert.deepEqual(applyMergePatch({ a: 'b', c: { d: 'e', f: 'g' } }, { a: 'z', c: { f: null } }), {
    a: 'z',
    c: { d: 'e' },
  });
  assert.deepEqual(applyMergePatch({ a: [1] }, { a: [2, null] }), { a: [2, null] });
  assert.deepEqual(applyMergePatch({}, { a: { bb: { ccc: null } } }), { a: { bb: {} } });
  assert.deepEqual(applyMergePatch({ a: 'foo' }, 'bar'), 'bar');
});

test('a merge patch from a document to itself with everything set changes nothing', () => {
  const value = fc.dictionary(
    fc.string(),
    fc.oneof(fc.integer(), fc.string(), fc.array(fc.integer())),
  );
  fc.assert(
    fc.property(value, (document) => {
      assert.deepEqual(applyMergePatch(document, document), { ...document });
    }),
    { seed: 7 },
  );
});

const service = builtinReference('V1Service');
const daemonSet = builtinReference('V1DaemonSet');

test('strategic merge: ports merge by port, other fields of the entry stay', () => {
  const live = { spec: { ports: [{ port: 80, nodePort: 30000 }, { port: 443 }] } };
  const patch = {
    spec: { ports: [{ port: 80, name: 'web' }, { $patch: 'delete', port: 443 }, { port: 53 }] },
  };
  assert.deepEqual(applyStrategicPatch(live, patch, service), {
    spec: { ports: [{ port: 80, nodePort: 30000, name: 'web' }, { port: 53 }] },
  });
});

test('strategic merge: containers by name, env by name, args replaced, order set', () => {
  const live = {
    spec: {
      template: {
        spec: {
          containers: [
            { name: 'a', image: '1', args: ['x'], env: [{ name: 'E', value: '1' }] },
            { name: 'b', image: '2' },
          ],
        },
      },
    },
  };
  const patch = {
    spec: {
      template: {
        spec: {
          '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }],
          containers: [{ name: 'a', args: ['y'], env: [{ name: 'F', value: '2' }] }],
        },
      },
    },
  };
  assert.deepEqual(applyStrategicPatch(live, patch, daemonSet), {
    spec: {
      template: {
        spec: {
          containers: [
            { name: 'b', image: '2' },
            {
              name: 'a',
              image: '1',
              args: ['y'],
              env: [
                { name: 'E', value: '1' },
                { name: 'F', value: '2' },
              ],
            },
          ],
        },
      },
    },
  });
});

test('strategic merge: finalizers are a set, $deleteFromPrimitiveList removes', () => {
  const live = { metadata: { finalizers: ['a', 'b'] } };
  const patch = {
    metadata: { finalizers: ['b', 'c'], '$deleteFromPrimitiveList/finalizers': ['a'] },
  };
  assert.deepEqual(applyStrategicPatch(live, patch, service), {
    metadata: { finalizers: ['b', 'c'] },
  });
});

test('strategic merge: null removes, $patch replace replaces, $retainKeys keeps only those', () => {
  const live = {
    spec: { selector: { a: '1' }, type: 'ClusterIP' },
    metadata: { labels: { x: '1', y: '2' } },
  };
  const patch = { spec: { type: null }, metadata: { labels: { $patch: 'replace', z: '3' } } };
  assert.deepEqual(applyStrategicPatch(live, patch, service), {
    spec: { selector: { a: '1' } },
    metadata: { labels: { z: '3' } },
  });
  const strategy = {
    spec: { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0 } } },
  };
  const retain = { spec: { updateStrategy: { $retainKeys: ['type'], type: 'OnDelete' } } };
  assert.deepEqual(applyStrategicPatch(strategy, retain, daemonSet), {
    spec: { updateStrategy: { type: 'OnDelete' } },
  });
});

test('strategic merge: an entry without its merge key is 400', () => {
  assert.throws(
    () => applyStrategicPatch({ spec: {} }, { spec: { ports: [{ name: 'x' }] } }, service),
    { code: 400 },
  );
});
