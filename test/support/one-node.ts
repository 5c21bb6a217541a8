// A cluster of one node with one service, for tests that need a speaker but no controller: the API
// server runs in the node's host and already holds what a controller would have left there.

import { mkdirSync } from 'node:fs';
import { createApiServer, type KubeObject, metallbCrds } from '@rookery/kube-embedded';
import { type Host, type NodeDaemon, type Place, rookerySpeaker } from '@rookery/lab';
import { type ApiUnderTest, embeddedApiServer } from '../kube/api-servers.ts';
import { SELF } from './sandbox.ts';

/** The address of the service. */
export const VIP = '192.168.2.1';

const LOOPBACK = '127.0.0.1';
const METALLB = { namespace: 'metallb' };

/** Starts the API with the post's pool and service, and with `objects` of the metallb namespace. */
export async function startOneNode(
  place: Place,
  objects: readonly MetallbObject[],
): Promise<ApiUnderTest> {
  const { directory } = place;
  mkdirSync(directory, { recursive: true });
  const cluster = await createApiServer({
    stateFile: `${directory}/cluster.sqlite`,
    listen: [{ host: LOOPBACK, port: 0 }],
    certificateDirectory: directory,
  });
  const ours = objects.map(({ name, ...rest }) => ({ ...rest, metadata: { name, ...METALLB } }));
  const all = [...(metallbCrds() as KubeObject[]), ...CLUSTER, ...ours];
  cluster.apply(...(all as unknown as KubeObject[]));
  await cluster.close();
  const api = embeddedApiServer({ ...place, address: LOOPBACK }, process.execPath);
  await api.start();
  return api;
}

export interface MetallbObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly spec: object;
}

/** The speaker of the node. */
export function speakerOn(host: Host, directory: string, api: ApiUnderTest): NodeDaemon {
  mkdirSync(directory, { recursive: true });
  const cluster = { kubeconfig: api.kubeconfig, nodeName: 'node1' };
  return rookerySpeaker({ host, directory }, SELF, cluster);
}

const CLUSTER: readonly object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'metallb' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node1' },
    status: { addresses: [{ type: 'InternalIP', address: '192.168.1.32' }] },
  },
  {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name: 'pool', ...METALLB },
    spec: { addresses: ['192.168.2.0/24'] },
  },
  {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'BGPAdvertisement',
    metadata: { name: 'advertisement', ...METALLB },
    spec: {},
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    status: { loadBalancer: { ingress: [{ ip: VIP }] } },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'web-1',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.2.0.1'], conditions: { ready: true }, nodeName: 'node1' }],
  },
];
