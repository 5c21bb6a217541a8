// The structural schema: the part of OpenAPI v3 that Kubernetes uses, for built-in kinds and custom
// resources alike. One walk over it serves list keys, defaults, unknown fields and documentation.

import { builtinDefinition } from './builtin.ts';

export interface Schema {
  type?: string;
  description?: string;
  format?: string;
  nullable?: boolean;
  default?: unknown;
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  required?: string[];
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  pattern?: string;
  $ref?: string;
  allOf?: Schema[];
  anyOf?: Schema[];
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: 'granular' | 'atomic';
  'x-kubernetes-patch-merge-key'?: string;
  'x-kubernetes-patch-strategy'?: string;
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-embedded-resource'?: boolean;
  'x-kubernetes-validations'?: ValidationRule[];
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}

export interface ValidationRule {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
}

export const definitionPrefix = '#/components/schemas/';

/** Follows a reference into the built-in definitions; a schema without one is answered as it is. */
export function resolveSchema(schema: Schema | undefined): Schema | undefined {
  const reference = schema?.$ref ?? schema?.allOf?.[0]?.$ref;
  if (reference === undefined) return schema;
  const target = builtinDefinition(reference.slice(definitionPrefix.length));
  if (!target || !schema) return target;
  const { $ref: _reference, allOf: _allOf, ...own } = schema;
  return { ...target, ...own };
}

/** The schema of one field of an object schema: a named property, else what additional ones have. */
export function fieldSchema(schema: Schema | undefined, name: string): Schema | undefined {
  const resolved = resolveSchema(schema);
  const properties = resolved?.properties;
  if (properties && Object.hasOwn(properties, name)) return resolveSchema(properties[name]);
  const additional = resolved?.additionalProperties;
  return typeof additional === 'object' ? resolveSchema(additional) : undefined;
}

export function itemSchema(schema: Schema | undefined): Schema | undefined {
  return resolveSchema(resolveSchema(schema)?.items);
}
