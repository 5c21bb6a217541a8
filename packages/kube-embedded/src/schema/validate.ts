// Validation of custom resources: the structural schema as JSON Schema for ajv, and ajv's answers
// as the causes that Kubernetes reports, in its wording, because clients and tests match on it.

import { Ajv, type ErrorObject } from 'ajv';
import { fieldNotSupported, type StatusCause } from '../api-error.ts';
import { isObject, type JsonObject, valueAt } from '../object.ts';
import { jsonTypeOf } from './structural.ts';
import type { Schema } from './schema.ts';

export type Validator = (object: JsonObject) => StatusCause[];

/** Compiles a schema; throws with ajv's message when a pattern or keyword in it is wrong. */
export function compileValidator(schema: Schema): Validator {
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false, verbose: true });
  const root = jsonSchemaFor(schema) as JsonObject;
  const { metadata: _metadata, ...properties } = (root['properties'] ?? {}) as JsonObject;
  const check = ajv.compile({ ...root, properties });
  return (object) => {
    if (check(object)) return [];
    const causes = (check.errors ?? []).flatMap((error) => causeFor(error, object));
    return causes.filter(
      (cause, index) =>
        causes.findIndex((c) => c.field === cause.field && c.message === cause.message) === index,
    );
  };
}

const copied = [
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'pattern',
  'required',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'uniqueItems',
  'minProperties',
  'maxProperties',
];

function jsonSchemaFor(schema: Schema): unknown {
  const source = schema as JsonObject;
  const result: JsonObject = {};
  for (const key of copied) if (source[key] !== undefined) result[key] = source[key];
  for (const key of ['anyOf', 'allOf', 'oneOf']) {
    const list = source[key];
    if (Array.isArray(list)) result[key] = list.map((item) => jsonSchemaFor(item as Schema));
  }
  if (isObject(source['not'])) result['not'] = jsonSchemaFor(source['not'] as Schema);
  if (schema['x-kubernetes-int-or-string'] === true) result['type'] = ['integer', 'string'];
  else if (schema.type !== undefined)
    result['type'] = schema.nullable ? [schema.type, 'null'] : schema.type;
  if (schema.properties) {
    const entries = Object.entries(schema.properties).map(([key, value]) => [
      key,
      jsonSchemaFor(value),
    ]);
    result['properties'] = Object.fromEntries(entries);
  }
  if (typeof schema.additionalProperties === 'object') {
    result['additionalProperties'] = jsonSchemaFor(schema.additionalProperties);
  }
  if (schema.items) result['items'] = jsonSchemaFor(schema.items);
  const format = schema.format === undefined ? undefined : formatPatterns[schema.format];
  if (format !== undefined && schema.pattern === undefined) result['pattern'] = format;
  if (schema.format === 'int32') {
    result['minimum'] ??= -(2 ** 31);
    result['maximum'] ??= 2 ** 31 - 1;
  }
  return result;
}

const formatPatterns: Record<string, string> = {
  'date-time': '^\\d{4}-\\d{2}-\\d{2}[Tt ]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?([Zz]|[+-]\\d{2}:\\d{2})$',
  ipv4: '^\\d{1,3}(\\.\\d{1,3}){3}$',
};

function causeFor(error: ErrorObject, object: JsonObject): StatusCause[] {
  const steps = error.instancePath.split('/').slice(1).map(unescapePointer);
  const path = fieldPath(steps);
  const value =
    valueAt(object, ...steps.map((step) => (/^\d+$/.test(step) ? Number(step) : step))) ??
    error.data;
  const shown = isObject(value) || Array.isArray(value) ? jsonTypeOf(value) : value;
  const bad = (reason: string, why: string): StatusCause[] => [
    {
      reason,
      message: `Invalid value: ${JSON.stringify(shown)}: ${path} in body ${why}`,
      field: path,
    },
  ];
  const limit = String(error.params['limit']);
  switch (error.keyword) {
    case 'required': {
      const missing = String(error.params['missingProperty']);
      return [
        {
          reason: 'FieldValueRequired',
          message: 'Required value',
          field: path === '' ? missing : `${path}.${missing}`,
        },
      ];
    }
    case 'type':
      return bad(
        'FieldValueTypeInvalid',
        `must be of type ${String(error.params['type']).replace(',null', '')}: ${JSON.stringify(jsonTypeOf(value))}`,
      );
    case 'enum':
      return [fieldNotSupported(path, value, error.params['allowedValues'] as unknown[])];
    case 'minimum':
      return bad('FieldValueInvalid', `should be greater than or equal to ${limit}`);
    case 'maximum':
      return bad('FieldValueInvalid', `should be less than or equal to ${limit}`);
    case 'pattern':
      return bad('FieldValueInvalid', `should match '${String(error.params['pattern'])}'`);
    case 'minLength':
      return bad('FieldValueInvalid', `should be at least ${limit} chars long`);
    case 'maxLength':
      return [
        {
          reason: 'FieldValueTooLong',
          message: `Too long: may not be more than ${limit} bytes`,
          field: path,
        },
      ];
    case 'minItems':
      return bad('FieldValueInvalid', `should have at least ${limit} items`);
    case 'maxItems':
      return [
        {
          reason: 'FieldValueTooMany',
          message: `Too many: must have at most ${limit} items`,
          field: path,
        },
      ];
    default:
      return bad('FieldValueInvalid', error.message ?? 'is not valid');
  }
}

function fieldPath(steps: readonly string[]): string {
  return steps
    .map((step, index) => (/^\d+$/.test(step) ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join('');
}

function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}
