// Kinds that answer a question and store nothing: who a token belongs to, whether somebody may do
// something (whoever is known may), who I am; and tokens for service accounts.

import { type Authenticator, serviceAccountUser, type UserInfo } from './auth.ts';
import { type JsonObject, listAt, objectAt, textAt } from './object.ts';
import type { ResourceDef } from './resource.ts';

export function answerReview(
  def: ResourceDef,
  body: JsonObject,
  user: UserInfo,
  authenticator: Authenticator,
): JsonObject {
  const base = {
    ...body,
    kind: def.kind,
    apiVersion: `${def.group}/${def.version}`,
    metadata: objectAt(body, 'metadata'),
  };
  switch (def.kind) {
    case 'TokenReview': {
      const found = authenticator.userForToken(textAt(body, 'spec', 'token'));
      if (!found)
        return { ...base, status: { authenticated: false, error: 'the token is not known' } };
      const audiences = listAt(body, 'spec', 'audiences');
      return {
        ...base,
        status: {
          authenticated: true,
          user: found,
          ...(audiences.length > 0 ? { audiences } : {}),
        },
      };
    }
    case 'SelfSubjectReview':
      return { ...base, status: { userInfo: user } };
    case 'SelfSubjectRulesReview':
      return {
        ...base,
        status: {
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          incomplete: false,
        },
      };
    default:
      return {
        ...base,
        status: { allowed: true, reason: 'the embedded API allows every known user everything' },
      };
  }
}

export function tokenRequest(
  namespace: string,
  name: string,
  authenticator: Authenticator,
  nowMs: number,
): JsonObject {
  const expirationTimestamp = new Date(nowMs + 3_600_000).toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace },
    spec: { audiences: ['https://kubernetes.default.svc'], expirationSeconds: 3600 },
    status: {
      token: authenticator.tokenForUser(serviceAccountUser(namespace, name)),
      expirationTimestamp,
    },
  };
}
