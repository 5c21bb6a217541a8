// Watches: the changes of one resource as JSON lines, from now or from an older revision, with
// selectors, bookmarks and the Table form. What one turn of the event loop brings leaves in one piece:
// a record and a system call per event would cost more than the event. A client that does not read
// is cut off when too much is buffered for it, because a watcher must never hold up the server.

import type { ServerResponse } from 'node:http';
import { expired } from '../api-error.ts';
import type { JsonObject, KubeObject } from '../object.ts';
import { apiVersionOf, type ResourceDef, storageKeyOf } from '../resource.ts';
import type { Predicate } from '../selectors.ts';
import type { Change, Store } from '../store/store.ts';

export interface WatchRequest {
  def: ResourceDef;
  namespace: string;
  predicate: Predicate;
  /** '' or '0': current state first, then changes. */
  resourceVersion: string;
  bookmarks: boolean;
  /** Current state first even with a revision, closed by a marked bookmark (WatchList). */
  sendInitialEvents: boolean;
  timeoutSec: number;
  /** Renders one object; the first call of a watch is told so (tables carry their header once). */
  render: (object: KubeObject, isFirst: boolean) => JsonObject;
}

const bufferLimitBytes = 16 * 1024 * 1024;
const bookmarkIntervalMs = 60_000;

/** Serves one watch until the client leaves, time is up or the server closes. */
export function serveWatch(store: Store, response: ServerResponse, request: WatchRequest): void {
  const resource = storageKeyOf(request.def);
  let isFirst = true;
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-cache, private',
  });
  response.flushHeaders();

  let pending = '';
  let flushing: NodeJS.Immediate | undefined;
  const flush = () => {
    clearImmediate(flushing);
    flushing = undefined;
    if (pending === '' || response.destroyed || response.writableEnded) return;
    response.write(pending);
    pending = '';
    if (response.writableLength > bufferLimitBytes) response.destroy();
  };
  const sendText = (type: string, json: string) => {
    pending += `{"type":"${type}","object":${json}}\n`;
    if (pending.length > bufferLimitBytes / 2) flush();
    else flushing ??= setImmediate(flush);
  };
  const send = (type: string, object: JsonObject) => sendText(type, JSON.stringify(object));
  const sendObject = (type: string, object: KubeObject, json?: string) => {
    const rendered = request.render(object, isFirst);
    isFirst = false;
    if (json !== undefined && rendered === object) sendText(type, json);
    else send(type, rendered);
  };
  const end = () => {
    flush();
    response.end();
  };
  const sendBookmark = (annotations?: Record<string, string>) => {
    const metadata = {
      resourceVersion: String(store.revision),
      creationTimestamp: null,
      ...(annotations ? { annotations } : {}),
    };
    const { kind } = request.def;
    send('BOOKMARK', { kind, apiVersion: apiVersionOf(request.def), metadata });
  };
  const wants = (object: KubeObject | undefined): boolean =>
    object !== undefined &&
    (request.namespace === '' || object.metadata.namespace === request.namespace) &&
    request.predicate(object);
  const sendChange = (change: Change, json?: string) => {
    const before = change.type === 'MODIFIED' && wants(change.previous);
    const now = wants(change.object);
    if (change.type === 'DELETED') {
      if (now) sendObject('DELETED', change.object, json);
    } else if (now) sendObject(before ? 'MODIFIED' : 'ADDED', change.object, json);
    else if (before) sendObject('DELETED', change.object, json);
  };

  const from = Number(request.resourceVersion || '0');
  if (from === 0 || request.sendInitialEvents) {
    for (const object of store.list(resource, request.namespace))
      if (wants(object)) sendObject('ADDED', object);
    if (request.sendInitialEvents) sendBookmark({ 'k8s.io/initial-events-end': 'true' });
  } else {
    const missed = from > store.revision ? 'compacted' : store.changesSince(resource, from);
    if (missed === 'compacted') {
      const text = `too old resource version: ${from} (${store.compactedRevision})`;
      send('ERROR', expired(text).toStatus());
      end();
      return;
    }
    for (const change of missed) sendChange(change);
  }

  const unsubscribe = store.subscribe(resource, sendChange);
  const bookmarkTimer = request.bookmarks
    ? setInterval(sendBookmark, bookmarkIntervalMs)
    : undefined;
  const endTimer = setTimeout(() => {
    if (request.bookmarks) sendBookmark();
    end();
  }, request.timeoutSec * 1000);
  response.on('close', () => {
    unsubscribe();
    clearImmediate(flushing);
    clearInterval(bookmarkTimer);
    clearTimeout(endTimer);
  });
  response.on('error', () => response.destroy());
}
