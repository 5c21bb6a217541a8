// What the API server does to built-in objects on their way in: defaults that kubectl and the
// controllers rely on, and refusal of the plainly wrong. Services have a module of their own.
// No scheduler and no kubelet run here: pods are what the lab says they are.

import { fieldRequired, fieldInvalid, invalid, type StatusCause } from './api-error.ts';
import {
  isObject,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  textAt,
} from './object.ts';
import { matchesLabelSelector } from './selectors.ts';

/** Fills defaults of one built-in object in place and throws 422 when it cannot be accepted. */
export function admitBuiltin(object: KubeObject, nowText: string): void {
  const causes: StatusCause[] = [];
  switch (object.kind) {
    case 'Namespace':
      admitNamespace(object);
      break;
    case 'Node':
      object['spec'] ??= {};
      object['status'] ??= {};
      break;
    case 'Pod':
      admitPod(object, causes);
      break;
    case 'DaemonSet':
    case 'Deployment':
    case 'ReplicaSet':
    case 'StatefulSet':
      admitWorkload(object, causes);
      break;
    case 'Secret':
      admitSecret(object);
      break;
    case 'Event':
      admitEvent(object, nowText, causes);
      break;
    case 'EndpointSlice':
      admitEndpointSlice(object, causes);
      break;
    case 'ServiceAccount':
    case 'ConfigMap':
      break;
    default:
      break;
  }
  if (causes.length > 0) {
    const group = object.apiVersion.includes('/') ? (object.apiVersion.split('/')[0] ?? '') : '';
    throw invalid(group, object.kind, object.metadata.name ?? '', causes);
  }
}

function admitNamespace(object: KubeObject): void {
  const labels = (object.metadata.labels ??= {});
  labels['kubernetes.io/metadata.name'] = object.metadata.name ?? '';
  object['spec'] = { finalizers: ['kubernetes'], ...objectAt(object, 'spec') };
  if (textAt(object, 'status', 'phase') === '') object['status'] = { phase: 'Active' };
}

function admitPod(pod: KubeObject, causes: StatusCause[]): void {
  if (!isObject(pod['spec'])) pod['spec'] = {};
  const spec = objectAt(pod, 'spec');
  defaultPodSpec(spec);
  causes.push(...podSpecFaults(spec, 'spec'));
  if (textAt(pod, 'status', 'phase') === '')
    pod['status'] = { phase: 'Pending', qosClass: 'BestEffort', ...objectAt(pod, 'status') };
}

function defaultPodSpec(spec: JsonObject): void {
  spec['restartPolicy'] ??= 'Always';
  spec['terminationGracePeriodSeconds'] ??= 30;
  spec['dnsPolicy'] ??= 'ClusterFirst';
  spec['securityContext'] ??= {};
  spec['schedulerName'] ??= 'default-scheduler';
  if (typeof spec['serviceAccountName'] === 'string')
    spec['serviceAccount'] ??= spec['serviceAccountName'];
  for (const container of [...listAt(spec, 'containers'), ...listAt(spec, 'initContainers')]) {
    if (!isObject(container)) continue;
    container['terminationMessagePath'] ??= '/dev/termination-log';
    container['terminationMessagePolicy'] ??= 'File';
    container['resources'] ??= {};
    const image = textAt(container, 'image');
    const tag = image.split('/').at(-1)?.split(':')[1];
    container['imagePullPolicy'] ??=
      tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
    for (const port of listAt(container, 'ports')) if (isObject(port)) port['protocol'] ??= 'TCP';
  }
}

function podSpecFaults(spec: JsonObject, at: string): StatusCause[] {
  const containers = listAt(spec, 'containers');
  if (containers.length === 0) return [fieldRequired(`${at}.containers`)];
  return containers.flatMap((container, index) => {
    const causes: StatusCause[] = [];
    const name = textAt(container, 'name');
    if (name === '') causes.push(fieldRequired(`${at}.containers[${index}].name`));
    const twin = containers
      .slice(0, index)
      .some((other) => name !== '' && textAt(other, 'name') === name);
    if (twin)
      causes.push({
        reason: 'FieldValueDuplicate',
        message: `Duplicate value: "${name}"`,
        field: `${at}.containers[${index}].name`,
      });
    return causes;
  });
}

function admitWorkload(object: KubeObject, causes: StatusCause[]): void {
  if (!isObject(object['spec'])) object['spec'] = {};
  const spec = objectAt(object, 'spec');
  const selector = spec['selector'];
  if (!isObject(selector)) causes.push(fieldRequired('spec.selector'));
  const template = objectAt(spec, 'template');
  if (isObject(template['spec'])) defaultPodSpec(template['spec']);
  causes.push(...podSpecFaults(objectAt(template, 'spec'), 'spec.template.spec'));
  const labels = objectAt(template, 'metadata', 'labels') as Record<string, string>;
  if (isObject(selector) && !matchesLabelSelector(selector, labels)) {
    causes.push(
      fieldInvalid(
        'spec.template.metadata.labels',
        labels,
        '`selector` does not match template `labels`',
      ),
    );
  }
  if (object.kind !== 'DaemonSet') spec['replicas'] ??= 1;
  if (object.kind !== 'ReplicaSet' && object.kind !== 'StatefulSet')
    spec['revisionHistoryLimit'] ??= 10;
  if (object.kind === 'DaemonSet') {
    spec['updateStrategy'] ??= {
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: 1, maxSurge: 0 },
    };
  }
  if (object.kind === 'Deployment') {
    spec['progressDeadlineSeconds'] ??= 600;
    spec['strategy'] ??= {
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' },
    };
  }
}

function admitSecret(secret: KubeObject): void {
  const plain = secret['stringData'];
  if (isObject(plain)) {
    const encoded = Object.entries(plain).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ]);
    secret['data'] = { ...objectAt(secret, 'data'), ...Object.fromEntries(encoded) };
    delete secret['stringData'];
  }
  secret['type'] ??= 'Opaque';
}

function admitEvent(event: KubeObject, nowText: string, causes: StatusCause[]): void {
  const target = objectAt(event, 'involvedObject');
  const namespace = event.metadata.namespace ?? '';
  const about = textAt(target, 'namespace');
  if (about !== '' && about !== namespace) {
    causes.push(fieldInvalid('involvedObject.namespace', about, 'does not match event.namespace'));
  }
  event['reportingComponent'] ??= textAt(event, 'source', 'component');
  event['reportingInstance'] ??= '';
  event['source'] ??= {};
  if (event['eventTime'] === undefined) event['firstTimestamp'] ??= nowText;
  if (event['eventTime'] === undefined) event['lastTimestamp'] ??= nowText;
  if (event['series'] === undefined && numberAt(event, 'count') === undefined) event['count'] = 1;
}

function admitEndpointSlice(slice: KubeObject, causes: StatusCause[]): void {
  const type = textAt(slice, 'addressType');
  if (!['IPv4', 'IPv6', 'FQDN'].includes(type)) causes.push(fieldRequired('addressType'));
  for (const [index, endpoint] of listAt(slice, 'endpoints').entries()) {
    if (listAt(endpoint, 'addresses').length === 0)
      causes.push(fieldRequired(`endpoints[${index}].addresses`));
  }
  for (const port of listAt(slice, 'ports')) {
    if (!isObject(port)) continue;
    port['protocol'] ??= 'TCP';
    port['name'] ??= '';
  }
}
