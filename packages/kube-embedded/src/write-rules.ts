// The rules of one write that need no state: is this the right kind, are its fields known and of the
// right type, what is copied over from the current object, and when does the generation rise.

import { randomInt } from 'node:crypto';
import { badRequest } from './api-error.ts';
import { isObject, type KubeObject, sameJson } from './object.ts';
import { apiVersionOf, type ResourceDef } from './resource.ts';
import { builtinReference } from './schema/builtin.ts';
import { dropNulls, fillDefaults, findTypeFaults, pruneUnknown } from './schema/structural.ts';
import type { WriteOptions } from './kube-api.ts';

/** Checks that a body is of the kind and namespace that the request names, in place. */
export function identify(def: ResourceDef, namespace: string, object: KubeObject): void {
  const wanted = apiVersionOf(def);
  if (object.apiVersion === undefined && object.kind === undefined)
    throw badRequest("Object 'Kind' is missing in the body");
  if (object.apiVersion !== wanted || object.kind !== def.kind) {
    throw badRequest(
      `the API version in the data (${String(object.apiVersion)}, Kind=${String(object.kind)}) does not match the expected API version (${wanted}, Kind=${def.kind})`,
    );
  }
  if (object.metadata === undefined || object.metadata === null) object.metadata = {};
  if (!isObject(object.metadata)) throw badRequest('metadata must be an object');
  const given = object.metadata.namespace;
  if (!def.namespaced) delete object.metadata.namespace;
  else if (given !== undefined && given !== '' && given !== namespace) {
    throw badRequest(
      'the namespace of the provided object does not match the namespace sent on the request',
    );
  } else object.metadata.namespace = namespace;
}

/** Prunes, checks types and fills defaults; answers warnings or throws as fieldValidation asks. */
export function decode(
  def: ResourceDef,
  object: KubeObject,
  options: WriteOptions,
  isApply = false,
): string[] {
  if (!def.custom) dropNulls(object);
  const metaFaults = findTypeFaults(object.metadata, builtinReference('V1ObjectMeta'), 'metadata');
  const faults = def.custom ? metaFaults : findTypeFaults(object, def.schema);
  const fault = faults[0];
  if (fault) {
    throw badRequest(
      `${def.kind} in version "${def.version}" cannot be handled as a ${def.kind}: json: cannot unmarshal ${fault.got} into field ${def.kind}.${fault.path} of type ${fault.expected}`,
    );
  }
  const unknown = pruneUnknown(object, def.schema);
  if (!isApply) fillDefaultsFor(def, object);
  if (unknown.length === 0 || options.fieldValidation === 'Ignore') return [];
  const texts = unknown.map((path) => `unknown field "${path}"`);
  if (options.fieldValidation !== 'Strict') return texts;
  throw badRequest(
    `${def.kind} in version "${def.version}" cannot be handled as a ${def.kind}: strict decoding error: ${texts.join(', ')}`,
  );
}

export function fillDefaultsFor(def: ResourceDef, object: KubeObject): void {
  if (def.custom) fillDefaults(object, def.schema);
}

/** The part of metadata that says which object is meant. */
export function identityOf(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { name, namespace, resourceVersion, uid } = metadata;
  return JSON.parse(
    JSON.stringify({ name, namespace, resourceVersion, uid }),
  ) as KubeObject['metadata'];
}

/** Copies metadata that clients cannot change from the current object. */
export function carry(next: KubeObject, current: KubeObject, keys: readonly string[]): void {
  for (const key of keys) {
    const value = current.metadata[key];
    if (value === undefined) delete next.metadata[key];
    else next.metadata[key] = value;
  }
}

/** Whether changes of the desired state are counted in metadata.generation. */
export function countsGeneration(def: ResourceDef): boolean {
  return def.custom !== undefined || (def.hasStatus && def.group !== '') || def.kind === 'Pod';
}

export function changesDesiredState(
  def: ResourceDef,
  before: KubeObject,
  after: KubeObject,
): boolean {
  const desired = (object: KubeObject) => {
    const { metadata: _metadata, status, ...rest } = object;
    return def.hasStatus ? rest : { ...rest, status };
  };
  return !sameJson(desired(before), desired(after));
}

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** Five characters for generateName, without vowels and look-alikes. */
export function randomSuffix(): string {
  return Array.from({ length: 5 }, () => suffixAlphabet[randomInt(suffixAlphabet.length)]).join('');
}
