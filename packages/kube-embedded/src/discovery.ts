// Discovery: /version, /api, /apis, resource lists per group version, and the aggregated form that
// current clients ask for in one request.

import type { JsonObject } from './object.ts';
import {
  allVerbs,
  apiVersionOf,
  type ResourceDef,
  type ResourceRegistry,
  type SubresourceName,
} from './resource.ts';

export const serverVersion = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.0-rookery',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: 'linux/amd64',
};

export function apiVersionsDocument(serverAddress: string): JsonObject {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

export function apiGroupList(registry: ResourceRegistry): JsonObject {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: namedGroups(registry).map((group) => apiGroup(registry, group)),
  };
}

export function apiGroupDocument(
  registry: ResourceRegistry,
  group: string,
): JsonObject | undefined {
  if (group === '' || !registry.groups().includes(group)) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(registry, group) };
}

function namedGroups(registry: ResourceRegistry): string[] {
  return registry.groups().filter((group) => group !== '');
}

function apiGroup(registry: ResourceRegistry, group: string): JsonObject {
  const versions = registry
    .versionsOf(group)
    .map((version) => ({ groupVersion: `${group}/${version}`, version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

/** The resources of one group version with their subresources, or undefined when none is served. */
export function apiResourceList(
  registry: ResourceRegistry,
  group: string,
  version: string,
): JsonObject | undefined {
  const defs = registry.resourcesOf(group, version);
  if (defs.length === 0) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf({ group, version }),
    resources: defs.flatMap((def) => [
      {
        name: def.plural,
        singularName: def.singular,
        namespaced: def.namespaced,
        kind: def.kind,
        verbs: verbsOf(def),
        ...(def.shortNames.length > 0 ? { shortNames: def.shortNames } : {}),
        ...(def.categories.length > 0 ? { categories: def.categories } : {}),
        storageVersionHash: '',
      },
      ...def.subresources.map((name) => ({
        name: `${def.plural}/${name}`,
        singularName: '',
        namespaced: def.namespaced,
        ...subresourceKind(def, name),
        verbs: subresourceVerbs(name),
      })),
    ]),
  };
}

/** apidiscovery.k8s.io APIGroupDiscoveryList for the core group or for all named groups. */
export function aggregatedDiscovery(
  registry: ResourceRegistry,
  scope: 'core' | 'named',
  apiVersion: string,
): JsonObject {
  const groups = scope === 'core' ? [''] : namedGroups(registry);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { name: group, creationTimestamp: null },
      versions: registry.versionsOf(group).map((version) => ({
        version,
        freshness: 'Current',
        resources: registry.resourcesOf(group, version).map(discoverResource),
      })),
    })),
  };
}

function discoverResource(def: ResourceDef): JsonObject {
  const { group, version, kind } = def;
  return {
    resource: def.plural,
    responseKind: { group, version, kind },
    scope: def.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: def.singular,
    verbs: verbsOf(def),
    ...(def.shortNames.length > 0 ? { shortNames: def.shortNames } : {}),
    ...(def.categories.length > 0 ? { categories: def.categories } : {}),
    ...(def.subresources.length > 0
      ? {
          subresources: def.subresources.map((name) => ({
            subresource: name,
            responseKind: { group: '', version: '', ...subresourceKind(def, name) },
            verbs: subresourceVerbs(name),
          })),
        }
      : {}),
  };
}

function verbsOf(def: ResourceDef): readonly string[] {
  return def.virtual ? ['create'] : allVerbs;
}

function subresourceKind(
  def: ResourceDef,
  name: SubresourceName,
): { group?: string; version?: string; kind: string } {
  switch (name) {
    case 'scale':
      return { group: 'autoscaling', version: 'v1', kind: 'Scale' };
    case 'token':
      return { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' };
    case 'eviction':
      return { group: 'policy', version: 'v1', kind: 'Eviction' };
    case 'binding':
      return { kind: 'Binding' };
    case 'exec':
      return { kind: 'PodExecOptions' };
    default:
      return { kind: def.kind };
  }
}

function subresourceVerbs(name: SubresourceName): string[] {
  if (name === 'exec') return ['create', 'get'];
  if (name === 'log') return ['get'];
  if (name === 'token' || name === 'binding' || name === 'eviction') return ['create'];
  return ['get', 'patch', 'update'];
}
