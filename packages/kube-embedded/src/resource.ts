// What a resource is (names, scope, verbs, subresources, schema, columns) and the registry that maps
// request paths to it. Custom resources come and go at run time; built-in ones are in builtins.ts.

import type { StatusCause } from './api-error.ts';
import type { JsonObject, KubeObject } from './object.ts';
import type { Schema } from './schema/schema.ts';
import type { PrinterColumn } from './table.ts';

export type SubresourceName =
  | 'status'
  | 'scale'
  | 'exec'
  | 'log'
  | 'token'
  | 'binding'
  | 'eviction';

export interface ResourceDef {
  group: string;
  version: string;
  plural: string;
  singular: string;
  kind: string;
  listKind: string;
  namespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  subresources: readonly SubresourceName[];
  /** Where objects live; several versions, or two groups for events, may share one place. */
  storage: { group: string; plural: string; apiVersion: string };
  /** Kinds that only answer a question (TokenReview): create is the one verb and nothing is stored. */
  virtual: boolean;
  /** True: spec and status are told apart on write and generation counts changes of the rest. */
  hasStatus: boolean;
  schema: Schema | undefined;
  columns: readonly PrinterColumn[] | undefined;
  /** Present for custom resources only. */
  custom: CustomResourceInfo | undefined;
  deprecation: string | undefined;
}

export interface CustomResourceInfo {
  crdName: string;
  validate: (object: JsonObject, previous: JsonObject | undefined) => StatusCause[];
  convert: Converter | undefined;
  selectableFields: readonly string[];
}

/** Turns a stored object of one version into another version of the same kind; undefined = cannot. */
export type Converter = (object: KubeObject, toApiVersion: string) => KubeObject | undefined;

export const allVerbs = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
] as const;

export function apiVersionOf(def: { group: string; version: string }): string {
  return def.group === '' ? def.version : `${def.group}/${def.version}`;
}

export function storageKeyOf(def: ResourceDef): string {
  return `${def.storage.group}/${def.storage.plural}`;
}

/** Newest first as Kubernetes orders versions: v2, v1, v1beta2, v1beta1, v1alpha1, then by name. */
export function compareVersions(a: string, b: string): number {
  const left = versionRank(a);
  const right = versionRank(b);
  for (let index = 0; index < 3; index += 1) {
    const difference = (right[index] ?? 0) - (left[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function versionRank(version: string): number[] {
  const parts = version.match(/^v(\d+)(?:(alpha|beta)(\d+))?$/);
  if (!parts) return [0, 0, 0];
  const stage = parts[2] === undefined ? 3 : parts[2] === 'beta' ? 2 : 1;
  return [stage, Number(parts[1]), Number(parts[3] ?? 0)];
}

export class ResourceRegistry {
  readonly #defs = new Map<string, ResourceDef>();

  register(def: ResourceDef): void {
    this.#defs.set(keyOf(def.group, def.version, def.plural), def);
  }

  unregister(group: string, plural: string): void {
    for (const [key, def] of this.#defs) {
      if (def.group === group && def.plural === plural) this.#defs.delete(key);
    }
  }

  find(group: string, version: string, plural: string): ResourceDef | undefined {
    return this.#defs.get(keyOf(group, version, plural));
  }

  findKind(group: string, version: string, kind: string): ResourceDef | undefined {
    return this.all().find(
      (def) => def.group === group && def.version === version && def.kind === kind,
    );
  }

  /** The newest served version of a resource. */
  preferred(group: string, plural: string): ResourceDef | undefined {
    return this.all()
      .filter((def) => def.group === group && def.plural === plural)
      .sort((a, b) => compareVersions(a.version, b.version))[0];
  }

  all(): ResourceDef[] {
    return [...this.#defs.values()];
  }

  /** Group names, the core group '' first. */
  groups(): string[] {
    return [...new Set(this.all().map((def) => def.group))];
  }

  versionsOf(group: string): string[] {
    const versions = new Set(
      this.all().flatMap((def) => (def.group === group ? [def.version] : [])),
    );
    return [...versions].sort(compareVersions);
  }

  resourcesOf(group: string, version: string): ResourceDef[] {
    return this.all().filter((def) => def.group === group && def.version === version);
  }
}

function keyOf(group: string, version: string, plural: string): string {
  return `${group}/${version}/${plural}`;
}
