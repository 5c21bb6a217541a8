// metadata.managedFields: who owns which field after an update, a patch or an apply. Updates take
// over what they change; applies own exactly what they state. Time stamps change only with content.

import type { JsonObject, KubeObject, ManagedFieldsEntry } from '../object.ts';
import { isObject, sameJson } from '../object.ts';
import type { Schema } from '../schema/schema.ts';
import {
  compareObjects,
  decodeFieldSet,
  differenceOf,
  encodeFieldSet,
  type FieldSet,
  isEmptySet,
  unionOf,
} from './field-set.ts';

export interface Manager {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
  time: string;
  fields: FieldSet;
}

export function managersOf(object: KubeObject | undefined): Manager[] {
  const entries = object?.metadata.managedFields;
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry) => {
    if (!isObject(entry) || typeof entry.manager !== 'string') return [];
    return {
      manager: entry.manager,
      operation: entry.operation === 'Apply' ? 'Apply' : 'Update',
      apiVersion: String(entry.apiVersion),
      subresource: entry.subresource ?? '',
      time: entry.time ?? '',
      fields: decodeFieldSet(entry.fieldsV1),
    } satisfies Manager;
  });
}

export function encodeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] {
  return managers
    .filter((entry) => !isEmptySet(entry.fields))
    .map((entry) => ({
      manager: entry.manager,
      operation: entry.operation,
      apiVersion: entry.apiVersion,
      time: entry.time,
      fieldsType: 'FieldsV1',
      fieldsV1: encodeFieldSet(entry.fields),
      ...(entry.subresource === '' ? {} : { subresource: entry.subresource }),
    }));
}

export interface ManagerId {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  subresource: string;
}

export function sameManager(a: ManagerId, b: ManagerId): boolean {
  return a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource;
}

/**
 * Ownership after `id` changed `before` into `after` by create, update or patch. `known` are the
 * managers to start from: those of `before`, or what the client itself put into managedFields.
 */
export function managersAfterUpdate(
  before: KubeObject | undefined,
  after: KubeObject,
  schema: Schema | undefined,
  id: ManagerId,
  time: string,
  known: readonly Manager[] = managersOf(before),
): Manager[] {
  const { changed, added, removed } = compareObjects((before ?? {}) as JsonObject, after, schema);
  const taken = unionOf(changed, added);
  const mine = known.find((entry) => sameManager(entry, id));
  const others = known
    .filter((entry) => entry !== mine)
    .map((entry) => ({
      ...entry,
      fields: differenceOf(differenceOf(entry.fields, removed), changed),
    }));
  const fields = differenceOf(unionOf(mine?.fields ?? {}, taken), removed);
  const isSame = mine !== undefined && isEmptySet(taken) && sameJson(fields, mine.fields);
  const entry: Manager = { ...id, time: isSame ? mine.time : time, fields };
  return [...others, entry].filter((manager) => !isEmptySet(manager.fields));
}
