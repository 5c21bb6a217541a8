// Serves the page on loopback: the built files, the picture as JSON, and a stream of pictures as
// server-sent events. Read-only. The Host header is checked, so that a foreign page cannot reach
// it by rebinding a name; nothing is sent that the picture does not contain.

import { createReadStream, existsSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type Facts, pictureFor } from '@rookery/doctor';

export interface PageOptions {
  /** Built files: dist/web. */
  readonly directory: string;
  /** 0: any free port. */
  readonly port: number;
  /** Gathers the facts now; a failure keeps the last picture. */
  readonly gather: () => Promise<Facts>;
}

export interface Page {
  readonly url: string;
  close(): void;
}

/** How often facts are gathered while somebody watches. */
const GATHER_EVERY_MS = 500;

/** Starts serving; throws when the port is taken. */
export async function startPage(options: PageOptions): Promise<Page> {
  const watchers = new Set<ServerResponse>();
  let last = '';
  let gathering = false;
  const gather = async (): Promise<void> => {
    if (gathering || watchers.size === 0) return;
    gathering = true;
    try {
      last = JSON.stringify(pictureFor(await options.gather()));
      for (const watcher of watchers) send(watcher, last);
    } catch {
      // The ends may be starting or stopping; the page shows how old its picture is.
    } finally {
      gathering = false;
    }
  };
  const timer = setInterval(() => void gather(), GATHER_EVERY_MS);
  const server = createServer((request, response) => {
    if (!isLoopbackHost(request.headers.host ?? '')) return refuse(response, 421, 'unknown host');
    if (request.method !== 'GET') return refuse(response, 405, 'read-only');
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    switch (path) {
      case '/api/events':
        return watch(request, response);
      case '/api/picture':
        return void answerPicture(response);
      default:
        return serveFile(response, options.directory, path === '/' ? '/index.html' : path);
    }
  });

  function watch(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    watchers.add(response);
    request.on('close', () => watchers.delete(response));
    void gather();
  }

  async function answerPicture(response: ServerResponse): Promise<void> {
    try {
      const body = JSON.stringify(pictureFor(await options.gather()));
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(body);
    } catch (error) {
      refuse(response, 503, error instanceof Error ? error.message : String(error));
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
    },
  };
}

function send(watcher: ServerResponse, json: string): void {
  // A tab that stopped reading must not make the server buffer without end.
  if (watcher.writableLength > 1_000_000) watcher.destroy();
  else watcher.write(`event: picture\ndata: ${json}\n\n`);
}

function serveFile(response: ServerResponse, directory: string, path: string): void {
  const file = join(directory, normalize(path));
  const type = TYPES[extname(file)];
  if (!file.startsWith(directory) || !type || !existsSync(file)) {
    return refuse(response, 404, 'no such page');
  }
  response.writeHead(200, {
    'content-type': type,
    'content-security-policy':
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:",
    'x-content-type-options': 'nosniff',
  });
  createReadStream(file).pipe(response);
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain' });
  response.end(`${text}\n`);
}

function isLoopbackHost(host: string): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host);
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.map': 'application/json',
};
