import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../api-error.ts';
import { decodeProtobuf } from './protobuf.ts';

/** A field of text, bytes or an embedded message. */
const field = (number: number, ...parts: (string | Buffer)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part as string)));
  return Buffer.concat([varint((number << 3) | 2), varint(body.length), body]);
};
const int = (number: number, value: number): Buffer =>
  Buffer.concat([varint(number << 3), varint(value)]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

const envelope = (apiVersion: string, kind: string, ...raw: Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, field(1, apiVersion), field(2, kind)),
    field(2, ...raw),
    field(3, ''),
    field(4, ''),
  ]);

test('a service: texts, numbers, maps, int-or-string, and the empty values Go sends are left out', () => {
  const metadata = field(
    1,
    field(1, 'web'),
    field(2, ''),
    field(3, 'default'),
    field(8),
    field(11, field(1, 'a'), field(2, 'b')),
  );
  const port = field(
    1,
    field(1, ''),
    field(2, 'TCP'),
    int(3, 80),
    field(4, int(1, 0), int(2, 8080), field(3, '')),
    int(5, 0),
  );
  const named = field(
    1,
    field(1, 'x'),
    int(3, 443),
    field(4, int(1, 1), int(2, 0), field(3, 'https')),
  );
  const spec = field(
    2,
    port,
    named,
    field(2, field(1, 'app'), field(2, 'web')),
    field(4, 'LoadBalancer'),
    int(12, 0),
    int(13, 0),
    int(20, 0),
  );
  assert.deepEqual(decodeProtobuf(envelope('v1', 'Service', metadata, spec, field(3, field(1)))), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default', labels: { a: 'b' } },
    spec: {
      ports: [
        { protocol: 'TCP', port: 80, targetPort: 8080 },
        { name: 'x', port: 443, targetPort: 'https' },
      ],
      selector: { app: 'web' },
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
    },
  });
});

test('a secret in bytes, times, quantities, managed fields', () => {
  const entry = field(
    17,
    field(1, 'm'),
    field(2, 'Update'),
    field(4, int(1, 1_767_225_600)),
    field(6, 'FieldsV1'),
    field(7, field(1, '{"f:data":{}}')),
  );
  const secret = decodeProtobuf(
    envelope(
      'v1',
      'Secret',
      field(1, field(1, 's'), entry),
      field(2, field(1, 'k'), field(2, Buffer.of(0, 255))),
    ),
  );
  assert.deepEqual(secret['data'], { k: 'AP8=' });
  assert.deepEqual(secret['metadata'], {
    name: 's',
    managedFields: [
      {
        manager: 'm',
        operation: 'Update',
        time: '2026-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': {} },
      },
    ],
  });
  const hard = field(1, field(1, 'pods'), field(2, field(1, '10')));
  const quota = decodeProtobuf(
    envelope('v1', 'ResourceQuota', field(1, field(1, 'q')), field(2, hard)),
  );
  assert.deepEqual(quota['spec'], { hard: { pods: '10' } });
});

test('what is not in the table is refused, not dropped', () => {
  assert.throws(() => decodeProtobuf(envelope('v1', 'constructor')), { code: 415 });
  assert.throws(() => decodeProtobuf(envelope('v1', 'Pod', field(1, field(1, 'p')))), {
    code: 415,
  });
  assert.throws(() => decodeProtobuf(envelope('v1', 'ConfigMap', field(77, 'x'))), {
    code: 415,
    message: /field 77 of ConfigMap/,
  });
});

test('any bytes either decode or are an ApiError', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom('Service', 'Deployment', 'Event', 'Secret'),
      (bytes, kind) => {
        try {
          decodeProtobuf(
            envelope(kind === 'Deployment' ? 'apps/v1' : 'v1', kind, Buffer.from(bytes)),
          );
        } catch (error) {
          assert.ok(error instanceof ApiError, String(error));
        }
      },
    ),
    { seed: 3, numRuns: 500 },
  );
});
