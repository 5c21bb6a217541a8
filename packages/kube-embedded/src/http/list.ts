// Lists and deletecollection: selection by labels and fields, paging with limit and continue.
// Pages after the first show the current state under the first page's revision, so that a watch
// from that revision delivers whatever changed in between.

import { badRequest, expired } from '../api-error.ts';
import type { JsonObject, KubeObject } from '../object.ts';
import { apiVersionOf, type ResourceDef, storageKeyOf } from '../resource.ts';
import { parseFieldSelector, parseLabelSelector, type Predicate } from '../selectors.ts';
import type { KubeApi } from '../kube-api.ts';

export function predicateFor(def: ResourceDef, query: URLSearchParams, name = ''): Predicate {
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(
    query.get('fieldSelector') ?? '',
    storageKeyOf(def),
    def.custom?.selectableFields,
  );
  return (object) =>
    (name === '' || object.metadata.name === name) && labels(object) && fields(object);
}

export interface Page {
  items: KubeObject[];
  metadata: JsonObject;
}

interface Cursor {
  revision: string;
  after: string;
}

export function listPage(
  api: KubeApi,
  def: ResourceDef,
  namespace: string,
  query: URLSearchParams,
): Page {
  const predicate = predicateFor(def, query);
  const cursor = decodeCursor(query.get('continue') ?? '');
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit) || limit < 0)
    throw badRequest('limit must be a whole number, zero or more');
  const revision = cursor?.revision ?? String(api.store.revision);
  const stored = api.store.list(storageKeyOf(def), namespace).filter(predicate);
  const rest = cursor ? stored.filter((object) => placeOf(object) > cursor.after) : stored;
  const shown = limit > 0 ? rest.slice(0, limit) : rest;
  const metadata: JsonObject = { resourceVersion: revision };
  const last = shown.at(-1);
  if (last && shown.length < rest.length) {
    metadata['continue'] = encodeCursor({ revision, after: placeOf(last) });
    metadata['remainingItemCount'] = rest.length - shown.length;
  }
  return { items: shown.map((object) => api.view(def, object)), metadata };
}

export function listDocument(def: ResourceDef, page: Page): JsonObject {
  return {
    kind: def.listKind,
    apiVersion: apiVersionOf(def),
    metadata: page.metadata,
    items: page.items,
  };
}

function placeOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
}

function encodeCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function decodeCursor(text: string): Cursor | undefined {
  if (text === '') return undefined;
  try {
    const { revision, after } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Cursor;
    if (typeof revision === 'string' && typeof after === 'string') return { revision, after };
  } catch {
    throw expired('The provided continue parameter is not valid');
  }
  throw expired('The provided continue parameter is not valid');
}
