// What a request path means: the resource, namespace, name and subresource, as the Kubernetes URL
// scheme lays them out. Paths outside of it (discovery, health, OpenAPI) are answered elsewhere.

import { pathNotFound } from '../api-error.ts';
import type { ResourceDef, ResourceRegistry } from '../resource.ts';

export interface ResourceRequest {
  def: ResourceDef;
  namespace: string;
  name: string;
  subresource: string;
}

/** Splits a path into decoded segments; a malformed escape is 404. */
export function segmentsOf(pathname: string): string[] {
  try {
    return pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    throw pathNotFound();
  }
}

/** Resolves /api/v1/… and /apis/GROUP/VERSION/…; throws 404 when nothing is served there. */
export function resolveResource(
  segments: readonly string[],
  registry: ResourceRegistry,
): ResourceRequest {
  const isCore = segments[0] === 'api';
  const group = isCore ? '' : (segments[1] ?? '');
  const version = (isCore ? segments[1] : segments[2]) ?? '';
  const rest = segments.slice(isCore ? 2 : 3);
  const inNamespace =
    rest[0] === 'namespaces' && rest.length > 2 && !namespaceParts.has(rest[2] ?? '');
  const namespace = inNamespace ? (rest[1] ?? '') : '';
  const [plural = '', name = '', subresource = '', extra] = inNamespace ? rest.slice(2) : rest;
  const def = registry.find(group, version, plural);
  if (!def || extra !== undefined) throw pathNotFound();
  if (def.namespaced && !inNamespace && name !== '') throw pathNotFound();
  if (!def.namespaced && inNamespace) throw pathNotFound();
  const known =
    subresource === '' ||
    subresource === 'finalize' ||
    (def.subresources as readonly string[]).includes(subresource);
  if (!known) throw pathNotFound();
  return { def, namespace, name, subresource };
}

/** /api/v1/namespaces/NAME/status is a subresource of the namespace, not a resource in it. */
const namespaceParts = new Set(['status', 'finalize']);
