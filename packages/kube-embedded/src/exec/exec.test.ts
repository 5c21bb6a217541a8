import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { constants, createDeflate } from 'node:zlib';
import { WebSocket } from 'ws';
import { podObject } from '../seed.ts';
import { type ApiServer, createApiServer } from '../server.ts';
import { ExecSession, type ExecProcess } from './session.ts';
import { parseHeaders } from './spdy.ts';
import { spdyDictionary } from './spdy-dictionary.ts';

let server: ApiServer;
let killed = 0;

before(async () => {
  server = await createApiServer({
    stateFile: ':memory:',
    listen: [{ host: '127.0.0.1', port: 0 }],
    exec: ({ command }) => {
      if (command[0] === 'missing') throw new Error('no such command: missing');
      return fakeProcess(command[0] ?? '').process;
    },
  });
  const containers = [{ name: 'c', image: 'i' }];
  server.apply(
    podObject({
      namespace: 'default',
      name: 'p',
      nodeName: 'n',
      ip: '10.0.0.1',
      labels: {},
      containers,
      nowText: '2026-01-01T00:00:00Z',
    }),
  );
});
after(() => server.close());

const path = (command: string, rest = '') =>
  `/api/v1/namespaces/default/pods/p/exec?container=c&command=${command}&stdout=true&stderr=true${rest}`;

function fakeProcess(kind: string) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const exit = Promise.withResolvers<number | null>();
  const process: ExecProcess = {
    stdin,
    stdout,
    stderr,
    exitCode: exit.promise,
    kill: () => {
      killed += 1;
      exit.resolve(null);
      stdout.end();
      stderr.end();
    },
  };
  if (kind === 'echo') {
    stdin.pipe(stdout);
    stderr.end('warn\n');
    stdin.on('end', () => exit.resolve(5));
  } else if (kind === 'lines') {
    stdout.end('a\nb\r\nc');
    stderr.end();
    exit.resolve(0);
  }
  return { process, stdin, stdout };
}

/** Runs one exec over WebSocket; answers what arrived by channel. */
function webSocketExec(
  target: string,
  protocol: string,
  send: (socket: WebSocket) => void,
): Promise<Map<number, string>> {
  return new Promise((resolve, reject) => {
    const url = new URL(target, server.url.replace('https', 'wss'));
    const headers = { authorization: `Bearer ${server.adminToken()}` };
    const socket = new WebSocket(url, [protocol], { ca: server.caPem, headers });
    const got = new Map<number, string>();
    socket.on('open', () => send(socket));
    socket.on('message', (data: Buffer) => {
      got.set(data[0] ?? -1, (got.get(data[0] ?? -1) ?? '') + data.subarray(1).toString());
    });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io']) {
  test(`${protocol}: input, output, errors and the exit code arrive on their channels`, async () => {
    const got = await webSocketExec(path('echo', '&stdin=true'), protocol, (socket) => {
      socket.send(Buffer.from('\0hello'));
      socket.send(Buffer.of(255, 0));
    });
    assert.equal(got.get(1), 'hello');
    assert.equal(got.get(2), 'warn\n');
    const status = JSON.parse(got.get(3) ?? '{}') as {
      reason: string;
      details: { causes: unknown };
    };
    assert.equal(status.reason, 'NonZeroExitCode');
    assert.deepEqual(status.details.causes, [{ reason: 'ExitCode', message: '5' }]);
  });
}

test('a tty sends CR LF at line ends, once, and puts errors into the output', async () => {
  const got = await webSocketExec(path('lines', '&tty=true'), 'v5.channel.k8s.io', () => undefined);
  assert.equal(got.get(1), 'a\r\nb\r\nc');
  assert.equal(got.get(2), undefined);
  assert.deepEqual(JSON.parse(got.get(3) ?? ''), { metadata: {}, status: 'Success' });
});

test('a command that cannot start ends with the reason', async () => {
  const got = await webSocketExec(path('missing'), 'v5.channel.k8s.io', () => undefined);
  assert.match(got.get(3) ?? '', /no such command: missing/);
});

test('the command is told when the client leaves', async () => {
  const before = killed;
  await webSocketExec(path('hang'), 'v5.channel.k8s.io', (socket) => socket.terminate()).catch(
    () => undefined,
  );
  while (killed === before) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(killed, before + 1);
});

test('without credentials, protocol, container or command the upgrade is refused', async () => {
  const attempt = (target: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const outgoing = httpsRequest(
        new URL(target, server.url),
        { agent: false, ca: server.caPem, headers },
        (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        },
      );
      outgoing.on('error', reject);
      outgoing.end();
    });
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  };
  const authorization = `Bearer ${server.adminToken()}`;
  const protocol = { 'sec-websocket-protocol': 'v5.channel.k8s.io' };
  assert.equal(await attempt(path('echo'), { ...upgrade, ...protocol }), 401);
  assert.equal(await attempt(path('echo'), { ...upgrade, authorization }), 400);
  assert.equal(
    await attempt(path('echo').replace('container=c', 'container=x'), {
      ...upgrade,
      ...protocol,
      authorization,
    }),
    400,
  );
  assert.equal(
    await attempt(path('echo').replace('command=echo', ''), {
      ...upgrade,
      ...protocol,
      authorization,
    }),
    400,
  );
  assert.equal(await attempt(path('echo'), { ...upgrade, upgrade: 'h2c', authorization }), 400);
});

test('the SPDY dictionary has the length and checksum of the specification', () => {
  assert.equal(spdyDictionary.length, 1423);
  // The zlib header of a stream with a preset dictionary names it by Adler-32.
  let a = 1;
  let b = 0;
  for (const byte of spdyDictionary) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  assert.equal(((b << 16) | a) >>> 0, 0xe3c6a7c2);
});

test('SPDY: streams, input, output, exit status and a ping answered', async () => {
  const got = await spdyExec(
    path('echo', '&stdin=true'),
    ['error', 'stdin', 'stdout', 'stderr'],
    (connection) => {
      connection.data(3, 'hel');
      connection.ping(9);
      connection.data(3, 'lo', true);
    },
  );
  assert.equal(got.data.get(5), 'hello');
  assert.equal(got.data.get(7), 'warn\n');
  assert.match(got.data.get(1) ?? '', /NonZeroExitCode/);
  assert.deepEqual(got.pings, [9]);
});

test('SPDY: garbage after the upgrade ends the connection, not the server', async () => {
  const got = await spdyExec(path('echo', '&stdin=true'), [], (connection) =>
    connection.raw(Buffer.from('80030001ffffffff', 'hex')),
  );
  assert.equal(got.data.size, 0);
  const rubbish = Buffer.concat([Buffer.from('8003000100000010', 'hex'), Buffer.alloc(16, 7)]);
  await spdyExec(path('echo', '&stdin=true'), [], (connection) => connection.raw(rubbish));
  assert.equal(
    (await webSocketExec(path('lines'), 'v5.channel.k8s.io', () => undefined)).get(1),
    'a\nb\r\nc',
  );
});

test('header blocks: pairs are read, a cut block throws', () => {
  const block = headerBlock({ streamType: 'stdin' });
  assert.deepEqual(parseHeaders(block), { streamtype: 'stdin' });
  assert.throws(() => parseHeaders(block.subarray(0, 12)));
});

test('input after the end of a command is dropped', () => {
  const { process, stdin } = fakeProcess('hang');
  const session = new ExecSession(process, false);
  stdin.end();
  session.input(Buffer.from('late'));
  session.inputEnded();
  session.abandon();
});

interface SpdyClient {
  data: (stream: number, text: string, isLast?: boolean) => void;
  ping: (id: number) => void;
  raw: (bytes: Buffer) => void;
}

/** A client of exec over SPDY, enough for these tests: streams 1, 3, 5… in the order of `kinds`. */
async function spdyExec(target: string, kinds: string[], act: (client: SpdyClient) => void) {
  const { hostname, port } = new URL(server.url);
  const socket: TLSSocket = connect({ host: hostname, port: Number(port), ca: server.caPem });
  socket.on('error', () => undefined);
  socket.write(
    `POST ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.adminToken()}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n`,
  );
  const compressor = createDeflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH });
  const compress = (block: Buffer) =>
    new Promise<Buffer>((resolve) => {
      const chunks: Buffer[] = [];
      const collect = (chunk: Buffer) => void chunks.push(chunk);
      compressor.on('data', collect);
      compressor.write(block, () =>
        setImmediate(() => (compressor.off('data', collect), resolve(Buffer.concat(chunks)))),
      );
    });
  const got = { data: new Map<number, string>(), pings: [] as number[] };
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  let pending = Buffer.alloc(0);
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      const head = pending.indexOf('\r\n\r\n');
      if (pending.subarray(0, 4).toString() === 'HTTP' && head > 0) {
        assert.match(pending.toString('latin1'), /^HTTP\/1\.1 101 /);
        pending = pending.subarray(head + 4);
        resolve();
      }
      while (pending.length >= 8 && pending.length >= 8 + (pending.readUInt32BE(4) & 0xffffff)) {
        const size = 8 + (pending.readUInt32BE(4) & 0xffffff);
        const first = pending.readUInt32BE(0);
        const body = pending.subarray(8, size);
        if (first < 0x80000000) got.data.set(first, (got.data.get(first) ?? '') + body.toString());
        else if ((first & 0xffff) === 6) got.pings.push(body.readUInt32BE(0));
        pending = pending.subarray(size);
      }
    });
  });
  const control = (type: number, body: Buffer) => {
    const header = Buffer.alloc(8);
    header.writeUInt32BE(0x80030000 + type, 0);
    header.writeUInt32BE(body.length, 4);
    socket.write(Buffer.concat([header, body]));
  };
  for (const [index, kind] of kinds.entries()) {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(index * 2 + 1, 0);
    control(1, Buffer.concat([fixed, await compress(headerBlock({ streamType: kind }))]));
  }
  act({
    data: (stream, text, isLast = false) => {
      const header = Buffer.alloc(8);
      header.writeUInt32BE(stream, 0);
      header.writeUInt32BE((isLast ? 0x01000000 : 0) + text.length, 4);
      socket.write(Buffer.concat([header, Buffer.from(text)]));
    },
    ping: (id) => {
      const body = Buffer.alloc(4);
      body.writeUInt32BE(id);
      control(6, body);
    },
    raw: (bytes) => void socket.write(bytes),
  });
  await ended;
  compressor.close();
  return got;
}

function headerBlock(headers: Record<string, string>): Buffer {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const texts = Object.entries(headers).flatMap(([name, value]) => [
    number(name.length),
    Buffer.from(name),
    number(value.length),
    Buffer.from(value),
  ]);
  return Buffer.concat([number(Object.keys(headers).length), ...texts]);
}
