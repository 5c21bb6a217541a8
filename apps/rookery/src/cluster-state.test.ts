import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { KubeClient } from '@rookery/kube';
import type { ClusterLog } from './cluster-log.ts';
import { ClusterState } from './cluster-state.ts';
import type { ClusterChange } from './cluster-state.ts';

const service = (name: string, resourceVersion: string, spec: unknown): object => ({
  metadata: { name, namespace: 'default', uid: `u-${name}`, resourceVersion },
  spec,
});

test('garbage is named once, its last good form stays, and heartbeats are not told', async () => {
  const watches = new Map<string, ServerResponse>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    const plural = url.pathname.split('/').at(-1)!;
    response.writeHead(200);
    if (url.searchParams.get('watch') === 'true') {
      watches.set(plural, response);
      response.flushHeaders();
      return;
    }
    const items =
      plural === 'services'
        ? [service('web', '1', { type: 'LoadBalancer' }), service('odd', '2', { ports: 'many' })]
        : plural === 'nodes'
          ? [{ metadata: { name: 'node1', resourceVersion: '3' } }]
          : [];
    response.end(JSON.stringify({ metadata: { resourceVersion: '5' }, items }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new KubeClient({
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    insecure: false,
    authorization: async () => ({ ok: true, value: undefined }),
    origin: 'test',
  });
  const lines: string[] = [];
  const changes: ClusterChange[] = [];
  let wake = (): void => undefined;
  const note = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
    wake();
  };
  const log: ClusterLog = { debug: note, info: note, warn: note, error: note };
  const state = new ClusterState(
    client,
    { namespace: 'metallb', role: 'controller' },
    {
      log,
      handlers: {
        onSynced: () => wake(),
        onChange: (change) => {
          changes.push(change);
          wake();
        },
      },
    },
  );
  const until = async (check: () => boolean): Promise<void> => {
    while (!check()) await new Promise<void>((resolve) => (wake = resolve));
  };
  const send = (plural: string, type: string, object: object): void =>
    void watches.get(plural)!.write(`${JSON.stringify({ type, object })}\n`);
  state.start();
  await until(() => state.synced);
  assert.deepEqual([...state.services.keys()], ['default/web']);
  assert.ok(
    lines.some((line) => line.includes('Service default/odd') && line.includes('spec.ports')),
  );
  while (!watches.has('services') || !watches.has('nodes')) {
    await new Promise((resolve) => setImmediate(resolve));
  }

  send('services', 'MODIFIED', service('web', '6', { type: 7 }));
  await until(() => lines.some((line) => line.includes('its last good form stays in force')));
  assert.equal(state.services.get('default/web')?.type, 'LoadBalancer');

  // A new version that says nothing new, then one that does: only the second is told.
  send('nodes', 'MODIFIED', { metadata: { name: 'node1', resourceVersion: '7' } });
  send('nodes', 'MODIFIED', {
    metadata: { name: 'node1', resourceVersion: '8', labels: { a: 'b' } },
  });
  await until(() => changes.length > 0);
  assert.deepEqual(changes, [{ config: false, nodes: new Set(['node1']), services: new Set() }]);

  send('services', 'DELETED', service('web', '9', {}));
  await until(() => changes.length > 1);
  assert.equal(state.services.size, 0);
  await state.stop();
  client.close();
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});
