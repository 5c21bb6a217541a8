// Who is asking: bearer tokens and client certificates signed by our CA. Whoever is known may do
// everything (this is a lab); whoever is not gets 401. Tokens are kept in the store's settings.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { ApiError } from './api-error.ts';
import type { Store } from './store/store.ts';

export interface UserInfo {
  username: string;
  uid: string;
  groups: string[];
}

export const adminUser = 'kubernetes-admin';

export class Authenticator {
  readonly #store: Store;
  readonly #bySocket = new WeakMap<TLSSocket, UserInfo>();
  #tokens: Record<string, string>;

  constructor(store: Store) {
    this.#store = store;
    const saved = store.setting('tokens');
    this.#tokens = saved === undefined ? {} : (JSON.parse(saved) as Record<string, string>);
  }

  /** The token of a user, made on first use. */
  tokenForUser(username: string): string {
    const known = Object.entries(this.#tokens).find(([, user]) => user === username);
    if (known) return known[0];
    const token = randomBytes(32).toString('base64url');
    this.#tokens = { ...this.#tokens, [token]: username };
    this.#store.saveSetting('tokens', JSON.stringify(this.#tokens));
    return token;
  }

  userForToken(token: string): UserInfo | undefined {
    const given = Buffer.from(token);
    for (const [known, username] of Object.entries(this.#tokens)) {
      const expected = Buffer.from(known);
      if (given.length === expected.length && timingSafeEqual(given, expected))
        return userFor(username);
    }
    return undefined;
  }

  /** The user of a request; throws 401 when there is none. */
  authenticate(request: IncomingMessage): UserInfo {
    const header = request.headers.authorization ?? '';
    const token = header.match(/^Bearer\s+(\S+)$/i)?.[1] ?? webSocketToken(request);
    if (token !== undefined) {
      const user = this.userForToken(token);
      if (user) return user;
      throw unauthorized();
    }
    const user = this.#userOfCertificate(request.socket as TLSSocket);
    if (user) return user;
    throw unauthorized();
  }

  /** Read once per connection: decoding a certificate costs more than most requests. */
  #userOfCertificate(socket: TLSSocket): UserInfo | undefined {
    if (socket.authorized !== true) return undefined;
    const known = this.#bySocket.get(socket);
    if (known) return known;
    const subject = socket.getPeerCertificate().subject;
    const organisations: unknown = subject?.O;
    const groups =
      typeof organisations === 'string'
        ? [organisations]
        : Array.isArray(organisations)
          ? organisations.map(String)
          : [];
    if (typeof subject?.CN !== 'string') return undefined;
    const user = userFor(subject.CN, groups);
    this.#bySocket.set(socket, user);
    return user;
  }
}

export function serviceAccountUser(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`;
}

function userFor(username: string, groups: readonly string[] = []): UserInfo {
  const account = username.match(/^system:serviceaccount:([^:]+):/);
  const own = account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : [];
  const admin = username === adminUser ? ['system:masters'] : [];
  const all = new Set([...groups, ...own, ...admin, 'system:authenticated']);
  return { username, uid: '', groups: [...all] };
}

/** Browsers cannot set headers on WebSockets; Kubernetes takes the token as a subprotocol. */
function webSocketToken(request: IncomingMessage): string | undefined {
  const offered = request.headers['sec-websocket-protocol'] ?? '';
  const encoded = offered.match(/base64url\.bearer\.authorization\.k8s\.io\.([\w-]+)/)?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64url').toString();
}

function unauthorized(): ApiError {
  return new ApiError(401, 'Unauthorized', 'Unauthorized');
}
