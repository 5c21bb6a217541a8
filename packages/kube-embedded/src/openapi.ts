// OpenAPI for kubectl: version 3 documents per group version (explain, apply, server-side field
// validation) and one version 2 document for clients before 1.27. Paths are listed as far as kubectl
// reads them: the PATCH operation with its fieldValidation parameter, by which it trusts the server
// to report unknown fields.

import { createHash } from 'node:crypto';
import type { JsonObject } from './object.ts';
import { isObject } from './object.ts';
import { apiVersionOf, type ResourceDef, type ResourceRegistry } from './resource.ts';
import { builtinDefinition } from './schema/builtin.ts';
import { definitionPrefix, type Schema } from './schema/schema.ts';
import { serverVersion } from './discovery.ts';

/** The index: where the document of each group version is; the hash lets clients cache. */
export function openApiIndex(registry: ResourceRegistry): JsonObject {
  const paths: JsonObject = {};
  for (const group of registry.groups()) {
    for (const version of registry.versionsOf(group)) {
      const path = group === '' ? `api/${version}` : `apis/${group}/${version}`;
      const body = JSON.stringify(openApiV3(registry, group, version));
      const hash = createHash('sha512').update(body).digest('hex').toUpperCase().slice(0, 64);
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
  }
  return { paths };
}

export function openApiV3(
  registry: ResourceRegistry,
  group: string,
  version: string,
): JsonObject | undefined {
  const defs = registry.resourcesOf(group, version);
  if (defs.length === 0) return undefined;
  const schemas: Record<string, unknown> = {};
  const paths: JsonObject = {};
  for (const def of defs) {
    schemas[definitionNameOf(def)] = rootSchema(def);
    schemas[`${definitionNameOf(def)}List`] = listSchema(def);
    collectReferences(rootSchema(def), schemas);
    if (!def.virtual) Object.assign(paths, pathsFor(def));
  }
  collectReferences(listMetaReference, schemas);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: serverVersion.gitVersion },
    paths,
    components: { schemas },
  };
}

/** All definitions in one Swagger 2.0 document. */
export function openApiV2(registry: ResourceRegistry): JsonObject {
  const definitions: Record<string, unknown> = {};
  const paths: JsonObject = {};
  for (const def of registry.all()) {
    definitions[definitionNameOf(def)] = rootSchema(def);
    definitions[`${definitionNameOf(def)}List`] = listSchema(def);
    collectReferences(rootSchema(def), definitions);
    if (!def.virtual) Object.assign(paths, pathsFor(def));
  }
  collectReferences(listMetaReference, definitions);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: serverVersion.gitVersion },
    paths: paths,
    definitions: toSwagger(definitions),
  } as JsonObject;
}

const listMetaReference: Schema = {
  $ref: `${definitionPrefix}io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta`,
};
const listMeta: Schema = {
  type: 'object',
  properties: {
    continue: { type: 'string' },
    remainingItemCount: { type: 'integer', format: 'int64' },
    resourceVersion: { type: 'string' },
    selfLink: { type: 'string' },
  },
};

/** io.metallb.v1beta1.BGPPeer: the group reversed, then version and kind. */
export function definitionNameOf(def: ResourceDef): string {
  if (!def.custom) {
    const reference = def.schema?.$ref;
    if (reference !== undefined) return reference.slice(definitionPrefix.length);
  }
  const reversed = def.group === '' ? 'io.k8s.api.core' : def.group.split('.').reverse().join('.');
  return `${reversed}.${def.version}.${def.kind}`;
}

function rootSchema(def: ResourceDef): Schema {
  const { $ref: reference, ...own } = def.schema ?? { type: 'object' };
  const target =
    reference === undefined
      ? undefined
      : builtinDefinition(reference.slice(definitionPrefix.length));
  return { ...target, ...own };
}

function listSchema(def: ResourceDef): Schema {
  const { group, version, listKind } = def;
  return {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { allOf: [listMetaReference] },
      items: {
        type: 'array',
        items: { allOf: [{ $ref: definitionPrefix + definitionNameOf(def) }] },
      },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: listKind }],
  };
}

function collectReferences(value: unknown, into: Record<string, unknown>): void {
  if (Array.isArray(value)) for (const item of value) collectReferences(item, into);
  if (!isObject(value)) return;
  const reference = value['$ref'];
  if (typeof reference === 'string') {
    const name = reference.slice(definitionPrefix.length);
    if (Object.hasOwn(into, name)) return;
    const target = name.endsWith('.ListMeta') ? listMeta : builtinDefinition(name);
    if (!target) return;
    into[name] = target;
    collectReferences(target, into);
    return;
  }
  for (const item of Object.values(value)) collectReferences(item, into);
}

function pathsFor(def: ResourceDef): JsonObject {
  const { group, version, kind } = def;
  const root = group === '' ? `/api/${version}` : `/apis/${apiVersionOf(def)}`;
  const base = def.namespaced
    ? `${root}/namespaces/{namespace}/${def.plural}`
    : `${root}/${def.plural}`;
  const operation = (action: string, verb: string) => ({
    operationId: `${verb}${kind}${version}${group}`,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, version, kind },
    parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map((name) => ({
      name,
      in: 'query',
      uniqueItems: true,
      ...({ schema: { type: 'string' } } as JsonObject),
    })),
    responses: { '200': { description: 'OK' } },
  });
  return {
    [base]: { get: operation('list', 'list'), post: operation('post', 'create') },
    [`${base}/{name}`]: {
      get: operation('get', 'read'),
      put: operation('put', 'replace'),
      patch: operation('patch', 'patch'),
      delete: operation('delete', 'delete'),
    },
  };
}

/** OpenAPI v2 has references under another path and no allOf around them. */
function toSwagger(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSwagger);
  if (!isObject(value)) return value;
  const all = value['allOf'];
  if (
    Array.isArray(all) &&
    all.length === 1 &&
    isObject(all[0]) &&
    typeof all[0]['$ref'] === 'string'
  ) {
    const { allOf: _allOf, ...rest } = value;
    return toSwagger({ ...rest, $ref: all[0]['$ref'] });
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      key === '$ref' && typeof item === 'string'
        ? [key, item.replace(definitionPrefix, '#/definitions/')]
        : [key, toSwagger(item)],
    ),
  );
}
