import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectionFor, KubeClient, SideWrites } from '@rookery/kube';
import { createApiServer, metallbCrds } from '@rookery/kube-embedded';
import type { ApiServer } from '@rookery/kube-embedded';
import { withRouteChanges } from '@rookery/router';
import type { RouterConfig } from '@rookery/router';
import { BgpStatusWriter } from './bgp-status.ts';
import type { ClusterLog } from './cluster-log.ts';
import { ClusterState } from './cluster-state.ts';
import { NodeAnnouncer } from './node-announcer.ts';

type Json = Record<string, any>;

const inMetallb = (kind: string, name: string, spec: Json): Json => ({
  apiVersion: 'metallb.io/v1beta1',
  kind,
  metadata: { name, namespace: 'metallb' },
  spec,
});
const SEED = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'metallb' } },
  ...metallbCrds(),
  { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' } },
  inMetallb('IPAddressPool', 'bgp-pool', { addresses: ['192.168.2.0/24'] }),
  inMetallb('BGPPeer', 'router', { peerAddress: '192.168.1.1', peerASN: 64496, myASN: 64497 }),
  inMetallb('BGPAdvertisement', 'adv', {}),
];

function service(name: string, ip: string): Json[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip }] } },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.2.7.5'], conditions: { ready: true } }],
      ports: [{ port: 80 }],
    },
  ];
}

async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const startMs = performance.now();
  while (!(await check())) {
    if (performance.now() - startMs > 15_000) throw new Error(`waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function recordingLog(): { readonly log: ClusterLog; readonly lines: string[] } {
  const lines: string[] = [];
  const note = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { log: { debug: note, info: note, warn: note, error: note }, lines };
}

test('an API server that goes away and comes back: no route is lost, and news arrive', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-outage-'));
  const openApi = (port: number): Promise<ApiServer> =>
    createApiServer({
      stateFile: join(directory, 'state.db'),
      certificateDirectory: join(directory, 'certificates'),
      listen: [{ host: '127.0.0.1', port }],
    });
  let api = await openApi(0);
  const port = Number(new URL(api.url).port);
  api.apply(...([...SEED, ...service('web', '192.168.2.1')] as never[]));
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, await api.kubeconfig());
  const connection = connectionFor({ kubeconfig, env: {} });
  assert.ok(connection.ok);
  const client = new KubeClient(connection.value);
  const { log, lines } = recordingLog();
  const applied: (readonly string[])[] = [];
  let inForce: RouterConfig | undefined;
  const routesOf = (router: RouterConfig): readonly string[] =>
    router.protocols.flatMap((protocol) =>
      protocol.kind === 'static' ? protocol.routes.map((route) => route.net) : [],
    );
  const cluster: ClusterState = new ClusterState(
    client,
    { namespace: 'metallb', role: 'speaker' },
    {
      log,
      handlers: {
        onSynced: () => announcer.start(),
        onChange: (change) => announcer.onChange(change),
      },
    },
  );
  const announcer: NodeAnnouncer = new NodeAnnouncer(
    'node1',
    cluster,
    {
      apply: (router) => applied.push(routesOf((inForce = router))),
      change: (routes) => applied.push(routesOf((inForce = withRouteChanges(inForce!, routes)))),
      decided: () => undefined,
      announced: () => undefined,
      configured: () => undefined,
    },
    { lbClass: '', ignoreExcludeLabel: false },
    log,
  );
  try {
    cluster.start();
    await until('the first route', () => applied.at(-1)?.join() === '192.168.2.1/32');
    const before = applied.length;
    await api.close();
    await until('the loss in the log', () =>
      lines.some((line) => line.startsWith('lost contact with the API server')),
    );
    assert.equal(applied.length, before, 'nothing changes while the server is away');
    api = await openApi(port);
    await until('contact again', () =>
      lines.some((line) => line.startsWith('contact with the API server again')),
    );
    api.apply(...(service('second', '192.168.2.2') as never[]));
    await until('the new route', () => applied.at(-1)?.includes('192.168.2.2/32') === true);
    assert.ok(
      applied.slice(before).every((routes) => routes.includes('192.168.2.1/32')),
      'the old route never vanished',
    );
    const losses = lines.filter((line) => line.startsWith('lost contact'));
    assert.equal(losses.length, 1, 'one sentence for all caches');
  } finally {
    await cluster.stop();
    client.close();
    await api.close();
    rmSync(directory, { recursive: true });
  }
});

test('ServiceBGPStatus follows what is announced, and is put right when somebody deletes it', async () => {
  const api = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
  const directory = mkdtempSync(join(tmpdir(), 'rookery-status-'));
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, await api.kubeconfig());
  const connection = connectionFor({ kubeconfig, env: {} });
  assert.ok(connection.ok);
  const client = new KubeClient(connection.value);
  api.apply(...(SEED as never[]));
  const { log } = recordingLog();
  const side = new SideWrites();
  const options = { namespace: 'metallb', node: 'node1' };
  const writer = new BgpStatusWriter(client, options, { log, side });
  const statuses = async (): Promise<Json[]> => {
    const path = '/apis/metallb.io/v1beta1/namespaces/metallb/servicebgpstatuses';
    const answer = await client.request({ path });
    return answer.ok ? ((answer.value as Json)['items'] as Json[]) : [];
  };
  const peersAre = (expected: string): Promise<void> =>
    until(`peers ${expected}`, async () => {
      const items = await statuses();
      return items.map((item) => item['status']?.peers?.join('+')).join() === expected;
    });
  try {
    writer.start();
    writer.want('default/web', ['one', 'two']);
    await peersAre('one+two');
    const [status] = await statuses();
    assert.match(status!['metadata'].name, /^bgp-/);
    assert.equal(status!['metadata'].labels['metallb.io/service-name'], 'web');
    assert.deepEqual(
      [status!['status'].node, status!['status'].serviceName, status!['status'].serviceNamespace],
      ['node1', 'web', 'default'],
    );
    writer.want('default/web', ['one']);
    await peersAre('one');
    const path = `/apis/metallb.io/v1beta1/namespaces/metallb/servicebgpstatuses/${status!['metadata'].name}`;
    assert.ok((await client.request({ method: 'DELETE', path })).ok);
    await until('a new object in place of the deleted one', async () => {
      const items = await statuses();
      return items.length === 1 && items[0]!['metadata'].name !== status!['metadata'].name;
    });
    await peersAre('one');
    writer.want('default/web', []);
    await peersAre('');
    assert.equal((await statuses()).length, 0);
  } finally {
    await writer.stop();
    client.close();
    await api.close();
    rmSync(directory, { recursive: true });
  }
});
