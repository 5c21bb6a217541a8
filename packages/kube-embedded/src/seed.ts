// Seeding: objects put into the API by the lab itself, status included, and builders for the nodes,
// the MetalLB daemon set and its pods that the lab's cluster consists of.

import type { KubeApi } from './kube-api.ts';
import { isObject, type JsonObject, type KubeObject } from './object.ts';
import { apiVersionOf } from './resource.ts';
import { badRequest } from './api-error.ts';

const manager = 'rookery-lab';

/** Creates or replaces objects in order; a status is written through the status subresource. */
export function applySeed(api: KubeApi, objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => applyOne(api, object));
}

function applyOne(api: KubeApi, object: KubeObject): KubeObject {
  const parts = object.apiVersion.split('/');
  const [group = '', version = ''] = parts.length === 1 ? ['', parts[0]] : parts;
  const def = api.registry.findKind(group, version, object.kind);
  if (!def) throw badRequest(`no kind ${object.kind} in version ${object.apiVersion} is served`);
  const namespace = def.namespaced ? (object.metadata.namespace ?? 'default') : '';
  const name = object.metadata.name ?? '';
  if (def.namespaced) ensureNamespaces(api, [namespace]);
  const options = { fieldManager: manager };
  const current = api.find(def, namespace, name);
  const { metadata } = object;
  const body = {
    ...object,
    apiVersion: apiVersionOf(def),
    metadata: { ...metadata, ...(def.namespaced ? { namespace } : {}) },
  };
  let stored = current
    ? api.patch(
        def,
        namespace,
        name,
        (live) => ({ ...live, ...body, metadata: { ...live.metadata, ...body.metadata } }),
        options,
      ).object
    : api.create(def, namespace, body, options).object;
  if (def.hasStatus && isObject(object['status'])) {
    const status = object['status'];
    stored = api.patch(def, namespace, name, (live) => ({ ...live, status }), {
      ...options,
      subresource: 'status',
    }).object;
  }
  return stored;
}

export function ensureNamespaces(api: KubeApi, names: readonly string[]): void {
  const def = api.registry.find('', 'v1', 'namespaces');
  if (!def) return;
  for (const name of names) {
    if (api.find(def, '', name)) continue;
    api.create(
      def,
      '',
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name } },
      { fieldManager: manager },
    );
  }
}

export interface NodeSeed {
  name: string;
  /** InternalIP addresses. */
  addresses: readonly string[];
  labels?: Record<string, string>;
  podCidrs?: readonly string[];
  nowText: string;
}

/** A Ready node. */
export function nodeObject(seed: NodeSeed): KubeObject {
  const condition = (type: string, status: string, reason: string) => ({
    type,
    status,
    reason,
    message: reason,
    lastHeartbeatTime: seed.nowText,
    lastTransitionTime: seed.nowText,
  });
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: seed.name,
      labels: { 'kubernetes.io/hostname': seed.name, 'kubernetes.io/os': 'linux', ...seed.labels },
    },
    spec: seed.podCidrs ? { podCIDR: seed.podCidrs[0], podCIDRs: [...seed.podCidrs] } : {},
    status: {
      addresses: [
        ...seed.addresses.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: seed.name },
      ],
      capacity: { cpu: '4', memory: '8Gi', pods: '110' },
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [
        condition('NetworkUnavailable', 'False', 'RouteCreated'),
        condition('Ready', 'True', 'KubeletReady'),
      ],
      nodeInfo: {
        architecture: 'amd64',
        bootID: '',
        containerRuntimeVersion: 'rookery://lab',
        kernelVersion: 'lab',
        kubeProxyVersion: 'v1.32.0-rookery',
        kubeletVersion: 'v1.32.0-rookery',
        machineID: '',
        operatingSystem: 'linux',
        osImage: 'network namespace',
        systemUUID: '',
      },
    },
  };
}

export interface PodSeed {
  namespace: string;
  name: string;
  nodeName: string;
  ip: string;
  hostNetwork?: boolean;
  labels: Record<string, string>;
  containers: readonly { name: string; image: string; ports?: readonly JsonObject[] }[];
  serviceAccountName?: string;
  owner?: KubeObject;
  nowText: string;
}

/** A running, ready pod. */
export function podObject(seed: PodSeed): KubeObject {
  const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: seed.nowText });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: seed.name,
      namespace: seed.namespace,
      labels: seed.labels,
      ...(seed.owner ? { ownerReferences: [ownerReferenceTo(seed.owner)] } : {}),
    },
    spec: {
      nodeName: seed.nodeName,
      hostNetwork: seed.hostNetwork ?? false,
      ...(seed.serviceAccountName === undefined
        ? {}
        : { serviceAccountName: seed.serviceAccountName }),
      containers: seed.containers.map(({ name, image, ports }) => ({
        name,
        image,
        ...(ports ? { ports: [...ports] } : {}),
      })),
    },
    status: {
      phase: 'Running',
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map(condition),
      hostIP: seed.hostNetwork ? seed.ip : '',
      podIP: seed.ip,
      podIPs: [{ ip: seed.ip }],
      startTime: seed.nowText,
      containerStatuses: seed.containers.map(({ name, image }) => ({
        name,
        image,
        imageID: '',
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: seed.nowText } },
      })),
    },
  };
}

export interface DaemonSetSeed {
  namespace: string;
  name: string;
  labels: Record<string, string>;
  containers: readonly { name: string; image: string }[];
  serviceAccountName?: string;
  /** How many nodes run it. */
  scheduled: number;
}

/** A daemon set with all its pods up; the pods themselves are seeded with podObject. */
export function daemonSetObject(seed: DaemonSetSeed): KubeObject {
  const { scheduled } = seed;
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: seed.name, namespace: seed.namespace, labels: seed.labels },
    spec: {
      selector: { matchLabels: seed.labels },
      template: {
        metadata: { labels: seed.labels },
        spec: {
          hostNetwork: true,
          ...(seed.serviceAccountName === undefined
            ? {}
            : { serviceAccountName: seed.serviceAccountName }),
          containers: seed.containers.map(({ name, image }) => ({ name, image })),
        },
      },
    },
    status: {
      currentNumberScheduled: scheduled,
      desiredNumberScheduled: scheduled,
      numberAvailable: scheduled,
      numberMisscheduled: 0,
      numberReady: scheduled,
      observedGeneration: 1,
      updatedNumberScheduled: scheduled,
    },
  };
}

export interface EndpointSliceSeed {
  namespace: string;
  service: string;
  ports: readonly { name?: string; port: number; protocol?: 'TCP' | 'UDP' | 'SCTP' }[];
  endpoints: readonly { address: string; nodeName: string; podName?: string; ready?: boolean }[];
  addressType?: 'IPv4' | 'IPv6';
}

/** The endpoints of a service, as the endpoint slice controller of a cluster would write them. */
export function endpointSliceObject(seed: EndpointSliceSeed): KubeObject {
  const { namespace, service } = seed;
  const addressType = seed.addressType ?? 'IPv4';
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${service}-${addressType.toLowerCase()}`,
      namespace,
      labels: {
        'kubernetes.io/service-name': service,
        'endpointslice.kubernetes.io/managed-by': 'rookery-lab',
      },
    },
    addressType,
    ports: seed.ports.map(({ name = '', port, protocol = 'TCP' }) => ({ name, port, protocol })),
    endpoints: seed.endpoints.map(({ address, nodeName, podName, ready = true }) => ({
      addresses: [address],
      conditions: { ready, serving: ready, terminating: false },
      nodeName,
      ...(podName === undefined ? {} : { targetRef: { kind: 'Pod', namespace, name: podName } }),
    })),
  };
}

export function ownerReferenceTo(
  owner: KubeObject,
): NonNullable<KubeObject['metadata']['ownerReferences']>[number] {
  const { apiVersion, kind, metadata } = owner;
  return {
    apiVersion,
    kind,
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}
