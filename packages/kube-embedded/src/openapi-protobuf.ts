// The OpenAPI v2 document in gnostic's protobuf encoding, which kubectl before 1.27 insists on. Only
// the parts that kubectl reads: definitions with their extensions, and for dry run the query
// parameters of PATCH operations.

import { stringify } from 'yaml';
import { isObject, type JsonObject } from './object.ts';

/** What clients ask for. */
export const openApiV2ProtobufType = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
/** What they get: the @ is not allowed in a media type and Go's parser rejects it. */
export const openApiV2ProtobufAnswerType =
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** Encodes a Swagger 2.0 document as made by openApiV2. */
export function encodeOpenApiV2(document: JsonObject): Uint8Array {
  const info = isObject(document['info']) ? document['info'] : {};
  return Buffer.concat([
    text(1, '2.0'),
    message(2, [text(1, String(info['title'])), text(2, String(info['version']))]),
    message(
      8,
      entries(document['paths']).map(([path, item]) =>
        message(2, [text(1, path), message(2, pathItem(item))]),
      ),
    ),
    message(
      9,
      entries(document['definitions']).map(([name, schema]) => namedSchema(1, name, schema)),
    ),
  ]);
}

const operationField: Record<string, number> = { get: 2, put: 3, post: 4, delete: 5, patch: 8 };

function pathItem(item: unknown): Buffer[] {
  return entries(item).flatMap(([method, operation]) => {
    const field = operationField[method];
    if (field === undefined || !isObject(operation)) return [];
    const parameters = Array.isArray(operation['parameters'])
      ? operation['parameters'].filter(isObject)
      : [];
    return [
      message(field, [
        text(5, String(operation['operationId'])),
        ...parameters.map((parameter) =>
          message(8, [message(1, [message(2, [message(3, queryParameter(parameter))])])]),
        ),
        message(9, [message(1, [text(1, '200'), message(2, [message(1, [text(1, 'OK')])])])]),
        ...extensions(13, operation),
      ]),
    ];
  });
}

function queryParameter(parameter: JsonObject): Buffer[] {
  return [text(2, 'query'), text(4, String(parameter['name'])), text(6, 'string')];
}

function namedSchema(field: number, name: string, schema: unknown): Buffer {
  return message(field, [text(1, name), message(2, encodeSchema(schema))]);
}

function encodeSchema(value: unknown): Buffer[] {
  const schema = isObject(value) ? value : {};
  const parts: Buffer[] = [];
  if (typeof schema['$ref'] === 'string') parts.push(text(1, schema['$ref']));
  if (typeof schema['format'] === 'string') parts.push(text(2, schema['format']));
  if (typeof schema['description'] === 'string') parts.push(text(4, schema['description']));
  if (Array.isArray(schema['required']))
    parts.push(...schema['required'].map((name) => text(19, String(name))));
  const additional = schema['additionalProperties'];
  if (isObject(additional)) parts.push(message(21, [message(1, encodeSchema(additional))]));
  if (typeof schema['type'] === 'string') parts.push(message(22, [text(1, schema['type'])]));
  if (isObject(schema['items']))
    parts.push(message(23, [message(1, encodeSchema(schema['items']))]));
  const properties = entries(schema['properties']);
  if (properties.length > 0)
    parts.push(
      message(
        25,
        properties.map(([name, child]) => namedSchema(1, name, child)),
      ),
    );
  parts.push(...extensions(31, schema));
  return parts;
}

/** x-… members, each as a NamedAny whose value is YAML text. */
function extensions(field: number, owner: JsonObject): Buffer[] {
  return Object.entries(owner)
    .filter(([name]) => name.startsWith('x-') && name !== 'x-kubernetes-validations')
    .map(([name, value]) =>
      message(field, [text(1, name), message(2, [text(2, stringify(value))])]),
    );
}

function entries(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : [];
}

function text(field: number, value: string): Buffer {
  return lengthDelimited(field, Buffer.from(value));
}

function message(field: number, parts: readonly Buffer[]): Buffer {
  return lengthDelimited(field, Buffer.concat(parts));
}

function lengthDelimited(field: number, body: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(body.length), body]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
