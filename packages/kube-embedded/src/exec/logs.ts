// kubectl logs: what a container printed, from a callback of the lab; with follow the response stays
// open until the stream ends or the client leaves.

import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { ApiError, badRequest } from '../api-error.ts';
import type { ResourceRequest } from '../http/request-info.ts';
import type { KubeApi } from '../kube-api.ts';
import { listAt, textAt } from '../object.ts';

export interface LogRequest {
  namespace: string;
  pod: string;
  nodeName: string;
  container: string;
  follow: boolean;
  /** Only the last lines; undefined for all. */
  tailLines: number | undefined;
  previous: boolean;
  timestamps: boolean;
  sinceSec: number | undefined;
}

/** Answers with text or a stream; rejecting means that there is no such log. */
export type LogHandler = (request: LogRequest) => string | Readable | Promise<string | Readable>;

export async function serveLogs(
  handler: LogHandler | undefined,
  api: KubeApi,
  target: ResourceRequest,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  if (!handler)
    throw new ApiError(501, 'NotImplemented', 'this API server was started without a log handler');
  const pod = api.get(target.def, target.namespace, target.name);
  const containers = listAt(pod, 'spec', 'containers').map((container) =>
    textAt(container, 'name'),
  );
  const container = query.get('container') || (containers[0] ?? '');
  if (!containers.includes(container))
    throw badRequest(`container ${container} is not valid for pod ${target.name}`);
  const log = await handler({
    namespace: target.namespace,
    pod: target.name,
    nodeName: textAt(pod, 'spec', 'nodeName'),
    container,
    follow: query.get('follow') === 'true',
    tailLines: wholeNumber(query, 'tailLines'),
    previous: query.get('previous') === 'true',
    timestamps: query.get('timestamps') === 'true',
    sinceSec: wholeNumber(query, 'sinceSeconds'),
  });
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-cache, private',
  });
  if (typeof log === 'string') {
    response.end(log);
    return;
  }
  response.flushHeaders();
  response.on('close', () => log.destroy());
  log.on('error', () => response.destroy());
  log.pipe(response);
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d+$/.test(text)) throw badRequest(`${name} must be a whole number`);
  return Number(text);
}
