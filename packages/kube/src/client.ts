// Requests to a Kubernetes API server over node:https, JSON only: one method for everything that
// has an answer, one for a watch. Connections are kept alive; credentials are asked for every time.
// No discovery and no generated types: a caller knows the path of what it wants.

import type { Agent as HttpAgent, ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { err, ok } from '@rookery/net';
import type { Result } from '@rookery/net';
import type { KubeConnection } from './connection.ts';
import type { KubeError } from './kube-error.ts';

export type Query = Readonly<Record<string, string | number | boolean>>;

export interface KubeRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  /** Default application/json; a PATCH names its kind. */
  readonly contentType?: PatchType | 'application/json';
  readonly signal?: AbortSignal;
  /** Whole answer; default 30 s. */
  readonly timeoutMs?: number;
}

export type PatchType =
  | 'application/merge-patch+json'
  | 'application/json-patch+json'
  | 'application/strategic-merge-patch+json'
  | 'application/apply-patch+yaml';

export interface WatchStream {
  /** The server accepted the watch. */
  readonly onOpen?: () => void;
  readonly onData: (chunk: Uint8Array) => void;
  /** Once, also when the stream never began. Undefined: the server ended it in an orderly way. */
  readonly onEnd: (error: KubeError | undefined) => void;
}

/** Not imported: as an ES module it would load undici, which costs every node's speaker 6 MiB. */
const http = process.getBuiltinModule('node:http');
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;

export class KubeClient {
  readonly connection: KubeConnection;
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #userAgent: string;

  constructor(connection: KubeConnection, userAgent = 'rookery') {
    this.connection = connection;
    this.#base = new URL(connection.server);
    this.#userAgent = userAgent;
    const { ca, cert, key, insecure, serverName } = connection;
    const options = { keepAlive: true, keepAliveMsecs: 10_000, noDelay: true, maxFreeSockets: 8 };
    this.#agent =
      this.#base.protocol === 'http:'
        ? new http.Agent(options)
        : new HttpsAgent({
            ...options,
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
            ...(serverName === undefined ? {} : { servername: serverName }),
            rejectUnauthorized: !insecure,
          });
  }

  /** Sends one request and parses its JSON answer. */
  async request(spec: KubeRequest): Promise<Result<unknown, KubeError>> {
    if (spec.signal?.aborted) return err({ kind: 'aborted' });
    const authorization = await this.connection.authorization();
    if (!authorization.ok) return err({ kind: 'credentials', message: authorization.error });
    return new Promise((resolve) => this.#exchange(spec, authorization.value, resolve));
  }

  /**
   * Opens a stream that lasts. Ends with an error after `idleMs` without a byte. The returned
   * function closes it; `onEnd` then tells `aborted`.
   */
  watch(spec: KubeRequest, idleMs: number, stream: WatchStream): () => void {
    let request: ClientRequest | undefined;
    let ended = false;
    const end = (error: KubeError | undefined): void => {
      if (ended) return;
      ended = true;
      request?.destroy();
      stream.onEnd(error);
    };
    void this.connection.authorization().then((authorization) => {
      if (ended) return;
      if (!authorization.ok) return end({ kind: 'credentials', message: authorization.error });
      request = this.#send(spec, authorization.value);
      request.setTimeout(idleMs, () =>
        end({ kind: 'unreachable', message: `nothing for ${idleMs} ms`, code: 'ETIMEDOUT' }),
      );
      request.on('error', (error) => end(unreachable(error)));
      request.on('response', (response) => {
        if (response.statusCode !== 200) {
          void readAnswer(response).then((answer) => end(answer.ok ? undefined : answer.error));
          return;
        }
        stream.onOpen?.();
        response.on('data', (chunk: Uint8Array) => {
          if (!ended) stream.onData(chunk);
        });
        response.on('error', (error) => end(unreachable(error)));
        response.on('aborted', () =>
          end({ kind: 'unreachable', message: 'connection lost', code: 'ECONNRESET' }),
        );
        response.on('end', () => end(undefined));
      });
      request.end();
    });
    return () => end({ kind: 'aborted' });
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #exchange(
    spec: KubeRequest,
    authorization: string | undefined,
    resolve: (result: Result<unknown, KubeError>) => void,
  ): void {
    const request = this.#send(spec, authorization);
    const timeoutMs = spec.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timer = setTimeout(() => {
      resolve(
        err({ kind: 'unreachable', message: `no answer for ${timeoutMs} ms`, code: 'ETIMEDOUT' }),
      );
      request.destroy();
    }, timeoutMs);
    const abort = (): void => {
      resolve(err({ kind: 'aborted' }));
      request.destroy();
    };
    spec.signal?.addEventListener('abort', abort, { once: true });
    const finish = (result: Result<unknown, KubeError>): void => {
      clearTimeout(timer);
      spec.signal?.removeEventListener('abort', abort);
      resolve(result);
    };
    request.on('error', (error) => finish(err(unreachable(error))));
    request.on('response', (response) => void readAnswer(response).then(finish));
    request.end(spec.body === undefined ? undefined : JSON.stringify(spec.body));
  }

  #send(spec: KubeRequest, authorization: string | undefined): ClientRequest {
    const query = new URLSearchParams(
      Object.entries(spec.query ?? {}).map(([name, value]) => [name, String(value)]),
    ).toString();
    const prefix = this.#base.pathname.replace(/\/$/, '');
    const options: RequestOptions = {
      method: spec.method ?? 'GET',
      host: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port,
      path: `${prefix}${spec.path}${query === '' ? '' : `?${query}`}`,
      agent: this.#agent,
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(authorization === undefined ? {} : { authorization }),
        ...(spec.body === undefined
          ? {}
          : { 'content-type': spec.contentType ?? 'application/json' }),
      },
    };
    const send = this.#base.protocol === 'http:' ? http.request : httpsRequest;
    const request = send(options);
    request.on('socket', (socket) => socket.setKeepAlive(true, 15_000));
    return request;
  }
}

async function readAnswer(response: IncomingMessage): Promise<Result<unknown, KubeError>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) return err({ kind: 'malformed', message: 'endless answer' });
    }
  } catch (error) {
    return err(unreachable(error));
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const status = response.statusCode ?? 0;
  const value = parseJson(text);
  if (status >= 200 && status < 300) {
    if (value === undefined) return err({ kind: 'malformed', message: 'the body is not JSON' });
    return ok(value);
  }
  const body = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const retryAfter = Number(response.headers['retry-after']);
  return err({
    kind: 'status',
    status,
    reason: typeof body['reason'] === 'string' ? body['reason'] : (response.statusMessage ?? ''),
    message: typeof body['message'] === 'string' ? body['message'] : text.slice(0, 200),
    ...(Number.isFinite(retryAfter) ? { retryAfterSec: retryAfter } : {}),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function unreachable(error: unknown): KubeError {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const message = error instanceof Error && error.message !== '' ? error.message : String(code);
  return { kind: 'unreachable', message, ...(code === undefined ? {} : { code }) };
}
