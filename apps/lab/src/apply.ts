// Applies YAML documents to the lab's cluster as `kubectl apply --server-side` would: one
// server-side apply per object, the resource's path found by discovery.

import { KubeClient, connectionFor, renderKubeError } from '@rookery/kube';
import { parseAllDocuments } from 'yaml';

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

interface ResourceList {
  readonly resources: readonly {
    readonly kind: string;
    readonly name: string;
    readonly namespaced: boolean;
  }[];
}

/** Prints one line per object; resolves to the exit status. */
export async function applyManifests(kubeconfig: string, text: string): Promise<number> {
  const connection = connectionFor({ kubeconfig, env: {} });
  if (!connection.ok) return complain(connection.error);
  const client = new KubeClient(connection.value);
  let status = 0;
  for (const document of parseAllDocuments(text)) {
    const problem = await applyOne(client, document.toJS() as Manifest);
    if (problem) status = complain(problem);
  }
  client.close();
  return status;
}

/** Returns what went wrong, or `undefined`. */
async function applyOne(client: KubeClient, manifest: Manifest): Promise<string | undefined> {
  const label = `${manifest.kind} ${manifest.metadata?.name ?? '(no name)'}`;
  const base = manifest.apiVersion.includes('/') ? `/apis/${manifest.apiVersion}` : '/api/v1';
  const listed = await client.request({ path: base });
  if (!listed.ok) return `${label}: ${renderKubeError(listed.error)}`;
  const resource = (listed.value as ResourceList).resources.find(
    ({ kind, name }) => kind === manifest.kind && !name.includes('/'),
  );
  if (!resource)
    return `${label}: the cluster serves no ${manifest.kind} in ${manifest.apiVersion}`;
  const namespace = resource.namespaced
    ? `/namespaces/${manifest.metadata.namespace ?? 'default'}`
    : '';
  const applied = await client.request({
    method: 'PATCH',
    path: `${base}${namespace}/${resource.name}/${manifest.metadata.name}`,
    query: { fieldManager: 'rookery-lab', force: true },
    contentType: 'application/apply-patch+yaml',
    body: manifest,
  });
  if (!applied.ok) return `${label}: ${renderKubeError(applied.error)}`;
  process.stdout.write(`${resource.name}/${manifest.metadata.name} applied\n`);
  return undefined;
}

function complain(text: string): 1 {
  process.stderr.write(`rookery lab: ${text}\n`);
  return 1;
}
