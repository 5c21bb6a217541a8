// The few fields of Kubernetes' own objects that load balancing looks at, as plain readonly data,
// and readers from JSON. Field names are the API's; what the API leaves out gets the API's default,
// so that the rest of the package never asks "absent or empty?".

import type { Result } from '@rookery/net';
import { readShape } from './shape.ts';
import type { ShapeIssue, ShapeReader } from './shape.ts';

export interface Metadata {
  readonly name: string;
  /** Empty for cluster-wide kinds. */
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ServicePort {
  readonly protocol: string;
  readonly port: number;
}

export type IpFamilyPolicy = 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';

export interface Service {
  readonly metadata: Metadata;
  readonly type: string;
  /** `spec.clusterIPs`, else `spec.clusterIP` alone; empty strings dropped. */
  readonly clusterIps: readonly string[];
  readonly ipFamilies: readonly string[];
  readonly ipFamilyPolicy: IpFamilyPolicy;
  readonly ports: readonly ServicePort[];
  readonly selector: Readonly<Record<string, string>>;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly loadBalancerIp: string;
  readonly loadBalancerClass?: string;
  /** `status.loadBalancer.ingress[].ip`, entries without an IP dropped. */
  readonly ingressIps: readonly string[];
  /** Something other than plain IPs is in the ingress list (host names, ipMode, ports). */
  readonly ingressHasMore: boolean;
}

export interface Endpoint {
  readonly nodeName?: string;
  readonly addresses: readonly string[];
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
}

export interface EndpointSlice {
  readonly metadata: Metadata;
  /** Name of the owning Service, from the label; empty when it has none. */
  readonly serviceName: string;
  readonly endpoints: readonly Endpoint[];
}

export interface NodeAddress {
  readonly type: string;
  readonly address: string;
}

export interface Node {
  readonly metadata: Metadata;
  readonly addresses: readonly NodeAddress[];
  /** Condition NetworkUnavailable is True. */
  readonly networkUnavailable: boolean;
}

export interface Namespace {
  readonly metadata: Metadata;
}

export interface Secret {
  readonly metadata: Metadata;
  readonly type: string;
  /** Values as the API gives them: base64. */
  readonly data: Readonly<Record<string, string>>;
}

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
export const HOSTNAME_LABEL = 'kubernetes.io/hostname';
export const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** "namespace/name", the key under which caches and the allocator know an object. */
export function keyOf(object: { readonly metadata: Metadata }): string {
  const { namespace, name } = object.metadata;
  return namespace === '' ? name : `${namespace}/${name}`;
}

/** Reads a core/v1 Service. */
export function readService(json: unknown): Result<Service, ShapeIssue> {
  return readShape(json, 'Service', (reader) => {
    const spec = reader.object('spec');
    const loadBalancer = reader.object('status')?.object('loadBalancer');
    const clusterIps = withoutEmpty(spec?.texts('clusterIPs') ?? []);
    const clusterIp = spec?.text('clusterIP') ?? '';
    const policy = spec?.text('ipFamilyPolicy');
    const lbClass = spec?.text('loadBalancerClass');
    const ingress =
      loadBalancer?.objects('ingress', (entry) => ({
        ip: entry.text('ip') ?? '',
        more:
          entry.has('hostname') || entry.has('ports') || (entry.text('ipMode') ?? 'VIP') !== 'VIP',
      })) ?? [];
    return {
      metadata: readMetadata(reader),
      type: spec?.text('type') ?? 'ClusterIP',
      clusterIps: clusterIps.length > 0 || clusterIp === '' ? clusterIps : [clusterIp],
      ipFamilies: spec?.texts('ipFamilies') ?? [],
      ipFamilyPolicy:
        policy === 'PreferDualStack' || policy === 'RequireDualStack' ? policy : 'SingleStack',
      ports:
        spec?.objects('ports', (port) => ({
          protocol: port.text('protocol') ?? 'TCP',
          port: port.number('port') ?? 0,
        })) ?? [],
      selector: spec?.textMap('selector') ?? {},
      externalTrafficPolicy: spec?.text('externalTrafficPolicy') === 'Local' ? 'Local' : 'Cluster',
      loadBalancerIp: spec?.text('loadBalancerIP') ?? '',
      ...(lbClass === undefined ? {} : { loadBalancerClass: lbClass }),
      ingressIps: withoutEmpty(ingress.map((entry) => entry.ip)),
      ingressHasMore: ingress.some((entry) => entry.more || entry.ip === ''),
    };
  });
}

/** Reads a discovery.k8s.io/v1 EndpointSlice. */
export function readEndpointSlice(json: unknown): Result<EndpointSlice, ShapeIssue> {
  return readShape(json, 'EndpointSlice', (reader) => {
    const metadata = readMetadata(reader);
    return {
      metadata,
      serviceName: metadata.labels[SERVICE_NAME_LABEL] ?? '',
      endpoints: reader.objects('endpoints', readEndpoint),
    };
  });
}

/** Reads a core/v1 Node. */
export function readNode(json: unknown): Result<Node, ShapeIssue> {
  return readShape(json, 'Node', (reader) => {
    const status = reader.object('status');
    const conditions =
      status?.objects('conditions', (condition) => ({
        type: condition.text('type') ?? '',
        status: condition.text('status') ?? '',
      })) ?? [];
    return {
      metadata: readMetadata(reader),
      addresses:
        status?.objects('addresses', (entry) => ({
          type: entry.text('type') ?? '',
          address: entry.text('address') ?? '',
        })) ?? [],
      networkUnavailable: conditions.some(
        (condition) => condition.type === 'NetworkUnavailable' && condition.status === 'True',
      ),
    };
  });
}

/** Reads a core/v1 Namespace. */
export function readNamespace(json: unknown): Result<Namespace, ShapeIssue> {
  return readShape(json, 'Namespace', (reader) => ({ metadata: readMetadata(reader) }));
}

/** Reads a core/v1 Secret. */
export function readSecret(json: unknown): Result<Secret, ShapeIssue> {
  return readShape(json, 'Secret', (reader) => ({
    metadata: readMetadata(reader),
    type: reader.text('type') ?? '',
    data: reader.textMap('data'),
  }));
}

/** Reads `metadata` of any object. */
export function readMetadata(reader: ShapeReader): Metadata {
  const metadata = reader.object('metadata');
  return {
    name: metadata?.text('name') ?? '',
    namespace: metadata?.text('namespace') ?? '',
    uid: metadata?.text('uid') ?? '',
    resourceVersion: metadata?.text('resourceVersion') ?? '',
    labels: metadata?.textMap('labels') ?? {},
    annotations: metadata?.textMap('annotations') ?? {},
  };
}

/** The list itself where nothing is empty: a filtered copy has room for more than it holds. */
function withoutEmpty(texts: readonly string[]): readonly string[] {
  return texts.includes('') ? texts.filter((text) => text !== '') : texts;
}

function readEndpoint(reader: ShapeReader): Endpoint {
  const conditions = reader.object('conditions');
  const nodeName = reader.text('nodeName');
  const ready = conditions?.flag('ready');
  const serving = conditions?.flag('serving');
  const terminating = conditions?.flag('terminating');
  return {
    addresses: reader.texts('addresses'),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(ready === undefined ? {} : { ready }),
    ...(serving === undefined ? {} : { serving }),
    ...(terminating === undefined ? {} : { terminating }),
  };
}
