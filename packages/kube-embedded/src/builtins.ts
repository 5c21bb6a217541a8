// The built-in resources this API serves, one row each. RBAC and webhook configurations are stored
// and answered but have no effect here; reviews (TokenReview, SubjectAccessReview) store nothing.

import type { ResourceDef, ResourceRegistry, SubresourceName } from './resource.ts';
import { builtinReference } from './schema/builtin.ts';
import { builtinColumns } from './table-columns.ts';

interface Row {
  kind: string;
  plural?: string;
  model?: string;
  cluster?: true;
  short?: string;
  sub?: string;
  categories?: string;
  virtual?: true;
  storage?: { group: string; plural: string; apiVersion: string };
}

const groups: Record<string, Row[]> = {
  '/v1': [
    { kind: 'Namespace', cluster: true, short: 'ns', sub: 'status' },
    { kind: 'Node', cluster: true, short: 'no', sub: 'status' },
    { kind: 'Pod', short: 'po', sub: 'status exec log binding eviction', categories: 'all' },
    { kind: 'Service', short: 'svc', sub: 'status', categories: 'all' },
    { kind: 'Endpoints', plural: 'endpoints', short: 'ep' },
    { kind: 'Event', model: 'CoreV1Event', short: 'ev' },
    { kind: 'Secret' },
    { kind: 'ConfigMap', short: 'cm' },
    { kind: 'ServiceAccount', short: 'sa', sub: 'token' },
    { kind: 'ResourceQuota', short: 'quota', sub: 'status' },
    { kind: 'LimitRange', short: 'limits' },
    { kind: 'PersistentVolumeClaim', short: 'pvc', sub: 'status' },
  ],
  'apps/v1': [
    { kind: 'DaemonSet', short: 'ds', sub: 'status', categories: 'all' },
    { kind: 'Deployment', short: 'deploy', sub: 'status scale', categories: 'all' },
    { kind: 'ReplicaSet', short: 'rs', sub: 'status scale', categories: 'all' },
    { kind: 'StatefulSet', short: 'sts', sub: 'status scale', categories: 'all' },
    { kind: 'ControllerRevision' },
  ],
  'batch/v1': [{ kind: 'Job', sub: 'status', categories: 'all' }],
  'discovery.k8s.io/v1': [{ kind: 'EndpointSlice' }],
  'coordination.k8s.io/v1': [{ kind: 'Lease' }],
  'events.k8s.io/v1': [
    {
      kind: 'Event',
      model: 'EventsV1Event',
      storage: { group: '', plural: 'events', apiVersion: 'v1' },
    },
  ],
  'apiextensions.k8s.io/v1': [
    {
      kind: 'CustomResourceDefinition',
      cluster: true,
      short: 'crd,crds',
      sub: 'status',
      categories: 'api-extensions',
    },
  ],
  'rbac.authorization.k8s.io/v1': [
    { kind: 'Role' },
    { kind: 'RoleBinding' },
    { kind: 'ClusterRole', cluster: true },
    { kind: 'ClusterRoleBinding', cluster: true },
  ],
  'admissionregistration.k8s.io/v1': [
    { kind: 'ValidatingWebhookConfiguration', cluster: true, categories: 'api-extensions' },
    { kind: 'MutatingWebhookConfiguration', cluster: true, categories: 'api-extensions' },
  ],
  'networking.k8s.io/v1': [{ kind: 'NetworkPolicy', plural: 'networkpolicies', short: 'netpol' }],
  'policy/v1': [{ kind: 'PodDisruptionBudget', short: 'pdb', sub: 'status' }],
  'authentication.k8s.io/v1': [
    { kind: 'TokenReview', cluster: true, virtual: true },
    { kind: 'SelfSubjectReview', cluster: true, virtual: true },
  ],
  'authorization.k8s.io/v1': [
    { kind: 'SubjectAccessReview', cluster: true, virtual: true },
    { kind: 'SelfSubjectAccessReview', cluster: true, virtual: true },
    { kind: 'SelfSubjectRulesReview', cluster: true, virtual: true },
  ],
};

/** Puts every built-in resource into a registry. */
export function registerBuiltins(registry: ResourceRegistry): void {
  for (const [groupVersion, rows] of Object.entries(groups)) {
    const [group = '', version = 'v1'] = groupVersion.split('/');
    for (const row of rows) registry.register(defForRow(group, version, row));
  }
}

function defForRow(group: string, version: string, row: Row): ResourceDef {
  const plural = row.plural ?? `${row.kind.toLowerCase()}s`;
  const subresources = (row.sub?.split(' ') ?? []) as SubresourceName[];
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const kind = row.kind;
  return {
    group,
    version,
    plural,
    singular: kind.toLowerCase(),
    kind,
    listKind: `${kind}List`,
    namespaced: row.cluster !== true,
    shortNames: row.short?.split(',') ?? [],
    categories: row.categories?.split(',') ?? [],
    subresources,
    storage: row.storage ?? { group, plural, apiVersion },
    virtual: row.virtual === true,
    hasStatus: subresources.includes('status'),
    schema: {
      ...builtinReference(row.model ?? `V1${kind}`),
      'x-kubernetes-group-version-kind': [{ group, version, kind }],
    },
    columns: builtinColumns(kind),
    custom: undefined,
    deprecation: undefined,
  };
}
