// Writes what the controller decided about one Service: its addresses and the annotation that names
// their pool. A merge patch of the status touches nothing else. MetalLB's own ClusterRole grants
// `update` on services/status and not `patch`, so where the patch is forbidden the whole object is
// read and put back, guarded by its resource version.

import { type KubeClient, pathOf, renderKubeError } from '@rookery/kube';
import {
  ANNOTATION,
  annotationKey,
  type Convergence,
  legacyAnnotationKey,
  type Service,
} from '@rookery/metallb';

const SERVICES = { group: '', version: 'v1', plural: 'services' };
const FIELD_MANAGER = 'metallb-controller';

export type ServiceWrite =
  | { readonly ok: true; readonly object: unknown }
  | { readonly ok: false; readonly error: string };

/** `object` is the stored Service, or null when it is gone: its deletion comes by the watch. */
export async function writeService(
  client: Pick<KubeClient, 'request'>,
  service: Service,
  convergence: Convergence,
): Promise<ServiceWrite> {
  const { name, namespace } = service.metadata;
  const ingress = convergence.ingress.map((ip) => ({ ip }));
  const change = {
    annotations: {
      [annotationKey(ANNOTATION.allocatedFromPool)]: convergence.allocatedFrom ?? null,
      [legacyAnnotationKey(ANNOTATION.allocatedFromPool)]: null,
    },
    ingress: ingress.length > 0 ? ingress : null,
  };
  const at = pathOf(SERVICES, { namespace, name, subresource: 'status' });
  let answer = await client.request({
    method: 'PATCH',
    path: at,
    query: { fieldManager: FIELD_MANAGER },
    contentType: 'application/merge-patch+json',
    body: {
      metadata: { annotations: change.annotations },
      status: { loadBalancer: { ingress: change.ingress } },
    },
  });
  if (!answer.ok && answer.error.kind === 'status' && answer.error.status === 403) {
    const live = await client.request({ path: pathOf(SERVICES, { namespace, name }) });
    answer = live.ok
      ? await client.request({
          method: 'PUT',
          path: at,
          query: { fieldManager: FIELD_MANAGER },
          body: changed(live.value as ServiceObject, change),
        })
      : live;
  }
  if (answer.ok) return { ok: true, object: answer.value };
  if (answer.error.kind === 'status' && answer.error.status === 404) {
    return { ok: true, object: null };
  }
  return { ok: false, error: renderKubeError(answer.error) };
}

interface ServiceObject {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly status?: Readonly<Record<string, unknown>>;
}

function changed(
  live: ServiceObject,
  change: {
    readonly annotations: Readonly<Record<string, string | null>>;
    readonly ingress: readonly { readonly ip: string }[] | null;
  },
): unknown {
  const annotations = Object.entries({ ...live.metadata.annotations, ...change.annotations });
  return {
    ...live,
    metadata: {
      ...live.metadata,
      annotations: Object.fromEntries(annotations.filter(([, value]) => value !== null)),
    },
    status: {
      ...live.status,
      loadBalancer: change.ingress === null ? {} : { ingress: change.ingress },
    },
  };
}
