import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeRequest } from '@rookery/kube';
import { err, ok } from '@rookery/net';
import { writeService } from './service-status.ts';

const SERVICE = { metadata: { name: 'web', namespace: 'default' } } as Parameters<
  typeof writeService
>[1];
const DECIDED = { ingress: ['192.168.2.1'], allocatedFrom: 'bgp-pool' } as unknown as Parameters<
  typeof writeService
>[2];
const LIVE = {
  metadata: {
    name: 'web',
    resourceVersion: '7',
    annotations: { mine: 'kept', 'metallb.universe.tf/ip-allocated-from-pool': 'old' },
  },
  spec: { type: 'LoadBalancer' },
  status: { conditions: [] },
};

test("with MetalLB's own role the status is put where it may not be patched", async () => {
  const requests: KubeRequest[] = [];
  const written = await writeService(
    {
      request: async (request: KubeRequest) => {
        requests.push(request);
        if (request.method === 'PATCH') return forbidden();
        return ok(request.method === 'PUT' ? request.body : LIVE);
      },
    },
    SERVICE,
    DECIDED,
  );
  assert.deepEqual(
    requests.map(({ method, path }) => `${method ?? 'GET'} ${path}`),
    [
      'PATCH /api/v1/namespaces/default/services/web/status',
      'GET /api/v1/namespaces/default/services/web',
      'PUT /api/v1/namespaces/default/services/web/status',
    ],
  );
  assert.deepEqual(written, {
    ok: true,
    object: {
      ...LIVE,
      metadata: {
        ...LIVE.metadata,
        annotations: { mine: 'kept', 'metallb.io/ip-allocated-from-pool': 'bgp-pool' },
      },
      status: { conditions: [], loadBalancer: { ingress: [{ ip: '192.168.2.1' }] } },
    },
  });
});

test('a service that is gone needs no status, any other refusal is told', async () => {
  const answer = (status: number) => ({ request: async () => refused(status) });
  assert.deepEqual(await writeService(answer(404), SERVICE, DECIDED), { ok: true, object: null });
  const failed = await writeService(answer(500), SERVICE, DECIDED);
  assert.ok(!failed.ok && failed.error.includes('500'));
});

function forbidden() {
  return refused(403);
}

function refused(status: number) {
  return err({ kind: 'status', status, reason: 'Refused', message: 'no' } as const);
}
