// Field sets: which paths of an object somebody owns, in the shape of metadata.managedFields
// (FieldsV1). In memory every owned node carries '.', on the wire a node that is only owned is {}.
// Lists with keys are addressed by key, sets by value, everything else in a list is one field.

import { isObject, type JsonObject, sameJson } from '../object.ts';
import { itemSchema, resolveSchema, type Schema, fieldSchema } from '../schema/schema.ts';

export interface FieldSet {
  [step: string]: FieldSet;
}

const owned = '.';

/** All fields of an object that can have an owner; identity and bookkeeping metadata cannot. */
export function fieldsOfObject(object: JsonObject, schema: Schema | undefined): FieldSet {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  const kept: JsonObject = { ...rest };
  if (isObject(metadata)) {
    const own = Object.entries(metadata).filter(([key]) => trackedMetadata.has(key));
    if (own.length > 0) kept['metadata'] = Object.fromEntries(own);
  }
  const set: FieldSet = {};
  for (const [key, value] of Object.entries(kept)) {
    if (value !== undefined) set[`f:${key}`] = fieldsOfValue(value, fieldSchema(schema, key));
  }
  return set;
}

const trackedMetadata = new Set(['labels', 'annotations', 'finalizers', 'ownerReferences']);

function fieldsOfValue(value: unknown, schema: Schema | undefined): FieldSet {
  const resolved = resolveSchema(schema);
  if (isObject(value)) {
    const keys = Object.keys(value);
    if (keys.length === 0 || resolved?.['x-kubernetes-map-type'] === 'atomic')
      return { [owned]: {} };
    const set: FieldSet = isStruct(resolved) ? {} : { [owned]: {} };
    for (const key of keys) set[`f:${key}`] = fieldsOfValue(value[key], fieldSchema(resolved, key));
    return set;
  }
  if (!Array.isArray(value)) return { [owned]: {} };
  const listType = resolved?.['x-kubernetes-list-type'];
  if (listType !== 'map' && listType !== 'set') return { [owned]: {} };
  const set: FieldSet = { [owned]: {} };
  for (const item of value) {
    const step = stepForItem(item, resolved);
    set[step] =
      listType === 'map'
        ? { [owned]: {}, ...fieldsOfValue(item, itemSchema(resolved)) }
        : { [owned]: {} };
  }
  return set;
}

function isStruct(schema: Schema | undefined): boolean {
  return schema?.properties !== undefined;
}

/** The path step of a list item: k:{"name":"x"} in a keyed list, v:"x" in a set. */
export function stepForItem(item: unknown, schema: Schema | undefined): string {
  if (schema?.['x-kubernetes-list-type'] !== 'map') return `v:${JSON.stringify(item)}`;
  const names = [...(schema['x-kubernetes-list-map-keys'] ?? [])].sort();
  const keys: JsonObject = {};
  for (const name of names)
    keys[name] = isObject(item) ? (item[name] ?? defaultKey(schema, name)) : null;
  return `k:${JSON.stringify(keys)}`;
}

function defaultKey(schema: Schema, name: string): unknown {
  const declared = fieldSchema(itemSchema(schema), name)?.default;
  return declared ?? (name === 'protocol' ? 'TCP' : null);
}

export function isEmptySet(set: FieldSet): boolean {
  return Object.keys(set).length === 0;
}

export function unionOf(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = { ...a };
  for (const [step, child] of Object.entries(b)) {
    result[step] = step === owned ? {} : unionOf(result[step] ?? {}, child);
  }
  return result;
}

/** Members of a that are not members of b. */
export function differenceOf(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [step, child] of Object.entries(a)) {
    const other = b[step];
    if (step === owned) {
      if (other === undefined) result[owned] = {};
    } else if (other === undefined) result[step] = child;
    else {
      const rest = differenceOf(child, other);
      if (!isEmptySet(rest)) result[step] = rest;
    }
  }
  return result;
}

/** Members of both. */
export function intersectionOf(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [step, child] of Object.entries(a)) {
    const other = b[step];
    if (other === undefined) continue;
    if (step === owned) result[owned] = {};
    else {
      const both = intersectionOf(child, other);
      if (!isEmptySet(both)) result[step] = both;
    }
  }
  return result;
}

/** Paths of owned leaves: nodes that are owned and have nothing below them. */
export function leavesOf(set: FieldSet, at: readonly string[] = []): string[][] {
  return Object.entries(set).flatMap(([step, child]) => {
    if (step === owned) return [];
    const path = [...at, step];
    const below = Object.keys(child).filter((key) => key !== owned);
    return below.length === 0 ? [path] : leavesOf(child, path);
  });
}

/** Leaf paths that two sets have in common; a list both own but fill differently is none. */
export function commonLeaves(a: FieldSet, b: FieldSet): string[][] {
  const isLeaf = (set: FieldSet, path: readonly string[]) => {
    let node: FieldSet | undefined = set;
    for (const step of path) node = node?.[step];
    return node !== undefined && Object.keys(node).every((step) => step === owned);
  };
  return leavesOf(intersectionOf(a, b)).filter((path) => isLeaf(a, path) && isLeaf(b, path));
}

/** A set holding only the given leaf paths. */
export function setOfPaths(paths: readonly (readonly string[])[]): FieldSet {
  const set: FieldSet = {};
  for (const path of paths) {
    let node = set;
    for (const step of path) node = node[step] ??= {};
    node[owned] = {};
  }
  return set;
}

/** What changed from one object to another, as seen by an owner. */
export function compareObjects(
  before: JsonObject,
  after: JsonObject,
  schema: Schema | undefined,
): { changed: FieldSet; added: FieldSet; removed: FieldSet } {
  const old = fieldsOfObject(before, schema);
  const fresh = fieldsOfObject(after, schema);
  const both = commonLeaves(fresh, old);
  const changed = both.filter(
    (path) => !sameJson(valueAtSteps(before, path), valueAtSteps(after, path)),
  );
  return {
    changed: setOfPaths(changed),
    added: differenceOf(fresh, old),
    removed: differenceOf(old, fresh),
  };
}

/** The value at a field set path, or undefined. */
export function valueAtSteps(root: unknown, path: readonly string[]): unknown {
  let current = root;
  for (const step of path) {
    if (step.startsWith('f:')) current = isObject(current) ? current[step.slice(2)] : undefined;
    else if (Array.isArray(current)) current = current[indexOfItem(current, step)];
    else return undefined;
    if (current === undefined) return undefined;
  }
  return current;
}

export function indexOfItem(list: readonly unknown[], step: string): number {
  const wanted: unknown = JSON.parse(step.slice(2));
  if (step.startsWith('v:')) return list.findIndex((item) => sameJson(item, wanted));
  if (!step.startsWith('k:') || !isObject(wanted)) return -1;
  return list.findIndex(
    (item) =>
      isObject(item) &&
      Object.entries(wanted).every(([key, value]) =>
        sameJson(item[key] ?? (key === 'protocol' ? 'TCP' : null), value),
      ),
  );
}

export function encodeFieldSet(set: FieldSet): JsonObject {
  const result: JsonObject = {};
  const steps = Object.keys(set);
  if (steps.length === 1 && steps[0] === owned) return result;
  for (const step of steps.sort())
    result[step] = step === owned ? {} : encodeFieldSet(set[step] ?? {});
  return result;
}

export function decodeFieldSet(fields: unknown): FieldSet {
  if (!isObject(fields)) return {};
  const set: FieldSet = {};
  for (const [step, child] of Object.entries(fields)) {
    if (step === owned) set[owned] = {};
    else {
      const below = decodeFieldSet(child);
      set[step] = isEmptySet(below) ? { [owned]: {} } : below;
    }
  }
  return set;
}

/** "spec.ports[port=80,protocol=\"TCP\"].nodePort", as conflicts name fields. */
export function pathText(path: readonly string[]): string {
  return path
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      if (step.startsWith('v:')) return `[=${step.slice(2)}]`;
      const keys: unknown = JSON.parse(step.slice(2));
      const pairs = Object.entries(isObject(keys) ? keys : {});
      return `[${pairs.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`;
    })
    .join('');
}
