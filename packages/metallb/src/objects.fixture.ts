// Builders of objects for the tests of this package, in the API's own JSON.

import { configFor } from './config-for.ts';
import type { Config, ConfigIssue, Pool } from './config.ts';
import { readEndpointSlice, readNode, readService } from './kubernetes.ts';
import type { EndpointSlice, Node, Service } from './kubernetes.ts';
import { readResources } from './resources.ts';
import type { RawResources } from './resources.ts';

type Json = Record<string, unknown>;

export function pool(
  name: string,
  addresses: readonly string[],
  spec: Json = {},
  labels: Json = {},
): Json {
  return { metadata: { name, namespace: 'metallb', labels }, spec: { addresses, ...spec } };
}

export function peer(name: string, spec: Json = {}, more: Json = {}): Json {
  return {
    apiVersion: 'metallb.io/v1beta2',
    metadata: { name, namespace: 'metallb', ...more },
    spec: { myASN: 64497, peerASN: 64496, peerAddress: '192.168.1.1', ...spec },
  };
}

export function advertisement(name: string, spec: Json = {}): Json {
  return { metadata: { name, namespace: 'metallb' }, spec };
}

export function nodeJson(name: string, labels: Json = {}, status: Json = {}): Json {
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    status: { addresses: [{ type: 'InternalIP', address: '192.168.1.32' }], ...status },
  };
}

export function namespaceJson(name: string, labels: Json = {}): Json {
  return { metadata: { name, labels } };
}

export interface ServiceOptions {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Json;
  readonly annotations?: Json;
  readonly spec?: Json;
  readonly ingress?: readonly (string | Json)[];
}

export function service(options: ServiceOptions = {}): Service {
  const { name = 'web', namespace = 'default', labels = {}, annotations = {} } = options;
  const read = readService({
    metadata: { name, namespace, labels, annotations },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '10.96.0.10',
      ports: [{ protocol: 'TCP', port: 80 }],
      ...options.spec,
    },
    status: {
      loadBalancer: {
        ingress: (options.ingress ?? []).map((ip) => (typeof ip === 'string' ? { ip } : ip)),
      },
    },
  });
  if (!read.ok) throw new Error(read.error.message);
  return read.value;
}

export function slice(
  serviceName: string,
  endpoints: readonly Json[],
  namespace = 'default',
): EndpointSlice {
  const read = readEndpointSlice({
    metadata: {
      name: `${serviceName}-abcde`,
      namespace,
      labels: { 'kubernetes.io/service-name': serviceName },
    },
    endpoints,
  });
  if (!read.ok) throw new Error(read.error.message);
  return read.value;
}

export function node(name: string, labels: Json = {}, status: Json = {}): Node {
  const read = readNode(nodeJson(name, labels, status));
  if (!read.ok) throw new Error(read.error.message);
  return read.value;
}

export type ConfigOutcome =
  | { readonly ok: true; readonly value: Config }
  | { readonly ok: false; readonly error: ConfigIssue };

export function outcomeOf(raw: RawResources): ConfigOutcome {
  const { resources, issues } = readResources(raw);
  if (issues.length > 0) throw new Error(issues.map((issue) => issue.message).join());
  return configFor(resources);
}

export function configOf(raw: RawResources): Config {
  const outcome = outcomeOf(raw);
  if (!outcome.ok) throw new Error(`${outcome.error.object}: ${outcome.error.message}`);
  return outcome.value;
}

/** Pools out of pool objects alone; nodes and namespaces as given. */
export function poolsOf(
  pools: readonly Json[],
  namespaces: readonly Json[] = [],
): ReadonlyMap<string, Pool> {
  return configOf({ pools, namespaces }).pools;
}
