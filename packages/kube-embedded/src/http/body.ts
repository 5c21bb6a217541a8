// Request bodies: read with a limit, decoded by content type. Anything that is not a document of the
// announced type is 400, a type we do not know 415, a body over the limit 413.

import type { IncomingMessage } from 'node:http';
import { parse } from 'yaml';
import { ApiError, badRequest } from '../api-error.ts';
import { isObject, type JsonObject } from '../object.ts';
import { decodeProtobuf, protobufType } from './protobuf.ts';

/** As the real API server: etcd's request limit with room for encoding. */
export const bodyLimitBytes = 3 * 1024 * 1024;

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > bodyLimitBytes) {
        throw new ApiError(
          413,
          'RequestEntityTooLarge',
          `Request entity too large: limit is ${bodyLimitBytes}`,
        );
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw badRequest('the request body ended early');
  }
  return Buffer.concat(chunks);
}

export function contentTypeOf(request: IncomingMessage): string {
  return (
    (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ??
    ''
  );
}

const jsonTypes = new Set([
  'application/json',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/x-www-form-urlencoded',
]);
const yamlTypes = new Set(['application/yaml', 'application/apply-patch+yaml', 'text/yaml']);

/** The document of a body; kubectl sends JSON even where it says YAML. */
export function decodeBody(bytes: Buffer, contentType: string): unknown {
  if (contentType === protobufType) return decodeProtobuf(bytes);
  const text = bytes.toString('utf8');
  if (jsonTypes.has(contentType)) {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw badRequest(`the body is not valid JSON: ${messageOf(error)}`);
    }
  }
  if (yamlTypes.has(contentType)) {
    try {
      return text.trimStart().startsWith('{')
        ? (JSON.parse(text) as unknown)
        : (parse(text, { maxAliasCount: 100, logLevel: 'error' }) as unknown);
    } catch (error) {
      throw badRequest(`the body is not valid YAML: ${messageOf(error)}`);
    }
  }
  throw new ApiError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (got ${contentType})`,
  );
}

export function decodeObject(bytes: Buffer, contentType: string): JsonObject {
  const value = decodeBody(bytes, contentType);
  if (!isObject(value)) throw badRequest('the body must be an object');
  return value;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
