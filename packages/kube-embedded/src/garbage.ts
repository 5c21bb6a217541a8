// What goes when something else goes: objects owned by a removed one, the contents of a namespace,
// and events after their hour. Done at once and in the same step, without a controller of its own.

import type { KubeApi } from './kube-api.ts';
import { type KubeObject, textAt } from './object.ts';

const eventLifetimeMs = 3_600_000;

/** Removes what only the object with this uid owned; with `orphan` just the link to it is cut. */
export function collectDependents(api: KubeApi, uid: string, orphan: boolean): void {
  const { store } = api;
  for (const resource of store.resources()) {
    for (const dependent of store.list(resource)) {
      const owners = dependent.metadata.ownerReferences;
      if (!Array.isArray(owners) || !owners.some((owner) => owner.uid === uid)) continue;
      const rest = owners.filter((owner) => owner.uid !== uid);
      if (orphan || rest.length > 0) {
        const { ownerReferences: _owners, ...metadata } = dependent.metadata;
        const kept = rest.length > 0 ? { ...metadata, ownerReferences: rest } : metadata;
        store.put(resource, { ...dependent, metadata: kept });
      } else deleteStored(api, resource, dependent);
    }
  }
}

export function emptyNamespace(api: KubeApi, namespace: string): void {
  for (const resource of api.store.resources()) {
    for (const object of api.store.list(resource, namespace)) deleteStored(api, resource, object);
  }
}

/** Removes events last seen more than an hour ago, as a cluster does. */
export function expireEvents(api: KubeApi, nowMs: number): void {
  for (const event of api.store.list('/events')) {
    const seen =
      textAt(event, 'lastTimestamp') ||
      textAt(event, 'eventTime') ||
      (event.metadata.creationTimestamp ?? '');
    if (Date.parse(seen) < nowMs - eventLifetimeMs) deleteStored(api, '/events', event);
  }
}

function deleteStored(api: KubeApi, resource: string, object: KubeObject): void {
  const [group = '', plural = ''] = resource.split('/');
  const def = api.registry.preferred(group, plural);
  const { namespace = '', name = '' } = object.metadata;
  // An earlier step of the same deletion may have taken it along.
  if (def && api.store.get(resource, namespace, name)) api.delete(def, namespace, name);
}
