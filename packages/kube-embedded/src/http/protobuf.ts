// Kubernetes protobuf bodies: kubectl's typed commands (create namespace, create deployment, create
// token, auth whoami) send them and do not fall back. Only what they send is decoded, to the same
// plain objects that JSON gives; a kind or field that is not in the table is refused, never dropped.
// Answers are always JSON, which every client of ours lists in Accept.

import { ApiError, badRequest } from '../api-error.ts';
import type { JsonObject } from '../object.ts';
import { builtinReference } from '../schema/builtin.ts';
import { fieldSchema, itemSchema, resolveSchema, type Schema } from '../schema/schema.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

/** Field names by number, per message; a dash skips a number that is not used. */
const messages: Record<string, string> = {
  __proto__: null as never,
  ObjectMeta:
    'name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers - - managedFields',
  OwnerReference: 'kind - name uid apiVersion controller blockOwnerDeletion',
  LabelSelector: 'matchLabels matchExpressions',
  LabelSelectorRequirement: 'key operator values',
  DeleteOptions: 'gracePeriodSeconds preconditions orphanDependents propagationPolicy dryRun',
  Preconditions: 'uid resourceVersion',
  Namespace: 'metadata spec status',
  NamespaceSpec: 'finalizers',
  NamespaceStatus: 'phase',
  ConfigMap: 'metadata data binaryData immutable',
  Secret: 'metadata data type stringData immutable',
  ServiceAccount: 'metadata secrets imagePullSecrets automountServiceAccountToken',
  ObjectReference: 'kind namespace name uid apiVersion resourceVersion fieldPath',
  LocalObjectReference: 'name',
  Service: 'metadata spec status',
  ServiceSpec:
    'ports selector clusterIP type externalIPs - sessionAffinity loadBalancerIP loadBalancerSourceRanges externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig - - ipFamilyPolicy clusterIPs ipFamilies allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution',
  ServicePort: 'name protocol port targetPort nodePort appProtocol',
  ServiceStatus: 'loadBalancer',
  LoadBalancerStatus: 'ingress',
  LoadBalancerIngress: 'ip hostname ipMode',
  ManagedFieldsEntry: 'manager operation apiVersion time - fieldsType fieldsV1 subresource',
  Event:
    'metadata involvedObject reason message source firstTimestamp lastTimestamp count type eventTime - action - reportingComponent reportingInstance',
  EventSource: 'component host',
  Deployment: 'metadata spec status',
  DeploymentSpec:
    'replicas selector template strategy minReadySeconds revisionHistoryLimit paused - progressDeadlineSeconds',
  DeploymentStrategy: 'type',
  DeploymentStatus:
    'observedGeneration replicas updatedReplicas availableReplicas unavailableReplicas - readyReplicas',
  Job: 'metadata spec status',
  JobSpec:
    'parallelism completions activeDeadlineSeconds selector manualSelector template backoffLimit ttlSecondsAfterFinished completionMode suspend',
  JobStatus: '- - - active succeeded failed completedIndexes',
  PodTemplateSpec: 'metadata spec',
  PodSpec:
    '- containers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount nodeName hostNetwork hostPID hostIPC - imagePullSecrets hostname subdomain - schedulerName initContainers automountServiceAccountToken - - priorityClassName',
  Container:
    'name image command args workingDir ports env resources - - - - terminationMessagePath imagePullPolicy - stdin stdinOnce tty - terminationMessagePolicy',
  ContainerPort: 'name hostPort containerPort protocol hostIP',
  EnvVar: 'name value',
  ResourceRequirements: 'limits requests',
  ResourceQuota: 'metadata spec status',
  ResourceQuotaSpec: 'hard scopes',
  ResourceQuotaStatus: 'hard used',
  Role: 'metadata rules',
  ClusterRole: 'metadata rules',
  RoleBinding: 'metadata subjects roleRef',
  ClusterRoleBinding: 'metadata subjects roleRef',
  PolicyRule: 'verbs apiGroups resources resourceNames nonResourceURLs',
  Subject: 'kind apiGroup name namespace',
  RoleRef: 'apiGroup kind name',
  TokenRequest: 'metadata spec status',
  TokenRequestSpec: 'audiences - boundObjectRef expirationSeconds',
  TokenRequestStatus: 'token expirationTimestamp',
  BoundObjectReference: 'kind apiVersion name uid',
  SelfSubjectReview: 'metadata status',
  SelfSubjectReviewStatus: 'userInfo',
  UserInfo: 'username uid groups',
  TokenReview: 'metadata spec status',
  TokenReviewSpec: 'token audiences',
  TokenReviewStatus: 'authenticated user error audiences',
  SelfSubjectAccessReview: 'metadata spec status',
  SelfSubjectAccessReviewSpec: 'resourceAttributes nonResourceAttributes',
  SubjectAccessReviewStatus: 'allowed reason evaluationError denied',
  ResourceAttributes: 'namespace verb group version resource subresource name',
  NonResourceAttributes: 'path verb',
  SelfSubjectRulesReview: 'metadata spec status',
  SelfSubjectRulesReviewSpec: 'namespace',
  SubjectRulesReviewStatus: 'resourceRules nonResourceRules incomplete evaluationError',
  Eviction: 'metadata deleteOptions',
};

const models: Record<string, string> = {
  TokenRequest: 'AuthenticationV1TokenRequest',
  Event: 'CoreV1Event',
};

/** Optional numbers and booleans for which zero is a statement of its own. */
const keptZeros = new Set(
  'replicas allocateLoadBalancerNodePorts automountServiceAccountToken immutable gracePeriodSeconds revisionHistoryLimit progressDeadlineSeconds backoffLimit parallelism completions suspend terminationGracePeriodSeconds'.split(
    ' ',
  ),
);
const quantities = new Set(['limits', 'requests', 'hard', 'used']);

/** Decodes a body in Kubernetes' protobuf envelope to a plain object with apiVersion and kind. */
export function decodeProtobuf(bytes: Uint8Array): JsonObject {
  const magic = [0x6b, 0x38, 0x73, 0x00];
  if (!magic.every((byte, index) => bytes[index] === byte))
    throw badRequest('the body is not Kubernetes protobuf');
  const envelope = readFields(bytes.subarray(4));
  const typeMeta = readFields(bytesOf(envelope.get(1)?.[0]));
  const apiVersion = textOf(typeMeta.get(1)?.[0]);
  const kind = textOf(typeMeta.get(2)?.[0]);
  if (messages[kind] === undefined || (kind === 'Event' && apiVersion !== 'v1'))
    throw unsupported(`${apiVersion} ${kind}`);
  const schema = builtinReference(models[kind] ?? `V1${kind}`);
  return { apiVersion, kind, ...decodeMessage(bytesOf(envelope.get(2)?.[0]), schema, kind) };
}

function decodeMessage(bytes: Uint8Array, schema: Schema | undefined, message: string): JsonObject {
  const numbers = messages[message];
  if (numbers === undefined) throw unsupported(message);
  const names = numbers.split(' ');
  const result: JsonObject = {};
  for (const [number, values] of readFields(bytes)) {
    const name = names[number - 1];
    if (name === undefined || name === '-' || name === '') {
      if (values.every(isEmptyMessage)) continue;
      throw unsupported(`field ${number} of ${message}`);
    }
    const value = decodeField(values, rawField(schema, name), name);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/** Undefined for what JSON would leave out: empty text, zero and false, empty messages. */
function decodeField(values: WireValue[], schema: Schema | undefined, name: string): unknown {
  const resolved = resolveSchema(schema);
  const last = values.at(-1);
  if (name === 'fieldsV1') return decodeFields(bytesOf(last));
  if (resolved?.['x-kubernetes-int-or-string']) return decodeIntOrString(bytesOf(last));
  if (resolved?.format === 'date-time') return decodeTime(bytesOf(last));
  switch (resolved?.type) {
    case 'string': {
      const isBytes = resolved.format === 'byte';
      const text = isBytes ? Buffer.from(bytesOf(last)).toString('base64') : textOf(last);
      return text === '' ? undefined : text;
    }
    case 'boolean':
      return numberOf(last) !== 0 ? true : keptZeros.has(name) ? false : undefined;
    case 'integer': {
      const number = numberOf(last);
      return number === 0 && !keptZeros.has(name) ? undefined : number;
    }
    case 'array':
      return values.map((value) => decodeItem(value, resolved, name));
    case 'object': {
      if (typeof resolved.additionalProperties === 'object')
        return decodeMap(values, resolved.additionalProperties, name);
      const object = decodeMessage(bytesOf(last), schema, messageOf(schema, name));
      return Object.keys(object).length === 0 ? undefined : object;
    }
    default:
      throw unsupported(`field ${name}`);
  }
}

function decodeItem(value: WireValue, list: Schema, name: string): unknown {
  const item = itemSchema(list);
  if (item?.type === 'string') return textOf(value);
  if (item?.type === 'integer') return numberOf(value);
  return decodeMessage(bytesOf(value), list.items, messageOf(list.items, name));
}

function decodeMap(values: WireValue[], schema: Schema, name: string): JsonObject {
  return Object.fromEntries(
    values.map((value) => {
      const entry = readFields(bytesOf(value));
      const bytes = bytesOf(entry.get(2)?.[0]);
      const key = textOf(entry.get(1)?.[0]);
      if (quantities.has(name)) return [key, textOf(readFields(bytes).get(1)?.[0])];
      return [
        key,
        schema.format === 'byte'
          ? Buffer.from(bytes).toString('base64')
          : Buffer.from(bytes).toString('utf8'),
      ];
    }),
  );
}

/** FieldsV1 is a message around JSON text. */
function decodeFields(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(readFields(bytes).get(1)?.[0])) as unknown;
  } catch {
    throw badRequest('managedFields do not hold JSON');
  }
}

function decodeIntOrString(bytes: Uint8Array): number | string {
  const fields = readFields(bytes);
  return numberOf(fields.get(1)?.[0]) === 1
    ? textOf(fields.get(3)?.[0])
    : numberOf(fields.get(2)?.[0]);
}

function decodeTime(bytes: Uint8Array): string | undefined {
  const seconds = numberOf(readFields(bytes).get(1)?.[0]);
  if (seconds === 0 || !Number.isSafeInteger(seconds * 1000)) return undefined;
  const time = new Date(seconds * 1000);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The property's own schema, reference unresolved, so that its message name can be read from it. */
function rawField(schema: Schema | undefined, name: string): Schema | undefined {
  return resolveSchema(schema)?.properties?.[name] ?? fieldSchema(schema, name);
}

function messageOf(schema: Schema | undefined, name: string): string {
  const reference = schema?.$ref ?? schema?.allOf?.[0]?.$ref;
  const message = reference?.split('.').at(-1);
  if (message === undefined) throw unsupported(`field ${name}`);
  return message.replace(/^V1/, '');
}

type WireValue = bigint | Uint8Array;

/** Protobuf wire format: fields by number, each with its values in order. */
function readFields(bytes: Uint8Array): Map<number, WireValue[]> {
  const fields = new Map<number, WireValue[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw badRequest('the protobuf body ends early');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw badRequest('a number in the protobuf body is too long');
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = tag >>> 3;
    let value: WireValue;
    switch (tag & 7) {
      case 0:
        value = varint();
        break;
      case 1:
      case 5: {
        const size = (tag & 7) === 1 ? 8 : 4;
        value = bytes.subarray(at, at + size);
        at += size;
        break;
      }
      case 2: {
        const length = Number(varint());
        if (length < 0 || at + length > bytes.length)
          throw badRequest('the protobuf body ends early');
        value = bytes.subarray(at, at + length);
        at += length;
        break;
      }
      default:
        throw badRequest('the protobuf body has an unknown wire type');
    }
    const known = fields.get(number);
    if (known) known.push(value);
    else fields.set(number, [value]);
  }
  return fields;
}

function isEmptyMessage(value: WireValue): boolean {
  return typeof value === 'bigint' ? value === 0n : value.length === 0;
}

function bytesOf(value: WireValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function textOf(value: WireValue | undefined): string {
  return Buffer.from(bytesOf(value)).toString('utf8');
}

function numberOf(value: WireValue | undefined): number {
  return typeof value === 'bigint' ? Number(value) : 0;
}

function unsupported(what: string): ApiError {
  return new ApiError(
    415,
    'UnsupportedMediaType',
    `${what} is not understood as protobuf by this API server: send JSON or YAML (kubectl apply -f, or kubectl create with -o yaml --dry-run=client piped to kubectl apply)`,
  );
}
