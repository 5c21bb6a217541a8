// The columns that `kubectl get` shows for built-in kinds, with the cell texts kubectl users know.

import {
  type KubeObject,
  isObject,
  listAt,
  numberAt,
  objectAt,
  textAt,
  valueAt,
} from './object.ts';
import { ageColumn, ageText, nameColumn, type PrinterColumn } from './table.ts';

type Cell = PrinterColumn['value'];

const text = (name: string, value: Cell, priority = 0): PrinterColumn => ({
  name,
  type: 'string',
  priority,
  value,
});
const integer = (name: string, ...path: string[]): PrinterColumn => ({
  name,
  type: 'integer',
  value: (object) => numberAt(object, ...path) ?? 0,
});
const wide = 1;

const columnsByKind: Record<string, PrinterColumn[]> = {
  Namespace: [nameColumn, text('Status', (o) => textAt(o, 'status', 'phase')), ageColumn],
  Node: [
    nameColumn,
    text('Status', nodeStatus),
    text('Roles', nodeRoles),
    ageColumn,
    text('Version', (o) => textAt(o, 'status', 'nodeInfo', 'kubeletVersion')),
    text('Internal-IP', (o) => nodeAddress(o, 'InternalIP'), wide),
    text('External-IP', (o) => nodeAddress(o, 'ExternalIP'), wide),
    text('OS-Image', (o) => textAt(o, 'status', 'nodeInfo', 'osImage') || '<unknown>', wide),
    text(
      'Kernel-Version',
      (o) => textAt(o, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>',
      wide,
    ),
    text(
      'Container-Runtime',
      (o) => textAt(o, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>',
      wide,
    ),
  ],
  Pod: [
    nameColumn,
    text('Ready', (o) => `${readyContainers(o)}/${listAt(o, 'spec', 'containers').length}`),
    text('Status', podStatus),
    text('Restarts', (o) => String(podRestarts(o))),
    ageColumn,
    text('IP', (o) => textAt(o, 'status', 'podIP') || '<none>', wide),
    text('Node', (o) => textAt(o, 'spec', 'nodeName') || '<none>', wide),
    text('Nominated Node', (o) => textAt(o, 'status', 'nominatedNodeName') || '<none>', wide),
    text('Readiness Gates', () => '<none>', wide),
  ],
  Service: [
    nameColumn,
    text('Type', (o) => textAt(o, 'spec', 'type')),
    text('Cluster-IP', (o) => textAt(o, 'spec', 'clusterIP') || '<none>'),
    text('External-IP', serviceExternalIp),
    text('Port(s)', servicePorts),
    ageColumn,
    text('Selector', (o) => labelsText(objectAt(o, 'spec', 'selector')), wide),
  ],
  Endpoints: [nameColumn, text('Endpoints', endpointsText), ageColumn],
  EndpointSlice: [
    nameColumn,
    text('AddressType', (o) => textAt(o, 'addressType')),
    text('Ports', (o) =>
      some(
        listAt(o, 'ports').map((port) => textAt(port, 'port') || '*'),
        '<unset>',
      ),
    ),
    text('Endpoints', (o) =>
      some(
        listAt(o, 'endpoints').flatMap((e) => listAt(e, 'addresses').map(String)),
        '<unset>',
      ),
    ),
    ageColumn,
  ],
  Event: [
    text('Last Seen', (o, nowMs) => ageText(eventTime(o), nowMs)),
    text('Type', (o) => textAt(o, 'type')),
    text('Reason', (o) => textAt(o, 'reason')),
    text('Object', (o) => eventObject(o)),
    text('Subobject', (o) => textAt(eventTarget(o), 'fieldPath'), wide),
    text('Source', eventSource, wide),
    text('Message', (o) => (textAt(o, 'message') || textAt(o, 'note')).trim()),
    text('First Seen', (o, nowMs) => ageText(firstEventTime(o), nowMs), wide),
    text('Count', (o) => textAt(o, 'count') || textAt(o, 'series', 'count') || '1', wide),
    { ...nameColumn, priority: wide },
  ],
  Secret: [
    nameColumn,
    text('Type', (o) => textAt(o, 'type')),
    { name: 'Data', type: 'integer', value: dataCount },
    ageColumn,
  ],
  ConfigMap: [nameColumn, { name: 'Data', type: 'integer', value: dataCount }, ageColumn],
  ServiceAccount: [
    nameColumn,
    { name: 'Secrets', type: 'integer', value: (o) => listAt(o, 'secrets').length },
    ageColumn,
  ],
  DaemonSet: [
    nameColumn,
    integer('Desired', 'status', 'desiredNumberScheduled'),
    integer('Current', 'status', 'currentNumberScheduled'),
    integer('Ready', 'status', 'numberReady'),
    integer('Up-to-date', 'status', 'updatedNumberScheduled'),
    integer('Available', 'status', 'numberAvailable'),
    text('Node Selector', (o) =>
      labelsText(objectAt(o, 'spec', 'template', 'spec', 'nodeSelector')),
    ),
    ageColumn,
    ...templateColumns(),
  ],
  Deployment: [
    nameColumn,
    text(
      'Ready',
      (o) =>
        `${numberAt(o, 'status', 'readyReplicas') ?? 0}/${numberAt(o, 'spec', 'replicas') ?? 1}`,
    ),
    integer('Up-to-date', 'status', 'updatedReplicas'),
    integer('Available', 'status', 'availableReplicas'),
    ageColumn,
    ...templateColumns(),
  ],
  ReplicaSet: [
    nameColumn,
    integer('Desired', 'spec', 'replicas'),
    integer('Current', 'status', 'replicas'),
    integer('Ready', 'status', 'readyReplicas'),
    ageColumn,
    ...templateColumns(),
  ],
  StatefulSet: [
    nameColumn,
    text(
      'Ready',
      (o) =>
        `${numberAt(o, 'status', 'readyReplicas') ?? 0}/${numberAt(o, 'spec', 'replicas') ?? 1}`,
    ),
    ageColumn,
  ],
  Lease: [nameColumn, text('Holder', (o) => textAt(o, 'spec', 'holderIdentity')), ageColumn],
  CustomResourceDefinition: [
    nameColumn,
    text('Created At', (o) => o.metadata.creationTimestamp ?? ''),
  ],
  Role: [nameColumn, text('Created At', (o) => o.metadata.creationTimestamp ?? '')],
  ClusterRole: [nameColumn, text('Created At', (o) => o.metadata.creationTimestamp ?? '')],
  RoleBinding: [nameColumn, text('Role', roleRef), ageColumn],
  ClusterRoleBinding: [nameColumn, text('Role', roleRef), ageColumn],
  ValidatingWebhookConfiguration: [
    nameColumn,
    { name: 'Webhooks', type: 'integer', value: (o) => listAt(o, 'webhooks').length },
    ageColumn,
  ],
  MutatingWebhookConfiguration: [
    nameColumn,
    { name: 'Webhooks', type: 'integer', value: (o) => listAt(o, 'webhooks').length },
    ageColumn,
  ],
};

/** Columns of a built-in kind; undefined means Name and Age. */
export function builtinColumns(kind: string): readonly PrinterColumn[] | undefined {
  return columnsByKind[kind];
}

function templateColumns(): PrinterColumn[] {
  const containers = (o: KubeObject) => listAt(o, 'spec', 'template', 'spec', 'containers');
  return [
    text(
      'Containers',
      (o) =>
        containers(o)
          .map((c) => textAt(c, 'name'))
          .join(','),
      wide,
    ),
    text(
      'Images',
      (o) =>
        containers(o)
          .map((c) => textAt(c, 'image'))
          .join(','),
      wide,
    ),
    text('Selector', (o) => labelsText(objectAt(o, 'spec', 'selector', 'matchLabels')), wide),
  ];
}

function labelsText(labels: Record<string, unknown>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`);
  return pairs.length === 0 ? '<none>' : pairs.sort().join(',');
}

/** Up to three items, then how many more there are, as kubectl abbreviates lists. */
function some(items: string[], none: string): string {
  if (items.length === 0) return none;
  if (items.length <= 3) return items.join(',');
  return `${items.slice(0, 3).join(',')} + ${items.length - 3} more...`;
}

function conditionStatus(object: unknown, type: string): string {
  const condition = listAt(object, 'status', 'conditions').find((c) => textAt(c, 'type') === type);
  return textAt(condition, 'status');
}

function nodeStatus(node: KubeObject): string {
  const ready = conditionStatus(node, 'Ready');
  const words = [ready === 'True' ? 'Ready' : ready === '' ? 'Unknown' : 'NotReady'];
  if (valueAt(node, 'spec', 'unschedulable') === true) words.push('SchedulingDisabled');
  return words.join(',');
}

function nodeRoles(node: KubeObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.keys(node.metadata.labels ?? {}).flatMap((label) =>
    label.startsWith(prefix) && label.length > prefix.length ? [label.slice(prefix.length)] : [],
  );
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

function nodeAddress(node: KubeObject, type: string): string {
  const address = listAt(node, 'status', 'addresses').find((a) => textAt(a, 'type') === type);
  return textAt(address, 'address') || '<none>';
}

function readyContainers(pod: KubeObject): number {
  return listAt(pod, 'status', 'containerStatuses').filter((c) => valueAt(c, 'ready') === true)
    .length;
}

function podRestarts(pod: KubeObject): number {
  const statuses = listAt(pod, 'status', 'containerStatuses');
  return statuses.reduce<number>((sum, c) => sum + (numberAt(c, 'restartCount') ?? 0), 0);
}

function podStatus(pod: KubeObject): string {
  if (pod.metadata.deletionTimestamp) return 'Terminating';
  for (const status of listAt(pod, 'status', 'containerStatuses')) {
    const reason =
      textAt(status, 'state', 'waiting', 'reason') ||
      textAt(status, 'state', 'terminated', 'reason');
    if (reason !== '') return reason;
  }
  return textAt(pod, 'status', 'reason') || textAt(pod, 'status', 'phase') || 'Pending';
}

function serviceExternalIp(service: KubeObject): string {
  const external = listAt(service, 'spec', 'externalIPs').map(String);
  switch (textAt(service, 'spec', 'type')) {
    case 'ExternalName':
      return textAt(service, 'spec', 'externalName');
    case 'LoadBalancer': {
      const ingress = listAt(service, 'status', 'loadBalancer', 'ingress');
      const addresses = ingress.map((i) => textAt(i, 'ip') || textAt(i, 'hostname'));
      const all = [...addresses, ...external].filter((address) => address !== '');
      return all.length === 0 ? '<pending>' : all.join(',');
    }
    default:
      return external.length === 0 ? '<none>' : external.join(',');
  }
}

function servicePorts(service: KubeObject): string {
  const ports = listAt(service, 'spec', 'ports').map((port) => {
    const nodePort = numberAt(port, 'nodePort') ?? 0;
    const number = textAt(port, 'port') + (nodePort > 0 ? `:${nodePort}` : '');
    return `${number}/${textAt(port, 'protocol') || 'TCP'}`;
  });
  return ports.length === 0 ? '<none>' : ports.join(',');
}

function endpointsText(endpoints: KubeObject): string {
  const items = listAt(endpoints, 'subsets').flatMap((subset) =>
    listAt(subset, 'addresses').flatMap((address) => {
      const ip = textAt(address, 'ip');
      const ports = listAt(subset, 'ports');
      return ports.length === 0 ? [ip] : ports.map((port) => `${ip}:${textAt(port, 'port')}`);
    }),
  );
  return some(items, '<none>');
}

function eventTarget(event: KubeObject): unknown {
  return event['involvedObject'] ?? event['regarding'];
}

function eventObject(event: KubeObject): string {
  const target = eventTarget(event);
  const kind = textAt(target, 'kind').toLowerCase();
  const name = textAt(target, 'name');
  return name === '' ? kind : `${kind}/${name}`;
}

function eventTime(event: KubeObject): string {
  return (
    textAt(event, 'series', 'lastObservedTime') ||
    textAt(event, 'lastTimestamp') ||
    textAt(event, 'deprecatedLastTimestamp') ||
    textAt(event, 'eventTime') ||
    (event.metadata.creationTimestamp ?? '')
  );
}

function firstEventTime(event: KubeObject): string {
  return (
    textAt(event, 'firstTimestamp') ||
    textAt(event, 'deprecatedFirstTimestamp') ||
    textAt(event, 'eventTime')
  );
}

function eventSource(event: KubeObject): string {
  const source = objectAt(event, 'source');
  const component =
    textAt(source, 'component') ||
    textAt(event, 'reportingComponent') ||
    textAt(event, 'reportingController');
  const host = textAt(source, 'host') || textAt(event, 'reportingInstance');
  return host === '' ? component : `${component}, ${host}`;
}

function dataCount(object: KubeObject): number {
  const data = object['data'];
  const binary = object['binaryData'];
  return (
    (isObject(data) ? Object.keys(data).length : 0) +
    (isObject(binary) ? Object.keys(binary).length : 0)
  );
}

function roleRef(binding: KubeObject): string {
  return `${textAt(binding, 'roleRef', 'kind')}/${textAt(binding, 'roleRef', 'name')}`;
}
