// Server-side apply: merges a configuration into the live object, refuses to overwrite what other
// managers own with another value (409, unless forced), and removes what this manager applied
// before, applies no longer and nobody else owns.

import { ApiError, type StatusCause } from '../api-error.ts';
import { cloneJson, isObject, type JsonObject, type KubeObject, sameJson } from '../object.ts';
import { fieldSchema, itemSchema, resolveSchema, type Schema } from '../schema/schema.ts';
import {
  commonLeaves,
  differenceOf,
  type FieldSet,
  fieldsOfObject,
  indexOfItem,
  pathText,
  setOfPaths,
  stepForItem,
  unionOf,
  valueAtSteps,
} from './field-set.ts';
import { type Manager, type ManagerId, managersOf, sameManager } from './managed-fields.ts';

export interface ApplyRequest {
  live: KubeObject | undefined;
  applied: KubeObject;
  schema: Schema | undefined;
  id: ManagerId;
  force: boolean;
  time: string;
}

export interface ApplyOutcome {
  object: KubeObject;
  managers: Manager[];
}

/** Merges one applied configuration; throws 409 with one cause per conflicting field. */
export function applyConfiguration(request: ApplyRequest): ApplyOutcome {
  const { live, applied, schema, id } = request;
  const appliedFields = fieldsOfObject(applied, schema);
  const known = managersOf(live);
  const mine = known.find((entry) => sameManager(entry, id));
  let others = known.filter((entry) => entry !== mine);
  const contested = conflictsWith(others, appliedFields, applied, live);
  if (contested.length > 0 && !request.force) throw conflictError(contested);
  const lost = setOfPaths(contested.map((conflict) => conflict.path));
  others = others.map((entry) => ({ ...entry, fields: differenceOf(entry.fields, lost) }));

  const merged = mergeValue(live ?? {}, applied, schema) as KubeObject;
  const held = others.reduce<FieldSet>((all, entry) => unionOf(all, entry.fields), {});
  const dropped = differenceOf(differenceOf(mine?.fields ?? {}, appliedFields), held);
  removeFields(merged, dropped, unionOf(appliedFields, held));
  const isSame = mine !== undefined && sameJson(mine.fields, appliedFields);
  const entry: Manager = { ...id, time: isSame ? mine.time : request.time, fields: appliedFields };
  return { object: merged, managers: [entry, ...others] };
}

interface Conflict {
  path: string[];
  owner: Manager;
}

function conflictsWith(
  others: readonly Manager[],
  appliedFields: FieldSet,
  applied: KubeObject,
  live: KubeObject | undefined,
): Conflict[] {
  return others.flatMap((owner) =>
    commonLeaves(appliedFields, owner.fields)
      .filter((path) => !sameJson(valueAtSteps(applied, path), valueAtSteps(live, path)))
      .map((path) => ({ path, owner })),
  );
}

function conflictError(conflicts: readonly Conflict[]): ApiError {
  const causes: StatusCause[] = conflicts.map(({ path, owner }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${ownerText(owner)}`,
    field: pathText(path),
  }));
  const owners = [...new Set(conflicts.map(({ owner }) => ownerText(owner)))];
  const count = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`;
  const fields =
    conflicts.length === 1
      ? `: ${causes[0]?.field ?? ''}`
      : `:\n${causes.map((cause) => `- ${cause.field}`).join('\n')}`;
  const message = `Apply failed with ${count}: ${conflicts.length === 1 ? 'conflict' : 'conflicts'} with ${owners.join(', ')}${fields}`;
  return new ApiError(409, 'Conflict', message, { causes });
}

function ownerText(owner: Manager): string {
  const how = owner.operation === 'Update' ? ` using ${owner.apiVersion}` : '';
  const part = owner.subresource === '' ? '' : ` with subresource "${owner.subresource}"`;
  return `"${owner.manager}"${part}${how}`;
}

function mergeValue(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  const resolved = resolveSchema(schema);
  if (isObject(applied)) {
    if (!isObject(live) || resolved?.['x-kubernetes-map-type'] === 'atomic')
      return cloneJson(applied);
    const result: JsonObject = { ...live };
    for (const [key, value] of Object.entries(applied)) {
      result[key] = mergeValue(live[key], value, fieldSchema(resolved, key));
    }
    return result;
  }
  if (!Array.isArray(applied) || !Array.isArray(live)) return cloneJson(applied);
  const listType = resolved?.['x-kubernetes-list-type'];
  if (listType === 'set') {
    return [...live, ...applied.filter((item) => !live.some((other) => sameJson(other, item)))];
  }
  if (listType !== 'map') return cloneJson(applied);
  const result = [...live];
  for (const item of applied) {
    const index = indexOfItem(result, stepForItem(item, resolved));
    if (index < 0) result.push(cloneJson(item));
    else result[index] = mergeValue(result[index], item, itemSchema(resolved));
  }
  return result;
}

/** Removes the fields of a set in place; containers left empty go too unless somebody keeps them. */
function removeFields(target: unknown, set: FieldSet, kept: FieldSet): void {
  for (const [step, child] of Object.entries(set)) {
    if (step === '.') continue;
    const keptBelow = kept[step];
    if (step.startsWith('f:')) {
      if (!isObject(target)) continue;
      const key = step.slice(2);
      if (keptBelow === undefined && Object.hasOwn(child, '.')) delete target[key];
      else {
        // mergeValue shares what it did not touch with the stored object, so copy before cutting.
        target[key] = cloneJson(target[key]);
        removeFields(target[key], child, keptBelow ?? {});
        if (keptBelow === undefined && isEmptyContainer(target[key])) delete target[key];
      }
    } else if (Array.isArray(target)) {
      const index = indexOfItem(target, step);
      if (index < 0) continue;
      if (keptBelow === undefined) target.splice(index, 1);
      else removeFields(target[index], child, keptBelow);
    }
  }
}

function isEmptyContainer(value: unknown): boolean {
  return Array.isArray(value)
    ? value.length === 0
    : isObject(value) && Object.keys(value).length === 0;
}
