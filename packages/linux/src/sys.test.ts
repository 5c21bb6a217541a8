import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as c from './constants.ts';
import { decodeSocketAddress, encodeSocketAddress } from './sockaddr.ts';
import * as sys from './sys.ts';

function openLoopback(): { fd: number; port: number } {
  const opened = sys.openSocket(c.AF_INET, c.SOCK_DGRAM | c.SOCK_CLOEXEC, 0);
  assert.ok(opened.ok);
  assert.ok(sys.bindSocket(opened.value, encodeSocketAddress('127.0.0.1', 0)).ok);
  const name = sys.socketName(opened.value);
  assert.ok(name.ok);
  return { fd: opened.value, port: decodeSocketAddress(name.value)!.port };
}

async function send(port: number): Promise<void> {
  const sender = dgram.createSocket('udp4');
  sender.send('x', port, '127.0.0.1');
  await once(sender, 'listening');
  await new Promise<void>((done) => sender.send('y', port, '127.0.0.1', () => done()));
  sender.close();
}

// Trap 1 of koffi's poll: the handle is held weakly and the collector closes it.
test('a watch survives garbage collection', { timeout: 10_000 }, async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { fd, port } = openLoopback();
  const buffer = new Uint8Array(16);
  let wake: (() => void) | undefined;
  const stop = sys.watch(fd, () => {
    while (sys.receiveBytes(fd, buffer, c.MSG_DONTWAIT).ok);
    wake?.();
  });
  for (let round = 0; round < 5; round++) {
    const woken = new Promise<void>((done) => (wake = done));
    collect();
    await new Promise((done) => setImmediate(done));
    collect();
    await send(port);
    await woken;
  }
  stop();
  setImmediate(() => sys.closeDescriptor(fd));
});

// Trap 2: the callback is a bare native call, in which microtasks wait for an unrelated event and an
// exception surfaces no earlier. In a process of its own, where the next unrelated event is a timer
// far away: a test runner's process is never quiet.
test('promises queued in a drain run at once', { timeout: 20_000 }, async () => {
  const at = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    import { writeSync } from 'node:fs';
    import * as sys from ${at('./sys.ts')};
    import { decodeSocketAddress, encodeSocketAddress } from ${at('./sockaddr.ts')};
    const fd = sys.openSocket(${c.AF_INET}, ${c.SOCK_DGRAM}, 0).value;
    sys.bindSocket(fd, encodeSocketAddress('127.0.0.1', 0));
    const buffer = new Uint8Array(16);
    setTimeout(() => process.exit(), 5000);
    sys.watch(fd, () => {
      while (sys.receiveBytes(fd, buffer, ${c.MSG_DONTWAIT}).ok);
      const at = performance.now();
      Promise.resolve().then(() => {
        writeSync(1, 'late ' + Math.round(performance.now() - at) + ' ms');
        process.exit();
      });
    });
    writeSync(1, decodeSocketAddress(sys.socketName(fd).value).port + ' ');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
  while (!output.includes(' ')) await once(child.stdout, 'data');
  await send(Number(output.split(' ')[0]));
  await once(child, 'close');
  const late = / late (\d+) ms/.exec(output);
  assert.ok(late && Number(late[1]) < 1000, `the microtask ran late or never: ${output}`);
});

test('a failing call returns errno, with the name and text that BIRD logs', () => {
  const result = sys.setOption(-1, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  assert.ok(!result.ok);
  assert.deepEqual(sys.platformError('setsockopt', result.errno), {
    operation: 'setsockopt',
    code: 'EBADF',
    message: 'Bad file descriptor',
  });
  assert.equal(
    sys.platformErrorFrom('connect', { code: 'ECONNREFUSED' }).message,
    'Connection refused',
  );
  assert.equal(sys.platformErrorFrom('x', new Error('odd')).message, 'odd');
});
