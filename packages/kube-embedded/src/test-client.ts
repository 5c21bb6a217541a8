// A small HTTPS client for the tests of this package: JSON in, JSON out, watches as async lines.

import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { ApiServer } from './server.ts';
import { isObject, type JsonObject } from './object.ts';

export interface Answer {
  code: number;
  headers: IncomingMessage['headers'];
  text: string;
  body: JsonObject;
}

export interface CallOptions {
  method?: string;
  body?: unknown;
  type?: string;
  accept?: string;
  token?: string | undefined;
}

export function clientFor(server: ApiServer) {
  const token = server.adminToken();
  const open = (path: string, options: CallOptions): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const given = 'token' in options ? options.token : token;
      const outgoing = request(
        new URL(path, server.url),
        {
          method: options.method ?? 'GET',
          ca: server.caPem,
          agent: false,
          headers: {
            ...(given === undefined ? {} : { authorization: `Bearer ${given}` }),
            ...(options.accept === undefined ? {} : { accept: options.accept }),
            'content-type': options.type ?? 'application/json',
            'user-agent': 'test/1',
          },
        },
        resolve,
      );
      outgoing.on('error', reject);
      const { body } = options;
      outgoing.end(
        body === undefined || typeof body === 'string' || body instanceof Uint8Array
          ? body
          : JSON.stringify(body),
      );
    });

  const call = async (path: string, options: CallOptions = {}): Promise<Answer> => {
    const response = await open(path, options);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    return {
      code: response.statusCode ?? 0,
      headers: response.headers,
      text,
      body: parseObject(text),
    };
  };

  /** Events of a watch, one by one; `stop` ends it. */
  const watch = async (path: string, accept = 'application/json') => {
    const response = await open(path, { accept });
    async function* events(): AsyncGenerator<{ type: string; object: JsonObject }> {
      let rest = '';
      try {
        for await (const chunk of response as AsyncIterable<Buffer>) {
          const lines = (rest + chunk.toString()).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) yield JSON.parse(line) as { type: string; object: JsonObject };
        }
      } catch {
        return;
      }
    }
    return {
      code: response.statusCode ?? 0,
      events: events(),
      stop: () => void response.destroy(),
    };
  };
  return { call, watch };
}

function parseObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
