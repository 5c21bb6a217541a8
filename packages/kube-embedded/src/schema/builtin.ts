// Schemas of the built-in kinds, made from the compact table builtin-schemas.json (field names and
// types) and the list keys below, which say how server-side apply and strategic merge treat lists.
// It holds no prose, so `kubectl explain` of a built-in kind shows structure but few descriptions.

import table from './builtin-schemas.json' with { type: 'json' };
import type { Schema } from './schema.ts';

type CompactTable = Record<string, Record<string, string>>;

const compactTable: CompactTable = table;
const metaTypes = new Set(
  (
    'ObjectMeta ListMeta LabelSelector LabelSelectorRequirement OwnerReference ManagedFieldsEntry ' +
    'Condition Status StatusDetails StatusCause DeleteOptions Preconditions'
  ).split(' '),
);
const byDefinition = new Map<string, string>();
for (const model of Object.keys(compactTable)) byDefinition.set(definitionNameFor(model), model);
const made = new Map<string, Schema>();

/** All definition names, such as io.k8s.api.core.v1.ServiceSpec. */
export function builtinDefinitionNames(): string[] {
  return [...byDefinition.keys()];
}

/** One definition by its name, or undefined. */
export function builtinDefinition(name: string): Schema | undefined {
  const known = made.get(name);
  if (known) return known;
  const model = byDefinition.get(name);
  const fields = model === undefined ? undefined : compactTable[model];
  if (model === undefined || fields === undefined) return undefined;
  const schema = expandModel(model, fields);
  made.set(name, schema);
  return schema;
}

/** A reference to the schema of a model such as V1Service. */
export function builtinReference(model: string): Schema {
  return { $ref: `#/components/schemas/${definitionNameFor(model)}` };
}

function definitionNameFor(model: string): string {
  const plain = model.replace(/^V1/, '');
  const base = metaTypes.has(plain) ? 'io.k8s.apimachinery.pkg.apis.meta.v1' : 'io.k8s.api.core.v1';
  const parts = plain.match(/^(Core|Events|Authentication|Discovery|Rbac)V1(.*)$/);
  if (!parts) return `${base}.${plain}`;
  return `io.k8s.api.${parts[1]?.toLowerCase()}.v1.${parts[2]}`;
}

function expandModel(model: string, fields: Record<string, string>): Schema {
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const [key, type] of Object.entries(fields)) {
    const name = key.replace(/!$/, '');
    if (key.endsWith('!')) required.push(name);
    properties[name] = { ...expandType(type), ...listRuleFor(model, name, type) };
  }
  const schema: Schema = { type: 'object', properties };
  if (required.length > 0) schema.required = required;
  if (atomicMaps.has(model)) schema['x-kubernetes-map-type'] = 'atomic';
  return schema;
}

function expandType(type: string): Schema {
  if (type.endsWith('[]')) return { type: 'array', items: expandType(type.slice(0, -2)) };
  if (type.endsWith('{}')) {
    return { type: 'object', additionalProperties: expandType(type.slice(0, -2)) };
  }
  switch (type) {
    case 'string':
    case 'boolean':
      return { type };
    case 'int32':
    case 'int64':
      return { type: 'integer', format: type };
    case 'number':
    case 'double':
      return { type: 'number', format: 'double' };
    case 'time':
    case 'microtime':
      return { type: 'string', format: 'date-time' };
    case 'byte':
      return { type: 'string', format: 'byte' };
    case 'int-or-string':
      return { 'x-kubernetes-int-or-string': true };
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    default:
      return { allOf: [builtinReference(type)] };
  }
}

interface ListRule {
  keys: string[];
  merge?: string;
}

/** By "Model.field" or, for every model, "*.field". `merge` is the strategic merge key. */
const listMaps: Record<string, ListRule> = {
  '*.conditions': { keys: ['type'] },
  '*.containers': { keys: ['name'] },
  '*.initContainers': { keys: ['name'] },
  '*.ephemeralContainers': { keys: ['name'] },
  '*.volumes': { keys: ['name'] },
  '*.env': { keys: ['name'] },
  '*.volumeMounts': { keys: ['mountPath'] },
  '*.volumeDevices': { keys: ['devicePath'] },
  '*.imagePullSecrets': { keys: ['name'] },
  '*.hostAliases': { keys: ['ip'] },
  '*.ownerReferences': { keys: ['uid'] },
  '*.podIPs': { keys: ['ip'] },
  '*.hostIPs': { keys: ['ip'] },
  '*.schedulingGates': { keys: ['name'] },
  '*.resourceClaims': { keys: ['name'] },
  '*.webhooks': { keys: ['name'] },
  '*.matchConditions': { keys: ['name'] },
  'V1Container.ports': { keys: ['containerPort', 'protocol'], merge: 'containerPort' },
  'V1EphemeralContainer.ports': { keys: ['containerPort', 'protocol'], merge: 'containerPort' },
  'V1ServiceSpec.ports': { keys: ['port', 'protocol'], merge: 'port' },
  'V1ServiceAccount.secrets': { keys: ['name'] },
  'V1NodeStatus.addresses': { keys: ['type'] },
  'V1PodSpec.topologySpreadConstraints': {
    keys: ['topologyKey', 'whenUnsatisfiable'],
    merge: 'topologyKey',
  },
  'V1CustomResourceDefinitionStatus.conditions': { keys: ['type'] },
};

const mergedSets = new Set(['V1ObjectMeta.finalizers', 'V1NodeSpec.podCIDRs']);
const atomicMaps = new Set(
  (
    'V1LabelSelector V1ObjectReference V1LocalObjectReference V1SecretReference V1SecretKeySelector ' +
    'V1ConfigMapKeySelector V1ObjectFieldSelector V1ResourceFieldSelector V1NodeSelector ' +
    'V1NodeSelectorTerm V1TypedLocalObjectReference V1ScopeSelector'
  ).split(' '),
);

function listRuleFor(model: string, field: string, type: string): Schema {
  if (type === 'string{}' && field === 'selector') return { 'x-kubernetes-map-type': 'atomic' };
  if (!type.endsWith('[]')) return {};
  if (mergedSets.has(`${model}.${field}`)) {
    return { 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge' };
  }
  const rule = listMaps[`${model}.${field}`] ?? listMaps[`*.${field}`];
  if (!rule) return { 'x-kubernetes-list-type': 'atomic' };
  return {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': rule.keys,
    'x-kubernetes-patch-merge-key': rule.merge ?? rule.keys[0] ?? 'name',
    'x-kubernetes-patch-strategy': 'merge',
  };
}
