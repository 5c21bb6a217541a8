// Walks an object along its structural schema: fills defaults, removes and names unknown fields,
// and finds values of the wrong JSON type in built-in kinds (custom resources use ajv for that).

import { cloneJson, isObject, type JsonObject } from '../object.ts';
import { fieldSchema, resolveSchema, type Schema } from './schema.ts';

/** Fills defaults in place. A null where null is not allowed counts as absent. */
export function fillDefaults(value: unknown, schema: Schema | undefined): void {
  const resolved = resolveSchema(schema);
  if (!resolved) return;
  if (Array.isArray(value)) {
    for (const item of value) fillDefaults(item, resolved.items);
    return;
  }
  if (!isObject(value)) return;
  for (const [name, property] of Object.entries(resolved.properties ?? {})) {
    const field = resolveSchema(property);
    const current = value[name];
    const missing = current === undefined || (current === null && field?.nullable !== true);
    if (missing && field?.default !== undefined) value[name] = cloneJson(field.default);
    else if (current === null && field?.nullable !== true) delete value[name];
    fillDefaults(value[name], field);
  }
  if (typeof resolved.additionalProperties === 'object') {
    for (const [name, item] of Object.entries(value)) {
      if (!Object.hasOwn(resolved.properties ?? {}, name))
        fillDefaults(item, resolved.additionalProperties);
    }
  }
}

/** Removes unknown fields in place and answers their paths, such as spec.foo or spec.ports[0].bar. */
export function pruneUnknown(value: unknown, schema: Schema | undefined): string[] {
  const found: string[] = [];
  prune(value, schema, '', found);
  return found;
}

function prune(value: unknown, schema: Schema | undefined, path: string, found: string[]): void {
  const resolved = resolveSchema(schema);
  if (!resolved) return;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      prune(item, resolved.items, `${path}[${index}]`, found);
    return;
  }
  if (!isObject(value)) return;
  const open =
    resolved['x-kubernetes-preserve-unknown-fields'] === true ||
    resolved.additionalProperties === true;
  const closed = resolved.type === 'object' && !open;
  for (const [name, item] of Object.entries(value)) {
    const fieldPath = path === '' ? name : `${path}.${name}`;
    const properties = resolved.properties;
    if (properties && Object.hasOwn(properties, name))
      prune(item, properties[name], fieldPath, found);
    else if (typeof resolved.additionalProperties === 'object') {
      prune(item, resolved.additionalProperties, fieldPath, found);
    } else if (closed && !(path === '' && rootFields.has(name))) {
      delete value[name];
      found.push(fieldPath);
    }
  }
}

const rootFields = new Set(['apiVersion', 'kind', 'metadata']);

export interface TypeFault {
  path: string;
  expected: string;
  got: string;
}

/** Values whose JSON type is not that of the schema. Nulls count as absent. */
export function findTypeFaults(value: unknown, schema: Schema | undefined, path = ''): TypeFault[] {
  const resolved = resolveSchema(schema);
  if (!resolved || value === null || value === undefined) return [];
  const got = jsonTypeOf(value);
  if (resolved['x-kubernetes-int-or-string'] === true) {
    return got === 'integer' || got === 'string' ? [] : [{ path, expected: 'int-or-string', got }];
  }
  const expected = resolved.type;
  if (expected === undefined) return [];
  const fits = got === expected || (expected === 'number' && got === 'integer');
  if (!fits) return [{ path, expected, got }];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) =>
      findTypeFaults(item, resolved.items, `${path}[${index}]`),
    );
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    findTypeFaults(item, fieldSchema(resolved, name), path === '' ? name : `${path}.${name}`),
  );
}

export function jsonTypeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** Drops null fields in place, as decoding into Go structs does for built-in kinds. */
export function dropNulls(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) dropNulls(item);
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (item === null) delete (value as JsonObject)[name];
      else dropNulls(item);
    }
  }
}
