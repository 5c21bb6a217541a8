// What a service costs, in figures that do not depend on the machine: requests to the API server,
// decisions, configurations derived, routes changed. Per service they are the same in a small
// cluster and in one five times as large; what bends shows here before it shows on a clock.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connectionFor, EventWriter, KubeClient, SideWrites } from '@rookery/kube';
import type { KubeConnection, KubeRequest } from '@rookery/kube';
import { createApiServer, metallbCrds } from '@rookery/kube-embedded';
import type { ApiServer } from '@rookery/kube-embedded';
import { peersOfAnnouncement } from '@rookery/metallb';
import { BgpStatusWriter } from './bgp-status.ts';
import type { ClusterLog } from './cluster-log.ts';
import { parseControllerOptions } from './cluster-options.ts';
import { ClusterState } from './cluster-state.ts';
import { runController } from './controller.ts';
import { NodeAnnouncer } from './node-announcer.ts';

type Json = Record<string, any>;

const ignore = (): void => undefined;
const LOG: ClusterLog = { debug: ignore, info: ignore, warn: ignore, error: ignore };
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
  inMetallb('IPAddressPool', 'pool', { addresses: ['10.77.0.0/16'] }),
  {
    ...inMetallb('BGPPeer', 'router', { peerAddress: '192.168.1.1', peerASN: 64496, myASN: 64497 }),
    apiVersion: 'metallb.io/v1beta2',
  },
  inMetallb('BGPAdvertisement', 'adv', {}),
];

const service = (name: string): Json[] => [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [{ port: 80 }] },
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

/** Counts requests by method and kind: "PATCH services/status". */
class CountingClient extends KubeClient {
  readonly counts = new Map<string, number>();

  constructor(connection: KubeConnection) {
    super(connection, 'costs');
  }

  override request(spec: KubeRequest): ReturnType<KubeClient['request']> {
    const [, kind, , subresource] =
      /(?:\/namespaces\/[^/]+)?\/([a-z]+)(?:\/([^/]+)(\/status)?)?$/.exec(spec.path) ?? [];
    const key = `${spec.method ?? 'GET'} ${kind}${subresource ?? ''}`;
    this.counts.set(key, this.of(key) + 1);
    return super.request(spec);
  }

  of(key: string): number {
    return this.counts.get(key) ?? 0;
  }
}

interface Run {
  readonly api: ApiServer;
  readonly client: CountingClient;
  readonly until: (what: string, check: () => boolean) => Promise<void>;
  /** Ends with the cluster, if the test does not end it before. */
  readonly ends: (() => Promise<void>)[];
}

/** A cluster with so many services, none of which has an address yet. */
async function withCluster(count: number, body: (run: Run) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-costs-'));
  const api = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
  });
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, await api.kubeconfig());
  const connection = connectionFor({ kubeconfig, env: {} });
  assert.ok(connection.ok);
  const client = new CountingClient(connection.value);
  api.apply(...(SEED as never[]));
  for (let i = 0; i < count; i++) api.apply(...(service(`web${i}`) as never[]));
  const ends: (() => Promise<void>)[] = [];
  try {
    await body({
      api,
      client,
      ends,
      async until(what, check) {
        const startMs = performance.now();
        while (!check()) {
          if (performance.now() - startMs > 30_000) throw new Error(`waited for: ${what}`);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    });
  } finally {
    for (const end of ends) await end();
    client.close();
    await api.close();
    rmSync(directory, { recursive: true });
  }
}

function withAddress(api: ApiServer): number {
  return api.api.store.list('/services').filter((object) => {
    const status = object['status'] as Json | undefined;
    return status?.['loadBalancer']?.ingress?.length > 0;
  }).length;
}

function startController(client: KubeClient, ends: Run['ends']): () => Promise<void> {
  const command = parseControllerOptions(['--namespace', 'metallb', '--port', '0'], {});
  assert.ok(!('error' in command));
  const stop = new AbortController();
  const done = runController(command, client, { log: LOG, signal: stop.signal });
  const end = async (): Promise<void> => {
    stop.abort();
    await done;
  };
  ends.push(end);
  return end;
}

for (const count of [10, 50]) {
  test(`controller, ${count} services: one write and one event each, none after a restart`, () =>
    withCluster(count, async ({ api, client, ends, until }) => {
      const stop = startController(client, ends);
      await until('all addresses', () => withAddress(api) === count);
      await until('all events', () => client.of('POST events') === count);
      await stop();
      assert.equal(client.of('PATCH services/status'), count);
      assert.equal(client.of('GET services'), 1, 'one page of the list, and never one service');

      const [before, revision] = [new Map(client.counts), api.api.store.revision];
      const second = new CountingClient(client.connection);
      const end = startController(second, ends);
      // One more service is the sentinel: what comes before it in the queue is done.
      api.apply(...(service('last') as never[]));
      await until('its address', () => withAddress(api) === count + 1);
      await until('its event', () => second.of('POST events') === 1);
      await end();
      assert.deepEqual(client.counts, before);
      assert.equal(second.of('PATCH services/status'), 1);
      const changes = api.api.store.changesSince('/services', revision);
      assert.ok(changes !== 'compacted');
      assert.equal(changes.length, 2, 'its creation and its status, nothing else');
    }));

  test(`speaker, ${count} services: one route, one event and one status object each`, () =>
    withCluster(count, async ({ api, client, ends, until }) => {
      const first = startSpeaker(client, ends);
      await until('the configuration', () => first.applied === 1);
      const stop = startController(new CountingClient(client.connection), ends);
      await until('all routes', () => first.changed === count);
      await until('all statuses', () => client.of('PATCH servicebgpstatuses/status') === count);
      await until('all events', () => client.of('POST events') === count);
      await stop();
      assert.equal(first.applied, 1, 'no configuration is derived for a service');
      assert.equal(client.of('POST servicebgpstatuses'), count);
      await first.stop();

      const second = startSpeaker(new CountingClient(client.connection), ends);
      await until('the configuration with all routes', () => second.applied === 1);
      api.apply(...(service('last') as never[]));
      const end = startController(new CountingClient(client.connection), ends);
      await until('its status', () => second.client.of('PATCH servicebgpstatuses/status') === 1);
      await end();
      await second.stop();
      assert.equal(second.changed, 1);
      assert.equal(second.client.of('POST servicebgpstatuses'), 1, 'the others were right');
      assert.equal(second.client.of('DELETE servicebgpstatuses'), 0);
    }));
}

/** A speaker as `runSpeaker` wires it, with counters in the place of the engine. */
function startSpeaker(
  client: CountingClient,
  ends: Run['ends'],
): {
  readonly client: CountingClient;
  readonly applied: number;
  readonly changed: number;
  stop(): Promise<void>;
} {
  const side = new SideWrites(0);
  const events = new EventWriter(client, { component: 'metallb-speaker', side });
  const statuses = new BgpStatusWriter(
    client,
    { namespace: 'metallb', node: 'node1' },
    { log: LOG, side },
  );
  const cluster: ClusterState = new ClusterState(
    client,
    { namespace: 'metallb', role: 'speaker' },
    {
      log: LOG,
      handlers: {
        onSynced: () => {
          announcer.start();
          statuses.start();
        },
        onChange: (change) => announcer.onChange(change),
      },
    },
  );
  const speaker = {
    client,
    applied: 0,
    changed: 0,
    async stop(): Promise<void> {
      events.stop();
      await Promise.all([cluster.stop(), statuses.stop()]);
    },
  };
  const announcer: NodeAnnouncer = new NodeAnnouncer(
    'node1',
    cluster,
    {
      apply: () => void speaker.applied++,
      change: (routes) => void (speaker.changed += routes.length),
      decided: (name, announcement) =>
        statuses.want(name, announcement ? peersOfAnnouncement(announcement) : []),
      announced: ({ metadata }) =>
        events.write(
          { apiVersion: 'v1', kind: 'Service', metadata },
          { type: 'Normal', reason: 'nodeAssigned', message: 'announcing' },
        ),
      configured: ignore,
    },
    { lbClass: '', ignoreExcludeLabel: false },
    LOG,
  );
  cluster.start();
  ends.push(() => speaker.stop());
  return speaker;
}
