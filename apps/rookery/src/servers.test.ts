import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createControlServer } from './control-server.ts';
import { listenUnix } from './unix-server.ts';
import { openVtySockets } from './vty-server.ts';

const directory = mkdtempSync(join(tmpdir(), 'rookery-servers-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('a socket has mode 0660; a live one is respected, a stale one and a missing directory are not', async () => {
  const path = join(directory, 'deep', 'er', 'bird.ctl');
  const first = await listenUnix(net.createServer(), path);
  assert.equal(first.kind, 'listening');
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal((await listenUnix(net.createServer(), path)).kind, 'taken');
  assert.ok(existsSync(path), 'the refused daemon leaves the socket of the other alone');
  if (first.kind === 'listening') first.close();
  assert.ok(!existsSync(path));

  // What a killed daemon leaves: a socket file that nobody listens on.
  const corpse = net.createServer().listen(`${path}.new`);
  await once(corpse, 'listening');
  const { link, unlink } = await import('node:fs/promises');
  await link(`${path}.new`, path);
  corpse.close();
  await unlink(`${path}.new`).catch(() => undefined);
  const again = await listenUnix(net.createServer(), path);
  assert.equal(again.kind, 'listening');
  if (again.kind === 'listening') again.close();

  writeFileSync(path, 'precious');
  const refused = await listenUnix(net.createServer(), path);
  assert.deepEqual(refused, { kind: 'failed', message: 'File exists' });
});

test('vty sockets frame commands and answers as FRR does', async () => {
  const sockets = await openVtySockets(
    directory,
    async () => (daemon, line) => ({
      text: `${daemon}: ${line}\n`,
      status: line === 'show foo' ? 2 : 0,
    }),
    {},
  );
  assert.ok(!('error' in sockets));
  const client = net.connect(join(directory, 'bgpd.vty'));
  const chunks: Buffer[] = [];
  client.on('data', (bytes: Buffer) => chunks.push(bytes));
  // Commands may be split and joined anywhere.
  client.write('enable\0show');
  client.write(' foo\0');
  const expected = 'bgpd: enable\n\0\0\0\0bgpd: show foo\n\0\0\0\x02';
  while (Buffer.concat(chunks).length < expected.length) await once(client, 'data');
  assert.equal(Buffer.concat(chunks).toString('latin1'), expected);
  client.destroy();
  sockets.close();
  assert.ok(!existsSync(join(directory, 'zebra.vty')));
});

test('the control API answers with the state and streams its changes', async () => {
  const path = join(directory, 'rookery.sock');
  let version = 1;
  const control = createControlServer({
    state: () => ({ version }),
    metrics: () => ({ turns: 7 }),
  });
  const outcome = await listenUnix(control.server, path);
  assert.equal(outcome.kind, 'listening');
  const get = async (target: string, method = 'GET'): Promise<[number, unknown]> => {
    const request = http.request({ socketPath: path, path: target, method }).end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const body = await response.toArray();
    return [response.statusCode!, JSON.parse(Buffer.concat(body).toString())];
  };
  assert.deepEqual(await get('/v1/state'), [200, { version: 1 }]);
  assert.deepEqual(await get('/v1/metrics'), [200, { turns: 7 }]);
  assert.equal((await get('/nothing'))[0], 404);
  assert.equal((await get('/v1/state', 'DELETE'))[0], 405);

  const request = http.request({ socketPath: path, path: '/v1/events' }).end();
  const [stream] = (await once(request, 'response')) as [http.IncomingMessage];
  stream.setEncoding('utf8');
  const event = async (): Promise<string> => ((await once(stream, 'data')) as [string])[0];
  assert.equal(await event(), 'event: state\ndata: {"version":1}\n\n');
  control.touch();
  version = 2;
  control.touch();
  assert.equal(await event(), 'event: state\ndata: {"version":2}\n\n', 'two changes are one event');
  if (outcome.kind === 'listening') outcome.close();
  control.close();
});
