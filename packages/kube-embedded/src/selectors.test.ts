import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from './object.ts';
import { matchesLabelSelector, parseFieldSelector, parseLabelSelector } from './selectors.ts';

const pod = (labels: Record<string, string>, nodeName = 'n1'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', labels },
  spec: { nodeName },
  status: { phase: 'Running' },
});

const labelCases: [selector: string, labels: Record<string, string>, expected: boolean][] = [
  ['', {}, true],
  ['a=b', { a: 'b' }, true],
  ['a==b', { a: 'b' }, true],
  ['a=b', { a: 'c' }, false],
  ['a!=b', {}, true],
  ['a!=b', { a: 'b' }, false],
  ['a', { a: '' }, true],
  ['!a', { a: '' }, false],
  ['!a', {}, true],
  ['a in (x,y),c', { a: 'y', c: '1' }, true],
  ['a in (x, y)', { a: 'z' }, false],
  ['a notin (x)', {}, true],
  ['a notin (x)', { a: 'x' }, false],
  ['n>3', { n: '4' }, true],
  ['n<3', { n: '4' }, false],
  ['kubernetes.io/service-name=web', { 'kubernetes.io/service-name': 'web' }, true],
];
for (const [selector, labels, expected] of labelCases) {
  test(`label selector "${selector}" on ${JSON.stringify(labels)} is ${expected}`, () => {
    assert.equal(parseLabelSelector(selector)(pod(labels)), expected);
  });
}

test('a label selector that does not parse is 400', () => {
  assert.throws(() => parseLabelSelector('a in x'), { code: 400 });
  assert.throws(() => parseLabelSelector('=,='), { code: 400 });
});

const fieldCases: [selector: string, expected: boolean][] = [
  ['metadata.name=p', true],
  ['metadata.name!=p', false],
  ['spec.nodeName=n1,status.phase!=Succeeded,status.phase!=Failed', true],
  ['spec.nodeName=n2', false],
];
for (const [selector, expected] of fieldCases) {
  test(`field selector "${selector}" is ${expected}`, () => {
    assert.equal(parseFieldSelector(selector, '/pods')(pod({})), expected);
  });
}

test('a field that the resource does not support is 400', () => {
  assert.throws(() => parseFieldSelector('spec.color=red', '/pods'), {
    code: 400,
    message: /field label not supported: spec.color/,
  });
});

test('events are found by the object they are about', () => {
  const event: KubeObject = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e' },
    involvedObject: { kind: 'Service', name: 'web', uid: 'u' },
  };
  const match = parseFieldSelector('involvedObject.name=web,involvedObject.uid=u', '/events');
  assert.equal(match(event), true);
});

test('a LabelSelector object: absent matches nothing, empty everything, expressions count', () => {
  assert.equal(matchesLabelSelector(undefined, { a: 'b' }), false);
  assert.equal(matchesLabelSelector({}, undefined), true);
  const selector = {
    matchLabels: { a: 'b' },
    matchExpressions: [{ key: 'c', operator: 'DoesNotExist' }],
  };
  assert.equal(matchesLabelSelector(selector, { a: 'b' }), true);
  assert.equal(matchesLabelSelector(selector, { a: 'b', c: '' }), false);
});
