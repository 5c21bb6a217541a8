import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectionFor, KubeClient } from '@rookery/kube';
import { createApiServer, metallbCrds } from '@rookery/kube-embedded';
import type { ApiServer } from '@rookery/kube-embedded';
import type { ClusterLog } from './cluster-log.ts';
import { parseControllerOptions } from './cluster-options.ts';
import { runController } from './controller.ts';

type Json = Record<string, any>;

const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'metallb' } };
const inMetallb = (kind: string, name: string, spec: Json): Json => ({
  apiVersion: 'metallb.io/v1beta1',
  kind,
  metadata: { name, namespace: 'metallb' },
  spec,
});
/** The post's three objects. */
const POST = [
  inMetallb('IPAddressPool', 'bgp-pool', { addresses: ['192.168.2.0/24'], avoidBuggyIPs: true }),
  inMetallb('BGPPeer', 'bgp-router-peer', {
    peerAddress: '192.168.1.1',
    peerASN: 64496,
    myASN: 64497,
  }),
  inMetallb('BGPAdvertisement', 'bgp-pool-advertisement', {
    ipAddressPools: ['bgp-pool'],
    peers: ['bgp-router-peer'],
  }),
];
const OTHER = inMetallb('IPAddressPool', 'other-pool', {
  addresses: ['192.168.3.10-192.168.3.20'],
  autoAssign: false,
});
const web = (name: string, annotations: Json = {}, spec: Json = {}): Json => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', annotations },
  spec: { type: 'LoadBalancer', selector: { app: 'web' }, ports: [{ port: 80 }], ...spec },
});

interface Cluster {
  readonly api: ApiServer;
  readonly client: KubeClient;
  readonly lines: string[];
  apply(...objects: Json[]): void;
  get(path: string): Promise<Json>;
  until<T>(what: string, look: () => Promise<T | undefined>): Promise<T>;
  start(...args: string[]): () => Promise<void>;
  end(): Promise<void>;
}

async function openCluster(): Promise<Cluster> {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-controller-'));
  const api = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, await api.kubeconfig());
  const connection = connectionFor({ kubeconfig, env: {} });
  assert.ok(connection.ok);
  const client = new KubeClient(connection.value, 'test');
  const lines: string[] = [];
  const note = (fields: object, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log: ClusterLog = { debug: note, info: note, warn: note, error: note };
  const stops: (() => Promise<void>)[] = [];
  api.apply(NAMESPACE as never, ...(metallbCrds() as never[]));
  const get = async (path: string): Promise<Json> => {
    const answer = await client.request({ path });
    assert.ok(answer.ok, path);
    return answer.value as Json;
  };
  return {
    api,
    client,
    lines,
    apply: (...objects) => void api.apply(...(objects as never[])),
    get,
    async until(what, look) {
      const startMs = performance.now();
      for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        if (performance.now() - startMs > 10_000) {
          throw new Error(`waited for: ${what}\n${lines.join('\n')}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    start(...args) {
      const command = parseControllerOptions(
        ['--namespace', 'metallb', '--port', '0', ...args],
        {},
      );
      assert.ok(!('error' in command));
      const stop = new AbortController();
      const own = new KubeClient(connection.value, 'controller');
      const done = runController(command, own, { log, signal: stop.signal });
      const end = async (): Promise<void> => {
        stop.abort();
        await done;
      };
      stops.push(end);
      return end;
    },
    async end() {
      for (const stop of stops) await stop();
      client.close();
      await api.close();
      rmSync(directory, { recursive: true });
    },
  };
}

const serviceAt = (name: string): string => `/api/v1/namespaces/default/services/${name}`;

function ipOf(service: Json): string | undefined {
  return service['status']?.loadBalancer?.ingress?.[0]?.ip;
}

test('the post: the service gets 192.168.2.1, moves to another pool by annotation, and back', async () => {
  const cluster = await openCluster();
  try {
    cluster.apply(...POST, OTHER, web('web'));
    cluster.start();
    const ipIs = (ip: string, name = 'web'): Promise<Json> =>
      cluster.until(`${name} has ${ip}`, async () => {
        const service = await cluster.get(serviceAt(name));
        return ipOf(service) === ip ? service : undefined;
      });
    const first = await ipIs('192.168.2.1');
    assert.equal(first['metadata'].annotations['metallb.io/ip-allocated-from-pool'], 'bgp-pool');

    cluster.apply(web('second'));
    await ipIs('192.168.2.2', 'second');
    const annotate = (pool: string): void =>
      cluster.apply(web('web', { 'metallb.io/address-pool': pool }));
    annotate('other-pool');
    const moved = await ipIs('192.168.3.10');
    assert.equal(moved['metadata'].annotations['metallb.io/ip-allocated-from-pool'], 'other-pool');
    annotate('bgp-pool');
    await ipIs('192.168.2.1');

    const events = await cluster.until('the events', async () => {
      const { items } = await cluster.get('/api/v1/events');
      const texts = (items as Json[]).map(
        (event) =>
          `${event['involvedObject'].kind}/${event['involvedObject'].name} ${event['type']} ${event['reason']}: ${event['message']}`,
      );
      return texts.some((text) => text.includes('192.168.3.10')) ? texts : undefined;
    });
    assert.ok(
      events.includes('Service/web Normal IPAllocated: Assigned IP ["192.168.2.1"]'),
      events.join('\n'),
    );
    const lint = events.find((text) =>
      text.startsWith('BGPPeer/bgp-router-peer Warning TimersUnset'),
    );
    assert.match(lint ?? '', /a dead node is never detected.*hold time 8s and keepalive 2s/);

    const status = await cluster.until('the pool status', async () => {
      const pool = await cluster.get(
        '/apis/metallb.io/v1beta1/namespaces/metallb/ipaddresspools/bgp-pool',
      );
      return pool['status']?.assignedIPv4 === 2 ? pool['status'] : undefined;
    });
    assert.deepEqual(status, {
      assignedIPv4: 2,
      assignedIPv6: 0,
      availableIPv4: 252,
      availableIPv6: 0,
    });
    const state = await cluster.until('the ConfigurationState', async () => {
      const answer = await cluster.client.request({
        path: '/apis/metallb.io/v1beta1/namespaces/metallb/configurationstates/controller',
      });
      return answer.ok ? ((answer.value as Json)['status'] as Json | undefined) : undefined;
    });
    assert.equal(state['result'], 'Valid');
    assert.equal(state['conditions'][0].type, 'poolReconcilerValid');
  } finally {
    await cluster.end();
  }
});

test('a restarted controller honours what services hold before it gives anything new', async () => {
  const cluster = await openCluster();
  try {
    cluster.apply(...POST);
    cluster.apply({
      ...web('z-old'),
      status: { loadBalancer: { ingress: [{ ip: '192.168.2.1' }] } },
    });
    cluster.apply(web('a-new'));
    const stop = cluster.start();
    const fresh = await cluster.until('a-new has an address', async () =>
      ipOf(await cluster.get(serviceAt('a-new'))),
    );
    assert.equal(fresh, '192.168.2.2');
    assert.equal(ipOf(await cluster.get(serviceAt('z-old'))), '192.168.2.1');
    await stop();
    cluster.start();
    cluster.apply(web('third'));
    const third = await cluster.until('third has an address', async () =>
      ipOf(await cluster.get(serviceAt('third'))),
    );
    assert.equal(third, '192.168.2.3');
    assert.equal(ipOf(await cluster.get(serviceAt('a-new'))), '192.168.2.2');
  } finally {
    await cluster.end();
  }
});

test('a bad pool is refused by name, the last good one stays; a freed address goes to who waits', async () => {
  const cluster = await openCluster();
  try {
    const tiny = inMetallb('IPAddressPool', 'tiny', { addresses: ['10.9.9.9/32'] });
    cluster.apply(tiny, web('one'));
    cluster.start();
    await cluster.until('one has the address', async () =>
      ipOf(await cluster.get(serviceAt('one'))),
    );
    cluster.apply(web('two'));
    await cluster.until('the refusal of two', async () => {
      const { items } = await cluster.get('/api/v1/events');
      return (items as Json[]).find(
        (event) => event['message'] === 'Failed to allocate IP for "default/two": no available IPs',
      );
    });
    cluster.apply(inMetallb('IPAddressPool', 'bad', { addresses: ['10.9.9.9/33'] }));
    const state = await cluster.until('Invalid', async () => {
      const answer = await cluster.client.request({
        path: '/apis/metallb.io/v1beta1/namespaces/metallb/configurationstates/controller',
      });
      const status = answer.ok ? (answer.value as Json)['status'] : undefined;
      return status?.result === 'Invalid' ? (status as Json) : undefined;
    });
    assert.match(
      state['errorSummary'],
      /IPAddressPool metallb\/bad: .*invalid CIDR "10\.9\.9\.9\/33"/,
    );
    assert.equal(ipOf(await cluster.get(serviceAt('one'))), '10.9.9.9');
    const gone = await cluster.client.request({ method: 'DELETE', path: serviceAt('one') });
    assert.ok(gone.ok);
    await cluster.until('two has the address', async () =>
      ipOf(await cluster.get(serviceAt('two'))) === '10.9.9.9' ? true : undefined,
    );
  } finally {
    await cluster.end();
  }
});

test('of two controllers with leader election one allocates, and the other follows it', async () => {
  const cluster = await openCluster();
  try {
    cluster.apply(...POST, web('web'));
    const stop = cluster.start('--leader-elect', '--pod-name', 'one');
    await cluster.until('web has an address', async () =>
      ipOf(await cluster.get(serviceAt('web'))),
    );
    cluster.start('--leader-elect', '--pod-name', 'two');
    await stop();
    cluster.apply(web('next'));
    await cluster.until('next has an address', async () =>
      ipOf(await cluster.get(serviceAt('next'))),
    );
    const lease = await cluster.get(
      '/apis/coordination.k8s.io/v1/namespaces/metallb/leases/metallb-controller',
    );
    assert.equal(lease['spec'].holderIdentity, 'two');
  } finally {
    await cluster.end();
  }
});
