// The JSON control API: HTTP over a Unix socket. GET /v1/state is the whole read model, GET
// /v1/events the same as server-sent events, once per change and at most ten a second. Read-only;
// what it contains is defined by packages/console.

import type * as Http from 'node:http';

export interface ControlSource {
  /** The read model now, as plain data. */
  readonly state: () => unknown;
  /** Figures about the process itself. */
  readonly metrics: () => unknown;
}

export interface ControlServer {
  readonly server: Http.Server;
  /** Something may have changed. Cheap when nobody listens. */
  touch(): void;
  close(): void;
}

/** Not imported: as an ES module it would load undici with it. */
const http = process.getBuiltinModule('node:http');

const eventIntervalMs = 100;
/** A comment line now and then, so that dead readers are noticed. */
const heartbeatMs = 15_000;

/** Not listening yet. */
export function createControlServer(source: ControlSource): ControlServer {
  const readers = new Set<Http.ServerResponse>();
  let timer: NodeJS.Timeout | undefined;
  let last = '';
  const publish = (): void => {
    timer = undefined;
    if (readers.size === 0) return;
    const text = JSON.stringify(source.state());
    if (text === last) return;
    last = text;
    for (const reader of readers) sendEvent(reader, text);
  };
  const heartbeat = setInterval(() => {
    for (const reader of readers) reader.write(': alive\n\n');
  }, heartbeatMs);
  heartbeat.unref();

  const server = http.createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0];
    if (request.method !== 'GET') return refuse(response, 405, 'only GET is known here');
    if (path === '/v1/state') return answer(response, source.state());
    if (path === '/v1/metrics') return answer(response, source.metrics());
    if (path !== '/v1/events') {
      return refuse(response, 404, 'known are /v1/state, /v1/events and /v1/metrics');
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    readers.add(response);
    response.on('close', () => readers.delete(response));
    last = JSON.stringify(source.state());
    sendEvent(response, last);
  });
  return {
    server,
    touch: () => {
      if (readers.size > 0) timer ??= setTimeout(publish, eventIntervalMs);
    },
    close: () => {
      clearTimeout(timer);
      clearInterval(heartbeat);
      for (const reader of readers) reader.end();
      server.closeAllConnections();
    },
  };
}

function sendEvent(reader: Http.ServerResponse, text: string): void {
  // A reader that lags by a megabyte gets the next state instead of a queue of old ones.
  if (reader.writableLength < 1024 * 1024) reader.write(`event: state\ndata: ${text}\n\n`);
}

function answer(response: Http.ServerResponse, body: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
}

function refuse(response: Http.ServerResponse, status: number, error: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ error })}\n`);
}
