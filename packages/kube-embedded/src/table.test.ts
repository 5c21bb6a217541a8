import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from './object.ts';
import { ageText, customColumns, durationText, renderTable, valuesAtPath } from './table.ts';
import { builtinColumns } from './table-columns.ts';

const nowMs = Date.parse('2026-01-02T00:00:00Z');
const options = { nowMs, includeObject: 'None', withHeaders: true } as const;

function cellsOf(object: KubeObject, columns: ReturnType<typeof builtinColumns>): unknown {
  const table = renderTable([object], columns, {}, options);
  return (table['rows'] as { cells: unknown }[])[0]?.cells;
}

const durations: [ms: number, expected: string][] = [
  [0, '0s'],
  [119_000, '119s'],
  [120_000, '2m'],
  [185_000, '3m5s'],
  [660_000, '11m'],
  [11_000_000, '3h3m'],
  [36_000_000, '10h'],
  [200_000_000, '2d7h'],
  [800_000_000, '9d'],
  [-500, '0s'],
  [-9000, '<invalid>'],
];
for (const [ms, expected] of durations) {
  test(`a duration of ${ms} ms is ${expected}`, () => assert.equal(durationText(ms), expected));
}

test('ages', () => {
  assert.equal(ageText(undefined, nowMs), '<unknown>');
  assert.equal(ageText('2026-01-01T23:59:18Z', nowMs), '42s');
});

test('a LoadBalancer service: pending, then its address', () => {
  const service: KubeObject = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.2',
      ports: [{ port: 80, nodePort: 30811, protocol: 'TCP' }],
      selector: { app: 'web' },
    },
  };
  const columns = builtinColumns('Service');
  assert.deepEqual(cellsOf(service, columns), [
    'web',
    'LoadBalancer',
    '10.96.0.2',
    '<pending>',
    '80:30811/TCP',
    '24h',
    'app=web',
  ]);
  service['status'] = { loadBalancer: { ingress: [{ ip: '192.168.2.1' }] } };
  assert.deepEqual((cellsOf(service, columns) as string[])[3], '192.168.2.1');
});

test('a pod, a node, an endpoint slice', () => {
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', creationTimestamp: '2026-01-01T23:59:00Z' },
    spec: { containers: [{ name: 'a' }, { name: 'b' }], nodeName: 'n1' },
    status: {
      phase: 'Running',
      podIP: '10.0.0.1',
      containerStatuses: [
        { ready: true, restartCount: 2 },
        { ready: false, state: { waiting: { reason: 'CrashLoopBackOff' } } },
      ],
    },
  };
  assert.deepEqual((cellsOf(pod, builtinColumns('Pod')) as unknown[]).slice(0, 7), [
    'p',
    '1/2',
    'CrashLoopBackOff',
    '2',
    '60s',
    '10.0.0.1',
    'n1',
  ]);
  const node: KubeObject = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n', labels: { 'node-role.kubernetes.io/control-plane': '' } },
    spec: { unschedulable: true },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  assert.deepEqual((cellsOf(node, builtinColumns('Node')) as unknown[]).slice(0, 3), [
    'n',
    'Ready,SchedulingDisabled',
    'control-plane',
  ]);
  const slice: KubeObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's' },
    addressType: 'IPv4',
    ports: [{ port: 80 }],
    endpoints: ['1', '2', '3', '4'].map((n) => ({ addresses: [`10.0.0.${n}`] })),
  };
  assert.equal(
    (cellsOf(slice, builtinColumns('EndpointSlice')) as unknown[])[3],
    '10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...',
  );
});

test('printer columns of custom resources: lists as JSON, missing values as null, dates as ages', () => {
  const object: KubeObject = {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'pool', creationTimestamp: '2026-01-01T23:00:00Z' },
    spec: { autoAssign: true, addresses: ['192.168.2.0/24'] },
  };
  const columns = customColumns([
    { name: 'Auto', type: 'boolean', jsonPath: '.spec.autoAssign' },
    { name: 'Addresses', type: 'string', jsonPath: '.spec.addresses' },
    { name: 'Gone', type: 'string', jsonPath: '.spec.gone' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ]);
  assert.deepEqual(cellsOf(object, columns), ['pool', true, '["192.168.2.0/24"]', null, '60m']);
});

test('JSON paths: indexes, wildcards, quoted keys, filters', () => {
  const root = {
    a: [
      { t: 'x', v: 1 },
      { t: 'y', v: 2 },
    ],
    'b.c': { d: 3 },
  };
  assert.deepEqual(valuesAtPath(root, '.a[1].v'), [2]);
  assert.deepEqual(valuesAtPath(root, '.a[*].v'), [1, 2]);
  assert.deepEqual(valuesAtPath(root, ".['b.c'].d"), [3]);
  assert.deepEqual(valuesAtPath(root, '.a[?(@.t=="y")].v'), [2]);
  assert.deepEqual(valuesAtPath(root, '.nope.x'), []);
});
