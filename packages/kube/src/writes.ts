// The few writes that controllers make: server-side apply, and a merge patch guarded by the resource
// version. Both are idempotent; a conflict is an answer, not an error, since a newer object is on its
// way through the watch.

import { ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './kube-error.ts';
import type { KubeError } from './kube-error.ts';
import { pathOf } from './resource-path.ts';
import type { ResourceType } from './resource-path.ts';

export interface ObjectAddress {
  readonly type: ResourceType;
  readonly namespace?: string;
  readonly name: string;
  readonly subresource?: 'status';
}

export type WriteOutcome = 'written' | 'conflict' | 'gone';

/** Merge patch; with `metadata.resourceVersion` in it a newer object makes it a conflict. */
export async function patchObject(
  client: KubeClient,
  address: ObjectAddress,
  patch: unknown,
): Promise<Result<WriteOutcome, KubeError>> {
  const answer = await client.request({
    method: 'PATCH',
    path: pathOf(address.type, address),
    contentType: 'application/merge-patch+json',
    body: patch,
  });
  return outcomeOf(answer);
}

/** Server-side apply with force: the fields given are ours. */
export async function applyObject(
  client: KubeClient,
  address: ObjectAddress,
  object: unknown,
  fieldManager: string,
): Promise<Result<WriteOutcome, KubeError>> {
  const answer = await client.request({
    method: 'PATCH',
    path: pathOf(address.type, address),
    query: { fieldManager, force: true },
    contentType: 'application/apply-patch+yaml',
    body: object,
  });
  return outcomeOf(answer);
}

/** Deletes; an object that is gone already counts as deleted. */
export async function deleteObject(
  client: KubeClient,
  address: ObjectAddress,
): Promise<Result<WriteOutcome, KubeError>> {
  const answer = await client.request({ method: 'DELETE', path: pathOf(address.type, address) });
  return outcomeOf(answer);
}

function outcomeOf(answer: Result<unknown, KubeError>): Result<WriteOutcome, KubeError> {
  if (answer.ok) return ok('written');
  if (isConflict(answer.error)) return ok('conflict');
  if (isNotFound(answer.error)) return ok('gone');
  return answer;
}
