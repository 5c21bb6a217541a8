// Small builders for the field schemas of the MetalLB definitions.

import type { JsonObject } from '../object.ts';

export const string = (): JsonObject => ({ type: 'string' });
export const boolean = (): JsonObject => ({ type: 'boolean' });
export const array = (items: JsonObject): JsonObject => ({ type: 'array', items });
export const strings = (): JsonObject => array(string());

export function integer(minimum: number, maximum?: number): JsonObject {
  return { type: 'integer', minimum, ...(maximum === undefined ? {} : { maximum }) };
}

/** An AS number: 0 to 2^32 - 1. */
export function asNumber(): JsonObject {
  return { type: 'integer', format: 'int64', minimum: 0, maximum: 4294967295 };
}

export function object(properties: JsonObject, required: readonly string[] = []): JsonObject {
  return {
    type: 'object',
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required: [...required] } : {}),
  };
}

export function described(schema: JsonObject, description: string): JsonObject {
  return { description, ...schema };
}

export function defaulted(schema: JsonObject, value: unknown): JsonObject {
  return { ...schema, default: value };
}

export function rule(expression: string, message: string): JsonObject {
  return { 'x-kubernetes-validations': [{ rule: expression, message }] };
}

/** A list of metav1.LabelSelector. */
export function labelSelectors(): JsonObject {
  return array({
    ...object({
      matchExpressions: {
        ...array(
          object(
            {
              key: described(string(), 'The label key the requirement applies to.'),
              operator: described(string(), 'In, NotIn, Exists or DoesNotExist.'),
              values: {
                ...described(strings(), 'The values, for In and NotIn.'),
                'x-kubernetes-list-type': 'atomic',
              },
            },
            ['key', 'operator'],
          ),
        ),
        'x-kubernetes-list-type': 'atomic',
      },
      matchLabels: { type: 'object', additionalProperties: string() },
    }),
    'x-kubernetes-map-type': 'atomic',
  });
}
