// JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386) over plain JSON values. Inputs are not
// changed. A patch that does not apply is 422, one that is not a patch at all is 400.

import { ApiError, badRequest } from '../api-error.ts';
import { cloneJson, isObject, sameJson } from '../object.ts';

/** Applies RFC 6902 operations and answers the new document. */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch must be an array of operations');
  if (patch.length > 10_000) {
    throw new ApiError(
      413,
      'RequestEntityTooLarge',
      'The allowed maximum operations in a JSON patch is 10000',
    );
  }
  let root = cloneJson(document);
  for (const operation of patch) {
    if (!isObject(operation)) throw badRequest('a JSON patch operation must be an object');
    root = applyOperation(root, operation);
  }
  return root;
}

function applyOperation(root: unknown, operation: Record<string, unknown>): unknown {
  const path = parsePointer(operation['path']);
  switch (operation['op']) {
    case 'add':
      return insertAt(root, path, needValue(operation));
    case 'remove':
      return removeAt(root, path);
    case 'replace':
      readAt(root, path);
      return insertAt(path.length === 0 ? root : removeAt(root, path), path, needValue(operation));
    case 'test':
      if (!sameJson(readAt(root, path), operation['value'])) {
        throw unprocessable(`testing value ${String(operation['path'])} failed`);
      }
      return root;
    case 'move': {
      const from = parsePointer(operation['from']);
      const value = readAt(root, from);
      return insertAt(removeAt(root, from), path, value);
    }
    case 'copy':
      return insertAt(root, path, cloneJson(readAt(root, parsePointer(operation['from']))));
    default:
      throw badRequest(
        `unexpected kind of JSON patch operation: ${JSON.stringify(operation['op'])}`,
      );
  }
}

function needValue(operation: Record<string, unknown>): unknown {
  if (!Object.hasOwn(operation, 'value'))
    throw badRequest('a JSON patch operation lacks its value');
  return cloneJson(operation['value']);
}

function parsePointer(pointer: unknown): string[] {
  if (pointer === '') return [];
  if (typeof pointer !== 'string' || !pointer.startsWith('/')) {
    throw badRequest(`not a JSON pointer: ${JSON.stringify(pointer)}`);
  }
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function readAt(root: unknown, path: readonly string[]): unknown {
  let current = root;
  for (const key of path) {
    if (Array.isArray(current)) current = current[indexFor(key, current.length - 1)];
    else if (isObject(current) && Object.hasOwn(current, key)) current = current[key];
    else throw missing(path);
  }
  return current;
}

function insertAt(root: unknown, path: readonly string[], value: unknown): unknown {
  const key = path.at(-1);
  if (key === undefined) return value;
  const parent = readAt(root, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = key === '-' ? parent.length : indexFor(key, parent.length);
    parent.splice(index, 0, value);
  } else if (isObject(parent)) parent[key] = value;
  else throw missing(path);
  return root;
}

function removeAt(root: unknown, path: readonly string[]): unknown {
  const key = path.at(-1);
  if (key === undefined) return null;
  readAt(root, path);
  const parent = readAt(root, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(indexFor(key, parent.length - 1), 1);
  else if (isObject(parent)) delete parent[key];
  return root;
}

function indexFor(key: string, last: number): number {
  const index = /^(0|[1-9]\d*)$/.test(key) ? Number(key) : -1;
  if (index < 0 || index > last) throw unprocessable(`invalid array index in JSON patch: ${key}`);
  return index;
}

function missing(path: readonly string[]): ApiError {
  return unprocessable(`the JSON patch path does not exist: /${path.join('/')}`);
}

function unprocessable(message: string): ApiError {
  return new ApiError(
    422,
    'Invalid',
    `the server rejected our request due to an error in our request: ${message}`,
  );
}

/** Applies an RFC 7386 merge patch and answers the new document. */
export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return cloneJson(patch);
  const result: Record<string, unknown> = isObject(document) ? { ...document } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value);
  }
  return result;
}
