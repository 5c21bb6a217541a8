// CustomResourceDefinitions: creating one really adds a resource. A definition becomes one
// ResourceDef per served version, with its compiled schema, columns and conversion.
// Conversion between versions is a function given to the server; webhooks are not called.

import { ApiError, fieldInvalid, fieldRequired, invalid, type StatusCause } from './api-error.ts';
import {
  cloneJson,
  isObject,
  type KubeObject,
  listAt,
  objectAt,
  textAt,
  valueAt,
} from './object.ts';
import type { Converter, ResourceDef, ResourceRegistry } from './resource.ts';
import { checkRules, compileRules } from './schema/rules.ts';
import { builtinReference } from './schema/builtin.ts';
import type { Schema } from './schema/schema.ts';
import { compileValidator } from './schema/validate.ts';
import { customColumns } from './table.ts';

export const crdResource = 'apiextensions.k8s.io/customresourcedefinitions';

/** Fills what the API server fills in a definition and refuses one that cannot be served. */
export function admitCrd(crd: KubeObject, nowText: string): void {
  const spec = objectAt(crd, 'spec');
  const names = objectAt(spec, 'names');
  const kind = textAt(names, 'kind');
  names['singular'] ??= kind.toLowerCase();
  names['listKind'] ??= `${kind}List`;
  spec['conversion'] ??= { strategy: 'None' };
  const causes = crdFaults(crd);
  if (causes.length > 0) {
    throw invalid(
      'apiextensions.k8s.io',
      'CustomResourceDefinition',
      crd.metadata.name ?? '',
      causes,
    );
  }
  const stored = new Set(listAt(crd, 'status', 'storedVersions').map(String));
  stored.add(storageVersionOf(crd));
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: 'True',
    lastTransitionTime: nowText,
    reason,
    message,
  });
  const known = listAt(crd, 'status', 'conditions');
  crd['status'] = {
    conditions:
      known.length > 0
        ? known
        : [
            condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
            condition(
              'Established',
              'InitialNamesAccepted',
              'the initial names have been accepted',
            ),
          ],
    acceptedNames: cloneJson(names),
    storedVersions: [...stored],
  };
}

function crdFaults(crd: KubeObject): StatusCause[] {
  const causes: StatusCause[] = [];
  const group = textAt(crd, 'spec', 'group');
  const plural = textAt(crd, 'spec', 'names', 'plural');
  if (group === '') causes.push(fieldRequired('spec.group'));
  if (plural === '') causes.push(fieldRequired('spec.names.plural'));
  if (textAt(crd, 'spec', 'names', 'kind') === '') causes.push(fieldRequired('spec.names.kind'));
  if (crd.metadata.name !== `${plural}.${group}`) {
    causes.push(
      fieldInvalid('metadata.name', crd.metadata.name, 'must be spec.names.plural+"."+spec.group'),
    );
  }
  const scope = textAt(crd, 'spec', 'scope');
  if (scope !== 'Namespaced' && scope !== 'Cluster') causes.push(fieldRequired('spec.scope'));
  const versions = listAt(crd, 'spec', 'versions');
  if (versions.filter((version) => valueAt(version, 'storage') === true).length !== 1) {
    causes.push(
      fieldInvalid(
        'spec.versions',
        versions.length,
        'must have exactly one version marked as storage version',
      ),
    );
  }
  for (const [index, version] of versions.entries()) {
    const at = `spec.versions[${index}].schema.openAPIV3Schema`;
    const schema = valueAt(version, 'schema', 'openAPIV3Schema');
    if (!isObject(schema)) {
      causes.push(fieldRequired(at, 'schemas are required'));
      continue;
    }
    try {
      compileValidator(schema as Schema);
    } catch (error) {
      causes.push(
        fieldInvalid(at, textAt(version, 'name'), `the schema does not compile: ${String(error)}`),
      );
    }
    for (const fault of compileRules(schema as Schema).faults) {
      causes.push(
        fieldInvalid(`${at}${fault.path}.x-kubernetes-validations`, fault.rule, fault.message),
      );
    }
  }
  return causes;
}

function storageVersionOf(crd: KubeObject): string {
  const storage = listAt(crd, 'spec', 'versions').find(
    (version) => valueAt(version, 'storage') === true,
  );
  return textAt(storage, 'name');
}

/** Registers every served version of a definition, replacing what was registered for it before. */
export function registerCrd(
  registry: ResourceRegistry,
  crd: KubeObject,
  converter: Converter | undefined,
): void {
  const group = textAt(crd, 'spec', 'group');
  const plural = textAt(crd, 'spec', 'names', 'plural');
  registry.unregister(group, plural);
  for (const version of listAt(crd, 'spec', 'versions')) {
    if (valueAt(version, 'served') === true)
      registry.register(defForVersion(crd, version, converter));
  }
}

export function unregisterCrd(registry: ResourceRegistry, crd: KubeObject): void {
  registry.unregister(textAt(crd, 'spec', 'group'), textAt(crd, 'spec', 'names', 'plural'));
}

function defForVersion(
  crd: KubeObject,
  version: unknown,
  converter: Converter | undefined,
): ResourceDef {
  const group = textAt(crd, 'spec', 'group');
  const names = objectAt(crd, 'spec', 'names');
  const plural = textAt(names, 'plural');
  const kind = textAt(names, 'kind');
  const versionName = textAt(version, 'name');
  const apiVersion = `${group}/${versionName}`;
  const subresources = objectAt(version, 'subresources');
  const schema = servedSchema(
    objectAt(version, 'schema', 'openAPIV3Schema') as Schema,
    group,
    versionName,
    kind,
  );
  const validate = compileValidator(schema);
  const rules = compileRules(schema);
  const warning = textAt(version, 'deprecationWarning');
  return {
    group,
    version: versionName,
    plural,
    singular: textAt(names, 'singular') || kind.toLowerCase(),
    kind,
    listKind: textAt(names, 'listKind') || `${kind}List`,
    namespaced: textAt(crd, 'spec', 'scope') === 'Namespaced',
    shortNames: listAt(names, 'shortNames').map(String),
    categories: listAt(names, 'categories').map(String),
    subresources: [
      ...(subresources['status'] === undefined ? [] : (['status'] as const)),
      ...(subresources['scale'] === undefined ? [] : (['scale'] as const)),
    ],
    storage: { group, plural, apiVersion: `${group}/${storageVersionOf(crd)}` },
    virtual: false,
    hasStatus: subresources['status'] !== undefined,
    schema,
    columns: customColumns(
      listAt(version, 'additionalPrinterColumns') as Parameters<typeof customColumns>[0],
    ),
    custom: {
      crdName: crd.metadata.name ?? '',
      validate: (object, previous) => {
        const causes = validate(object);
        return causes.length > 0 ? causes : checkRules(rules, object, previous);
      },
      convert: converter,
      selectableFields: listAt(version, 'selectableFields').map((field) =>
        textAt(field, 'jsonPath').replace(/^\./, ''),
      ),
    },
    deprecation:
      valueAt(version, 'deprecated') === true
        ? warning || `${apiVersion} ${kind} is deprecated`
        : undefined,
  };
}

function servedSchema(schema: Schema, group: string, version: string, kind: string): Schema {
  return {
    ...schema,
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      ...schema.properties,
      metadata: { allOf: [builtinReference('V1ObjectMeta')] },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}

/** The stored object in another version of its kind; 500 when no conversion exists. */
export function convertObject(
  object: KubeObject,
  def: ResourceDef,
  toApiVersion: string,
): KubeObject {
  if (object.apiVersion === toApiVersion) return object;
  const convert = def.custom?.convert;
  const converted = convert
    ? convert(object, toApiVersion)
    : { ...object, apiVersion: toApiVersion };
  if (converted) return converted;
  throw new ApiError(
    500,
    'InternalError',
    `conversion of ${def.kind} from ${object.apiVersion} to ${toApiVersion} is not possible`,
  );
}
