// Server-side printing: objects to a metav1.Table, which is what `kubectl get` asks for. Built-in
// kinds have their usual columns, custom resources those of additionalPrinterColumns (a JSONPath
// subset: fields, indexes, [*], quoted keys and one filter form).

import { type JsonObject, type KubeObject, isObject, textAt, valueAt } from './object.ts';

export interface PrinterColumn {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** 0 is shown always, greater only with -o wide. */
  priority?: number;
  format?: string;
  description?: string;
  value: (object: KubeObject, nowMs: number) => string | number | boolean | null;
}

export const nameColumn: PrinterColumn = {
  name: 'Name',
  type: 'string',
  format: 'name',
  value: (object) => object.metadata.name ?? '',
};

export const ageColumn: PrinterColumn = {
  name: 'Age',
  type: 'string',
  value: (object, nowMs) => ageText(object.metadata.creationTimestamp, nowMs),
};

export interface TableOptions {
  nowMs: number;
  includeObject: 'None' | 'Metadata' | 'Object';
  /** Watch events after the first carry rows only. */
  withHeaders: boolean;
  apiVersion?: string;
}

/** A Table of objects with the metadata of their list. */
export function renderTable(
  objects: readonly KubeObject[],
  columns: readonly PrinterColumn[] | undefined,
  listMeta: JsonObject,
  options: TableOptions,
): JsonObject {
  const shown = columns ?? [nameColumn, ageColumn];
  const columnDefinitions = shown.map((column) => ({
    name: column.name,
    type: column.type === 'date' ? 'string' : column.type,
    format: column.format ?? '',
    description: column.description ?? '',
    priority: column.priority ?? 0,
  }));
  return {
    kind: 'Table',
    apiVersion: options.apiVersion ?? 'meta.k8s.io/v1',
    metadata: listMeta,
    columnDefinitions: options.withHeaders ? columnDefinitions : null,
    rows: objects.map((object) => ({
      cells: shown.map((column) => column.value(object, options.nowMs)),
      ...rowObject(object, options.includeObject),
    })),
  };
}

export function renderPartialMetadata(object: KubeObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function rowObject(object: KubeObject, include: TableOptions['includeObject']): JsonObject {
  if (include === 'None') return {};
  return { object: include === 'Object' ? object : renderPartialMetadata(object) };
}

interface ColumnSpec {
  name: string;
  type: string;
  jsonPath: string;
  description?: string;
  format?: string;
  priority?: number;
}

/** Columns of a custom resource: Name, then the declared ones; Age when none is declared. */
export function customColumns(specs: readonly ColumnSpec[]): PrinterColumn[] {
  if (specs.length === 0) return [nameColumn, { ...ageColumn, type: 'date' }];
  return [nameColumn, ...specs.map(customColumn)];
}

function customColumn(spec: ColumnSpec): PrinterColumn {
  const type = ['integer', 'number', 'boolean', 'date'].includes(spec.type) ? spec.type : 'string';
  return {
    name: spec.name,
    type: type as PrinterColumn['type'],
    ...(spec.description === undefined ? {} : { description: spec.description }),
    ...(spec.format === undefined ? {} : { format: spec.format }),
    ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    value: (object, nowMs) => cellFor(valuesAtPath(object, spec.jsonPath), type, nowMs),
  };
}

function cellFor(values: unknown[], type: string, nowMs: number): string | number | boolean | null {
  const first = values[0];
  if (first === undefined || first === null) return type === 'date' ? '<unknown>' : null;
  if (type === 'date') return typeof first === 'string' ? ageText(first, nowMs) : '<invalid>';
  if (type === 'boolean') return typeof first === 'boolean' ? first : null;
  if (type === 'integer' || type === 'number') return typeof first === 'number' ? first : null;
  return values.map(plainText).join(',');
}

function plainText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Values of a JSONPath such as .spec.addresses, .a[0].b, .a[*].b, .a[?(@.type=="x")].b */
export function valuesAtPath(root: unknown, path: string): unknown[] {
  let current: unknown[] = [root];
  const steps = path.matchAll(/\.?([A-Za-z0-9_\-/]+|(?:\\\.|[A-Za-z0-9_\-/])+)|\[([^\]]+)\]/g);
  for (const step of steps) {
    const field = step[1]?.replaceAll('\\.', '.');
    const bracket = step[2];
    current = current.flatMap((value) => {
      if (field !== undefined) return present(valueAt(value, field));
      return bracket === undefined ? [] : bracketValues(value, bracket);
    });
  }
  return current;
}

function bracketValues(value: unknown, bracket: string): unknown[] {
  if (bracket === '*')
    return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
  if (/^-?\d+$/.test(bracket))
    return Array.isArray(value) ? present(value.at(Number(bracket))) : [];
  const quoted = bracket.match(/^['"](.*)['"]$/);
  if (quoted) return present(valueAt(value, quoted[1] ?? ''));
  const filter = bracket.match(/^\?\(@\.([\w.]+)\s*==\s*['"]?([^'"]*)['"]?\)$/);
  if (!filter || !Array.isArray(value)) return [];
  const keys = (filter[1] ?? '').split('.');
  return value.filter((item) => textAt(item, ...keys) === filter[2]);
}

function present(value: unknown): unknown[] {
  return value === undefined ? [] : [value];
}

/** The age of a timestamp as kubectl writes durations: 42s, 3m4s, 5h, 2d. */
export function ageText(timestamp: string | undefined, nowMs: number): string {
  if (timestamp === undefined || timestamp === '') return '<unknown>';
  const thenMs = Date.parse(timestamp);
  return Number.isNaN(thenMs) ? '<invalid>' : durationText(nowMs - thenMs);
}

export function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (days < 8) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  if (years < 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}
