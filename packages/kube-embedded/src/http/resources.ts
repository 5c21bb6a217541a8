// The verbs on resources over HTTP: query parameters and bodies in, objects, tables and statuses out.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, badRequest, methodNotAllowed, successStatus } from '../api-error.ts';
import type { Authenticator, UserInfo } from '../auth.ts';
import type { KubeApi, WriteOptions, WriteResult } from '../kube-api.ts';
import {
  isObject,
  type JsonObject,
  type KubeObject,
  numberAt,
  objectAt,
  textAt,
} from '../object.ts';
import { applyJsonPatch, applyMergePatch } from '../patch/json-patch.ts';
import { applyStrategicPatch } from '../patch/strategic.ts';
import { type ResourceDef, storageKeyOf } from '../resource.ts';
import { answerReview, tokenRequest } from '../reviews.ts';
import { renderPartialMetadata, renderTable, type TableOptions } from '../table.ts';
import { contentTypeOf, decodeBody, decodeObject, readBody } from './body.ts';
import { listDocument, listPage, predicateFor } from './list.ts';
import {
  type Representation,
  selectRepresentation,
  sendDocument,
  warningHeader,
} from './negotiate.ts';
import type { ResourceRequest } from './request-info.ts';
import { serveWatch } from './watch.ts';

export interface RequestContext {
  api: KubeApi;
  authenticator: Authenticator;
  user: UserInfo;
  request: IncomingMessage;
  response: ServerResponse;
  query: URLSearchParams;
  nowMs: () => number;
}

/** Answers one request on a resource. */
export async function serveResource(
  context: RequestContext,
  target: ResourceRequest,
): Promise<void> {
  const method = context.request.method ?? 'GET';
  const { def, name, subresource } = target;
  if (def.virtual) return serveReview(context, def);
  if (subresource === 'scale') return serveScale(context, target);
  if (subresource === 'token') return serveToken(context, target);
  if (subresource === 'binding' || subresource === 'eviction')
    return servePodAction(context, target);
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== '' && !isTrue(context.query.get('watch'))) return serveGet(context, target);
      if (isTrue(context.query.get('watch'))) return startWatch(context, target);
      return serveList(context, target);
    case 'POST':
      return serveCreate(context, target);
    case 'PUT':
      return servePut(context, target);
    case 'PATCH':
      return servePatch(context, target);
    case 'DELETE':
      return name === '' ? serveDeleteCollection(context, target) : serveDelete(context, target);
    default:
      throw methodNotAllowed();
  }
}

function serveGet(context: RequestContext, { def, namespace, name }: ResourceRequest): void {
  const representation = selectRepresentation(context.request.headers.accept);
  const object = context.api.get(def, namespace, name);
  sendDocument(
    context.response,
    200,
    renderOne(context, def, object, representation),
    representation,
    warningsFor(def),
  );
}

function serveList(context: RequestContext, { def, namespace }: ResourceRequest): void {
  const representation = selectRepresentation(context.request.headers.accept);
  const page = listPage(context.api, def, namespace, context.query);
  let document: JsonObject;
  if (representation.as === 'Table') {
    document = renderTable(
      page.items,
      def.columns,
      page.metadata,
      tableOptions(context, representation.apiVersion),
    );
  } else if (representation.as === 'Plain') document = listDocument(def, page);
  else {
    document = {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata: page.metadata,
      items: page.items.map(renderPartialMetadata),
    };
  }
  sendDocument(context.response, 200, document, representation, warningsFor(def));
}

function startWatch(context: RequestContext, { def, namespace, name }: ResourceRequest): void {
  const representation = selectRepresentation(context.request.headers.accept);
  const { query } = context;
  const asked = Number(query.get('timeoutSeconds') ?? 0);
  const timeoutSec = asked > 0 ? asked : 1800 + (context.nowMs() % 1800);
  const warnings = warningsFor(def);
  if (warnings.length > 0) context.response.setHeader('Warning', warningHeader(warnings));
  const resourceVersion = query.get('resourceVersion') ?? '';
  if (!/^\d*$/.test(resourceVersion))
    throw badRequest(`invalid resource version: ${resourceVersion}`);
  serveWatch(context.api.store, context.response, {
    def,
    namespace,
    predicate: predicateFor(def, query, name),
    resourceVersion,
    bookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: isTrue(query.get('sendInitialEvents')),
    timeoutSec: Math.min(timeoutSec, 86_400),
    render: (stored, isFirst) => {
      const object = context.api.view(def, stored);
      if (representation.as === 'Plain') return object;
      if (representation.as !== 'Table') return renderPartialMetadata(object);
      const options = { ...tableOptions(context, representation.apiVersion), withHeaders: isFirst };
      const metadata = { resourceVersion: object.metadata.resourceVersion };
      return renderTable([object], def.columns, metadata, options);
    },
  });
}

async function serveCreate(
  context: RequestContext,
  { def, namespace, name, subresource }: ResourceRequest,
): Promise<void> {
  if (name !== '' || subresource !== '') throw methodNotAllowed();
  const body = decodeObject(await readBody(context.request), contentTypeOf(context.request));
  sendWrite(
    context,
    def,
    context.api.create(def, namespace, body, writeOptions(context, subresource)),
  );
}

async function servePut(
  context: RequestContext,
  { def, namespace, name, subresource }: ResourceRequest,
): Promise<void> {
  if (name === '') throw methodNotAllowed();
  const body = decodeObject(await readBody(context.request), contentTypeOf(context.request));
  sendWrite(
    context,
    def,
    context.api.update(def, namespace, name, body, writeOptions(context, subresource)),
  );
}

async function servePatch(
  context: RequestContext,
  { def, namespace, name, subresource }: ResourceRequest,
): Promise<void> {
  if (name === '') throw methodNotAllowed();
  const type = contentTypeOf(context.request);
  const bytes = await readBody(context.request);
  const options = writeOptions(context, subresource);
  if (type === 'application/apply-patch+yaml') {
    if (!context.query.get('fieldManager')) {
      throw new ApiError(
        400,
        'BadRequest',
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      );
    }
    sendWrite(
      context,
      def,
      context.api.apply(def, namespace, name, decodeObject(bytes, type), options),
    );
    return;
  }
  const change = patchFunction(type, bytes, def);
  sendWrite(context, def, context.api.patch(def, namespace, name, change, options));
}

function patchFunction(
  type: string,
  bytes: Buffer,
  def: ResourceDef,
): (current: KubeObject) => unknown {
  const patch = () => decodeBody(bytes, type);
  switch (type) {
    case 'application/json-patch+json': {
      const operations = patch();
      return (current) => applyJsonPatch(current, operations);
    }
    case 'application/merge-patch+json': {
      const merge = patch();
      if (!isObject(merge)) throw badRequest('a merge patch must be an object');
      return (current) => applyMergePatch(current, merge);
    }
    case 'application/strategic-merge-patch+json': {
      if (def.custom) break;
      const strategic = patch();
      return (current) => applyStrategicPatch(current, strategic, def.schema);
    }
    default:
      break;
  }
  throw new ApiError(
    415,
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
  );
}

async function serveDelete(
  context: RequestContext,
  { def, namespace, name, subresource }: ResourceRequest,
): Promise<void> {
  if (subresource !== '') throw methodNotAllowed();
  const options = await deleteOptions(context);
  const { object, gone } = context.api.delete(def, namespace, name, options);
  const body = gone ? successStatus(def, name, object.metadata.uid ?? '') : object;
  sendDocument(context.response, 200, body, { as: 'Plain', yaml: false }, warningsFor(def));
}

async function serveDeleteCollection(
  context: RequestContext,
  { def, namespace }: ResourceRequest,
): Promise<void> {
  const options = await deleteOptions(context);
  const page = listPage(context.api, def, namespace, context.query);
  for (const object of page.items) {
    const place = object.metadata.namespace ?? '';
    const name = object.metadata.name ?? '';
    if (context.api.store.get(storageKeyOf(def), place, name))
      context.api.delete(def, place, name, options);
  }
  sendDocument(context.response, 200, listDocument(def, page), { as: 'Plain', yaml: false });
}

async function deleteOptions(context: RequestContext) {
  const bytes = await readBody(context.request);
  const body = bytes.length === 0 ? {} : decodeObject(bytes, contentTypeOf(context.request));
  const policy = context.query.get('propagationPolicy') ?? textAt(body, 'propagationPolicy');
  const uid = textAt(body, 'preconditions', 'uid');
  const resourceVersion = textAt(body, 'preconditions', 'resourceVersion');
  const dryRun =
    context.query.get('dryRun') === 'All' ||
    (Array.isArray(body['dryRun']) && body['dryRun'].includes('All'));
  return {
    propagationPolicy: policy,
    dryRun,
    preconditions: {
      ...(uid === '' ? {} : { uid }),
      ...(resourceVersion === '' ? {} : { resourceVersion }),
    },
  };
}

async function serveReview(context: RequestContext, def: ResourceDef): Promise<void> {
  if (context.request.method !== 'POST') throw methodNotAllowed();
  const body = decodeObject(await readBody(context.request), contentTypeOf(context.request));
  const answer = answerReview(def, body, context.user, context.authenticator);
  sendDocument(context.response, 201, answer, { as: 'Plain', yaml: false });
}

async function serveToken(
  context: RequestContext,
  { def, namespace, name }: ResourceRequest,
): Promise<void> {
  if (context.request.method !== 'POST') throw methodNotAllowed();
  await readBody(context.request);
  context.api.get(def, namespace, name);
  const answer = tokenRequest(namespace, name, context.authenticator, context.nowMs());
  sendDocument(context.response, 201, answer, { as: 'Plain', yaml: false });
}

/** Binding sets the pod's node; an eviction deletes the pod, as there are no disruption budgets to ask. */
async function servePodAction(context: RequestContext, target: ResourceRequest): Promise<void> {
  if (context.request.method !== 'POST') throw methodNotAllowed();
  const { def, namespace, name, subresource } = target;
  const body = decodeObject(await readBody(context.request), contentTypeOf(context.request));
  if (subresource === 'eviction') context.api.delete(def, namespace, name);
  else {
    const nodeName = textAt(body, 'target', 'name');
    const bind = (pod: KubeObject) => ({ ...pod, spec: { ...objectAt(pod, 'spec'), nodeName } });
    context.api.patch(def, namespace, name, bind, { fieldManager: 'binding' });
  }
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  sendDocument(context.response, 201, status, { as: 'Plain', yaml: false });
}

async function serveScale(
  context: RequestContext,
  { def, namespace, name }: ResourceRequest,
): Promise<void> {
  const { api, request } = context;
  const current = api.get(def, namespace, name);
  if (request.method === 'GET') {
    sendDocument(context.response, 200, scaleOf(current), { as: 'Plain', yaml: false });
    return;
  }
  const type = contentTypeOf(request);
  const body = decodeBody(await readBody(request), type);
  const wanted =
    request.method === 'PUT'
      ? body
      : type.startsWith('application/json-patch')
        ? applyJsonPatch(scaleOf(current), body)
        : applyMergePatch(scaleOf(current), body);
  const replicas = numberAt(wanted, 'spec', 'replicas') ?? 0;
  const change = (object: KubeObject) => ({
    ...object,
    spec: { ...objectAt(object, 'spec'), replicas },
  });
  const result = api.patch(def, namespace, name, change, writeOptions(context, ''));
  sendDocument(context.response, 200, scaleOf(result.object), { as: 'Plain', yaml: false });
}

function scaleOf(object: KubeObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const labels = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels'));
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(object, 'spec', 'replicas') ?? 0 },
    status: {
      replicas: numberAt(object, 'status', 'replicas') ?? 0,
      selector: labels.map(([key, value]) => `${key}=${String(value)}`).join(','),
    },
  };
}

function sendWrite(context: RequestContext, def: ResourceDef, result: WriteResult): void {
  const representation = selectRepresentation(context.request.headers.accept);
  const document = renderOne(context, def, result.object, representation);
  sendDocument(context.response, result.created ? 201 : 200, document, representation, [
    ...warningsFor(def),
    ...result.warnings,
  ]);
}

function renderOne(
  context: RequestContext,
  def: ResourceDef,
  object: KubeObject,
  representation: Representation,
): JsonObject {
  if (representation.as === 'Plain') return object;
  if (representation.as !== 'Table') return renderPartialMetadata(object);
  const metadata = { resourceVersion: object.metadata.resourceVersion };
  return renderTable(
    [object],
    def.columns,
    metadata,
    tableOptions(context, representation.apiVersion),
  );
}

function tableOptions(context: RequestContext, apiVersion: string): TableOptions {
  const include = context.query.get('includeObject');
  const includeObject = include === 'None' || include === 'Object' ? include : 'Metadata';
  return { nowMs: context.nowMs(), includeObject, withHeaders: true, apiVersion };
}

function writeOptions(context: RequestContext, subresource: string): WriteOptions {
  const { query, request } = context;
  const agent = (request.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
  const validation = query.get('fieldValidation');
  return {
    fieldManager: query.get('fieldManager') || agent.slice(0, 128),
    dryRun: query.get('dryRun') === 'All',
    fieldValidation: validation === 'Strict' || validation === 'Ignore' ? validation : 'Warn',
    subresource: subresource === 'status' ? 'status' : '',
    force: isTrue(query.get('force')),
  };
}

function warningsFor(def: ResourceDef): string[] {
  return def.deprecation === undefined ? [] : [def.deprecation];
}

function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1' || value === '';
}
