// The Kubernetes objects that a cluster with MetalLB already has when the post begins: nodes, the
// metallb namespace with its DaemonSet and pods (so that `kubectl exec daemonset.apps/metallb-speaker`
// finds one), and a web application with one pod on every node. Plain objects, as kubectl would apply.

import { NODES, POD_PORT } from './topology.ts';

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly [field: string]: unknown;
}

const SPEAKER_LABELS = {
  'app.kubernetes.io/name': 'metallb',
  'app.kubernetes.io/component': 'speaker',
};
const CONTROLLER_LABELS = {
  'app.kubernetes.io/name': 'metallb',
  'app.kubernetes.io/component': 'controller',
};
const WEB_LABELS = { app: 'web' };
const SPEAKER_CONTAINERS = ['speaker', 'frr', 'reloader', 'frr-metrics'];

/** Everything but the post's own objects, in an order that can be applied. */
export function clusterObjects(nowText: string): readonly KubeObject[] {
  return [
    ...['metallb', 'kube-system'].map((name): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name },
    })),
    ...NODES.map((node) => nodeObject(node, nowText)),
    workload('DaemonSet', 'metallb', 'metallb-speaker', SPEAKER_LABELS, SPEAKER_CONTAINERS),
    workload('Deployment', 'metallb', 'metallb-controller', CONTROLLER_LABELS, ['controller']),
    workload('DaemonSet', 'default', 'web', WEB_LABELS, ['web']),
    ...NODES.flatMap((node) => [
      pod(
        'metallb',
        `metallb-speaker-${node.name}`,
        SPEAKER_LABELS,
        SPEAKER_CONTAINERS,
        node,
        node.address,
        nowText,
      ),
      pod('default', `web-${node.name}`, WEB_LABELS, ['web'], node, node.pod, nowText),
    ]),
    pod(
      'metallb',
      'metallb-controller-0',
      CONTROLLER_LABELS,
      ['controller'],
      NODES[0],
      NODES[0].address,
      nowText,
    ),
  ];
}

/** The EndpointSlice that a cluster's own controller would keep for a service of the web pods. */
export function webEndpoints(serviceName: string, ready: ReadonlySet<string>): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${serviceName}-lab`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: POD_PORT, protocol: 'TCP' }],
    endpoints: NODES.map((node) => ({
      addresses: [node.pod],
      conditions: {
        ready: ready.has(node.name),
        serving: ready.has(node.name),
        terminating: false,
      },
      nodeName: node.name,
      targetRef: { kind: 'Pod', namespace: 'default', name: `web-${node.name}` },
    })),
  };
}

function nodeObject(node: (typeof NODES)[number], nowText: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: node.name,
      labels: { 'kubernetes.io/hostname': node.name, 'kubernetes.io/os': 'linux' },
    },
    spec: {},
    status: {
      addresses: [
        { type: 'InternalIP', address: node.address },
        { type: 'Hostname', address: node.name },
      ],
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: 'the lab runs this node',
          lastHeartbeatTime: nowText,
          lastTransitionTime: nowText,
        },
      ],
      nodeInfo: { operatingSystem: 'linux', kubeletVersion: 'v1.32.0' },
    },
  };
}

function workload(
  kind: 'DaemonSet' | 'Deployment',
  namespace: string,
  name: string,
  labels: Readonly<Record<string, string>>,
  containers: readonly string[],
): KubeObject {
  const count = kind === 'DaemonSet' ? NODES.length : 1;
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      ...(kind === 'Deployment' ? { replicas: 1 } : {}),
      template: { metadata: { labels }, spec: { containers: containers.map(container) } },
    },
    status:
      kind === 'DaemonSet'
        ? {
            currentNumberScheduled: count,
            desiredNumberScheduled: count,
            numberAvailable: count,
            numberMisscheduled: 0,
            numberReady: count,
            updatedNumberScheduled: count,
          }
        : { replicas: 1, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1 },
  };
}

function pod(
  namespace: string,
  name: string,
  labels: Readonly<Record<string, string>>,
  containers: readonly string[],
  node: (typeof NODES)[number],
  address: string,
  nowText: string,
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: { nodeName: node.name, containers: containers.map(container) },
    status: {
      phase: 'Running',
      hostIP: node.address,
      podIP: address,
      podIPs: [{ ip: address }],
      startTime: nowText,
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: nowText }],
      containerStatuses: containers.map((c) => ({
        name: c,
        image: imageOf(c),
        imageID: '',
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: nowText } },
      })),
    },
  };
}

function container(name: string): { readonly name: string; readonly image: string } {
  return { name, image: imageOf(name) };
}

function imageOf(name: string): string {
  return name === 'web' ? 'rookery-lab/web:1' : 'rookery:0.1.0';
}
