import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../object.ts';
import { builtinReference } from '../schema/builtin.ts';
import { applyConfiguration } from './apply.ts';
import { decodeFieldSet, encodeFieldSet, fieldsOfObject } from './field-set.ts';
import { encodeManagers, managersAfterUpdate } from './managed-fields.ts';

const schema = builtinReference('V1Service');
const service = (spec: Record<string, unknown>, labels?: Record<string, string>): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default', ...(labels ? { labels } : {}) },
  spec,
});

function apply(
  live: KubeObject | undefined,
  applied: KubeObject,
  manager: string,
  force = false,
): KubeObject {
  const id = { manager, operation: 'Apply' as const, apiVersion: 'v1', subresource: '' };
  const { object, managers } = applyConfiguration({
    live,
    applied,
    schema,
    id,
    force,
    time: '2026-01-01T00:00:00Z',
  });
  return { ...object, metadata: { ...object.metadata, managedFields: encodeManagers(managers) } };
}

test('the field set of a service, as managedFields shows it', () => {
  const set = fieldsOfObject(
    service({ ports: [{ port: 80, protocol: 'TCP' }], selector: { a: 'b' } }, { x: 'y' }),
    schema,
  );
  assert.deepEqual(encodeFieldSet(set), {
    'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } },
    'f:spec': {
      'f:ports': {
        '.': {},
        'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {}, 'f:protocol': {} },
      },
      'f:selector': {},
    },
  });
  assert.deepEqual(encodeFieldSet(decodeFieldSet(encodeFieldSet(set))), encodeFieldSet(set));
});

test('apply creates, a second manager with another value conflicts, force takes over', () => {
  const live = apply(undefined, service({ type: 'LoadBalancer' }), 'one');
  assert.throws(() => apply(live, service({ type: 'NodePort' }), 'two'), {
    code: 409,
    reason: 'Conflict',
    message: 'Apply failed with 1 conflict: conflict with "one": .spec.type',
  });
  const forced = apply(live, service({ type: 'NodePort' }), 'two', true);
  assert.deepEqual(forced['spec'], { type: 'NodePort' });
  assert.deepEqual(
    forced.metadata.managedFields?.map((entry) => entry.manager),
    ['two'],
  );
});

test('the same value is shared, and stays while one manager still applies it', () => {
  const one = apply(undefined, service({ type: 'LoadBalancer', sessionAffinity: 'None' }), 'one');
  const both = apply(one, service({ type: 'LoadBalancer' }), 'two');
  const less = apply(both, service({ sessionAffinity: 'None' }), 'one');
  assert.deepEqual(less['spec'], { type: 'LoadBalancer', sessionAffinity: 'None' });
  const none = apply(less, service({}), 'two');
  assert.deepEqual(none['spec'], { sessionAffinity: 'None' });
});

test('a field no longer applied is removed, what others set stays', () => {
  const live = apply(
    undefined,
    service({ type: 'LoadBalancer', loadBalancerIP: '192.0.2.1' }, { a: '1', b: '2' }),
    'one',
  );
  const touched = { ...live, metadata: { ...live.metadata, labels: { a: '1', b: '2', c: '3' } } };
  const id = { manager: 'hand', operation: 'Update' as const, apiVersion: 'v1', subresource: '' };
  touched.metadata.managedFields = encodeManagers(
    managersAfterUpdate(live, touched, schema, id, 't'),
  );
  const after = apply(touched, service({ type: 'LoadBalancer' }, { a: '1' }), 'one');
  assert.deepEqual(after['spec'], { type: 'LoadBalancer' });
  assert.deepEqual(after.metadata.labels, { a: '1', c: '3' });
});

test('list entries are told apart by key: two managers, two ports, each removes its own', () => {
  const one = apply(undefined, service({ ports: [{ port: 80, name: 'a' }] }), 'one');
  const both = apply(one, service({ ports: [{ port: 443, name: 'b' }] }), 'two');
  assert.deepEqual(both['spec'], {
    ports: [
      { port: 80, name: 'a' },
      { port: 443, name: 'b' },
    ],
  });
  const left = apply(both, service({ ports: [] }), 'one');
  assert.deepEqual(left['spec'], { ports: [{ port: 443, name: 'b' }] });
});

test('an update takes over what it changes: the applier then conflicts on it', () => {
  const live = apply(undefined, service({ type: 'LoadBalancer' }), 'one');
  const edited = { ...live, spec: { type: 'ClusterIP' } };
  const id = { manager: 'edit', operation: 'Update' as const, apiVersion: 'v1', subresource: '' };
  edited.metadata = {
    ...edited.metadata,
    managedFields: encodeManagers(managersAfterUpdate(live, edited, schema, id, 't')),
  };
  assert.throws(() => apply(edited, service({ type: 'LoadBalancer' }), 'one'), {
    message: 'Apply failed with 1 conflict: conflict with "edit" using v1: .spec.type',
  });
});

test('an apply does not change the object it was given', () => {
  const live = apply(undefined, service({ selector: { a: '1' } }, { l: '1' }), 'one');
  const before = JSON.stringify(live);
  apply(live, service({}), 'one');
  assert.equal(JSON.stringify(live), before);
});
