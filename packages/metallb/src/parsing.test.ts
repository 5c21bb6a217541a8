import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCommunities, parseCommunity, renderCommunity } from './community.ts';
import { parseDurationMs, renderDurationSec } from './duration.ts';
import { countServingEndpoints, hasServingEndpoint, isServing } from './endpoints.ts';
import { stackFamilyOf } from './family.ts';
import { selectorMatches } from './label-selector.ts';
import { slice } from './objects.fixture.ts';

test('communities', () => {
  const outcome = (text: string): string => {
    const result = parseCommunity(text);
    return result.ok ? renderCommunity(result.value) : result.error.message;
  };
  assert.equal(outcome('12345:12345'), '12345:12345');
  assert.equal(outcome('65535:65281'), '65535:65281');
  assert.match(outcome('12345'), /invalid community format/);
  assert.match(outcome('12345:12345:12345'), /invalid community format/);
  assert.equal(outcome('large:12345:12345:12345'), '12345:12345:12345');
  assert.match(outcome('larg:1:2:3'), /expected community to be of format large/);
  assert.match(outcome('large:12345:wrong:12345'), /invalid section/);
  const order = (a: string, b: string): number => {
    const [x, y] = [parseCommunity(a), parseCommunity(b)];
    assert.ok(x.ok && y.ok);
    return Math.sign(compareCommunities(x.value, y.value));
  };
  assert.equal(order('0:1234', '0:2345'), -1);
  assert.equal(order('large:1234:0:0', 'large:1234:0:1'), -1);
  assert.equal(order('65535:1', '65535:1'), 0);
});

test('families', () => {
  const family = (list: string[]): string => {
    const result = stackFamilyOf(list);
    return result.ok ? result.value : 'error';
  };
  assert.equal(family(['1.2.3.4']), 'ipv4');
  assert.equal(family(['100::1']), 'ipv6');
  assert.equal(family(['1.2.3.4', '100::1']), 'dual');
  for (const bad of [['1.2.3.4', '1.2.3.5'], ['', ''], ['bad'], ['1.2.3.4', '::1', '::2'], []]) {
    assert.equal(family(bad), 'error');
  }
});

test('serving endpoints', () => {
  const rows: [{ ready?: boolean; serving?: boolean }, boolean][] = [
    [{ ready: true }, true],
    [{ ready: false, serving: true }, true],
    [{ ready: true, serving: false }, true],
    [{}, true],
    [{ ready: false, serving: false }, false],
    [{ ready: false }, false],
  ];
  for (const [conditions, expected] of rows) {
    assert.equal(isServing({ addresses: [], ...conditions }), expected);
  }
  const entry = (nodeName: string, address: string, ready: boolean): Record<string, unknown> => ({
    nodeName,
    addresses: [address],
    conditions: { ready },
  });
  const slices = [
    slice('web', [entry('n1', '10.0.0.1', false), entry('n1', '10.0.0.1', true)]),
    slice('web', [entry('n2', '10.0.0.2', false), entry('n1', '10.0.0.3', true)]),
  ];
  assert.equal(hasServingEndpoint(slices), true);
  assert.equal(hasServingEndpoint(slices, 'n1'), true);
  assert.equal(hasServingEndpoint(slices, 'n2'), false);
  assert.equal(countServingEndpoints(slices, 'n1'), 2);
});

test('durations as Go writes them', () => {
  const rows: [string, number | undefined][] = [
    ['90s', 90_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['-3s', -3000],
    ['', undefined],
    ['90', undefined],
    ['soon', undefined],
  ];
  for (const [text, expected] of rows) assert.equal(parseDurationMs(text), expected, text);
  assert.equal(renderDurationSec(90), '1m30s');
  assert.equal(renderDurationSec(9), '9s');
});

test('label selectors', () => {
  const labels = { a: 'x', b: 'y' };
  const matches = (key: string, operator: string, values: string[] = []): boolean =>
    selectorMatches({ matchLabels: {}, matchExpressions: [{ key, operator, values }] }, labels);
  assert.equal(matches('a', 'In', ['x', 'z']), true);
  assert.equal(matches('c', 'In', ['x']), false);
  assert.equal(matches('a', 'NotIn', ['x']), false);
  assert.equal(matches('c', 'NotIn', ['x']), true);
  assert.equal(matches('a', 'Exists'), true);
  assert.equal(matches('c', 'DoesNotExist'), true);
  assert.equal(selectorMatches({ matchLabels: {}, matchExpressions: [] }, {}), true);
  assert.equal(selectorMatches({ matchLabels: { a: 'z' }, matchExpressions: [] }, labels), false);
});
