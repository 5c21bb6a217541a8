import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Backoff } from './backoff.ts';
import { KubeClient } from './client.ts';
import { inClusterConnection, parseKubeconfig } from './connection.ts';
import type { KubeConnection } from './connection.ts';
import { EventWriter } from './event-writer.ts';
import { JsonLines } from './json-lines.ts';
import { LeaderElection } from './leader.ts';
import { ResourceCache } from './resource-cache.ts';
import type { CacheHandlers, Change } from './resource-cache.ts';
import { applyObject, patchObject } from './writes.ts';

type Json = Record<string, unknown>;
type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => void;

const PODS = { group: '', version: 'v1', plural: 'pods' };
const FAST = { firstMs: 1, minMs: 2, maxMs: 10 };

/** A server whose behaviour the test writes, one handler for everything. */
async function serve(
  handler: Handler,
  port = 0,
): Promise<{ server: Server; client: KubeClient; port: number }> {
  const server = createServer((request, response) =>
    handler(request, response, new URL(request.url ?? '/', 'http://x')),
  );
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const bound = (server.address() as AddressInfo).port;
  return { server, client: new KubeClient(plainConnection(bound)), port: bound };
}

function plainConnection(port: number): KubeConnection {
  return {
    server: `http://127.0.0.1:${port}`,
    insecure: false,
    authorization: async () => ({ ok: true, value: 'Bearer t' }),
    origin: 'test',
  };
}

function end(server: Server, client: KubeClient): Promise<void> {
  client.close();
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

function pod(name: string, resourceVersion: string, more: Json = {}): Json {
  return { metadata: { name, namespace: 'ns', uid: `u-${name}`, resourceVersion }, ...more };
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function sendList(response: ServerResponse, resourceVersion: string, items: unknown[]): void {
  sendJson(response, { metadata: { resourceVersion }, items });
}

/** Records what a cache tells and lets a test wait for it. */
class Recorder {
  readonly told: string[] = [];
  readonly issues: string[] = [];
  readonly contacts: boolean[] = [];
  #waiters: { check: () => boolean; done: () => void }[] = [];
  readonly handlers: CacheHandlers = {
    onChanges: (changes) => {
      this.told.push(...changes.map((change: Change) => `${change.kind} ${change.key}`));
      this.#wake();
    },
    onIssue: (message) => {
      this.issues.push(message);
      this.#wake();
    },
    onContact: (contact) => {
      this.contacts.push(contact);
      this.#wake();
    },
  };
  until(check: () => boolean): Promise<void> {
    if (check()) return Promise.resolve();
    return new Promise((done) => this.#waiters.push({ check, done }));
  }
  #wake(): void {
    for (const waiter of this.#waiters.filter((candidate) => candidate.check())) {
      this.#waiters = this.#waiters.filter((candidate) => candidate !== waiter);
      waiter.done();
    }
  }
}

function cacheOn(client: KubeClient, recorder: Recorder, idleTimeoutMs = 60_000): ResourceCache {
  return new ResourceCache(
    client,
    { type: PODS, backoff: FAST, pageSize: 2, idleTimeoutMs },
    recorder.handlers,
  );
}

test('lists in pages, then follows the watch', async () => {
  const watches: URL[] = [];
  const { server, client } = await serve((request, response, url) => {
    assert.equal(request.headers.authorization, 'Bearer t');
    if (url.searchParams.get('watch') !== 'true') {
      assert.equal(url.searchParams.get('limit'), '2');
      if (url.searchParams.get('continue') === 'more')
        return sendList(response, '7', [pod('c', '3')]);
      return sendJson(response, {
        metadata: { resourceVersion: '7', continue: 'more' },
        items: [pod('a', '1'), pod('b', '2')],
      });
    }
    watches.push(url);
    response.writeHead(200);
    for (const event of [
      { type: 'MODIFIED', object: pod('a', '8') },
      { type: 'DELETED', object: pod('b', '9') },
      { type: 'ADDED', object: pod('ü', '10') },
    ]) {
      // Split in the middle of a line and of a character.
      const line = Buffer.from(`${JSON.stringify(event)}\n`);
      const middle = line.indexOf(0xc3) + 1 || 5;
      response.write(line.subarray(0, middle));
      response.write(line.subarray(middle));
    }
  });
  const recorder = new Recorder();
  const cache = cacheOn(client, recorder);
  cache.start();
  await recorder.until(() => recorder.told.length >= 6);
  assert.deepEqual(recorder.told, [
    'added ns/a',
    'added ns/b',
    'added ns/c',
    'changed ns/a',
    'removed ns/b',
    'added ns/ü',
  ]);
  assert.equal(watches[0]!.searchParams.get('resourceVersion'), '7');
  assert.equal(watches[0]!.searchParams.get('allowWatchBookmarks'), 'true');
  assert.equal(cache.size, 3);
  await cache.stop();
  await end(server, client);
});

test('goes on from the last bookmark after an orderly end, and lists again after 410', async () => {
  const seen: string[] = [];
  let lists = 0;
  let watches = 0;
  const { server, client } = await serve((_request, response, url) => {
    if (url.searchParams.get('watch') !== 'true') {
      lists++;
      return lists === 1
        ? sendList(response, '5', [pod('a', '1'), pod('b', '2')])
        : sendList(response, '90', [pod('a', '1'), pod('c', '50')]);
    }
    seen.push(url.searchParams.get('resourceVersion')!);
    response.writeHead(200);
    switch (++watches) {
      case 1:
        return void response.end(
          `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '42' } } })}\n`,
        );
      case 2:
        return void response.end(
          `${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } })}\n`,
        );
      default:
        response.flushHeaders();
    }
  });
  const recorder = new Recorder();
  const cache = cacheOn(client, recorder);
  cache.start();
  await recorder.until(() => recorder.told.length >= 4);
  assert.deepEqual(recorder.told, ['added ns/a', 'added ns/b', 'removed ns/b', 'added ns/c']);
  assert.deepEqual(seen.slice(0, 2), ['5', '42']);
  assert.deepEqual(recorder.issues, []);
  await cache.stop();
  await end(server, client);
});

test('survives a server that goes away: nothing is told, and the difference when it is back', async () => {
  let items = [pod('a', '1'), pod('b', '2')];
  const handler: Handler = (_request, response, url) => {
    if (url.searchParams.get('watch') !== 'true') return sendList(response, '5', items);
    if (url.searchParams.get('resourceVersion') !== '5')
      return sendJson(response, { code: 410 }, 410);
    response.writeHead(200);
    response.flushHeaders();
  };
  const first = await serve(handler);
  const recorder = new Recorder();
  const cache = cacheOn(first.client, recorder);
  cache.start();
  await recorder.until(() => recorder.told.length === 2);
  await end(first.server, first.client);
  await recorder.until(() => recorder.contacts.includes(false));
  assert.equal(cache.size, 2, 'the last known state stays');
  assert.equal(recorder.told.length, 2);
  items = [pod('a', '1'), pod('c', '3')];
  // The new server does not know the old version.
  const second = await serve((request, response, url) => {
    if (url.searchParams.get('watch') === 'true') {
      if (url.searchParams.get('resourceVersion') === '5') {
        return sendJson(response, { reason: 'Expired', message: 'old' }, 410);
      }
      response.writeHead(200);
      return response.flushHeaders();
    }
    return sendList(response, '900', items);
  }, first.port);
  await recorder.until(() => recorder.told.length === 4);
  assert.deepEqual(recorder.told.slice(2), ['removed ns/b', 'added ns/c']);
  assert.equal(recorder.contacts.at(-1), true);
  await cache.stop();
  await end(second.server, second.client);
});

test('garbage on the watch and in lists is named and skipped', async () => {
  let lists = 0;
  const { server, client } = await serve((_request, response, url) => {
    if (url.searchParams.get('watch') === 'true') {
      response.writeHead(200);
      response.write('}{ no json\n');
      response.write(`${JSON.stringify({ type: 'ADDED', object: { metadata: {} } })}\n`);
      response.write(`${JSON.stringify({ type: 'PARTY', object: pod('x', '1') })}\n`);
      response.write(`${JSON.stringify({ type: 'ADDED', object: pod('b', '6') })}\n`);
      return;
    }
    lists++;
    if (lists === 1) return void response.end('<html>proxy error</html>');
    if (lists === 2) return sendJson(response, { kind: 'PodList' });
    sendList(response, '5', [7, null, { metadata: { name: 3 } }, pod('a', '1')]);
  });
  const recorder = new Recorder();
  const cache = cacheOn(client, recorder);
  cache.start();
  await recorder.until(() => recorder.told.includes('added ns/b'));
  assert.deepEqual(recorder.told, ['added ns/a', 'added ns/b']);
  const text = recorder.issues.join('\n');
  for (const part of ['not JSON', 'a list without items', 'without a name', '"PARTY"']) {
    assert.ok(text.includes(part), part);
  }
  await cache.stop();
  await end(server, client);
});

test('dropped and silent watch connections are opened again', async () => {
  let watches = 0;
  const { server, client } = await serve((_request, response, url) => {
    if (url.searchParams.get('watch') !== 'true') return sendList(response, '5', [pod('a', '1')]);
    watches++;
    if (watches === 1) return void response.socket?.destroy();
    response.writeHead(200);
    response.flushHeaders();
    // The second stays silent until the client loses patience; the third talks.
    if (watches > 2)
      response.write(`${JSON.stringify({ type: 'ADDED', object: pod('b', '6') })}\n`);
  });
  const recorder = new Recorder();
  const cache = cacheOn(client, recorder, 30);
  cache.start();
  await recorder.until(() => recorder.told.includes('added ns/b'));
  assert.deepEqual(recorder.told, ['added ns/a', 'added ns/b'], 'nothing flaps');
  await cache.stop();
  await end(server, client);
});

test('an exception in a handler is an issue, not the end', async () => {
  const { server, client } = await serve((_request, response, url) => {
    if (url.searchParams.get('watch') !== 'true') return sendList(response, '5', [pod('a', '1')]);
    response.writeHead(200);
    response.write(`${JSON.stringify({ type: 'ADDED', object: pod('b', '6') })}\n`);
  });
  const recorder = new Recorder();
  const cache = new ResourceCache(
    client,
    { type: PODS, backoff: FAST },
    {
      ...recorder.handlers,
      onChanges: (changes) => {
        recorder.handlers.onChanges(changes);
        throw new Error('boom');
      },
    },
  );
  cache.start();
  await recorder.until(() => recorder.issues.length === 2);
  assert.match(recorder.issues[0]!, /handler failed: Error: boom/);
  assert.equal(recorder.told.length, 2);
  await cache.stop();
  await end(server, client);
});

test('an error status keeps the API words', async () => {
  const { server, client } = await serve((_request, response) =>
    sendJson(response, { reason: 'Forbidden', message: 'no list for you' }, 403),
  );
  const answer = await client.request({ path: '/api/v1/pods' });
  assert.deepEqual(answer, {
    ok: false,
    error: { kind: 'status', status: 403, reason: 'Forbidden', message: 'no list for you' },
  });
  await end(server, client);
  const refused = await client.request({ path: '/api/v1/pods' });
  assert.ok(!refused.ok && refused.error.kind === 'unreachable');
});

test('writes: content types, field manager, conflict as an answer', async () => {
  const seen: string[] = [];
  const { server, client } = await serve((request, response, url) => {
    seen.push(`${request.method} ${url.pathname}${url.search} ${request.headers['content-type']}`);
    if (seen.length === 1) return sendJson(response, { reason: 'Conflict' }, 409);
    sendJson(response, {});
  });
  const at = { type: PODS, namespace: 'ns', name: 'a', subresource: 'status' as const };
  assert.deepEqual(await patchObject(client, at, { status: {} }), { ok: true, value: 'conflict' });
  assert.deepEqual(await applyObject(client, at, {}, 'me'), { ok: true, value: 'written' });
  assert.deepEqual(seen, [
    'PATCH /api/v1/namespaces/ns/pods/a/status application/merge-patch+json',
    'PATCH /api/v1/namespaces/ns/pods/a/status?fieldManager=me&force=true application/apply-patch+yaml',
  ]);
  await end(server, client);
});

test('the same event again raises its count; a chattering object is limited', async () => {
  const seen: string[] = [];
  const bodies: Json[] = [];
  const { server, client } = await serve((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      seen.push(request.method!);
      bodies.push(JSON.parse(text) as Json);
      sendJson(response, {}, 201);
    });
  });
  const writer = new EventWriter(client, { component: 'metallb-controller' });
  const target = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'ns', uid: 'u' },
  };
  const note = {
    type: 'Normal',
    reason: 'IPAllocated',
    message: 'Assigned IP ["1.2.3.4"]',
  } as const;
  writer.write(target, note);
  writer.write(target, note);
  await writer.flush();
  assert.deepEqual(seen, ['POST', 'PATCH']);
  assert.equal(bodies[1]!['count'], 2);
  assert.deepEqual(bodies[0]!['source'], { component: 'metallb-controller' });
  for (let i = 0; i < 100; i++) writer.write(target, { ...note, message: `m${i}` });
  await writer.flush();
  assert.equal(seen.length, 25);
  await end(server, client);
});

test('leader election: one holds, the next takes over when the lease stands still', async () => {
  let lease: Json | undefined;
  let version = 0;
  const { server, client } = await serve((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += String(chunk)));
    request.on('end', () => {
      const body = (text === '' ? {} : JSON.parse(text)) as { metadata?: Json; spec?: Json };
      if (request.method === 'GET') {
        return lease ? sendJson(response, lease) : sendJson(response, { reason: 'NotFound' }, 404);
      }
      const wanted = body.metadata?.['resourceVersion'];
      const current = (lease?.['metadata'] as Json | undefined)?.['resourceVersion'];
      if (wanted !== undefined && wanted !== current) {
        return sendJson(response, { reason: 'Conflict' }, 409);
      }
      lease = {
        metadata: { resourceVersion: `${++version}` },
        spec: { ...(lease?.['spec'] as Json | undefined), ...body.spec },
      };
      sendJson(response, lease);
    });
  });
  let nowMs = 0;
  const candidate = (identity: string): LeaderElection =>
    new LeaderElection(client, { namespace: 'ns', name: 'l', identity, nowMs: () => nowMs });
  const [a, b] = [candidate('a'), candidate('b')];
  assert.equal(await a.tryHold(), true);
  assert.equal(await b.tryHold(), false);
  nowMs = 14_000;
  assert.equal(await a.tryHold(), true);
  nowMs = 16_000;
  assert.equal(await b.tryHold(), false, 'a renewed');
  nowMs = 32_000;
  assert.equal(await b.tryHold(), true, 'a stood still');
  assert.equal(await a.tryHold(), false);
  await b.release();
  assert.equal(await a.tryHold(), true, 'released at once');
  await end(server, client);
});

test('back-off: quick first, then between half and all of a doubling delay', () => {
  const low = new Backoff({ firstMs: 50, minMs: 500, maxMs: 30_000 }, () => 0);
  const high = new Backoff({ firstMs: 50, minMs: 500, maxMs: 30_000 }, () => 0.999999);
  const run = (backoff: Backoff): number[] =>
    Array.from({ length: 9 }, () => backoff.nextDelayMs());
  assert.deepEqual(run(low), [25, 250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  assert.deepEqual(run(high), [50, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test('JSON lines: an endless line is fatal', () => {
  const lines = new JsonLines();
  const chunk = Buffer.alloc(8 * 1024 * 1024, 'x');
  assert.deepEqual(lines.push(chunk), []);
  assert.deepEqual(lines.push(chunk), []);
  const [line] = lines.push(chunk);
  assert.ok(line && !line.ok && line.fatal);
});

const KUBECONFIG = `
apiVersion: v1
kind: Config
current-context: lab
contexts: [{ name: lab, context: { cluster: c, user: u, namespace: metallb } }]
clusters: [{ name: c, cluster: { server: "https://127.0.0.1:6443/", certificate-authority-data: Q0E= } }]
users: [{ name: u, user: { client-certificate-data: Q0VSVA==, client-key: key.pem } }]
`;

test('kubeconfig: certificates inline and from files relative to it, and clear refusals', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'rookery-kube-'));
  const path = join(directory, 'config');
  writeFileSync(join(directory, 'key.pem'), 'KEY');
  const parsed = parseKubeconfig(KUBECONFIG, path);
  assert.ok(parsed.ok);
  const { server, ca, cert, key, namespace } = parsed.value;
  assert.deepEqual(
    [server, ca, cert, key, namespace],
    ['https://127.0.0.1:6443', 'CA', 'CERT', 'KEY', 'metallb'],
  );
  const error = (text: string): string => {
    const result = parseKubeconfig(text, path);
    return result.ok ? 'ok' : result.error;
  };
  assert.match(error('{'), /not YAML/);
  assert.match(error('a: b'), /no current-context/);
  assert.match(
    error(KUBECONFIG.replace('current-context: lab', 'current-context: x')),
    /"x" is not defined/,
  );
  assert.match(error(KUBECONFIG.replace('key.pem', 'none.pem')), /cannot read .*none\.pem: ENOENT/);
  assert.match(
    error(KUBECONFIG.replace('client-key: key.pem', 'auth-provider: {}')),
    /auth-provider is not supported/,
  );

  writeFileSync(join(directory, 'token'), 'first\n');
  const withToken = parseKubeconfig(
    KUBECONFIG.replace(/\{ client-cert.*\} \}\]/, '{ tokenFile: token } }]'),
    path,
  );
  assert.ok(withToken.ok);
  assert.deepEqual(await withToken.value.authorization(), { ok: true, value: 'Bearer first' });
  writeFileSync(join(directory, 'token'), 'rotated');
  assert.deepEqual(await withToken.value.authorization(), { ok: true, value: 'Bearer rotated' });

  const plugin = join(directory, 'plugin.sh');
  writeFileSync(plugin, '#!/bin/sh\necho \'{"status":{"token":"from-plugin"}}\'\n', {
    mode: 0o755,
  });
  const withExec = parseKubeconfig(
    KUBECONFIG.replace(/\{ client-cert.*\} \}\]/, `{ exec: { command: "${plugin}" } } }]`),
    path,
  );
  assert.ok(withExec.ok);
  assert.deepEqual(await withExec.value.authorization(), { ok: true, value: 'Bearer from-plugin' });

  writeFileSync(join(directory, 'ca.crt'), 'CA');
  writeFileSync(join(directory, 'namespace'), 'metallb\n');
  const pod = inClusterConnection(
    { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' },
    directory,
  );
  assert.ok(pod.ok);
  assert.deepEqual([pod.value.server, pod.value.namespace], ['https://[fd00::1]:443', 'metallb']);
  rmSync(directory, { recursive: true });
});
