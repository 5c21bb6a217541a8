// Content negotiation: which of the representations we have a client's Accept header asks for.
// We speak JSON (plain, Table, PartialObjectMetadata, aggregated discovery) and YAML; protobuf is
// not offered, so clients that prefer it fall back to the JSON they also list.

import type { ServerResponse } from 'node:http';
import { stringify } from 'yaml';
import { ApiError } from '../api-error.ts';
import type { JsonObject } from '../object.ts';

export interface MediaType {
  type: string;
  parameters: Record<string, string>;
}

export function parseAccept(header: string | undefined): MediaType[] {
  const list = (header ?? '').trim() === '' ? '*/*' : (header ?? '');
  return list.split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((piece) => piece.trim());
    const pairs = rest.map((piece) => {
      const at = piece.indexOf('=');
      return at < 0 ? [piece, ''] : [piece.slice(0, at), piece.slice(at + 1)];
    });
    return {
      type: type.toLowerCase(),
      parameters: Object.fromEntries(pairs) as Record<string, string>,
    };
  });
}

export type Representation =
  | { as: 'Plain'; yaml: boolean }
  | { as: 'Table'; apiVersion: string }
  | { as: 'PartialObjectMetadata' }
  | { as: 'PartialObjectMetadataList' };

/** The first representation of the header that we can give; 406 when there is none. */
export function selectRepresentation(header: string | undefined): Representation {
  for (const { type, parameters } of parseAccept(header)) {
    const as = parameters['as'];
    const isJson = type === 'application/json';
    if (isJson && as === 'Table')
      return { as, apiVersion: `meta.k8s.io/${parameters['v'] ?? 'v1'}` };
    if (isJson && (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList'))
      return { as };
    if (as !== undefined) continue;
    if (isJson || type === '*/*' || type === 'application/*') return { as: 'Plain', yaml: false };
    if (type === 'application/yaml') return { as: 'Plain', yaml: true };
  }
  throw new ApiError(
    406,
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/yaml',
  );
}

/** Sends one JSON document. */
export function sendJson(
  response: ServerResponse,
  code: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  sendBytes(response, code, 'application/json', JSON.stringify(body), headers);
}

export function sendDocument(
  response: ServerResponse,
  code: number,
  body: JsonObject,
  representation: Representation,
  warnings: readonly string[] = [],
): void {
  const headers: Record<string, string | string[]> = {};
  if (warnings.length > 0) headers['Warning'] = warningHeader(warnings);
  const isYaml = representation.as === 'Plain' && representation.yaml;
  if (isYaml) sendBytes(response, code, 'application/yaml', stringify(body), headers);
  else sendBytes(response, code, 'application/json', JSON.stringify(body), headers);
}

/**
 * RFC 9110 gave up Warning, Kubernetes kept it: 299 - "text", shown by kubectl. Header values are
 * ASCII, so anything else is escaped, and a client that sends nonsense gets a bounded answer.
 */
export function warningHeader(warnings: readonly string[]): string[] {
  return warnings.slice(0, 20).map((warning) => {
    const quoted = JSON.stringify(warning.slice(0, 256));
    const escape = (char: string) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
    return `299 - ${quoted.replaceAll(/[^\x20-\x7e]/g, escape)}`;
  });
}

export function sendBytes(
  response: ServerResponse,
  code: number,
  type: string,
  body: string | Uint8Array,
  headers: Record<string, string | string[]> = {},
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(code, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-cache, private',
    ...headers,
  });
  response.end(bytes);
}

export function sendError(response: ServerResponse, error: ApiError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  sendJson(response, error.code, error.toStatus());
}
