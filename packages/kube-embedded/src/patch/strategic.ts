// Strategic merge patch for built-in kinds: as a merge patch, but lists with a merge key are merged
// by that key and the directives $patch, $deleteFromPrimitiveList, $setElementOrder and $retainKeys
// are followed. Which lists merge comes from the schema.

import { badRequest } from '../api-error.ts';
import { cloneJson, isObject, sameJson, type JsonObject } from '../object.ts';
import { fieldSchema, itemSchema, resolveSchema, type Schema } from '../schema/schema.ts';

/** Applies a strategic merge patch and answers the new document. */
export function applyStrategicPatch(
  document: unknown,
  patch: unknown,
  schema: Schema | undefined,
): unknown {
  if (!isObject(patch)) throw badRequest('a strategic merge patch must be an object');
  return mergeObject(isObject(document) ? document : {}, patch, schema);
}

function mergeObject(
  target: JsonObject,
  patch: JsonObject,
  schema: Schema | undefined,
): JsonObject {
  const directive = patch['$patch'];
  if (directive === 'replace') return withoutDirectives(patch);
  if (directive === 'delete') return {};
  const result: JsonObject = { ...target };
  const retain = patch['$retainKeys'];
  if (Array.isArray(retain)) {
    for (const key of Object.keys(result)) if (!retain.includes(key)) delete result[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys') continue;
    const listOf = key.match(/^\$(deleteFromPrimitiveList|setElementOrder)\/(.+)$/);
    if (listOf) continue;
    if (value === null) delete result[key];
    else result[key] = mergeField(result[key], value, fieldSchema(schema, key));
  }
  applyDeletions(result, patch);
  applyOrders(result, patch, schema);
  return result;
}

function mergeField(current: unknown, value: unknown, schema: Schema | undefined): unknown {
  if (isObject(value)) {
    if (!isObject(current)) return mergeObject({}, value, schema);
    return mergeObject(current, value, schema);
  }
  if (!Array.isArray(value)) return value;
  const resolved = resolveSchema(schema);
  if (resolved?.['x-kubernetes-patch-strategy'] !== 'merge') return cloneJson(value);
  const key = resolved['x-kubernetes-patch-merge-key'];
  const existing = Array.isArray(current) ? current : [];
  if (key === undefined) return mergeSet(existing, value);
  return mergeList(existing, value, key, itemSchema(resolved));
}

function mergeSet(existing: unknown[], patch: unknown[]): unknown[] {
  const added = patch.filter((item) => !existing.some((other) => sameJson(other, item)));
  return [...existing, ...cloneJson(added)];
}

function mergeList(
  existing: unknown[],
  patch: unknown[],
  key: string,
  item: Schema | undefined,
): unknown[] {
  if (patch.some((entry) => isObject(entry) && entry['$patch'] === 'replace')) {
    return patch.filter((entry) => !(isObject(entry) && entry['$patch'] === 'replace'));
  }
  let result = [...existing];
  for (const entry of patch) {
    if (!isObject(entry) || entry[key] === undefined) {
      throw badRequest(`map: ${JSON.stringify(entry)} does not contain declared merge key: ${key}`);
    }
    const position = result.findIndex((other) => isObject(other) && other[key] === entry[key]);
    const current = result[position];
    if (entry['$patch'] === 'delete') {
      result = result.filter((other) => !(isObject(other) && other[key] === entry[key]));
    } else if (isObject(current)) result[position] = mergeObject(current, entry, item);
    else result.push(mergeObject({}, entry, item));
  }
  return result;
}

function applyDeletions(result: JsonObject, patch: JsonObject): void {
  for (const [directive, removed] of Object.entries(patch)) {
    const field = directive.match(/^\$deleteFromPrimitiveList\/(.+)$/)?.[1];
    const list = field === undefined ? undefined : result[field];
    if (field === undefined || !Array.isArray(list) || !Array.isArray(removed)) continue;
    result[field] = list.filter((item) => !removed.some((other) => sameJson(other, item)));
  }
}

function applyOrders(result: JsonObject, patch: JsonObject, schema: Schema | undefined): void {
  for (const [directive, order] of Object.entries(patch)) {
    const field = directive.match(/^\$setElementOrder\/(.+)$/)?.[1];
    const list = field === undefined ? undefined : result[field];
    if (field === undefined || !Array.isArray(list) || !Array.isArray(order)) continue;
    const key = fieldSchema(schema, field)?.['x-kubernetes-patch-merge-key'];
    const rank = (item: unknown): number => {
      const position = order.findIndex((wanted) =>
        key !== undefined && isObject(wanted) && isObject(item)
          ? wanted[key] === item[key]
          : sameJson(wanted, item),
      );
      return position;
    };
    // Items that the order does not name are the server's own; they keep their place at the end.
    const named = list.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
    result[field] = [...named, ...list.filter((item) => rank(item) < 0)];
  }
}

function withoutDirectives(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([key]) => !key.startsWith('$')));
}
