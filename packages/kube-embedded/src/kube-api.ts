// The API behind the HTTP surface: reads in any served version, and one write path for create,
// update, patch and apply: decode, default, validate, admit, track managers, store.
// Everything is synchronous, so writes are serial and a watch event leaves with the same turn.

import { randomUUID } from 'node:crypto';
import { admitBuiltin } from './admission.ts';
import { admitService, type ServiceRanges } from './admission-service.ts';
import {
  alreadyExists,
  ApiError,
  badRequest,
  conflict,
  fieldInvalid,
  invalid,
  notFound,
  staleObject,
} from './api-error.ts';
import { admitCrd, convertObject, crdResource, registerCrd, unregisterCrd } from './crd.ts';
import { toCoreEvent, toEventsV1 } from './events-view.ts';
import { collectDependents, emptyNamespace, expireEvents } from './garbage.ts';
import { checkIdentity } from './names.ts';
import {
  cloneJson,
  isObject,
  type JsonObject,
  type KubeObject,
  sameJson,
  textAt,
} from './object.ts';
import { applyConfiguration } from './patch/apply.ts';
import {
  encodeManagers,
  type Manager,
  type ManagerId,
  managersAfterUpdate,
  managersOf,
} from './patch/managed-fields.ts';
import {
  apiVersionOf,
  type Converter,
  type ResourceDef,
  type ResourceRegistry,
  storageKeyOf,
} from './resource.ts';
import { ServiceClaims } from './service-claims.ts';
import type { Store } from './store/store.ts';
import {
  carry,
  changesDesiredState,
  countsGeneration,
  decode,
  fillDefaultsFor,
  identify,
  identityOf,
  randomSuffix,
} from './write-rules.ts';

export interface WriteOptions {
  fieldManager: string;
  dryRun?: boolean;
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
  subresource?: '' | 'status';
  force?: boolean;
}

export interface WriteResult {
  object: KubeObject;
  created: boolean;
  warnings: string[];
}

export interface DeleteOptions {
  propagationPolicy?: string;
  dryRun?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
}

export interface KubeApiDeps {
  store: Store;
  registry: ResourceRegistry;
  ranges: ServiceRanges;
  /** Conversions between versions, by CRD name such as bgppeers.metallb.io. */
  converters: Readonly<Record<string, Converter>>;
  now: () => Date;
}

export class KubeApi {
  readonly store: Store;
  readonly registry: ResourceRegistry;
  readonly #deps: KubeApiDeps;
  readonly #claims: ServiceClaims;
  #nextExpiryMs = 0;

  constructor(deps: KubeApiDeps) {
    this.#deps = deps;
    this.store = deps.store;
    this.registry = deps.registry;
    for (const crd of this.store.list(crdResource)) this.#serveCrd(crd);
    this.#claims = new ServiceClaims(this.store.list('/services'));
    this.store.subscribe('/services', ({ type, object, previous }) => {
      // In this order an address that stays is never free in between.
      if (type !== 'DELETED') this.#claims.add(object);
      if (previous) this.#claims.remove(previous);
    });
  }

  nowText(): string {
    return this.#deps
      .now()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
  }

  /** A stored object in the version of a resource definition. */
  view(def: ResourceDef, stored: KubeObject): KubeObject {
    const wanted = apiVersionOf(def);
    if (def.group === 'events.k8s.io') return toEventsV1(stored);
    return convertObject(stored, def, wanted);
  }

  find(def: ResourceDef, namespace: string, name: string): KubeObject | undefined {
    const stored = this.store.get(storageKeyOf(def), namespace, name);
    return stored && this.view(def, stored);
  }

  get(def: ResourceDef, namespace: string, name: string): KubeObject {
    const found = this.find(def, namespace, name);
    if (!found) throw notFound(def, name);
    return found;
  }

  create(
    def: ResourceDef,
    namespace: string,
    body: JsonObject,
    options: WriteOptions,
  ): WriteResult {
    const object = cloneJson(body) as KubeObject;
    identify(def, namespace, object);
    if (object.metadata.resourceVersion)
      throw badRequest('resourceVersion should not be set on objects to be created');
    if (!object.metadata.name && object.metadata.generateName) {
      object.metadata.name = object.metadata.generateName + randomSuffix();
    }
    checkIdentity(def, object);
    const name = object.metadata.name ?? '';
    if (this.find(def, namespace, name)) throw alreadyExists(def, name);
    const warnings = decode(def, object, options);
    return this.#createDecoded(def, namespace, object, options, warnings, undefined);
  }

  /** Replaces an object (PUT), or its status. */
  update(
    def: ResourceDef,
    namespace: string,
    name: string,
    body: JsonObject,
    options: WriteOptions,
  ): WriteResult {
    const current = this.get(def, namespace, name);
    const object = cloneJson(body) as KubeObject;
    identify(def, namespace, object);
    if (object.metadata.name !== name) {
      throw badRequest(
        `the name of the object (${object.metadata.name ?? ''}) does not match the name on the URL (${name})`,
      );
    }
    if (!object.metadata.resourceVersion && def.custom) {
      throw invalid(def.group, def.plural, name, [
        fieldInvalid('metadata.resourceVersion', 0, 'must be specified for an update'),
      ]);
    }
    const warnings = decode(def, object, options);
    return this.#updateDecoded(def, current, object, options, warnings, undefined);
  }

  /** Changes an object by a function from its current state to the wanted one. */
  patch(
    def: ResourceDef,
    namespace: string,
    name: string,
    change: (current: KubeObject) => unknown,
    options: WriteOptions,
  ): WriteResult {
    const current = this.get(def, namespace, name);
    const changed = change(current);
    if (!isObject(changed)) throw badRequest('the patched object is not an object');
    const object = cloneJson(changed) as KubeObject;
    identify(def, namespace, object);
    if (object.metadata.name !== name)
      throw badRequest('metadata.name cannot be changed by a patch');
    const warnings = decode(def, object, options);
    return this.#updateDecoded(def, current, object, options, warnings, undefined);
  }

  /** Server-side apply: creates or merges. */
  apply(
    def: ResourceDef,
    namespace: string,
    name: string,
    body: JsonObject,
    options: WriteOptions,
  ): WriteResult {
    const applied = cloneJson(body) as KubeObject;
    identify(def, namespace, applied);
    applied.metadata.name ??= name;
    if (applied.metadata.name !== name)
      throw badRequest('the name of the applied object does not match the name on the URL');
    if (applied.metadata.managedFields) throw badRequest('metadata.managedFields must be nil');
    const warnings = decode(def, applied, options, true);
    const subresource = options.subresource ?? '';
    if (def.hasStatus && subresource === '') delete applied['status'];
    if (subresource === 'status' && def.custom) {
      for (const key of Object.keys(applied)) {
        if (!['apiVersion', 'kind', 'metadata', 'status'].includes(key)) delete applied[key];
      }
      applied.metadata = identityOf(applied.metadata);
    }
    const live = this.find(def, namespace, name);
    if (!live && subresource !== '') throw notFound(def, name);
    const expected = applied.metadata.resourceVersion;
    if (live && expected && expected !== live.metadata.resourceVersion)
      throw staleObject(def, name);
    const id: ManagerId = {
      manager: options.fieldManager,
      operation: 'Apply',
      apiVersion: apiVersionOf(def),
      subresource,
    };
    const outcome = applyConfiguration({
      live,
      applied,
      schema: def.schema,
      id,
      force: options.force === true,
      time: this.nowText(),
    });
    const object = cloneJson(outcome.object);
    fillDefaultsFor(def, object);
    if (live) return this.#updateDecoded(def, live, object, options, warnings, outcome.managers);
    checkIdentity(def, object);
    return this.#createDecoded(def, namespace, object, options, warnings, outcome.managers);
  }

  /** Deletes an object, or marks it when finalizers hold it. Answers its last state. */
  delete(
    def: ResourceDef,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): { object: KubeObject; gone: boolean } {
    const current = this.get(def, namespace, name);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== current.metadata.uid) {
      throw conflict(
        def,
        name,
        `the UID in the precondition (${uid}) does not match the UID in record (${current.metadata.uid ?? ''})`,
      );
    }
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
      throw conflict(
        def,
        name,
        `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${current.metadata.resourceVersion ?? ''})`,
      );
    }
    if (options.dryRun) return { object: current, gone: true };
    if (def.kind === 'Namespace' && def.group === '') emptyNamespace(this, name);
    const stored = this.store.get(storageKeyOf(def), namespace, name);
    if (!stored) return { object: current, gone: true };
    if ((stored.metadata.finalizers ?? []).length > 0) {
      if (stored.metadata.deletionTimestamp) return { object: current, gone: false };
      const metadata = {
        ...stored.metadata,
        deletionTimestamp: this.nowText(),
        deletionGracePeriodSeconds: 0,
      };
      const marked = this.store.put(storageKeyOf(def), { ...stored, metadata });
      return { object: this.view(def, marked), gone: false };
    }
    return {
      object: this.view(def, this.#remove(def, stored, options.propagationPolicy)),
      gone: true,
    };
  }

  #createDecoded(
    def: ResourceDef,
    namespace: string,
    object: KubeObject,
    options: WriteOptions,
    warnings: string[],
    managers: Manager[] | undefined,
  ): WriteResult {
    if (def.namespaced) this.#checkNamespace(def, namespace, object.metadata.name ?? '');
    if (def.hasStatus && def.kind !== 'Node') delete object['status'];
    object.metadata = {
      ...object.metadata,
      uid: randomUUID(),
      creationTimestamp: this.nowText(),
      ...(countsGeneration(def) ? { generation: 1 } : {}),
    };
    for (const key of [
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'selfLink',
      'resourceVersion',
    ] as const)
      delete object.metadata[key];
    delete object.metadata.managedFields;
    this.#admit(def, object, undefined);
    const tracked =
      managers ??
      managersAfterUpdate(
        undefined,
        object,
        def.schema,
        this.#managerId(def, options),
        this.nowText(),
      );
    object.metadata.managedFields = encodeManagers(tracked);
    if (options.dryRun) return { object, created: true, warnings };
    const stored = this.store.put(storageKeyOf(def), this.#toStorage(def, object));
    this.#afterCreate(def, stored);
    return { object: this.view(def, stored), created: true, warnings };
  }

  #updateDecoded(
    def: ResourceDef,
    current: KubeObject,
    object: KubeObject,
    options: WriteOptions,
    warnings: string[],
    managers: Manager[] | undefined,
  ): WriteResult {
    const name = current.metadata.name ?? '';
    const { resourceVersion, uid } = object.metadata;
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion)
      throw staleObject(def, name);
    if (uid && uid !== current.metadata.uid) {
      throw conflict(
        def,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid ?? ''}`,
      );
    }
    const next = this.#separateStatus(def, current, object, options.subresource ?? '');
    // Clients may rewrite managedFields, as kubectl does when it moves to server-side apply.
    const given = object.metadata.managedFields;
    const rewritten = given !== undefined && !sameJson(given, current.metadata.managedFields);
    const known = managersOf(rewritten ? object : current);
    next.metadata = {
      ...next.metadata,
      name,
      uid: current.metadata.uid ?? '',
      creationTimestamp: current.metadata.creationTimestamp ?? '',
      resourceVersion: current.metadata.resourceVersion ?? '',
    };
    carry(next, current, [
      'namespace',
      'generation',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'generateName',
      'managedFields',
    ]);
    this.#admit(def, next, current);
    if (countsGeneration(def) && changesDesiredState(def, current, next)) {
      next.metadata.generation = (current.metadata.generation ?? 0) + 1;
    }
    const tracked =
      managers ??
      managersAfterUpdate(
        current,
        next,
        def.schema,
        this.#managerId(def, options),
        this.nowText(),
        known,
      );
    next.metadata.managedFields = encodeManagers(tracked);
    if (sameJson(next, current)) return { object: current, created: false, warnings };
    if (options.dryRun) return { object: next, created: false, warnings };
    const lastFinalizerGone =
      current.metadata.deletionTimestamp && (next.metadata.finalizers ?? []).length === 0;
    if (lastFinalizerGone) {
      const removed = this.#remove(def, this.#toStorage(def, next), undefined);
      return { object: this.view(def, removed), created: false, warnings };
    }
    const stored = this.store.put(storageKeyOf(def), this.#toStorage(def, next));
    if (def.kind === 'CustomResourceDefinition') this.#serveCrd(stored);
    return { object: this.view(def, stored), created: false, warnings };
  }

  #separateStatus(
    def: ResourceDef,
    current: KubeObject,
    object: KubeObject,
    subresource: string,
  ): KubeObject {
    if (!def.hasStatus) return object;
    if (subresource === '') {
      const { status: _status, ...rest } = object;
      return (
        current['status'] === undefined ? rest : { ...rest, status: current['status'] }
      ) as KubeObject;
    }
    const metadata = def.custom ? current.metadata : object.metadata;
    const next: KubeObject = { ...current, metadata: { ...metadata } };
    if (object['status'] === undefined) delete next['status'];
    else next['status'] = object['status'];
    return next;
  }

  #admit(def: ResourceDef, object: KubeObject, previous: KubeObject | undefined): void {
    if (def.custom) {
      const causes = def.custom.validate(object, previous);
      if (causes.length > 0) throw invalid(def.group, def.kind, object.metadata.name ?? '', causes);
    } else if (def.kind === 'Service' && def.group === '') {
      admitService(object, previous, this.#claims, this.#deps.ranges);
    } else if (def.kind === 'CustomResourceDefinition') admitCrd(object, this.nowText());
    else if (def.group !== 'events.k8s.io') admitBuiltin(object, this.nowText());
  }

  #toStorage(def: ResourceDef, object: KubeObject): KubeObject {
    if (def.group === 'events.k8s.io') return toCoreEvent(object);
    return convertObject(object, def, def.storage.apiVersion);
  }

  #managerId(def: ResourceDef, options: WriteOptions): ManagerId {
    return {
      manager: options.fieldManager,
      operation: 'Update',
      apiVersion: apiVersionOf(def),
      subresource: options.subresource ?? '',
    };
  }

  #checkNamespace(def: ResourceDef, namespace: string, name: string): void {
    const found = this.store.get('/namespaces', '', namespace);
    if (!found) throw notFound({ group: '', plural: 'namespaces' }, namespace);
    if (found.metadata.deletionTimestamp) {
      throw new ApiError(
        403,
        'Forbidden',
        `${def.plural} "${name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      );
    }
  }

  #afterCreate(def: ResourceDef, stored: KubeObject): void {
    if (def.kind === 'CustomResourceDefinition') this.#serveCrd(stored);
    if (def.kind === 'Namespace') this.#ensureDefaultAccount(stored.metadata.name ?? '');
    if (def.kind === 'Event') this.#expireOldEvents();
  }

  #expireOldEvents(): void {
    const nowMs = this.#deps.now().getTime();
    if (nowMs < this.#nextExpiryMs) return;
    this.#nextExpiryMs = nowMs + 60_000;
    expireEvents(this, nowMs);
  }

  /** Every namespace has a service account called default, as a cluster's controllers see to. */
  #ensureDefaultAccount(namespace: string): void {
    const accounts = this.registry.find('', 'v1', 'serviceaccounts');
    if (!accounts || this.find(accounts, namespace, 'default')) return;
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
    this.create(accounts, namespace, account, { fieldManager: 'rookery-lab' });
  }

  #serveCrd(crd: KubeObject): void {
    registerCrd(this.registry, crd, this.#deps.converters[crd.metadata.name ?? '']);
  }

  #remove(def: ResourceDef, stored: KubeObject, propagation: string | undefined): KubeObject {
    const last = this.store.remove(storageKeyOf(def), stored);
    if (def.kind === 'CustomResourceDefinition') {
      const resource = `${textAt(stored, 'spec', 'group')}/${textAt(stored, 'spec', 'names', 'plural')}`;
      for (const object of this.store.list(resource)) this.store.remove(resource, object);
      unregisterCrd(this.registry, stored);
    }
    collectDependents(this, stored.metadata.uid ?? '', propagation === 'Orphan');
    return last;
  }
}
